"""The findings as data: the document, the CSV, the workbook and the OCSF events say the same."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
from reporting import HOSTILE, document_of, renamed, run_of
from tenants import collect

from aoai_lib.evidence.store import Evidence
from aoai_lib.frameworks import FRAMEWORKS
from aoai_lib.lab.server import Lab
from aoai_lib.model import Phase, Severity, Snapshot, Status
from aoai_lib.report import findings, ocsf, workbook
from aoai_lib.report.findings import evidence_of
from aoai_lib.report.table import Table
from aoai_lib.report.text import fitted, inert, pieces, shown, subject_name, visible

WAIVER = {
    "control": "NET-01",
    "subject": "*-timetables",
    "reason": "Read by a partner until the contract ends.",
    "owner": "Head of Operations",
    "ticket": "RISK-7",
    "expires": "2026-11-23",
}


def test_the_document_has_the_fields_of_the_contract(mixed: Snapshot) -> None:
    document = document_of(run_of(mixed))
    assert list(document) == [
        "schema", "run_id", "tenant", "generated_at", "catalogue_version", "counts", "findings",
    ]  # fmt: skip
    for entry in document["findings"]:
        assert list(entry) == [
            "control", "title", "phase", "severity", "status", "subject", "subject_kind", "reason", "observed",
            "frameworks", "remediation", "waiver",
        ]  # fmt: skip
        assert entry["severity"] in set(Severity)
        assert entry["status"] in set(Status)
        assert entry["subject"].startswith("/")
        assert set(entry["frameworks"]) <= set(FRAMEWORKS)
        for observed in entry["observed"]:
            assert {"path", "value", "evidence"} <= set(observed)
            assert isinstance(observed["evidence"], list)
    assert json.loads(json.dumps(document)) == document


def test_counts_are_the_findings_counted(mixed: Snapshot) -> None:
    document = document_of(run_of(mixed))
    counts = document["counts"]
    assert Counter(counts["by_status"]) == Counter(entry["status"] for entry in document["findings"])
    assert list(counts["by_phase"]) == [phase.value for phase in Phase]
    for phase, by_status in counts["by_phase"].items():
        found = Counter(entry["status"] for entry in document["findings"] if entry["phase"] == phase)
        assert by_status == {status.value: found[status.value] for status in Status}
    assert sum(counts["failed_by_severity"].values()) == counts["by_status"]["fail"] > 0


def test_an_absent_value_is_told_from_null(exposed: Snapshot) -> None:
    observed = [each for entry in document_of(run_of(exposed))["findings"] for each in entry["observed"]]
    absent = [each for each in observed if each.get("absent")]
    assert absent
    assert all(each["value"] is None for each in absent)
    assert all("absent" not in each for each in observed if each["value"] is not None)


@pytest.mark.parametrize(("expires", "state"), [("2026-11-23", "active"), ("2026-11-22", "expired")])
def test_a_waiver_stands_beside_the_verdict(mixed: Snapshot, expires: str, state: str) -> None:
    plain = document_of(run_of(mixed))["findings"]
    waived = document_of(run_of(mixed, waivers=[WAIVER | {"expires": expires}]))["findings"]
    assert [entry["status"] for entry in waived] == [entry["status"] for entry in plain]
    found = [entry for entry in waived if entry["waiver"]]
    assert [(entry["control"], subject_name(entry["subject"])) for entry in found] == [
        ("NET-01", "aoai-meridian-timetables")
    ]
    assert found[0]["waiver"] == {
        "reason": WAIVER["reason"],
        "owner": WAIVER["owner"],
        "expires": expires,
        "ticket": "RISK-7",
        "state": state,
    }


def test_of_several_waivers_the_longest_counts(mixed: Snapshot) -> None:
    run = run_of(mixed, waivers=[WAIVER | {"expires": day} for day in ("2026-01-01", "2027-05-01", "2026-12-01")])
    finding = next(each for each in run.findings if each.control == "NET-01" and "timetables" in each.subject.id)
    found = findings.waiver_of(finding, run.parameters.waivers, date(2026, 11, 23))
    assert found is not None
    assert found["expires"] == "2027-05-01"


def test_csv_holds_every_finding_and_no_formula(exposed: Snapshot, tmp_path: Path) -> None:
    document = document_of(run_of(renamed(exposed, "search-chat", HOSTILE)))
    findings.write_csv(document, tmp_path / "findings.csv")
    raw = (tmp_path / "findings.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    with (tmp_path / "findings.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["control"], row["status"]) for row in rows] == [
        (entry["control"], entry["status"]) for entry in document["findings"]
    ]
    cells = [cell for row in rows for cell in row.values()]
    assert any("=cmd|" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert not [cell for cell in cells if "\u202e" in cell]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_could_be_a_formula_is_made_inert(text: str) -> None:
    assert inert(text) == f"'{text}"


def test_other_text_stays_as_it_is() -> None:
    assert inert("aoai=1") == "aoai=1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é “text”", "plain é “text”"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x1b[31m", "a\\u001b[31m"),
        ("line\nline", "line\\u000aline"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("x" * 30, "xxxxxxxxxx… (30 characters)"),
    ],
)
def test_what_does_not_show_is_made_visible(text: str, expected: str) -> None:
    assert visible(text, 10 if len(text) == 30 else 2000) == expected


def test_text_is_fitted_into_its_place() -> None:
    assert (fitted("aoai-shop", 9), fitted("aoai-shop", 8), fitted("a\u202eb", 20)) == (
        "aoai-shop",
        "aoai-sh…",
        "a\\u202eb",
    )


def test_names_of_parameters_are_code_in_pages_and_all_else_is_text() -> None:
    told = "Set `active_probes` to <true>, `<b>` and `a\u202eb`."
    assert pieces(told) == [("Set ", False), ("active_probes", True), (" to <true>, `<b>` and `a\\u202eb`.", False)]
    page = Table("c", ("control", "why", "observed"), [("NET-01", told, "`x`")])._repr_mimebundle_()["text/html"]
    assert "Set <code>active_probes</code> to &lt;true&gt;, `&lt;b&gt;` and `a\\u202eb`." in page
    assert page.count("<code>") == 1, "what a tenant says is shown as it is"


def test_values_are_shown_as_json_and_text_as_it_is() -> None:
    assert (shown("Deny"), shown(None), shown(True), shown({"a": 1})) == ("Deny", "null", "true", '{"a": 1}')


def test_the_workbook_holds_every_finding_as_text(exposed: Snapshot, tmp_path: Path) -> None:
    run = run_of(renamed(exposed, "search-chat", HOSTILE))
    document = document_of(run)
    workbook.write(run, document, [], tmp_path / "findings.xlsx")
    book = openpyxl.load_workbook(tmp_path / "findings.xlsx")
    assert book.sheetnames == [
        "Summary", "Findings", "Not assessed", "Changes", "Changed properties", "Accepted risks", "Access", "Guardrails", "Frameworks",
        "Baselines", "Evidence",
    ]  # fmt: skip
    sheet = book["Findings"]
    assert [cell.value for cell in sheet[1]] == list(findings.COLUMNS)
    assert sheet.max_row == len(document["findings"]) + 1
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:M{sheet.max_row}"
    cells = [cell for each in book for row in each.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert any(isinstance(cell.value, str) and cell.value.startswith("=cmd|") for cell in cells)
    assert all(len(cell.value) <= 32767 for cell in cells if isinstance(cell.value, str))


def test_the_evidence_sheet_leads_from_a_finding_to_what_was_asked_and_answered(lab: Lab, tmp_path: Path) -> None:
    evidence = Evidence()
    run = run_of(collect(lab, "mixed", evidence))
    document = document_of(run)
    workbook.write(run, document, evidence.exchanges, tmp_path / "findings.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "findings.xlsx")["Evidence"]
    rows = [tuple(cell.value for cell in row) for row in sheet.iter_rows()]
    assert rows[0] == (
        "line of requests.jsonl", "time", "request", "API version", "answer", "control", "subject", "verdict",
    )  # fmt: skip
    cited = {(line, each["control"], each["subject"]) for each in document["findings"] for line in evidence_of(each)}
    assert {(row[0], row[5], row[6]) for row in rows[1:] if row[5]} == cited
    assert {row[0] for row in rows[1:]} == {each.id for each in evidence.exchanges}
    (account,) = {row[2:5] for row in rows[1:] if row[5] == "IAM-01" and str(row[6]).endswith("/ais-meridian-research")}
    assert str(account[0]).endswith("/providers/Microsoft.CognitiveServices/accounts")
    assert account[1:] == ("2025-09-01", "200")
    refused = [row[2:5] for row in rows[1:] if row[5] == "NET-01" and str(row[6]).startswith("/subscriptions/6f0d2b41")]
    assert [row[2] for row in refused] == ["403"]


def test_each_row_of_access_and_guardrails_leads_to_what_was_asked(lab: Lab, tmp_path: Path) -> None:
    evidence = Evidence()
    run = run_of(collect(lab, "mixed", evidence))
    workbook.write(run, document_of(run), evidence.exchanges, tmp_path / "findings.xlsx")
    book = openpyxl.load_workbook(tmp_path / "findings.xlsx")
    asked = {each.id: each.url for each in evidence.exchanges}
    for name, path in (("Access", "/roleAssignments"), ("Guardrails", "/raiPolicies")):
        heading, *rows = [[cell.value for cell in row] for row in book[name].iter_rows()]
        assert heading[-1] == "evidence" and rows
        for row in rows:
            assert any(path in asked[line] for line in row[-1].split()), row


def test_the_workbook_is_the_same_each_time(mixed: Snapshot, tmp_path: Path) -> None:
    run = run_of(mixed)
    for name in ("a", "b"):
        workbook.write(run, document_of(run), [], tmp_path / f"{name}.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_events_are_valid_ocsf(mixed: Snapshot) -> None:
    run = run_of(mixed, waivers=[WAIVER])
    document = document_of(run)
    events = ocsf.events(document, run)
    parsed = [ComplianceFinding.model_validate_json(json.dumps(event)) for event in events]
    assert [event.model_dump(mode="json", exclude_none=True) for event in parsed] == events
    for entry, event in zip(document["findings"], events, strict=True):
        assert event["class_uid"] == 2003
        assert event["type_uid"] == 200301
        assert event["metadata"]["version"] == "1.5.0"
        assert event["time"] == 1795424405000
        assert (
            event["compliance"]["status_id"]
            == {"pass": 1, "fail": 3, "not_assessed": 2, "not_applicable": 99}[entry["status"]]
        )
        assert event["finding_info"]["uid"].endswith(f"/{entry['control']}/{entry['subject']}")
        assert event["message"] == entry["reason"]
    suppressed = [event for event in events if event["status"] == "Suppressed"]
    assert [event["compliance"]["control"] for event in suppressed] == ["NET-01"]
    assert len({event["finding_info"]["uid"] for event in events}) == len(events)
