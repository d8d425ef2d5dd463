"""Keepers on the workers of a Dask cluster (package `distributed`, extra `dask`).

A worker that is lost costs a retry: the scheduler gives its tenants to another one, with the same run ids. Where nobody waits any more
(Ctrl-C, a killed client), the scheduler lets go of the tasks, and each keeper sees that and ends its process. No secret goes
over the scheduler: a worker signs in with what its own environment holds.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Iterator
from concurrent.futures import Executor
from importlib.metadata import version
from typing import Any, Final

from aoai_lib.fleet.crews import Audience
from aoai_lib.fleet.keeper import Line
from aoai_lib.kernels import warmed
from aoai_lib.model import InputError

_CONNECT_SECONDS: Final = 15
_WORKER_SECONDS: Final = 120
"""How long a cluster that grows on demand may take to have its first worker."""
_AT_WORK: Final = frozenset({"executing", "long-running"})


class Topic:
    """The line from a worker to an audience, over the scheduler's events."""

    def __init__(self, name: str) -> None:
        self.name = name

    def tell(self, tenant: str, what: str, share: float) -> None:
        """See `Line`."""
        self._send("tell", tenant, what, share)

    def say(self, tenant: str, text: str) -> None:
        """See `Line`."""
        self._send("say", tenant, text)

    def wanted(self) -> bool:
        """Whether the worker still has this task to do: one that was cancelled or given to another it has not."""
        from distributed import get_worker

        worker = get_worker()
        task = worker.state.tasks.get(worker.get_current_task())
        return task is not None and task.state in _AT_WORK

    def _send(self, *words: object) -> None:
        from distributed import get_worker

        get_worker().log_event(self.name, words)


@contextlib.contextmanager
def cluster(address: str, audience: Audience) -> Iterator[tuple[Executor, Line]]:
    """As many tenants at once as the workers of a cluster have threads. Left early, all that is at work is ended.

    Raises `InputError` where `distributed` is not installed, or no scheduler or no fitting worker answers.
    """
    client = _client(address)
    topic = Topic(f"aoai-{secrets.token_hex(8)}")
    executor: Executor = client.get_executor(pure=False)
    try:
        _check_workers(client, address)
        _warm(client)
        client.subscribe_topic(topic.name, lambda event: _pass_on(event[1], audience))
        yield executor, topic
    finally:
        executor.shutdown(wait=False)
        client.close()


def tool_version() -> str:
    """Which playbook is installed where this runs."""
    return version("aoai-playbook")


def _client(address: str) -> Any:
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError:
        raise InputError(
            "--scheduler needs the package distributed: pip install 'aoai-playbook[dask]', here and on every worker."
        ) from None
    # A worker that comes or goes is told as what happens to its tenants.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        get_address_host_port(address)  # a client of what is no address waits 30 seconds for its own end
        return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as problem:
        raise InputError(
            f"No Dask scheduler answers at {address}: --scheduler takes its address, as in tcp://10.0.0.4:8786 ({problem})."
        ) from None


def _check_workers(client: Any, address: str) -> None:
    """Raise `InputError` unless there is a worker, and every one has the playbook that is here."""
    try:
        client.wait_for_workers(1, timeout=_WORKER_SECONDS)
    except TimeoutError:
        raise InputError(
            f"The scheduler at {address} has no worker: start some with `dask worker {address}`."
        ) from None
    try:
        versions: dict[str, str] = client.run(tool_version)
    except Exception as problem:  # noqa: BLE001 - whatever keeps a worker from loading the playbook
        raise InputError(
            f"A worker of {address} can't load the playbook ({type(problem).__name__}: {problem}): install "
            f"aoai-playbook[dask] {tool_version()} on each."
        ) from None
    others = sorted(set(versions.values()) - {tool_version()})
    if others:
        raise InputError(f"Workers of {address} have the playbook {', '.join(others)}, and here is {tool_version()}.")


def _warm(client: Any) -> None:
    """Let every worker, also one that joins later, fork kernels from one loaded process as long as it lives.

    It is not taken away with the batch: another batch may have kernels from it, and they would end with it.
    """
    from distributed import WorkerPlugin

    class Nurseries(WorkerPlugin):
        name = "aoai-playbook-kernels"
        idempotent = True

        def setup(self, worker: Any) -> None:
            self._left = contextlib.ExitStack()
            self._left.enter_context(warmed())

        def teardown(self, worker: Any) -> None:
            self._left.close()

    client.register_plugin(Nurseries())


def _pass_on(words: tuple[Any, ...], audience: Audience) -> None:
    kind, *rest = words
    if kind == "tell":
        audience.tell(*rest)
    elif kind == "say":
        audience.say(*rest)
