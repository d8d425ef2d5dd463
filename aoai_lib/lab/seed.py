"""Laying out a tenant: from a world's declarations to state, through the same provider code that later writes use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import timedelta

from aoai_lib.lab import activity, providers
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.kinds import Write, kind_of
from aoai_lib.lab.logqueries import WORKSPACES, workspace_guid
from aoai_lib.lab.providers import authorization
from aoai_lib.lab.shapes import Json, identifier, parse_instant
from aoai_lib.lab.store import Resource, Tenant
from aoai_lib.lab.telemetry import export_activity
from aoai_lib.lab.world import Declared, World
from aoai_lib.lab.world_form import WorldError

_LATE = ("privateEndpoints", "privateDnsZoneGroups")  # complete others, so they come after everything that they touch


def tenant_of(world: World, base_url: str, polls: int = 2) -> Tenant:
    """A tenant's state as its world declares it. Raises WorldError for a type that the lab does not know."""
    if not providers.__all__:
        raise WorldError("the lab has no resource providers")
    tenant = Tenant(world, base_url, polls)
    for order, declared in enumerate(world.declared):
        with _laying_out(world, declared.id):
            tenant.put(_resource(world, declared, order))
    with _laying_out(world, "its roles"):
        authorization.seed(tenant)
    for resource in sorted(tenant.resources.values(), key=_rank):
        kind = kind_of(resource.type) or kind_of(
            resource.type.replace("Microsoft.Resources/", "Microsoft.Resources/subscriptions/")
        )
        if kind is None:
            raise WorldError(f"{world.slug}: the lab knows no type {resource.type} ({resource.id})")
        if kind.write is not None:
            with _laying_out(world, resource.id):
                kind.write(Write(tenant, resource, None, kind.versions[-1], seeding=True))
    with _laying_out(world, "its logs"):
        _seed_logs(tenant)
    tenant.exporter = export_activity
    with _laying_out(world, "its activity"):
        activity.seed(tenant)
    return tenant


@contextmanager
def _laying_out(world: World, what: str) -> Iterator[None]:
    """What a provider refuses, or stumbles over, is the fault of the world that declares it."""
    try:
        yield
    except WorldError:
        raise
    except ArmError as problem:
        raise WorldError(f"{world.slug}: {what}: {problem}") from problem
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as problem:
        said = f"{type(problem).__name__}: {problem}"
        raise WorldError(f"{world.slug}: {what} is not of the form that its type needs ({said})") from problem


def _rank(resource: Resource) -> int:
    leaf = resource.type.rpartition("/")[2]
    return 1 + _LATE.index(leaf) if leaf in _LATE else 0


def _resource(world: World, declared: Declared, order: int) -> Resource:
    body = deepcopy(declared.body)
    made = world.created + timedelta(minutes=order, microseconds=order * 7919 % 1_000_000)
    if "createdAt" in body:
        made = parse_instant(str(body.pop("createdAt")))
    author = str(body.pop("createdBy", f"platform@{world.slug}.example"))
    return Resource(declared.id, declared.type, declared.name, body, made, made, author)


def _seed_logs(tenant: Tenant) -> None:
    """Rows that were there before: each names its workspace by resource name and its table, times as ``-PT5M``-like
    minutes before the world's clock (``minutesAgo``). Beside the row stands what metrics count and no row tells: the
    ``tokens`` of a call, and of how many calls one was ``rejected`` for which category."""
    workspaces = {each.name: workspace_guid(each) for each in tenant.of_type(WORKSPACES)}
    for guid in workspaces.values():
        tenant.logs.open(guid)
    rows = []
    for entry in tenant.world.logs:
        rejected: dict[str, int] = entry.get("rejected") or {}
        for turn, row in enumerate(_repeated(tenant, entry)):
            rows.append((workspaces[entry["workspace"]], entry["table"], row))
            if entry["table"] == "AzureDiagnostics":
                blocked = [name for name, every in rejected.items() if turn % every == 0]
                tenant.meter.take(row, blocked, int(entry.get("tokens", 0)))
    tenant.logs.seed(rows)


def _repeated(tenant: Tenant, entry: Json) -> list[Json]:
    """One row, or ``times`` rows ``every`` minutes apart, the newest ``minutesAgo`` before the clock. A request log's row took
    ``delayMinutes`` to the workspace: 4 where nothing is said (Microsoft Learn, ingestion time: 3 to 10)."""
    found = []
    delayed = entry["table"] == "AzureDiagnostics"
    delay = timedelta(minutes=float(entry.get("delayMinutes", 4)))
    for turn in range(int(entry.get("times", 1))):
        ago = timedelta(minutes=float(entry.get("minutesAgo", 0)) + turn * float(entry.get("every", 1)))
        moment = tenant.now - ago
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        row = {"TimeGenerated": stamp, "CorrelationId": _correlation(entry, turn), **entry["row"]}
        if delayed:
            row.setdefault("_TimeReceived", min(moment + delay, tenant.now).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        found.append(row)
    return found


def _correlation(entry: Json, turn: int) -> str:
    return identifier("log", entry["workspace"], entry["table"], sorted(entry["row"].items()), turn)
