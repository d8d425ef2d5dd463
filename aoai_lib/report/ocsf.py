"""Findings as OCSF Compliance Finding events (class 2003, schema 1.5.0), for a SIEM. Built and checked by py-ocsf-models."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from aoai_lib.controls import Control
from aoai_lib.frameworks import FRAMEWORKS
from aoai_lib.model import Json, Kind, Severity, Status
from aoai_lib.report.findings import Document, evidence_of
from aoai_lib.report.text import subject_name, words

if TYPE_CHECKING:
    from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
    from py_ocsf_models.objects.compliance import Compliance
    from py_ocsf_models.objects.metadata import Metadata

    from aoai_lib.run import Run

PRODUCT: Final = "Azure OpenAI hardening playbook"

_TYPES: Final = {
    Kind.SUBSCRIPTION: "Microsoft.Resources/subscriptions",
    Kind.ACCOUNT: "Microsoft.CognitiveServices/accounts",
    Kind.DEPLOYMENT: "Microsoft.CognitiveServices/accounts/deployments",
    Kind.PRIVATE_ENDPOINT: "Microsoft.Network/privateEndpoints",
}
# OCSF 1.5.0, dictionary: `severity_id` and the compliance object's `status_id`.
_SEVERITY_IDS: Final = {"critical": 5, "high": 4, "medium": 3, "low": 2, "info": 1}
_SEVERITY_CAPTIONS: Final = {**{each.value: each.value.capitalize() for each in Severity}, "info": "Informational"}
_STATUS_IDS: Final = {Status.PASS: 1, Status.NOT_ASSESSED: 2, Status.FAIL: 3, Status.NOT_APPLICABLE: 99}
_NEW, _SUPPRESSED, _ARCHIVED = 1, 3, 5


def events(document: Document, run: Run) -> list[dict[str, Any]]:
    """One event for each finding, as plain JSON.

    A failed check under an active waiver is `Suppressed`; what passed or does not apply is `Archived`; the rest is `New`.
    """
    intents = {control.id: control for control in run.controls}
    moment = int(datetime.fromisoformat(document["generated_at"]).timestamp() * 1000)
    return [
        _event(entry, intents[entry["control"]], document, run, moment).model_dump(mode="json", exclude_none=True)
        for entry in document["findings"]
    ]


def _event(entry: Mapping[str, Json], control: Control, document: Document, run: Run, moment: int) -> ComplianceFinding:
    from py_ocsf_models.events.findings.activity_id import ActivityID
    from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
    from py_ocsf_models.events.findings.compliance_finding_type_id import ComplianceFindingTypeID
    from py_ocsf_models.events.findings.severity_id import SeverityID
    from py_ocsf_models.events.findings.status_id import StatusID
    from py_ocsf_models.objects.finding_info import FindingInformation
    from py_ocsf_models.objects.remediation import Remediation
    from py_ocsf_models.objects.resource_details import ResourceDetails

    state = StatusID(_state(entry))
    uid = f"{document['run_id']}/{entry['control']}/{entry['subject']}"
    return ComplianceFinding(
        activity_id=ActivityID.Create,
        activity_name=ActivityID.Create.name,
        type_uid=ComplianceFindingTypeID.Create,
        type_name="Compliance Finding: Create",
        time=moment,
        severity_id=SeverityID(_SEVERITY_IDS[entry["severity"]]),
        severity=_SEVERITY_CAPTIONS[entry["severity"]],
        status_id=state,
        status=state.name,
        status_code=entry["status"],
        status_detail=entry["reason"],
        message=entry["reason"],
        metadata=_metadata(document, run),
        compliance=_compliance(entry, control),
        finding_info=FindingInformation(
            uid=uid, title=entry["title"], desc=_intent(control), created_time=moment, types=[entry["phase"]]
        ),
        remediation=Remediation(desc=entry["remediation"]),
        resources=[
            ResourceDetails(
                uid=entry["subject"],
                name=subject_name(entry["subject"]),
                type=_TYPES[Kind(entry["subject_kind"])],
                cloud_partition=run.snapshot.cloud,
            )
        ],
        unmapped={"evidence": evidence_of(entry), "waiver": entry["waiver"]},
    )


def _intent(control: Control) -> str:
    return " ".join(control.intent.split())


def _state(entry: Mapping[str, Json]) -> int:
    if entry["status"] in (Status.PASS, Status.NOT_APPLICABLE):
        return _ARCHIVED
    waived = entry["waiver"] is not None and entry["waiver"]["state"] == "active"
    return _SUPPRESSED if waived and entry["status"] == Status.FAIL else _NEW


def _metadata(document: Document, run: Run) -> Metadata:
    from importlib.metadata import version

    from py_ocsf_models.objects.metadata import Metadata
    from py_ocsf_models.objects.product import Product

    return Metadata(
        product=Product(name=PRODUCT, vendor_name=PRODUCT, version=version("aoai-playbook")),
        correlation_uid=document["run_id"],
        tenant_uid=run.snapshot.tenant_id or None,
        labels=[f"tenant:{document['tenant']}", f"catalogue:{document['catalogue_version']}"],
    )


def _compliance(entry: Mapping[str, Json], control: Control) -> Compliance:
    from py_ocsf_models.objects.check import Check
    from py_ocsf_models.objects.compliance import Compliance
    from py_ocsf_models.objects.compliance_status import StatusID

    status = StatusID(_STATUS_IDS[Status(entry["status"])])
    standards = [FRAMEWORKS[key].name for key in entry["frameworks"]]
    clauses = [f"{FRAMEWORKS[key].name}: {clause}" for key, ids in entry["frameworks"].items() for clause in ids]
    check = Check(
        uid=entry["control"],
        name=entry["title"],
        desc=_intent(control),
        status=words(entry["status"]),
        status_id=status,
        standards=standards,
        severity=entry["severity"],
    )
    return Compliance(
        control=entry["control"], status_id=status, checks=[check], standards=standards, requirements=clauses
    )
