"""Following the operation of a write that was accepted: in this thread, within a time, at Resource Manager and nowhere else.

azure-core follows one in a thread of its own, which goes on asking when nobody waits for it any more; it sleeps for as long as an
answer says, sends the token to whatever address an answer names, and stumbles over answers of another shape.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError, DecodeError, HttpResponseError
from azure.core.polling.base_polling import LocationPolling, OperationFailed, StatusCheckPolling
from azure.mgmt.core.polling.arm_polling import ARMPolling, AzureAsyncOperationPolling, BodyContentPolling

from aoai_lib.azure.patience import LONGEST_WAIT, PatiencePolicy
from aoai_lib.azure.permission import refuse_strangers
from aoai_lib.evidence.redaction import redact_text
from aoai_lib.model import Json, PlaybookError

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse
    from azure.mgmt.core import ARMPipelineClient

OPERATION_SECONDS: Final = 1800
"""How long a long-running operation is followed: endpoints take minutes, model deployments sometimes longer."""
_POLL_SECONDS: Final = 5
"""Between two looks at an operation whose answer names no Retry-After."""
_SHORTEST_POLL: Final = 0.01
"""Between two looks in any case, whatever the answer asks for."""
_REFUSING: Final = frozenset({400, 405, 409, 412, 422})
"""Statuses by which a result's address (`Location`) tells that the operation itself was refused or failed."""


class FailedOperationError(PlaybookError):
    """An operation ended, and not well. The text goes on after “its operation”; `code` is the service's own."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class _ResourcePolling(BodyContentPolling[Any, Any]):
    """Where no operation is named, the resource's own state is looked at. One of another shape has none."""

    @staticmethod
    def _get_provisioning_state(response: Any) -> str | None:
        body = object_of(response)
        properties = body.get("properties") if body else None
        state = properties.get("provisioningState") if isinstance(properties, dict) else None
        return state if isinstance(state, str) else None


class BoundedPolling(ARMPolling):
    """azure-core's way of following an operation, with an end, a longest pause, and one host that is asked."""

    def __init__(self, endpoint: str) -> None:
        ways = [AzureAsyncOperationPolling(), LocationPolling(), _ResourcePolling(), StatusCheckPolling()]
        super().__init__(timeout=_POLL_SECONDS, lro_algorithms=ways)
        self._endpoint = endpoint
        self._until = time.monotonic() + OPERATION_SECONDS
        self._patience = PatiencePolicy()

    @property
    def tells_by_status(self) -> bool:
        """Whether the address that is asked answers as the write itself would have: its errors are the operation's."""
        return isinstance(self._operation, LocationPolling)

    def _extract_delay(self) -> float:
        """Seconds until the next look: what the answer asks for, where that can be understood, and no longer than `LONGEST_WAIT`."""
        asked = self._patience.get_retry_after(self._pipeline_response) or self._timeout
        return min(max(asked, _SHORTEST_POLL), LONGEST_WAIT)

    def _delay(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise AzureError(f"it did not end in {OPERATION_SECONDS / 60:.3g} minutes")
        self._sleep(min(self._extract_delay(), left))

    def request_status(self, status_link: str) -> PipelineResponse[Any, Any]:
        """See `LROBasePolling`. Raises `AzureError` for an address that the token must not be sent to, and for what is no answer."""
        refuse_strangers(status_link, self._endpoint)
        answer = super().request_status(status_link)
        object_of(answer.http_response)
        return answer


def follow(client: ARMPipelineClient[Any, Any], endpoint: str, answer: PipelineResponse[Any, Any]) -> Json:
    """Follow the operation that an answer to a write announces, if any, to its end; what the service answers last.

    Raises `FailedOperationError`, and azure-core's errors where its end can't be seen, or does not come in `OPERATION_SECONDS`.
    """
    object_of(answer.http_response)
    polling = BoundedPolling(endpoint)
    try:
        polling.initialize(client, answer, lambda last: object_of(last.http_response))
        if polling.finished() and polling.status().lower() != "succeeded":
            raise FailedOperationError(f"ended as “{polling.status()}”", "")
        if not polling.finished():
            polling.run()
    except HttpResponseError as problem:
        refused = polling.tells_by_status and problem.status_code in _REFUSING
        if refused or isinstance(problem.inner_exception, OperationFailed):
            raise _failed_by(polling.status(), problem) from problem
        raise
    return polling.resource()


def _failed_by(status: str, problem: HttpResponseError) -> FailedOperationError:
    code, message = (str(getattr(problem.error, name, None) or "") for name in ("code", "message"))
    how = f"ended as “{status}”" if isinstance(problem.inner_exception, OperationFailed) else "failed"
    said = ": ".join(part for part in (code, message) if part)
    return FailedOperationError(redact_text(f"{how}: {said}" if said else how).splitlines()[0][:300].rstrip("."), code)


def object_of(response: Any) -> dict[str, Json] | None:
    """The JSON object of an answer, None for an empty one. Raises `DecodeError` for anything else."""
    text = response.text()
    try:
        body = json.loads(text) if text.strip() else None
    except ValueError as odd:
        raise DecodeError("the answer is no JSON", response=response) from odd
    if text.strip() and not (isinstance(body, dict) and isinstance(body.get("status", ""), str | None)):
        raise DecodeError("the answer is no object that tells a state", response=response)
    return body
