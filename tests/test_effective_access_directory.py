"""The directory: what is asked of it, over which wire, and what follows from what it tells or keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from builders import ACCOUNT, SUBSCRIPTION, reading
from identity_samples import (
    ALICE,
    BOB,
    CONTRIBUTOR,
    OWNER,
    READER,
    WORKLOAD,
    assignment,
    deny,
    finding,
    person,
    tenant,
    verdict,
)
from tenants import ROOT, collect

from aoai_lib import run
from aoai_lib.azure import clouds
from aoai_lib.azure.clients import Azure
from aoai_lib.azure.credentials import NoCredential
from aoai_lib.azure.permission import WriteRefusedError, refuse_writes
from aoai_lib.collect.directory import BATCH, SOURCES_OF_NAMES
from aoai_lib.collect.reader import read as read_source
from aoai_lib.effective_access import access_matrix
from aoai_lib.effective_access.matrix import MOST_MEMBERS
from aoai_lib.effective_access.register import register_of
from aoai_lib.evidence.store import Evidence
from aoai_lib.facts import NotCollectedError
from aoai_lib.fleet import environment
from aoai_lib.lab.server import Lab
from aoai_lib.lab.world import read, world_of
from aoai_lib.model import Snapshot, State
from aoai_lib.parameters import load

TEAM = "12121212-0000-4000-8000-000000000012"
NAMES, MEMBERS = SOURCES_OF_NAMES


def numbered(count: int) -> list[str]:
    return [f"{index:08x}-0000-4000-8000-00000000abcd" for index in range(count)]


@pytest.mark.parametrize(
    ("cloud", "host"),
    [("public", "https://graph.microsoft.com"), ("usgov", "https://graph.microsoft.us"), ("china", "https://microsoftgraph.chinacloudapi.cn")],
)  # fmt: skip
def test_every_cloud_has_its_own_directory(cloud: str, host: str) -> None:
    azure = Azure(clouds.find(cloud), NoCredential(), Evidence())
    assert azure.cloud.graph_scope == f"{host}/.default"
    assert azure.graph() is azure.graph()
    azure.close()


@pytest.mark.parametrize(
    "path",
    ["/v1.0/directoryObjects/getByIds/x", "/v1.0/directoryObjects", "/v1.0/groups/g/members/$ref", "/v1.0/$batch",
     "/beta/directoryObjects/getByIds", "/subscriptions/s/v1.0/directoryObjects/getByIds"],
)  # fmt: skip
def test_of_the_directory_only_the_look_up_by_ids_may_be_posted(path: str) -> None:
    refuse_writes("POST", "https://graph.microsoft.com/v1.0/directoryObjects/getByIds", inference=False)
    with pytest.raises(WriteRefusedError):
        refuse_writes("POST", f"https://graph.microsoft.com{path}", inference=False)


@pytest.fixture
def big_group() -> Iterator[tuple[Lab, Snapshot, Evidence]]:
    """The hardened world with a group of 1,200, one of them a robot."""
    document = read("hardened")
    crowd = numbered(1200)
    document["principals"] += [
        {"name": f"person-{each}@hardened.example", "type": "User", "id": each} for each in crowd[1:]
    ]
    document["principals"] += [
        {"name": "robot", "type": "ServicePrincipal", "id": crowd[0]},
        {
            "name": "everybody",
            "type": "Group",
            "id": TEAM,
            "members": ["robot", *(f"person-{each}@hardened.example" for each in crowd[1:])],
        },
    ]
    document["roleAssignments"].append({"scope": "@prod:", "role": "Monitoring Contributor", "principal": "everybody"})
    evidence = Evidence()
    with Lab([world_of(document)]) as lab, environment(lab.environment("hardened")):
        yield lab, run.collect(load(ROOT / "parameters" / "hardened.yaml"), ["identity"], evidence), evidence


def test_few_requests_open_a_big_group(big_group: tuple[Lab, Snapshot, Evidence]) -> None:
    lab, sample, evidence = big_group
    sent = [(each.method, each.path.rpartition("/")[2]) for each in lab.requests if each.path.startswith("/v1.0/")]
    assert sorted(sent) == [
        ("GET", "transitiveMembers"), ("GET", "transitiveMembers"), ("GET", "transitiveMembers"),
        ("POST", "getByIds"),
    ]  # fmt: skip
    account = next(sample.of("account")).scope
    (row,) = [row for row in access_matrix(sample, account).rows if row.principal == TEAM]
    assert (row.name, row.members, row.nature) == ("everybody", 1200, "group")
    assert len(access_matrix(sample, account).rows) < 20, f"more than {MOST_MEMBERS} members get no rows of their own"
    assert "service principal “robot”" in finding_about(sample, account, "IAM-05")
    asked = [each for each in evidence.exchanges if "transitiveMembers" in each.url]
    assert all(set(item) <= {"@odata.type", "id", "displayName", "userPrincipalName"} for each in asked for item in each.body["value"])  # fmt: skip


def test_names_are_asked_for_a_thousand_at_a_time() -> None:
    crowd = numbered(2 * BATCH + 1)
    scopes = list(NAMES.over.find(dict(tenant(*(assignment(READER, each) for each in crowd)).readings)))
    assert [len(each.split(",")) for each in scopes] == [BATCH, BATCH, 1]
    assert sorted(each for scope in scopes for each in scope.split(",")) == sorted(crowd)


def finding_about(sample: Snapshot, account: str, control: str) -> str:
    from aoai_lib.assess import judge
    from aoai_lib.controls import catalogue

    (declared,) = [each for each in catalogue() if each.id == control]
    return next(each.reason for each in judge(sample, [declared]) if each.subject.id == account)


def test_what_is_asked_does_not_grow_with_accounts_or_readers(hardened: Snapshot, exposed: Snapshot) -> None:
    for sample in (hardened, exposed):
        assert len(list(sample.of("directory_objects"))) == 1
        assert len(list(sample.of("group_members"))) == 1, "security-operations only reads, so it is not opened"


def test_a_reader_without_consent_is_told_what_it_lacks(mixed: Snapshot) -> None:
    (group,) = mixed.of("group_members")
    assert (group.state, group.permission) == (State.DENIED, "Microsoft Graph's GroupMember.Read.All or Directory.Read.All")  # fmt: skip
    account = next(mixed.of("account")).scope
    assert any("1 group is unopened" in gap and "The reader needs Microsoft Graph" in gap for gap in access_matrix(mixed, account).gaps)  # fmt: skip


class NoToken(NoCredential):
    """Signs in to Resource Manager, and has no consent for the directory."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        if "graph" in scopes[0]:
            raise ClientAuthenticationError("AADSTS65001: consent is missing.")
        return super().get_token(*scopes, **options)


