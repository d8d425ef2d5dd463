"""What a resource holds against what a write says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoai_lib.harden.wire import differences, holds, merged, projected, writable

LEAF = st.none() | st.booleans() | st.integers(-5, 5) | st.text("abC /", min_size=1, max_size=5)
JSON = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pqrs"), inner, max_size=3),
    max_leaves=12,
)
OBJECT = st.dictionaries(st.sampled_from("pqrs"), JSON, max_size=4)


@pytest.mark.parametrize(
    ("resource", "wanted", "verdict"),
    [
        ({"a": 1, "more": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"Location": "Sweden Central"}, {"location": "swedencentral"}, True),
        ({"id": "/SUBSCRIPTIONS/x"}, {"id": "/subscriptions/X"}, True),
        ({"rules": [{"value": "b", "etag": 1}, {"value": "a"}]}, {"rules": [{"value": "a"}, {"value": "b"}]}, True),
        ({"rules": [{"value": "a"}, {"value": "c"}]}, {"rules": [{"value": "a"}]}, False),
        ({"rules": [{"value": "a"}, {"value": "a"}]}, {"rules": [{"value": "a"}, {"value": "b"}]}, False),
        ({}, {"rules": []}, True),
        ({"rules": None}, {"rules": []}, True),
        ({"rules": ["x"]}, {"rules": []}, False),
        ({"rules": ["x"]}, {"rules": None}, False),
        ({}, {"on": False}, False),
        ({"on": False}, {"on": None}, False),
        ({"on": 0}, {"on": False}, False),
        ({"on": 1}, {"on": True}, False),
        ({"on": "true"}, {"on": True}, False),
        (None, {"a": 1}, False),
        ("text", {"a": 1}, False),
    ],
)
def test_a_resource_holds_what_is_wanted_as_the_service_compares(resource: Any, wanted: Any, verdict: bool) -> None:
    assert holds(resource, wanted) is verdict


@given(OBJECT)
def test_everything_holds_itself(value: Any) -> None:
    assert holds(value, value)


@given(OBJECT, OBJECT)
def test_a_merged_resource_holds_the_change(resource: Any, change: Any) -> None:
    assert holds(merged(resource, change), change)


@given(OBJECT, OBJECT)
def test_what_a_projection_says_the_resource_holds(resource: Any, shape: Any) -> None:
    assert holds(resource, projected(resource, shape))


@given(OBJECT, OBJECT)
def test_there_is_a_difference_exactly_where_one_does_not_hold_the_other(one: Any, other: Any) -> None:
    assert (list(differences(one, other)) == []) is (holds(one, other) and holds(other, one))


def test_what_only_the_service_sets_is_not_sent_back() -> None:
    subnet = {
        "id": "/x",
        "name": "s",
        "etag": 'W/"1"',
        "type": "t",
        "properties": {
            "addressPrefix": "10.0.0.0/24",
            "provisioningState": "Succeeded",
            "privateEndpoints": [{"id": "/pe"}],
            "serviceEndpoints": [{"service": "Microsoft.CognitiveServices", "provisioningState": "Succeeded"}],
        },
    }
    assert writable(subnet, ("properties.PrivateEndpoints", "properties.serviceEndpoints.*.provisioningState")) == {
        "properties": {
            "addressPrefix": "10.0.0.0/24",
            "serviceEndpoints": [{"service": "Microsoft.CognitiveServices"}],
        }
    }
    assert subnet["properties"]["privateEndpoints"] == [{"id": "/pe"}]


def test_differences_are_told_by_path() -> None:
    before = {"properties": {"publicNetworkAccess": "Enabled", "networkAcls": {"ipRules": [{"value": "1.2.3.4"}]}}}
    after = {"properties": {"publicNetworkAccess": "Disabled", "networkAcls": {"ipRules": [], "bypass": "None"}}}
    assert list(differences(before, after)) == [
        ("properties.publicNetworkAccess", "Enabled", "Disabled"),
        ("properties.networkAcls.ipRules", [{"value": "1.2.3.4"}], []),
        ("properties.networkAcls.bypass", None, "None"),
    ]
