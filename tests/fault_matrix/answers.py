"""The faults that are seen in what a request gets back. Each makes of the true answer the one that comes instead.

Three families, by what must hold then: of `UNREADABLE` nothing of the answer is known; `TRUE_LOOKING` no client can tell from the
truth; `HARMLESS` leaves the truth in reach, so nothing may change.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpcore2
import requests
import urllib3

from tests.fault_matrix.tape import FURTHER, Answer, Asked, NoAnswerError, Spoil

Json = Any
_JSON: Final = "application/json; charset=utf-8"


def _kept(answer: Answer, status: int, content: bytes, kind: str = _JSON, **headers: str) -> Answer:
    """Another answer at the same time of the service's clock."""
    date = {name: value for name, value in answer.headers.items() if name == "date"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": kind, **date, **named}, content)


def _error(status: int, code: str, message: str, **headers: str) -> Spoil:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return lambda asked, answer, times: _kept(answer, status, body, **headers)


def _plain(status: int, text: str, kind: str) -> Spoil:
    return lambda asked, answer, times: _kept(answer, status, text.encode(), kind)


def _throttled(**headers: str) -> Spoil:
    return _error(429, "TooManyRequests", "The request is being throttled.", **headers)


def _none(adapter: Callable[[], Exception], pool: Callable[[], Exception]) -> Spoil:
    def spoil(asked: Asked, answer: Answer, times: int) -> Answer:
        raise NoAnswerError(adapter(), pool())

    return spoil


def _unconnected(cause: Exception) -> Callable[[], Exception]:
    pool = urllib3.HTTPSConnectionPool("localhost", 443)
    return lambda: requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/", cause))


_REFUSED: Final = urllib3.exceptions.NewConnectionError(None, "[Errno 111] Connection refused")  # type: ignore[arg-type]
_UNKNOWN_NAME: Final = urllib3.exceptions.NameResolutionError(
    "management.azure.com",
    None,
    socket.gaierror(-2, "Name or service not known"),  # type: ignore[arg-type]
)
_UNTRUSTED: Final = ssl.SSLCertVerificationError(1, "certificate verify failed: unable to get local issuer certificate")
_OTHER_NAME: Final = ssl.SSLCertVerificationError(1, "certificate verify failed: Hostname mismatch")


def _body(make: Callable[[Json], Json]) -> Spoil:
    """The true answer's JSON made into another."""

    def spoil(asked: Asked, answer: Answer, times: int) -> Answer:
        return _kept(answer, 200, json.dumps(make(json.loads(answer.content))).encode())

    return spoil


def _each(item: Callable[[dict[str, Json]], Json]) -> Callable[[Json], Json]:
    """Every item of a list changed, or the one resource that the answer is."""

    def make(body: Json) -> Json:
        if isinstance(body.get("value"), list):
            return {**body, "value": [item(each) for each in body["value"]]}
        return item(body)

    return make


def _with_value(value: Json) -> Spoil:
    return _body(lambda body: {**{name: held for name, held in body.items() if name != "nextLink"}, "value": value})


def _circle(asked: Asked, answer: Answer, times: int) -> Answer:
    body = json.loads(answer.content)
    return _kept(answer, 200, json.dumps({**body, _link(body, asked): asked.url}).encode())


def _endless(asked: Asked, answer: Answer, times: int) -> Answer:
    body = json.loads(answer.content)
    return _kept(answer, 200, json.dumps({**body, _link(body, asked): _further(asked, times + 1)}).encode())


def _refused_later(asked: Asked, answer: Answer, times: int) -> Answer:
    if times:
        return UNREADABLE["403"](asked, answer, times)
    return _endless(asked, answer, times)


def _link(body: Json, asked: Asked) -> str:
    return "@odata.nextLink" if "/v1.0/" in asked.url else "nextLink"


def _further(asked: Asked, page: int) -> str:
    address = asked.url.partition(FURTHER)[0].rstrip("?&")
    return f"{address}{'&' if '?' in address else '?'}{FURTHER}{page}"


def _half(content: bytes) -> bytes:
    body = json.loads(content)
    return json.dumps({**body, "value": body["value"][: len(body["value"]) // 2]}).encode()


def _tables(make: Callable[[list[Json]], Json]) -> Spoil:
    return _body(lambda body: {**body, "tables": make(body["tables"])})


def _first(spoil: Spoil, count: int) -> Spoil:
    """Only the first sendings are spoilt: a retry gets the truth."""
    return lambda asked, answer, times: spoil(asked, answer, times) if times < count else answer


def _dated(value: str | None) -> Spoil:
    def spoil(asked: Asked, answer: Answer, times: int) -> Answer:
        headers = {name: held for name, held in answer.headers.items() if name != "date"}
        return Answer(answer.status, headers | ({"date": value} if value is not None else {}), answer.content)

    return spoil


_PAGE: Final = (
    "<html><head><title>503</title></head><body><h2>Our services aren't available right now</h2></body></html>"
)
_SIGN_IN: Final = "<html><body><form action='/login'>Sign in to the proxy</form></body></html>"
_TOO_SLOW: Final = _none(
    lambda: requests.ReadTimeout(urllib3.exceptions.ReadTimeoutError(None, "/", "Read timed out.")),  # type: ignore[arg-type]
    lambda: httpcore2.ReadTimeout("timed out"),
)
_RESET: Final = _none(
    lambda: requests.ConnectionError(
        urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
    ),
    lambda: httpcore2.ReadError("[Errno 104] Connection reset by peer"),
)

UNREADABLE: Final[dict[str, Spoil]] = {
    "401": _error(401, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."),
    "401 with a challenge": _error(
        401, "InvalidAuthenticationToken", "The access token is invalid.",
        www_authenticate='Bearer authorization_uri="https://login.microsoftonline.com/", error="invalid_token"',
    ),
    "403": _error(403, "AuthorizationFailed", "The client does not have authorization to perform the action over the scope."),
    "404 without a code": _plain(404, "Not Found", "text/plain"),
    "404 of the subscription": _error(404, "SubscriptionNotFound", "The subscription could not be found."),
    "409": _error(409, "Conflict", "Another operation on this or dependent resource is in progress."),
    "429 with Retry-After": _throttled(retry_after="1"),
    "429 without Retry-After": _throttled(),
    "429, come back in a day": _throttled(retry_after="86400"),
    "429, come back in 2049": _throttled(retry_after="Fri, 31 Dec 2049 23:59:59 GMT"),
    "429, come back before": _throttled(retry_after="-5"),
    "429, come back “soon”": _throttled(retry_after="soon"),
    "429, come back in NaN": _throttled(retry_after="nan"),
    "429, come back in 1e400": _throttled(retry_after="1e400"),
    "500": _error(500, "InternalServerError", "The server encountered an internal error. Please retry."),
    "502 as text": _plain(502, "Bad Gateway", "text/plain"),
    "503 as HTML": _plain(503, _PAGE, "text/html"),
    "503, come back in a day": lambda asked, answer, times: _kept(answer, 503, b"", "text/plain", retry_after="86400"),
    "504": _error(504, "GatewayTimeout", "The gateway did not receive a response within the specified time period."),
    "connection refused": _none(_unconnected(_REFUSED), lambda: httpcore2.ConnectError("[Errno 111] Connection refused")),
    "connection reset": _RESET,
    "timeout": _TOO_SLOW,
    "DNS failure": _none(_unconnected(_UNKNOWN_NAME), lambda: httpcore2.ConnectError("[Errno -2] Name or service not known")),
    "TLS, untrusted": _none(lambda: requests.exceptions.SSLError(_UNTRUSTED), lambda: httpcore2.ConnectError(str(_UNTRUSTED))),
    "TLS, another's name": _none(lambda: requests.exceptions.SSLError(_OTHER_NAME), lambda: httpcore2.ConnectError(str(_OTHER_NAME))),
    "cut off": _none(
        lambda: requests.exceptions.ChunkedEncodingError(urllib3.exceptions.IncompleteRead(100, 100)),
        lambda: httpcore2.RemoteProtocolError("peer closed connection without sending complete message body"),
    ),
    "half a body": lambda asked, answer, times: _kept(answer, 200, answer.content[: len(answer.content) // 2]),
    "invalid JSON": _plain(200, '{"value":[{"id":"/subscriptions/', _JSON),
    "an empty body": _plain(200, "", _JSON),
    "204": _plain(204, "", _JSON),
    "302": lambda asked, answer, times: _kept(answer, 302, b"", "text/plain", location="https://localhost:1/login"),
    "HTML with 200": _plain(200, _SIGN_IN, "text/html"),
    "null": _plain(200, "null", _JSON),
    "a text": _plain(200, '"yes"', _JSON),
    "a number": _plain(200, "42", _JSON),
    "a list": _body(lambda body: [body]),
    "an empty object": _plain(200, "{}", _JSON),
    "an error with 200": _plain(200, '{"error":{"code":"InternalServerError","message":"Please retry."}}', _JSON),
    "201": _plain(201, "{}", _JSON),
    "202": _plain(202, "", _JSON),
    "400": _error(400, "BadRequest", "The request is invalid."),
    "400 as OData": _plain(400, '{"odata.error":{"code":"BadRequest","message":{"lang":"en","value":"Invalid."}}}', _JSON),
    "401 with a message alone": _plain(401, '{"Message":"Authorization has been denied for this request."}', _JSON),
    "403 without envelope": _plain(403, '{"code":"AuthorizationFailed","message":"The client has no authorization."}', _JSON),
    "403 of the directory": _error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
    "403 of a workspace": _error(403, "InsufficientAccessError", "The provided credentials have insufficient access."),
    "403 of a firewall": _error(403, "403", "Access denied due to Virtual Network/Firewall rules."),
    "403 of a gateway": _plain(403, "<html><center><h1>403 Forbidden</h1></center><hr><center>Gateway</center></html>", "text/html"),
    "403 as XML": _plain(403, "\ufeff<?xml version='1.0'?><Error><Code>AuthorizationFailure</Code></Error>", "application/xml"),
    "404 of a proxy": _plain(404, "<html><h1>Not Found</h1></html>", "text/html"),
    "405": _error(405, "MethodNotAllowed", "The method is not allowed."),
    "407": _plain(407, "Proxy Authentication Required", "text/plain"),
    "409 of a subscription": _error(409, "ReadOnlyDisabledSubscription", "The subscription is disabled and read-only."),
    "410": _plain(410, "Gone", "text/plain"),
    "412": _error(412, "PreconditionFailed", "The condition is not satisfied."),
    "423": _error(423, "ScopeLocked", "The scope is locked."),
    "451": _plain(451, "", "text/plain"),
    "500 in another envelope": _plain(500, '{"ErrorResponse":{"error":{"code":"500","message":"Error in API"}}}', _JSON),
    "501": _error(501, "NotImplemented", "Not implemented."),
    "511": _plain(511, "<html>Sign in to the network</html>", "text/html"),
    "520": _plain(520, "", "text/html"),
}  # fmt: skip
"""Faults of any request: statuses, words and envelopes in which services, and what stands before them, refuse."""

OF_LISTS: Final[dict[str, Spoil]] = {
    "value is null": _with_value(None),
    "value is a text": _with_value("none"),
    "value is an object": _with_value({}),
    "items are null": _with_value([None]),
    "items are numbers": _with_value([1, 2]),
    "items are empty": _with_value([{}]),
    "items without properties": _body(_each(lambda item: {**item, "properties": None})),
    "properties are a text": _body(_each(lambda item: {**item, "properties": "none"})),
    "half a list as 206": lambda asked, answer, times: _kept(
        answer, 206, _half(answer.content), content_range="items 0-0/2"
    ),
    "pages in a circle": _circle,
    "endless pages": _endless,
    "second page refused": _refused_later,
}
"""Faults of an answer that is a list of resources."""

OF_RESOURCES: Final[dict[str, Spoil]] = {
    "an empty list for a resource": _plain(200, '{"value":[]}', _JSON),
    "a resource without properties": _body(_each(lambda item: {**item, "properties": None})),
    "properties are a text": _body(_each(lambda item: {**item, "properties": "none"})),
}
"""Faults of an answer that is one resource."""

OF_QUERIES: Final[dict[str, Spoil]] = {
    "an empty list for tables": _plain(200, '{"value":[]}', _JSON),
    "no tables": _tables(lambda tables: []),
    "tables are null": _tables(lambda tables: None),
    "tables are empty": _tables(lambda tables: [{} for _ in tables]),
    "rows are null": _tables(lambda tables: [{**each, "rows": None} for each in tables]),
    "rows are texts": _tables(lambda tables: [{**each, "rows": ["none"]} for each in tables]),
    "an error beside rows": _body(lambda body: {**body, "error": {"code": "PartialError", "message": "There were some errors."}}),
}  # fmt: skip
"""Faults of the answer to a log query."""

GONE: Final = "404"
EMPTY: Final = "empty list"
NO_ROWS: Final = "no rows"
ABSENT: Final[dict[str, Spoil]] = {
    GONE: _error(404, "ResourceNotFound", "The resource was not found."),
    "404 without envelope": _plain(404, '{"code":"ResourceNotFound","message":"The resource was not found."}', _JSON),
    "404 of the group": _error(404, "ResourceGroupNotFound", "The resource group could not be found."),
    "404 of the parent": _error(404, "ParentResourceNotFound", "The parent resource could not be found."),
    "404 of the type": _error(404, "InvalidResourceType", "The resource type could not be found in the namespace."),
    "404 of another thing": _error(404, "AssignmentNotFound", "The assignment could not be found."),
    "400 of the version": _error(400, "NoRegisteredProviderFound", "No registered resource provider found for the version."),
    "409 of the namespace": _error(409, "MissingSubscriptionRegistration", "The subscription is not registered to use it."),
}  # fmt: skip
"""Errors by which Resource Manager says that there is no such thing."""

TRUE_LOOKING: Final[dict[str, Spoil]] = {
    **ABSENT,
    EMPTY: _plain(200, '{"value":[]}', _JSON),
    NO_ROWS: _tables(lambda tables: [{**each, "rows": []} for each in tables]),
}

HARMLESS: Final[dict[str, Spoil]] = {
    "429 once": _first(_throttled(retry_after="1"), 1),
    "503 twice": _first(_plain(503, _PAGE, "text/html"), 2),
    "reset once": _first(_RESET, 1),
    "timeout once": _first(_TOO_SLOW, 1),
    "Date in 1970": _dated("Thu, 01 Jan 1970 00:00:00 GMT"),
    "Date in 2099": _dated("Thu, 31 Dec 2099 23:59:59 GMT"),
    "Date is no date": _dated("yesterday"),
    "no Date": _dated(None),
}

FAMILIES: Final[Mapping[str, Mapping[str, Spoil]]] = {
    "unreadable": UNREADABLE | OF_LISTS | OF_RESOURCES | OF_QUERIES,
    "true-looking": TRUE_LOOKING,
    "harmless": HARMLESS,
}
SPOILS: Final[Mapping[str, Spoil]] = {name: spoil for family in FAMILIES.values() for name, spoil in family.items()}


def faults_of(asked: Asked, answer: Answer) -> list[str]:
    """The faults that the answer to a question can have, without those that say the same."""
    return [fault for fault in _faults_of(asked, answer) if not is_same(asked, answer, fault)]


def _faults_of(asked: Asked, answer: Answer) -> list[str]:
    body = _parsed(answer.content)
    found = [*UNREADABLE, *ABSENT, *HARMLESS]
    if "/openai/" in asked.path or asked.method == "PUT":  # a POST that may have been counted is not sent again
        found = [name for name in found if name not in ("reset once", "timeout once", *ABSENT)]
    if asked.method == "PUT":  # with a 503 it may have been carried out, so it is not sent again
        found.remove("503 twice")
    if answer.status != 200 or not isinstance(body, dict):
        return [name for name in found if name != "a list"] if body is None else found
    if isinstance(body.get("value"), list):
        able = body["value"] and all(isinstance(each, dict) and each.get("properties") for each in body["value"])
        return [*found, *(name for name in OF_LISTS if able or "properties" not in name), EMPTY]
    if isinstance(body.get("tables"), list):
        return [*found, *OF_QUERIES, NO_ROWS]
    return [*found, *OF_RESOURCES] if isinstance(body.get("id"), str) and "properties" in body else found


def is_same(asked: Asked, answer: Answer, fault: str) -> bool:
    """Whether a fault says what the true answer says, as far as a client looks: the status and the code of an error."""
    if not isinstance(answer.status, int) or answer.status < 400:
        return False
    try:
        other = SPOILS[fault](asked, answer, 0)
    except NoAnswerError:
        return False
    return (other.status, _code(other)) == (answer.status, _code(answer))


def _code(answer: Answer) -> str:
    body = _parsed(answer.content)
    error = body.get("error", body) if isinstance(body, dict) else None
    return str(error.get("code")) if isinstance(error, dict) else ""


def is_empty(answer: Answer) -> bool:
    """Whether an answer is an empty list, or tables without rows."""
    body = _parsed(answer.content)
    held = body if isinstance(body, dict) else {}
    rows = [each.get("rows") for each in held.get("tables", ())]
    return held.get("value") == [] or (bool(rows) and not any(rows))


def _parsed(content: bytes) -> Json:
    try:
        return json.loads(content)
    except ValueError:
        return None
