"""What the Azure CLI shows of the lab is what the world file says."""

import pytest
from az_client import at
from declared import differences, of_type

from aoai_lib.lab.server import Lab, load_worlds

WORLD = load_worlds(["hardened"])[0]
NETWORK, INSIGHTS, COGNITIVE = "Microsoft.Network", "Microsoft.Insights", "Microsoft.CognitiveServices"
GROUP, NET = ("--resource-group", "rg-ai-prod"), ("--resource-group", "rg-network")

LISTS = {
    "Microsoft.Resources/resourceGroups": "group list",
    f"{COGNITIVE}/accounts": "cognitiveservices account list",
    f"{NETWORK}/virtualNetworks": "network vnet list",
    f"{NETWORK}/networkSecurityGroups": "network nsg list",
    f"{NETWORK}/applicationSecurityGroups": "network asg list",
    f"{NETWORK}/privateEndpoints": "network private-endpoint list",
    f"{NETWORK}/privateDnsZones": "network private-dns zone list",
    f"{INSIGHTS}/metricAlerts": "monitor metrics alert list",
    f"{INSIGHTS}/activityLogAlerts": "monitor activity-log alert list",
    f"{INSIGHTS}/actionGroups": "monitor action-group list",
    "Microsoft.OperationalInsights/workspaces": "monitor log-analytics workspace list",
    "Microsoft.Authorization/locks": "lock list",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "identity list",
}

CHILDREN = {
    f"{COGNITIVE}/accounts/deployments": ("cognitiveservices account deployment list --name", GROUP),
    f"{NETWORK}/privateEndpoints/privateDnsZoneGroups": (
        "network private-endpoint dns-zone-group list --endpoint-name",
        NET,
    ),
    f"{NETWORK}/privateDnsZones/virtualNetworkLinks": ("network private-dns link vnet list --zone-name", NET),
}


def below(declared, key):
    """What a world writes into a parent's properties, in the form of resources of their own."""
    for parent in declared:
        for entry in parent.body["properties"].get(key) or ():
            yield parent, f"{parent.id}/{key}/{entry['name']}", entry


def test_the_cli_signs_in_and_shows_the_tenants_subscriptions_and_accounts(assessor):
    shown = [(each["id"], each["name"], each["tenantId"]) for each in assessor.ask("account", "list")]
    told = [(each["subscriptionId"], each["displayName"], WORLD.tenant_id) for each in WORLD.subscriptions]
    assert shown == told
    assert assessor.ask("account", "show")["user"]["name"] == WORLD.principal("assessor").app_id
    accounts = assessor.ask("cognitiveservices", "account", "list")
    assert differences(of_type(WORLD, f"{COGNITIVE}/accounts"), accounts) == []


def test_a_field_that_is_shown_otherwise_is_noticed():
    groups = of_type(WORLD, f"{NETWORK}/networkSecurityGroups")
    rules = [{"name": each["name"], **each["properties"]} for each in groups[0].body["properties"]["securityRules"]]
    shown = [{"id": groups[0].id.upper(), "location": "swedencentral", "securityRules": rules}]
    assert differences(groups, shown) == []
    rules[1]["access"] = "Deny"
    assert differences(groups, shown) == [
        "nsg-private-endpoints.securityRules[1].access: declared 'Allow', shown 'Deny'"
    ]
    assert differences(groups, []) == [f"{groups[0].id.lower().strip('/')}: declared, not shown"]


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("type_", LISTS)
def test_a_list_shows_what_the_world_declares(assessor, type_):
    declared = of_type(WORLD, type_)
    assert declared
    assert differences(declared, assessor.ask(*LISTS[type_].split())) == []


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("type_", CHILDREN)
def test_a_list_of_children_shows_what_the_world_declares(assessor, type_):
    words, group = CHILDREN[type_]
    for parent in of_type(WORLD, type_.rpartition("/")[0]):
        declared = of_type(WORLD, type_, parent.id)
        assert declared
        assert differences(declared, assessor.ask(*words.split(), parent.name, *group)) == []


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize(
    ("key", "words", "option", "type_"),
    [
        ("subnets", "network vnet subnet list", "--vnet-name", "virtualNetworks"),
        ("virtualNetworkPeerings", "network vnet peering list", "--vnet-name", "virtualNetworks"),
        ("securityRules", "network nsg rule list", "--nsg-name", "networkSecurityGroups"),
    ],
)
def test_what_a_network_is_made_of_is_shown_one_by_one(assessor, key, words, option, type_):
    parents = of_type(WORLD, f"{NETWORK}/{type_}")
    declared = {address.lower(): entry["properties"] for _, address, entry in below(parents, key)}
    shown = {}
    for parent in parents:
        shown |= {each["id"].lower(): each for each in assessor.ask(*words.split(), option, parent.name, *NET)}
    assert shown.keys() == declared.keys()
    for address, properties in declared.items():
        remote = {key: value for key, value in properties.items() if not isinstance(value, dict)}
        assert {key: shown[address][key] for key in remote} == remote


