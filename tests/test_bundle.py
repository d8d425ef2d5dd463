"""Finished runs: sealed, signed, verified, explained. Real ssh-keygen and sha256sum; every kind of tampering is tried."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hardening import own_lab
from tenants import ROOT

from aoai_lib.bundle.explanation import explain
from aoai_lib.bundle.opening import open_bundle
from aoai_lib.bundle.signing import UnsignedError, check_key, sign, signer
from aoai_lib.bundle.verification import Outcome, verify
from aoai_lib.evidence.seal import seal
from aoai_lib.fleet import Task, assess_tenant
from aoai_lib.model import InputError
from aoai_lib.parameters import load

keygen = shutil.which("ssh-keygen")
needs_ssh = pytest.mark.skipif(keygen is None, reason="ssh-keygen is not installed here")


def assessed(out: Path, tenant: str = "exposed") -> Path:
    """A sealed run of a tenant, without notebooks."""
    task = Task(load(ROOT / "parameters" / f"{tenant}.yaml"), out, ())
    outcome = assess_tenant(task, lambda *_: None)
    assert outcome.folder is not None and not outcome.problems
    return outcome.folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with own_lab("exposed", "assessor"):
        return assessed(tmp_path_factory.mktemp("original"))


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may tamper with."""
    return Path(shutil.copytree(original, tmp_path / "run"))


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_key(tmp_path_factory.mktemp("keys") / "auditor")


def new_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
    return path


def allowing(key: Path, name: str, folder: Path) -> Path:
    """A list of allowed signers with one name."""
    target = folder / "allowed"
    target.write_text(f"{name} {key.with_suffix('.pub').read_text()}")
    return target


def outcomes(run: Path, allowed: Path | None = None) -> dict[str, str]:
    return {each.what: each.outcome.value for each in verify(run, allowed)}


def faulty(run: Path) -> set[str]:
    return {each.what for each in verify(run) if each.outcome is Outcome.BAD}


def edit(run: Path, name: str, change: Callable[[Any], None]) -> None:
    """Change a JSON file in place, and seal again as somebody would who wants it unnoticed."""
    document = json.loads((run / name).read_text())
    change(document)
    (run / name).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    seal(run)


def test_a_run_is_whole_and_follows_from_its_evidence(run: Path) -> None:
    found = outcomes(run)
    assert found.pop("signature") == "note"
    assert set(found.values()) == {"good"} and len(found) == 10
    checked = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=run, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_every_file_is_guarded_against_a_changed_byte(run: Path) -> None:
    for path in sorted(run.iterdir()):
        content = path.read_bytes()
        for at in (0, len(content) // 3, len(content) - 1):
            changed = bytearray(content)
            changed[at] ^= 1
            path.write_bytes(changed)
            assert "files" in faulty(run), f"{path.name}, byte {at}"
        path.write_bytes(content)
    assert not faulty(run)


def test_what_is_missing_or_added_is_named(run: Path) -> None:
    for path in sorted(run.iterdir()):
        kept = path.read_bytes()
        path.unlink()
        answers = verify(run)
        assert answers[0].outcome is Outcome.BAD
        assert path.name == "SHA256SUMS" or answers[0].listed == (f"missing: {path.name}",)
        path.write_bytes(kept)
    (run / "note.txt").write_text("mine")
    (run / "sub").mkdir()
    (run / "sub" / "deeper").write_text("")
    assert verify(run)[0].listed == ("added: note.txt", "added: sub/", "added: sub/deeper")


def test_a_link_in_place_of_a_file_is_no_file(run: Path, tmp_path: Path) -> None:
    (run / "run.json").rename(tmp_path / "elsewhere.json")
    (run / "run.json").symlink_to(tmp_path / "elsewhere.json")
    assert verify(run)[0].listed == ("altered: run.json",)


@pytest.mark.parametrize(
    "line",
    [
        f"{'0' * 64}  ../outside",
        f"{'0' * 64}  /etc/passwd",
        f"{'0' * 64} *run.json",
        f"{'0' * 63}  run.json",
        "\\" + "0" * 64 + "  run.json",
        "",
    ],
)
def test_digests_are_only_believed_in_their_own_form(run: Path, line: str) -> None:
    with (run / "SHA256SUMS").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    assert "files" in faulty(run)


def test_without_digests_a_run_is_unfinished(run: Path) -> None:
    (run / "SHA256SUMS").unlink()
    (answer,) = verify(run)
    assert answer.outcome is Outcome.BAD and "unfinished" in answer.sentence


def a_failed(document: Any) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in document["findings"] if each["status"] == "fail")
    return found


