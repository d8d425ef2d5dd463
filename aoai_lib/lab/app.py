"""The HTTP face of the lab: one ASGI application behind both listeners.

Sign-in and metadata answer for everybody; ``/subscriptions``, ``/providers`` and ``/tenants`` are Resource Manager;
``/v1/workspaces`` are log queries, ``/v1.0`` is Microsoft Graph; anything else is an account's data plane.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote
from uuid import uuid4

import anyio
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from aoai_lib.lab import arm, dataplane, faults, graph, logqueries, metadata, operations, propagation
from aoai_lib.lab.errors import ArmError
from aoai_lib.lab.faults import Fault, Faults
from aoai_lib.lab.kinds import Caller
from aoai_lib.lab.quota import Quota
from aoai_lib.lab.store import Tenant
from aoai_lib.lab.tokens import ARM, GRAPH, LOGS, Issuer, SignInError

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Received:
    """One request as it arrived, for tests that prove what was and was not sent."""

    method: str
    path: str
    status: int
    listener: str


class Application:
    """The ASGI application. ``listener`` is ``public`` or ``private`` per request, set by ``behind``."""

    def __init__(
        self, tenants: list[Tenant], issuer: Issuer, faults_: Faults, latency_ms: float, quota: Quota | None
    ) -> None:
        self.tenants = tenants
        self.issuer = issuer
        self.faults = faults_
        self.latency_ms = latency_ms
        self.quota = quota
        self.requests: list[Received] = []
        self.changing = threading.RLock()  # answers are made in worker threads, state is changed by one at a time
        self.transports: dict[tuple[str, int], Any] = {}

    def behind(self, listener: str) -> Any:
        """The same application as one listener serves it."""

        async def entry(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await self._serve(listener, scope, receive, send)

        return entry

    async def _serve(self, listener: str, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        if self.latency_ms:
            await anyio.sleep(self.latency_ms / 1000)
        fault = self.faults.take(request.url.path, request.method)
        if fault is not None and await self._struck(fault, request, listener, send, receive):
            return
        response = await run_in_threadpool(self._answer, request, body, listener, fault.kind if fault else "")
        for name, value in self._common_headers(request).items():
            response.headers.setdefault(name, value)
        self.requests.append(Received(request.method, request.url.path, response.status_code, listener))
        if fault is not None and fault.kind in faults.SPOILED:
            await self._spoil(fault, response, request, send)
            return
        await response(scope, receive, send)

    def _answer(self, request: Request, body: bytes, listener: str, fault: str) -> Response:
        path = request.url.path
        try:
            if dataplane.domain_of(request.headers.get("host", "")):
                return self._call(request, body, listener, fault)
            if path.startswith(("/subscriptions", "/providers/", "/tenants")):
                with self.changing:
                    return self._manage(request, body, fault)
            if path.startswith("/v1/workspaces/"):
                tenant, caller = self.issuer.verify(request.headers.get("authorization"), LOGS)
                answer = logqueries.handle(tenant, caller, request.method, path, _options(request), _json(body))
                return _respond(answer.status, answer.body, answer.headers)
            if path.startswith(graph.PREFIX):
                tenant, caller = self.issuer.verify(request.headers.get("authorization"), GRAPH)
                asked = _options(request)
                return _respond(200, graph.handle(tenant, caller.object_id, request.method, path, asked, _json(body)))
            found = metadata.handle(self.issuer, request.method, path, _options(request), request.headers, body)
            if found is not None:
                return _respond(200, found)
            return self._call(request, body, listener, fault)
        except SignInError as error:
            return _respond(error.status, error.body)
        except ArmError as error:
            return _respond(error.status, error.body, error.headers)

    def _call(self, request: Request, body: bytes, listener: str, fault: str) -> Response:
        with self.changing:
            reply = dataplane.handle(self.tenants, self.issuer, dataplane.Call.of(request, body, listener, fault))
        return _raw(reply.status, reply.headers, reply.body)

    def _manage(self, request: Request, body: bytes, fault: str) -> Response:
        authorization = request.headers.get("authorization")
        tenant, caller = self.issuer.verify(authorization, ARM)
        self._demand_own_tenant(tenant, request.url.path)
        options = _options(request)
        path, headers = request.url.path, dict(request.headers)
        left = self._take(caller, request)
        answer = arm.handle(tenant, caller, request.method, path, options, _json(body), headers)
        if request.method not in ("GET", "HEAD"):
            propagation.observe(tenant)
        if fault in faults.ON_WRITES and answer.operation is not None:
            operations.doom(tenant, answer.operation, fault)
        told = faults.onward(fault, answer.body, self._address(request)) if fault in faults.PAGING else answer.body
        response = _respond(answer.status, told, _arm_headers(tenant, caller, request) | left | answer.headers)
        if "/privatednszones/" in f"{request.url.path}/".lower() and response.body:
            return Response(bytes(response.body).replace(b"/", b"\\/"), response.status_code, _plain_headers(response))
        return response

    def _address(self, request: Request) -> str:
        return f"{self.tenants[0].base_url}{quote(request.url.path)}?{request.url.query}"

    def _take(self, caller: Caller, request: Request) -> dict[str, str]:
        """One read of the caller's quota, where there is one; the header that tells what is left of it."""
        steps = request.url.path.strip("/").split("/")
        if self.quota is None or request.method not in ("GET", "HEAD") or len(steps) < 2:
            return {}
        left = self.quota.take(caller.object_id, steps[1])
        return {"x-ms-ratelimit-remaining-subscription-reads": str(left)}

    def _demand_own_tenant(self, tenant: Tenant, path: str) -> None:
        parts = path.strip("/").split("/")
        if len(parts) < 2 or parts[0].lower() != "subscriptions" or tenant.subscription(parts[1]) is not None:
            return
        owner = next((other for other in self.tenants if other.subscription(parts[1]) is not None), None)
        if owner is not None:
            issuers = tuple(f"https://sts.windows.net/{each.world.tenant_id}/" for each in (tenant, owner))
            message = (
                f"The access token is from the wrong issuer '{issuers[0]}'. It must match the tenant '{issuers[1]}'"
                " associated with this subscription."
            )
            raise ArmError(401, "InvalidAuthenticationTokenTenant", message)

    def _common_headers(self, request: Request) -> dict[str, str]:
        clock = self.tenants[0].now
        identifier = str(uuid4())
        return {
            "date": clock.strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "x-ms-request-id": identifier,
            "x-content-type-options": "nosniff",
            "cache-control": "no-cache",
        }

    async def _struck(self, fault: Fault, request: Request, listener: str, send: Send, receive: Receive) -> bool:
        """Carry out a fault that replaces the answer. False when the fault only spoils the true answer."""
        if fault.kind in faults.TRUE:
            return False
        if fault.kind in ("reset", "timeout"):
            self.requests.append(Received(request.method, request.url.path, 0, listener))
            if fault.kind == "timeout":
                await _until_gone(receive)
            self._abort(request)
            return True
        status, content_type, content, headers = faults.answer(fault.kind, request.url.path)
        self.requests.append(Received(request.method, request.url.path, status, listener))
        common = self._common_headers(request) | headers | {"content-type": content_type}
        await Response(content, status, headers=common)(request.scope, receive, send)
        return True

    async def _spoil(self, fault: Fault, response: Response, request: Request, send: Send) -> None:
        """Send the true answer badly: drop by drop, or only half of it."""
        content = await _whole(response)
        start: Message = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
        await send(start)
        if fault.kind == "truncate":
            await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})
            self._abort(request)
            return
        step = max(1, len(content) // 20)
        for index in range(0, len(content), step):
            await anyio.sleep(0.05)
            await send({"type": "http.response.body", "body": content[index : index + step], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _abort(self, request: Request) -> None:
        client = request.scope.get("client")
        transport = self.transports.get(tuple(client)) if client else None
        if transport is not None:
            transport.abort()


async def _whole(response: Response) -> bytes:
    """The body of an answer, of a stream too."""
    if not isinstance(response, StreamingResponse):
        return bytes(response.body)
    pieces = [piece async for piece in response.body_iterator]
    return b"".join(piece.encode() if isinstance(piece, str) else bytes(piece) for piece in pieces)


async def _until_gone(receive: Receive) -> None:
    """Say nothing until the client gives up, ten minutes at most."""
    with anyio.move_on_after(600):
        while (await receive())["type"] != "http.disconnect":
            continue


def _options(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.url.query, keep_blank_values=True))


def _json(body: bytes) -> object:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def _respond(status: int, body: object, headers: dict[str, str] | None = None) -> Response:
    if body is None:
        return Response(b"", status, headers=headers)
    content = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(content, status, headers={"content-type": JSON} | (headers or {}))


def _plain_headers(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name != "content-length"}


def _raw(status: int, headers: dict[str, str], body: bytes | Iterator[bytes]) -> Response:
    if isinstance(body, bytes):
        return Response(body, status, headers=headers)
    return StreamingResponse(iterate_in_threadpool(body), status, headers=headers)


def _arm_headers(tenant: Tenant, caller: Caller, request: Request) -> dict[str, str]:
    """The headers of the gateway. The operation identifier tells tenant and caller in plain text, as it really does."""
    identifier = str(uuid4())
    region = tenant.world.subscriptions[0].get("region", "westeurope")
    stamp = tenant.now.strftime("%Y%m%dT%H%M%SZ")
    verb = "reads" if request.method in ("GET", "HEAD") else "deletes" if request.method == "DELETE" else "writes"
    budget, wide = {"reads": ("1099", "16499"), "writes": ("799", "11999"), "deletes": ("799", "11999")}[verb]
    return {
        "x-ms-correlation-request-id": identifier,
        "x-ms-routing-request-id": f"{region.upper()}:{stamp}:{identifier}",
        f"x-ms-ratelimit-remaining-subscription-{verb}": budget,
        f"x-ms-ratelimit-remaining-subscription-global-{verb}": wide,
        "x-ms-operation-identifier": f"tenantId={tenant.world.tenant_id},objectId={caller.object_id}/{region}/{identifier}",
        "x-ms-request-id": identifier,
    }
