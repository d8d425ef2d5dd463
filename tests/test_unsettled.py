"""An account or a deployment whose last write failed, or goes on, shows what was asked for: that passes nothing."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
from builders import account, deployment, snapshot

from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
from aoai_lib.model import Finding, Snapshot, Status

STATES = [
    ("Succeeded", "pass"),
    ("succeeded", "pass"),
    ("ResolvingDNS", "pass"),
    (None, "pass"),
    ("Failed", "not_assessed"),
    ("Canceled", "not_assessed"),
    ("Accepted", "not_assessed"),
    ("Updating", "not_assessed"),
    ("SomethingNew", "not_assessed"),
    (5, "not_assessed"),
]


def found(control: str, sample: Snapshot) -> Finding:
    (one,) = judge(sample, [each for each in catalogue() if each.id == control])
    return one


@pytest.mark.parametrize(("state", "status"), STATES)
def test_an_account_passes_by_settings_that_are_in_force(state: object, status: str) -> None:
    one = found("NET-01", snapshot(account=account(publicNetworkAccess="Disabled", provisioningState=state)))
    assert one.status == status
    if status != "pass":
        assert one.reason.startswith(f"The account is in the state “{state}”")
        assert {each.path: each.value for each in one.observed}["account.properties.provisioningState"] == state


@pytest.mark.parametrize("state", ["Failed", "Updating"])
def test_what_fails_fails_in_any_state(state: str) -> None:
    one = found("NET-01", snapshot(account=account(publicNetworkAccess="Enabled", provisioningState=state)))
    assert one.status == "fail"


@pytest.mark.parametrize("state", ["Failed", "Creating"])
def test_a_deployment_passes_by_settings_that_are_in_force(state: str) -> None:
    for held, status in (("Succeeded", "pass"), (state, "not_assessed")):
        own = deployment(versionUpgradeOption="OnceNewDefaultVersionAvailable", provisioningState=held)
        assert found("GOV-04", snapshot(deployment=own)).status == status, own


def test_no_pass_rests_on_an_account_whose_last_write_failed(hardened: Snapshot) -> None:
    readings = dict(hardened.readings)
    for key, each in hardened.readings.items():
        if each.source == "account":
            value = deepcopy(each.value)
            value["properties"]["provisioningState"] = "Failed"
            readings[key] = replace(each, value=value)
    before, after = judge(hardened), judge(replace(hardened, readings=readings))
    resting = {
        (each.control, each.subject)
        for each in before
        if each.status is Status.PASS and any(seen.path.startswith("account.properties.") for seen in each.observed)
    }
    assert len(resting) > 20
    assert {each.status for each in after if (each.control, each.subject) in resting} == {Status.NOT_ASSESSED}
    others = [each for each in before if (each.control, each.subject) not in resting]
    assert others == [each for each in after if (each.control, each.subject) not in resting]
