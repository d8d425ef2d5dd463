"""What monitoring and governance read, and how much: lists once a subscription, nothing twice, odd shapes passed over."""

from __future__ import annotations

from collections import Counter

from alerts import CENTRAL, OTHER_SUBSCRIPTION, TEAM, exported, metric, query
from builders import ACCOUNT, SUBSCRIPTION, account, reading

from aoai_lib.collect import Readings, governance, monitoring
from aoai_lib.model import Reading, Snapshot, State

SCOPES = {source.name: source.over.find for source in (*monitoring.SOURCES, *governance.SOURCES)}


def readings(*given: Reading) -> Readings:
    return {(each.source, each.scope.lower()): each for each in given}


def test_each_account_costs_one_request_of_its_own(hardened: Snapshot) -> None:
    names = {source.name for source in (*monitoring.SOURCES, *governance.SOURCES)}
    read = Counter(name for name, _ in hardened.readings if name in names)
    assert read == {
        "diagnostic_settings": 2,  # one for each of the two accounts
        "subscription_diagnostic_settings": 1,
        "ai_pricing": 1,
        "metric_alerts": 1,
        "fired_alerts": 1,
        "alert_processing_rules": 1,
        "activity_log_alerts": 1,
        "action_groups": 1,
        "action_group": 1,  # an item of the list, not a request
        "scheduled_query_rules": 1,
        "workspace": 1,
        "diagnostics_table": 1,
        "activity_table": 1,
        "models": 1,
        "locks": 1,
        "budgets": 1,
    }
    states = {each.state for (name, _), each in hardened.readings.items() if name in names}
    assert states == {State.COLLECTED}


def test_the_subscription_of_a_central_workspace_is_asked_for_log_rules() -> None:
    known = readings(reading("subscriptions", "", [SUBSCRIPTION]), *exported(CENTRAL))
    assert set(SCOPES["scheduled_query_rules"](known)) == {SUBSCRIPTION, OTHER_SUBSCRIPTION}
    assert set(SCOPES["workspace"](known)) == {CENTRAL}


def test_workspaces_are_asked_for_the_table_that_is_sent_to_them_only() -> None:
    known = readings(*exported(CENTRAL)[:1])
    assert list(SCOPES["diagnostics_table"](known)) == [CENTRAL]
    assert list(SCOPES["activity_table"](known)) == []


def test_action_groups_that_rules_name_are_asked_for_by_id() -> None:
    known = readings(
        reading("metric_alerts", SUBSCRIPTION, [metric(), metric(actions=None), {"properties": None}]),
        reading(
            "scheduled_query_rules", SUBSCRIPTION, [query("x"), query("x", actions={"actionGroups": [None, "odd"]})]
        ),
    )
    assert list(SCOPES["action_group"](known)) == [TEAM, TEAM]


def test_settings_of_odd_shape_name_no_workspace() -> None:
    odd = [
        {"properties": None},
        {"properties": {"workspaceId": 5}},
        {"properties": {"workspaceId": "/workspaces/x"}},
        {},
    ]
    assert list(SCOPES["workspace"](readings(reading("diagnostic_settings", ACCOUNT, odd)))) == []


def test_models_are_listed_once_a_region_in_any_spelling() -> None:
    display = reading("account", f"{ACCOUNT}-2", account() | {"id": f"{ACCOUNT}-2", "location": "Sweden Central"})
    nowhere = reading("account", f"{ACCOUNT}-3", account() | {"id": f"{ACCOUNT}-3", "location": None})
    known = readings(reading("account", ACCOUNT, account()), display, nowhere)
    region = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/swedencentral"
    assert set(SCOPES["models"](known)) == {region}
