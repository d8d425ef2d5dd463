"""The one way text becomes HTML or SVG: Jinja2 with everything escaped, and made visible, that does not say it is markup."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.model import Severity, Status
from aoai_lib.report.text import brief, fitted, pieces, shown, subject_name, visible, words

if TYPE_CHECKING:
    from jinja2 import Environment

MARKS: Final = {Status.PASS: "✓", Status.FAIL: "✗", Status.NOT_APPLICABLE: "○", Status.NOT_ASSESSED: "?"}
"""A sign for each verdict, so that none is told by colour alone."""


def render(template: str, **values: Any) -> str:
    """A template of the folder `templates/`, filled. A name that the template needs and does not get is an error."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_final,
    )
    made.filters |= {
        "brief": brief,
        "pieces": pieces,
        "cut": visible,
        "fit": fitted,
        "shown": shown,
        "words": words,
        "name": subject_name,
    }
    made.tests |= {
        "verdict": lambda value: isinstance(value, Status),
        "severity": lambda value: isinstance(value, Severity),
    }
    made.globals["marks"] = MARKS
    return made


def _final(value: Any) -> Any:
    """What every expression of a template passes last: plain text is made visible, markup is left alone."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