def test_without_a_token_for_the_directory_the_run_goes_on() -> None:
    azure = Azure(clouds.find("public"), NoToken(), Evidence())
    found = read_source(azure, MEMBERS, TEAM)
    assert (found.state, found.value) == (State.FAILED, None)
    assert "No token for Microsoft Graph: AADSTS65001" in found.reason
    azure.close()


def test_where_no_token_can_be_had_no_group_is_asked_about() -> None:
    readings = dict(tenant(assignment(OWNER, TEAM, "Group")).readings)
    assert list(MEMBERS.over.find(readings)) == [TEAM]
    readings["directory_objects", TEAM] = reading("directory_objects", TEAM, None, State.FAILED)
    assert list(MEMBERS.over.find(readings)) == []
    readings["directory_objects", TEAM] = reading("directory_objects", TEAM, None, State.DENIED)
    assert list(MEMBERS.over.find(readings)) == [TEAM], "members may be readable where names aren't"


@pytest.mark.parametrize("principal", ["../users", "a?b", "", "x" * 36])
def test_only_object_ids_are_asked_for(principal: str) -> None:
    readings = dict(tenant(assignment(OWNER, principal, "Group"), assignment(OWNER, BOB)).readings)
    assert list(NAMES.over.find(readings)) == [BOB]
    assert list(MEMBERS.over.find(readings)) == []


