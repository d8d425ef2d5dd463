"""Microsoft.Network: network security groups and their rules.

Rules are resources of their own here; their group shows them embedded, and a group that is written whole replaces them.
"""

from __future__ import annotations

import ipaddress
import re

from aoai_lib.lab import errors
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import NO_PATCH, Kind, View, Write, declare
from aoai_lib.lab.providers.envelopes import NETWORK, weak_etag
from aoai_lib.lab.providers.network import NETWORKS, adopt, envelope, missing_child, tags_only
from aoai_lib.lab.shapes import Json
from aoai_lib.lab.store import Resource, Tenant

GROUPS = "Microsoft.Network/networkSecurityGroups"

DEFAULT_RULES = (  # name, priority, direction, access, source, destination, description (api-version 2024-05-01)
    (
        "AllowVnetInBound",
        65000,
        "Inbound",
        "Allow",
        "VirtualNetwork",
        "VirtualNetwork",
        "Allow inbound traffic from all VMs in VNET",
    ),
    (
        "AllowAzureLoadBalancerInBound",
        65001,
        "Inbound",
        "Allow",
        "AzureLoadBalancer",
        "*",
        "Allow inbound traffic from azure load balancer",
    ),
    ("DenyAllInBound", 65500, "Inbound", "Deny", "*", "*", "Deny all inbound traffic"),
    (
        "AllowVnetOutBound",
        65000,
        "Outbound",
        "Allow",
        "VirtualNetwork",
        "VirtualNetwork",
        "Allow outbound traffic from all VMs to all VMs in VNET",
    ),
    (
        "AllowInternetOutBound",
        65001,
        "Outbound",
        "Allow",
        "*",
        "Internet",
        "Allow outbound traffic from all VMs to Internet",
    ),
    ("DenyAllOutBound", 65500, "Outbound", "Deny", "*", "*", "Deny all outbound traffic"),
)
PROTOCOLS = ("tcp", "udp", "icmp", "esp", "ah", "*")
ENDS = ("source", "destination")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9.]*")


def _show_group(tenant: Tenant, resource: Resource, view: View) -> Json:
    used = [
        {"id": each.id}
        for each in tenant.of_type(f"{NETWORKS}/subnets")
        if str((each.properties.get("networkSecurityGroup") or {}).get("id", "")).lower() == resource.id.lower()
    ]
    properties: Json = {
        "securityRules": [_show_rule(tenant, each, view) for each in tenant.children(resource.id, "securityRules")],
        "defaultSecurityRules": [_default_rule(resource, *rule) for rule in DEFAULT_RULES],
        **({"subnets": used} if used else {}),
    }
    return envelope(tenant, resource, properties)


def _show_rule(tenant: Tenant, resource: Resource, view: View) -> Json:
    lists = ("sourcePortRanges", "destinationPortRanges", "sourceAddressPrefixes", "destinationAddressPrefixes")
    own = {key: value for key, value in resource.properties.items() if key != "provisioningState"}
    return envelope(tenant, resource, own | {name: own.get(name) or [] for name in lists}, tracked=False)


def _default_rule(
    group: Resource, name: str, priority: int, direction: str, access: str, source: str, destination: str, text: str
) -> Json:
    return {
        "name": name,
        "id": f"{group.id}/defaultSecurityRules/{name}",
        "etag": weak_etag(group),
        "type": f"{GROUPS}/defaultSecurityRules",
        "properties": {
            "provisioningState": "Succeeded",
            "description": text,
            "protocol": "*",
            "sourcePortRange": "*",
            "destinationPortRange": "*",
            "sourceAddressPrefix": source,
            "destinationAddressPrefix": destination,
            "access": access,
            "priority": priority,
            "direction": direction,
            "sourcePortRanges": [],
            "destinationPortRanges": [],
            "sourceAddressPrefixes": [],
            "destinationAddressPrefixes": [],
        },
    }


def _write_group(write: Write) -> None:
    rules = () if write.seeding else write.resource.properties.get("securityRules") or ()
    sent = [(str(entry.get("name")), entry.get("properties") or {}) for entry in rules]
    for index, (name, rule) in enumerate(sent):
        _check_rule(f"{write.resource.id}/securityRules/{name}", rule)
        for other, earlier in sent[:index]:
            _demand_own_priority(name, rule, other, earlier)
    adopt(write, "securityRules", f"{GROUPS}/securityRules")
    write.resource.properties.pop("defaultSecurityRules", None)
    write.resource.properties.pop("subnets", None)


