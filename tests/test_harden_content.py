"""Content filters are made as strict as required: nothing of a policy or a deployment is lost, and all of it can be taken back."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hardening import carry_out, folder_of, own_lab, parameters, plan, resources, written

from aoai_lib.collect.scope import POLICIES
from aoai_lib.harden import session
from aoai_lib.harden.plan import Plan
from aoai_lib.harden.remedies.content import CANARY, canary_of
from aoai_lib.harden.session import Outcome
from aoai_lib.lab.providers import guardrails
from aoai_lib.lab.server import Lab
from aoai_lib.lab.store import Resource
from aoai_lib.model import Status
from aoai_lib.parameters import Parameters

FILTERS = tuple(f"CNT-0{number}" for number in range(1, 8))


def named(lab: Lab, tenant: str, kind: str, name: str, under: str = "") -> Resource:
    """A resource of the lab by its type's last part and its name."""
    (found,) = (
        each
        for each in lab.state(tenant).resources.values()
        if each.type.endswith(f"/{kind}") and each.name == name and under in each.id
    )
    return found


def unlock(lab: Lab, tenant: str) -> None:
    """Take the locks away: what is locked can't be deleted, so a policy that was made could not be taken back."""
    state = lab.state(tenant)
    for lock in [key for key in state.resources if "/locks/" in key]:
        state.remove(lock)


def requiring(tenant: str, **requirements: Any) -> Parameters:
    given = parameters(tenant)
    return given.model_copy(update={"requirements": given.requirements.model_copy(update=requirements)})


def statuses(outcome: Outcome) -> set[Status]:
    return {each.status for each in outcome.proofs}


def bodies(planned: Plan, kind: str) -> list[dict[str, Any]]:
    return [each.request.body for each in planned.steps if each.request.path.split("/")[-2] == kind]


@pytest.mark.parametrize("tenant", ["exposed", "mixed"])
def test_filters_are_mended_and_taken_back(tenant: str, tmp_path: Path) -> None:
    with own_lab(tenant) as lab:
        unlock(lab, tenant)
        asked = requiring(tenant, required_blocklists=[])
        before = resources(lab, tenant)
        planned = plan(asked, *FILTERS)
        outcome = session.carry_out(asked, planned, tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}, [each.sentence for each in outcome.results]
        assert statuses(outcome) == {Status.PASS}
        assert plan(asked, *FILTERS).steps == ()
        back = session.take_back(asked, folder_of(tmp_path) / "undo.json")
        assert {each.became.value for each in back.results} == {"done"}, [each.sentence for each in back.results]
        after = resources(lab, tenant)
    assert set(after) == set(before)
    unlike = [key for key in before if _told(before[key]) != _told(after[key])]
    assert unlike == []


def _told(body: dict[str, Any]) -> dict[str, Any]:
    """A resource as the service shows it: a model with its publisher, a policy's filters in no order, no empty lists."""
    told = copy.deepcopy(body)
    properties = told.get("properties", {})
    if "raiPolicyName" in properties or "versionUpgradeOption" in properties:
        properties["model"].setdefault("publisher", "OpenAI")
    if "contentFilters" in properties:
        properties["contentFilters"] = {
            (each["name"], each["source"]): (each["enabled"], each["blocking"], each.get("severityThreshold"))
            for each in properties["contentFilters"]
        }
        properties.setdefault("customBlocklists", [])
    return told


def test_40_no_threshold_is_lost_on_the_way(tmp_path: Path) -> None:
    """Error 40 of the guide: a body whose thresholds the SDK drops. What goes out is raw, and what the service holds is read."""
    with own_lab("exposed") as lab:
        asked = requiring("exposed", required_blocklists=[], filter_threshold="Low")
        planned = plan(asked, "CNT-01", "CNT-02", "CNT-09")
        carry_out(asked, planned, tmp_path)
        for policy in (each for each in lab.state("exposed").resources.values() if each.type.endswith("/raiPolicies")):
            levels = {
                (each["name"], each["source"]): each["severityThreshold"]
                for each in policy.properties["contentFilters"]
                if each["name"] in ("Hate", "Sexual", "Violence", "Selfharm")
            }
            if policy.id in {f"{each.request.path}" for each in planned.steps}:
                assert len(levels) == 8 and set(levels.values()) == {"Low"}, policy.name
        (made,) = {each.request.api_version for each in planned.steps if "/raiPolicies/" in each.request.path}
        assert made == POLICIES


