"""MON-07 and MON-10: log alerts count by what their query reads."""

from __future__ import annotations

from typing import Any

import pytest
from alerts import CENTRAL, OTHER_SUBSCRIPTION, WORKSPACE, exported, query, verdict
from builders import ACCOUNT, GROUP, reading

from aoai_lib.model import State

KEYS = (
    'AzureDiagnostics | where ResourceProvider =~ "MICROSOFT.COGNITIVESERVICES" and Category == "RequestResponse" '
    "| extend p=parse_json(properties_s) | where isempty(tostring(p.objectId)) and toint(ResultSignature) between (200 .. 299)"
)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param(KEYS, "pass", id="objectId-empty-and-succeeded"),
        pytest.param(KEYS.replace('isempty(tostring(p.objectId))', 'tostring(p.objectId) == ""'), "pass", id="equals-empty"),
        pytest.param('AzureDiagnostics | where Category=="RequestResponse" | extend Caller = tostring(parse_json(properties_s).objectId) | where isempty(Caller)', "pass", id="alias"),
        pytest.param('AzureDiagnostics | extend Model = tostring(p.modelName), Who = tostring(p.objectId) | where isempty(Model)', "fail", id="another-field-is-empty"),
        pytest.param(KEYS.replace("isempty", "isnotempty"), "fail", id="the-opposite"),
        pytest.param(KEYS.replace("isempty(tostring(p.objectId))", "not(isempty(tostring(p.objectId)))"), "fail", id="not-empty"),
        pytest.param(KEYS.replace("RequestResponse", "Audit"), "fail", id="audit-rows"),
        pytest.param(KEYS.replace("between (200 .. 299)", "== 401"), "fail", id="failures-only"),
        pytest.param("// " + KEYS + "\nHeartbeat | take 1", "fail", id="in-a-comment"),
        pytest.param("let AzureDiagnostics = datatable(x:int)[1]; " + KEYS, "fail", id="table-replaced"),
        pytest.param('AzureDiagnostics | where Category == "Audit" | where identity_claim_appid_g != "" | where properties_s !contains "managedIdentity"', "fail", id="guide"),
        pytest.param(KEYS + " | summarize Calls=count() by CallerIPAddress | where Calls > 100", "fail", id="not-the-first"),
        pytest.param(KEYS + " | summarize Calls=count() by CallerIPAddress | where Calls > 0", "pass", id="the-first-counted"),
        pytest.param(KEYS + f' | where _ResourceId =~ "{ACCOUNT}-2"', "fail", id="about-another-account"),
        pytest.param(KEYS + ' | where Resource == "ACCT"', "pass", id="about-this-account"),
        pytest.param(KEYS + ' | where Resource in~ ("SHOP", "SEARCH")', "fail", id="about-others-in-a-list"),
        pytest.param(KEYS + ' | where Resource in~ ("SHOP", "acct")', "pass", id="about-this-one-in-a-list"),
        pytest.param(KEYS + ' | where _ResourceId endswith "/accounts/shop"', "fail", id="about-another-by-its-end"),
        pytest.param(KEYS + ' | where _ResourceId has "shop" or _ResourceId has "acct"', "pass", id="about-either"),
        pytest.param(KEYS + ' | where ResourceGroup =~ "elsewhere"', "fail", id="about-another-group"),
        pytest.param(KEYS + ' | where _ResourceId contains "/microsoft.cognitiveservices/accounts/"', "pass", id="about-all"),
        pytest.param(KEYS + ' | where _ResourceId contains "/deployments/"', "pass", id="about-what-is-inside"),
        pytest.param(KEYS + " | where TimeGenerated > ago(2m)", "fail", id="not-as-far-back-as-it-is-asked-again"),
    ],
)  # fmt: skip
def test_a_log_alert_on_keys(text: str, status: str) -> None:
    assert verdict("MON-07", queries=[query(text)]).status == status


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (query(KEYS, scopes=[ACCOUNT]), "pass"),
        (query(KEYS, scopes=[GROUP.replace("resourceGroups", "resourcegroups")]), "pass"),
        (query(KEYS, scopes=[f"{WORKSPACE}-other"]), "fail"),
        (query(KEYS, enabled=False), "fail"),
        (query(KEYS, condition={"threshold": 5.0}), "fail"),
        (query(KEYS, condition={"operator": "GreaterThanOrEqual", "threshold": 1.0}), "pass"),
        (query(KEYS, condition={"failingPeriods": {"numberOfEvaluationPeriods": 4, "minFailingPeriodsToAlert": 4}}), "fail"),
        (query(KEYS, condition={"failingPeriods": None}), "pass"),
        (query(KEYS, condition={"dimensions": [{"name": "Resource", "operator": "Include", "values": ["X"]}]}), "fail"),
        (query(KEYS, evaluationFrequency="PT1H"), "fail"),
        (query(KEYS, muteActionsDuration="PT30M"), "pass"),
        (query(KEYS) | {"kind": "LogToMetric"}, "fail"),
        (query(KEYS, scopes=[GROUP], targetResourceTypes=["Microsoft.Compute/virtualMachines"]), "fail"),
        (query(KEYS, scopes=[GROUP], targetResourceTypes=["Microsoft.CognitiveServices/accounts"]), "pass"),
        (query(KEYS, targetResourceTypes=["Microsoft.OperationalInsights/workspaces"]), "pass"),
    ],
    ids=["account", "group", "other-workspace", "off", "after-five", "one-or-more", "four-periods", "no-periods",
         "one-value", "gaps", "muted-after-firing", "makes-a-metric", "group-of-others", "group-of-accounts", "workspace-by-type"],
)  # fmt: skip
def test_a_log_alert_has_to_cover_and_fire(rule: Any, status: str) -> None:
    assert verdict("MON-07", queries=[rule]).status == status


