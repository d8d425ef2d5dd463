"""The lab's vantage points: what its resolvers say and its gateways connect follows the state as it is now."""

import json
import socket
import ssl

import dns.message
import dns.opcode
import dns.query
import dns.rcode
import pytest
import requests

from aoai_lib.lab.server import Lab, load_worlds
from aoai_lib.lab.world import read, world_of

CLAIMS, SUPPORT = "halden-claims.openai.azure.com", "meridian-support.openai.azure.com"
SUBSCRIPTION = "/subscriptions/7d1f8c52-64ab-4b3e-8f05-91c2d3e4a502"
NETWORK = f"{SUBSCRIPTION}/resourceGroups/rg-network/providers/Microsoft.Network"
ZONE = f"{NETWORK}/privateDnsZones/privatelink.openai.azure.com"
ACCOUNT = f"{SUBSCRIPTION}/resourceGroups/rg-ai-prod/providers/Microsoft.CognitiveServices/accounts/aoai-halden-claims"


def ask(lab, vantage, name, type_="A", way=dns.query.udp):
    host, _, port = lab.vantages[vantage]["resolver"].partition(":")
    answer = way(dns.message.make_query(name, type_), host, port=int(port), timeout=5)
    return dns.rcode.to_text(answer.rcode()), [str(item).rstrip(".") for each in answer.answer for item in each]


def connect(lab, vantage, address, port=443, patience=0.5):
    host, _, gateway = lab.vantages[vantage]["gateway"].partition(":")
    line = socket.create_connection((host, int(gateway)), patience)
    line.sendall(f"CONNECT {address}:{port} HTTP/1.1\r\n\r\n".encode())
    try:
        return line, line.recv(200)
    except TimeoutError:
        line.close()
        raise


def fetch(lab, vantage, address, name):
    """Status of a GET on the data plane by host name over TLS, at an address as the vantage point reaches it."""
    line, granted = connect(lab, vantage, address, patience=30)
    assert b" 200 " in granted
    with line, ssl.create_default_context(cafile=lab.ca_file).wrap_socket(line, server_hostname=name) as secured:
        secured.sendall(f"GET /openai/models HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        return int(secured.recv(4096).split()[1])


@pytest.mark.parametrize("way", [dns.query.udp, dns.query.tcp])
@pytest.mark.parametrize("vantage", ["inside", "peered", "on_premises"])
def test_a_linked_network_sees_the_private_address(lab, vantage, way):
    assert ask(lab, vantage, CLAIMS, way=way) == (
        "NOERROR",
        ["halden-claims.privatelink.openai.azure.com", "10.40.1.4"],
    )


def test_the_outside_sees_a_public_address_by_way_of_the_private_name(lab):
    code, chain = ask(lab, "outside", CLAIMS)
    assert (code, chain[:2]) == (
        "NOERROR",
        ["halden-claims.privatelink.openai.azure.com", "swedencentral.prod.vnet.cog.trafficmanager.net"],
    )
    assert chain[2].startswith("20.")
    assert ask(lab, "outside", CLAIMS, "AAAA")[1] == chain[:2]


def test_an_account_without_endpoint_has_no_private_name(lab):
    _, chain = ask(lab, "outside", "brightcart-shop.openai.azure.com")
    assert [each for each in chain if "privatelink" in each] == []
    assert ask(lab, "outside", "brightcart-shop.privatelink.openai.azure.com") == ("NXDOMAIN", [])


def test_only_names_of_an_accounts_kind_exist(lab):
    assert ask(lab, "outside", "halden-claims.services.ai.azure.com") == ("NXDOMAIN", [])
    assert ask(lab, "outside", "halden-knowledge.services.ai.azure.com")[0] == "NOERROR"
    assert ask(lab, "inside", "nobody.openai.azure.com") == ("NXDOMAIN", [])


def test_on_premises_without_forwarder_and_a_peer_without_link_see_the_public_address(lab):
    assert ask(lab, "on_premises", "brightcart-search.openai.azure.com")[1][-1].startswith("20.")
    assert ask(lab, "peered", SUPPORT)[1][-1].startswith("20.")
    assert ask(lab, "on_premises", SUPPORT)[1][-1] == "10.80.1.4"


def test_where_nobody_is_the_resolver_refuses():
    document = read("hardened")
    del document["vantages"]
    with Lab([world_of(document)]) as lab:
        assert ask(lab, "on_premises", CLAIMS) == ("REFUSED", [])
        assert ask(lab, "inside", CLAIMS)[1][-1] == "10.40.1.4"
        assert ask(lab, "peered", CLAIMS)[1][-1] == "10.40.1.4"


def test_names_follow_what_is_written(visit):
    guest = visit("hardened")
    lab = guest.lab
    for name in ("link-hub", "link-claims"):
        assert guest.send("DELETE", f"{ZONE}/virtualNetworkLinks/{name}", "2024-06-01").status_code in (200, 202)
    assert ask(lab, "inside", CLAIMS)[1][-1].startswith("20.")
    body = {
        "location": "global",
        "properties": {"registrationEnabled": False, "virtualNetwork": {"id": f"{NETWORK}/virtualNetworks/vnet-hub"}},
    }
    guest.send("PUT", f"{ZONE}/virtualNetworkLinks/again", "2024-06-01", json=body)
    assert ask(lab, "inside", CLAIMS)[1][-1] == "10.40.1.4"
    record = {"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.40.1.99"}]}}
    guest.send("PUT", f"{ZONE}/A/halden-claims", "2024-06-01", json=record)
    assert ask(lab, "inside", CLAIMS)[1][-1] == "10.40.1.99"
    guest.send("DELETE", f"{ZONE}/A/halden-claims", "2024-06-01")
    assert ask(lab, "inside", CLAIMS) == ("NXDOMAIN", ["halden-claims.privatelink.openai.azure.com"])
    body["properties"]["resolutionPolicy"] = "NxDomainRedirect"
    guest.send("PUT", f"{ZONE}/virtualNetworkLinks/again", "2024-06-01", json=body)
    assert ask(lab, "inside", CLAIMS)[1][-1].startswith("20.")


