"""Metrics at the scope of a subscription, through the real SDK: what is split and summed, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.monitor import MonitorManagementClient

SPLIT = "Microsoft.ResourceId eq '*' and ModelDeploymentName eq '*'"
ASKED: dict[str, Any] = {
    "region": "eastus",
    "timespan": "2026-10-24T00:00:00Z/2026-11-24T00:00:00Z",
    "interval": "P1D",
    "metricnames": "AzureOpenAIRequests",
    "aggregation": "total",
    "top": 100,
    "filter": SPLIT,
    "metricnamespace": "Microsoft.CognitiveServices/accounts",
}


def metrics(guest: Any, **changes: Any) -> Any:
    return guest.client(MonitorManagementClient).metrics.list_at_subscription_scope(**ASKED | changes)


def totals(answer: Any) -> dict[tuple[str, ...], float]:
    """The sum of each time series by its dimensions."""
    return {
        tuple(each.value.rpartition("/")[2] for each in series.metadatavalues): sum(
            point.total for point in series.data
        )
        for metric in answer.value
        for series in metric.timeseries
    }


def test_the_shape_is_the_documented_one(visit: Callable[..., Any]) -> None:
    answer = metrics(visit("exposed", "assessor"))
    assert (answer.cost, answer.interval, answer.resourceregion) == (31 * 24 * 60, "P1D", "eastus")
    assert answer.namespace == "Microsoft.CognitiveServices/accounts"
    (metric,) = answer.value
    assert (metric.name.value, metric.unit, metric.error_code) == ("AzureOpenAIRequests", "Count", "Success")
    (series,) = metric.timeseries
    assert [each.name.value for each in series.metadatavalues] == ["Microsoft.ResourceId", "ModelDeploymentName"]
    assert [point.time_stamp.day for point in series.data][:2] == [24, 25]
    assert len(series.data) == 31
    assert series.data[0].total == 0


def test_a_question_splits_narrows_and_cuts(visit: Callable[..., Any]) -> None:
    guest = visit("exposed", "assessor")
    assert totals(metrics(guest)) == {("ais-brightcart-search", "search-chat"): 900 + 140 + 24 + 60}
    assert totals(metrics(guest, filter="StatusCode eq '*'")) == {("200",): 1100, ("400",): 24}
    assert totals(metrics(guest, filter="StatusCode eq '*'", top=1)) == {("200",): 1100}
    assert totals(metrics(guest, filter="StatusCode eq '400'")) == {("400",): 24}
    assert totals(metrics(guest, filter=None)) == {(): 1124}
    assert totals(metrics(guest, region="westeurope")) == {}
    assert totals(metrics(guest, timespan="2026-11-24T00:00:00Z/2026-11-25T00:00:00Z")) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"region": ""},
        {"metricnamespace": "Microsoft.Compute/virtualMachines"},
        {"metricnames": "RAIAbusiveUsersCount"},
        {"filter": "Caller eq '*'"},
        {"interval": "P2D"},
        {"aggregation": "average"},
        {"timespan": "2026-08-01T00:00:00Z/2026-11-24T00:00:00Z"},
        {"timespan": "lately"},
    ],
)
def test_what_the_service_would_refuse_is_refused(visit: Callable[..., Any], change: dict[str, str]) -> None:
    with pytest.raises(HttpResponseError) as caught:
        metrics(visit("exposed", "assessor"), **change)
    assert caught.value.status_code == 400


def test_without_the_right_on_the_subscription_there_is_no_answer(visit: Callable[..., Any]) -> None:
    guest = visit("exposed", "id-shop-search")
    with pytest.raises(HttpResponseError) as caught:
        metrics(guest)
    assert caught.value.status_code == 403
