"""`aoai detections`: the catalogue, one of them in full, or all alerts as an ARM template."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from aoai_lib.command import DONE, in_words
from aoai_lib.console import literal
from aoai_lib.folder import check_new, write_durably


@click.command()
@click.argument("name", metavar="[ID]", default="")
@click.option(
    "--template",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the detections and alerts as an ARM template to a new file.",
)
@in_words
def detections(name: str, file: Path | None) -> int:
    """List the detections, show one in full, or export them with the alerts as an ARM template."""
    from aoai_lib.detections.template import text

    if file is None:
        _show(name)
        return DONE
    check_new(file)
    write_durably(file, text())
    click.echo(f"{file}: deploy it to the resource group for alert rules, once an account.")
    return DONE


def _show(name: str) -> None:
    from aoai_lib.detections import catalogue, find

    console = Console(highlight=False, emoji=False)
    if not name:
        shown = Table("ID", "Finds", "Severity", "Tables")
        for each in catalogue():
            shown.add_row(each.id, literal(each.title), each.severity, ", ".join(each.tables))
        console.print(shown)
        return
    one = find(name.upper() if name.upper().startswith("DET-") else name)
    console.print(f"[bold]{one.id}[/] {literal(one.title)} ({one.severity})\n{literal(one.finds)}\n", soft_wrap=True)
    console.print(literal(one.kql()), soft_wrap=True)
    for heading, told in (("Does not see", one.blind_spots), ("On a hit", one.on_hit), ("In the guide", one.guide)):
        if told:
            console.print(f"\n[bold]{heading}[/]  {literal(told)}", soft_wrap=True)
