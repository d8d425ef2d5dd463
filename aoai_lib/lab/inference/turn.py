"""One turn at the data plane: the request resolved to a deployment, its model, its policy and its quota."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aoai_lib.lab import filters
from aoai_lib.lab.inference import refusals
from aoai_lib.lab.inference.call import InferenceCall, Json, Resource
from aoai_lib.lab.inference.model import Model, catalogue, model_named

DEFAULT_POLICY = "Microsoft.DefaultV2"
REQUESTS_PER_THOUSAND_TOKENS = 6
DATED_WITH_ALL = "2024-10-01-preview"
ACTION = "Microsoft.CognitiveServices/accounts/OpenAI/"


@dataclass(frozen=True)
class Operation:
    """An inference operation: the service's name for it, its name in logs, and the data action that it needs."""

    name: str
    log_name: str
    data_action: str


OPERATIONS = {
    "chat/completions": Operation("chatCompletion", "ChatCompletions_Create", "deployments/chat/completions/action"),
    "completions": Operation("completion", "Completions_Create", "deployments/completions/action"),
    "embeddings": Operation("embeddings", "Embeddings_Create", "deployments/embeddings/action"),
    "responses": Operation("responses", "Responses_Create", "responses/write"),
    "images/generations": Operation("imageGeneration", "ImageGenerations_Create", "images/generations/action"),
    "audio/transcriptions": Operation("audioTranscription", "Audio_Transcriptions_Create", "deployments/audio/action"),
    "audio/translations": Operation("audioTranslation", "Audio_Translations_Create", "deployments/audio/action"),
    "audio/speech": Operation("audioSpeech", "Audio_Speech_Create", "deployments/audio/action"),
    "models": Operation("models", "Models_List", "models/read"),
}


@dataclass(frozen=True)
class Route:
    """Where a path leads: an operation on the dated or the v1 surface; ``deployment`` when the path names it."""

    operation: Operation
    v1: bool
    deployment: str | None = None


def route_of(method: str, path: str) -> Route | None:
    """The route of a path below ``/openai/``, or None when there is none."""
    parts = path.strip("/")
    wanted = "GET" if parts.endswith("models") else "POST"
    if method.upper() != wanted:
        return None
    if parts.startswith("v1/"):
        operation = OPERATIONS.get(parts.removeprefix("v1/"))
        return Route(operation, v1=True) if operation else None
    if found := re.fullmatch(r"deployments/([^/]+)/(.+)", parts):
        operation = OPERATIONS.get(found[2]) if found[2] not in ("models", "responses") else None
        return Route(operation, v1=False, deployment=found[1]) if operation else None
    return Route(OPERATIONS[parts], v1=False) if parts in ("models", "responses") else None


def data_action(method: str, path: str) -> str | None:
    """The RBAC data action that a request needs, or None when the data plane has no such path."""
    route = route_of(method, path)
    return ACTION + route.operation.data_action if route else None