def test_whom_deny_assignments_stop_or_spare_is_asked_for_too() -> None:
    denial = deny("*", principals=[{"id": TEAM, "type": "Group"}], spared={BOB: "User"})
    readings = dict(tenant(assignment(OWNER), denials=[denial]).readings)
    assert list(NAMES.over.find(readings)) == [",".join(sorted([ALICE, BOB, TEAM]))]
    assert list(MEMBERS.over.find(readings)) == [TEAM]


@pytest.mark.parametrize(
    ("kind", "known", "status"),
    [
        ("User", [person(ALICE)], "pass"),
        ("User", [], "fail"),
        ("Unknown", [person(ALICE)], "pass"),
        (None, [person(ALICE)], "pass"),
        ("Unknown", [], "fail"),
        ("ForeignGroup", [], "pass"),
        ("User", None, "pass"),
        ("Unknown", None, "fail"),
    ],
)
def test_the_directory_knows_who_is_gone(kind: str | None, known: list[Any] | None, status: str) -> None:
    found = finding(tenant(assignment(READER, kind=kind), known=known), "IAM-13")
    assert found.status.value == status
    if status == "pass":
        assert ("could not be asked" in found.reason) is (known is None)


def test_a_refused_directory_proves_nobody_gone() -> None:
    denied = {"d": reading("directory_objects", ALICE, None, State.DENIED, reason="POST it answered 403")}
    found = finding(tenant(assignment(READER), unread=denied), "IAM-13")
    assert (found.status.value, found.reason) == ("not_assessed", "POST it answered 403.")
    whole = {"d": reading("directory_objects", ALICE, [], State.PARTIAL)}
    assert verdict(tenant(assignment(READER), unread=whole), "IAM-13") == "not_assessed"


def test_a_name_stands_beside_the_id_in_a_reason() -> None:
    found = finding(tenant(assignment(OWNER), known=[person(ALICE, name="alice@contoso.example")]), "IAM-06")
    assert f"user “alice@contoso.example” ({ALICE}) by “Owner”" in found.reason
    assert ("directory_objects[0].userPrincipalName", "alice@contoso.example") in [(each.path, each.value) for each in found.observed]  # fmt: skip


def test_the_directory_tells_the_type_that_resource_manager_leaves_out() -> None:
    robot = person(WORKLOAD, "servicePrincipal", "robot")
    sample = tenant(assignment(CONTRIBUTOR, WORKLOAD, None), known=[robot])
    assert (verdict(sample, "IAM-05"), verdict(sample, "IAM-06")) == ("fail", "pass")


def test_members_have_rows_of_their_own() -> None:
    people = [person(ALICE, name="alice@contoso.example"), person(WORKLOAD, "servicePrincipal", "robot"),
              person(BOB, "group", "inner"), person("9" * 8 + "-0000-4000-8000-000000000009", "device")]  # fmt: skip
    sample = tenant(assignment(OWNER, TEAM, "Group"), members={TEAM: people})
    rows = {row.principal: row for row in access_matrix(sample, ACCOUNT).rows}
    assert set(rows) == {TEAM, ALICE, WORKLOAD}
    assert {(row.nature, row.members) for row in rows.values()} == {("group", 3), ("human", None), ("workload", None)}
    assert {each.through for each in rows[ALICE].cells["read keys"]} == {TEAM}
    assert access_matrix(sample, ACCOUNT).names == {ALICE: "alice@contoso.example", WORKLOAD: "robot"}


def test_a_member_that_is_denied_alone_has_no_row() -> None:
    sample = tenant(
        assignment(OWNER, TEAM, "Group"),
        denials=[deny("*", principals=[{"id": ALICE, "type": "User"}])],
        members={TEAM: [person(ALICE), person(BOB)]},
    )
    assert {row.principal for row in access_matrix(sample, ACCOUNT).rows} == {TEAM, BOB}


