"""Sign-in: managed identity (App Service protocol), client credentials, and the proof that a token is good.

Tokens are JWTs signed with a key made for the process. Expiry follows the real clock, whatever the world's clock
says, because the SDKs compare it with theirs.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt

from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import Caller
from aoai_lib.lab.store import Tenant
from aoai_lib.lab.world import Principal

LIFETIME = 24 * 3600 - 300  # seconds, what a managed identity's token lasts
ARM = ("https://management.core.windows.net", "https://management.azure.com")
LOGS = ("https://api.loganalytics.io", "https://api.loganalytics.azure.com", "https://api.monitor.azure.com")
GRAPH = ("https://graph.microsoft.com",)
DATA = ("https://cognitiveservices.azure.com", "https://ai.azure.com")


class SignInError(Exception):
    """A refusal of the token endpoint: status and JSON body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


@dataclass
class Issuer:
    """The directory's token service for every tenant of one lab."""

    tenants: list[Tenant]
    own_url: str = ""
    lifetime: int = LIFETIME
    _signing_key: str = field(default_factory=lambda: secrets.token_hex(32))
    _secrets: dict[tuple[str, str], str] = field(default_factory=dict)

    def secret(self, tenant: Tenant, identity: str) -> str:
        """The secret that proves an identity (IDENTITY_HEADER, or client_secret). Raises WorldError when unknown."""
        principal = tenant.world.principal(identity)
        key = (tenant.world.tenant_id, principal.id)
        return self._secrets.setdefault(key, secrets.token_hex(24))

    def managed_identity(self, header: str, resource: str, client_id: str = "") -> dict[str, Any]:
        """Answer the managed identity endpoint of App Service (api-version 2019-08-01).

        The machine holds the workload identities of its tenant, but for the one that may write: ``client_id`` names another
        than the header's.
        """
        holder = self._holder(header)
        if holder is None:
            raise SignInError(403, {"statusCode": 403, "message": "X-IDENTITY-HEADER is missing or wrong."})
        if not resource:
            raise SignInError(400, {"statusCode": 400, "message": "The parameter 'resource' is missing."})
        tenant, principal = holder
        if client_id:
            found = [each for each in _held_by_the_machine(tenant) if each.app_id == client_id]
            if not found:
                raise SignInError(400, {"statusCode": 400, "message": "No managed identity has this client id."})
            principal = found[0]
        expires = int(time.time()) + self.lifetime
        return {
            "access_token": self.mint(tenant, principal, resource, expires),
            "expires_on": str(expires),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": principal.app_id,
        }

    def client_credentials(self, tenant_id: str, form: dict[str, str]) -> dict[str, Any]:
        """Answer the OAuth 2.0 token endpoint for ``grant_type=client_credentials`` (v2.0: ``scope``)."""
        holder = self._holder(form.get("client_secret", ""))
        if form.get("grant_type") != "client_credentials":
            raise SignInError(400, _oauth_error("unsupported_grant_type", "AADSTS70003: only client_credentials."))
        if holder is None or holder[0].world.tenant_id != tenant_id or holder[1].app_id != form.get("client_id"):
            raise SignInError(401, _oauth_error("invalid_client", "AADSTS7000215: Invalid client secret provided."))
        resource = (form.get("scope") or form.get("resource") or "").removesuffix("/.default")
        expires = int(time.time()) + 3599
        token = self.mint(*holder, resource, expires)
        return {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}

    def mint(self, tenant: Tenant, principal: Principal, audience: str, expires: int) -> str:
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{tenant.world.tenant_id}/",
            "iat": min(now, expires - 1),
            "nbf": min(now, expires - 1),
            "exp": expires,
            "appid": principal.app_id,
            "idtyp": "app" if principal.kind == "ServicePrincipal" else "user",
            "oid": principal.id,
            "sub": principal.id,
            "tid": tenant.world.tenant_id,
            "uti": uuid4().hex[:22],
            "ver": "1.0",
        }
        return jwt.encode(claims, self._signing_key, algorithm="HS256")

    def _holder(self, secret: str) -> tuple[Tenant, Principal] | None:
        for (tenant_id, object_id), known in self._secrets.items():
            if secrets.compare_digest(known, secret):
                tenant = next(each for each in self.tenants if each.world.tenant_id == tenant_id)
                return tenant, tenant.world.principal(object_id)
        return None

    def verify(self, authorization: str | None, audiences: tuple[str, ...]) -> tuple[Tenant, Caller]:
        """The tenant and caller behind an Authorization header. Raises ArmError 401 as the service answers."""
        if not authorization or not authorization.lower().startswith("bearer "):
            raise self._refused("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        try:
            claims = jwt.decode(
                authorization[7:].strip(),
                self._signing_key,
                algorithms=["HS256"],
                options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise self._refused("InvalidAuthenticationToken", "The access token is invalid.") from error
        self._check_expiry(claims)
        self._check_audience(claims, audiences)
        tenant = next(each for each in self.tenants if each.world.tenant_id == claims["tid"])
        principal = tenant.world.principal(claims["oid"])
        caller = Caller(principal.id, principal.app_id, "entra", principal.name, principal.kind)
        return tenant, caller

    def _check_expiry(self, claims: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        expiry = datetime.fromtimestamp(claims["exp"], UTC)
        if expiry <= now:
            raise self._refused(
                "ExpiredAuthenticationToken",
                f"The access token expiry UTC time '{_us(expiry)}' is earlier than current UTC time '{_us(now)}'.",
                "The access token has expired.",
            )

    def _check_audience(self, claims: dict[str, Any], audiences: tuple[str, ...]) -> None:
        allowed = (*audiences, self.own_url) if audiences is not DATA else audiences
        if str(claims["aud"]).rstrip("/") not in allowed:
            listed = ",".join(f"'{audience}/','{audience}'" for audience in audiences)
            raise self._refused(
                "InvalidAuthenticationToken",
                f"The access token has been obtained for wrong audience or resource '{claims['aud']}'. It should"
                f" exactly match with one of the allowed audiences {listed}.",
            )

    def _refused(self, code: str, message: str, description: str = "") -> ArmError:
        authority = f"{self.own_url}/{self.tenants[0].world.tenant_id}"
        challenge = f'Bearer authorization_uri="{authority}", error="invalid_token"'
        challenge += f', error_description="{description or message}"'
        headers = {"www-authenticate": challenge, "x-ms-failure-cause": "gateway"}
        return ArmError(401, code, message, headers=headers)


def _us(moment: datetime) -> str:
    """A time as the gateway's messages have it: 8/17/2020 3:46:33 AM."""
    half = "AM" if moment.hour < 12 else "PM"
    return f"{moment.month}/{moment.day}/{moment.year} {moment.hour % 12 or 12}:{moment:%M:%S} {half}"


def _oauth_error(code: str, description: str) -> dict[str, Any]:
    return {"error": code, "error_description": description, "error_codes": [], "correlation_id": str(uuid4())}


def _held_by_the_machine(tenant: Tenant) -> list[Principal]:
    return [each for each in tenant.world.principals if each.kind == "ServicePrincipal" and each.name != "operator"]
