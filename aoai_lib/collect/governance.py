"""What governance reads besides the accounts and deployments themselves: model lifecycles, locks, budgets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aoai_lib.collect import EACH_SUBSCRIPTION, Readings, Scopes, Source, items, name_of, subscription_of

BUDGETS_VERSION: Final = "2023-05-01"


def _model_lists(readings: Readings) -> Iterable[str]:
    """One list of models a subscription and region that holds an account: what is offered, and until when."""
    for account in items(readings, "account"):
        location = account.get("location")
        subscription = subscription_of(str(account.get("id", ""))).lower()
        if subscription and isinstance(location, str) and location:
            region = location.replace(" ", "").lower()
            yield f"/subscriptions/{subscription}/providers/Microsoft.CognitiveServices/locations/{region}"


SOURCES = (
    Source(
        "models",
        Scopes(2, _model_lists),
        "Microsoft.CognitiveServices/locations/models/read",
        lambda azure, location: azure.cognitive(subscription_of(location)).models.list(name_of(location)),
    ),
    Source(
        "locks",
        EACH_SUBSCRIPTION,
        "Microsoft.Authorization/locks/read",
        lambda azure, scope: azure.locks(scope).management_locks.list_at_subscription_level(),
    ),
    Source(
        "budgets",
        EACH_SUBSCRIPTION,
        "Microsoft.Consumption/budgets/read",
        lambda azure, scope: azure.list(
            f"/subscriptions/{scope}/providers/Microsoft.Consumption/budgets", BUDGETS_VERSION
        ),
    ),
)
