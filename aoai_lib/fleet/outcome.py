"""What became of a tenant: told by the process that assessed it, or read from the run that it left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aoai_lib.model import Json


class UnwantedError(Exception):
    """There is no outcome: nobody waits for it any more, and what was at work for it was ended."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a tenant. `problems` are sentences; `refused` says that the input was at fault and nothing is kept.

    `folder` is the finished run, `url` the same where it was uploaded. `strangers` are files of observations in which no name is
    one of this tenant's. `told` are sentences on what changed since the previous run and on accepted risks. `earlier` says that the
    run was finished before, and was not assessed again.
    """

    tenant: str
    folder: Path | None = None
    counts: Json = None
    severities: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    refused: bool = False
    strangers: tuple[Path, ...] = ()
    told: tuple[str, ...] = ()
    url: str = ""
    earlier: bool = False

    @property
    def finished(self) -> bool:
        """Whether there is a whole, sealed run where runs were to go."""
        return bool(self.folder or self.url)

    @property
    def run(self) -> str:
        """The finished run as a name in the place where runs go: `<tenant>/<run id>`."""
        return f"{self.tenant}/{self.folder.name if self.folder else self.url.rpartition('/')[2]}"

    def as_json(self) -> str:
        """One line, which `from_json` reads back."""
        return json.dumps(
            {
                "tenant": self.tenant,
                "folder": str(self.folder) if self.folder else None,
                "counts": self.counts,
                "severities": self.severities,
                "problems": self.problems,
                "refused": self.refused,
                "strangers": [str(path) for path in self.strangers],
                "told": self.told,
                "earlier": self.earlier,
            }
        )

    @classmethod
    def from_json(cls, line: str) -> Outcome:
        """What `as_json` wrote."""
        found: dict[str, Any] = json.loads(line)
        return cls(
            found["tenant"],
            Path(found["folder"]) if found["folder"] else None,
            found["counts"],
            tuple(found["severities"]),
            tuple(found["problems"]),
            found["refused"],
            tuple(Path(path) for path in found["strangers"]),
            tuple(found["told"]),
            earlier=found["earlier"],
        )


def failed_severities(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The severity of each failed finding of a `findings.json`."""
    return tuple(finding["severity"] for finding in document["findings"] if finding["status"] == "fail")
