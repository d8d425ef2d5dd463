"""Serve the lab in the foreground: ``python -m aoai_lib.lab --tenant hardened``."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import click

from aoai_lib.lab import population
from aoai_lib.lab.server import Lab
from aoai_lib.lab.world import BUNDLED, World, load_worlds, read, world_of
from aoai_lib.lab.world_form import WorldError


@click.command(help=__doc__)
@click.option(
    "--tenant", "tenants", multiple=True, type=click.Choice(BUNDLED), help="A bundled world; may be repeated."
)
@click.option("--world", "files", multiple=True, type=click.Path(path_type=Path, exists=True), help="A world file.")
@click.option("--accounts", type=click.IntRange(1), help="Multiply the exposed world to this many accounts.")
@click.option("--latency-ms", type=click.FloatRange(0), default=0, help="Wait so long before every answer.")
@click.option(
    "--key-delay", type=click.FloatRange(0), help="Take keys for so many seconds after they are switched off."
)
@click.option("--blocklist-delay", type=click.FloatRange(0), help="Let new blocklist items wait so many seconds.")
@click.option(
    "--fault", "faults", multiple=True, metavar="KIND[:COUNT[:PATH]]", help="Fail on request; see docs/lab.md."
)
@click.option("--quota", default="", metavar="READS:PER_SECOND", help="Limit what a caller may read, as 250:25.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The public listener's port; 0 takes a free one."
)
@click.option(
    "--identity",
    default="assessor",
    show_default=True,
    help="As whom the printed environment signs in; `operator` may write.",
)
@click.option("--handshake", is_flag=True, help="Print one JSON line, and serve until standard input ends.")
def main(
    tenants: Sequence[str],
    files: Sequence[Path],
    accounts: int | None,
    latency_ms: float,
    key_delay: float | None,
    blocklist_delay: float | None,
    faults: Sequence[str],
    quota: str,
    port: int,
    identity: str,
    handshake: bool,
) -> None:
    try:
        worlds = chosen(tenants, files, accounts)
        lab = Lab(
            worlds,
            latency_ms=latency_ms,
            faults=faults,
            port=port,
            key_delay=key_delay,
            blocklist_delay=blocklist_delay,
            quota=quota,
        )
    except (WorldError, ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: _stop(over, _frame))
    with lab:
        click.echo(json.dumps(greeting(lab, identity)) if handshake else exports(lab, identity))
        sys.stdout.flush()
        if handshake:
            threading.Thread(target=_until_end_of_input, args=(over,), daemon=True).start()
        over.wait()


def chosen(tenants: Sequence[str], files: Sequence[Path], accounts: int | None) -> list[World]:
    """The worlds that were asked for: all bundled ones when nothing was, or one multiplied world."""
    if accounts is not None:
        return [world_of(population.multiplied(read("exposed"), accounts))]
    return load_worlds([*tenants, *files] or BUNDLED)


def exports(lab: Lab, identity: str) -> str:
    """Shell lines that point the SDKs at the first tenant."""
    environment = lab.environment(lab.tenants[0].world.slug, identity)
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())


def greeting(lab: Lab, identity: str) -> dict[str, object]:
    """What a parent process needs to use the lab."""
    return {
        "url": lab.url,
        "private_url": lab.private_url,
        "ca_file": lab.ca_file,
        "tenants": [
            {
                "slug": tenant.world.slug,
                "name": tenant.world.name,
                "tenant_id": tenant.world.tenant_id,
                "subscriptions": [entry["subscriptionId"] for entry in tenant.world.subscriptions],
                "environment": lab.environment(tenant.world.slug, identity),
            }
            for tenant in lab.tenants
        ],
    }


def _stop(over: threading.Event, _frame: FrameType | None) -> None:
    over.set()


def _until_end_of_input(over: threading.Event) -> None:
    """A parent that dies closes the pipe, and the lab goes with it."""
    while sys.stdin.buffer.read(4096):
        continue
    over.set()


if __name__ == "__main__":
    main()
