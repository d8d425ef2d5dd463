"""The command `aoai probe`: try names from where this machine stands, and leave a file that an assessment can merge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from aoai_lib import console as terminal
from aoai_lib import strict_json
from aoai_lib.azure import clouds, embedded
from aoai_lib.azure.clouds import Standpoint
from aoai_lib.command import DONE, in_words
from aoai_lib.evidence.store import Evidence
from aoai_lib.folder import check_new
from aoai_lib.model import InputError, Snapshot
from aoai_lib.parameters import Parameters, load


@click.command()
@click.argument("file", metavar="[PARAMETERS.yaml]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--vantage", default="", help="Where this machine stands: inside, peered, on_premises, outside, or a label."
)
@click.option(
    "--name", "names", multiple=True, metavar="FQDN", help="A host name to try; may be repeated. No sign-in needed."
)
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    help="Take the names from this run's folder. No sign-in needed.",
)
@click.option(
    "--resolver", default="", metavar="HOST[:PORT]", help="The DNS server to ask, by its address; else the system's."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file to leave; else observed-VANTAGE-TIME.jsonl here."
)
@in_words
def probe(
    file: Path | None, vantage: str, names: tuple[str, ...], folder: Path | None, resolver: str, out: Path | None
) -> int:
    """Try the accounts' names from here: DNS, TCP, TLS, and one request without credentials. Leaves a small file.

    The names are those given, or those of a run, or with a parameters file those of the accounts that it finds.
    """
    from aoai_lib import fleet
    from aoai_lib.probe import evidence_file, reachability
    from aoai_lib.probe.observations import observations

    parameters = load(file) if file else None
    vantage = vantage or (parameters.vantage if parameters else "")
    if not vantage:
        raise InputError("Say where this machine stands: --vantage inside, peered, on_premises, outside, or a label.")
    target = out or evidence_file.default_path(vantage)
    check_new(target)
    surroundings = fleet.lab_environment([parameters]) if parameters else {}
    evidence = Evidence()
    with fleet.environment(surroundings.get(parameters.tenant if parameters else "", {})):
        wanted = list(names) or _names(parameters, folder)
        standpoint = _standpoint(parameters, vantage, resolver)
        lines = reachability.observe(wanted, vantage, standpoint, evidence)
    evidence_file.write(target, vantage, lines)
    terminal.show_observations([each.value for each in observations(lines)])
    click.echo(f"{target}: merge it with `aoai assess --with {target}`.")
    return DONE


def _names(parameters: Parameters | None, folder: Path | None) -> Sequence[str]:
    """The names of a run's accounts, or of those that the parameters select. Raises `InputError` where there are none."""
    from aoai_lib.probe.reachability import names_of

    if folder is not None:
        snapshot = _snapshot(folder)
        cloud = clouds.resembled(snapshot.cloud)
    elif parameters is not None:
        from aoai_lib.run import collect

        snapshot, cloud = collect(parameters, (), Evidence()), clouds.find(parameters.cloud)
    else:
        raise InputError("Say what to try: --name FQDN, --from a run's folder, or a parameters file.")
    found = names_of(snapshot, cloud)
    if not found:
        raise InputError("None of the accounts has a custom subdomain, so there is no name to try.")
    return list(found)


def _snapshot(folder: Path) -> Snapshot:
    from aoai_lib.evidence import snapshots

    return snapshots.load(strict_json.read(folder / "snapshot.json", "the snapshot.json of a run"))


def _standpoint(parameters: Parameters | None, vantage: str, resolver: str) -> Standpoint:
    """The machine's own place, or where a lab is announced and asked for, the lab's of that name."""
    if not embedded.announced() or (parameters is not None and parameters.cloud != "lab"):
        return Standpoint(resolver)
    places = clouds.lab().standpoints
    if vantage not in places:
        raise InputError(f"The lab has no vantage point “{vantage}”: write {', '.join(places)}.")
    return Standpoint(resolver or places[vantage].resolver, places[vantage].gateway)
