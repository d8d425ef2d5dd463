"""Read one tenant: as many calls at once as may be, each as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from typing import Final

from aoai_lib.azure.clients import CONCURRENCY, Azure
from aoai_lib.collect import EACH_SUBSCRIPTION, Form, Readings, Source, group_of, name_of, sources, subscription_of
from aoai_lib.collect.agenda import Agenda, Work
from aoai_lib.collect.contradictions import contradicted, doubted
from aoai_lib.collect.reader import read
from aoai_lib.collect.scope import ACCOUNTS, SUBSCRIPTIONS, serves_models
from aoai_lib.evidence.clock import service_clock
from aoai_lib.model import Json, NothingToAssessError, Reading, Snapshot, State
from aoai_lib.parameters import Parameters

Progress = Callable[[str, int, int], None]
"""Called with what is being read, how many reads are done, and how many are known so far."""

_ACCOUNT_LIST: Final = Source(
    "account_list",
    EACH_SUBSCRIPTION,
    ACCOUNTS,
    lambda azure, scope: azure.cognitive(scope).accounts.list(),
    items="listed_account",
)
_TOLD: Final = {"account_list": ("account", "accounts")}
"""The accounts to assess are chosen from the lists of them."""
_AHEAD: Final = 2 * CONCURRENCY
"""Reads that are handed out at once, so that nobody waits for the next one."""


def _silent(what: str, done: int, known: int) -> None:
    """No progress shown."""


class Collector:
    """Fills `readings` for one tenant. `besides` are scopes, by source, that are read whatever the sources find."""

    def __init__(
        self,
        azure: Azure,
        parameters: Parameters,
        progress: Progress = _silent,
        besides: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.azure = azure
        self.parameters = parameters
        self._besides = besides or {}
        self.readings: Readings = {}
        self._progress = progress
        self._done = self._known = 0

    def collect(self, phases: Collection[str]) -> Snapshot:
        """Read everything that these modules of `collect` declare. `scope` is always read.

        Raises `SignInError` where no token can be had and `NothingToAssessError` where there is no account to assess.
        """
        self._read_subscriptions()
        caller = self.azure.caller()
        wanted = [source for name, group in sources().items() if name == "scope" or name in phases for source in group]
        self._read_all(Agenda((_ACCOUNT_LIST, *wanted), _TOLD))
        parameters = self.parameters
        seen = Snapshot(
            tenant=parameters.tenant,
            tenant_id=parameters.tenant_id or self._tenant_id(),
            cloud=parameters.cloud,
            as_of=service_clock(self.azure.evidence),
            profile=parameters.profile,
            requirements=parameters.requirements,
            readings=self.readings,
            caller=caller,
            evidence_days=self.azure.evidence_days,
        )
        return contradicted(seen)

    def _keep(self, reading: Reading, source: Source | None = None) -> None:
        reading = doubted(reading)
        self.readings[reading.source, reading.scope.lower()] = reading
        if source is None or not source.items or not isinstance(reading.value, list):
            return
        for item in reading.value:
            self._keep_item(source.items, item, reading)
        ids = [item["id"] for item in reading.value]
        self.readings[reading.source, reading.scope.lower()] = replace(reading, value=ids)

    def _keep_item(self, name: str, item: Json, reading: Reading) -> None:
        self.readings[name, item["id"].lower()] = replace(
            reading, source=name, scope=item["id"], state=State.COLLECTED, value=item, reason=""
        )

    def _read_all(self, agenda: Agenda) -> None:
        """Carry out an agenda to its end, and put the readings in its order, whichever came first."""
        finished: SimpleQueue[Future[Reading]] = SimpleQueue()
        running: dict[Future[Reading], Work] = {}
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            while True:
                for source in agenda.opened():
                    agenda.plan(source, self._unread(source))
                while len(running) < _AHEAD and (work := agenda.take()):
                    task = pool.submit(read, self.azure, work.source, work.scope)
                    running[task] = work
                    task.add_done_callback(finished.put)
                if not running:
                    break
                task = finished.get()
                self._finish(agenda, running.pop(task), task.result())
        rank = {name: number for number, name in enumerate(agenda.names())}
        self.readings = dict(sorted(self.readings.items(), key=lambda each: rank.get(each[0][0], -1)))

    def _unread(self, source: Source) -> list[str]:
        """The scopes of a source, each once, without what has been read."""
        seen = {key: reading for key, reading in self.readings.items() if key[0] in source.over.needs}
        scopes = (*source.over.find(seen), *self._besides.get(source.name, ()))
        found = {scope.lower(): scope for scope in scopes}
        unread = [scope for key, scope in found.items() if (source.name, key) not in self.readings]
        self._known += len(unread)
        return unread

    def _finish(self, agenda: Agenda, work: Work, reading: Reading) -> None:
        self._done += 1
        self._progress(work.source.name.replace("_", " "), self._done, self._known)
        readings = agenda.close(work, reading)
        for each in readings or ():
            self._keep(each, work.source)
        if readings and work.source is _ACCOUNT_LIST:
            self._select_all_accounts()

    def _read_subscriptions(self) -> None:
        named = list(self.parameters.subscriptions)
        listing = Source(
            "subscription_list",
            EACH_SUBSCRIPTION,
            SUBSCRIPTIONS,
            lambda azure, _: azure.subscriptions().subscriptions.list(),
            form=Form.NAMED,
        )
        reading = read(self.azure, listing, "")
        self._keep(reading)
        ids = [subscription_of(item["id"]).lower() for item in reading.value or []]
        if self.azure.recording is not None and not named:
            named = list(dict.fromkeys((*ids, *(each.lower() for each in self.azure.recording.subscriptions))))
        self.readings["subscriptions", ""] = replace(
            reading,
            source="subscriptions",
            state=State.COLLECTED if named else reading.state,
            value=[name.lower() for name in named] or ids,
        )

    def _tenant_id(self) -> str:
        listed = self.readings["subscription_list", ""].value or []
        return next((item["tenantId"] for item in listed if isinstance(item.get("tenantId"), str)), "")

    def _select_all_accounts(self) -> None:
        subscriptions = self.readings["subscriptions", ""].value or []
        for subscription in subscriptions:
            self._select_accounts(subscription, self.readings["account_list", subscription])
        if subscriptions and not any(
            reading.value or reading.state is not State.COLLECTED
            for (name, _), reading in self.readings.items()
            if name == "accounts"
        ):
            asked = f" that matches {', '.join(self.parameters.accounts)}" if self.parameters.accounts else ""
            raise NothingToAssessError(
                f"No Azure OpenAI account{asked} was found in {len(subscriptions)} subscription(s). "
                "Check `subscriptions`, `accounts` and which subscriptions the credential can see."
            )

    def _select_accounts(self, subscription: str, listing: Reading) -> None:
        """Keep the accounts to assess, each by its id; those named by id that no list holds are read one by one."""
        found: dict[str, str] = {}
        for account in listing.value or []:
            item = self.readings["listed_account", account.lower()]
            if serves_models(item.value) and self.parameters.selects(account):
                self.readings["account", account.lower()] = replace(item, source="account")
                found[account.lower()] = account
        for account in self._named_accounts(subscription):
            if ("listed_account", account.lower()) not in self.readings:
                self._read_account(account, found)
        state = State.PARTIAL if found and listing.state is not State.COLLECTED else listing.state
        self.readings["accounts", subscription] = replace(
            listing, source="accounts", state=state, value=list(found.values())
        )

    def _named_accounts(self, subscription: str) -> list[str]:
        named = [name for name in self.parameters.accounts if name.startswith("/")]
        if self.azure.recording is not None and not self.parameters.accounts:
            named = self.azure.recording.accounts
        return [name for name in named if subscription_of(name).lower() == subscription]

    def _read_account(self, account: str, found: dict[str, str]) -> None:
        source = Source(
            "account",
            EACH_SUBSCRIPTION,
            ACCOUNTS,
            lambda azure, scope: azure.cognitive(subscription_of(scope)).accounts.get(group_of(scope), name_of(scope)),
        )
        reading = read(self.azure, source, account)
        if reading.state is not State.COLLECTED or serves_models(reading.value):
            self._keep(reading)
            found[account.lower()] = account
