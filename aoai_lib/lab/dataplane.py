"""The door of an account's data plane: which account, from which network, who asks, may they.

What is behind the door is ``inference.answer``. Order and wording follow the service: the network is looked at
first, then the way of signing in, then the role.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.requests import Request

from aoai_lib.lab import inference, rbac, telemetry
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.inference import InferenceAnswer, data_action
from aoai_lib.lab.kinds import Caller
from aoai_lib.lab.providers import guardrails
from aoai_lib.lab.providers.connections import ZONES
from aoai_lib.lab.shapes import Json
from aoai_lib.lab.store import Resource, Tenant
from aoai_lib.lab.tokens import DATA, Issuer

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
SUFFIXES = frozenset(ZONES["AIServices"].values())


def domain_of(host: str) -> str:
    """The custom subdomain in an account's own host name, ``name.openai.azure.com``; "" for any other host."""
    domain, _, suffix = host.lower().partition(":")[0].partition(".")
    return domain if suffix in SUFFIXES else ""


@dataclass(frozen=True)
class Call:
    """A request to the data plane as it came in. ``address`` is where it seems to come from, ``fault`` what is asked to go wrong."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    listener: str
    address: str
    fault: str = ""

    @classmethod
    def of(cls, request: Request, body: bytes, listener: str, fault: str = "") -> Call:
        """Both listeners are on loopback, so a caller may state the address it plays in x-forwarded-for.

        Called by an account's own host name, the name becomes the first step of the path.
        """
        usual = "10.40.2.10" if listener == "private" else "203.0.113.10"
        domain = domain_of(request.headers.get("host", ""))
        return cls(
            request.method,
            f"/{domain}{request.url.path}" if domain else request.url.path,
            dict(parse_qsl(request.url.query, keep_blank_values=True)),
            dict(request.headers),
            body,
            listener,
            request.headers.get("x-forwarded-for", usual),
            fault,
        )


@dataclass(frozen=True)
class Reply:
    """What goes back on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes | Iterator[bytes]


def refusal(status: int, code: str, message: str) -> ArmError:
    return ArmError(status, code, message, headers={"apim-request-id": str(uuid4())})


def handle(tenants: list[Tenant], issuer: Issuer, call: Call) -> Reply:
    """Answer a data-plane request. Raises ArmError for refusals."""
    host, _, rest = call.path.strip("/").partition("/")
    if not rest.startswith("openai"):
        raise refusal(404, "404", "Resource not found")
    tenant, account = _account(tenants, host, call)
    below = rest.removeprefix("openai").lstrip("/")
    try:
        _demand_network(tenant, account, call)
        caller = _caller(tenant, account, issuer, call, below)
    except ArmError as error:
        telemetry.refused(tenant, account, call, below, error)
        raise
    answer = inference.answer(
        inference.InferenceCall(
            tenant=tenant,
            account=_shown(account),
            caller=caller,
            method=call.method,
            path=below,
            query=call.query,
            headers=call.headers,
            body=call.body,
            policies=guardrails.policies(tenant, account.id),
            memory=tenant.memory,
            fault=call.fault,
        )
    )
    return _reply(tenant, account, answer)


def _reply(tenant: Tenant, account: Resource, answer: InferenceAnswer) -> Reply:
    telemetry.deliver(tenant, account, answer.log)
    telemetry.measure(tenant, answer.log, answer.rejected)
    return Reply(answer.status, dict(answer.headers), answer.body)


def _shown(account: Resource) -> Json:
    return {"id": account.id, "name": account.name, "location": account.location, **account.body}


def _account(tenants: list[Tenant], host: str, call: Call) -> tuple[Tenant, Resource]:
    regional = host.endswith(".api")
    key = _key(call.headers)
    for tenant in tenants:
        for account in tenant.of_type(ACCOUNTS):
            domain = account.properties.get("customSubDomainName")
            if domain and str(domain).lower() == host.lower():
                return tenant, account
            if regional and key and key in tenant.account_keys(account.id) and _region(account) == host.lower():
                return tenant, account
    if regional and key is None:
        raise refusal(
            400,
            "BadRequest",
            "Please provide a custom subdomain for token authentication, otherwise API key is required.",
        )
    if regional:
        raise _wrong_key()
    raise refusal(404, "404", "Resource not found")


def _region(account: Resource) -> str:
    return account.location.replace(" ", "").lower() + ".api"


def _key(headers: Mapping[str, str]) -> str | None:
    if headers.get("api-key"):
        return headers["api-key"]
    bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
    return bearer if bearer and bearer.count(".") != 2 else None


def _demand_network(tenant: Tenant, account: Resource, call: Call) -> None:
    """Private: an approved connection is needed. Public: public access, then the firewall's rules."""
    if call.listener == "private":
        if not any(_approved(each) for each in tenant.children(account.id, "privateEndpointConnections")):
            raise refusal(404, "404", "Resource not found")
        return
    properties = account.properties
    if str(properties.get("publicNetworkAccess", "Enabled")).lower() == "disabled" or _perimeter_enforced(
        tenant, account
    ):
        raise refusal(403, "403", "Public access is disabled. Please configure private endpoint.")
    acls = properties.get("networkAcls") or {}
    if str(acls.get("defaultAction", "Allow")).lower() == "deny" and not _listed(acls, call.address):
        raise refusal(403, "403", "Access denied due to Virtual Network/Firewall rules.")


def _approved(connection: Resource) -> bool:
    return bool(connection.properties["privateLinkServiceConnectionState"]["status"] == "Approved")


def _perimeter_enforced(tenant: Tenant, account: Resource) -> bool:
    found = tenant.children(account.id, "networkSecurityPerimeterConfigurations")
    return any(
        (each.properties.get("resourceAssociation") or {}).get("accessMode", "").lower() == "enforced" for each in found
    )


def _listed(acls: Json, address: str) -> bool:
    caller = ipaddress.ip_address(address)
    return any(caller in ipaddress.ip_network(rule["value"], strict=False) for rule in acls.get("ipRules") or ())


def _caller(tenant: Tenant, account: Resource, issuer: Issuer, call: Call, below: str) -> Caller:
    key = _key(call.headers)
    if key is not None:
        if account.properties.get("disableLocalAuth") and tenant.memory.keys_refused(account.id):
            message = "Key based authentication is disabled for this resource."
            raise refusal(403, "AuthenticationTypeDisabled", message)
        if key not in tenant.account_keys(account.id):
            raise _wrong_key()
        return Caller("", "", "key", address=call.address)
    try:
        owner, caller = issuer.verify(call.headers.get("authorization"), DATA)
    except ArmError as error:
        message = "Access token is missing, invalid, audience is incorrect, or have expired."
        raise refusal(401, "Unauthorized", message) from error
    action = data_action(call.method, below)
    if action is None:
        raise refusal(404, "404", "Resource not found")
    if owner is not tenant:
        raise refusal(
            400,
            "Tenant provided in token does not match resource token",
            "Token tenant does not match resource tenant.",
        )
    if not rbac.decide(tenant, caller.object_id, action, account.id, data=True).allowed:
        raise _lacking(caller, action)
    return Caller(caller.object_id, caller.client_id, "entra", caller.name, caller.principal_type, call.address)


def _wrong_key() -> ArmError:
    message = (
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an"
        " active subscription and use a correct regional API endpoint for your resource."
    )
    return refusal(401, "401", message)


def _lacking(caller: Caller, action: str) -> ArmError:
    message = (
        f"The principal `{caller.object_id}` lacks the required data action `{action}` to perform"
        f" `POST {action.rpartition('/')[0]}` operation."
    )
    return refusal(401, "PermissionDenied", message)
