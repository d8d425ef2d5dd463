"""Sign-in addresses and the cloud's own description, as the SDKs and ``az cloud register`` ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aoai_lib.lab.shapes import Json
from aoai_lib.lab.tokens import Issuer, SignInError


def handle(
    issuer: Issuer, method: str, path: str, options: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> Json | None:
    """Answer a sign-in or metadata request; None when the path is something else. Raises SignInError."""
    if path == "/msi/token":
        return issuer.managed_identity(
            headers.get("x-identity-header", ""), options.get("resource", ""), options.get("client_id", "")
        )
    if path == "/metadata/endpoints":
        return _cloud(issuer.own_url)
    parts = path.strip("/").split("/")
    known = {tenant.world.tenant_id for tenant in issuer.tenants} | {"organizations", "common"}
    if len(parts) < 2 or parts[0] not in known:
        return None
    rest = "/".join(parts[1:])
    if rest in ("v2.0/.well-known/openid-configuration", ".well-known/openid-configuration"):
        return _openid(issuer.own_url, parts[0])
    if rest in ("oauth2/v2.0/token", "oauth2/token") and method == "POST":
        return issuer.client_credentials(parts[0], dict(parse_qsl(body.decode())))
    raise SignInError(404, {"error": "invalid_request", "error_description": f"No such address: {path}"})


def _openid(url: str, tenant_id: str) -> Json:
    """The OpenID Connect discovery document, in what MSAL reads of it."""
    return {
        "token_endpoint": f"{url}/{tenant_id}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "issuer": f"{url}/{tenant_id}/v2.0",
        "authorization_endpoint": f"{url}/{tenant_id}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{url}/{tenant_id}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{url}/{tenant_id}/discovery/v2.0/keys",
        "response_types_supported": ["code", "id_token", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def _cloud(url: str) -> Json:
    """The cloud's endpoints in the form of api-version 2022-09-01."""
    return {
        "name": "AzureLab",
        "portal": url,
        "authentication": {
            "loginEndpoint": f"{url}/",
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": f"{url}/",
        "media": url,
        "graphAudience": url,
        "graph": url,
        "gallery": url,
        "sqlManagement": url,
        "batch": url,
        "activeDirectoryDataLake": url,
        "microsoftGraphResourceId": url,
        "logAnalyticsResourceId": "https://api.loganalytics.io",
        "appInsightsResourceId": "https://api.applicationinsights.io",
        "suffixes": {"storage": "storage.lab.invalid", "keyVaultDns": "vault.lab.invalid", "acrLoginServer": ""},
    }
