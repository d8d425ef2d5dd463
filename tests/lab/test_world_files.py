"""World files that a person wrote: laid out, or refused in a sentence with the place in them. `AOAI_FUZZ=N` tries N times as often."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from fuzzing import changes, dumped, fuzzed, spoiled
from hypothesis import given
from tenants import ROOT, TENANTS

from aoai_lib.lab.__main__ import main
from aoai_lib.lab.seed import tenant_of
from aoai_lib.lab.world import load_worlds, read
from aoai_lib.lab.world_form import WorldError, read_file

WORLDS = ROOT / "aoai_lib" / "lab" / "worlds"
WHOLE: Any = read("hardened")
SMALL: Any = {
    **{name: WHOLE[name] for name in ("tenant", "principals", "roleDefinitions", "roleAssignments", "activity")},
    "subscriptions": [{**WHOLE["subscriptions"][0], "resourceGroups": WHOLE["subscriptions"][0]["resourceGroups"][:2]}],
    "logs": WHOLE["logs"][:2],
}


@pytest.mark.parametrize("name", TENANTS)
def test_the_bundled_worlds_are_of_the_form_that_files_must_have(name: str) -> None:
    assert read_file(WORLDS / f"{name}.yaml") == read(name)


def bomb() -> str:
    return "a0: &a0 [1, 1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))


def many_merges() -> str:
    wide = ", ".join(f"k{number}: 1" for number in range(3000))
    return f"a: &a {{{wide}}}\n" + "".join(f"b{number}: {{<<: *a}}\n" for number in range(1000))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "w.yaml, line 1: this is no valid YAML"),
        ("tenant: {slug: a}\ntenant: {slug: b}", "w.yaml, line 1: this is no valid YAML ('tenant' stands twice)"),
        ("[" * 5000, "w.yaml is no YAML text (RecursionError)"),
        ("\x00", "w.yaml is no YAML text (ReaderError)"),
        ("a: " + "9" * 5000, "w.yaml is no YAML text (ValueError)"),
        ("", "w.yaml: the document: Input should be a valid dictionary"),
        ("a: b", "w.yaml: tenant: Field required"),
        ("!!python/object/apply:os.system [id]", "w.yaml, line 1: this is no valid YAML"),
        (bomb(), "w.yaml unfolds to more values than any world holds"),
        ("a: &a {x: 1}\nb: {<<: [*a, *a]}", "w.yaml, line 2: this is no valid YAML (<< takes one mapping)"),
        ("a: &a {x: 1}\nb: {<<: *a, <<: *a}", "w.yaml, line 2: this is no valid YAML (<< takes one mapping)"),
        ("a: &a {<<: *a}", "w.yaml is no YAML text (RecursionError)"),
        (many_merges(), "this is no valid YAML (it unfolds to more values than any world holds)"),
        ("a: [" + "[]," * 500_000 + "]", "w.yaml, line 1: this is no valid YAML (there are more values than in any world)"),
        (json.dumps({**WHOLE, "tenant": {**WHOLE["tenant"], "slug": "../x"}}), "w.yaml: tenant.slug: String should match"),
        (json.dumps({**WHOLE, "tenant": {**WHOLE["tenant"], "now": "noon"}}), "not of the form that it needs (ValueError"),
        (json.dumps({**WHOLE, "logs": [{**WHOLE["logs"][0], "times": 10**9}]}), "w.yaml: logs.0.times: Input should be less"),
        (json.dumps({**WHOLE, "logs": [{**WHOLE["logs"][0], "row": {"TimeGenerated": "noon"}}]}), "w.yaml: logs.0.row: Value error, Invalid isoformat"),
        (json.dumps({**WHOLE, "logs": [{**WHOLE["logs"][0], "workspace": "none"}]}), "hardened: its logs is not of the form"),
        (json.dumps({**WHOLE, "roleAssignments": [{}]}), "hardened: its roles is not of the form"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_world_is_refused_with_the_place_in_it(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, ["--world", str(path)])
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    assert isinstance(done.exception, SystemExit)


def test_a_world_is_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(WorldError, match="no regular file"):
            read_file(path)


@fuzzed(15)
@given(content=changes(SMALL, 2).map(dumped) | spoiled(yaml.safe_dump(SMALL).encode()))
def test_a_changed_world_is_laid_out_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "world.yaml"
    path.write_bytes(content)
    try:
        for world in load_worlds([path]):
            tenant_of(world, "https://localhost:1")
    except WorldError as problem:
        assert str(problem)
