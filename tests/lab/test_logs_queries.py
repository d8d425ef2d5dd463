"""Queries over a sample hour (see logs_sample), against rows worked out by hand; and the documents' own queries."""

import re
from pathlib import Path
from typing import Any

import pytest
from logs_sample import ACCOUNT, NOW, PRINCIPAL, WORKSPACE, sample

from aoai_lib.lab.logs import LogQueryError, LogStore

SHARED = Path(__file__).resolve().parents[2] / "../shared"
INFERENCE = 'AzureDiagnostics | where Category == "RequestResponse" | extend p = parse_json(properties_s)'
BURST = "2026-11-23T08:50:00Z"


@pytest.fixture(scope="module")
def store() -> LogStore:
    return sample()


def rows(store: LogStore, query: str) -> list[list[Any]]:
    found: list[list[Any]] = store.query(WORKSPACE, query, None, NOW)["tables"][0]["rows"]
    return found


QUERIES = {
    "count by category": (
        "AzureDiagnostics | summarize n = count() by Category | order by n desc",
        [["RequestResponse", 64], ["Audit", 1]],
    ),
    "bursts": (
        f"""{INFERENCE} | where TimeGenerated > ago(1h)
        | summarize Calls = count(), Throttled = countif(ResultSignature == "429"), Sent = sum(tolong(p.requestLength))
            by Caller = tostring(p.objectId), bin(TimeGenerated, 5m)
        | where Calls > 50""",
        [[PRINCIPAL, BURST, 60, 5, 6000]],
    ),
    "key holders that got through": (
        f"""{INFERENCE}
        | where isempty(tostring(p.objectId)) and toint(ResultSignature) between (200 .. 299)
        | summarize Calls = count(), First = min(TimeGenerated), Last = max(TimeGenerated) by CallerIPAddress""",
        [["198.51.100.***", 2, "2026-11-23T08:40:00Z", "2026-11-23T08:41:00Z"]],
    ),
    "what the service refused": (
        f"{INFERENCE} | where toint(ResultSignature) >= 400 | summarize n = count() by ResultSignature | order by n desc, "
        "ResultSignature asc",
        [["429", 5], ["400", 1], ["401", 1]],
    ),
    "first seen": (
        f"""let hour = {INFERENCE} | where TimeGenerated > ago(1h)
            | summarize Calls = count() by CallerIPAddress, ObjectId = tostring(p.objectId);
        let before = {INFERENCE} | where TimeGenerated between (ago(14d) .. ago(1h))
            | distinct CallerIPAddress, ObjectId = tostring(p.objectId);
        hour | join kind=leftanti before on CallerIPAddress, ObjectId | project CallerIPAddress, ObjectId, Calls""",
        [["198.51.100.***", "", 3]],
    ),
    "the last word on each change": (
        """AzureActivity | where TimeGenerated > ago(1h)
        | where OperationNameValue startswith "microsoft.cognitiveservices/accounts/" and OperationNameValue endswith "/WRITE"
        | summarize arg_max(TimeGenerated, ActivityStatusValue) by CorrelationId | order by TimeGenerated asc""",
        [["c-1", "2026-11-23T08:10:05Z", "Success"], ["c-2", "2026-11-23T08:20:00Z", "Failure"]],
    ),
    "operations in any case": (
        """AzureActivity | where OperationNameValue in~ ("microsoft.cognitiveservices/accounts/listkeys/action")
        | project Caller, CallerIpAddress""",
        [["ana@contoso.example", "198.51.100.7"]],
    ),
    "operations in this case": (
        """AzureActivity | where OperationNameValue in ("microsoft.cognitiveservices/accounts/listkeys/action")""",
        [],
    ),
    "both tables": (
        """union (AzureDiagnostics | project TimeGenerated, Type), (AzureActivity | project TimeGenerated, Type)
        | where TimeGenerated >= ago(30m) | summarize n = count() by Type | order by Type asc""",
        [["AzureActivity", 3], ["AzureDiagnostics", 64]],
    ),
    "calls beside changes": (
        f"""AzureActivity | where OperationNameValue endswith "LISTKEYS/ACTION" | project Listed = TimeGenerated, _ResourceId
        | join kind=inner ({INFERENCE} | where isempty(tostring(p.objectId)) | project Used = TimeGenerated, _ResourceId)
            on _ResourceId
        | where Used > Listed | summarize n = count(), First = min(Used - Listed)""",
        [[3, "00:05:00"]],
    ),
    "columns that may be missing": (
        """AzureDiagnostics | where Category == "Audit"
        | project a = column_ifexists("event_s", "none"), b = strcat("<", column_ifexists("properties_s", "none"), ">")""",
        [["none", "<>"]],
    ),
    "a table of the query's own shadows the real one": (
        """let AzureDiagnostics = datatable(TimeGenerated: datetime, CallerIPAddress: string)
            [datetime(2026-11-23T08:59:30Z), "203.0.113.***", datetime(2026-11-22T08:59:30Z), "192.0.2.***"];
        AzureDiagnostics | where TimeGenerated > ago(1h) | project CallerIPAddress""",
        [["203.0.113.***"]],
    ),
    "resources, in lower case": ("AzureDiagnostics | distinct _ResourceId, Type", [[ACCOUNT, "AzureDiagnostics"]]),
    "a table without rows": ("SecurityAlert | count", [[0]]),
}


