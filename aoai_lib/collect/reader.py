"""Makes one SDK call and turns what came into a `Reading`. The one place where a failure of Azure becomes a recorded state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ClientAuthenticationError, DeserializationError
from azure.core.paging import ItemPaged

from aoai_lib.azure.answers import paging
from aoai_lib.azure.clients import Azure
from aoai_lib.azure.recording import watching
from aoai_lib.azure.replay import PARTIAL_HEADER, NotRecordedError
from aoai_lib.collect import OddAnswerError, Source
from aoai_lib.collect.forms import check
from aoai_lib.evidence.redaction import redact_text
from aoai_lib.evidence.store import Exchange
from aoai_lib.model import Json, Reading, SignInError, State

MOST_PAGES: Final = 2000
"""Pages after which a list is taken to be endless."""


_STATES: Final = {401: State.DENIED, 403: State.DENIED, 404: State.NOT_FOUND}


def read(azure: Azure, source: Source, scope: str) -> Reading:
    """Read a source for a scope. Never raises for what Azure answers; raises `SignInError` where no token was ever to be had: one
    that is refused later is a reading that failed."""
    with watching() as exchanges:
        try:
            value = _drain(lambda: source.read(azure, scope), exchanges)
            check(source, value)
        except (AzureError, DeserializationError, OddAnswerError) as problem:
            if isinstance(problem, ClientAuthenticationError) and not azure.evidence.exchanges:
                raise SignInError(
                    f"Azure gave no token: {_first_line(problem)} Sign in first (az login), or name another `credential`."
                ) from problem
            return _failed(source, scope, exchanges, problem)
    partial = any(PARTIAL_HEADER in exchange.headers for exchange in exchanges) or _is_cut(value)
    state = State.PARTIAL if partial else State.COLLECTED
    return Reading(source.name, scope, state, value, _ids(exchanges), _call(exchanges), "", source.permission)


def _is_cut(value: Json) -> bool:
    """Whether a log query says of its own answer that it is not whole: 200, with rows and an `error` beside them."""
    return isinstance(value, dict) and "tables" in value and bool(value.get("error"))


def _ids(exchanges: list[Exchange]) -> tuple[str, ...]:
    return tuple(exchange.id for exchange in exchanges)


def _call(exchanges: list[Exchange]) -> str:
    return f"{exchanges[-1].method} {urlsplit(exchanges[-1].url).path}" if exchanges else ""


def _drain(call: Callable[[], Any], exchanges: list[Exchange]) -> Json:
    """The raw JSON behind a call: the items of all pages for a list, the body for a single resource."""
    with _stumbling(exchanges):
        result = call()
    if not isinstance(result, ItemPaged):
        if isinstance(exchanges[-1].body, str):
            raise OddAnswerError("the answer is no JSON that any program could read")
        return exchanges[-1].body
    with paging():
        return _joined(result, exchanges)


def _joined(result: ItemPaged[Any], exchanges: list[Exchange]) -> list[Json]:
    """The items of all pages. Raises `OddAnswerError` where they never end."""
    seen: set[str] = set()
    joined: list[Json] = []
    pages = result.by_page()
    while _turned(pages, exchanges):
        answer = exchanges[-1]
        body = answer.body
        if not isinstance(body, dict) or not isinstance(body.get("value"), list):
            raise OddAnswerError("the answer holds no list")
        if answer.url in seen or len(seen) >= MOST_PAGES:
            raise OddAnswerError("the pages of the list lead in a circle")
        seen.add(answer.url)
        joined.extend(body["value"])
    if seen and (exchanges[-1].body.get("nextLink") or exchanges[-1].body.get("@odata.nextLink")):
        raise OddAnswerError("the list goes on where none is documented to")
    return joined


def _turned(pages: Iterator[Iterator[Any]], exchanges: list[Exchange]) -> bool:
    """Have the next page fetched; False where there is none."""
    with _stumbling(exchanges):
        page = next(pages, None)
        for _ in page or ():
            pass
    return page is not None


@contextmanager
def _stumbling(exchanges: list[Exchange]) -> Iterator[None]:
    """What the SDKs raise over an answer, or a link in it, of another shape than they know; without any answer it is no such thing."""
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as problem:
        if not exchanges:
            raise
        raise OddAnswerError(f"the SDK can't read the answer ({type(problem).__name__})") from problem


def _failed(source: Source, scope: str, exchanges: list[Exchange], problem: Exception) -> Reading:
    """The state and the sentence for a failed call."""
    last = exchanges[-1] if exchanges else None
    state, what = _explain(problem, last)
    call = _call(exchanges) or f"The read of {source.name.replace('_', ' ')}"
    code = _code(last.body) if last is not None and (last.status or 0) >= 400 else ""
    return Reading(source.name, scope, state, None, _ids(exchanges), call, f"{call} {what}", source.permission, code)


def _explain(problem: Exception, last: Exchange | None) -> tuple[State, str]:
    """What happened, as a state and as the end of a sentence that begins with the call."""
    if isinstance(problem, AzureError) and isinstance(problem.inner_exception, NotRecordedError):
        return State.NOT_COLLECTED, "is not in the recording"
    if last is None or last.status is None:
        return State.FAILED, f"got no answer ({_first_line(problem)})"
    if last.status >= 400:
        said = " ".join(part for part in (str(last.status), _code(last.body), _cause(last.body)) if part)
        return _STATES.get(last.status, State.FAILED), f"answered {said}"
    return State.FAILED, f"answered something that can't be read ({_first_line(problem)})"


def _code(body: Json) -> str:
    """The error code in an answer, in whichever of its forms; "" where there is none."""
    inner = body.get("error", body) if isinstance(body, dict) else None
    code = (inner.get("code") or inner.get("Code")) if isinstance(inner, dict) else None
    return code if isinstance(code, str) else ""


def _cause(body: Json) -> str:
    """What a log query's innermost error says, in brackets: only it names the table or column that is missing."""
    inner = body.get("error") if isinstance(body, dict) else None
    deepest = ""
    while isinstance(inner, dict) and isinstance(inner := inner.get("innererror"), dict):
        deepest = inner["message"] if isinstance(inner.get("message"), str) else deepest
    return f"({redact_text(deepest)[:200]})" if deepest else ""


def _first_line(problem: Exception) -> str:
    text = str(getattr(problem, "message", "") or problem).strip() or type(problem).__name__
    return redact_text(text).splitlines()[0][:200]
