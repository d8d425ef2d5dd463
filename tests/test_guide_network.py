"""The guide's errors about networks, each by its number in the list of corrections: what it says, and that we don't repeat it.

Numbers 2, 3, 8 and 11 are about writing, and have their tests where hardening has its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from builders import ACCOUNT, account, changed, reading
from network_samples import ENDPOINT, NIC, ZONE, connected, connection, finding, interface, record, status, whole
from tenants import ROOT

from aoai_lib.assess import Subjects, judge
from aoai_lib.controls import catalogue
from aoai_lib.facts import Facts
from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.model import ABSENT, Finding, Kind, Snapshot, Subject
from aoai_lib.private_link import endpoint_addresses, required_zones


def findings(snapshot: Snapshot, *controls: str) -> dict[tuple[str, str], Finding]:
    declared = [each for each in catalogue() if each.id in controls]
    return {(each.control, each.subject.name): each for each in judge(snapshot, declared)}


def endpoints(snapshot: Snapshot) -> list[Subject]:
    return Subjects(snapshot).found[Kind.PRIVATE_ENDPOINT]


@pytest.fixture
def knowledge() -> Iterator[tuple[Lab, requests.Session]]:
    """A lab of the test's own over the hardened tenant, and its operator, signed in."""
    with Lab(load_worlds(["hardened"])) as lab, requests.Session() as session:
        session.verify, session.trust_env = lab.ca_file, False
        surroundings = lab.environment("hardened", "operator")
        asked = session.get(
            surroundings["IDENTITY_ENDPOINT"],
            params={"api-version": "2019-08-01", "resource": "https://management.azure.com"},
            headers={"X-IDENTITY-HEADER": surroundings["IDENTITY_HEADER"]},
            timeout=30,
        )
        session.headers["Authorization"] = f"Bearer {asked.json()['access_token']}"
        yield lab, session


def switch_public_access(lab: Lab, session: requests.Session, value: str) -> None:
    path = next(
        each.id
        for each in lab.state("hardened").of_type("Microsoft.CognitiveServices/accounts")
        if each.name == "ais-halden-knowledge"
    )
    body = {"properties": {"publicNetworkAccess": value, "networkAcls": {"defaultAction": "Allow"}}}
    answer = session.patch(f"{lab.url}{path}", params={"api-version": "2025-09-01"}, json=body, timeout=30)
    assert answer.ok, answer.text
    for _ in range(10):
        shown = session.get(f"{lab.url}{path}", params={"api-version": "2025-09-01"}, timeout=30).json()["properties"]
        if shown["provisioningState"] == "Succeeded":
            break
    assert shown["publicNetworkAccess"] == value


def from_outside(lab: Lab, session: requests.Session) -> requests.Response:
    return session.get(
        f"{lab.url}/halden-knowledge/openai/models",
        params={"api-version": "2024-10-21"},
        timeout=30,
    )


def test_1_a_private_endpoint_closes_nothing(hardened: Snapshot, knowledge: tuple[Lab, requests.Session]) -> None:
    """It is said to eliminate public exposure: the public name answers until public access itself is disabled."""
    lab, session = knowledge
    switch_public_access(lab, session, "Enabled")
    assert from_outside(lab, session).status_code == 401
    subject = next(each for each in Subjects(hardened).found[Kind.ACCOUNT] if each.name == "ais-halden-knowledge")
    opened = changed(hardened, subject, {"account.properties.publicNetworkAccess": "Enabled"})
    found = findings(opened, "NET-01", "NET-05", "NET-07", "NET-08", "NET-09")
    assert found["NET-01", "ais-halden-knowledge"].status.value == "fail"
    others = {each.status.value for (control, _), each in found.items() if control != "NET-01"}
    assert others == {"pass"}


def test_4_succeeded_is_not_approved() -> None:
    """`provisioningState` is the deployment's state; traffic flows by the state of the connection."""
    waiting = connection("Pending")
    waiting["properties"]["provisioningState"] = "Succeeded"
    assert status("NET-05", connected(waiting)) == "fail"


def test_5_each_name_has_an_address_and_none_is_left_pending(hardened: Snapshot) -> None:
    """`custom_dns_configs[0].ip_addresses[0]` is empty under a zone group: the interface has an address for each name."""
    subject = next(each for each in endpoints(hardened) if each.name == "pe-halden-knowledge")
    facts = Facts(hardened, subject)
    assert facts.endpoint.get("properties.customDnsConfigs") == []
    hosts = [
        f"halden-knowledge.{suffix}"
        for suffix in ("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com")
    ]
    held = [endpoint_addresses(facts, facts.endpoint, host) for host in hosts]
    assert [len(each) for each in held] == [1, 1, 1]
    assert len(set.union(*held)) == 3
    assert status("NET-08", record("pending")) == "fail"


