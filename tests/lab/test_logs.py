"""The log store: the answer's shape, the time span, schemas that grow, and refusals in the service's words."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from logs_sample import NOW, WORKSPACE, inference_row, sample

from aoai_lib.lab.logs import LogQueryError, LogStore

RECORDED = Path(__file__).resolve().parents[2] / "../shared/recorded/07_loganalytics"


@pytest.fixture(scope="module")
def store() -> LogStore:
    return sample()


def table(store: LogStore, query: str, timespan: str | None = None) -> dict[str, Any]:
    (found,) = store.query(WORKSPACE, query, timespan, NOW)["tables"]
    assert isinstance(found, dict)
    return found


def refusal(store: LogStore, query: str, timespan: str | None = None) -> dict[str, Any]:
    with pytest.raises(LogQueryError) as caught:
        store.query(WORKSPACE, query, timespan, NOW)
    assert caught.value.status == 400
    error: dict[str, Any] = caught.value.body["error"]
    assert (error["code"], error["message"]) == ("BadArgumentError", "The request had some invalid properties")
    return error["innererror"]  # type: ignore[no-any-return]


def test_every_kind_of_value_is_written_as_the_service_writes_it(store: LogStore) -> None:
    found = table(
        store,
        """print d = datetime(2026-11-23T08:00:00.25Z), t = 1d + 2h + 3m, s = "x", n = 1, i = int(2), r = 1.5,
        nan = real(nan), b = true, o = dynamic({"a": [1]}), l = dynamic(["x"]),
        g = guid(74be27de-1e4e-49d9-b579-fe0b331d3642)""",
    )
    assert {column["name"]: column["type"] for column in found["columns"]} == {
        "d": "datetime",
        "t": "timespan",
        "s": "string",
        "n": "long",
        "i": "int",
        "r": "real",
        "nan": "real",
        "b": "bool",
        "o": "dynamic",
        "l": "dynamic",
        "g": "guid",
    }
    written = ["2026-11-23T08:00:00.25Z", "1.02:03:00", "x", 1, 2, 1.5, "NaN", True, '{"a":[1]}', '["x"]']
    assert found["rows"] == [[*written, "74be27de-1e4e-49d9-b579-fe0b331d3642"]]


@pytest.mark.parametrize(
    ("timespan", "count"),
    [
        (None, 65),
        ("P1D", 64),
        ("PT10M", 60),
        ("PT9M", 60),
        ("PT8M30S", 30),
        ("P2W", 65),
        ("2026-11-23T08:40:00Z/2026-11-23T08:41:00Z", 2),
        ("2026-11-23T08:40:00Z/PT5M", 4),
        ("PT1M/2026-11-23T08:42:00+00:00", 2),
        ("2026-11-23T09:40:00+01:00/2026-11-23T09:41:00+01:00", 2),
    ],
)
def test_the_timespan_bounds_every_table(store: LogStore, timespan: str | None, count: int) -> None:
    assert table(store, "AzureDiagnostics | count", timespan)["rows"] == [[count]]


def test_the_timespan_also_bounds_what_the_query_asks_for(store: LogStore) -> None:
    query = "AzureDiagnostics | where TimeGenerated > ago(14d) | count"
    assert table(store, query, "PT1H")["rows"] == [[64]]


@pytest.mark.parametrize("timespan", ["yesterday", "P", "2026-11-23/never", "2026-11-23/2026-11-22", "P1D/P1D"])
def test_a_timespan_that_is_none_is_refused(store: LogStore, timespan: str) -> None:
    assert refusal(store, "AzureDiagnostics | count", timespan)["code"] == "InvalidTimespan"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("Nowhere | take 1", "'take' operator: Failed to resolve table or column expression named 'Nowhere'"),
        (
            "azurediagnostics | count",
            "'count' operator: Failed to resolve table or column expression named 'azurediagnostics'",
        ),
        (
            "AzureActivity | where CallerIPAddress == ''",
            "'where' operator: Failed to resolve column or scalar expression named 'CallerIPAddress'",
        ),
        (
            "AzureDiagnostics | project nothing",
            "'project' operator: Failed to resolve column or scalar expression named 'nothing'",
        ),
        (
            "['/etc/passwd'] | take 1",
            "'take' operator: Failed to resolve table or column expression named '/etc/passwd'",
        ),
    ],
)
def test_names_that_are_not_there(store: LogStore, query: str, message: str) -> None:
    inner = refusal(store, query)
    assert inner["code"] == "SemanticError"
    assert inner["innererror"] == {"code": "SEM0100", "message": message}


@pytest.mark.parametrize("query", ["", "AzureDiagnostics | wherever", ".drop table AzureDiagnostics", "| count"])
def test_what_is_no_query(store: LogStore, query: str) -> None:
    inner = refusal(store, query)
    assert inner["code"] == "SyntaxError"
    assert inner["innererror"]["code"] == "SYN0002"
    assert inner["innererror"]["line"] == 1


@pytest.mark.parametrize(
    ("query", "construct"),
    [
        ("AzureDiagnostics | make-series n = count() on TimeGenerated step 1h", "MakeSeries"),
        ("AzureDiagnostics | where ipv4_is_private(CallerIPAddress)", "ipv4_is_private"),
        ("AzureDiagnostics | sort by TimeGenerated asc | extend n = row_number()", "row_number"),
        ("search 'contoso'", "Search"),
        ("database('held').AzureDiagnostics | count", "database()"),
        ("externaldata(a: string)['https://example.com/a.csv'] | count", "externaldata()"),
    ],
)
def test_what_the_engine_lacks_is_refused_loudly(store: LogStore, query: str, construct: str) -> None:
    inner = refusal(store, query)["innererror"]
    assert inner["code"] == "LAB0001"
    assert construct in inner["message"]
    assert "does not hold" in inner["message"]


def test_tables_whose_columns_differ_in_case_only_are_not_mixed(store: LogStore) -> None:
    inner = refusal(store, "union AzureDiagnostics, AzureActivity | where TimeGenerated > ago(1h)")["innererror"]
    assert inner["code"] == "LAB0002"
    assert "CallerIpAddress" in inner["message"]


def test_optional_columns_follow_the_pipeline_and_not_the_table(store: LogStore) -> None:
    query = """AzureDiagnostics | where Category == "Audit" | project Category
        | extend a = column_ifexists("OperationName", "gone"), b = column_ifexists('Category', "gone"),
            c = tostring(coalesce(column_ifexists("nothing", ""), column_ifexists("nil", strcat("l", ",", "r"))))"""
    assert table(store, query)["rows"] == [["Audit", "gone", "Audit", "l,r"]]
    inside = """let audited = materialize(AzureDiagnostics | where Category == "Audit"
            | summarize n = count() by k = column_ifexists("OperationName", ""));
        audited | join kind=inner (AzureDiagnostics | where Category == "Audit" | project OperationName
            | extend k = column_ifexists("OperationName", "x"), z = column_ifexists("ResourceId", "y")) on k
        | project k, n, z"""
    assert table(store, inside)["rows"] == [["ListKey", 1, "y"]]


def test_a_column_ifexists_without_default_or_table_is_refused(store: LogStore) -> None:
    assert refusal(store, "AzureDiagnostics | extend column_ifexists('x')")["innererror"]["code"] == "SEM0219"
    assert refusal(store, "print column_ifexists('x', 1)")["innererror"]["code"] == "SEM0100"


def test_a_table_and_a_column_are_there_from_the_first_row_that_has_them() -> None:
    store = LogStore([WORKSPACE])
    inner = refusal(store, "AzureDiagnostics | count")["innererror"]
    assert inner["message"] == "'count' operator: Failed to resolve table or column expression named 'AzureDiagnostics'"
    store.append(WORKSPACE, "AzureDiagnostics", {"TimeGenerated": NOW, "Category": "Audit"})
    assert table(store, "AzureDiagnostics | count")["rows"] == [[1]]
    inner = refusal(store, "AzureDiagnostics | where properties_s has 'chat'")["innererror"]
    assert inner["message"].endswith("named 'properties_s'")
    store.append(WORKSPACE, "AzureDiagnostics", inference_row(NOW, "", "81.2.69.***"))
    found = table(store, "AzureDiagnostics | project Category, empty = isempty(properties_s) | order by Category asc")
    assert found["rows"] == [["Audit", True], ["RequestResponse", False]]


def test_rows_of_no_table_and_columns_of_no_schema_are_errors() -> None:
    store = LogStore()
    with pytest.raises(ValueError, match="no log table 'Nowhere'"):
        store.append(WORKSPACE, "Nowhere", {})
    with pytest.raises(ValueError, match="no column 'callerIpAddress'"):
        store.append(WORKSPACE, "AzureActivity", {"callerIpAddress": ""})


def test_an_unknown_workspace() -> None:
    with pytest.raises(LogQueryError) as caught:
        LogStore().query(WORKSPACE, "AzureDiagnostics", None, NOW)
    assert (caught.value.status, caught.value.body["error"]["code"]) == (404, "WorkspaceNotFoundError")


def test_workspaces_do_not_see_each_other() -> None:
    store = sample()
    other = WORKSPACE.replace("3f1e", "4f1e")
    store.open(other)
    store.append(other, "AzureDiagnostics", {"TimeGenerated": NOW, "Category": "Audit"})
    assert store.query(other, "AzureDiagnostics | count", None, NOW)["tables"][0]["rows"] == [[1]]
    store.close(WORKSPACE)
    with pytest.raises(LogQueryError):
        store.query(WORKSPACE, "AzureDiagnostics | count", None, NOW)


def test_many_may_write_and_ask_at_once() -> None:
    store = LogStore([WORKSPACE])
    counts: list[int] = []

    def write() -> None:
        for n in range(50):
            store.append(WORKSPACE, "Heartbeat", {"TimeGenerated": NOW - timedelta(seconds=n), "Computer": "a"})
            if n % 25 == 0:
                counts.append(table(store, "Heartbeat | count")["rows"][0][0])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 8
    assert table(store, "Heartbeat | count")["rows"] == [[200]]


def test_rows_may_come_with_any_spelling_of_a_moment() -> None:
    store = LogStore()
    moments = [datetime(2026, 11, 23, 8, tzinfo=UTC), "2026-11-23T09:00:00+01:00", "2026-11-23T08:00:00Z"]
    for moment in moments:
        store.append(WORKSPACE, "Operation", {"TimeGenerated": moment})
    assert table(store, "Operation | distinct TimeGenerated")["rows"] == [["2026-11-23T08:00:00Z"]]


def test_the_answer_has_the_recorded_shape(store: LogStore) -> None:
    if not RECORDED.is_dir():
        pytest.skip("no folder of recorded answers beside this checkout")
    names = sorted(RECORDED.glob("query_dataplane__none__POST200__*.json"))
    schema = next(json.loads(n.read_text()) for n in names if "getschema" in n.read_text())
    ours = store.query(WORKSPACE, "Heartbeat | getschema", None, NOW)
    assert ours.keys() == schema.keys()
    assert ours["tables"][0]["columns"] == schema["tables"][0]["columns"]
    assert ours["tables"][0]["name"] == schema["tables"][0]["name"]
    assert ours["tables"][0]["rows"][1] == ["TimeGenerated", 1, "System.DateTime", "datetime"]
    empty = json.loads(names[-1].read_text())
    none = store.query(WORKSPACE, "Heartbeat | distinct name = Computer", None, NOW)
    assert none == empty


@pytest.mark.parametrize("odd", ["text", "{half", "NaN", ""])
def test_a_dynamic_that_holds_no_json_is_a_string(odd: str) -> None:
    own = LogStore([WORKSPACE])
    own.append(WORKSPACE, "AzureDiagnostics", {**inference_row(NOW, "x", ""), "AdditionalFields": odd})
    query = "AzureDiagnostics | where isnotempty(ResultSignature) | project tostring(AdditionalFields), N = tostring(AdditionalFields.properties_s)"
    assert own.query(WORKSPACE, query, None, NOW)["tables"][0]["rows"] == [[odd, ""]]
