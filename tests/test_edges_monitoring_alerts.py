"""MON-06, MON-07 and MON-09 at their edges: how a log alert's query is read."""

from __future__ import annotations

import pytest
from alerts import query, verdict
from builders import ACCOUNT, reading
from test_monitoring_log_alerts import KEYS
from test_monitoring_metric_alerts import EXPORTED

BY_MINUTE = EXPORTED.replace("5m", "1m")
BY_HALF_MINUTE = EXPORTED.replace("5m", "30s")
TOKENS = 'AzureMetrics | where MetricName == "TokenTransaction" | summarize T = sum(Total) by bin(TimeGenerated, {})'


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"{BY_MINUTE} | where Rejected > 4", "pass"),
        (f"{BY_MINUTE} | where Rejected > 8", "fail"),
        (f"{BY_HALF_MINUTE} | where Rejected > 2", "pass"),
        (f"{BY_HALF_MINUTE.replace('s)', 'S)')} | where Rejected > 3", "fail"),
        (f"{EXPORTED} | where Rejected >= 21", "pass"),
        (f"{EXPORTED} | where Rejected >= 22", "fail"),
        (f"{EXPORTED} | where Rejected > 20.5", "fail"),
        (f"{EXPORTED} | where Rejected > 5 | where Rejected > 20", "fail"),
        (f"{EXPORTED} | where Rejected > 500 | summarize Rejected = sum(Rejected) | where Rejected > 20", "fail"),
        (f"{EXPORTED.replace('| summarize', '| where Total > 0 | summarize')} | where Rejected > 20", "pass"),
        (f"{EXPORTED.replace('RAIRejectedRequests', 'BlockedCalls')} | where Rejected > 20", "fail"),
        (f"{EXPORTED.replace('AzureMetrics', 'OtherMetrics')} | where Rejected > 20", "fail"),
    ],
    ids=["20-in-5-by-the-minute", "40-in-5-by-the-minute", "20-in-5-by-the-half-minute", "30-in-5-by-the-half-minute", "21-or-more",
         "22-or-more", "above-20.5", "twice", "twice-summed", "rows-before-they-are-summed", "other-metric", "other-table"],
)  # fmt: skip
def test_numbers_in_a_query_on_the_exported_metric(text: str, status: str) -> None:
    """More than 20 in five minutes must raise an alert: as many in a shorter slice of time, in proportion."""
    assert verdict("MON-06", queries=[query(text)]).status == status


@pytest.mark.parametrize(
    ("slices", "threshold", "status"),
    [("1h", 500_000, "pass"), ("0.5h", 250_000, "pass"), ("30m", 250_001, "fail"), ("1d", 500_000, "pass")],
)
def test_slices_of_time_in_a_query_on_exported_tokens(slices: str, threshold: int, status: str) -> None:
    rule = query(f"{TOKENS.format(slices)} | where T > {threshold}", windowSize="P1D", evaluationFrequency="PT1H")
    assert verdict("MON-09", queries=[rule]).status == status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (KEYS + " | summarize Calls=count() by CallerIPAddress | where Calls >= 1", "pass"),
        (KEYS + " | summarize Calls=count() by CallerIPAddress | where Calls > 100 | where Calls > 5", "fail"),
        (KEYS.replace("AzureDiagnostics ", "AzureDiagnostics // the account's log\n"), "pass"),
        (KEYS + f' | where _ResourceId =~ "{ACCOUNT}"', "pass"),
        (KEYS + f' | where strcmp(_ResourceId, "{ACCOUNT}") == 0', "pass"),
        (KEYS + f' | where strcmp(_ResourceId, "{ACCOUNT}-2") == 0', "fail"),
    ],
    ids=["one-or-more", "two-numbers", "comment-behind-the-table", "by-id", "in-full", "another-in-full"],
)  # fmt: skip
def test_how_a_query_on_keys_is_read(text: str, status: str) -> None:
    assert verdict("MON-07", queries=[query(text)]).status == status


@pytest.mark.parametrize("id", ["MON-07", "MON-10"])
def test_an_account_whose_request_log_goes_nowhere_is_told_so(id: str) -> None:  # noqa: A002
    found = verdict(id, reading("diagnostic_settings", ACCOUNT, []))
    assert found.status == "fail" and "no workspace receives the category RequestResponse" in found.reason


def test_a_metric_that_goes_to_no_workspace_is_no_lack_of_logs() -> None:
    """The metric alert needs none, so its want is not told as the reason."""
    found = verdict("MON-06", reading("diagnostic_settings", ACCOUNT, []))
    assert found.status == "fail" and "no workspace" not in found.reason