@pytest.mark.parametrize(
    ("members", "known", "reason"),
    [
        ([], [person(TEAM, "group", visibility="HiddenMembership")], "hides its members"),
        ([{"displayName": "who?"}], None, "tells of a member without an id"),
        (["odd"], None, "tells of a member without an id"),
    ],
)
def test_a_group_that_does_not_tell_all_stays_closed(members: Any, known: Any, reason: str) -> None:
    sample = tenant(assignment(OWNER, TEAM, "Group"), members={TEAM: members}, known=known)
    with pytest.raises(NotCollectedError, match=reason):
        register_of(sample, SUBSCRIPTION).directory.members(TEAM)
    assert verdict(sample, "IAM-05") == "not_assessed"


def test_by_delegation_the_directory_is_another_tenants() -> None:
    listed = [{"subscriptionId": SUBSCRIPTION, "tenantId": "aaaa1111-0000-4000-8000-000000000001"}]
    sample = tenant(assignment(OWNER, TEAM, "Group"), members={TEAM: []}, known=[])
    sample = replace(
        sample,
        caller={"tenant_id": "bbbb2222-0000-4000-8000-000000000002"},
        readings={**sample.readings, ("subscription_list", ""): reading("subscription_list", "", listed)},
    )
    assert verdict(sample, "IAM-13") == "pass", "a directory of another tenant knows none of these principals"
    found = finding(sample, "IAM-05")
    assert found.status.value == "not_assessed"
    assert "by delegation (Azure Lighthouse)" in found.reason
    assert "by delegation (Azure Lighthouse)" in access_matrix(sample, ACCOUNT).gaps[0]
    at_home = replace(sample, caller={"tenant_id": "AAAA1111-0000-4000-8000-000000000001"})
    assert verdict(at_home, "IAM-05") == "pass"


def test_the_lab_opens_groups_as_the_directory_does(lab: Lab) -> None:
    sample = collect(lab, "exposed")
    (group,) = sample.of("group_members")
    assert [each["userPrincipalName"] for each in group.value] == ["noor.haddad@exposed.example", "tom.reyes@exposed.example"]  # fmt: skip
    (names,) = sample.of("directory_objects")
    assert "9e8d7c6b-5a49-4838-8271-605f4e3d2c1b" not in {each["id"] for each in names.value}, "that one was deleted"


HOSTILE = "</text><script>alert(1)</script>\u202egnp.exe\n\x1b[31m"


def test_a_hostile_name_stays_text_in_picture_table_and_reason() -> None:
    people = [person(ALICE, name=HOSTILE)]
    sample = tenant(assignment(OWNER, TEAM, "Group"), members={TEAM: people}, known=[person(TEAM, "group", HOSTILE)])
    shown = run.Run(load(ROOT / "parameters" / "hardened.yaml"), sample)
    (figure,) = shown.access_matrix().figures
    assert "<script" not in figure.svg
    table = shown.access()
    for text in (figure.svg, figure.text, str(table), table._repr_mimebundle_()["text/html"]):
        assert "alert(1)" in text
        assert not set(text) & {"\u202e", "\x1b"}
        assert "<script" not in text or text in (figure.text, str(table))


def test_the_table_says_who_comes_by_which_group() -> None:
    sample = tenant(
        assignment(OWNER, TEAM, "Group"),
        assignment(READER, BOB),
        members={TEAM: [person(ALICE, name="alice@contoso.example")]},
        known=[person(TEAM, "group", "makers")],
    )
    table = run.Run(load(ROOT / "parameters" / "hardened.yaml"), sample).access()
    assert table.columns[1:6] == ("principal", "name", "who", "role", "how")
    assert [row[1:6] for row in table.rows] == [
        (TEAM, "makers", "group", "Owner", "inherited"),
        (ALICE, "alice@contoso.example", "human", "Owner", "inherited, by group makers"),
    ]