def test_6_an_account_may_need_three_zones(hardened: Snapshot) -> None:
    """Which zones is what the service says, and each one left out of the group is missed."""
    subject = next(each for each in endpoints(hardened) if each.name == "pe-halden-knowledge")
    facts = Facts(hardened, subject)
    names = required_zones(facts, next(facts.account.each("properties.privateEndpointConnections")))
    assert sorted(names) == [
        "privatelink.cognitiveservices.azure.com",
        "privatelink.openai.azure.com",
        "privatelink.services.ai.azure.com",
    ]
    for place in range(3):
        path = f"private_dns_zone_groups[0].properties.privateDnsZoneConfigs[{place}]"
        left_out = findings(changed(hardened, subject, {path: ABSENT}), "NET-07")["NET-07", subject.name]
        assert left_out.status.value == "fail"
        assert any(f"“{name}”" in left_out.reason for name in names)


def test_7_a_record_by_hand_is_not_enough() -> None:
    """It is right until the endpoint is made anew: the missing zone group is the finding, though the record be right today."""
    by_hand = reading("private_dns_zone_groups", ENDPOINT, [])
    assert (status("NET-07", by_hand), status("NET-08", by_hand)) == ("fail", "pass")
    assert status("NET-08", by_hand, record("10.0.0.200")) == "fail"


def test_9_the_record_bears_the_subdomain_not_the_accounts_name() -> None:
    own = reading("account", ACCOUNT, account(privateEndpointConnections=[connection()], customSubDomainName="another"))
    found = finding("NET-08", own)
    assert found.status.value == "fail"
    assert "has no record for “another”, only for “acct”" in found.reason
    moved = reading("dns_a_record", f"{ZONE}/A/another", {"properties": {"aRecords": [{"ipv4Address": "10.0.0.4"}]}})
    nic = interface()
    nic["properties"]["ipConfigurations"][0]["properties"]["privateLinkConnectionProperties"]["fqdns"] = [
        "another.openai.azure.us"
    ]
    assert status("NET-08", own, moved, reading("network_interface", NIC, nic)) == "pass"
    assert status("NET-10", reading("account", ACCOUNT, account(customSubDomainName=None))) == "fail"


def test_10_every_cell_and_snippet_is_whole() -> None:
    """The guide's snippets lack imports and indentation. Ours are read by the linter: no syntax error, no unknown name."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821,F401,E9", "notebooks"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                compile("".join(cell["source"]), path.name, "exec")


def test_12_a_security_group_without_policies_protects_nothing(exposed: Snapshot, hardened: Snapshot) -> None:
    """The group is there, and the subnet doesn't apply it to private endpoints."""
    found = findings(exposed, "NET-11", "NET-13")
    assert found["NET-11", "pe-brightcart-search"].status.value == "fail"
    assert "so rules written for it protect nothing" in found["NET-11", "pe-brightcart-search"].reason
    assert found["NET-13", "pe-brightcart-search"].status.value != "pass"
    assert {each.status.value for each in findings(hardened, "NET-11").values()} == {"pass"}


def test_13_whoever_is_kept_out_gets_an_answer(knowledge: tuple[Lab, requests.Session]) -> None:
    """“Connection refused” never comes: the name resolves, TLS succeeds, and the answer is 403."""
    lab, session = knowledge
    answer = from_outside(lab, session)
    assert answer.url.startswith("https://")
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "403"


def test_14_the_way_out_perimeters_and_subnet_rules_are_judged(exposed: Snapshot, hardened: Snapshot) -> None:
    """The guide stops at the way in."""
    controls = ("NET-14", "NET-15", "NET-16")
    failed = {control for (control, _), each in findings(exposed, *controls).items() if each.status.value == "fail"}
    assert failed == set(controls)
    kept = findings(hardened, "NET-14")
    assert {each.status.value for each in kept.values()} == {"pass"}
    bare: Any = {**account(), "properties": {"customSubDomainName": "acct"}}
    without = whole(reading("account", ACCOUNT, bare))
    assert findings(without, "NET-14")["NET-14", "acct"].status.value == "fail"
