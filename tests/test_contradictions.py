"""A list that looks truly empty, while something else of the same run says that it can't be: no control passes on it."""

from __future__ import annotations

from typing import Any

import pytest
from builders import reading, snapshot
from hardening import own_lab, parameters

from aoai_lib import run
from aoai_lib.assess import judge
from aoai_lib.callers.rows import CALLS
from aoai_lib.collect.contradictions import contradicted, doubted
from aoai_lib.evidence.store import Evidence
from aoai_lib.model import Finding, Snapshot, State, Status

SUBSCRIPTION = "2e9a6b71-04cd-4f8e-a1b3-5c6d7e8f9003"
ACCOUNT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/shop"
ENDPOINT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe"
SEARCH = "ais-brightcart-search"


def verdicts(seen: Snapshot, *controls: str) -> dict[tuple[str, str], Finding]:
    return {(each.control, each.subject.name): each for each in judge(seen) if each.control.startswith(controls)}


def collected(tenant: str, *phases: str) -> Snapshot:
    return run.collect(parameters(tenant), phases, Evidence())


def test_nobody_has_a_role_no_role_is_built_in_no_policy_is_microsoft_s() -> None:
    """Of 28 findings that fail in this tenant, every one would pass on these answers."""
    with own_lab("exposed", "assessor") as lab:
        for path in ("/roleAssignments", "/roleDefinitions", "/raiPolicies", f"{SEARCH}/deployments"):
            lab.faults.add(f"emptylist::{path}")
        found = verdicts(collected("exposed", "identity", "content", "usage"), "IAM", "CNT", "GOV")
    given = ("IAM-04", "IAM-05", "IAM-06", "IAM-07", "IAM-08", "IAM-09", "IAM-13")
    over_access = [each for (control, _), each in found.items() if control in given]
    assert {each.status for each in over_access} == {Status.NOT_ASSESSED}
    assert len(over_access) == 21
    reason = found["IAM-06", SEARCH].reason
    assert reason == (
        "The list of role assignments is not known to be complete: it is empty, and yet somebody, the reader first of all, has "
        "access here."
    )
    assert found["IAM-10", SUBSCRIPTION].status is Status.NOT_ASSESSED
    assert "it holds none of the built-in roles" in found["IAM-10", SUBSCRIPTION].reason
    for account in (SEARCH, "aoai-brightcart-shop"):
        assert found["CNT-08", account].status is Status.NOT_ASSESSED
        assert "it holds none of Microsoft's own policies" in found["CNT-08", account].reason
    by_deployment = [
        each for (control, name), each in found.items() if name == SEARCH and "list of deployments" in each.reason
    ]
    assert {each.status for each in by_deployment} == {Status.NOT_ASSESSED}
    assert len(by_deployment) == 16
    assert by_deployment[0].reason == (
        "The list of deployments is not known to be complete: it is empty, and “search-chat” answered a call at 2026-11-23T08:40:00Z."
    )


def test_an_endpoint_that_no_list_holds_is_asked_for_by_its_id(hardened: Snapshot) -> None:
    way = ("NET-05", "NET-06", "NET-07", "NET-08", "NET-09", "NET-11")
    with own_lab("hardened", "assessor") as lab:
        fault = lab.faults.add("emptylist:1:/privateEndpoints")
        found = verdicts(collected("hardened", "network"), *way)
        asked = [
            each.path
            for each in lab.requests
            if "/privateendpoints/pe-" in each.path.lower() and "/privateDnsZoneGroups" not in each.path
        ]
    assert (fault.struck, len(asked)) == (1, 2)
    assert len(found) > 10
    assert {key: each.status for key, each in found.items()} == {
        key: each.status for key, each in verdicts(hardened, *way).items()
    }


@pytest.mark.parametrize(
    ("source", "value", "state"),
    [
        ("role_assignments", [], State.PARTIAL),
        ("role_assignments", [{}], State.COLLECTED),
        ("role_definitions", [{"properties": {"type": "CustomRole"}}], State.PARTIAL),
        ("role_definitions", [{"properties": None}, {"properties": {"type": "BuiltInRole"}}], State.COLLECTED),
        ("rai_policies", [{"name": "mine", "properties": {"type": "UserManaged"}}, None], State.PARTIAL),
        ("rai_policies", [{"name": "Microsoft.DefaultV2"}], State.COLLECTED),
        ("rai_policies", [{"name": "x", "properties": {"type": "SystemManaged"}}], State.COLLECTED),
        ("locks", [], State.COLLECTED),
        ("deny_assignments", [], State.COLLECTED),
    ],
)
def test_a_list_lacks_what_such_a_list_always_holds(source: str, value: Any, state: State) -> None:
    assert doubted(reading(source, "x", value)).state is state


