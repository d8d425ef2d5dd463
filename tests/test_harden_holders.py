"""Roles that give too much are taken away: what is needed first, the rest only when it was seen to be enough, or a person said so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import builders
import pytest
import requests
from hardening import carry_out, folder_of, own_lab, parameters, plan, resources, written
from identity_samples import assignment, tenant

from aoai_lib.effective_access.capabilities import CAPABILITIES, WRITE_DEPLOYMENTS, WRITE_POLICIES
from aoai_lib.effective_access.register import ACTIVE, register_of
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.harden import session
from aoai_lib.harden.plan import Plan, Step
from aoai_lib.harden.remedies.holders import own_hand
from aoai_lib.lab.server import Lab
from aoai_lib.model import Status
from aoai_lib.parameters import Parameters

BACKEND = "1b62d8f3-6e1f-4c8b-9b21-7a4f1dae2e03"
OPERATOR = "1b62d8f3-6e1f-4c8b-9b21-7a4f1dae2e02"
DELETED = "9e8d7c6b-5a49-4838-8271-605f4e3d2c1b"
SUBSCRIPTION = "/subscriptions/2e9a6b71-04cd-4f8e-a1b3-5c6d7e8f9003"
SHOP = f"{SUBSCRIPTION}/resourceGroups/rg-shop/providers/Microsoft.CognitiveServices/accounts/aoai-brightcart-shop"


def later(lab: Lab, hours: float) -> None:
    """Let the lab's clock go on."""
    state = lab.state("exposed")
    state.world = replace(state.world, now=state.world.now + timedelta(hours=hours))


@contextmanager
def signed_in(lab: Lab, identity: str, audience: str) -> Iterator[requests.Session]:
    """A session of one of the tenant's identities."""
    announced = lab.environment("exposed", identity)
    with requests.Session() as line:
        line.verify, line.trust_env = lab.ca_file, False
        answer = line.get(
            announced["IDENTITY_ENDPOINT"],
            params={"api-version": "2019-08-01", "resource": audience},
            headers={"X-IDENTITY-HEADER": announced["IDENTITY_HEADER"]},
            timeout=30,
        )
        line.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield line


def call(lab: Lab, deployment: str) -> int:
    """A real call of the shop's workload to a model; the status."""
    with signed_in(lab, "id-shop-backend", "https://cognitiveservices.azure.com") as line:
        answer = line.post(
            f"{lab.url}/{domain(lab)}/openai/deployments/{deployment}/chat/completions?api-version=2024-10-21",
            json={"messages": [{"role": "user", "content": "hello"}], "max_completion_tokens": 20},
            timeout=30,
        )
    return answer.status_code


def put(lab: Lab, path: str, api_version: str, properties: dict[str, Any]) -> None:
    """Write a resource as somebody did by hand."""
    with signed_in(lab, "operator", "https://management.azure.com") as line:
        body = {"properties": properties}
        answer = line.put(f"{lab.url}{path}", params={"api-version": api_version}, json=body, timeout=30)
    assert answer.status_code in (200, 201), answer.text


def domain(lab: Lab) -> str:
    account = lab.state("exposed").find(SHOP)
    assert account is not None
    return str(account.properties["customSubDomainName"])


def assignments(lab: Lab, principal: str) -> dict[str, str]:
    """Role assignments of a principal: id, and the role's GUID."""
    return {
        each.id: str(each.properties["roleDefinitionId"]).rpartition("/")[2]
        for each in lab.state("exposed").of_type("Microsoft.Authorization/roleAssignments")
        if each.properties["principalId"] == principal
    }


def steps(planned: Plan, control: str, method: str) -> list[Step]:
    return [each for each in planned.steps if each.control == control and each.request.method == method]


def log_shop_calls(lab: Lab) -> None:
    """Send the shop's request logs where the others go, so that its callers can be seen."""
    state = lab.state("exposed")
    logged = [each for each in state.of_type("Microsoft.Insights/diagnosticSettings") if "/accounts/" in each.id]
    model = next(each for each in logged if each.properties.get("workspaceId"))
    path = f"{SHOP}/providers/Microsoft.Insights/diagnosticSettings/all"
    properties = {
        "workspaceId": model.properties["workspaceId"],
        "logs": [{"categoryGroup": "allLogs", "enabled": True}],
    }
    put(lab, path, "2021-05-01-preview", properties)


