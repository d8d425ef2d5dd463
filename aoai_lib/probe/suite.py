"""The cases that are sent to deployments, read from the files in `cases/` and checked when they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from aoai_lib.guardrails.filters import Family
from aoai_lib.model import InputError, Json, Snapshot

READING: Final = "content_cases"
"""The source of the readings that say what came of the cases: see `content`."""
CANARY_LIST: Final = "aoai-playbook-canary"
"""The blocklist that a hardening makes to have a term to try (`hardening.canary`)."""
FOLDER: Final = Path(__file__).parent / "cases"
Kind = Literal["benign", "borderline", "harm", "jailbreak", "indirect", "protected", "canary"]
Modality = Literal["chat", "stream", "responses", "embeddings", "image"]
_OF_FAMILY: Final[dict[Family, tuple[Modality, ...]]] = {
    Family.TEXT: ("chat", "stream", "responses"),
    Family.EMBEDDINGS: ("embeddings",),
    Family.IMAGES: ("image",),
    Family.SPEECH: (),
}
ANSWER_TOKENS: Final = 64
"""What an answer may have at most: a verdict of the filters needs no more."""


class Case(BaseModel):
    """One case. `category` is spelled as answers spell it, "" for none; `stage` is where it should be looked for; `control` is the
    one that judges it, "" where it is only shown. `document` is put into the prompt as a marked document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9-]{3,40}$")
    title: str
    kind: Kind
    modality: Modality
    prompt: str = Field(min_length=1, max_length=1000)
    provenance: str = Field(min_length=3)
    category: str = ""
    stage: Literal["", "prompt", "completion"] = ""
    control: str = ""
    document: str = ""

    @property
    def text(self) -> str:
        """What is sent: the prompt, and the document in the form by which the service tells it from the prompt (Microsoft Learn,
        "Document embedding in prompts", 2026): JSON-escaped between the tags."""
        if not self.document:
            return self.prompt
        escaped = json.dumps(self.document)[1:-1]
        return f'{self.prompt}\n"""\n<documents>\n{escaped}\n</documents>\n"""\n'

    @property
    def tokens(self) -> int:
        """What it may use at worst: three characters a token, and the longest answer. Pictures are counted by the service."""
        answer = {"embeddings": 0, "image": 7000}.get(self.modality, ANSWER_TOKENS)
        return len(self.text) // 3 + 8 + answer


_Cases: Final = TypeAdapter(list[Case])


def load(path: Path) -> list[Case]:
    """The cases of a file. Raises `InputError` that names file, case and field."""
    try:
        return _Cases.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise InputError(f"{path.name}, case {at}: {first['msg']}.") from None
    except (OSError, yaml.YAMLError) as problem:
        raise InputError(f"{path.name} can't be read: {problem}.") from None


@cache
def suite() -> tuple[Case, ...]:
    """Every case, the harmless ones first: what they show decides whether the others are sent."""
    found = [case for path in sorted(FOLDER.glob("*.yaml")) for case in load(path)]
    ids = [case.id for case in found]
    if twice := {each for each in ids if ids.count(each) > 1}:
        raise InputError(f"Two cases have the id “{min(twice)}”.")
    return tuple(sorted(found, key=lambda case: case.kind != "benign"))


def cases_for(family: Family, *, responses: bool) -> list[Case]:
    """The cases for a family of models; those of the Responses API where the model has it."""
    wanted = _OF_FAMILY[family]
    return [case for case in suite() if case.modality in wanted and (responses or case.modality != "responses")]


def shown(snapshot: Snapshot) -> Iterator[tuple[str, Json]]:
    """Every case that was sent: the deployment's ARM id and what came of the case."""
    for reading in snapshot.of(READING):
        for each in reading.value or []:
            yield reading.scope, each