def test_a_finding_that_was_turned_shows_even_when_sealed_again(run: Path) -> None:
    edit(run, "findings.json", lambda document: a_failed(document).update(status="pass"))
    assert faulty(run) == {"findings"}


def test_a_snapshot_that_was_turned_shows_against_the_evidence(run: Path) -> None:
    def close(document: Any) -> None:
        account = next(each for each in document["readings"] if each["source"] == "account")
        account["value"]["properties"]["disableLocalAuth"] = True

    edit(run, "snapshot.json", close)
    answers = {each.what: each for each in verify(run)}
    assert answers["snapshot"].outcome is Outcome.BAD and answers["snapshot"].listed[0].startswith("account of /sub")
    assert answers["findings"].outcome is Outcome.BAD


def test_a_reading_that_was_left_out_or_called_unread_shows(run: Path) -> None:
    def forget(document: Any) -> None:
        document["readings"] = [each for each in document["readings"] if each["source"] != "rai_policies"]

    edit(run, "snapshot.json", forget)
    assert "snapshot" in faulty(run)

    def deny(document: Any) -> None:
        lists = next(each for each in document["readings"] if each["source"] == "deployments")
        lists.update(state="denied", value=None, reason="Not permitted.")

    edit(run, "snapshot.json", deny)
    assert "snapshot" in faulty(run)


def test_evidence_that_was_cut_or_doubled_shows(run: Path) -> None:
    lines = (run / "requests.jsonl").read_text().splitlines(keepends=True)
    cited = next(
        index for index, line in enumerate(lines) if json.loads(line)["id"] in (run / "findings.json").read_text()
    )
    (run / "requests.jsonl").write_text("".join(lines[:cited] + lines[cited + 1 :]))
    seal(run)
    assert "evidence" in faulty(run)
    (run / "requests.jsonl").write_text("".join([*lines, lines[cited]]))
    seal(run)
    assert "evidence" in faulty(run)


@pytest.mark.parametrize("name", ["findings.csv", "report.html"])
def test_a_form_that_tells_another_story_shows(run: Path, name: str) -> None:
    path = run / name
    path.write_text(path.read_text(encoding="utf-8").replace("Keys work on the account", "Keys are off on the account"))
    seal(run)
    assert faulty(run) == {name}


@pytest.mark.parametrize("name", ["findings.json", "snapshot.json", "run.json", "requests.jsonl"])
@pytest.mark.parametrize("content", ["", "null", "[]", "{}", '{"schema": "aoai-playbook/run/1"}', "\0", "[" * 9000])
def test_a_part_that_is_none_is_a_sentence_and_no_traceback(run: Path, name: str, content: str) -> None:
    (run / name).write_text(content)
    seal(run)
    assert faulty(run)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("findings.json", lambda document: a_failed(document).update(reason=["a"])),
        ("findings.json", lambda document: a_failed(document)["observed"].append({"path": "a", "value": 1, "evidence": [1]})),
        ("findings.json", lambda document: document.update(generated_at="soon")),
        ("run.json", lambda document: document.update(chapters={"00_scope": 1})),
        ("snapshot.json", lambda document: document["readings"][0].update(call=7)),
        ("changes.json", lambda document: document.update(remarks=[None])),
    ],
)  # fmt: skip
def test_a_part_of_another_shape_is_named(run: Path, name: str, change: Callable[[Any], None]) -> None:
    edit(run, name, change)
    (told,) = [each.sentence for each in verify(run) if each.outcome is Outcome.BAD]
    assert name in told and "is damaged" in told


def test_an_address_that_is_none_is_named(run: Path) -> None:
    lines = (run / "requests.jsonl").read_text().splitlines()
    first = json.loads(lines[0]) | {"url": "https://[31mX/subscriptions"}
    (run / "requests.jsonl").write_text("\n".join([json.dumps(first), *lines[1:], ""]))
    seal(run)
    (told,) = [each.sentence for each in verify(run) if each.outcome is Outcome.BAD]
    assert "requests.jsonl, line 1, is no line of evidence" in told


def test_what_a_tenant_wrote_begins_no_line_of_an_error(run: Path) -> None:
    def rename(document: Any) -> None:
        for each in document["findings"]:
            each["subject"] += "\ngood  files"

    edit(run, "findings.json", rename)
    with pytest.raises(InputError, match="name one of") as told:
        explain(open_bundle(run), "IAM-01")
    assert "\n" not in str(told.value) and "\\u000agood  files" in str(told.value)