def test_a_network_with_its_own_servers_asks_through_theirs(visit):
    lab = visit("mixed").lab
    state = lab.state("mixed")
    stations = next(each for each in state.of_type("Microsoft.Network/virtualNetworks") if each.name == "vnet-stations")
    for server, address in (("10.80.2.4", "10.80.1.4"), ("168.63.129.16", "20."), ("192.0.2.53", "20.")):
        stations.properties["dhcpOptions"] = {"dnsServers": [server]}
        assert ask(lab, "peered", SUPPORT)[1][-1].startswith(address)


def test_a_circle_in_a_zone_is_a_failure_of_the_resolver(visit):
    guest = visit("hardened")
    guest.send("DELETE", f"{ZONE}/A/halden-claims", "2024-06-01")
    circle = {"properties": {"ttl": 60, "cnameRecord": {"cname": CLAIMS}}}
    guest.send("PUT", f"{ZONE}/CNAME/halden-claims", "2024-06-01", json=circle)
    assert ask(guest.lab, "inside", CLAIMS) == ("SERVFAIL", [])


def test_public_access_decides_outside_and_not_inside(visit):
    guest = visit("hardened")
    lab = guest.lab
    front = ask(lab, "outside", CLAIMS)[1][-1]
    assert fetch(lab, "outside", front, CLAIMS) == 403
    assert fetch(lab, "inside", "10.40.1.4", CLAIMS) == 401
    account = guest.send("GET", ACCOUNT).json()
    opened = {"properties": {"publicNetworkAccess": "Enabled", "networkAcls": {"defaultAction": "Allow"}}}
    assert guest.send("PATCH", account["id"], json=opened).status_code in (200, 202)
    state = lab.state("hardened")
    for each in list(state.of_type("Microsoft.CognitiveServices/accounts/networkSecurityPerimeterConfigurations")):
        state.remove(each.id)  # enforced, it would decide in the account's place
    assert fetch(lab, "outside", front, CLAIMS) == 401


@pytest.mark.parametrize(
    ("vantage", "address", "port"),
    [
        ("outside", "10.40.1.4", 443),  # the internet does not route it
        ("inside", "10.40.1.99", 443),  # nobody has it
        ("inside", "10.40.1.4", 80),
        ("inside", "127.0.0.1", 443),
        ("inside", "localhost", 443),
    ],
)
def test_the_gateway_keeps_silent_where_a_network_would(lab, vantage, address, port):
    with pytest.raises(TimeoutError):
        connect(lab, vantage, address, port)


def test_an_address_goes_with_its_endpoint(visit):
    guest = visit("hardened")
    assert fetch(guest.lab, "peered", "10.40.1.4", CLAIMS) == 401
    guest.send("DELETE", f"{NETWORK}/privateEndpoints/pe-halden-claims", "2024-05-01")
    with pytest.raises(TimeoutError):
        connect(guest.lab, "peered", "10.40.1.4")
    _, chain = ask(guest.lab, "inside", CLAIMS)
    assert [each for each in chain if "privatelink" in each] == []


def test_an_account_answers_by_its_own_name_and_by_path(lab):
    session = requests.Session()
    session.verify, session.trust_env = lab.ca_file, False
    by_path = session.get(f"{lab.url}/halden-claims/openai/models", timeout=10)
    by_name = session.get(f"{lab.url}/openai/models", headers={"Host": CLAIMS}, timeout=10)
    session.close()
    assert (by_path.status_code, by_path.json()) == (by_name.status_code, by_name.json()) == (403, by_path.json())


def test_nonsense_is_not_answered_and_breaks_nothing(lab):
    host, _, port = lab.vantages["inside"]["resolver"].partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(0.2)
        answer = dns.message.make_response(dns.message.make_query(CLAIMS, "A")).to_wire()
        update = dns.message.make_query(CLAIMS, "SOA")
        update.set_opcode(dns.opcode.UPDATE)
        for wire in (b"", b"\x00", b"\xff" * 40, answer, update.to_wire(), b"\x00" * 12):
            line.sendto(wire, (host, int(port)))
        with pytest.raises(TimeoutError):
            line.recv(100)
    assert ask(lab, "inside", CLAIMS)[0] == "NOERROR"


def test_the_environment_says_where_vantage_points_are(lab):
    told = json.loads(lab.environment("hardened")["AOAI_LAB_VANTAGES"])
    assert set(told) == {"inside", "peered", "on_premises", "outside"}
    assert all(each.startswith("127.0.0.1:") for place in told.values() for each in place.values())


def test_sockets_are_given_back():
    lab = Lab(load_worlds(["hardened"]))
    lab.start()
    lab.stop()
    for place in lab._vantages:
        assert place._stream.fileno() == place._datagrams.fileno() == place._door.fileno() == -1
