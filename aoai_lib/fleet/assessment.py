"""The whole of one tenant: collect, judge, execute the notebooks, write the reports, seal."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from aoai_lib import strict_json
from aoai_lib.evidence import seal, snapshots
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet.claims import claimed
from aoai_lib.fleet.outcome import Outcome, failed_severities
from aoai_lib.fleet.places import Place
from aoai_lib.fleet.preloading import preload
from aoai_lib.folder import RunFolder, new_run_id
from aoai_lib.kernels import LocalKernelManager, warmed
from aoai_lib.model import InputError, Json, PlaybookError
from aoai_lib.parameters import Parameters
from aoai_lib.report import shapes
from aoai_lib.run import CHAPTERS, EVERYTHING, FLEET, NOTEBOOKS, OUT_VARIABLE, RUN_VARIABLE, Chapter, Run, collect

_AT_ONCE: Final = 2
"""Notebooks of a tenant that are executed at once: each has its kernel, and a core is idle while one waits for the other side."""

Progress = Callable[[str, str, float], None]
"""Called with the tenant, what is being done, and how much of it all is done (0 to 1)."""


@dataclass(frozen=True, slots=True)
class Task:
    """One tenant to assess. `environment` is what points its credential and clients at their cloud; `observed` are files of
    `aoai probe`; `run_id` is the run's, where it was given out before; `seconds` is how long all of it may take, 0 for ever;
    `url` is where the run goes in the end, where that is no folder; `pdf` asks for the page as PDF too.
    """

    parameters: Parameters
    out: Path
    chapters: tuple[Chapter, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    replay: Path | None = None
    observed: tuple[Path, ...] = ()
    run_id: str = ""
    seconds: float = 0
    url: str = ""
    pdf: bool = False


@contextlib.contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the length of a block."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def lab_environment(tenants: Sequence[Parameters], identity: str = "assessor") -> dict[str, dict[str, str]]:
    """The environment of each tenant that lives in the lab, by its label; a lab is started where none is announced."""
    from aoai_lib.azure import embedded

    inside = [each.tenant for each in tenants if each.cloud == "lab"]
    if not inside or embedded.announced():
        return {}
    handshake = embedded.start("--identity", identity, *(word for name in inside for word in ("--tenant", name)))
    return {name: embedded.environment(handshake, name) for name in inside}


def check_observations(paths: Sequence[Path]) -> None:
    """Raise `InputError` unless every file of observations can be merged, and each is named once."""
    from aoai_lib.probe import evidence_file

    for path in paths:
        if [each.resolve() for each in paths].count(path.resolve()) > 1:
            raise InputError(f"{path} is named twice: it was observed once.")
        evidence_file.read(path, datetime.now(UTC))


def assess_tenant(task: Task, progress: Progress) -> Outcome:
    """Assess one tenant. Never raises for what a person can mend: it says so in the outcome.

    A run of that id that is sealed is left as it is; what an interrupted one left behind is begun anew.
    """
    tenant = task.parameters.tenant
    path = task.out / tenant / (task.run_id or new_run_id(datetime.now(UTC)))
    try:
        with claimed(path) as folder, environment({**task.environment, RUN_VARIABLE: str(folder.path)}):
            if seal.is_sealed(path):
                return outcome_of(path)
            return _assess(task, folder, progress)
    except PlaybookError as problem:
        return Outcome(tenant, problems=(str(problem),), refused=isinstance(problem, InputError))


def outcome_of(folder: Path) -> Outcome:
    """What a sealed run says became of its tenant."""
    document, about = (
        strict_json.read(folder / name, f"the {name} of a run") for name in ("findings.json", "run.json")
    )
    shapes.check(shapes.Findings, document, str(folder / "findings.json"))
    shapes.check(shapes.About, about, str(folder / "run.json"))
    severities, problems = failed_severities(document), tuple(about["problems"])
    return Outcome(document["tenant"], folder, document["counts"], severities, problems, earlier=True)


def _assess(task: Task, folder: RunFolder, progress: Progress) -> Outcome:
    preload()
    with warmed():
        try:
            run, evidence = _collect(task, folder, progress)
        except PlaybookError:
            folder.discard()
            raise
        problems = _execute(task, folder, progress)
    return _report(task, folder, run, evidence, problems, progress)


def _collect(task: Task, folder: RunFolder, progress: Progress) -> tuple[Run, Evidence]:
    from aoai_lib.azure.replay import Recording
    from aoai_lib.probe import evidence_file

    tenant = task.parameters.tenant
    recording = Recording.load(task.replay) if task.replay else None
    brought = [line for path in task.observed for line in evidence_file.read(path, datetime.now(UTC))]
    reads = {name for chapter in task.chapters for name in chapter.reads} or set(EVERYTHING)
    evidence = Evidence(folder.path / "requests.jsonl")
    try:
        snapshot = collect(
            task.parameters,
            reads,
            evidence,
            recording=recording,
            brought=brought,
            progress=lambda what, done, known: progress(tenant, _stage(what), 0.4 * done / known),
        )
    finally:
        evidence.close()
    folder.write_json("snapshot.json", snapshots.dump(snapshot))
    return Run(task.parameters, snapshot, run_id=folder.path.name), evidence


def _stage(what: str) -> str:
    """What a person is told: of probes all that they announce, of anything else that it is read."""
    return what if what.startswith("probing") else f"reading {what}"


def _execute(task: Task, folder: RunFolder, progress: Progress) -> list[str]:
    """Execute the chapters' notebooks through papermill, two at once; sentences about those that failed."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="notebook") as executor:
        futures = {
            executor.submit(execute_notebook, chapter.name, folder.path, task.parameters): chapter.name
            for chapter in task.chapters
        }
        for number, future in enumerate(as_completed(futures), start=1):
            what = f"notebook {futures[future]}"
            progress(task.parameters.tenant, what, 0.4 + 0.5 * number / len(futures))
        return [problem for future in futures for problem in future.result()]