def test_what_was_not_read_stays_as_it_is() -> None:
    denied = reading("role_assignments", "x", None, State.DENIED, reason="403")
    assert doubted(denied) is denied


def called(deployment: str, last: str, status: str = "200") -> Any:
    names = [
        "Account",
        "Category",
        "ObjectId",
        "Address",
        "Deployment",
        "Operation",
        "Status",
        "Calls",
        "First",
        "Last",
    ]
    row = [ACCOUNT.lower(), CALLS, "", "", deployment, "ChatCompletions_Create", status, 1, last, last]
    return {"tables": [{"columns": [{"name": name} for name in names], "rows": [row]}]}


@pytest.mark.parametrize(
    ("answer", "deployments", "state"),
    [
        (called("chat", "2026-11-23T08:00:00Z"), [], State.PARTIAL),
        (called("chat", "2026-11-21T08:00:00Z"), [], State.COLLECTED),
        (called("chat", "2026-11-23T08:00:00Z", "404"), [], State.COLLECTED),
        (called("", "2026-11-23T08:00:00Z"), [], State.COLLECTED),
        (called("chat", "2026-11-23T08:00:00Z"), [f"{ACCOUNT}/deployments/other"], State.COLLECTED),
        ({"tables": None}, [], State.COLLECTED),
    ],
)
def test_an_account_without_deployments_was_called(answer: Any, deployments: list[str], state: State) -> None:
    seen = snapshot(
        reading("deployments", ACCOUNT, deployments), reading("callers", "w", answer), as_of="2026-11-23T09:00:00Z"
    )
    assert contradicted(seen).reading("deployments", ACCOUNT).state is state


@pytest.mark.parametrize(
    ("status", "listed", "state"),
    [
        ("Approved", [], State.PARTIAL),
        ("Approved", [ACCOUNT.upper()], State.COLLECTED),
        ("Disconnected", [], State.COLLECTED),
        ("Pending", [], State.COLLECTED),
    ],
)
def test_a_private_endpoint_is_connected_to_an_account_that_is_not_listed(
    status: str, listed: list[str], state: State
) -> None:
    """The account may be another service's: it need not be one that is assessed."""
    connection = {
        "properties": {"privateLinkServiceId": ACCOUNT, "privateLinkServiceConnectionState": {"status": status}}
    }
    seen = snapshot(
        reading("account_list", SUBSCRIPTION, listed),
        reading("accounts", SUBSCRIPTION, []),
        reading(
            "private_endpoint",
            ENDPOINT,
            {"id": ENDPOINT, "properties": {"privateLinkServiceConnections": [connection, None]}},
        ),
    )
    found = contradicted(seen)
    assert found.reading("accounts", SUBSCRIPTION).state is state
    open_ = [each for each in judge(found) if each.status is Status.NOT_ASSESSED and "it lacks “shop”" in each.reason]
    assert bool(open_) is (state is State.PARTIAL)


@pytest.mark.parametrize(
    ("scope", "listed", "state"),
    [
        (ACCOUNT, [], State.PARTIAL),
        (f"{ACCOUNT}/projects/one", [], State.PARTIAL),
        (ACCOUNT, [f"{ACCOUNT}-2"], State.COLLECTED),
        (ACCOUNT.rpartition("/")[0], [], State.COLLECTED),
        (f"/subscriptions/{SUBSCRIPTION}", [], State.COLLECTED),
    ],
)
def test_a_role_is_given_on_an_account_where_none_is_listed(scope: str, listed: list[str], state: State) -> None:
    seen = snapshot(
        reading("account_list", SUBSCRIPTION, listed),
        reading("accounts", SUBSCRIPTION, []),
        reading("role_assignments", SUBSCRIPTION, [{"properties": {"scope": scope}}]),
    )
    assert contradicted(seen).reading("accounts", SUBSCRIPTION).state is state


def test_a_subscription_without_accounts_logs_calls_of_one() -> None:
    seen = snapshot(
        reading("account_list", SUBSCRIPTION, []),
        reading("accounts", SUBSCRIPTION, []),
        reading("callers", "w", called("chat", "2026-11-23T08:00:00Z")),
    )
    found = contradicted(seen).reading("accounts", SUBSCRIPTION)
    assert (found.state, found.reason) == (
        State.PARTIAL,
        "it lacks “shop”, which left a log row at 2026-11-23T08:00:00Z",
    )
