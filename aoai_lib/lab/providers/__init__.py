"""The resource providers of the lab, a module a part of Azure. Importing this package declares every resource type."""

from aoai_lib.lab.providers import (
    accounts,
    authorization,
    connections,
    deployments,
    dns,
    endpoints,
    governance,
    guardrails,
    monitor,
    network,
    outsiders,
    roles,
    security_groups,
    subscriptions,
    workspaces,
    zone_groups,
)

__all__ = [
    "accounts",
    "authorization",
    "connections",
    "deployments",
    "dns",
    "endpoints",
    "governance",
    "guardrails",
    "monitor",
    "network",
    "outsiders",
    "roles",
    "security_groups",
    "subscriptions",
    "workspaces",
    "zone_groups",
]
