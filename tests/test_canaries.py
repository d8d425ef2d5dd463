"""Secrets planted all over a tenant, and the whole of the playbook run over it: none of them is in any byte that comes out."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from secret_samples import Secret, drawn, forms, named_secrets, secrets, wrapped
from tampered import Answer, tamper
from tenants import ROOT

from aoai_lib.cli import main
from aoai_lib.lab.server import Lab
from aoai_lib.lab.world import read, world_of

DENIED, BROKEN, PAGED, TEXT = "/locks", "/budgets", "/accounts", "/networksecurityperimeters"
"""Ends of paths that are answered 403, 501, in pages, and by something that is no JSON."""
ENVIRONMENT = ("AZURE_CLIENT_SECRET", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_PASSWORD")


@dataclass
class Planter:
    """Plants secrets into answers, in turn, and counts what was served."""

    seed: str
    served: Counter[str] = field(default_factory=Counter)
    cores: dict[str, str] = field(default_factory=dict)
    turn: int = 0

    def __post_init__(self) -> None:
        self.kinds: list[Secret] = [*secrets(self.seed)]
        self.named = [*named_secrets(self.seed)]
        self.cores |= {f"{each.kind}, {self.seed}": each.core for each in self.kinds}
        self.cores |= {f"named {name}, {self.seed}": text for name, text in self.named}

    def text(self) -> str:
        """The next secret in its next wrapping."""
        secret = self.kinds[self.turn % len(self.kinds)]
        forms_of = [*wrapped(secret.text).items()]
        name, text = forms_of[self.turn // len(self.kinds) % len(forms_of)]
        self.turn += 1
        self.served[f"{secret.kind}, {self.seed}"] += 1
        self.served[f"{secret.kind} {name}"] += 1
        return text

    def pair(self) -> tuple[str, str]:
        """The next name of a property with its secret."""
        name, text = self.named[self.turn % len(self.named)]
        self.served[f"named {name}, {self.seed}"] += 1
        return name, text

    def keep(self, kind: str, core: str) -> str:
        """A secret of the answer's own."""
        self.cores[f"{kind}, {self.seed}"] = core
        self.served[f"{kind}, {self.seed}"] += 1
        return core

    def __call__(self, answer: Answer) -> None:
        if answer.is_sign_in:
            if isinstance(answer.body, dict) and "access_token" in answer.body:
                self.keep(f"real token {answer.body['access_token'][-8:]}", answer.body["access_token"].split(".")[2])
            return
        self._headers(answer)
        if answer.is_query:
            self._rows(answer)
        elif answer.is_data:
            self._model(answer)
        else:
            self._managed(answer)

    def _headers(self, answer: Answer) -> None:
        answer.headers |= {
            "set-cookie": f"session={self.keep('set-cookie', drawn(f'{self.seed} set-cookie', 26))}; HttpOnly",
            "x-ms-operation-identifier": f"tenantId={self.keep('operation header', drawn(f'{self.seed} oi', 20))}",
            "authorization": answer.asked.get("authorization", "none"),
            "api-key": self.keep("key in a header", drawn(f"{self.seed} api-key", 32, "0123456789abcdef")),
            "etag": f'W/"{self.keep("key in an etag", drawn(f"{self.seed} etag", 84))}"',
            "x-ms-failure-cause": f"Bearer {self.keep('kept header', drawn(f'{self.seed} cause', 40))}",
        }

    def _managed(self, answer: Answer) -> None:
        path = answer.path.lower()
        if path.endswith(DENIED):
            self._refuse(answer, 403)
        elif path.endswith(BROKEN):
            answer.status, answer.body = 501, f"<html>{self.text()} {self.text()}</html>".encode()
            answer.headers["content-type"] = "text/html"
        elif path.endswith(TEXT):
            answer.body = f"not JSON {self.text()}\n{self.text()}".encode()
        elif path.endswith(PAGED) and "resourcegroups" not in path and answer.status == 200:
            self._page(answer)
        if answer.status == 200:
            self._plant(answer.body)

    def _refuse(self, answer: Answer, status: int) -> None:
        """An error that repeats what it was sent, as gateways do."""
        echoed = f"The header 'Authorization: {answer.asked.get('authorization', '')}' was refused. {self.text()}"
        answer.status = status
        inner = {"code": self.text(), "message": f"{'x ' * 295}{self.text()}"}
        answer.body = {
            "error": {"code": "AuthorizationFailed", "message": echoed, "innererror": inner, "details": [inner]}
        }

    def _page(self, answer: Answer) -> None:
        if "page=2" in answer.query:
            answer.body = {"value": []}
            return
        sig = self.keep("signature of a link", drawn(f"{self.seed} link", 43))
        code = self.keep("code of a link", drawn(f"{self.seed} link code", 18))
        link = f"https://{answer.asked['host']}{answer.path}?{answer.query}&page=2&sig={sig}%3D&code={code}"
        answer.body["nextLink"] = link

    def _plant(self, value: Any) -> None:
        """Into tags, properties and descriptions of every resource."""
        if isinstance(value, list):
            for each in value:
                self._plant(each)
        if not isinstance(value, dict):
            return
        self._plant(value.get("value"))
        properties = value.get("properties")
        if "id" in value and isinstance(properties, dict):
            name, short = self.pair()
            value["tags"] = {**(value.get("tags") or {}), "note": self.text(), name: short}
            properties |= {"x-note": self.text(), "x-extra": [{"name": name, "value": short}, self.text()], name: short}
            properties["requestbody"] = json.dumps({"properties": {name: short, "text": self.text()}})
            properties["description"] = f"{properties.get('description', '')} {self.text()}"
            value["systemData"] = {**(value.get("systemData") or {}), "createdBy": self.text()}
        elif "id" in value and "displayName" in value:
            value["displayName"] = f"{value['displayName']} {self.text()}"

    def _rows(self, answer: Answer) -> None:
        for table in answer.body.get("tables", []) if isinstance(answer.body, dict) else []:
            said = self.keep("said in a log", " ".join(drawn(f"{self.seed} said {word}", 12) for word in "abc"))
            name, short = self.pair()
            added = {
                "RequestMessages": json.dumps([{"role": "user", "content": said}]),
                "ResponseMessages": said,
                "properties_s": json.dumps({"prompt": said, name: short, "note": self.text()}),
                f"{name}": short,
                "Note": self.text(),
            }
            table["columns"] += [{"name": each, "type": "string"} for each in added]
            for row in table["rows"]:
                row += added.values()

    def _model(self, answer: Answer) -> None:
        said = self.keep("said by a model", " ".join(drawn(f"{self.seed} model {word}", 12) for word in "abc"))
        if answer.status >= 400 or not isinstance(answer.body, dict):
            self._refuse(answer, max(answer.status, 400))
            return
        answer.body |= {"debug": self.text(), "prompt": said, "api_key": self.pair()[1]}
        for choice in answer.body.get("choices", []):
            if isinstance(choice.get("message"), dict):
                choice["message"]["content"] = f"{said} {self.text()}"


