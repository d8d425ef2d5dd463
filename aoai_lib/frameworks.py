"""The frameworks that controls map to, and every clause that may be cited. A clause that is not here can't be cited.

Sources: MCSB v1 and v2 as mapped by Azure Policy's own initiatives (definitions 1f3afdf9-… and e3ec7e09-…) and Microsoft's
benchmark pages; NIST SP 800-53 r5; NIST AI RMF 1.0 subcategories; OWASP Top 10 for LLM applications 2025; MITRE ATLAS 5.6.0.
The CIS Azure Foundations Benchmark has no section for AI services: only its general clauses are cited.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Framework:
    """A published framework: its key in `findings.json`, its name, the titles of the clauses in use, and where those are from."""

    key: str
    name: str
    clauses: Mapping[str, str]
    provenance: str


@dataclass(frozen=True, slots=True)
class Clause:
    """One citation."""

    framework: str
    id: str


class UnknownClauseError(ValueError):
    """A control cites a clause that its framework does not have here."""


MCSB_V1: Final = Framework(
    "mcsb_v1",
    "Microsoft cloud security benchmark v1",
    {
        "AM-2": "Use only approved services",
        "DP-4": "Enable data at rest encryption by default",
        "DP-5": "Use customer-managed key option in data at rest encryption when required",
        "IM-1": "Use centralized identity and authentication system",
        "IM-3": "Manage application identities securely and automatically",
        "IM-8": "Restrict the exposure of credential and secrets",
        "IR-3": "Detection and analysis: create incidents based on high-quality alerts",
        "LT-1": "Enable threat detection capabilities",
        "LT-2": "Enable threat detection for identity and access management",
        "LT-3": "Enable logging for security investigation",
        "LT-5": "Centralize security log management and analysis",
        "LT-6": "Configure log storage retention",
        "NS-1": "Establish network segmentation boundaries",
        "NS-2": "Secure cloud services with network controls",
        "NS-10": "Ensure Domain Name System (DNS) security",
        "PA-1": "Separate and limit highly privileged/administrative users",
        "PA-2": "Avoid standing access for user accounts and permissions",
        "PA-7": "Follow just enough administration (least privilege) principle",
        "PV-1": "Define and establish secure configurations",
        "PV-2": "Audit and enforce secure configurations",
    },
    "Ids and titles as Microsoft publishes them; published mappings are those of Azure Policy's initiative 1f3afdf9-d0c9-4c3d-847f-89da613e70a8.",
)
MCSB_V2: Final = Framework(
    "mcsb_v2",
    "Microsoft cloud security benchmark v2 (preview)",
    {
        **MCSB_V1.clauses,
        "AI-1": "Ensure use of approved models",
        "AI-2": "Implement multi-layered content filtering",
        "AI-3": "Adopt safety meta-prompts",
        "AI-4": "Apply least privilege for agent functions",
        "AI-5": "Ensure human-in-the-loop",
        "AI-6": "Establish monitoring and detection",
        "AI-7": "Perform continuous AI Red Teaming",
    },
    "Ids and titles as Microsoft publishes them; published mappings are those of Azure Policy's initiative e3ec7e09-768c-4b64-882c-fcada3772047.",
)
NIST_800_53: Final = Framework(
    "nist_800_53_r5",
    "NIST SP 800-53 revision 5",
    {
        "AC-2": "Account Management",
        "AC-2(1)": "Automated System Account Management",
        "AC-2(7)": "Privileged User Accounts",
        "AC-3": "Access Enforcement",
        "AC-4": "Information Flow Enforcement",
        "AC-5": "Separation of Duties",
        "AC-6": "Least Privilege",
        "AU-2": "Event Logging",
        "AU-3": "Content of Audit Records",
        "AU-6": "Audit Record Review, Analysis, and Reporting",
        "AU-11": "Audit Record Retention",
        "AU-12": "Audit Record Generation",
        "CA-2": "Control Assessments",
        "CA-8": "Penetration Testing",
        "CM-3": "Configuration Change Control",
        "CM-5": "Access Restrictions for Change",
        "CM-6": "Configuration Settings",
        "CM-8": "System Component Inventory",
        "IA-2": "Identification and Authentication (Organizational Users)",
        "IA-4": "Identifier Management",
        "IR-4": "Incident Handling",
        "RA-5": "Vulnerability Monitoring and Scanning",
        "SA-9": "External System Services",
        "SA-22": "Unsupported System Components",
        "SC-5": "Denial-of-service Protection",
        "SC-6": "Resource Availability",
        "SC-7": "Boundary Protection",
        "SC-7(3)": "Access Points",
        "SC-12": "Cryptographic Key Establishment and Management",
        "SC-20": "Secure Name/Address Resolution Service (Authoritative Source)",
        "SC-22": "Architecture and Provisioning for Name/Address Resolution Service",
        "SC-28": "Protection of Information at Rest",
        "SI-4": "System Monitoring",
        "SI-10": "Information Input Validation",
    },
    "Ids and titles of the publication; published mappings are those of Azure Policy's initiative for this framework.",
)
NIST_AI_RMF: Final = Framework(
    "nist_ai_rmf_1_0",
    "NIST AI Risk Management Framework 1.0",
    {
        "GOVERN 1.4": "Risk management process and outcomes are established through transparent policies",
        "GOVERN 2.1": "Roles and responsibilities are documented and clear",
        "GOVERN 6.1": "Policies address risks of third-party entities",
        "MANAGE 2.4": "Mechanisms exist to supersede, disengage or deactivate AI systems",
        "MANAGE 3.1": "Risks of third-party resources are regularly monitored",
        "MANAGE 3.2": "Pre-trained models are monitored as part of maintenance",
        "MANAGE 4.1": "Post-deployment monitoring plans are implemented",
        "MANAGE 4.3": "Incidents and errors are communicated and tracked",
        "MAP 4.2": "Internal risk controls for third-party components are identified",
        "MEASURE 2.4": "Functionality and behaviour are monitored in production",
        "MEASURE 2.6": "The system is evaluated regularly for safety risks",
        "MEASURE 2.7": "Security and resilience are evaluated and documented",
        "MEASURE 2.10": "Privacy risk is examined and documented",
    },
    "Ids of the framework, its subcategories in short; every mapping is this playbook's own reading.",
)
OWASP_LLM: Final = Framework(
    "owasp_llm_2025",
    "OWASP Top 10 for LLM applications 2025",
    {
        "LLM01": "Prompt Injection",
        "LLM02": "Sensitive Information Disclosure",
        "LLM03": "Supply Chain",
        "LLM04": "Data and Model Poisoning",
        "LLM05": "Improper Output Handling",
        "LLM06": "Excessive Agency",
        "LLM07": "System Prompt Leakage",
        "LLM08": "Vector and Embedding Weaknesses",
        "LLM09": "Misinformation",
        "LLM10": "Unbounded Consumption",
    },
    "Ids and titles as published; every mapping is this playbook's own reading.",
)
MITRE_ATLAS: Final = Framework(
    "mitre_atlas",
    "MITRE ATLAS 5.6.0",
    {
        "AML.T0012": "Valid Accounts",
        "AML.T0024": "Exfiltration via AI Inference API",
        "AML.T0025": "Exfiltration via Cyber Means",
        "AML.T0029": "Denial of AI Service",
        "AML.T0034": "Cost Harvesting",
        "AML.T0040": "AI Model Inference API Access",
        "AML.T0049": "Exploit Public-Facing Application",
        "AML.T0051": "LLM Prompt Injection",
        "AML.T0051.000": "LLM Prompt Injection: Direct",
        "AML.T0051.001": "LLM Prompt Injection: Indirect",
        "AML.T0054": "LLM Jailbreak",
        "AML.T0055": "Unsecured Credentials",
        "AML.T0056": "Extract LLM System Prompt",
        "AML.T0057": "LLM Data Leakage",
        "AML.T0070": "RAG Poisoning",
        "AML.T0091.000": "Use Alternate Authentication Material: Application Access Token",
        "AML.M0004": "Restrict Number of AI Model Queries",
        "AML.M0005": "Control Access to AI Models and Data at Rest",
        "AML.M0012": "Encrypt Sensitive Information",
        "AML.M0015": "Adversarial Input Detection",
        "AML.M0019": "Control Access to AI Models and Data in Production",
        "AML.M0020": "Generative AI Guardrails",
        "AML.M0024": "AI Telemetry Logging",
    },
    "Ids and titles as published; every mapping is this playbook's own reading.",
)
CIS_AZURE: Final = Framework(
    "cis_azure_6_0",
    "CIS Microsoft Azure Foundations Benchmark 6.0.0",
    {
        "5.3.3": "Restrict the User Access Administrator role",
        "5.3.4": "Review privileged role assignments regularly",
        "5.3.7": "Restrict custom administrator roles",
        "6.1.1.1": "Capture the activity log by a diagnostic setting",
        "6.1.1.2": "Capture the appropriate categories in the diagnostic setting",
        "6.1.4": "Enable resource logging for all services that support it",
        "6.2": "Set resource locks for mission-critical resources",
        "7.11": "Associate subnets with network security groups",
        "7.16": "Associate supported resources with a network security perimeter",
    },
    "It has no section for AI services: only general sections are named, in short, and every mapping is this playbook's own reading.",
)

FRAMEWORKS: Final[Mapping[str, Framework]] = {
    framework.key: framework
    for framework in (MCSB_V1, MCSB_V2, NIST_800_53, NIST_AI_RMF, OWASP_LLM, MITRE_ATLAS, CIS_AZURE)
}


_BOTH: Final = ("mcsb_v1", "mcsb_v2")
_PUBLISHED: Final[Mapping[str, Mapping[tuple[str, ...], tuple[str, ...]]]] = {
    "NET-01": {_BOTH: ("NS-2",), ("nist_800_53_r5",): ("AC-4", "SC-7", "SC-7(3)")},
    "NET-02": {_BOTH: ("NS-2",), ("nist_800_53_r5",): ("AC-4", "SC-7", "SC-7(3)")},
    "NET-05": {_BOTH: ("NS-2",), ("nist_800_53_r5",): ("AC-4", "SC-7", "SC-7(3)")},
    "IAM-01": {
        _BOTH: ("IM-1",),
        ("nist_800_53_r5",): ("AC-2", "AC-2(1)", "AC-2(7)", "AC-3", "IA-2", "IA-4"),
    },
    "IAM-11": {("mcsb_v2",): ("IM-3",)},
    "MON-01": {_BOTH: ("LT-3",)},
    "GOV-01": {_BOTH: ("DP-5",), ("nist_800_53_r5",): ("SC-12",)},
}
"""Which clauses Azure Policy's own initiatives give to the policy that asks what a control asks: keys (71ef260a-…), network access
(037eea7a-…) and its being switched off, private endpoints (d6759c02-…), managed identity (fe3fd216-…), logs (1b4d1c4e-…),
customer-managed key (67121cc7-…). Every other mapping is this playbook's own reading."""


