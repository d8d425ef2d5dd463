"""The guide's errors about monitoring, 47 to 63, each by its number in the list of corrections, and that we don't repeat it.

Its queries are put here in the form of what is wrong with them, and run on the lab's engine beside ours. 60 is in
test_harden_monitoring.py, which makes the alerts that the guide only lists.
"""

from __future__ import annotations

from typing import Any

import pytest
from alerts import activity, metric, query, verdict
from azure.mgmt.monitor import MonitorManagementClient
from azure.mgmt.monitor.models import ActivityLogAlertResource, MetricAlertResource
from hardening import own_lab, plan
from test_detections import NOW, ask, store
from test_harden_monitoring import wishing
from test_monitoring_logs import ALL_LOGS, CATEGORIES, log, setting
from test_monitoring_logs import verdict as logs_verdict
from test_monitoring_observed import found, passive

from aoai_lib.detections import Detection, catalogue, find, rows_of, shadowed
from aoai_lib.detections.events import Event
from aoai_lib.lab.logs import LogStore
from aoai_lib.lab.logs import catalogue as lab_tables
from aoai_lib.model import Snapshot

CALLS = (
    'AzureDiagnostics | where ResourceProvider == "MICROSOFT.COGNITIVESERVICES" | where Category == "RequestResponse"'
)


def event(shape: str = "call", times: int = 1, **told: Any) -> Event:
    return Event.model_validate({"shape": shape, "times": times, "with": told})


def over(question: str, *events: Event) -> list[dict[str, Any]]:
    """What a workspace with these events answers."""
    return ask(store(rows_of(events, NOW)), question)


def ours(name: str, *events: Event) -> list[dict[str, Any]]:
    return over(find(name).kql(), *events)


def test_47_the_sdk_has_no_diagnostic_settings_and_ours_go_by_resource_manager(hardened: Snapshot) -> None:
    assert not hasattr(MonitorManagementClient, "diagnostic_settings")
    read = list(hardened.of("diagnostic_settings"))
    assert read and all(isinstance(each.value, list) and each.value for each in read)
    assert all("/providers/Microsoft.Insights/diagnosticSettings" in each.call for each in read)


def test_48_three_categories_are_not_all() -> None:
    three = [setting([log(name) for name in ("Audit", "RequestResponse", "Trace")])]
    told = logs_verdict("MON-01", diagnostic_settings=three)
    assert told.status == "fail" and "AzureOpenAIRequestUsage" in told.reason
    assert logs_verdict("MON-01", diagnostic_settings=[setting(ALL_LOGS)]).status == "pass"
    assert "ManagedNetworkEvent" in CATEGORIES


def test_49_retention_in_a_setting_is_never_written() -> None:
    """That it doesn't count when it is read is in test_monitoring_logs.py: `log` sends 365 days with every entry."""
    with own_lab("exposed") as lab:
        steps = plan(wishing(lab, "exposed"), "MON-01", "MON-02", "MON-03", "MON-05").steps
    bodies = [str(each.request.body) for each in steps]
    assert bodies and not any("retentionPolicy" in body for body in bodies)
    assert any("totalRetentionInDays" in body for body in bodies), "it is the table that keeps"


def test_50_the_number_of_a_text_of_properties_is_none() -> None:
    calls = event(times=60, caller="burster")
    (row,) = over(f"{CALLS} | summarize Tokens = sum(toint(properties_s)), n = count()", calls)
    assert row["n"] == 60 and not row["Tokens"]
    (row,) = ours("request-burst", calls)
    assert row["Requests"] == 60 and "Tokens" not in row
    (usage,) = ours("gateway-tokens", event("gateway", tokens=600_000))
    assert usage["Tokens"] == 600_000, "tokens of a caller are a gateway's to tell"


def test_51_one_masked_address_is_many_callers() -> None:
    calls = [event(times=30, caller=f"caller-{n}") for n in range(3)]
    (row,) = over(f"{CALLS} | summarize n = count() by CallerIPAddress | where n > 50", *calls)
    assert row["CallerIPAddress"].endswith(".***"), "nobody sent more than 50"
    assert ours("request-burst", *calls) == []


def test_52_what_a_filter_did_is_in_no_row() -> None:
    refused = [event(times=9, status=400, caller="prober")]
    guide = f'{CALLS} | where properties_s contains "content_filter" | extend p = parse_json(properties_s) | where p.resultType == "Filtered"'
    assert over(guide, *refused) == []
    (row,) = ours("rejected-requests", *refused)
    assert row["Refused"] == 9 and "filter" in find("rejected-requests").blind_spots.lower()


