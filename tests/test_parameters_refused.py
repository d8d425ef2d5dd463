"""What parameters refuse: each with file, line, and what to do instead; no secret is repeated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aoai_lib.model import InputError
from aoai_lib.parameters import load, parse

# Shapes only: none of these was ever a secret, and each is put together here so that scanners of sources stay quiet.
HEX_KEY = "0123456789abcdef" * 2
LONG_KEY = "7Hq2" * 21
JWT = "eyJ" + "hbGciOiJub25lIn0" + ".eyJ" + "zdWIiOiJub2JvZHkifQ" + "."
STORAGE_KEY = "Ab1+" * 21 + "Ab=="
ENTRA_SECRET = "abc8Q" + "~" + "x7K." * 8 + "ab"
OLD_ENTRA_SECRET = "aB3" + "~" + "kL9_" * 8


def refusal(folder: Path, text: str | bytes) -> str:
    path = folder / "t.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError) as caught:
        load(path)
    return str(caught.value).replace(str(path), "t.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tenant: a\ntennant_id: x\n", "t.yaml, line 2: unknown parameter 'tennant_id'; did you mean tenant_id."),
        ("tenantId: x\n", "t.yaml, line 1: unknown parameter 'tenantId'; did you mean tenant_id."),
        ("colour: red\n", "t.yaml, line 1: unknown parameter 'colour'; remove it."),
        ("retention_days: 30\n", "t.yaml, line 1: unknown parameter 'retention_days'; it belongs under requirements."),
        (
            "requirements:\n  retention-day: 30\n",
            "t.yaml, line 2: unknown parameter 'retention-day'; did you mean retention_days.",
        ),
        (
            "requirements:\n  vantage: inside\n",
            "t.yaml, line 2: unknown parameter 'vantage'; it belongs at the left margin.",
        ),
        (
            "waivers:\n- {control: NET-01, reason: r, owner: o, expire: 2027-01-01, expires: 2027-01-01}\n",
            "t.yaml, line 2: unknown parameter 'expire'; did you mean expires.",
        ),
        (
            "tenant: a\ncloud: lab\ntenant: b\n",
            "t.yaml, line 3: 'tenant' stands here again (first on line 1); keep one",
        ),
        ("requirements:\n  residency: any\n  residency: region\n", "t.yaml, line 3: 'residency' stands here again"),
        ("cloud: azure\n", "t.yaml, line 1: cloud must be public, usgov, china or lab; it is 'azure'."),
        ("tenant_id: contoso.com\n", "t.yaml, line 1: tenant_id must be a GUID with its dashes"),
        ("subscriptions:\n- Production\n", "t.yaml, line 2: subscriptions[0] must be a GUID with its dashes"),
        ("subscriptions: 5\n", 't.yaml, line 1: subscriptions must be a list (lines that begin with "- "'),
        ("tenant: 12\n", "t.yaml, line 1: tenant must be text (put a number or truth value in quotes); it is 12."),
        ("tenant:\n", "t.yaml, line 1: tenant must be text (put a number or truth value in quotes); it is empty."),
        ("tenant: ../../etc\n", "t.yaml, line 1: tenant must be 1 to 64 letters"),
        ("tenant: .git\n", "t.yaml, line 1: tenant must be 1 to 64 letters"),
        (f"tenant: {'a' * 65}\n", "t.yaml, line 1: tenant must be 1 to 64 letters"),
        ("tenant: NUL.txt\n", "t.yaml, line 1: tenant 'NUL.txt' cannot be a folder's name on Windows"),
        ("active_probes: 1\n", "t.yaml, line 1: active_probes must be true or false; it is 1."),
        ("active_probes: 'true'\n", "t.yaml, line 1: active_probes must be true or false; it is 'true'."),
        ("evidence_days: 91\n", "t.yaml, line 1: evidence_days must be 90 or less; it is 91."),
        ("evidence_days: 1.5\n", "t.yaml, line 1: evidence_days must be a whole number; it is 1.5."),
        ("evidence_days: true\n", "t.yaml, line 1: evidence_days must be a whole number; it is True."),
        ("requirements: strict\n", 't.yaml, line 1: requirements must hold "name: value" lines of its own'),
        ("accounts: ['a[b]']\n", "t.yaml, line 1: accounts[0] must be an account's name, a pattern"),
        ("accounts: [/subscriptions/x]\n", "t.yaml, line 1: accounts[0] is not the ARM id of an account"),
        (
            "requirements: {approved_source_ranges: [10.0.0.1/8]}\n",
            "approved_source_ranges[0] must be a range, as in 10.1.0.0/16: 10.0.0.1/8 has host bits set.",
        ),
        ("requirements: {approved_admins: [Anna]}\n", "approved_admins[0] must be a GUID with its dashes"),
        ("requirements: {consumer_vnets: [hub]}\n", "consumer_vnets[0] must be the ARM id of a virtual network"),
        ("requirements: {allowed_regions: ['']}\n", "requirements.allowed_regions[0] must not be empty"),
        ("waivers:\n- control: NET-01\n  reason: r\n  owner: o\n", "t.yaml, line 2: waivers[0] lacks expires; add it."),
        (
            "waivers:\n- {control: net1, reason: r, owner: o, expires: 2027-01-01}\n",
            "t.yaml, line 2: waivers[0].control must be the id of a control, as in NET-01; it is 'net1'.",
        ),
        (
            "waivers:\n- {control: NET-01, reason: r, owner: o, expires: 2027-02-30}\n",
            "t.yaml, line 2: waivers[0].expires must be a day, as in 2027-01-31; it is '2027-02-30'.",
        ),
    ],
)
def test_wrong_parameters_are_named_with_the_mend(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("NO", "YAML may read NO as a truth value; write true or false, or quote the text."),
        ("on", "YAML may read on as a truth value"),
        ("Yes", "YAML may read Yes as a truth value"),
        ("y", "YAML may read y as a truth value"),
        ("True", "YAML may read True as a truth value"),
        ("010", "YAML readers disagree about '010'; write a plain number, or quote the text."),
        ("0x1F", "YAML readers disagree about '0x1F'"),
        ("0o17", "YAML readers disagree about '0o17'"),
        ("1_000", "YAML readers disagree about '1_000'"),
        ("12:30:45", "YAML readers disagree about '12:30:45'"),
        ("1e3", "YAML readers disagree about '1e3'"),
        (".inf", "YAML readers disagree about '.inf'"),
        ("9" * 400, "YAML readers disagree about '999"),
        ("=", "= has a special meaning in YAML; put it in quotes."),
        ("!!python/object/apply:os.system [id]", "tags, an exclamation mark before a value, are not supported"),
        ("!!str NO", "tags, an exclamation mark before a value, are not supported"),
        ("&x a", "anchors and aliases are not supported, write the value out"),
        ("[" * 40 + "]" * 40, "it is nested too deeply"),
        (r'"\e"', "this text holds a control character; remove it."),
        (r'"\ud800"', "this text holds a control character; remove it."),
        (r'"\UFFFFFFFF"', "an escape in double quotes stands for no character; use single quotes."),
    ],
)
def test_traps_of_yaml_are_not_guessed(tmp_path: Path, value: str, message: str) -> None:
    said = refusal(tmp_path, f"cloud: lab\ntenant: {value}\n")
    assert message in said
    assert "line 2" in said or "escape" in said
    assert len(said) < 250


@pytest.mark.parametrize("key", ["on", "1", "~", "? [a]", "? {a: b}", "<<"])
def test_a_name_that_is_not_plain_text_is_refused(tmp_path: Path, key: str) -> None:
    assert refusal(tmp_path, f"tenant: a\n{key}: {{cloud: lab}}\n").startswith("t.yaml, line 2: ")


def test_references_cannot_blow_up(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    assert "line 1: this is not valid YAML (anchors and aliases are not supported" in refusal(tmp_path, bomb)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "t.yaml is empty; start from parameters/template.yaml."),
        (b"# only a comment\n", "t.yaml is empty"),
        (b"- a\n- b\n", 't.yaml does not hold "name: value" lines'),
        (b"just words\n", 't.yaml does not hold "name: value" lines'),
        (b"tenant: [a\ncloud: lab\n", "t.yaml, line 2: this is not valid YAML"),
        (b"tenant: a\n\tcloud: lab\n", "t.yaml, line 2: this is not valid YAML"),
        (b"tenant: a\n---\ntenant: b\n", "t.yaml, line 2: this is not valid YAML"),
        (b"tenant: a\ncloud: \x01\n", "t.yaml, line 2: a control character is not allowed in YAML; remove it."),
        (b"tenant: a\nvantage: caf\xe9\n", "t.yaml, line 2, can't be read as text: save the file as UTF-8."),
        ("tenant: a\n".encode("utf-16"), "t.yaml, line 1, can't be read as text"),
        (b"# " + b"x" * 1024 * 1024, "t.yaml can't be read: it is larger than 1 MiB"),
    ],
)
def test_a_file_that_holds_no_parameters_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refusal(tmp_path, content)


def test_a_path_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"none\.yaml can't be read: there is no such file\. Name a parameters file, as parameters/template\.yaml",
    ):
        load(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="is a folder and can't be read: name a file"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"can't be read \(Not a directory\)"):
        (tmp_path / "file").touch()
        load(tmp_path / "file" / "t.yaml")
    with pytest.raises(InputError, match=r"can't be read \(File name too long\)"):
        load("x" * 5000)
    with pytest.raises(InputError, match=r"can't be read \(that is no path\)"):
        load("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="it is no regular file"):
        load(tmp_path / "pipe")


def test_more_values_than_a_person_writes_are_refused_early(tmp_path: Path) -> None:
    path = tmp_path / "many.yaml"
    path.write_text("accounts: [" + "[]," * 300_000 + "]\n")
    with pytest.raises(InputError, match="line 1: this is not valid YAML \\(it holds more than 50,000 values"):
        load(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.touch(mode=0o000)
    with pytest.raises(InputError, match=r"can't be read \(Permission denied\)"):
        load(path)


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        (HEX_KEY, "an Azure OpenAI key"),
        (HEX_KEY.upper(), "an Azure OpenAI key"),
        (LONG_KEY, "an Azure OpenAI key"),
        (JWT, "a token (JWT)"),
        (f"https://x.blob.core.windows.net/c?sv=2024&sig={'aB1%2F' * 7}", "a shared access signature"),
        (f"DefaultEndpointsProtocol=https;AccountKey={STORAGE_KEY}", "a connection string"),
        ("Server=db;Password=hunter2", "a connection string"),
        (STORAGE_KEY, "an access key"),
        ("Ab1+" * 10 + "Ab1=", "an access key"),
        (ENTRA_SECRET, "a client secret of an app registration"),
        (OLD_ENTRA_SECRET, "a client secret of an app registration"),
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("https://user:hunter2@example.org", "an address with a password in it"),
        ("Bearer abcdefghijklmnopqrst", "a bearer token"),
        ("sk-proj-abcdefghijklmnopqrst", "an OpenAI key"),
        ("ghp_" + "a1B2" * 9, "a GitHub token"),
    ],
)
@pytest.mark.parametrize(
    "text", ["tenant: a\nvantage: '{}'\n", "tenant: a\nwaivers: [{{reason: '{}'}}]\n", "tenant: a\n# was '{}'\n"]
)
def test_a_secret_is_refused_wherever_it_is_and_never_repeated(
    tmp_path: Path, text: str, secret: str, kind: str
) -> None:
    said = refusal(tmp_path, text.format(secret))
    assert said.startswith("t.yaml, line 2: ")
    assert f"looks like {kind}" in said
    assert secret not in said and secret[-12:] not in said


@pytest.mark.parametrize("key", ["client_secret", "API-Key", "password", "pwd", "key1", "ConnectionString", "token"])
def test_a_parameter_named_like_a_secret_is_refused_without_its_value(tmp_path: Path, key: str) -> None:
    said = refusal(tmp_path, f"requirements:\n  {key}: hunter2\ncloud: nowhere\n")
    assert said.startswith(f"t.yaml, line 2: {key!r} looks like a place for a secret")
    assert "hunter2" not in said and "nowhere" not in said


def test_a_secret_that_only_a_second_line_completes_is_found(tmp_path: Path) -> None:
    said = refusal(tmp_path, f'vantage: a\ntenant: "Account\\\n  Key={"x" * 8}"\n')
    assert said.startswith("t.yaml, line 2: tenant looks like a connection string")


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    said = refusal(tmp_path, "cloud: x\nsubscriptions: [a]\ntenant: 1\n" + "".join(f"z{i}: 1\n" for i in range(12)))
    lines = said.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["t.yaml, line 1", "t.yaml, line 2", "t.yaml, line 3"]
    assert (len(lines), lines[-1]) == (11, "t.yaml: and 5 more.")


def test_a_notebooks_cell_is_refused_in_the_same_words() -> None:
    with pytest.raises(InputError, match=r"^the parameters: cloud must be public, usgov, china or lab; it is 'x'\.$"):
        parse({"cloud": "x"})
    with pytest.raises(InputError, match="has a name that is not text"):
        parse({"requirements": {1: 2}})
