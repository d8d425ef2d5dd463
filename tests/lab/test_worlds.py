"""The worlds as files, the big ones made of them, and the lab as a command."""

import json
import subprocess
import sys

import pytest
import requests

from aoai_lib.lab.population import multiplied
from aoai_lib.lab.seed import tenant_of
from aoai_lib.lab.world import BUNDLED, load_worlds, read, world_of
from aoai_lib.lab.world_form import WorldError

ACCOUNTS = "Microsoft.CognitiveServices/accounts"


def guids(value):
    if isinstance(value, dict):
        return {found for each in value.values() for found in guids(each)}
    if isinstance(value, list):
        return {found for each in value for found in guids(each)}
    return {value} if isinstance(value, str) and len(value) == 36 and value.count("-") == 4 else set()


def test_tenants_share_no_ids():
    parts = [read(name) for name in BUNDLED]
    own = [guids(part["tenant"]) | guids(part["principals"]) | guids(part["subscriptions"]) for part in parts]
    assert [own[0] & own[1], own[0] & own[2], own[1] & own[2]] == [set(), set(), set()]


@pytest.mark.parametrize("name", BUNDLED)
def test_two_starts_of_a_world_are_alike(name):
    first, second = (tenant_of(load_worlds([name])[0], "https://localhost:1") for _ in range(2))
    assert list(first.resources) == list(second.resources)
    assert [each.body for each in first.resources.values()] == [each.body for each in second.resources.values()]


def test_a_reference_to_nobody_is_an_error():
    document = read("hardened")
    document["roleAssignments"][0]["scope"] = "@nowhere:"
    with pytest.raises(WorldError, match="names no subscription"):
        world_of(document)


def test_an_unknown_type_is_an_error():
    document = read("exposed")
    document["subscriptions"][0]["resourceGroups"][0]["resources"].append(
        {"type": "Microsoft.Nowhere/things", "name": "x", "location": "eastus"}
    )
    with pytest.raises(WorldError, match="knows no type"):
        tenant_of(world_of(document), "https://localhost")


def test_a_world_is_multiplied_to_the_number_asked_for():
    tenant = tenant_of(world_of(multiplied(read("exposed"), 120)), "https://localhost")
    accounts = list(tenant.of_type(ACCOUNTS))
    domains = [each.properties["customSubDomainName"] for each in accounts if "customSubDomainName" in each.properties]
    assert (len(accounts), len(set(domains))) == (120, len(domains))


def test_the_command_shakes_hands_serves_and_goes_with_its_parent():
    command = [sys.executable, "-m", "aoai_lib.lab", "--tenant", "hardened", "--handshake"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        greeting = json.loads(process.stdout.readline())
        environment = greeting["tenants"][0]["environment"]
        session = requests.Session()
        session.trust_env = False
        answer = session.get(
            environment["IDENTITY_ENDPOINT"],
            params={"resource": "https://management.azure.com"},
            headers={"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]},
            verify=greeting["ca_file"],
            timeout=10,
        )
        session.close()
        process.stdin.close()
        assert (answer.status_code, process.wait(10)) == (200, 0)
    assert greeting["tenants"][0]["subscriptions"] == ["7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502"]


def test_the_command_refuses_a_fault_that_nobody_knows():
    command = [sys.executable, "-m", "aoai_lib.lab", "--tenant", "hardened", "--fault", "418"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "names no fault" in done.stderr) == (2, True)
