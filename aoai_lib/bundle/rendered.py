"""What the notebooks of a run show, computed again: by the installed notebooks' own cells, on what was judged. Nothing that stands in
the run's folder is executed.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from aoai_lib.bundle.opening import Bundle
from aoai_lib.model import Json
from aoai_lib.report import notebook_html
from aoai_lib.report.figures import Gallery
from aoai_lib.run import NOTEBOOKS, Chapter, Run

_OPENS: Final = "run.open("
_TAGS: Final = frozenset({"parameters", "injected-parameters"})

Shown = list[dict[str, str]]
"""The outputs of a cell: text by media type."""


def differences(bundle: Bundle, chapter: Chapter) -> Iterator[str]:
    """What in a notebook of a run is not as the playbook makes it, a sentence each; then whether its page is another one."""
    path = bundle.path / f"{chapter.name}.ipynb"
    installed = json.loads((NOTEBOOKS / path.name).read_text(encoding="utf-8"))["cells"]
    held = list(bundle.cells(path.name))
    told = [each for each in held if "injected-parameters" in _tags(each)]
    if [_text(each.get("source")) for each in told] != [_parameters(bundle)]:
        yield "its parameters are not the run's"
    kept = [each for each in held if each not in told]
    if [_written(each) for each in kept] != [_written(each) for each in installed]:
        yield "its text or its code is not the playbook's"
    else:
        for number, (cell, shown) in enumerate(zip(kept, _shown(bundle, chapter, installed), strict=True), 1):
            if shown != [_data(each) for each in cell.get("outputs", ())]:
                yield f"cell {number} shows something else"
    if not bundle.holds(f"{path.stem}.html", notebook_html.compose(path).encode()):
        yield f"{path.stem}.html is not its page"


def _shown(bundle: Bundle, chapter: Chapter, cells: list[dict[str, Any]]) -> Iterator[Shown]:
    """What each cell shows of a run."""
    run = Run(bundle.parameters, bundle.snapshot, chapter.phases, str(bundle.about.get("run_id", "")))
    names: dict[str, Any] = {"assessment": run}
    for cell in cells:
        source = _text(cell["source"])
        silent = cell["cell_type"] != "code" or _tags(cell) & _TAGS or _OPENS in source
        yield [] if silent else _displayed(_value(source, names))


def _value(source: str, names: dict[str, Any]) -> Any:
    """The value of a cell of an installed notebook: of its last line, where that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)  # noqa: S102 - the installed notebook's own code
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307 - as above


def _displayed(value: Any) -> Shown:
    if value is None:
        return []
    shown: list[Any] = list(value.shown) if isinstance(value, Gallery) else [value]
    return [dict(each._repr_mimebundle_()) for each in shown]


def _data(output: Mapping[str, Json]) -> dict[str, str]:
    """An output as it is stored; one that is no display shows something that no cell of ours does."""
    if output.get("output_type") not in ("execute_result", "display_data"):
        return {"": json.dumps(output)}
    return {kind: _text(held) for kind, held in output.get("data", {}).items()}


def _written(cell: Mapping[str, Json]) -> tuple[str, str]:
    return str(cell.get("cell_type")), _text(cell.get("source"))


def _tags(cell: Mapping[str, Json]) -> set[str]:
    return set(cell.get("metadata", {}).get("tags", ()))


def _text(held: Json) -> str:
    return "".join(map(str, held)) if isinstance(held, list) else str(held)


def _parameters(bundle: Bundle) -> str:
    """The cell in which papermill tells a notebook its parameters."""
    from papermill.translators import PythonTranslator

    told: str = PythonTranslator.codify(bundle.parameters.model_dump(mode="json"), "Parameters")
    return told