def test_another_catalogue_is_a_note_and_no_fault(run: Path) -> None:
    def older(document: Any) -> None:
        document["catalogue_version"] = "2025.1"
        a_failed(document).update(reason="It was worded otherwise.")

    edit(run, "findings.json", older)
    found = {each.what: each for each in verify(run)}
    assert found["findings"].outcome is Outcome.NOTE and len(found["findings"].listed) == 1


@needs_ssh
def test_a_signature_is_openssh_s_own(run: Path, key: Path, tmp_path: Path) -> None:
    sign(run, key)
    allowed = allowing(key, "auditor@example.org", tmp_path)
    words = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        allowed,
        "-I",
        "auditor@example.org",
        "-n",
        "file",
        "-s",
        run / "SHA256SUMS.sig",
    ]
    with (run / "SHA256SUMS").open("rb") as sums:
        done = subprocess.run(words, stdin=sums, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {each.what: each for each in verify(run, allowed)}
    assert found["signature"].outcome is Outcome.GOOD and "auditor@example.org" in found["signature"].sentence
    assert set(outcomes(run).values()) == {"good", "note"}


@needs_ssh
def test_a_signature_is_not_good_for_other_digests_or_from_another_key(run: Path, key: Path, tmp_path: Path) -> None:
    sign(run, key)
    stranger = allowing(new_key(tmp_path / "stranger"), "stranger", tmp_path)
    assert outcomes(run, stranger)["signature"] == "bad"
    edit(run, "run.json", lambda document: document.update(python="4"))
    assert outcomes(run)["signature"] == "bad"
    (run / "SHA256SUMS.sig").write_text("no signature")
    assert outcomes(run)["signature"] == "bad"
    (run / "SHA256SUMS.sig").unlink()
    assert outcomes(run)["signature"] == "note"
    assert outcomes(run, stranger)["signature"] == "bad"


@needs_ssh
def test_no_byte_of_a_signature_can_be_changed_unnoticed(run: Path, key: Path, tmp_path: Path) -> None:
    allowed = allowing(key, "auditor", tmp_path)
    path = sign(run, key)
    content = path.read_bytes()
    for at in (*range(0, len(content), 23), *range(len(content) - 40, len(content))):
        changed = bytearray(content)
        changed[at] ^= 1
        path.write_bytes(changed)
        with pytest.raises(UnsignedError):
            signer(run, allowed)
    for other in (content + b"x", content[:-1], b"\n" + content, b"", content.replace(b"\n", b"\r\n")):
        path.write_bytes(other)
        with pytest.raises(UnsignedError):
            signer(run, allowed)


@needs_ssh
def test_what_ssh_keygen_overlooks_in_a_signature_is_seen(run: Path, key: Path, tmp_path: Path) -> None:
    """Version 0, and words in the reserved field, which nobody signed: to ssh-keygen both are good."""
    allowed = allowing(key, "auditor", tmp_path)
    path = sign(run, key)
    begin, *body, end = path.read_bytes().split(b"\n")[:-1]
    blob = base64.b64decode(b"".join(body))
    reserved = b"\0\0\0\4file\0\0\0\0"
    assert blob[6:10] == b"\0\0\0\1" and reserved in blob
    older = blob[:9] + b"\0" + blob[10:]
    noted = blob.replace(reserved, b"\0\0\0\4file\0\0\0\4mine")
    for other in (older, noted):
        again = base64.b64encode(other)
        lines = [again[at : at + 70] for at in range(0, len(again), 70)]
        path.write_bytes(b"\n".join([begin, *lines, end, b""]))
        verify = ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "auditor", "-n", "file", "-s", path]
        with (run / "SHA256SUMS").open("rb") as sums:
            alone = subprocess.run(verify, stdin=sums, capture_output=True)
        assert other is noted or alone.returncode == 0
        with pytest.raises(UnsignedError):
            signer(run, allowed)


DUMMY_TOKEN = Path("/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so")
"""OpenSSH's own stand-in for a hardware token, of its regression tests (Debian's package openssh-tests)."""
needs_token = pytest.mark.skipif(not DUMMY_TOKEN.exists(), reason="OpenSSH's dummy token (openssh-tests) is not here")