def test_42_a_policy_keeps_what_it_held(tmp_path: Path) -> None:
    """Error 42 of the guide: a PUT that replaces, so that blocklists, stricter levels and topics of a policy are lost."""
    with own_lab("exposed") as lab:
        relaxed = named(lab, "exposed", "raiPolicies", "relaxed")
        relaxed.properties["customTopics"] = [{"topicName": "mergers", "blocking": True, "source": "Prompt"}]
        relaxed.properties["customBlocklists"] = [
            {"blocklistName": "competitors", "blocking": False, "source": "Completion"}
        ]
        stricter = next(each for each in relaxed.properties["contentFilters"] if "severityThreshold" in each)
        stricter.update(severityThreshold="Low", enabled=True, blocking=False)
        relaxed.properties["contentFilters"].append(
            {"name": "Profanity", "enabled": True, "blocking": True, "source": "Completion"}
        )
        asked = requiring("exposed", required_blocklists=["competitors"])
        (body,) = (
            each.request.body for each in plan(asked, "CNT-01").steps if each.request.path.lower() == relaxed.id.lower()
        )
        carry_out(asked, plan(asked, "CNT-01"), tmp_path)
        held = named(lab, "exposed", "raiPolicies", "relaxed").properties
    assert body["properties"]["customTopics"] == held["customTopics"] == relaxed.properties["customTopics"]
    filters = {(each["name"], each["source"]): each for each in held["contentFilters"]}
    assert filters[stricter["name"], stricter["source"]]["severityThreshold"] == "Low", "what was stricter stays so"
    assert filters[stricter["name"], stricter["source"]]["blocking"] is True
    assert filters["Profanity", "Completion"]["blocking"] is True
    assert {(each["source"], each["blocking"]) for each in held["customBlocklists"]} == {
        ("Prompt", True),
        ("Completion", True),
    }
    assert held["basePolicyName"] == relaxed.properties["basePolicyName"]


def test_43_a_policy_is_bound_and_nothing_else_of_the_deployment_changes(tmp_path: Path) -> None:
    """Error 43 of the guide: a policy that no deployment names. Everything else of the deployment is proven to stay."""
    with own_lab("exposed") as lab:
        chat = named(lab, "exposed", "deployments", "old-chat")
        chat.body["sku"] = {"name": "GlobalStandard", "capacity": 37}
        chat.body["tags"] = {"cost": "=1+1", "<b>": "x"}
        chat.properties["versionUpgradeOption"] = "OnceCurrentVersionExpired"
        chat.properties["capacitySettings"] = {"designatedCapacity": 5, "priority": 1}
        chat.properties["spilloverDeploymentName"] = "other"
        before = _told(chat.body)
        asked = requiring("exposed", required_blocklists=[])
        outcome = session.carry_out(asked, plan(asked, "CNT-01"), tmp_path)
        assert statuses(outcome) == {Status.PASS}
        after = _told(named(lab, "exposed", "deployments", "old-chat").body)
        assert after["properties"].pop("raiPolicyName") == "aoai-playbook-strict"
        assert before["properties"].pop("raiPolicyName") == "Microsoft.Nil"
    assert after == before


def test_44_what_the_service_refuses_is_not_told_as_done(tmp_path: Path) -> None:
    """Error 44 of the guide: no look at the answer, so that “enabled” is said of a request that was refused."""
    with own_lab("exposed", "assessor") as lab:
        asked = requiring("exposed", required_blocklists=[])
        outcome = session.carry_out(asked, plan(asked, "CNT-01"), tmp_path)
        assert {each.became.value for each in outcome.results} == {"failed", "stopped"}
        assert any(
            "Microsoft.CognitiveServices/accounts/raiPolicies/write" in each.sentence for each in outcome.results
        )
        assert Status.PASS not in statuses(outcome)
        assert not [each for each in lab.state("exposed").resources if "aoai-playbook" in each]


