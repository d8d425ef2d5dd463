"""The refusals of Azure Resource Manager, with the service's codes and wording."""

from __future__ import annotations

from collections.abc import Mapping

from aoai_lib.lab.shapes import Json

GATEWAY = {"x-ms-failure-cause": "gateway"}
SERVICE = {"x-ms-failure-cause": "service"}


class ArmError(Exception):
    """An answer that is an error: HTTP status, body (nested under ``error`` unless given whole) and extra headers."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] = GATEWAY,
        body: Json | None = None,
        **extra: object,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.headers = dict(headers)
        self.body: Json = body if body is not None else {"error": {"code": code, "message": message, **extra}}


def missing_version(spelling: str = "") -> ArmError:
    return ArmError(
        400,
        "MissingApiVersionParameter",
        "The api-version query parameter (?api-version=) is required for all requests." + spelling,
    )


def unknown_version(namespace: str, type_: str, version: str, known: tuple[str, ...], location: str) -> ArmError:
    return ArmError(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for location '{location}' and API version '{version}' for type"
        f" '{type_}'. The supported api-versions are '{', '.join(known)}'. The supported locations are ', {location}'.",
    )


def unknown_namespace(namespace: str) -> ArmError:
    return ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")


def unknown_type(namespace: str, version: str) -> ArmError:
    return ArmError(
        404,
        "InvalidResourceType",
        f"The resource type could not be found in the namespace '{namespace}' for api version '{version}'.",
    )


def method_not_allowed(method: str) -> ArmError:
    message = f"The requested resource does not support http method '{method}'."
    return ArmError(405, "MethodNotAllowed", message, headers=SERVICE, body={"Message": message})


def subscription_not_found(subscription: str) -> ArmError:
    return ArmError(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def group_not_found(group: str) -> ArmError:
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def resource_not_found(type_and_name: str, group: str) -> ArmError:
    """The gateway's 404: ``type_and_name`` is ``Microsoft.X/type/name``."""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{type_and_name}' under resource group '{group}' was not found."
        " For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def parent_not_found(verb: str, type_: str, parent: str) -> ArmError:
    return ArmError(
        404,
        "ParentResourceNotFound",
        f"Failed to perform '{verb}' on resource(s) of type '{type_}', because the parent resource '{parent}'"
        " could not be found.",
    )


def specified_not_found(resource_id: str) -> ArmError:
    """The 404 of Microsoft.CognitiveServices for a child that is not there."""
    return ArmError(404, "NotFound", f"Specified resource '{resource_id}' cannot be found.", headers=SERVICE)


def network_not_found(resource_id: str) -> ArmError:
    """The 404 of Microsoft.Network for a child that is not there."""
    return ArmError(404, "NotFound", f"Resource {resource_id} not found.", headers=SERVICE, details=[])


def not_authorized(client: str, object_id: str, action: str, scope: str) -> ArmError:
    return ArmError(
        403,
        "AuthorizationFailed",
        f"The client '{client}' with object id '{object_id}' does not have authorization to perform action"
        f" '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh"
        " your credentials.",
    )


def denied(client: str, object_id: str, action: str, scope: str, name: str, deny_id: str) -> ArmError:
    return ArmError(
        403,
        "DenyAssignmentAuthorizationFailed",
        f"The client '{client}' with object id '{object_id}' has permission to perform action '{action}' on scope"
        f" '{scope}'; however, the access is denied because of the deny assignment with name '{name}' and Id"
        f" '{deny_id}' at scope '{scope}'.",
    )


def locked(verb: str, resource_id: str, locks: str) -> ArmError:
    return ArmError(
        409,
        "ScopeLocked",
        f"The scope '{resource_id}' cannot perform {verb} operation because following scope(s) are locked: '{locks}'."
        " Please remove the lock and try again.",
    )


def bad_request(code: str, message: str) -> ArmError:
    return ArmError(400, code, message, headers=SERVICE)


def conflict(code: str, message: str) -> ArmError:
    return ArmError(409, code, message, headers=SERVICE)