def test_53_a_call_with_a_key_has_no_app_and_is_in_no_audit_row() -> None:
    events = [event(caller=""), event("audit"), event(caller="robot")]
    column = {"identity_claim_appid_g": ""}
    rows = {"AzureDiagnostics": [row | column for row in rows_of(events, NOW)["AzureDiagnostics"]]}
    guide = 'AzureDiagnostics | where Category == "Audit" | where identity_claim_appid_g != "" | where properties_s !contains "managedIdentity"'
    assert ask(store(rows), guide) == []
    (row,) = ours("key-use", *events)
    assert row["Calls"] == 1
    assert (
        len(ours("key-retrieval", event("activity", operation="MICROSOFT.COGNITIVESERVICES/ACCOUNTS/LISTKEYS/ACTION")))
        == 1
    )


def test_54_one_change_is_one_row_whatever_its_case_and_more_than_three_operations_count() -> None:
    write = "MICROSOFT.COGNITIVESERVICES/ACCOUNTS/DEPLOYMENTS/WRITE"
    twice = [event("activity", operation=write, status=status) for status in ("Start", "Success")]
    guide = f'AzureActivity | where OperationNameValue in ("{write}")'
    assert len(over(guide, *twice)) == 2
    assert len(ours("configuration-change", *twice)) == 1
    small = [event("activity", operation=write.lower())]
    assert over(guide, *small) == [] and len(ours("configuration-change", *small)) == 1
    for operation in ("RAIPOLICIES/DELETE", "RAIBLOCKLISTS/DELETE", "WRITE"):
        named = event("activity", operation=f"MICROSOFT.COGNITIVESERVICES/ACCOUNTS/{operation}")
        assert over(guide, named) == [] and len(ours("configuration-change", named)) == 1, operation
    assert (
        len(ours("diagnostics-removed", event("activity", operation="MICROSOFT.INSIGHTS/DIAGNOSTICSETTINGS/DELETE")))
        == 1
    )
    assert len(ours("role-granted", event("activity", operation="MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE"))) == 1


def test_55_rejected_content_is_a_metric_and_in_no_log() -> None:
    assert verdict("MON-06", metrics=[metric("RAIRejectedRequests", 20.0)]).status == "pass"
    text = f'{CALLS} | where properties_s contains "content_filter" | summarize count() by CallerIPAddress'
    assert verdict("MON-06", queries=[query(text)]).status == "fail"


def test_56_use_of_keys_is_seen_by_a_successful_call_of_nobody() -> None:
    guide = 'AzureDiagnostics | where Category == "Audit" | where identity_claim_appid_g != ""'
    assert verdict("MON-07", queries=[query(guide)]).status == "fail"
    assert verdict("MON-07", queries=[query(find("key-use").kql())]).status == "pass"


def test_57_an_activity_log_alert_has_no_severity() -> None:
    assert "severity" in MetricAlertResource._attribute_map
    assert "severity" not in ActivityLogAlertResource._attribute_map
    one = activity("Microsoft.CognitiveServices/accounts/deployments/write")
    assert "severity" not in one["properties"]
    told = verdict("MON-08", activities=[one])
    assert told.status == "fail", "the guide's operation alone leaves out the others"


def test_58_tokens_are_counted_by_deployment() -> None:
    rule = metric("TokenTransaction", 500_000.0, windowSize="PT1H", evaluationFrequency="PT5M")
    assert verdict("MON-09", metrics=[rule]).status == "pass"
    assert "gateway" in verdict("MON-09", metrics=[rule]).reason
    lines = f"{CALLS} | summarize Tokens = sum(toint(properties_s)) by CallerIPAddress | where Tokens > 500000"
    assert verdict("MON-09", queries=[query(lines)]).status == "fail"


def test_59_a_log_alert_does_not_look_back_two_weeks() -> None:
    long = find("first-seen-caller").kql(before="14d")
    assert find("first-seen-caller").alert_limit(before="14d")
    told = verdict("MON-10", queries=[query(long)])
    assert told.status == "fail" and "two at most" in told.reason
    assert verdict("MON-10", queries=[query(find("first-seen-caller").kql())]).status == "pass"


def test_61_a_row_that_takes_more_than_five_minutes_is_usual(hardened: Snapshot) -> None:
    assert passive(hardened, ["RequestResponse", 600]).status == "pass"
    assert passive(hardened, ["RequestResponse", 3600]).status == "fail"
    assert found(hardened, "MON-04").status == "pass"


def test_62_exported_metrics_have_no_dimension() -> None:
    columns = set(lab_tables()["AzureMetrics"]["columns"])
    assert not columns & {"ModelDeploymentName", "Category", "StatusCode"}
    for detection in catalogue():
        assert set(detection.tables.get("AzureMetrics", ())) <= columns
    assert verdict("MON-06", metrics=[metric("RAIRejectedRequests", 20.0)]).status == "pass", "on the metric itself"


@pytest.mark.parametrize("detection", [find("key-use"), find("first-seen-caller")], ids=lambda each: each.name)
def test_63_events_stand_in_the_question_and_nothing_is_ingested(detection: Detection) -> None:
    held = LogStore(["w"])
    assert ask(held, shadowed(detection, detection.hits))
    assert ask(held, "AzureActivity | count") == [{"Count": 0}]
