"""Whether log alerts fire: the query of each rule that watches calls or changes, over synthetic events on the tenant's own workspace.

Nothing is ingested and no alert is raised: events stand inside the question, as with the detections. The rule is read again
just before, so what is tried is what stands there, and the evidence of a trial holds both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from aoai_lib.azure.clients import Azure
from aoai_lib.collect import (
    Form,
    OddAnswerError,
    Readings,
    Scopes,
    Source,
    group_of,
    items,
    monitoring,
    name_of,
    subscription_of,
)
from aoai_lib.collect.detections import NEEDED, workspaces
from aoai_lib.collect.usage import QUERIES
from aoai_lib.controls.monitoring_changes import CHANGES
from aoai_lib.controls.monitoring_queries import Query, understand
from aoai_lib.controls.monitoring_rules import CALLERS, CHANGED, KEYS
from aoai_lib.detections import Event, askable, rehearsed
from aoai_lib.model import Json

MOST_TRIALS: Final = 50
"""Trials in a run. A tenant with more rules of this kind has them made by a template, and the first ones tell how."""
_NEW: Final = {"caller": "99999999-0000-4000-8000-000000000009", "address": "198.51.100.***"}


def _calls(minutes_ago: float, **told: Any) -> Event:
    return Event.model_validate({"shape": "call", "minutes_ago": minutes_ago, "with": told})


def _key_use(query: Query) -> list[Event]:
    """One call with a key, and no other: the first is what a rule has to report. It is none of those that rules are made for."""
    return [_calls(1, caller="", operation="Embeddings_Create", deployment="trial-4f1c")]


def _new_caller(query: Query) -> list[Event]:
    """A caller who has called every hour of the last two days, and one who calls for the first time."""
    return [*(_calls(60 * hours + 1) for hours in range(48)), _calls(1, **_NEW)]


def _changes(query: Query) -> list[Event]:
    """One change of those that the query names, begun and done."""
    first = min(query.operations(CHANGES))
    return [
        Event.model_validate(
            {"shape": "activity", "minutes_ago": 1, "with": {"operation": first.upper(), "status": status}}
        )
        for status in ("Start", "Success")
    ]


TOPICS: Final[dict[str, tuple[Callable[[Query], bool], Callable[[Query], list[Event]]]]] = {
    KEYS: (lambda query: query.watches_keys, _key_use),
    CALLERS: (lambda query: query.watches_new_callers, _new_caller),
    CHANGED: (lambda query: bool(query.operations(CHANGES)), _changes),
}
"""What a rule may watch: which queries are about it, and the events that must make such a rule fire: as few as can be."""


def _query(rule: Json) -> str:
    """The query of a log alert with one condition; "" for a rule of another kind."""
    own = rule.get("properties") if isinstance(rule, dict) else None
    criteria = own.get("criteria") if isinstance(own, dict) else None
    conditions = criteria.get("allOf") if isinstance(criteria, dict) else None
    only = conditions[0] if isinstance(conditions, list) and len(conditions) == 1 else None
    text = only.get("query") if isinstance(only, dict) else None
    return text if isinstance(text, str) else ""


def _trials(readings: Readings) -> Iterator[str]:
    places, accounts = workspaces(readings), [str(each) for each in items(readings, "accounts")]
    for rule in items(readings, "scheduled_query_rules"):
        query = understand(_query(rule))
        own = str(rule.get("id", ""))
        concerned = [each for each in accounts if query.concerns(each)]
        if not places or not concerned or not group_of(own) or not askable(query.text):
            continue
        watched = monitoring.properties_of(rule).get("scopes")
        scopes = [str(each).lower() for each in watched] if isinstance(watched, list) else []
        place = next((places[each] for each in scopes if each in places), next(iter(places.values())))
        for topic in (topic for topic, (watches, _) in TOPICS.items() if watches(query)):
            for account in concerned if query.tells_accounts_apart else concerned[:1]:
                yield f"{place}/{topic}{account}{own}"


def _each(readings: Readings) -> Iterable[str]:
    """`<customer id>/<topic><account><rule>` for each rule that watches one of the topics; the last two are ARM ids.

    A rule that looks at resources is tried for each account that it concerns, any other for one of them.
    """
    return islice(_trials(readings), MOST_TRIALS)


def _try(azure: Azure, scope: str) -> Any:
    """The rows that the rule's query gives for the events of its topic."""
    place, account, rule = scope.split("/subscriptions/")
    workspace, _, topic = place.partition("/")
    own = f"/subscriptions/{rule}"
    rules = azure.monitor(subscription_of(own)).scheduled_query_rules
    criteria = rules.get(group_of(own), name_of(own)).criteria
    queries = [each.query or "" for each in (criteria.all_of if criteria else None) or ()]
    query, (watches, events) = understand(queries[0] if len(queries) == 1 else ""), TOPICS[topic]
    if not askable(query.text) or not watches(query):
        raise OddAnswerError("the rule has another query now than when it was listed")
    return azure.logs().ask(workspace, rehearsed(queries[0], f"/subscriptions/{account}", events(query)))


SOURCES = (
    *(source for source in monitoring.SOURCES if source.name in (*NEEDED, "scheduled_query_rules")),
    Source("rule_trial", Scopes(("accounts", "scheduled_query_rules", *NEEDED), _each), QUERIES, _try, form=Form.ROWS),
)
