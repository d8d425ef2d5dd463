"""Trying a name step by step: each way in which a step can fail is told apart, kept as evidence, and never a success."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from probe_stand import NAME, PRIVATE, REFUSED, Stand, http

from aoai_lib.azure.reachability import ROUTE
from aoai_lib.azure.resolution import Server, server_of
from aoai_lib.fleet import environment
from aoai_lib.model import InputError
from aoai_lib.probe.observations import meaning


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with Stand(tmp_path) as made:
        made.lead(PRIVATE)
        yield made


def test_every_step_is_kept_and_nothing_but_a_get_is_sent(stand: Stand) -> None:
    seen, evidence = stand.observe()
    assert [line.method for line in evidence.exchanges] == ["DNS", "DNS", "TCP", "TLS", "GET"]
    assert seen["dns"]["addresses"] == [PRIVATE]
    (reached,) = seen["reached"]
    assert reached["tls"] | {"issuer": "", "expires": ""} == {
        "verified": True,
        "version": "TLSv1.3",
        "names": ["*.openai.azure.com"],
        "issuer": "",
        "expires": "",
        "error": "",
    }
    assert reached["http"]["status"] == 403
    assert reached["http"]["message"] == "Access denied due to Virtual Network/Firewall rules."
    (request,) = stand.requests
    assert request.startswith(f"GET {ROUTE} HTTP/1.1\r\nHost: {NAME}\r\n".encode())
    assert not {b"authorization", b"api-key", b"cookie"} & set(request.lower().replace(b":", b" ").split())
    assert stand.connected == [f"{PRIVATE}:443"]


@pytest.mark.parametrize(
    ("held", "outcome"),
    [
        ("NXDOMAIN", "nxdomain"),
        ("SERVFAIL", "servfail"),
        ("REFUSED", "refused"),
        ([], "no_data"),
        (None, "no_answer"),
        (b"\x00\x01nonsense", "no_answer"),
    ],
)
def test_dns_failures_are_told_apart(stand: Stand, held: Any, outcome: str) -> None:
    stand.zone[NAME, "A"] = stand.zone[NAME, "AAAA"] = held
    seen, evidence = stand.observe()
    assert (seen["dns"]["outcome"], seen["dns"]["addresses"], seen["reached"]) == (outcome, [], [])
    assert stand.connected == []
    errors = [line.error for line in evidence.exchanges if line.error]
    assert bool(errors) == (outcome == "no_answer")


def test_a_chain_that_the_resolver_does_not_follow_is_followed(stand: Stand) -> None:
    private = "contoso.privatelink.openai.azure.com"
    stand.zone[NAME, "A"] = stand.zone[NAME, "AAAA"] = [(NAME, "CNAME", f"{private}.")]
    stand.zone[private, "A"], stand.zone[private, "AAAA"] = [(private, "A", PRIVATE)], []
    seen, evidence = stand.observe()
    assert seen["dns"]["chain"] == [NAME, private]
    assert [each["type"] for each in seen["dns"]["records"]] == ["CNAME", "A"]
    assert [each["ttl"] for each in seen["dns"]["records"]] == [30, 30]
    assert len([line for line in evidence.exchanges if line.method == "DNS"]) == 4


def test_a_circle_of_aliases_ends(stand: Stand) -> None:
    other = "other.openai.azure.com"
    for type_ in ("A", "AAAA"):
        stand.zone[NAME, type_] = [(NAME, "CNAME", f"{other}.")]
        stand.zone[other, type_] = [(other, "CNAME", f"{NAME}.")]
    seen, _ = stand.observe()
    assert (seen["dns"]["outcome"], seen["dns"]["addresses"]) == ("loop", [])


def test_a_chain_without_end_ends(stand: Stand) -> None:
    names = [NAME, *(f"n{number}.openai.azure.com" for number in range(40))]
    for here, there in pairwise(names):
        stand.zone[here, "A"] = stand.zone[here, "AAAA"] = [(here, "CNAME", f"{there}.")]
    seen, evidence = stand.observe()
    assert seen["dns"]["outcome"] == "loop"
    assert len(evidence.exchanges) < 40


def test_an_answer_that_is_cut_short_is_asked_for_over_tcp(stand: Stand) -> None:
    stand.truncates = True
    seen, evidence = stand.observe()
    assert seen["dns"]["addresses"] == [PRIVATE]
    assert evidence.exchanges[0].body["protocol"] == "tcp"


def test_every_address_is_tried(stand: Stand) -> None:
    stand.lead(PRIVATE, "10.0.0.5")
    seen, evidence = stand.observe()
    assert [each["address"] for each in seen["reached"]] == [PRIVATE, "10.0.0.5"]
    assert len({line.id for line in evidence.exchanges}) == len(evidence.exchanges)


@pytest.mark.parametrize(
    ("at_gateway", "step", "error"),
    [
        ("refuse", "tcp", "refused"),
        ("silent", "tcp", "timeout"),
        ("plain", "tls", "no TLS"),
        ("hang up", "tls", "no TLS"),
    ],
)
def test_a_connection_that_fails_is_kept(stand: Stand, at_gateway: str, step: str, error: str) -> None:
    stand.at_gateway = at_gateway
    (reached,) = stand.observe()[0]["reached"]
    assert reached[step]["error"].startswith(error) or reached[step]["error"].startswith("broken off")
    assert reached["tcp"]["connected"] is (step == "tls")
    assert reached["tls"]["verified"] is False
    assert reached["http"]["status"] is None


def test_a_certificate_for_other_names_is_shown_and_not_accepted(tmp_path: Path) -> None:
    with Stand(tmp_path, "proxy.example.org") as stand:
        stand.lead(PRIVATE)
        (reached,) = stand.observe()[0]["reached"]
    assert reached["tls"]["verified"] is False
    assert reached["tls"]["names"] == ["proxy.example.org"]
    assert "Hostname mismatch" in reached["tls"]["error"]
    assert reached["http"]["status"] is None
    assert [each for each in stand.requests if each] == []


def test_a_certificate_of_an_unknown_issuer_is_not_accepted(tmp_path: Path) -> None:
    with Stand(tmp_path, trusted=False) as stand:
        stand.lead(PRIVATE)
        (reached,) = stand.observe()[0]["reached"]
    assert (reached["tls"]["verified"], reached["tls"]["names"]) == (False, None)
    assert reached["tls"]["error"].startswith("not verified: ")
    assert stand.requests == []


@pytest.mark.parametrize(
    ("reply", "status", "code", "message"),
    [
        (http(401, b'{"error":{"code":"401","message":"Access denied."}}'), 401, "401", "Access denied."),
        (http(403, b'{"code":"Forbidden","message":"No."}'), 403, "Forbidden", "No."),
        (http(404, b'{"error":{"code":404,"message":"Resource not found"}}'), 404, "404", "Resource not found"),
        (http(502, b"<html>busy</html>", "text/html"), 502, "", "<html>busy</html>"),
        (http(200, b"[1]"), 200, "", ""),
        (http(500, b'{"error":"flat"}'), 500, "", "flat"),
        (http(200, b"[" * 900 + b"]" * 900), 200, "", "[" * 500),
        (http(403, b'{"error":{"code":{"a":1},"message":["x"]}}'), 403, "{'a': 1}", ""),
        (http(403, b'{"error":{"message":"' + b"x" * 5000 + b'"}}'), 403, "", "x" * 500),
    ],
)
def test_http_answers_are_told_apart(stand: Stand, reply: bytes, status: int, code: str, message: str) -> None:
    stand.reply = reply
    (reached,) = stand.observe()[0]["reached"]
    assert (reached["http"]["status"], reached["http"]["code"], reached["http"]["message"]) == (status, code, message)


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", http(403, REFUSED)[:-20]])
def test_what_is_no_http_answer_has_no_status(stand: Stand, reply: bytes) -> None:
    stand.reply = reply
    (reached,) = stand.observe()[0]["reached"]
    assert reached["http"]["status"] is None
    assert reached["http"]["error"]


def test_a_server_that_drips_is_given_up(stand: Stand) -> None:
    stand.pause = 0.1
    began = time.monotonic()
    (reached,) = stand.observe()[0]["reached"]
    assert reached["http"] | {"message": ""} == {"status": None, "code": "", "message": "", "error": "timeout"}
    assert time.monotonic() - began < 5


def test_a_secret_in_an_answer_is_not_kept(stand: Stand) -> None:
    stand.reply = http(200, json.dumps({"key1": "0123456789abcdef0123456789abcdef"}).encode())
    _, evidence = stand.observe()
    assert evidence.exchanges[-1].body["key1"].startswith("redacted:")


def test_a_proxy_is_not_used_and_mentioned(stand: Stand) -> None:
    with environment({"HTTPS_PROXY": "http://someone:pass@127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}):
        seen, evidence = stand.observe()
    assert seen["proxy"] is True
    assert seen["reached"][0]["http"]["status"] == 403
    assert "someone" not in json.dumps([line.headers for line in evidence.exchanges])


def test_a_proxy_that_is_not_for_this_name_is_not_mentioned(stand: Stand) -> None:
    with environment({"https_proxy": "http://127.0.0.1:9", "no_proxy": ".azure.com"}):
        assert stand.observe()[0]["proxy"] is False


def test_lines_have_the_same_names_in_every_run(stand: Stand) -> None:
    first, second = stand.observe()[1], stand.observe()[1]
    assert [line.id for line in first.exchanges] == [line.id for line in second.exchanges]


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("10.0.0.4", Server("10.0.0.4")),
        ("10.0.0.4:5353", Server("10.0.0.4", 5353)),
        ("fd00::4", Server("fd00::4")),
        ("[fd00::4]:5353", Server("fd00::4", 5353)),
    ],
)
def test_a_resolver_is_an_address(text: str, server: Server) -> None:
    assert server_of(text) == server


@pytest.mark.parametrize("text", ["dns.example.org", "10.0.0.4:0", "10.0.0.4:dns", "10.0.0.4:99999", "[fd00::4", ""])
def test_a_resolver_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no IP address"):
        server_of(text)


@pytest.mark.parametrize(
    ("label", "known"),
    [
        ("inside", "inside"),
        ("on_premises", "on_premises"),
        ("outside-berlin", "outside"),
        ("Peered.claims", "peered"),
        ("insider", ""),
        ("branch-inside", ""),
    ],
)
def test_a_label_means_what_it_begins_with(label: str, known: str) -> None:
    assert meaning(label) == known
