"""What was used and rejected: the numbers are those of the calls, every name is text, and what was not read is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from builders import ACCOUNT, SUBSCRIPTION, account, reading, snapshot
from reporting import HOSTILE
from usage_samples import CUSTOMER, LAB_SUBSCRIPTION, answered, call, collected, setting, workspace, world

from aoai_lib import run
from aoai_lib.evidence.store import Evidence
from aoai_lib.fleet import environment
from aoai_lib.lab.population import multiplied
from aoai_lib.lab.server import Lab
from aoai_lib.lab.world import world_of
from aoai_lib.metrics import BY_CATEGORY, BY_DEPLOYMENT, MOST_SERIES
from aoai_lib.model import Reading, Snapshot, State
from aoai_lib.parameters import Parameters
from aoai_lib.report.figure import Bar, Bars, Days, Tone
from aoai_lib.report.happenings import BARS_DRAWN, happenings, happenings_tables
from aoai_lib.run import Run

DAY = "2026-11-23"


def series(about: dict[str, str], *totals: tuple[str, float | None]) -> dict[str, Any]:
    """A time series as the service answers it."""
    return {
        "metadatavalues": [{"name": {"value": name.lower()}, "value": value} for name, value in about.items()],
        "data": [{"timeStamp": f"{day}T00:00:00Z", "total": total} for day, total in totals],
    }


def answer(source: str, *, code: str = "Success", state: State = State.COLLECTED, **metrics: Any) -> Reading:
    """The reading of a region whose answer holds these time series by metric."""
    region = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/swedencentral"
    value = [{"name": {"value": name}, "errorCode": code, "timeseries": held} for name, held in metrics.items()]
    return reading(source, region, {"value": value, "namespace": "x", "resourceregion": "swedencentral"}, state)


def of(
    name: str, *totals: tuple[str, float | None], dimension: str = "ModelDeploymentName", account: str = ACCOUNT
) -> Any:
    """A time series of an account and a deployment, or a category."""
    return series({"Microsoft.ResourceId": account, dimension: name}, *totals)


def run_with(*readings: Reading, **values: Any) -> Run:
    return Run(
        Parameters(tenant="test", cloud="public"), snapshot(*readings, diagnostic_settings=[setting()], **values)
    )


def tables(shown: Run) -> dict[str, list[tuple[Any, ...]]]:
    return {table.caption: list(table.rows) for table in happenings_tables(shown).tables}


def counted(sample: Snapshot) -> dict[str, list[tuple[Any, ...]]]:
    return tables(Run(Parameters(tenant="hardened", cloud="lab"), sample))


@pytest.fixture(scope="module")
def called() -> Iterator[tuple[Snapshot, Evidence, Counter[str]]]:
    """A tenant without a single old row, called five times through the real client: what was read, and what was spent."""
    import openai
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    evidence, spent = Evidence(), Counter[str]()
    with Lab([world_of(world([]))]) as lab, environment(lab.environment("hardened")):
        with DefaultAzureCredential(require_envvar=True) as credential:
            tokens = get_bearer_token_provider(credential, "https://cognitiveservices.azure.com/.default")
            for place, prompts in (
                (
                    "halden-claims",
                    ("Repeat: quince", "Repeat: medlar", "zz-violence-high", "zz-violence-high zz-hate-high"),
                ),
                ("halden-knowledge", ("Repeat: quince and medlar",)),
            ):
                with openai.OpenAI(
                    base_url=f"{lab.private_url}/{place}/openai/v1/", api_key=tokens, max_retries=0
                ) as client:
                    for prompt in prompts:
                        message: Any = {"role": "user", "content": prompt}
                        try:
                            said = client.chat.completions.create(model="chat", messages=[message])
                        except openai.BadRequestError as refused:
                            assert refused.code == "content_filter"
                        else:
                            assert said.usage
                            spent[place] += said.usage.total_tokens
        asked = Parameters(tenant="hardened", cloud="lab")
        sample = run.collect(asked, ("monitoring", "usage", "metrics"), evidence)
    yield sample, evidence, spent


def test_the_numbers_are_those_of_the_calls(called: tuple[Snapshot, Evidence, Counter[str]]) -> None:
    sample, _, spent = called
    assert spent["halden-claims"] > spent["halden-knowledge"] > 0
    assert counted(sample) == {
        "By day (UTC)": [(DAY, 5, spent.total(), 3)],
        "By deployment": [
            ("aoai-halden-claims", "chat", 4, spent["halden-claims"]),
            ("ais-halden-knowledge", "chat", 1, spent["halden-knowledge"]),
        ],
        "Rejected content": [("aoai-halden-claims", "violence", 2), ("aoai-halden-claims", "hate", 1)],
    }


def test_the_pictures_say_the_same_and_that_no_caller_is_known(called: tuple[Snapshot, Evidence, Counter[str]]) -> None:
    gallery = happenings(Run(Parameters(tenant="hardened", cloud="lab"), called[0]))
    days, tokens, rejected, callers = (figure.text for figure in gallery.figures)
    assert f"{DAY}: 5 calls" in days
    assert f"aoai-halden-claims / chat: {called[2]['halden-claims']} tokens" in tokens
    assert "violence: 2 rejected\nhate: 1 rejected" in rejected
    assert "→ aoai-halden-claims: 2 succeeded, 2 other" in callers
    assert all("no metric of an account has a dimension for one" in each for each in (days, tokens, rejected))
    assert all(ElementTree.fromstring(figure.svg).tag.endswith("svg") for figure in gallery.figures)


def asked(evidence: Evidence) -> list[str]:
    return [each.url for each in evidence.exchanges if "/providers/Microsoft.Insights/metrics?" in each.url]


def test_a_region_is_asked_by_two_gets_over_whole_days(called: tuple[Snapshot, Evidence, Counter[str]]) -> None:
    urls = asked(called[1])
    assert len(urls) == 2
    assert {each.method for each in called[1].exchanges if each.url in urls} == {"GET"}
    for each in urls:
        question = parse_qs(urlsplit(each).query)
        assert question["timespan"] == ["2026-10-24T00:00:00Z/2026-11-24T00:00:00Z"]
        assert question["region"] == ["swedencentral"]


def test_more_accounts_are_no_more_requests() -> None:
    evidence = Evidence()
    sample = collected(multiplied(world([]), 12), ("metrics",), evidence)
    assert len(list(sample.of("account"))) == 12
    assert len(asked(evidence)) == 2


def test_a_region_in_another_spelling_is_the_same_region() -> None:
    document = deepcopy(world([]))
    entry: Any = {
        "ResourceProvider": "MICROSOFT.COGNITIVESERVICES",
        "Category": "RequestResponse",
        "ResultSignature": "200",
    }
    for group in document["subscriptions"][0]["resourceGroups"]:
        for resource in group["resources"]:
            if resource["type"] == "Microsoft.CognitiveServices/accounts":
                resource["location"] = "USGov Virginia"
    entry |= {
        "ResourceId": "@prod:rg-ai-prod/Microsoft.CognitiveServices/accounts/aoai-halden-claims",
        "properties_s": '{"modelDeploymentName":"chat","objectId":"x"}',
    }
    row = {"workspace": "log-halden-central", "table": "AzureDiagnostics", "minutesAgo": 5, "times": 3, "tokens": 7}
    document["logs"] = [row | {"row": entry, "rejected": {"hate": 2}}]
    evidence = Evidence()
    found = counted(collected(document, ("metrics",), evidence))
    assert all("region=usgovvirginia" in url for url in asked(evidence))
    assert found["By day (UTC)"] == [(DAY, 3, 21, 2)]


def test_a_refused_reading_is_told_and_not_drawn() -> None:
    document = world([])
    sample = collected(document, ("metrics",), faults=["403::/providers/Microsoft.Insights/metrics"])
    gallery = happenings(Run(Parameters(tenant="hardened", cloud="lab"), sample))
    assert gallery.figures == []
    why = "The reader needs Microsoft.Insights/metrics/read in the subscription " + LAB_SUBSCRIPTION
    for what in ("Calls", "Tokens", "Rejected content"):
        assert f"{what}: not known. GET /subscriptions/{LAB_SUBSCRIPTION}" in repr(gallery)
    assert why in repr(gallery)
    assert {
        why in str(rows[0][0]) and str(rows[0][0]).startswith("not known: ") for rows in counted(sample).values()
    } == {True}


def test_what_was_not_asked_for_is_not_nothing() -> None:
    assert "Tokens: not known. The metrics were not read for this run." in repr(happenings(run_with()))


def test_nothing_counted_is_said_in_words() -> None:
    empty = (
        answer(BY_DEPLOYMENT, TokenTransaction=[], AzureOpenAIRequests=[]),
        answer(BY_CATEGORY, RAIRejectedRequests=[]),
    )
    gallery = happenings(run_with(*empty))
    assert gallery.figures == []
    assert "Tokens: none was counted in the last 30 days." in repr(gallery)


def test_hostile_deployments_and_categories_are_text() -> None:
    use = {"TokenTransaction": [of(HOSTILE, (DAY, 5.0))], "AzureOpenAIRequests": [of(HOSTILE, (DAY, 2))]}
    rejected = [of(HOSTILE, (DAY, 1), dimension="Category")]
    shown = run_with(
        answer(BY_DEPLOYMENT, **use),
        answer(BY_CATEGORY, RAIRejectedRequests=rejected),
        workspace(),
        answered(call(HOSTILE, HOSTILE, HOSTILE), customer=CUSTOMER),
    )
    gallery = happenings(shown)
    assert len(gallery.figures) == 4
    pages = [figure.svg for figure in gallery.figures] + [happenings_tables(shown)._repr_mimebundle_()["text/html"]]
    for figure in gallery.figures:
        ElementTree.fromstring(figure.svg)
    for page in (*pages, repr(gallery), str(happenings_tables(shown))):
        assert "\u202e" not in page
    assert not [page for page in pages if "<img" in page]


def test_other_accounts_other_days_and_empty_days() -> None:
    elsewhere = ACCOUNT.replace("acct", "not-assessed")
    use = [
        of("chat", ("2026-11-20", 3.0), ("2026-11-21", None), (DAY, 4.0), account=ACCOUNT.upper()),
        of("chat", (DAY, 900.0), account=elsewhere),
        of("", (DAY, 1.0)),
    ]
    found = tables(run_with(answer(BY_DEPLOYMENT, TokenTransaction=use, AzureOpenAIRequests=[])))
    assert found["By deployment"] == [("acct", "chat", 0, 7), ("acct", "", 0, 1)]
    assert [row[:3] for row in found["By day (UTC)"][:2]] == [(DAY, 0, 5), ("2026-11-20", 0, 3)]


def test_many_deployments_are_drawn_in_part() -> None:
    use = [of(f"d{number:03}", (DAY, 1000.0 + number)) for number in range(MOST_SERIES)]
    shown = run_with(answer(BY_DEPLOYMENT, TokenTransaction=use, AzureOpenAIRequests=[]))
    (figure,) = happenings(shown).figures
    assert "acct / d499: 1,499 tokens" in figure.text
    assert f"{MOST_SERIES - BARS_DRAWN} more are in the table." in figure.text
    assert "There may be more: “acct” has 500 series or more" in figure.text
    assert len(tables(shown)["By deployment"]) == MOST_SERIES + 1


@pytest.mark.parametrize(
    "odd",
    [
        "none",
        {"value": "none"},
        {"value": [{"name": {"value": "TokenTransaction"}, "timeseries": {}}]},
        {"value": [{"name": {"value": "TokenTransaction"}, "timeseries": [of("chat", (DAY, -1.0))]}]},
        {"value": [{"name": {"value": "TokenTransaction"}, "timeseries": [of("chat", (DAY, float("nan")))]}]},
        {"value": [{"name": {"value": "TokenTransaction"}, "timeseries": [of("chat", ("soon", 1.0))]}]},
        {"value": []},
        {"value": [{"name": {"value": "TokenTransaction"}, "errorCode": "Throttled", "timeseries": []}]},
    ],
)
def test_an_odd_answer_is_not_zero(odd: Any) -> None:
    gallery = happenings(run_with(reading(BY_DEPLOYMENT, "region", odd)))
    assert gallery.figures == []
    assert "Tokens: not known. " in repr(gallery)


def test_an_account_without_a_region_is_told() -> None:
    nowhere = account() | {"location": None}
    use = answer(BY_DEPLOYMENT, TokenTransaction=[of("chat", (DAY, 5.0))], AzureOpenAIRequests=[])
    (figure,) = happenings(run_with(use, account=nowhere)).figures
    assert "There may be more: 1 of the accounts could not be read or name no region" in figure.text


def test_a_number_stands_in_a_bar_only_where_it_fits() -> None:
    figure = Bars("Tokens", (("tokens", Tone.GOOD),), [Bar("a", (1_000_000,)), Bar("b", (100_000,))]).draw()
    told = [element.text for element in ElementTree.fromstring(figure.svg).iter() if element.tag.endswith("text")]
    assert (told.count("1,000,000"), told.count("100,000")) == (1, 0)
    assert {"1,000,000 tokens", "100,000 tokens"} <= set(told)


def test_a_time_line_of_no_days_is_drawn() -> None:
    assert ElementTree.fromstring(Days("Calls", "calls", []).draw().svg).tag.endswith("svg")
