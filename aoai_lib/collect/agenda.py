"""What is to be read, in which order: each source as soon as what its scopes are found in is there, without waiting for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import NamedTuple

from aoai_lib.collect import Source
from aoai_lib.model import Reading


class Work(NamedTuple):
    """One read: the `number`th of its source."""

    source: Source
    number: int
    scope: str


class Agenda:
    """The sources of one run, each once, whichever modules declare it. Raises `graphlib.CycleError` where they wait for each other.

    `told` names what a source tells besides what goes by its own name and that of its items. Take the `opened` sources and
    `plan` the scopes of each; `take` what is to be read next, and `close` it with its answer.
    """

    def __init__(self, sources: Iterable[Source], told: Mapping[str, Sequence[str]]) -> None:
        self._told = {each: tuple(filter(None, (each.name, each.items, *told.get(each.name, ())))) for each in sources}
        before = {each: self._before(each) for each in self._told}
        self._height = dict.fromkeys(before, 0)
        self._depth = dict.fromkeys(before, 0)
        order = list(TopologicalSorter(before).static_order())
        for each in order:
            self._depth[each] = max((self._depth[other] + 1 for other in before[each]), default=0)
        for each in reversed(order):
            for other in before[each]:
                self._height[other] = max(self._height[other], self._height[each] + 1)
        self._sorter = TopologicalSorter(before)
        self._sorter.prepare()
        self._heap: list[tuple[int, int, int, Work]] = []
        self._answers: dict[Source, dict[int, Reading]] = {}
        self._missing: dict[Source, int] = {}

    def _before(self, source: Source) -> list[Source]:
        """What must have been read: the sources that tell what this one needs, and those of its name that stand before it."""
        needed = [each for each, names in self._told.items() if not set(names).isdisjoint(source.over.needs)]
        every = list(self._told)
        namesakes = [each for each in every[: every.index(source)] if each.name == source.name]
        return [each for each in dict.fromkeys((*needed, *namesakes)) if each is not source]

    def opened(self) -> Iterator[Source]:
        """The sources whose scopes can be found now. Each is given out once; plan it before the next."""
        while ready := self._sorter.get_ready():
            yield from ready

    def plan(self, source: Source, scopes: Sequence[str]) -> None:
        """Put the reads of a source on the agenda: first what most hangs on, then what was found last."""
        self._missing[source] = len(scopes)
        self._answers[source] = {}
        if not scopes:
            self._sorter.done(source)
        for index, scope in enumerate(scopes):
            heappush(self._heap, (-self._height[source], -len(self._missing), index, Work(source, index, scope)))

    def take(self) -> Work | None:
        """What is to be read next; None where nothing is planned."""
        return heappop(self._heap)[-1] if self._heap else None

    def close(self, work: Work, reading: Reading) -> list[Reading] | None:
        """Keep an answer. Where it is the last one of its source: all of them, in the order of the scopes."""
        source, answers = work.source, self._answers[work.source]
        answers[work.number] = reading
        self._missing[source] -= 1
        if self._missing[source]:
            return None
        self._sorter.done(source)
        del self._answers[source]
        return [answers[index] for index in sorted(answers)]

    def names(self) -> list[str]:
        """What the sources tell, those first that nothing has to be read for."""
        return list(
            dict.fromkeys(name for each in sorted(self._told, key=self._depth.__getitem__) for name in self._told[each])
        )
