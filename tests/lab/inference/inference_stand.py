"""An account to talk to: its resources, a TLS server that hands calls to `inference.answer`, and what tests ask with."""

import ssl
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvicorn
from openai import OpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from aoai_lib.lab import inference

RECORDED = Path(__file__).resolve().parents[3] / "../shared/recorded/08_dataplane"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ACCOUNT = (
    "/subscriptions/0a1b2c3d-0000-4000-8000-000000000001/resourceGroups/rg-ai/providers/"
    "Microsoft.CognitiveServices/accounts/contoso-chat"
)
PRINCIPAL = "7d3f0e52-0000-4000-8000-0000000000aa"
HARMS = ("Hate", "Sexual", "Violence", "Selfharm")


@dataclass
class Held:
    """A child resource of the account."""

    name: str
    body: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        return self.body["properties"]


@dataclass(frozen=True)
class Caller:
    object_id: str
    address: str = "198.51.100.24"


@dataclass
class Tenant:
    """One account's resources by collection address, and the rows that its calls left."""

    held: dict[str, list[Held]]
    policies: list[dict[str, Any]]
    account: dict[str, Any]
    now: datetime = NOW
    memory: inference.Memory = field(default_factory=inference.Memory)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def children(self, parent_id: str, child_type: str) -> list[Held]:
        return self.held.get(f"{parent_id}/{child_type}".removeprefix(ACCOUNT), [])


def deployment(name: str, model: str, policy: str = "strict", version: str = "1", capacity: int = 1000) -> Held:
    properties = {"model": {"format": "OpenAI", "name": model, "version": version}, "raiPolicyName": policy}
    return Held(name, {"properties": properties, "sku": {"name": "Standard", "capacity": capacity}})


def policy(name: str, threshold: str = "Low", mode: str = "Default", blocking: bool = True) -> dict[str, Any]:
    both = [(name, source) for name in HARMS for source in ("Prompt", "Completion")]
    filters = [
        {"name": n, "enabled": True, "blocking": blocking, "severityThreshold": threshold, "source": s} for n, s in both
    ]
    for n, s in (
        ("Jailbreak", "Prompt"),
        ("Indirect Attack", "Prompt"),
        ("Protected Material Text", "Completion"),
        ("Protected Material Code", "Completion"),
    ):
        filters.append({"name": n, "enabled": True, "blocking": blocking, "source": s})
    lists = [{"blocklistName": "canary", "blocking": True, "source": s} for s in ("Prompt", "Completion")]
    properties = {"mode": mode, "contentFilters": filters, "customBlocklists": lists}
    return {"name": name, "properties": properties}


def plain_policy() -> dict[str, Any]:
    """The default policy's filters and no blocklist, as the recorded accounts have."""
    bare = policy("plain", "Medium")
    del bare["properties"]["customBlocklists"]
    bare["properties"]["contentFilters"] = [
        each for each in bare["properties"]["contentFilters"] if each["name"] != "Indirect Attack"
    ]
    return bare


def tenant() -> Tenant:
    """A new account with a deployment for each case."""
    deployments = [
        deployment("chat", "gpt-5-mini", version="2025-08-07"),
        deployment("medium", "gpt-5-mini", "medium"),
        deployment("annotating", "gpt-5-mini", "annotating"),
        deployment("late", "gpt-4.1-mini", "late"),
        deployment("open", "gpt-4.1-mini", "open"),
        deployment("instruct", "gpt-35-turbo-instruct"),
        deployment("tiny", "gpt-4.1-mini", capacity=1),
        deployment("embed", "text-embedding-3-small"),
        deployment("draw", "gpt-image-2"),
        deployment("listen", "whisper"),
        deployment("speak", "tts"),
        deployment("plain", "gpt-5-nano", "plain", "2025-08-07"),
    ]
    return Tenant(
        held={
            "/deployments": deployments,
            "/raiBlocklists/canary/raiBlocklistItems": [
                Held("a", {"properties": {"pattern": "zq-canary-1234", "isRegex": False}}),
                Held("b", {"properties": {"pattern": r"zq-\d{6}x", "isRegex": True}}),
            ],
        },
        policies=[
            policy("strict"),
            policy("medium", "Medium"),
            policy("annotating", blocking=False),
            policy("late", mode="Asynchronous_filter"),
            {"name": "open", "properties": {"contentFilters": []}},
            plain_policy(),
        ],
        account={"id": ACCOUNT, "name": "contoso-chat", "location": "swedencentral", "properties": {}},
    )


class Stand:
    """A TLS server that lets every caller in and hands the call to `inference.answer`."""

    def __init__(self) -> None:
        self.tenant = tenant()
        authority = trustme.CA()
        app = Starlette(routes=[Route("/contoso-chat/openai/{path:path}", self.serve, methods=["GET", "POST"])])
        config = uvicorn.Config(app, port=0, log_level="error", lifespan="off")
        config.load()
        config.ssl = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(config.ssl)
        self.trust = ssl.create_default_context()
        authority.configure_trust(self.trust)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"https://localhost:{port}/contoso-chat/"

    async def serve(self, request: Request) -> Response:
        caller = Caller("" if "api-key" in request.headers else PRINCIPAL)
        answer = inference.answer(
            inference.InferenceCall(
                self.tenant,
                self.tenant.account,
                caller,
                request.method,
                request.path_params["path"],
                dict(request.query_params),
                dict(request.headers),
                await request.body(),
                self.tenant.policies,
                self.tenant.memory,
            )
        )
        self.tenant.rows += [row for table, row in answer.log if table == "AzureDiagnostics"]
        if isinstance(answer.body, bytes):
            return Response(answer.body, answer.status, answer.headers)
        return StreamingResponse(answer.body, answer.status, answer.headers)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)


def ask(client: OpenAI, text: str, model: str = "chat", **more: Any) -> dict[str, Any]:
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more).to_dict()


def shape(value: Any) -> Any:
    """The keys and JSON types of a value; of a list, those of its first item."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def recorded(name: str) -> str:
    if not RECORDED.is_dir():
        pytest.skip("no folder of recorded answers beside this checkout")
    return (RECORDED / name).read_text(encoding="utf-8")


def chunks_of(client: OpenAI, text: str, model: str, **more: Any) -> list[dict[str, Any]]:
    stream = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], stream=True, **more
    )
    return [chunk.to_dict() for chunk in stream]