@needs_ssh
@pytest.mark.parametrize(
    ("kind", "bits"),
    [
        ("ecdsa", "256"),
        ("ecdsa", "521"),
        ("rsa", "3072"),
        pytest.param("ed25519-sk", "256", marks=needs_token),
        pytest.param("ecdsa-sk", "256", marks=needs_token),
    ],
)
def test_keys_of_every_kind_sign(kind: str, bits: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_SK_PROVIDER", str(DUMMY_TOKEN))
    own = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-b", bits, "-N", "", "-C", "", "-f", own], check=True)
    (tmp_path / "SHA256SUMS").write_text("0" * 64 + "  run.json\n")
    allowed = allowing(own, "auditor", tmp_path)
    sign(tmp_path, own)
    found = signer(tmp_path, allowed)
    assert (found.kind, found.principal) == (kind.upper(), "auditor")
    verify_it = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        allowed,
        "-I",
        "auditor",
        "-n",
        "file",
        "-s",
        tmp_path / "SHA256SUMS.sig",
    ]
    with (tmp_path / "SHA256SUMS").open("rb") as sums:
        assert subprocess.run(verify_it, stdin=sums, capture_output=True).returncode == 0


@needs_ssh
def test_a_signature_made_for_something_else_does_not_count(run: Path, key: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", "git", run / "SHA256SUMS"], check=True)
    with pytest.raises(UnsignedError, match="does not hold"):
        signer(run)


@needs_ssh
def test_the_agent_signs_for_a_public_key(
    run: Path, key: Path, agent: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in agent.items():
        monkeypatch.setenv(name, value)
    subprocess.run(["ssh-add", "-q", key], check=True)
    public = Path(shutil.copy(key.with_suffix(".pub"), tmp_path / "only.pub"))
    check_key(public)
    sign(run, public)
    assert signer(run, allowing(key, "auditor", tmp_path)).principal == "auditor"


@pytest.fixture
def agent() -> Iterator[dict[str, str]]:
    """A real ssh-agent of this test's own."""
    said = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    found = dict(part.split("=", 1) for part in said.replace("\n", "").split(";") if "=" in part)
    yield found
    subprocess.run(
        ["ssh-agent", "-k"], env={**found}, capture_output=True, check=True, executable=shutil.which("ssh-agent")
    )


@needs_ssh
def test_a_key_that_cannot_sign_is_refused_before_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no key"):
        check_key(tmp_path / "none")
    (tmp_path / "text").write_text("not a key")
    with pytest.raises(InputError, match="no SSH key"):
        check_key(tmp_path / "text")


@needs_ssh
def test_a_run_that_could_not_be_signed_is_sealed_and_says_so(run: Path, key: Path, tmp_path: Path) -> None:
    public = Path(shutil.copy(key.with_suffix(".pub"), tmp_path / "alone.pub"))
    with pytest.raises(UnsignedError, match="sealed but not signed"):
        sign(run, public)
    assert not (run / "SHA256SUMS.sig").exists() and not faulty(run)


def test_a_verdict_is_explained_down_to_the_request(original: Path) -> None:
    bundle = open_bundle(original)
    told = explain(bundle, "iam-01", "aoai-brightcart-shop")
    assert told.finding["status"] == "fail"
    (value,) = told.values
    assert (value.path, value.text) == ("account.properties.disableLocalAuth", "absent")
    (source,) = value.origins
    assert source.asked.endswith("/providers/Microsoft.CognitiveServices/accounts")
    assert source.api_version and source.answer == "answered 200" and source.when.endswith("Z")
    line = json.loads(
        next(each for each in (original / "requests.jsonl").read_text().splitlines() if source.line in each)
    )
    assert source.when == line["time"]


def test_what_was_not_assessed_is_explained_by_what_was_not_read(original: Path) -> None:
    bundle = open_bundle(original)
    unknown = next(each for each in bundle.document["findings"] if each["status"] == "not_assessed")
    told = explain(bundle, unknown["control"], unknown["subject"])
    assert told.finding is unknown and told.intent


@pytest.mark.parametrize(
    ("control", "subject", "said"),
    [
        ("IAM-01", "", "name one of"),
        ("IAM-01", "elsewhere", "no subject"),
        ("IAM-99", "", "no finding"),
        ("IAM-01", "accounts", "no subject"),
    ],
)
def test_what_cannot_be_explained_names_the_candidates(original: Path, control: str, subject: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        explain(open_bundle(original), control, subject)


def test_only_a_runs_folder_is_opened(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match=r"no run's folder|no folder"):
            open_bundle(path)
