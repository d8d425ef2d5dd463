"""Answer requests from a recording instead of Azure: the same code path, the same controls, nothing sent.

A request is matched by method, path (case-insensitive), query other than `api-version`, and a log query by its body too. Where a recording holds
several answers to the same question, the lists among them are joined and otherwise the last successful one counts. A
list that nobody asked for is put together from its recorded items, and marked so: such a list proves what is in it and
nothing about what is not. A list that was asked for and refused stays refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from aoai_lib.azure.recording import asked_in_body
from aoai_lib.evidence.store import VANTAGE, is_address, question, read_lines
from aoai_lib.model import InputError, Json

PARTIAL_HEADER = "x-aoai-partial"
"""Set on a list that was put together from recorded items."""

_SUBSCRIPTION = re.compile(r"/subscriptions/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=/|$|\?)", re.IGNORECASE)
_WIDE_LIST = re.compile(r"(/subscriptions/[^/]+)/providers/([^/]+/[^/]+)")
_ACCOUNT = re.compile(
    r"(/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.cognitiveservices/accounts/[^/]+)"
)


_VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_STATUSES = range(100, 1000)
"""Three digits (RFC 9110, 15); `requests` takes an answer of status 0 for one without a body."""


class NotRecordedError(requests.ConnectionError):
    """The recording holds no answer to this request."""


class Recording:
    """The answers of a `requests.jsonl`, by question; `observed` are its lines that were seen from a vantage point."""

    def __init__(
        self, records: Iterable[dict[str, Json]], left_out: int = 0, observed: Sequence[dict[str, Json]] = ()
    ) -> None:
        self.left_out = left_out
        self.observed = observed
        self._answers: dict[str, list[dict[str, Json]]] = {}
        self._items: dict[str, Json] = {}
        for record in records:
            asked = question(str(record["method"]), str(record["url"]), record.get("request"))
            self._answers.setdefault(asked, []).append(record)
            body = record.get("body")
            if record["status"] == 200 and asked.startswith("GET ") and isinstance(body, dict) and "id" in body:
                self._items[asked.removeprefix("GET ").partition("?")[0]] = body

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read a recording. Lines that are no request (an exported log row, a note) are counted in `left_out`.

        Raises `InputError` where the file can't be read, holds something that is no JSON, or no request at all.
        """
        everything = [record for _, record in read_lines(path)]
        observed = [record for record in everything if _is_observation(record)]
        lines = [record for record in everything if not _is_observation(record)]
        records = [record for record in lines if _is_request(record)]
        if not records:
            raise InputError(f"{path} holds no recorded request: each line needs method, url and status.")
        return cls(records, len(lines) - len(records), observed)

    def find(self, method: str, url: str, request: Json = None) -> dict[str, Json] | None:
        """The answer to a request: `status`, `headers`, `body`; None where there is none to be had."""
        asked = question(method, url, request)
        records = self._answers.get(asked, [])
        good = [record for record in records if record["status"] in (200, 204)]
        if not good:
            return records[-1] if records else self._compose(asked)
        lists = [record["body"]["value"] for record in good if _is_list(record)]
        if len(lists) == len(good) > 1:
            joined = {_identity(item): item for items in lists for item in items}
            return {**good[-1], "body": {**good[-1]["body"], "value": list(joined.values())}}
        return good[-1]

    def _compose(self, asked: str) -> dict[str, Json] | None:
        """A list of the recorded items that a list request would have named."""
        path, _, query = asked.removeprefix("GET ").partition("?")
        if not asked.startswith("GET ") or query:
            return None
        wide = _WIDE_LIST.fullmatch(path)
        pattern = (
            re.compile(rf"{re.escape(wide[1])}(/.*)?/providers/{re.escape(wide[2])}/[^/]+")
            if wide
            else re.compile(rf"{re.escape(path)}/[^/]+")
        )
        if len(path.split("/")) % 2 == 1 and not wide:
            return None
        items = [body for name, body in self._items.items() if pattern.fullmatch(name)]
        return {"status": 200, "headers": {PARTIAL_HEADER: "true"}, "body": {"value": items}} if items else None

    @property
    def subscriptions(self) -> list[str]:
        """Subscriptions that the recording speaks of: those with Cognitive Services accounts, or else all."""
        asked = [key.partition(" ")[2] for key in self._answers]
        owning = [path for path in asked if "/providers/microsoft.cognitiveservices/accounts" in path]
        found = {match[1].lower(): None for path in owning or asked if (match := _SUBSCRIPTION.match(path))}
        return list(found)

    @property
    def accounts(self) -> list[str]:
        """Lower-cased ARM ids of accounts that an answer of the recording was about."""
        return list({match[1]: None for key in self._answers if (match := _ACCOUNT.match(key.partition(" ")[2]))})


def _is_observation(record: dict[str, Json]) -> bool:
    headers = record.get("headers")
    return isinstance(headers, dict) and VANTAGE in headers


def _is_request(record: dict[str, Json]) -> bool:
    """Whether a line is a request: a verb, an address, and a status of three digits or (null) none."""
    method, url, status = record.get("method"), record.get("url"), record.get("status", "")
    if not isinstance(method, str) or method.upper() not in _VERBS or not is_address(url):
        return False
    if not isinstance(url, str) or not url.startswith("https://") or not urlsplit(url).hostname:
        return False
    return status is None or (isinstance(status, int) and not isinstance(status, bool) and status in _STATUSES)


def _is_list(record: dict[str, Json]) -> bool:
    body = record.get("body")
    return isinstance(body, dict) and isinstance(body.get("value"), list)


def _identity(item: Json) -> str:
    return str(item["id"]).lower() if isinstance(item, dict) and "id" in item else json.dumps(item, sort_keys=True)


class ReplayAdapter(BaseAdapter):
    """Stands where a `requests` session would open a connection."""

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self.recording = recording

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        """The recorded answer; `NotRecordedError` where there is none, `ConnectionError` where none came then."""
        method, url = request.method or "", request.url or ""
        record = self.recording.find(method, url, asked_in_body(method, url, request.body))
        if record is None:
            raise NotRecordedError("The recording holds no answer to this request.")
        if record["status"] is None:
            raise requests.ConnectionError(str(record.get("error") or "No answer came when this was recorded."))
        body, headers = record.get("body"), record.get("headers")
        content = (body if isinstance(body, str) else json.dumps(body)).encode(errors="replace")
        answer = requests.Response()
        answer.status_code = record["status"]
        answer.url, answer.request = request.url or "", request
        answer.headers.update({str(k): str(v) for k, v in headers.items()} if isinstance(headers, dict) else {})
        for name in ("Content-Encoding", "Content-Length", "Transfer-Encoding"):
            answer.headers.pop(name, None)
        answer.raw = HTTPResponse(BytesIO(content), headers=answer.headers, status=200, preload_content=False)
        return answer

    def close(self) -> None:
        """Nothing to close."""