def _write_rule(write: Write) -> None:
    if write.seeding:
        return
    rule = write.resource.properties
    _check_rule(write.resource.id, rule)
    group_id = write.resource.id.rpartition("/securityRules/")[0]
    for other in write.tenant.children(group_id, "securityRules"):
        if other.id.lower() != write.resource.id.lower():
            _demand_own_priority(write.resource.name, rule, other.name, other.properties)


def _check_rule(address: str, rule: Json) -> None:
    priority = rule.get("priority")
    if not isinstance(priority, int) or not 100 <= priority <= 4096:
        raise _invalid("Priority", f"{priority} Allowed range 100-4096.")
    if rule.get("direction") not in ("Inbound", "Outbound") or rule.get("access") not in ("Allow", "Deny"):
        raise errors.bad_request("InvalidRequestFormat", f"Security rule {address} needs a direction and an access.")
    if str(rule.get("protocol", "")).lower() not in PROTOCOLS:
        raise _invalid("Protocol", f"{rule.get('protocol')}.")
    for end in ENDS:
        _check_end(address, rule, end)


def _check_end(address: str, rule: Json, end: str) -> None:
    """Ports and addresses of one end of a rule: there, and well formed."""
    ports = _all_of(rule, f"{end}PortRange", f"{end}PortRanges")
    prefixes = _all_of(rule, f"{end}AddressPrefix", f"{end}AddressPrefixes")
    bad = next((text for text in ports if not _is_range(text)), None)
    if bad is not None:
        told = f"{bad}. Value should be an integer OR integer range with '-' delimiter. Valid range 0-65535."
        raise _invalid("Port range", told)
    bad = next((text for text in prefixes if not _is_prefix(text)), None)
    if bad is not None:
        raise _invalid("Address prefix", bad)
    name = end.capitalize()
    if not prefixes and not rule.get(f"{end}ApplicationSecurityGroups"):
        raise _missing(address, f"{name}AddressPrefixes, {name}AddressPrefix, or {name}ApplicationSecurityGroups")
    if not ports:
        raise _missing(address, f"{name}PortRanges or {name}PortRange")


def _missing(address: str, names: str) -> ArmError:
    message = (
        f"Required security rule parameters are missing for security rule with Id: {address}. Security rule must specify"
        f" {names}."
    )
    return ArmError(400, "SecurityRuleParametersMissing", message, headers=errors.SERVICE, details=[])


def _invalid(what: str, value: str) -> ArmError:
    code = "SecurityRuleInvalid" + "".join(word.capitalize() for word in what.split())
    return errors.bad_request(code, f"Security rule has invalid {what}. Value provided: {value}")


def _all_of(rule: Json, single: str, several: str) -> list[str]:
    """What a rule names by the one property or by the list beside it."""
    return [str(each) for each in (rule.get(single), *(rule.get(several) or ())) if each]


def _is_range(text: str) -> bool:
    ends = text.split("-")
    if text == "*":
        return True
    if len(ends) > 2 or not all(end.isdigit() for end in ends):
        return False
    return 0 <= int(ends[0]) <= int(ends[-1]) <= 65535


def _is_prefix(text: str) -> bool:
    """Any (*), a service tag, an address or a range of them."""
    if text == "*" or _TAG.fullmatch(text):
        return True
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _demand_own_priority(name: str, rule: Json, other: str, earlier: Json) -> None:
    if all(earlier.get(key) == rule[key] for key in ("priority", "direction")):
        message = (
            f"Security rule {other} conflicts with rule {name}. Rules cannot have the same Priority and Direction."
            " To learn more, see aka.ms/nsgrules."
        )
        raise ArmError(400, "SecurityRuleConflict", message, headers=errors.SERVICE, details=[])


declare(
    [
        Kind(GROUPS, NETWORK, _show_group, write=_write_group, patch=tags_only, lro="network"),
        Kind(
            f"{GROUPS}/securityRules",
            NETWORK,
            _show_rule,
            write=_write_rule,
            methods=NO_PATCH,
            lro="network",
            missing=missing_child,
        ),
    ]
)
