"""Redaction: every kind of secret in every wrapping; what is judged stays; masks can be joined and not undone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import Any

import pytest
from secret_samples import Secret, drawn, forms, named_secrets, secrets, wrapped
from tenants import ROOT

from aoai_lib.evidence.masking import comparable, is_mask, mask
from aoai_lib.evidence.redaction import keep_headers, redact, redact_text, redact_url
from aoai_lib.harden.wire import differences

SECRETS = [*secrets("redaction")]


def leaks(text: str, core: str) -> list[bytes]:
    content = text.encode("utf-8", "replace")
    return [form for form in forms(core) if form in content]


@pytest.mark.parametrize("wrapping", list(wrapped("")))
@pytest.mark.parametrize("secret", SECRETS, ids=lambda each: each.kind)
def test_a_secret_is_masked_in_every_wrapping(secret: Secret, wrapping: str) -> None:
    text = wrapped(secret.text)[wrapping]
    for kept in (redact_text(text), redact_text(f"{text}\n"), json.dumps(redact({"properties": {"note": text}}))):
        assert not leaks(kept, secret.core), kept
        assert "redacted:" in kept or "redacted%3A" in kept


@pytest.mark.parametrize("wrapping", list(wrapped("")))
@pytest.mark.parametrize("secret", SECRETS, ids=lambda each: each.kind)
def test_a_secret_is_masked_among_other_words(secret: Secret, wrapping: str) -> None:
    text = wrapped(secret.text)[wrapping]
    kept = {
        "behind words": redact_text(f"Shop front, moved in May {text}"),
        "first of two": redact_text(f"not JSON {text}\nand more"),
        "in a page": redact_text(f"<html>{text} {text}</html>"),
        "in a log": json.dumps(redact({"columns": [{"name": "Note"}], "rows": [[json.dumps({"note": f"a {text}"})]]})),
    }
    assert {where: text for where, text in kept.items() if leaks(text, secret.core)} == {}


@pytest.mark.parametrize("secret", SECRETS, ids=lambda each: each.kind)
def test_redacting_again_changes_nothing(secret: Secret) -> None:
    for text in wrapped(secret.text).values():
        kept = redact_text(text)
        assert redact_text(kept) == kept


@pytest.mark.parametrize("text", ["password\uff1a{}", "api_key\uff1d{}", "pass\u200bword\u00ad={}", "password := {}"])
def test_signs_that_only_look_alike_or_do_not_show_hide_nothing(text: str) -> None:
    secret = drawn("wide", 14)
    for wrapped_text in (text, json.dumps({"note": text}), text.encode().hex()):
        written = wrapped_text.replace("{}", secret).replace(b"{}".hex(), secret.encode().hex())
        kept = redact_text(written)
        assert not leaks(kept, secret) and "redacted:" in kept, kept


@pytest.mark.parametrize(
    "text",
    [
        "The password policy asks for 14 signs; the pwd expires in 90 days.",
        "docker run -u 1000:1000 -p8080:80 image",
        "<key>name</key><tokens>12</tokens><a>b</a>",
        '[{"name": "maxTokens", "value": "128"}, {"name": "keyName", "value": "primary"}]',
        "ssh://git@github.com/o/r and https://lena.brandt@contoso.example/x",
        "'tokens' => '128'",
        "description: |\n  All is well.\n",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "5b0e2a14-3c77-4f0e-9d61-2a8c4e6f1b01",
    ],
)
def test_what_only_resembles_a_notation_of_a_secret_is_kept(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize(("name", "value"), [*named_secrets("names")])
def test_the_name_gives_a_short_secret_away(name: str, value: str) -> None:
    bodies: list[Any] = [
        {name: value},
        {"tags": {name: value}},
        {"name": name, "value": value},
        {"parameters": {name: {"type": "securestring", "value": value}}},
        {name: [value]},
        {"properties": {"requestbody": json.dumps({"properties": {name: value}})}},
        {"tables": [{"columns": [{"name": "a"}, {"name": name}], "rows": [["x", value]]}]},
        {"tables": [{"columns": [{"name": "properties_s"}], "rows": [[json.dumps({name: value})]]}]},
        f"{name}={value}",
        f'{name}: "{value}"',
        f"before; {name} = '{value}' after",
        f"{{\\\"{name}\\\":\\\"{value}\\\"",
    ]  # fmt: skip
    for body in bodies:
        kept = json.dumps(redact(body))
        assert value not in kept, kept
        assert "redacted:" in kept


def test_what_was_said_to_a_model_is_masked_in_logs() -> None:
    said = "the flamingo wears a velvet hat"
    columns = [
        {"name": name} for name in ("RequestMessages", "ResponseMessages", "ResponseBody", "properties_s", "Model")
    ]
    cells = [
        json.dumps([{"role": "user", "content": said}]),
        said,
        said,
        json.dumps({"prompt": said, "modelName": "m"}),
        "m",
    ]
    kept = json.dumps(redact({"tables": [{"columns": columns, "rows": [cells]}]}))
    assert "flamingo" not in kept
    assert kept.count("redacted:") == 4


def test_credentials_of_a_connection_are_masked_and_its_kind_is_not() -> None:
    kept = redact(
        {"credentials": {"type": "ApiKey", "key": "tiny", "keys": {"a": "b7"}}, "target": "https://x.example/"}
    )
    assert kept["credentials"]["type"] == "ApiKey"
    assert is_mask(kept["credentials"]["key"]) and is_mask(kept["credentials"]["keys"]["a"])
    assert kept["target"] == "https://x.example/"


def test_of_an_address_that_lets_post_the_host_is_kept() -> None:
    kept = redact({"webhookReceivers": [{"name": "pager", "serviceUri": "https://pager.example/alerts/8821?x=1"}]})
    assert kept["webhookReceivers"][0]["serviceUri"].startswith("https://pager.example/redacted:")
    assert "8821" not in json.dumps(kept)


EVIDENCE = {
    "id": "/subscriptions/2E9A6B71-04cd-4f8e-a1b3-5c6d7e8f9003/resourceGroups/RG-Shop-Prod-EUS2/providers/Microsoft.CognitiveServices/accounts/aoai-Prod01-WestEurope-2",
    "digest": hashlib.sha256(b"x").hexdigest(),
    "etag": 'W/"datetime\'2026-11-23T09%3A00%3A00.1234567Z\'"',
    "internalId": "3a9839f2c31454d6925d06043dfc89fd",
    "keyVaultProperties": {"keyName": "cmk-aoai", "keyVersion": "6e1d6a2f0f9b4c1c9a44d0f5a7b3c210", "keyVaultUri": "https://kv.vault.azure.net/"},
    "keyIdentifier": "https://kv.vault.azure.net/keys/cmk/6e1d6a2f0f9b4c1c9a44d0f5a7b3c210",
    "secretUri": "https://kv.vault.azure.net/secrets/db",
    "rules": [{"key": "openai.dalle.post", "count": 3.0, "matchPatterns": [{"path": "openai/*", "method": "*"}]}],
    "capabilities": {"maxTokens": "4096", "tokensPerMinute": "1000", "responses": "true"},
    "authentication": "basic authentication is off; key authentication: on",
    "disableLocalAuth": True,
    "model": "gpt-4o-mini-2024-07-18",
    "source": "Prompt",
    "requestMessage": "please approve",
    "query": 'AzureDiagnostics | extend ApiKey = tostring(p.key), Authorization = parse_json(a) | where Password == "" and Secret != "x"',
    "nextLink": "https://management.azure.com/subscriptions/x/accounts?api-version=2025-09-01&%24skiptoken=eyJuZXh0IjoyfQ%3D%3D",
    "passwordCredentials": 2,
    "sentence": "no token: no managed identity here",
    "address": "2603:1020:5::2f, 203.0.113.0/24",
    "cipher": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "certificate": "CN=*.openai.azure.com, O=Microsoft Corporation",
    "percent": "rg%20shop 100% of 5%",
    "empty": {"password": "", "secret": None, "adminPassword": "Disabled"},
}  # fmt: skip


@pytest.mark.parametrize("name", EVIDENCE)
def test_what_controls_judge_stays(name: str) -> None:
    assert redact({name: EVIDENCE[name]}) == {name: EVIDENCE[name]}


@pytest.mark.parametrize(
    "file", sorted((ROOT / "aoai_lib" / "detections" / "files").glob("*.yaml")), ids=lambda each: each.stem
)
def test_questions_to_logs_stay(file: Any) -> None:
    text = file.read_text(encoding="utf-8")
    assert redact_text(text) == text


def test_a_secret_has_the_same_mask_wherever_it_stands() -> None:
    key = next(each.core for each in SECRETS if each.kind == "storage key")
    places = [key, f"AccountKey={key};", json.dumps({"x": key}), f"see {key} now", f"?code={key}"]
    assert all(mask(key) in redact_text(each) for each in places)
    assert mask(key) in json.dumps(redact({"key1": key, "tags": {key: "as a name"}}))
    assert len({mask(each.core) for each in SECRETS}) == len(SECRETS)
    short = "hunter2"
    assert mask(short) == redact({"password": short})["password"] and mask(short) in redact_text(f"pwd={short};")


def test_a_word_can_t_be_guessed_from_its_mask_and_a_key_is_the_same_in_every_run() -> None:
    words = ["hunter2", "Summer2026!", "1234", drawn("key", 32, "0123456789abcdef")]
    script = f"from aoai_lib.evidence.masking import mask; print(*map(mask, {words!r}))"
    other = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    own = [mask(each) for each in words]
    assert [one == two for one, two in zip(own, other, strict=True)] == [False, False, False, True]
    assert all(hashlib.sha256(each.encode()).hexdigest()[:12] not in mask(each) for each in words[:3])
    assert [comparable(each) for each in own] == [comparable(each) for each in other]


def test_masks_of_two_runs_are_no_change() -> None:
    before, after = ({"tags": {"password": f"redacted:run-{each * 12}"}, "sku": "S0"} for each in "ab")
    assert [*differences(before, after)] == []
    assert [*differences({"key": f"redacted:{'a' * 12}"}, {"key": f"redacted:{'b' * 12}"})]


def test_a_link_to_a_next_page_is_kept_as_the_request_for_it_is() -> None:
    sig, token = drawn("sig", 43), drawn("skip", 60)
    link = f"https://management.azure.com/subscriptions/a/accounts?api-version=1&%24skiptoken={token}&sig={sig}%3D"
    kept = redact({"value": [], "nextLink": link})["nextLink"]
    assert kept == redact_url(link) == redact_url(kept)
    assert sig not in kept and "api-version=1" in kept


def test_headers_are_kept_by_name_and_without_secrets() -> None:
    key = SECRETS[0].core
    kept = keep_headers({"ETag": f'W/"{key}"', "Set-Cookie": "a=b", "X-Ms-Operation-Identifier": "x", "api-key": key})
    assert list(kept) == ["etag"] and key not in kept["etag"]


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", '{"a": "\\ud800"}', {"\udc00": ["\udc00"]}])
def test_half_of_a_surrogate_pair_is_replaced(text: Any) -> None:
    json.dumps(redact(text), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "A1",
        "=",
        "a=",
        "key: ",
        "bearer ",
        "%41",
        "\\u0041",
        "&amp;",
        '"',
        "{",
        "://a:",
        "-----BEGIN PRIVATE KEY",
        "a-",
        "eyJa.",
    ],
)
def test_a_megabyte_takes_no_more_than_its_share(piece: str) -> None:
    """Twenty times as long takes some twenty times as long: nothing here grows with the square."""
    redact_text(piece * (1_000_000 // len(piece)))