@pytest.mark.parametrize("name", QUERIES)
def test_query(store: LogStore, name: str) -> None:
    query, expected = QUERIES[name]
    assert rows(store, query) == expected


def document(name: str) -> str:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"no {name} beside this checkout")
    return path.read_text(encoding="utf-8")


def guide_queries() -> list[str]:
    text = document("guide.txt")
    start, end = text.index("// Detect high-frequency"), text.index("Alerting Rules", text.index("// Detect high"))
    return [each.partition("\n")[2] for each in re.split(r"^// ", text[start:end], flags=re.MULTILINE)[1:]]


def domain_query(title: str) -> str:
    block = next(each for each in re.findall(r"```kusto\n(.*?)```", document("domain.md"), re.DOTALL) if title in each)
    found = re.search(rf"^// {title}\b[^\n]*\n(.*?)(?=^// Q|\Z)", block, re.DOTALL | re.MULTILINE)
    return found.group(1) if found else block


def test_the_guides_first_query_adds_up_nothing(store: LogStore) -> None:
    assert rows(store, guide_queries()[0]) == [["81.2.69.***", BURST, 60, 0]]


def test_the_guides_second_query_never_finds_anything(store: LogStore) -> None:
    assert rows(store, guide_queries()[1]) == []


def test_the_guides_third_query_names_a_column_that_is_not_there(store: LogStore) -> None:
    with pytest.raises(LogQueryError) as caught:
        rows(store, guide_queries()[2])
    message = caught.value.body["error"]["innererror"]["innererror"]["message"]
    assert message == "'where' operator: Failed to resolve column or scalar expression named 'identity_claim_appid_g'"


def test_the_guides_fourth_query_counts_an_operation_twice(store: LogStore) -> None:
    found = [(row[2].rpartition("ACCOUNTS/")[2], row[3]) for row in rows(store, guide_queries()[3])]
    assert sorted(found) == [
        ("DEPLOYMENTS/WRITE", "Failure"),
        ("RAIPOLICIES/WRITE", "Start"),
        ("RAIPOLICIES/WRITE", "Success"),
    ]


def test_the_corrected_first_query(store: LogStore) -> None:
    expected = [ACCOUNT, "chat", PRINCIPAL, "81.2.69.***", BURST, 60, 6, 5, 6000, 12000]
    assert rows(store, domain_query("Q1")) == [expected]


def test_the_corrected_third_query(store: LogStore) -> None:
    at = ["2026-11-23T08:40:00Z", "2026-11-23T08:41:00Z"]
    assert rows(store, domain_query("Q3")) == [[ACCOUNT, "198.51.100.***", "ChatCompletions_Create", 2, *at]]


def test_the_corrected_fourth_query(store: LogStore) -> None:
    found = rows(store, domain_query("Q4"))
    assert sorted((row[0], row[4]) for row in found) == [("c-1", "Success"), ("c-2", "Failure"), ("c-3", "Success")]


def test_the_first_seen_query(store: LogStore) -> None:
    assert rows(store, domain_query("let recent")) == [[ACCOUNT, "198.51.100.***", "", 3]]