@dataclass
class Played:
    """What came out: files, and what was said."""

    planter: Planter
    folder: Path
    run: Path
    said: dict[str, str]


def aoai(surroundings: dict[str, str], *arguments: str | Path) -> str:
    """What a command ended with and said; one that assesses runs as a process of its own."""
    words = ["--debug", *map(str, arguments)]
    if arguments[0] != "assess":
        done = CliRunner().invoke(main, words, env=surroundings)
        return f"{done.exit_code} {done.output} {done.exception or ''}"
    command = [sys.executable, "-m", "aoai_lib", *words]
    ended = subprocess.run(command, cwd=ROOT, env={**os.environ, **surroundings}, capture_output=True, text=True)
    return f"{ended.returncode} {ended.stdout} {ended.stderr}"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A tenant full of secrets, assessed with probes, explained, compared, verified, hardened, and signed in to in vain."""
    folder = tmp_path_factory.mktemp("canaries")
    planter = Planter("first")
    world = read("exposed")
    key = planter.keep("key as a deployment's name", drawn("deployment", 32, "0123456789abcdef"))
    for row in world["logs"]:
        row["row"] = {**row["row"], "properties_s": row["row"]["properties_s"].replace("search-chat", key)}
    parameters = yaml.safe_load((ROOT / "parameters" / "exposed.yaml").read_text(encoding="utf-8"))
    asked = folder / "exposed.yaml"
    asked.write_text(
        yaml.safe_dump({**parameters, "active_probes": True, "hardening": {"allowed_fqdns": ["a.example"]}}),
        encoding="utf-8",
    )
    out, said = folder / "out", {}
    with Lab([world_of(world)]) as lab:
        tamper(lab, planter)
        secret = {name: planter.keep(name, drawn(name, 24)) for name in ENVIRONMENT}
        own = (
            lab.environment("exposed") | secret | {"OPENAI_LOG": "debug", "AZURE_LOG_LEVEL": "DEBUG", "COLUMNS": "400"}
        )
        planter.keep("identity header", own["IDENTITY_HEADER"])

        def do(name: str, *arguments: str | Path, **more: str) -> None:
            said[name] = aoai({**own, **more}, *arguments)

        pdf = ["--pdf"] if shutil.which("chromium") else []
        do("assess", "assess", asked, "--out", out, *pdf)
        (run,) = (out / "exposed").iterdir()
        planter.seed = "second"
        planter.__post_init__()
        do("again", "assess", asked, "--out", out, "--phase", "00")
        later = max((out / "exposed").iterdir())
        do("diff", "diff", run, later)
        do("diff as JSON", "diff", run, later, "--json")
        do("verify", "verify", run)
        do("explain", "explain", run, "IAM-01", "aoai-brightcart-shop")
        do("explain what was refused", "explain", run, "GOV-07", "aoai-brightcart-shop")
        own |= lab.environment("exposed", "operator")
        do("plan", "harden", asked, "--save", folder / "plan.json")
        do("harden", "harden", asked, "--apply", "--yes", "--only", "NET-14", "--out", out)
        do(
            "no token",
            "assess",
            asked,
            "--out",
            folder / "none",
            IDENTITY_HEADER=planter.keep("wrong header", drawn("wrong", 30)),
        )
        yield Played(planter, folder, run, said)


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, and what is packed into it."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        content = path.read_bytes()
        yield path.name, content
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(io.BytesIO(content)) as book:
                yield from ((f"{path.name}/{name}", book.read(name)) for name in book.namelist())
        if path.suffix == ".pdf":
            for at, stream in enumerate(re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL)):
                try:
                    yield f"{path.name} stream {at}", zlib.decompressobj().decompress(stream)
                except zlib.error:
                    continue


def test_the_secrets_were_really_there(played: Played) -> None:
    served = played.planter.served
    assert [kind for kind in played.planter.cores if not served[kind]] == []
    kinds = {each.kind for each in secrets("first")}
    assert all(served[f"{kind} {name}"] for kind in kinds for name in wrapped(""))
    assert sum(served.values()) > 5000


def test_everything_was_done(played: Played) -> None:
    ended = {name: text.partition(" ")[0] for name, text in played.said.items()}
    assert ended["assess"] == "0", played.said["assess"][-3000:]
    assert {ended[name] for name in ("again", "diff", "explain", "plan", "verify")} == {"0"}, ended
    names = {path.name for path in played.folder.rglob("*")}
    assert {
        "report.html",
        "findings.xlsx",
        "findings.ocsf.json",
        "journal.jsonl",
        "undo.json",
        "plan.json",
        "changes.json",
    } <= names
    assert "Azure gave no token" in played.said["no token"]
    assert "Request options" not in played.said["assess"], "what is sent to a model is not logged"
    lines = (played.run / "requests.jsonl").read_text(encoding="utf-8")
    assert lines.count("redacted:") > 1000
    assert any(json.loads(line)["method"] == "POST" and "/openai/" in line for line in lines.splitlines())


def test_no_secret_is_in_any_file(played: Played) -> None:
    found = [
        (name, kind, form)
        for name, content in contents(played.folder)
        for kind, core in played.planter.cores.items()
        for form in forms(core)
        if form in content
    ]
    assert found == []


def test_no_secret_is_said(played: Played) -> None:
    found = [
        (name, kind)
        for name, text in played.said.items()
        for kind, core in played.planter.cores.items()
        if any(form in text.encode() for form in forms(core))
    ]
    assert found == []


def test_the_same_secret_is_masked_alike_all_over_a_run(played: Played) -> None:
    lines = (played.run / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    masks = [set(re.findall(r"redacted:(?:run-)?[0-9a-f]{12}", line)) for line in lines]
    times = Counter(mask for each in masks for mask in each)
    assert sum(count > 1 for count in times.values()) > len(played.planter.kinds)
