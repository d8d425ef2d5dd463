"""What governance reads besides the accounts and deployments themselves: model lifecycles, locks, budgets."""

from __future__ import annotations

from typing import Final

from aoai_lib.collect import EACH_REGION, EACH_SUBSCRIPTION, Form, Source, name_of, subscription_of

BUDGETS_VERSION: Final = "2023-05-01"

SOURCES = (
    Source(
        "models",
        EACH_REGION,
        "Microsoft.CognitiveServices/locations/models/read",
        lambda azure, location: azure.cognitive(subscription_of(location)).models.list(name_of(location)),
        form=Form.MODEL,
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