def execute_notebook(name: str, folder: Path, parameters: Parameters) -> list[str]:
    """Execute a notebook into a folder and render it; a sentence where it failed, none where it did not."""
    from papermill import execute_notebook as execute
    from papermill.exceptions import PapermillExecutionError

    from aoai_lib.report import notebook_html

    target = folder / f"{name}.ipynb"
    problems = []
    try:
        execute(
            NOTEBOOKS / target.name,
            target,
            parameters=parameters.model_dump(mode="json"),
            progress_bar=False,
            # The folder is the kernel's alone: papermill's own `cwd` would move this process, and other threads with it.
            resources={"metadata": {"path": str(folder)}},
            # The notebook is written when it is done, whatever came of it: a run that is cut off begins anew.
            request_save_on_cell_execute=False,
            kernel_manager_class=LocalKernelManager,
        )
    except PapermillExecutionError as problem:
        problems.append(f"{target.name} stopped: {problem.ename}: {problem.evalue}")
    notebook_html.forget_paths(target)
    notebook_html.export(target, target.with_suffix(".html"), in_run=name != FLEET)
    return problems


def _report(
    task: Task, folder: RunFolder, run: Run, evidence: Evidence, problems: list[str], progress: Progress
) -> Outcome:
    """Write every other file of the run, and seal it."""
    from aoai_lib.bundle import previous
    from aoai_lib.report import acceptances, changes, findings, ocsf, page, workbook

    progress(task.parameters.tenant, "writing the report", 0.92)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    document = findings.document(run, now)
    folder.write_json("findings.json", document)
    folder.write_json("run.json", _about(task, run, document, problems))
    changed = previous.changes(folder.path)
    folder.write_json("changes.json", changed)
    findings.write_csv(document, folder.path / "findings.csv")
    workbook.write(run, document, evidence.exchanges, folder.path / "findings.xlsx", changed)
    folder.write_json("findings.ocsf.json", ocsf.events(document, run))
    page.write(run, document, evidence.exchanges, folder.path / "report.html", changed)
    problems += _printed(task, folder)
    seal.seal(folder.path)
    progress(task.parameters.tenant, "done", 1.0)
    failed = failed_severities(document)
    strangers = tuple(path for path in task.observed if path not in _merged(task, evidence))
    told = (changes.sentence(changed), *changes.cautions(changed), acceptances.tally(run), *acceptances.reminders(run))
    return Outcome(
        task.parameters.tenant,
        folder.path,
        document["counts"],
        failed,
        tuple(problems),
        strangers=strangers,
        told=tuple(filter(None, told)),
    )


def _printed(task: Task, folder: RunFolder) -> list[str]:
    """The page as PDF where that was asked for; a sentence where that did not come about."""
    if not task.pdf:
        return []
    from aoai_lib.report import pdf

    try:
        pdf.write(folder.path / "report.html", folder.path / pdf.PRINT)
    except PlaybookError as problem:
        return [str(problem)]
    return []


def _merged(task: Task, evidence: Evidence) -> set[Path]:
    """The files of observations of which lines stand in the evidence."""
    from aoai_lib.azure.reachability import NAME
    from aoai_lib.probe import evidence_file

    names = {line.headers.get(NAME) for line in evidence.exchanges}
    read = {path: evidence_file.read(path, datetime.now(UTC)) for path in task.observed}
    return {path for path, lines in read.items() if any(line.headers[NAME] in names for line in lines)}


def _about(task: Task, run: Run, document: dict[str, Any], problems: list[str]) -> dict[str, Json]:
    """`run.json`: what follows from the run, and what only it says."""
    from aoai_lib.report.about import about

    return {
        "schema": "aoai-playbook/run/1",
        **about(run, document),
        "chapters": [chapter.name for chapter in task.chapters],
        "replay": _name(task.replay) if task.replay else None,
        "observed": [_name(path) for path in task.observed],
        "tool_version": version("aoai-playbook"),
        "python": platform.python_version(),
        "problems": problems,
    }


def _name(path: Path) -> str:
    """The name of a file as text can hold it: one that is no UTF-8 has its other octets as numbers."""
    return path.name.encode("utf-8", "backslashreplace").decode("utf-8")


def write_overview(place: Place, parameters: Parameters) -> str:
    """Execute the fleet overview over the runs in a place; the page it renders to, as a person is told of it."""
    with place.drafts() as folder, environment({OUT_VARIABLE: place.out}):
        problems = execute_notebook(FLEET, folder, parameters)
    if problems:
        raise PlaybookError(problems[0])
    return place.shown(f"{FLEET}.html")


def chapters_of(numbers: Sequence[str]) -> tuple[Chapter, ...]:
    """The chapters that a tenant's run executes. The fleet overview is about all tenants, and has its own place."""
    chosen = [each for each in CHAPTERS if each.name != FLEET]
    unknown = [number for number in numbers if number not in {each.number for each in chosen}]
    if unknown:
        raise InputError(f"There is no phase “{unknown[0]}”: write {', '.join(each.number for each in chosen)}.")
    return tuple(each for each in chosen if not numbers or each.number in numbers)