def test_a_log_alert_is_blind_without_the_category() -> None:
    setting = {"workspaceId": WORKSPACE, "logs": [{"category": "Audit", "enabled": True}]}
    blind = reading("diagnostic_settings", ACCOUNT, [{"name": "audit", "properties": setting}])
    assert verdict("MON-07", blind, queries=[query(KEYS)]).status == "fail"


def test_settings_that_were_cut_off_leave_a_missing_rule_open() -> None:
    cut = reading("diagnostic_settings", ACCOUNT, exported()[0].value, State.PARTIAL)
    assert verdict("MON-07", cut, queries=[query(KEYS)]).status == "pass"
    assert verdict("MON-07", cut).status == "not_assessed"


def test_a_rule_in_the_subscription_of_a_central_workspace_is_found() -> None:
    rule = query(KEYS, scopes=[CENTRAL])
    elsewhere = reading("scheduled_query_rules", OTHER_SUBSCRIPTION, [rule])
    assert verdict("MON-07", *exported(CENTRAL), elsewhere).status == "pass"
    assert verdict("MON-07", *exported(CENTRAL)).status == "not_assessed"


CALLS = 'let c = AzureDiagnostics | where Category == "RequestResponse" | extend who = tostring(parse_json(properties_s).objectId); '
ANTI = (
    CALLS
    + "c | where TimeGenerated > ago(1h) | join kind=leftanti (c | where TimeGenerated between (ago({}) .. ago(1h))) on who"
)
FIRST = CALLS + "c | summarize First = min(TimeGenerated) by who | where First > {}"


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (query(ANTI.format("2d"), evaluationFrequency="PT1H", windowSize="PT1H"), "pass"),
        (query(ANTI.format("48h")), "pass"),
        (query(ANTI.format("14d")), "fail"),
        (query(FIRST.format("datetime_add('hour',-1,now())"), evaluationFrequency="PT15M"), "fail"),
        (query(FIRST.format("now() - 1h"), overrideQueryTimeRange="P2D"), "pass"),
        (query(CALLS + "c | summarize count() by who, CallerIPAddress"), "fail"),
        (query(ANTI.format("2d").replace("RequestResponse", "Audit")), "fail"),
    ],
    ids=["two-days", "hours", "fourteen-days", "nothing-before", "first-seen", "no-baseline", "audit"],
)  # fmt: skip
def test_new_callers(rule: Any, status: str) -> None:
    found = verdict("MON-10", queries=[rule])
    assert found.status == status, found.reason
    assert "two" in found.reason