def is_published(control: str, framework: str, clause: str) -> bool:
    """Whether somebody else published that what a control asks belongs to a clause."""
    return any(framework in keys and clause in ids for keys, ids in _PUBLISHED.get(control, {}).items())


def published() -> list[tuple[str, str, str]]:
    """Every published mapping: control, framework, clause."""
    return [
        (control, framework, clause)
        for control, groups in _PUBLISHED.items()
        for frameworks, clauses in groups.items()
        for framework in frameworks
        for clause in clauses
    ]


def _cite(framework: Framework, ids: tuple[str, ...]) -> tuple[Clause, ...]:
    for clause in ids:
        if clause not in framework.clauses:
            raise UnknownClauseError(f"{framework.name} has no clause {clause} in frameworks.py")
    return tuple(Clause(framework.key, clause) for clause in ids)


def mcsb(*ids: str) -> tuple[Clause, ...]:
    """Clauses of the Microsoft cloud security benchmark v1, which v2 keeps under the same ids."""
    return _cite(MCSB_V1, ids) + _cite(MCSB_V2, ids)


def mcsb_ai(*ids: str) -> tuple[Clause, ...]:
    """Clauses that only version 2 of the benchmark has."""
    return _cite(MCSB_V2, ids)


def nist80053(*ids: str) -> tuple[Clause, ...]:
    """NIST SP 800-53 r5 controls."""
    return _cite(NIST_800_53, ids)


def ai_rmf(*ids: str) -> tuple[Clause, ...]:
    """NIST AI RMF 1.0 subcategories."""
    return _cite(NIST_AI_RMF, ids)


def owasp(*ids: str) -> tuple[Clause, ...]:
    """OWASP Top 10 for LLM applications 2025."""
    return _cite(OWASP_LLM, ids)


def atlas(*ids: str) -> tuple[Clause, ...]:
    """MITRE ATLAS techniques and mitigations, without their `AML.` prefix."""
    return _cite(MITRE_ATLAS, tuple(f"AML.{clause}" for clause in ids))


def cis(*ids: str) -> tuple[Clause, ...]:
    """General clauses of the CIS Azure Foundations Benchmark 6.0.0."""
    return _cite(CIS_AZURE, ids)


def by_framework(clauses: tuple[Clause, ...]) -> dict[str, list[str]]:
    """Citations as `findings.json` holds them: framework key → clause ids."""
    grouped: dict[str, list[str]] = {}
    for clause in clauses:
        grouped.setdefault(clause.framework, []).append(clause.id)
    return grouped
