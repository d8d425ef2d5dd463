"""The files in `parameters/`: the schema is fresh, the template tells the truth, the lab's files load."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from aoai_lib.model import Requirements
from aoai_lib.parameters import PROFILES, Hardening, Parameters, Waiver, load, parse

FOLDER = Path(__file__).resolve().parents[1] / "parameters"
TEMPLATE = (FOLDER / "template.yaml").read_text(encoding="utf-8")
LAB = ["exposed", "hardened", "mixed"]


def schema() -> Any:
    return json.loads((FOLDER / "parameters.schema.json").read_text(encoding="utf-8"))


def comments_and_lines() -> str:
    """The template with comment marks and line breaks removed, so that wrapped sentences are found."""
    return " ".join(TEMPLATE.replace("#", " ").split())


def test_the_schema_is_what_the_model_says() -> None:
    written = (FOLDER / "parameters.schema.json").read_text(encoding="utf-8")
    assert written == Parameters.schema_text(), "run: python -m aoai_lib.parameters > parameters/parameters.schema.json"
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_template_is_the_defaults() -> None:
    assert load(FOLDER / "template.yaml") == Parameters()


@pytest.mark.parametrize("model", [Parameters, Requirements, Hardening, Waiver])
def test_the_template_explains_everything(model: Any) -> None:
    for name, field in model.model_fields.items():
        assert " ".join(field.description.split()) in comments_and_lines(), name
        assert f"{name}:" in TEMPLATE


def test_what_the_template_leaves_to_the_profile_is_what_profiles_decide() -> None:
    given = yaml.safe_load(TEMPLATE)["requirements"]
    decided = {name for profile in PROFILES.values() for name in profile}
    assert set(Requirements.model_fields) - set(given) == decided
    for name in decided:
        default = Requirements.model_fields[name].default
        shown = json.dumps(default) if not isinstance(default, str) else default
        assert f"\n  # {name}: {shown}\n" in TEMPLATE


def test_the_waiver_in_the_template_can_be_used() -> None:
    example = TEMPLATE[TEMPLATE.index("# waivers:") :].replace("# ", "", 1).replace("\n# ", "\n")
    read = parse(yaml.load(example, Loader=yaml.BaseLoader))
    assert read.waivers[0].control == "NET-04"


@pytest.mark.parametrize("name", LAB)
def test_the_labs_files_load_and_keep_to_the_schema(name: str) -> None:
    read = load(FOLDER / f"{name}.yaml")
    assert (read.tenant, read.cloud) == (name, "lab")
    jsonschema.validate(
        yaml.load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), Loader=yaml.SafeLoader), schema()
    )


@pytest.mark.parametrize(
    "wrong",
    [{"tennant": "a"}, {"cloud": "azure"}, {"tenant_id": "x"}, {"evidence_days": "3"}, {"requirements": {"a": 1}}],
)
def test_the_schema_refuses_what_the_model_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema())


def test_no_other_file_lies_there() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(
        [*(f"{name}.yaml" for name in LAB), "parameters.schema.json", "template.yaml"]
    )


@pytest.mark.parametrize("name", LAB)
def test_the_labs_files_name_what_is_in_their_worlds(name: str) -> None:
    world = (FOLDER.parent / "aoai_lib" / "lab" / "worlds" / f"{name}.yaml").read_text(encoding="utf-8")
    read = load(FOLDER / f"{name}.yaml")
    asked = read.requirements
    named = [read.tenant_id, *asked.approved_admins, *asked.approved_deployers, *asked.approved_subscriptions]
    named += [vnet.rpartition("/")[2] for vnet in asked.consumer_vnets] + asked.required_blocklists
    assert [one for one in named if one not in world] == []
    assert len(named) > 2
