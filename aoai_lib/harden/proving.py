"""Seeing that a hardening is in force where a property that reads right does not show it: a key, tried until it is refused.

It takes minutes to several hours until disabled keys are refused everywhere (Microsoft Learn, "Disable local authentication in
Foundry Tools", 2026), so one may have to look again later: an assessment with active probes does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_exponential

from aoai_lib import assess
from aoai_lib.azure.clouds import Cloud
from aoai_lib.azure.inference import NotAdmittedError
from aoai_lib.controls import catalogue
from aoai_lib.evidence.store import Evidence, Exchange
from aoai_lib.model import Finding, Snapshot, Status
from aoai_lib.parameters import Parameters
from aoai_lib.probe import identity
from aoai_lib.probe.budget import Budget, OverBudgetError
from aoai_lib.probe.stage import Stage, accounts, opened

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

SHOWN_BY: Final = {"IAM-01": "IAM-02"}
"""Which control sees, by trying, what the steps of another one set."""
SEEN_LATER: Final = frozenset({"CNT-13"})
"""Controls that only an assessment with active probes can judge: a hardening says so and does not judge them again."""


@dataclass(frozen=True)
class Proving:
    """What it takes to try a made-up key: who asks from where, and how long to go on."""

    parameters: Parameters
    cloud: Cloud
    credential: TokenCredential
    evidence: Evidence

    def keys_refused(
        self, snapshot: Snapshot, wanted: Collection[str], progress: Callable[[str], None]
    ) -> list[Finding]:
        """The findings of IAM-02 on some accounts (ARM ids, lower-cased), looked at until no key works or patience is at an end.

        Nothing is sent unless `active_probes` is on; then there is no finding.
        """
        limits = self.parameters.probes
        stage = (
            opened(self.parameters, self.cloud, self.credential, self.evidence, Budget(limits.requests, limits.tokens))
            if self.parameters.active_probes
            else None
        )
        if stage is None:
            return []
        looking = Retrying(
            stop=stop_after_delay(60 * self.parameters.hardening.patience_minutes),
            wait=wait_exponential(1, max=60),
            retry=retry_if_result(lambda found: any(each.status is Status.FAIL for each in found)),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else [],
            before_sleep=lambda state: progress(f"keys are not refused yet, tried {state.attempt_number} time(s)"),
            sleep=time.sleep,
        )
        began = time.monotonic()
        try:
            found: list[Finding] = looking(self._look, stage, snapshot, wanted)
        finally:
            stage.close()
        minutes = round((time.monotonic() - began) / 60)
        return [_told(each, minutes) for each in found]

    def _look(self, stage: Stage, snapshot: Snapshot, wanted: Collection[str]) -> list[Finding]:
        lines: list[Exchange] = []
        for account, domain in accounts(snapshot):
            if account.lower() in wanted:
                with suppress(OverBudgetError, NotAdmittedError), stage.budget.spending(0):
                    lines += stage.plane.try_key(domain, probe=identity.KEY, account=account)
        seen = replace(snapshot, readings={**snapshot.readings, **identity.readings(lines, self.parameters)})
        trying = [each for each in catalogue() if each.id in SHOWN_BY.values()]
        return [each for each in assess.judge(seen, trying) if each.subject.id.lower() in wanted]


def _told(finding: Finding, minutes: int) -> Finding:
    """A finding that is not good yet, with how long it was looked for."""
    if finding.status is Status.PASS:
        return finding
    reason = (
        f"{finding.reason} That was {minutes} minute(s) after the switch: it may take several hours, so look again."
    )
    return replace(finding, reason=reason)
