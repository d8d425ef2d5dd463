"""What takes effect later than it is written: keys switched off, and the items of blocklists."""

from __future__ import annotations

from collections.abc import Iterator

from aoai_lib.lab.inference.call import item_mark, keys_mark
from aoai_lib.lab.store import Tenant

ACCOUNTS = "Microsoft.CognitiveServices/accounts"


def begin(tenant: Tenant, *, key_delay: float | None = None, blocklist_delay: float | None = None) -> None:
    """Take the delays that are given (seconds), else the world's. What the world declares has long taken effect."""
    delays, memory = tenant.world.delays, tenant.memory
    memory.key_delay = float(delays.get("keys", 0)) if key_delay is None else key_delay
    memory.blocklist_delay = float(delays.get("blocklists", 0)) if blocklist_delay is None else blocklist_delay
    memory.observe(_marks(tenant), long_since=True)


def observe(tenant: Tenant) -> None:
    """Look again after a write: what is new since the last look begins to take effect now."""
    tenant.memory.observe(_marks(tenant))


def _marks(tenant: Tenant) -> Iterator[str]:
    for account in tenant.of_type(ACCOUNTS):
        if account.properties.get("disableLocalAuth"):
            yield keys_mark(account.id)
    for item in tenant.of_type(f"{ACCOUNTS}/raiBlocklists/raiBlocklistItems"):
        yield item_mark(item.id, item.properties)
