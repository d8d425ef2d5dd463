"""The private path as a picture: every link with its state."""

from __future__ import annotations

import json
from typing import Any

from builders import ACCOUNT, reading
from network_samples import (
    ENDPOINT,
    GONE,
    SPOKE,
    VNET,
    ZONE,
    connected,
    connection,
    denied,
    record,
    whole,
)

from aoai_lib.evidence import snapshots
from aoai_lib.model import Reading
from aoai_lib.private_path import LinkState, private_path


def test_the_path_is_joined_from_account_to_network() -> None:
    path = private_path(whole(), ACCOUNT)
    assert path.state is LinkState.WEAK
    (only,) = path.endpoints
    kinds = [(link.kind, link.state.value) for link in only.links]
    assert kinds == [
        ("connection", "ok"),
        ("endpoint", "ok"),
        ("address", "ok"),
        ("subnet", "ok"),
        ("policies", "ok"),
        ("security_group", "weak"),
        ("zone_group", "ok"),
        ("zone", "ok"),
        ("record", "ok"),
        ("own_network", "ok"),
    ]


def link_states(*differing: Reading, requirements: dict[str, Any] | None = None) -> dict[str, str]:
    """The state of each kind of link on the only path."""
    path = private_path(whole(*differing, requirements=requirements), ACCOUNT)
    return {link.kind: link.state.value for link in path.endpoints[0].links}


def test_the_path_shows_where_it_breaks_and_what_is_unknown() -> None:
    assert link_states(connected(connection("Pending"))) == {"connection": "broken"}
    assert link_states(denied("private_endpoint", ENDPOINT)) == {"connection": "ok", "endpoint": "unknown"}
    assert link_states(denied("private_endpoint", ENDPOINT, GONE)) == {"connection": "ok", "endpoint": "broken"}
    assert link_states(record("10.0.0.9"))["record"] == "broken"
    assert link_states(denied("dns_a_record", f"{ZONE}/A/acct"))["record"] == "unknown"
    assert link_states(denied("dns_zone_links", ZONE))["own_network"] == "unknown"
    assert link_states(denied("dns_zone_links", ZONE, GONE))["zone"] == "broken"
    assert link_states(denied("virtual_network", VNET))["subnet"] == "unknown"
    assert link_states(reading("private_dns_zone_groups", ENDPOINT, []))["zone_group"] == "broken"
    assert link_states(requirements={"consumer_vnets": [SPOKE]})["named_network"] == "broken"


def test_an_account_without_endpoint_or_answer_has_no_path() -> None:
    assert private_path(whole(connected()), ACCOUNT).state is LinkState.BROKEN
    unread = private_path(whole(denied("account", ACCOUNT)), ACCOUNT)
    assert unread.account.state is LinkState.UNKNOWN
    assert unread.shown == ()
    assert unread.state is LinkState.UNKNOWN


def test_a_snapshot_keeps_what_the_service_said_and_an_old_one_loads_without() -> None:
    gone = denied("private_endpoint", ENDPOINT, GONE)
    document = json.loads(json.dumps(snapshots.dump(whole(gone))))
    again = snapshots.load(document).reading("private_endpoint", ENDPOINT)
    assert (again.code, again.is_gone) == ("ResourceNotFound", True)
    for entry in document["readings"]:
        del entry["code"]
    old = snapshots.load(document).reading("private_endpoint", ENDPOINT)
    assert (old.code, old.is_gone) == ("", False)
