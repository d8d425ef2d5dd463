"""The exported ARM template: deployed to the lab through its resources, what it makes is what the alert controls ask for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from hardening import own_lab
from tenants import collect

from aoai_lib.assess import judge
from aoai_lib.cli import main
from aoai_lib.controls import catalogue as controls
from aoai_lib.detections import catalogue, find
from aoai_lib.detections.template import template, text
from aoai_lib.model import Status

ALERTS = ("MON-06", "MON-07", "MON-08", "MON-09", "MON-10")


def resolved(value: Any, given: dict[str, Any], group: str) -> Any:
    """The template's few expressions as Resource Manager reads them; anything else in brackets is refused."""
    if isinstance(value, list):
        return [resolved(each, given, group) for each in value]
    if isinstance(value, dict):
        return {name: resolved(each, given, group) for name, each in value.items()}
    if not isinstance(value, str) or not value.startswith("["):
        return value
    if value.startswith("[["):
        return value[1:]
    if named := re.fullmatch(r"\[parameters\('(\w+)'\)\]", value):
        return given[named[1]]
    if named := re.fullmatch(r"\[resourceId\('([^']+)', parameters\('(\w+)'\)\)\]", value):
        return f"{group}/providers/{named[1]}/{given[named[2]]}"
    if named := re.fullmatch(r"\[format\('([^']+)', last\(split\(parameters\('(\w+)'\), '/'\)\)\)\]", value):
        return named[1].format(given[named[2]].rpartition("/")[2])
    raise AssertionError(f"no expression that a template may hold: {value}")


def test_deployed_it_passes_the_five_alert_controls() -> None:
    with own_lab("hardened") as lab:
        state = lab.state("hardened")
        kinds = ("metricAlerts", "scheduledQueryRules", "activityLogAlerts")
        for path in [each.id for kind in kinds for each in state.of_type(f"Microsoft.Insights/{kind}")]:
            state.remove(path)
        bare = collect(lab, "hardened")
        chosen = [each for each in controls() if each.id in ALERTS]
        assert {each.status for each in judge(bare, chosen)} == {Status.FAIL}
        accounts = [each.id for each in state.of_type("Microsoft.CognitiveServices/accounts")]
        workspace = next(iter(state.of_type("Microsoft.OperationalInsights/workspaces")))
        group = workspace.id.partition("/providers/")[0]
        made: dict[str, dict[str, Any]] = {}
        for account in accounts:
            whole = template()
            given = {
                name: each["defaultValue"] for name, each in whole["parameters"].items() if "defaultValue" in each
            } | {
                "accountId": account,
                "workspaceId": workspace.id,
                "location": "swedencentral",
                "receivers": [{"name": "soc", "emailAddress": "soc@contoso.example", "useCommonAlertSchema": True}],
            }
            assert given.keys() == whole["parameters"].keys()
            for each in resolved(whole["resources"], given, group):
                if each.get("condition", True):
                    made[f"{group}/providers/{each['type']}/{each['name']}"] = each
        for path, each in made.items():
            put(lab, path, each)
        found = judge(collect(lab, "hardened"), chosen)
        assert [(one.control, one.reason) for one in found if one.status is not Status.PASS] == []


def put(lab: Any, path: str, resource: dict[str, Any]) -> None:
    """One PUT to Resource Manager, by whoever may write in the lab."""
    from aoai_lib.azure import clouds, credentials
    from aoai_lib.azure.clients import Azure
    from aoai_lib.azure.writing import PlannedWrite, PlannedWritesPolicy
    from aoai_lib.evidence.store import Evidence
    from aoai_lib.fleet import environment

    with environment(lab.environment("hardened", "operator")):
        cloud = clouds.find("lab")
        azure = Azure(cloud, credentials.choose("default", cloud, ""), Evidence(), planned=PlannedWritesPolicy())
        body = {"location": resource["location"], "properties": resource["properties"]}
        azure.write(PlannedWrite("PUT", path, resource["apiVersion"], body), {})
        azure.close()


def test_every_alertable_detection_is_in_it_word_for_word() -> None:
    queries = [
        resolved(each["properties"]["criteria"]["allOf"][0]["query"], {}, "")
        for each in template()["resources"]
        if each["type"].endswith("scheduledQueryRules")
    ]
    assert queries == [each.kql() for each in catalogue() if each.alertable]
    assert all(each.alertable for each in catalogue()), "one that is not would be lost here"


def test_a_rule_asks_as_far_back_as_its_query_and_two_days_at_most() -> None:
    rules = {
        each["properties"]["displayName"]: each["properties"]
        for each in template()["resources"]
        if each["type"].endswith("scheduledQueryRules")
    }
    assert rules[find("first-seen-caller").title]["overrideQueryTimeRange"] == "P2D"
    assert rules[find("defender-alert").title]["overrideQueryTimeRange"] == "P1D"
    assert "overrideQueryTimeRange" not in rules[find("key-use").title]


def test_it_is_the_same_every_time_and_holds_no_secret() -> None:
    assert text() == text() and json.loads(text()) == template()
    assert not re.search(r"password|secret|apikey|listKeys\(", text(), re.IGNORECASE)


def test_the_command_lists_shows_and_writes(tmp_path: Path) -> None:
    runner = CliRunner()
    listed = runner.invoke(main, ["detections"])
    assert listed.exit_code == 0 and all(each.id in listed.output for each in catalogue())
    one = runner.invoke(main, ["detections", "DET-04"])
    assert one.exit_code == 0 and "summarize Calls = count()" in one.output
    assert runner.invoke(main, ["detections", "DET-99"]).exit_code == 2
    path = tmp_path / "alerts.json"
    assert runner.invoke(main, ["detections", "--template", str(path)]).exit_code == 0
    assert path.read_text(encoding="utf-8") == text()
    again = runner.invoke(main, ["detections", "--template", str(path)])
    assert again.exit_code == 2 and "is there already" in again.output
