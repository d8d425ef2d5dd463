"""Which credential signs in. Secrets come from the credential chain of azure-identity, never from a parameters file."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.azure.clouds import Cloud
from aoai_lib.model import InputError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential


class NoCredential:
    """Signs in nowhere: a replay sends nothing, so nothing must be signed."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token that is no token."""
        from azure.core.credentials import AccessToken

        return AccessToken("replay", 2**40)


class ToldCredential:
    """A credential whose failures all have one name: `ClientAuthenticationError`, also where the sign-in was answered with
    something of which azure-identity makes a programming error. Its answers end, and so do its pauses.
    """

    def __init__(self, build: Callable[[dict[str, Any]], TokenCredential]) -> None:
        from aoai_lib.azure.patience import PatientTransport

        self.inner = build({"transport": PatientTransport()})

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """See `TokenCredential`. Raises `ClientAuthenticationError`."""
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            return self.inner.get_token(*scopes, **options)
        except ClientAuthenticationError:
            raise
        except AzureError as problem:
            raise ClientAuthenticationError(f"The sign-in was not answered: {problem.message}") from problem
        except (AttributeError, KeyError, TypeError, ValueError) as odd:
            what = f"The sign-in was answered with something that can't be read ({type(odd).__name__})."
            raise ClientAuthenticationError(what) from odd

    def close(self) -> None:
        """Give up the connections."""
        if hasattr(self.inner, "close"):
            self.inner.close()


def _default(cloud: Cloud, tenant: dict[str, Any], more: dict[str, Any]) -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(authority=cloud.authority, **more)


def _cli(cloud: Cloud, tenant: dict[str, Any], more: dict[str, Any]) -> TokenCredential:
    from azure.identity import AzureCliCredential

    return AzureCliCredential(**tenant)


def _managed_identity(cloud: Cloud, tenant: dict[str, Any], more: dict[str, Any]) -> TokenCredential:
    import os

    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=os.environ.get("AZURE_CLIENT_ID"), **more)


def _workload_identity(cloud: Cloud, tenant: dict[str, Any], more: dict[str, Any]) -> TokenCredential:
    from azure.identity import WorkloadIdentityCredential

    return WorkloadIdentityCredential(authority=cloud.authority, **tenant, **more)


def _environment(cloud: Cloud, tenant: dict[str, Any], more: dict[str, Any]) -> TokenCredential:
    from azure.identity import EnvironmentCredential

    return EnvironmentCredential(authority=cloud.authority, **more)


def _device_code(cloud: Cloud, tenant: dict[str, Any], more: dict[str, Any]) -> TokenCredential:
    from azure.identity import DeviceCodeCredential

    return DeviceCodeCredential(authority=cloud.authority, **tenant, **more)


_CHOICES: Mapping[str, Callable[[Cloud, dict[str, Any], dict[str, Any]], TokenCredential]] = {
    "default": _default,
    "cli": _cli,
    "managed_identity": _managed_identity,
    "workload_identity": _workload_identity,
    "environment": _environment,
    "device_code": _device_code,
}


def choose(name: str, cloud: Cloud, tenant_id: str = "") -> TokenCredential:
    """The credential of that name for a cloud and, where the credential can be told, a tenant.

    Raises `InputError` for an unknown name. Signing in itself happens with the first request.
    """
    if name not in _CHOICES:
        raise InputError(f"There is no credential “{name}”: write {', '.join(_CHOICES)}.")
    tenant = {"tenant_id": tenant_id} if tenant_id else {}
    return ToldCredential(lambda more: _CHOICES[name](cloud, tenant, more))


def identity_of(client_id: str) -> TokenCredential:
    """The user-assigned managed identity of that client id, as this machine holds it."""
    from azure.identity import ManagedIdentityCredential

    return ToldCredential(lambda more: ManagedIdentityCredential(client_id=client_id, **more))


_CLAIMS: Final = {
    "oid": "object_id",
    "appid": "app_id",
    "azp": "app_id",
    "tid": "tenant_id",
    "upn": "name",
    "idtyp": "type",
    "xms_mirid": "managed",
}


def who(token: str) -> dict[str, str]:
    """Whom an access token names: `object_id`, `app_id`, `tenant_id`, `name`, `type` (app or user), `managed`
    (the ARM id of a managed identity); what it does not tell is left out.

    The claims are those of Entra's access tokens (Microsoft Learn, "Access token claims reference"). A token that is no
    JSON Web Token tells nothing. Nothing is verified: the service does that, this is only written down.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    if not isinstance(claims, dict):
        return {}
    return {name: claims[claim] for claim, name in _CLAIMS.items() if isinstance(claims.get(claim), str)}