class Turn:
    """A request on its way: what is missing or wrong raises `refusals.RefusedError` where it is met."""

    def __init__(self, call: InferenceCall, route: Route) -> None:
        self.call = call
        self.route = route
        self.request_id = call.memory.next_id(call.account_id)
        self.body: Json = {}
        self.deployment: Resource | None = None
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.rejected: list[str] = []

    @property
    def v1(self) -> bool:
        return self.route.v1

    @property
    def api_version(self) -> str:
        return self.call.query.get("api-version", "")

    @property
    def api_name(self) -> str:
        """How logs and the 429 message call the API."""
        return "Azure OpenAI API version " + ("v1" if self.v1 else self.api_version)

    @property
    def model(self) -> Model:
        return model_named(str(self.model_reference.get("name", "")))

    @property
    def model_reference(self) -> Mapping[str, Any]:
        """The deployment's ``model``: name, version, format."""
        return dict(self.deployment.properties.get("model") or {}) if self.deployment else {}

    @property
    def model_label(self) -> str:
        """What an answer says as its model."""
        return f"{self.model.name}-{self.model_reference.get('version')}"

    @property
    def created(self) -> int:
        return int(self.call.now.timestamp())

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))

    def read_json(self) -> None:
        """Take the body as a JSON object."""
        try:
            body = json.loads(self.call.body or b"null")
        except ValueError as error:
            raise refusals.invalid("The request body is not valid JSON.") from error
        if not isinstance(body, dict):
            raise refusals.invalid("The request body must be a JSON object.")
        self.body = body

    def find_deployment(self, name: str | None) -> None:
        """Resolve the deployment and see that its model can do the operation."""
        held = self.call.tenant.children(self.call.account_id, "deployments")
        wanted = (name or "").lower()
        self.deployment = next((each for each in held if each.name.lower() == wanted), None)
        if self.deployment is None:
            raise refusals.deployment_not_found()
        if self.route.operation.name not in self.model.operations:
            raise refusals.operation_not_supported(self.route.operation.name, self.model.name)

    def require(self, name: str) -> Any:
        """A property of the body that has to be there."""
        if self.body.get(name) in (None, "", []):
            raise refusals.invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
        return self.body[name]

    def output_limit(self) -> int | None:
        """The most tokens that the caller wants back. Reasoning models refuse what they do not take."""
        if self.model.reasoning and self.body.get("max_tokens") is not None:
            raise refusals.unsupported_parameter("max_tokens", "max_completion_tokens")
        if self.model.reasoning and self.body.get("temperature", 1) not in (None, 1):
            message = (
                f"Unsupported value: 'temperature' does not support {self.body['temperature']} with this model. "
                "Only the default (1) value is supported."
            )
            raise refusals.invalid(message, "temperature", "unsupported_value")
        for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
            if isinstance(self.body.get(name), int):
                return max(1, int(self.body[name]))
        return None

    def take_prompt(self, tokens: int, param: str) -> None:
        """Count the prompt: it must fit into the context and into the deployment's quota."""
        self.prompt_tokens = tokens
        if tokens > self.model.context:
            raise refusals.context_length_exceeded(self.model.context, tokens, param)
        limit = self.token_limit
        spent, requests, wait = self.call.memory.spent(self.deployment_id)
        over = "token" if spent + tokens > limit else "call" if requests >= self.request_limit else ""
        if over:
            seconds = max(1, math.ceil(wait))
            raise refusals.rate_limited(self.route.operation.log_name, self.api_name, over, seconds)

    @property
    def deployment_id(self) -> str:
        return f"{self.call.account_id}/deployments/{self.deployment.name if self.deployment else ''}"

    @property
    def sku(self) -> Mapping[str, Any]:
        return dict(self.deployment.body.get("sku") or {}) if self.deployment else {}

    @property
    def token_limit(self) -> float:
        """Tokens a minute: sku.capacity counts thousands, but for provisioned SKUs, which have no such limit."""
        if "provisioned" in str(self.sku.get("name", "")).lower():
            return math.inf
        return float(self.sku.get("capacity") or 1) * 1000

    @property
    def request_limit(self) -> float:
        return self.token_limit / 1000 * REQUESTS_PER_THOUSAND_TOKENS

    def policy(self) -> filters.Policy:
        """The content filter policy in force: ``x-policy-id`` if given, else the deployment's, else the default."""
        asked = self.call.headers.get("x-policy-id")
        bound = str(self.deployment.properties.get("raiPolicyName") or "") if self.deployment else ""
        wanted = (asked or bound or DEFAULT_POLICY).lower()
        body = next((each for each in self.call.policies if str(each["name"]).lower() == wanted), None)
        if body is None:
            raise refusals.invalid_policy()
        return filters.read_policy(body, self._items_of)

    def _items_of(self, blocklist: str) -> list[Mapping[str, Any]]:
        parent = f"{self.call.account_id}/raiBlocklists/{blocklist}"
        items = self.call.tenant.children(parent, "raiBlocklistItems")
        holds = self.call.memory.holds
        return [each.properties for each in items if holds(f"{parent}/raiBlocklistItems/{each.name}", each.properties)]

    @property
    def filter_is_down(self) -> bool:
        return self.call.fault == "unfiltered" or self.call.account_id.lower() in self.call.memory.filter_outages

    def annotate(self, verdict: filters.Verdict) -> Json:
        """A verdict as this API version writes it.

        GA versions up to 2024-10-21 say nothing of indirect attacks and blocklists in a prompt's annotation; they need
        v1 or a preview from 2024-10-01-preview on. The object form of custom_blocklists is theirs; elsewhere it is a list, as recorded.
        """
        if self.filter_is_down:
            return dict(filters.NOT_FILTERED)
        full = self.v1 or (self.api_version.endswith("-preview") and self.api_version >= DATED_WITH_ALL)
        hidden = () if full else ("indirect_attack", "custom_blocklists")
        return verdict.shown(hidden, blocklist_list=not full)

    def screen_prompt(self, policy: filters.Policy, prompt: filters.Prompt) -> filters.Verdict:
        """The prompt's verdict; while the filter is down nothing is blocked."""
        return self._heeded(filters.screen_prompt(policy, prompt))

    def screen_completion(self, policy: filters.Policy, text: str) -> filters.Verdict:
        """The completion's verdict; while the filter is down nothing is blocked."""
        return self._heeded(filters.screen_completion(policy, text))

    def _heeded(self, verdict: filters.Verdict) -> filters.Verdict:
        """A verdict as it counts: none while the filter is down; what it blocks is remembered."""
        if self.filter_is_down:
            return filters.Verdict()
        blocking = [name for name, result in verdict.results.items() if result["filtered"]]
        self.rejected += [name for name in blocking if name not in self.rejected]
        return verdict

    def headers(self) -> dict[str, str]:
        """The headers that every answer carries once the account is known."""
        location = str(self.call.account.get("location") or "")
        region = catalogue()["regions"].get(re.sub(r"\s", "", location).lower(), location)
        return {
            "apim-request-id": str(self.request_id),
            "x-request-id": str(self.request_id),
            "x-ms-region": region,
            "x-content-type-options": "nosniff",
        }

    def quota_headers(self) -> dict[str, str]:
        """What is left of the deployment's quota."""
        headers = {"x-ms-deployment-name": self.deployment.name if self.deployment else ""}
        if math.isfinite(self.token_limit):
            tokens, requests, _ = self.call.memory.spent(self.deployment_id)
            headers |= {
                "x-ratelimit-limit-requests": str(int(self.request_limit)),
                "x-ratelimit-limit-tokens": str(int(self.token_limit)),
                "x-ratelimit-remaining-requests": str(max(0, int(self.request_limit) - requests)),
                "x-ratelimit-remaining-tokens": str(max(0, int(self.token_limit) - tokens)),
            }
        return headers