def test_44_what_the_service_accepts_and_does_not_keep_is_not_told_as_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab keeps every filter that it knows, so one that keeps less is made of it here."""
    kept = guardrails._stored

    def forget(entry: dict[str, Any], version: str) -> dict[str, Any]:
        return {**kept(entry, version), **({"blocking": False} if entry["name"] == "Indirect Attack" else {})}

    monkeypatch.setattr(guardrails, "_stored", forget)
    with own_lab("exposed"):
        asked = requiring("exposed", required_blocklists=[])
        planned = plan(asked, "CNT-01")
        hasty = tuple(each.model_copy(update={"patience": 1}) for each in planned.steps)
        outcome = session.carry_out(asked, planned.model_copy(update={"steps": hasty}), tmp_path)
    became = {each.step.request.path.split("/")[-2]: each.became.value for each in outcome.results}
    assert became == {"raiPolicies": "unconfirmed", "deployments": "stopped"}


def test_a_policy_of_an_account_is_strengthened_once_for_all_that_name_it() -> None:
    with own_lab("exposed"):
        planned = plan(requiring("exposed", required_blocklists=[]), *FILTERS, "CNT-08")
    paths = [each.request.path for each in planned.steps]
    assert len(paths) == len(set(paths))
    (relaxed,) = (each for each in planned.steps if each.request.path.endswith("/relaxed"))
    assert "“gpt-4o”, “images”, “embed”" in relaxed.effect
    assert not [each for each in planned.steps if each.request.path.endswith("/deployments/gpt-4o")]


def test_microsofts_policies_are_never_written() -> None:
    with own_lab("exposed"):
        planned = plan(parameters("exposed"))
    assert not [each for each in planned.steps if "/raipolicies/microsoft." in each.request.path.lower()]


def test_a_weak_policy_that_nobody_names_goes_and_comes_back(tmp_path: Path) -> None:
    with own_lab("mixed") as lab:
        unlock(lab, "mixed")
        held = copy.deepcopy(named(lab, "mixed", "raiPolicies", "load-test").properties)
        asked = requiring("mixed", required_blocklists=[])
        planned = plan(asked, *FILTERS, "CNT-08")
        outcome = session.carry_out(asked, planned, tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}, [each.sentence for each in outcome.results]
        assert not [each for each in lab.state("mixed").resources if each.endswith("/raipolicies/load-test")]
        back = session.take_back(asked, folder_of(tmp_path) / "undo.json")
        assert {each.became.value for each in back.results} == {"done"}
        assert _told({"properties": named(lab, "mixed", "raiPolicies", "load-test").properties}) == _told(
            {"properties": held}
        )


def test_a_policy_that_a_deployment_names_meanwhile_is_not_deleted(tmp_path: Path) -> None:
    with own_lab("mixed") as lab:
        asked = requiring("mixed", required_blocklists=[])
        planned = plan(asked, "CNT-08")
        removal = next(each for each in planned.steps if each.request.method == "DELETE")
        named(lab, "mixed", "deployments", "chat").properties["raiPolicyName"] = "load-test"
        outcome = session.carry_out(asked, planned, tmp_path)
        (result,) = (each for each in outcome.results if each.step.id == removal.id)
        assert result.became.value == "stopped" and result.listed == ("chat",)
        assert not [path for method, path in written(lab) if method == "DELETE"]


def test_terms_are_only_those_that_were_named(tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        without = plan(parameters("exposed"), "CNT-07")
        assert not bodies(without, "raiBlocklistItems")
        assert any("hardening.blocklists" in each.reason for each in without.unplanned)
        given = parameters("exposed", blocklists={"competitors": ["Acme <b>Corp</b>", "=cmd"]})
        planned = plan(given, "CNT-07")
        assert {each["properties"]["pattern"] for each in bodies(planned, "raiBlocklistItems")} == {
            "Acme <b>Corp</b>",
            "=cmd",
        }
        outcome = session.carry_out(given, planned, tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}, [each.sentence for each in outcome.results]
        mended = {each.subject.rpartition("/")[2] for each in outcome.proofs if each.status is Status.PASS}
        assert {"search-chat", "old-chat"} <= mended
        before_undo = set(resources(lab, "exposed"))
        session.take_back(given, folder_of(tmp_path) / "undo.json")
        assert {each for each in before_undo - set(resources(lab, "exposed")) if "raiblocklistitems" in each}


def test_deployments_that_are_excepted_keep_their_protected_material(tmp_path: Path) -> None:
    with own_lab("exposed"):
        asked = requiring("exposed", required_blocklists=[], protected_material_exceptions=["search-chat"])
        (step,) = (each for each in plan(asked, "CNT-03").steps if each.request.path.endswith("/raiPolicies/fast"))
    names = {each["name"] for each in step.request.body["properties"]["contentFilters"]}
    held = {each["name"] for each in step.before["properties"]["contentFilters"]}
    assert not {"Protected Material Text", "Protected Material Code"} & (names - held)


@pytest.mark.parametrize(("control", "prop"), [("CNT-11", "state"), ("CNT-16", "storedCompletionsDisabled")])
def test_switches_are_set_and_set_back(control: str, prop: str, tmp_path: Path) -> None:
    with own_lab("exposed") as lab:
        asked = parameters("exposed")
        outcome = session.carry_out(asked, plan(asked, control), tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}
        assert statuses(outcome) == {Status.PASS}
        assert plan(asked, control).steps == ()
        back = session.take_back(asked, folder_of(tmp_path) / "undo.json")
        assert {each.became.value for each in back.results} == {"done"}
        values = {each.properties[prop] for each in lab.state("exposed").resources.values() if prop in each.properties}
        assert values <= {"Disabled", False, "Enabled"} and len(plan(asked, control).steps) == 3


def test_the_canary_is_the_same_in_every_plan() -> None:
    one = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
    assert canary_of(one) == canary_of(one.upper()) != canary_of(f"{one}b")
    assert CANARY.startswith("aoai-playbook")


def test_a_canary_is_planted_where_it_is_wished_and_taken_back(tmp_path: Path) -> None:
    with own_lab("mixed") as lab:
        unlock(lab, "mixed")
        assert plan(parameters("mixed"), "CNT-13").steps == (), "nobody wished for one"
        before = resources(lab, "mixed")
        asked = parameters("mixed", canary=True)
        planned = plan(asked, "CNT-13")
        outcome = session.carry_out(asked, planned, tmp_path)
        assert {each.became.value for each in outcome.results} == {"done"}, [each.sentence for each in outcome.results]
        assert outcome.proofs == (), "what only a probe can see is not judged"
        after = resources(lab, "mixed")
        assert plan(asked, "CNT-13").steps == ()
        back = session.take_back(asked, folder_of(tmp_path) / "undo.json")
        assert {each.became.value for each in back.results} == {"done"}, [each.sentence for each in back.results]
        left = resources(lab, "mixed")
    made = {key: after[key] for key in set(after) - set(before)}
    terms = {
        key.partition("/raiblocklists/")[0]: body["properties"]["pattern"]
        for key, body in made.items()
        if "/raiblocklistitems/" in key
    }
    assert terms and all(f"/raiblocklists/{CANARY}" in key for key in made) and len(made) == 2 * len(terms)
    assert all(term == canary_of(account) for account, term in terms.items())
    changed = [key for key in before if _told(after[key]) != _told(before[key])]
    assert changed and all("/raipolicies/" in key for key in changed)
    for key in changed:
        told, was = _told(after[key]), _told(before[key])
        bound = told["properties"].pop("customBlocklists")
        held = was["properties"].pop("customBlocklists")
        assert told == was and [each for each in bound if each not in held] == [
            {"blocklistName": CANARY, "source": source, "blocking": True} for source in ("Prompt", "Completion")
        ]
    assert {key: _told(body) for key, body in left.items()} == {key: _told(body) for key, body in before.items()}