@pytest.mark.usefixtures("whole")
def test_an_endpoints_records_are_in_every_zone_of_its_group(assessor):
    endpoints = {each["name"]: each for each in assessor.ask("network", "private-endpoint", "list")}
    for name, subdomain, zones in (
        ("pe-halden-claims", "halden-claims", {"openai.azure.com"}),
        (
            "pe-halden-knowledge",
            "halden-knowledge",
            {"openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"},
        ),
    ):
        interface = endpoints[name]["networkInterfaces"][0]["id"]
        held = assessor.ask("network", "nic", "show", "--ids", interface)["ipConfigurations"]
        addresses = {each["privateLinkConnectionProperties"]["fqdns"][0]: each["privateIPAddress"] for each in held}
        assert addresses.keys() == {f"{subdomain}.{zone}" for zone in zones}
        for zone in zones:
            where = ("--zone-name", f"privatelink.{zone}", *NET)
            records = assessor.ask("network", "private-dns", "record-set", "a", "list", *where)
            found = {each["name"]: [one["ipv4Address"] for one in each["aRecords"]] for each in records}
            assert found[subdomain] == [addresses[f"{subdomain}.{zone}"]]


@pytest.mark.usefixtures("whole")
def test_role_assignments_and_roles_are_the_worlds(assessor):
    names = {each.id: each.name for each in WORLD.principals}
    shown = assessor.ask("role", "assignment", "list", "--all")
    found = {(each["scope"].lower(), each["roleDefinitionName"], names[each["principalId"]]) for each in shown}
    assert found == {(each["scope"].lower(), each["role"], each["principal"]) for each in WORLD.role_assignments}
    custom = assessor.ask("role", "definition", "list", "--custom-role-only", "true")
    told = [(each["roleName"], each["permissions"][0]["actions"]) for each in custom]
    assert told == [(each["roleName"], each["permissions"][0]["actions"]) for each in WORLD.role_definitions]


@pytest.mark.usefixtures("whole")
def test_diagnostic_settings_are_the_worlds(assessor):
    for account in of_type(WORLD, f"{COGNITIVE}/accounts"):
        declared = of_type(WORLD, f"{INSIGHTS}/diagnosticSettings", account.id)
        shown = assessor.ask("monitor", "diagnostic-settings", "list", "--resource", account.id)
        assert differences(declared, shown) == []
    own = [
        each for each in of_type(WORLD, f"{INSIGHTS}/diagnosticSettings") if "/resourcegroups/" not in each.id.lower()
    ]
    shown = assessor.ask("monitor", "diagnostic-settings", "subscription", "list")
    assert differences(own, shown["value"] if isinstance(shown, dict) else shown) == []


@pytest.mark.usefixtures("whole")
def test_the_generic_commands_reach_what_has_no_command_of_its_own(assessor):
    rules = of_type(WORLD, f"{INSIGHTS}/scheduledQueryRules")
    listed = assessor.ask("resource", "list", "--resource-type", f"{INSIGHTS}/scheduledQueryRules")
    assert {each["name"] for each in listed} == {each.name for each in rules}
    shown = [assessor.ask("resource", "show", "--ids", each.id) for each in rules]
    assert differences(rules, shown) == []


@pytest.mark.usefixtures("whole")
def test_defender_plans_policy_states_and_budgets_are_the_worlds(assessor):
    plans = {each["name"]: each for each in assessor.ask("security", "pricing", "list")["value"]}
    declared = of_type(WORLD, "Microsoft.Security/pricings")
    assert differences(declared, [plans[each.name] for each in declared]) == []
    states = assessor.ask("policy", "state", "list")
    wanted = [each.body["properties"] for each in of_type(WORLD, "Microsoft.PolicyInsights/policyStates")]
    assert [each["policyDefinitionId"] for each in states] == [each["policyDefinitionId"] for each in wanted]
    budgets = assessor.ask("consumption", "budget", "list")
    told = [each.body["properties"]["amount"] for each in of_type(WORLD, "Microsoft.Consumption/budgets")]
    assert [float(each["amount"]) for each in budgets] == told


@pytest.mark.usefixtures("whole")
def test_a_reader_is_refused_by_action(assessor):
    error = assessor.refused("network", "nsg", "create", "--name", "nsg-new", *NET)
    assert "AuthorizationFailed" in error
    assert "Microsoft.Network/networkSecurityGroups/write" in error


@pytest.mark.usefixtures("whole")
def test_the_printed_environment_signs_in_as_a_managed_identity(command, tmp_path):
    with Lab(load_worlds(["hardened"])) as lab:
        az = at(command, lab, tmp_path, lab.environment("hardened", "operator"))
        az.ask("login", "--identity")
        assert az.ask("account", "show")["user"]["assignedIdentityInfo"] == "MSI"
        made = az.ask("network", "nsg", "create", "--name", "nsg-new", "--location", "swedencentral", *NET)
        assert made["NewNSG"]["provisioningState"] == "Succeeded"
