"""The picture and the words of the guardrails: who looks at them for a moment sees which deployment is weak."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import ACCOUNT, DEPLOYMENT, reading
from guardrail_samples import changed, entry, guarded, model, strict
from reporting import run_of as run_of_a_tenant

from aoai_lib.model import Snapshot, State
from aoai_lib.report import guardrails
from aoai_lib.run import Run


def run_of(sample: Snapshot) -> Run:
    return run_of_a_tenant(replace(sample, tenant="hardened"))


def lead(sample: Snapshot) -> str:
    """The first cell of the one row, in words."""
    (line,) = (
        line
        for line in guardrails.guardrail_figure(run_of(sample), ACCOUNT).text.splitlines()
        if line.startswith("chat (")
    )
    return line.partition("in all: ")[2].partition(";")[0]


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (guarded(strict()), "as required"),
        (
            guarded(changed("Hate", "Prompt", severityThreshold="High")),
            "of the filters, 0 let everything through and 1 block less or later than required",
        ),
        (
            guarded(changed("Jailbreak", "Prompt", enabled=False)),
            "of the filters, 1 let everything through and 0 block less or later than required",
        ),
        (guarded(strict(without=("Jailbreak",))), "not known of 1 of the filters"),
        (guarded(strict(), deployment=model("whisper")), "no content filter"),
        (
            guarded(changed("Protected Material Text", "Completion", blocking=False), requirements={"protected_material_exceptions": ["Chat"]}),
            "as required",
        ),
    ],
)  # fmt: skip
def test_the_first_cell_says_it_all(sample: Snapshot, said: str) -> None:
    assert lead(sample) == said


def test_the_weakest_deployment_is_on_top() -> None:
    sample = guarded(strict())
    second = f"{ACCOUNT}/deployments/weak"
    weak = model("gpt-5", "Microsoft.Nil") | {"id": second, "name": "weak"}
    more = (reading("deployments", ACCOUNT, [DEPLOYMENT, second]), reading("deployment", second, weak))
    both = replace(sample, readings={**sample.readings, **{(each.source, each.scope.lower()): each for each in more}})
    figure = guardrails.guardrail_figure(run_of(both), ACCOUNT)
    assert [line.split(" ")[0] for line in figure.text.splitlines()[1:]] == ["weak", "chat"]
    assert figure.svg.index(">weak<") < figure.svg.index(">chat<")
    assert "12 weak" in figure.svg


def test_a_required_blocklist_that_is_empty_or_missing_counts_as_none() -> None:
    lists = [{"blocklistName": "canary", "blocking": True, "source": source} for source in ("Prompt", "Completion")]
    scope = f"{ACCOUNT}/raiBlocklists/canary"
    asked = {"required_blocklists": ["canary"]}
    for items, shown in (([{"name": "a"}], "1"), ([], "none")):
        sample = guarded(
            strict(customBlocklists=lists),
            requirements=asked,
            readings=[reading("rai_blocklist_items", scope, items, State.COLLECTED)],
        )
        assert f">{shown}</text>" in guardrails.guardrail_figure(run_of(sample), ACCOUNT).svg
        (row,) = guardrails.blocklists(run_of(sample)).rows
        assert "canary on prompts (blocks, " in str(row[2])


def test_words_tell_kind_base_mode_and_what_is_listed_for_agents() -> None:
    listed = strict(mode="Default")
    listed["properties"]["contentFilters"].append(entry("<b>New</b>", "PreToolCall"))
    run = run_of(guarded(listed))
    table = guardrails.guardrail_details(run)
    (row,) = table.rows
    shown = dict(zip(table.columns, row, strict=True))
    assert (shown["kind"], shown["policy"]) == ("text: all filters", "strict, on Microsoft.DefaultV2, mode Default")
    assert shown["prompts"] == (
        "blocks from Low: hate, sexual content, violence, self-harm; blocks: jailbreak, indirect attack; off: profanity"
    )
    assert "at “PreToolCall”, which is no category known here" in str(shown["also listed"])
    assert "<b>" not in table._repr_mimebundle_()["text/html"]
    assert "<b>" not in guardrails.guardrail_figure(run, ACCOUNT).svg
