"""Evidence: kept without secrets, sealed so that a change shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aoai_lib.evidence import redaction, snapshots
from aoai_lib.evidence.seal import seal
from aoai_lib.evidence.store import Evidence, Exchange, question
from aoai_lib.folder import RunFolder, check_writable, new_run_id
from aoai_lib.model import InputError, Snapshot

KEY_OLD = "0123456789abcdef0123456789abcdef"
KEY_NEW = "Ab3" * 28
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJvaWQiOiIxMjM0NTY3OCJ9.c2lnbmF0dXJl"
CONNECTION = (
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + "x" * 86 + "==;EndpointSuffix=core.windows.net"
)
SAS = "https://a.blob.core.windows.net/c?sv=2024&sig=abcdefghijklmnopqrstuvwxyz%3D"


@pytest.mark.parametrize("secret", [KEY_OLD, KEY_NEW, JWT, CONNECTION, SAS, "-----BEGIN RSA PRIVATE KEY-----\nabc"])
def test_a_secret_is_masked_wherever_it_stands(secret: str) -> None:
    body = {"tags": {"note": f"use {secret} today", secret: "as a name"}, "list": [[{"deep": secret}]]}
    text = json.dumps(redaction.redact(body))
    assert secret[20:] not in text
    assert "redacted:" in text


def test_a_secret_is_masked_by_the_name_of_its_property() -> None:
    kept = redaction.redact({"key1": "short", "primaryKey": "tiny", "keyName": "cmk-aoai", "password": "pw"})
    assert kept["keyName"] == "cmk-aoai"
    assert all(value.startswith("redacted:") for name, value in kept.items() if name != "keyName")


def test_what_is_judged_survives() -> None:
    plain = {
        "id": "/subscriptions/11111111-0000-4000-8000-000000000001/resourceGroups/rg",
        "disableLocalAuth": True,
        "endpoint": "https://acct.openai.azure.com/",
        "count": 3,
        "nothing": None,
    }
    assert redaction.redact(plain) == plain


def test_urls_lose_signatures_and_users() -> None:
    url = "https://user:pw@management.azure.com/x?api-version=2017-04-18&t=639172707646059095&c=MIIIJjCCBw6gAwIBAgIQ&s=abcdefghijklmnopqrst"
    kept = redaction.redact_url(url)
    assert "MIII" not in kept
    assert "user" not in kept
    assert kept.startswith("https://management.azure.com/x?api-version=2017-04-18&")
    plain = "https://management.azure.com/x?api-version=1&$filter=atScope()"
    assert redaction.redact_url(plain) == plain


def test_headers_that_name_the_caller_are_dropped() -> None:
    kept = redaction.keep_headers({"X-Ms-Operation-Identifier": "tenantId=…", "Retry-After": "5", "Set-Cookie": "a=b"})
    assert kept == {"retry-after": "5"}


def test_a_question_is_the_same_without_host_version_and_case() -> None:
    one = question("get", "https://a/Subscriptions/X?api-version=1&b=2&a=1")
    assert (
        one
        == question("GET", "https://b:443//subscriptions/x/?a=1&api-version=2&b=2")
        == "GET /subscriptions/x?a=1&b=2"
    )


def test_lines_are_on_disk_when_added(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path / "requests.jsonl")
    name = evidence.name("GET", "https://a/x")
    evidence.add(Exchange(name, "2026-11-23T09:00:00Z", "GET", "https://a/x", 200, 3, body={"snow": "☃\u2028"}))
    (line,) = (tmp_path / "requests.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert json.loads(line)["id"] == name
    assert evidence.name("GET", "https://a/x") == f"{name}-2"
    evidence.close()


def test_a_snapshot_reads_back_the_same(hardened: Snapshot) -> None:
    text = json.dumps(snapshots.dump(hardened))
    assert snapshots.load(json.loads(text)) == hardened


@pytest.mark.parametrize(
    "document", [None, [], {}, {"schema": "other"}, {"schema": snapshots.SCHEMA, "readings": [{}]}]
)
def test_what_is_no_snapshot_is_refused(document: object) -> None:
    with pytest.raises(InputError):
        snapshots.load(document)


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="sha256sum is not installed")
def test_the_seal_checks_with_sha256sum(tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.json").write_text("{}")
    (folder / "sub" / "b c.html").write_text("<p>")
    seal(folder)
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(check, cwd=folder, capture_output=True).returncode == 0
    (folder / "a.json").write_text("{ }")
    assert subprocess.run(check, cwd=folder, capture_output=True).returncode == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a run"]


def test_run_ids_sort_by_time() -> None:
    early, late = (new_run_id(datetime(2026, 11, day, 9, tzinfo=UTC)) for day in (2, 23))
    assert early < late
    assert re.fullmatch(r"20261102T090000Z-[0-9a-f]{4}", early)


def test_a_discarded_run_leaves_nothing(tmp_path: Path) -> None:
    first = RunFolder.create(tmp_path, "t", "1")
    first.write_json("a.json", {})
    first.discard()
    assert list(tmp_path.iterdir()) == []
    kept, gone = RunFolder.create(tmp_path, "t", "1"), RunFolder.create(tmp_path, "t", "2")
    gone.discard()
    assert kept.path.is_dir()


def test_writable_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "deeper")
    assert list(tmp_path.iterdir()) == []


def test_requirements_are_part_of_what_was_judged(hardened: Snapshot) -> None:
    changed = replace(hardened, requirements=hardened.requirements.model_copy(update={"capacity_cap": 1}))
    assert snapshots.load(snapshots.dump(changed)) != hardened
