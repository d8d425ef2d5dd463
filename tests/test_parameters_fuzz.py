"""Whatever a file holds, reading it gives parameters or one kind of error, and nothing is read in two ways."""

import json
from typing import Any

import yaml
from fuzzing import fuzzed
from hypothesis import example, given
from hypothesis import strategies as st
from papermill.iorw import NoDatesSafeLoader

from aoai_lib.model import InputError, Requirements
from aoai_lib.parameters import Parameters, parse
from aoai_lib.secret_shapes import kind_of
from aoai_lib.strict_yaml import parse_text

NAMES = st.sampled_from([*Parameters.model_fields, *Requirements.model_fields, "control", "expires", "tennant", "key"])
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=40),
    st.sampled_from(["lab", "NO", "010", "1:30", "2027-01-31", "=", "<<", "", "Low"]),
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=4)
)
FRAGMENTS = st.sampled_from(
    [
        *"abc019 :-[]{},#&*!|>'\"%@`?~\n\t=<.\\",
        ": ",
        "- ",
        "\n  ",
        "tenant",
        "yes",
        "0x1",
        "\\U",
        "<<",
        "---\n",
        "...\n",
        "\u2028",
    ]
)


@fuzzed(200)
@given(st.dictionaries(NAMES | st.text(max_size=8), VALUES, max_size=5))
def test_a_mapping_is_parameters_or_an_input_error(values: dict[str, Any]) -> None:
    try:
        read = parse(values)
    except InputError as error:
        assert str(error).encode("utf-8", "backslashreplace")
    else:
        assert parse(read.model_dump(mode="json")) == read


@fuzzed(400)
@given(st.lists(FRAGMENTS, max_size=30).map("".join) | st.text(max_size=60))
@example('"\\U00110000": a')
@example("a: \ud800")
@example("%YAML 9.9\n---\na: b")
@example("? a\n? b")
def test_a_text_is_a_document_or_an_input_error_and_read_as_papermill_reads_it(text: str) -> None:
    try:
        document = parse_text(text, "fuzz")
    except InputError as error:
        assert str(error).startswith("fuzz")
    else:
        assert document.value == yaml.load(text, Loader=NoDatesSafeLoader)
        assert all(1 <= line <= text.count("\n") + text.count("\u2028") + 1 for line in document.lines.values())


@fuzzed(200)
@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=5))
def test_json_is_yaml_too(values: dict[str, Any]) -> None:
    text = json.dumps(values)
    try:
        document = parse_text(text, "fuzz")
    except InputError:
        return
    assert document.value == json.loads(text)


@fuzzed(300)
@given(st.uuids().map(str) | st.ip_addresses().map(str) | st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True))
def test_ids_addresses_and_names_are_not_taken_for_secrets(text: str) -> None:
    assert kind_of(text) is None
