"""The command `aoai`. Exit codes: 0 done, 1 something could not be completed, 2 bad input, 3 `--fail-on` reached."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from aoai_lib import console as terminal
from aoai_lib.cli_assess import PARAMETERS, assess
from aoai_lib.cli_bundle import diff, explain, verify
from aoai_lib.cli_detections import detections
from aoai_lib.cli_harden import harden
from aoai_lib.cli_probe import probe
from aoai_lib.command import DONE, INCOMPLETE, in_words
from aoai_lib.model import InputError
from aoai_lib.parameters import load


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aoai-playbook")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Assess, harden and prove the security of Azure OpenAI accounts."""


main.add_command(assess)
main.add_command(harden)
main.add_command(probe)
main.add_command(verify)
main.add_command(explain)
main.add_command(diff)
main.add_command(detections)


@main.command()
@click.argument("control_id", metavar="[ID]", default="")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@in_words
def controls(control_id: str, as_json: bool) -> int:
    """List the catalogue, or show one control in full."""
    from aoai_lib.controls import catalogue
    from aoai_lib.frameworks import by_framework

    chosen = [each for each in catalogue() if control_id.upper() in ("", each.id)]
    if not chosen:
        raise InputError(f"There is no control “{control_id}”: `aoai controls` lists them.")
    if as_json:
        rows = [
            {
                "id": each.id,
                "title": each.title,
                "phase": each.phase.value,
                "severity": each.severity.value,
                "subject": each.subject.value,
                "frameworks": by_framework(each.maps),
                "intent": each.intent,
                "remediation": each.remediation,
            }
            for each in chosen
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif control_id:
        terminal.show_control(chosen[0])
    else:
        terminal.show_catalogue(chosen)
    return DONE


@main.command()
@click.argument("file", metavar="PARAMETERS.yaml", required=False, type=click.Path(path_type=Path))
@click.option("--role", is_flag=True, help="Print the least custom role that an assessor needs, and nothing else.")
@in_words
def doctor(file: Path | None, role: bool) -> int:
    """Can we sign in, which permissions are missing, which endpoints are reachable?"""
    from aoai_lib import doctor as checks

    if role:
        parameters = load(file) if file else None
        click.echo(json.dumps(checks.least_role(parameters.subscriptions if parameters else []), indent=2))
        return DONE
    parameters = load(file) if file else load(PARAMETERS / "hardened.yaml")
    from aoai_lib.fleet import environment, lab_environment

    with environment(lab_environment([parameters]).get(parameters.tenant, {})):
        results = checks.examine(parameters)
    terminal.show_checks(results)
    return DONE if all(result.good for result in results) else INCOMPLETE


@main.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)
@click.pass_context
def lab(context: click.Context) -> None:
    """Serve the lab, a simulated Azure; prints the environment that points the SDKs at it. `aoai lab --help` says more."""
    try:
        from aoai_lib.lab.__main__ import main as serve
    except ImportError as problem:
        click.echo(
            f"Error: the lab's packages are missing ({problem.name}): `make setup`, or pip install 'aoai-playbook[lab]'.",
            err=True,
        )
        sys.exit(INCOMPLETE)
    serve(args=context.args, prog_name="aoai lab")