def test_the_wide_role_goes_only_after_a_call_with_the_narrow_one(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        log_shop_calls(lab)
        before = assignments(lab, BACKEND)
        asked = parameters("exposed")
        planned = plan(asked, "IAM-05")
        (grant,) = steps(planned, "IAM-05", "PUT")
        (removal,) = (each for each in steps(planned, "IAM-05", "DELETE") if each.after)
        assert removal.after == (grant.id,)
        became = carry_out(asked, planned, tmp_path / "first")
        assert (became[grant.title], became[removal.title]) == ("done", "stopped")
        assert assignments(lab, BACKEND).items() > before.items()

        later(lab, 2)
        assert call(lab, "gpt-4o") == 200
        again = plan(asked, "IAM-05")
        assert not steps(again, "IAM-05", "PUT"), "the narrow role is there already"
        became = carry_out(asked, again, tmp_path / "second")
        assert became[removal.title] == "done"
        assert removal.request.path not in assignments(lab, BACKEND)
        assert call(lab, "gpt-4o") == 200, "the narrow role is enough"

        back = session.take_back(asked, folder_of(tmp_path / "second") / "undo.json")
        assert {each.became.value for each in back.results} == {"done"}
        session.take_back(asked, folder_of(tmp_path / "first") / "undo.json")
        assert assignments(lab, BACKEND) == before, "the very same assignments, by name"


def test_a_call_from_before_the_narrow_role_proves_nothing(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        log_shop_calls(lab)
        assert call(lab, "gpt-4o") == 200
        later(lab, 1)
        asked = parameters("exposed")
        outcome = session.carry_out(asked, plan(asked, "IAM-05"), tmp_path)
        (held,) = (each for each in outcome.results if each.step.after)
        assert held.became.value == "stopped"
        assert "was not seen yet" in held.sentence and "verified-call@" in held.sentence
        assert any("its last successful call was at" in line for line in held.listed)


def test_a_person_can_say_by_name_that_a_holder_knows(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed")
        planned = plan(asked, "IAM-05")
        (removal,) = (each for each in steps(planned, "IAM-05", "DELETE") if not each.after)
        own, check = removal.checks
        assert (own.name, check.name) == ("own-hand", "holder-informed")
        assert carry_out(asked, planned, tmp_path / "a")[removal.title] == "stopped"
        assert carry_out(asked, planned, tmp_path / "b", [check.label])[removal.title] == "done"
        assert removal.request.path not in assignments(lab, BACKEND)


def test_deleted_principals_lose_what_nobody_holds(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed")
        outcome = session.carry_out(asked, plan(asked, "IAM-13"), tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}
        # Whoever hardens here may not ask the directory whether everybody else is there, so nothing is said to pass.
        assert {(each.status, "Directory.Read.All" in each.reason) for each in outcome.proofs} == {
            (Status.NOT_ASSESSED, True)
        }
        assert assignments(lab, DELETED) == {}
        assert plan(asked, "IAM-13").steps == ()
        back = session.take_back(asked, folder_of(tmp_path) / "undo.json")
        assert {each.became.value for each in back.results} == {"final"}, (
            "nobody can be given it again, and that is said"
        )


def test_what_reaches_further_than_the_group_is_left_to_people() -> None:
    with own_lab("exposed") as lab:
        planned = plan(parameters("exposed"), "IAM-04", "IAM-06", "IAM-07", "IAM-08", "IAM-09")
        scopes = {each.request.path.partition("/providers/Microsoft.Authorization")[0] for each in planned.steps}
        assert scopes <= {SHOP, f"{SUBSCRIPTION}/resourceGroups/rg-shop"}
        told = " ".join(each.reason for each in planned.unplanned)
        assert f"“{SUBSCRIPTION}” reaches" in told and "everything else in it" in told
        assert "“Owner”" in told and "“User Access Administrator”" in told
        assert written(lab) == []


def grant(lab: Lab, scope: str, role: str, principal: str) -> str:
    """Give a role in the lab as somebody did by hand; the assignment's id."""
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{len(lab.state('exposed').resources):08d}-0000-4000-8000-000000000000"
    definition = f"/subscriptions/{scope.split('/')[2]}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    properties = {"roleDefinitionId": definition, "principalId": principal, "principalType": "ServicePrincipal"}
    put(lab, path, "2022-04-01", properties)
    return path


OPENAI_CONTRIBUTOR = "a001fd3d-188f-4b5d-821b-7da978bf7442"
CI = "1b62d8f3-6e1f-4c8b-9b21-7a4f1dae2e04"


def deploying(**more: Any) -> Parameters:
    """Parameters that approve the pipeline for deployments."""
    given = parameters("exposed", **more)
    asked = given.requirements.model_copy(update={"approved_deployers": [CI]})
    return given.model_copy(update={"requirements": asked})


def test_deployment_automation_gets_a_role_that_deploys_and_cannot_weaken_filters(tmp_path: Path) -> None:
    """Error 20 of the guide, mended: OpenAI Contributor is no least privilege for what deploys."""
    with own_lab("exposed") as lab:
        wide = grant(lab, SHOP, OPENAI_CONTRIBUTOR, CI)
        asked = deploying()
        planned = plan(asked, "IAM-05", "IAM-07")
        removal = next(each for each in planned.steps if each.request.path == wide)
        needed = {each.id: each for each in planned.steps if each.id in removal.after}
        assert sorted("roleDefinitions" in each.request.path for each in needed.values()) == [False, True]
        accepted = [check.label for check in removal.checks]
        became = carry_out(asked, planned, tmp_path, accepted)
        assert {became[each.title] for each in (*needed.values(), removal)} == {"done"}
        with session.opened(asked, Evidence()) as opened:
            seen = opened.look(["IAM-07"])
        own = register_of(seen, SHOP.split("/")[2])
        held = [each for each in own.reaching(SHOP, ACTIVE) if each.principal == CI and each.scope == SHOP.lower()]
        (now,) = held
        role = own.role(now.role_definition)
        assert role.held(WRITE_DEPLOYMENTS)
        assert not role.held(WRITE_POLICIES)
        others = [each for each in CAPABILITIES if not set(WRITE_DEPLOYMENTS.actions) & set(each.actions)]
        assert others and not [each.name for each in others if role.held(each)]
        assert not [each for each in plan(asked, "IAM-05", "IAM-07").steps if CI in str(each.request.body)], "only once"
        session.take_back(asked, folder_of(tmp_path) / "undo.json")
        assert wide in assignments(lab, CI)


@pytest.mark.parametrize("control", ["IAM-04", "IAM-07"])
def test_an_approved_admin_keeps_what_he_holds(control: str) -> None:
    with own_lab("exposed") as lab:
        wide = grant(lab, SHOP, OPENAI_CONTRIBUTOR, CI)
        given = parameters("exposed")
        asked = given.model_copy(
            update={"requirements": given.requirements.model_copy(update={"approved_admins": [CI]})}
        )
        assert wide not in {each.request.path for each in plan(asked, control).steps}


def test_the_hand_that_writes_takes_nothing_from_itself() -> None:
    with own_lab("exposed") as lab:
        own = grant(lab, SHOP, OPENAI_CONTRIBUTOR, OPERATOR)
        given = parameters("exposed")
        strict = given.requirements.model_copy(update={"approved_admins": []})
        planned = plan(given.model_copy(update={"requirements": strict}), "IAM-05", "IAM-07")
        assert own not in {each.request.path for each in planned.steps}
        assert "takes nothing from its own hand" in " ".join(each.reason for each in planned.unplanned)


def test_who_carries_out_is_asked_again_for_it_may_be_another_than_who_planned(tmp_path: Path) -> None:
    """The assessor plans; the operator, whose role it is, carries out, with every other check accepted."""
    with own_lab("exposed", "assessor") as lab:
        own = grant(lab, SHOP, OPENAI_CONTRIBUTOR, OPERATOR)
        given = parameters("exposed")
        strict = given.requirements.model_copy(update={"approved_admins": []})
        asked = given.model_copy(update={"requirements": strict})
        planned = plan(asked, "IAM-07", "IAM-05")
        (removal,) = (each for each in planned.steps if each.request.path == own)
        accepted = [each.label for each in removal.checks if each.name != "own-hand"]
        with environment(lab.environment("exposed", "operator")):
            alone = planned.model_copy(update={"steps": (removal,)})
            outcome = session.carry_out(asked, alone, tmp_path, accepted)
        (held,) = outcome.results
        assert held.became.value == "stopped"
        assert "may not be able to take this back" in held.sentence
        assert own in assignments(lab, OPERATOR)


class TestOwnHand:
    """Whose role a plan may take: never one that whoever runs it may hold, itself or in a group."""

    OTHERS = "9e8d7c6b-0000-4000-8000-0000000000aa"

    def reason(self, caller: dict[str, str], principal: str, kind: str) -> str:
        sample = replace(tenant(assignment(OPENAI_CONTRIBUTOR, principal, kind)), caller=caller)
        (held,) = (
            each for group in register_of(sample, builders.SUBSCRIPTION).given(ACTIVE).values() for each in group
        )
        return own_hand(sample, builders.SUBSCRIPTION, held)

    def test_its_own_and_in_any_case_of_letters(self) -> None:
        assert self.reason({"object_id": BACKEND.upper()}, BACKEND, "ServicePrincipal")
        assert self.reason({"object_id": self.OTHERS}, BACKEND, "ServicePrincipal") == ""

    def test_a_group_that_was_not_opened_may_hold_it(self) -> None:
        assert "is not known" in self.reason({"object_id": self.OTHERS}, BACKEND, "Group")

    def test_nobody_knows_who_runs_it(self) -> None:
        assert self.reason({}, BACKEND, "User") == "who runs this is not known"


def test_26_the_same_grant_under_another_name_is_no_failure(tmp_path: Path) -> None:
    """Error 26 of the guide: a random name, so that a second run meets 409 RoleAssignmentExists."""
    with own_lab("exposed") as lab:
        asked = parameters("exposed", workload_identities=[BACKEND])
        planned = plan(asked, "IAM-01")
        grant(lab, SHOP, "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd", BACKEND)
        before = resources(lab, "exposed")
        became = carry_out(asked, planned, tmp_path)
        (title,) = (
            each for each in became if each == f"Let the workload {BACKEND} call models of “aoai-brightcart-shop”"
        )
        assert became[title] == "already"
        given = set(resources(lab, "exposed")) - set(before)
        assert not [each for each in given if each.startswith(SHOP.lower())]
