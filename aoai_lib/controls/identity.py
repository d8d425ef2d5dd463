"""Identity and access: keys, the account's own identity, what OpenAI User may do, leftovers of deleted principals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aoai_lib.controls import Verdict, breaking, control, fails, not_assessed, passes
from aoai_lib.controls.identity_holders import (
    cite,
    each_principal,
    given,
    name,
    register,
    role,
    several,
)
from aoai_lib.controls.identity_observed import attempted
from aoai_lib.controls.identity_search import complete, counted
from aoai_lib.effective_access.capabilities import OPENAI_USER, WRITE_DEPLOYMENTS
from aoai_lib.effective_access.records import Assignment
from aoai_lib.effective_access.register import ACTIVE
from aoai_lib.facts import Facts, NotCollectedError
from aoai_lib.frameworks import ai_rmf, atlas, cis, mcsb, nist80053, owasp
from aoai_lib.model import ABSENT, Kind, Reading, Severity, State

_OPENAI_USER_ACTIONS: Final = f"role_definitions[name={OPENAI_USER}].properties.permissions[0].actions"
_READER: Final = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


@control(
    "IAM-01",
    title="Keys are disabled, so that only Microsoft Entra tokens open the account",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(
        mcsb("IM-1", "IM-3", "IM-8"),
        nist80053("AC-2", "AC-2(1)", "AC-2(7)", "AC-3", "IA-2", "IA-4"),
        ai_rmf("GOVERN 1.4", "MANAGE 2.4"),
        owasp("LLM02", "LLM10"),
        atlas("T0012", "T0055", "T0091.000", "M0019"),
    ),
    remediation="Move every caller to Microsoft Entra sign-in, then set `disableLocalAuth` to true on the account. It takes "
    "minutes to hours until keys are refused.",
    breaks=(
        {"account.properties.disableLocalAuth": False},
        {"account.properties.disableLocalAuth": ABSENT},
        {"account.properties.disableLocalAuth": None},
    ),
)
def keys_disabled(facts: Facts) -> Verdict:
    """A key is a password without an owner: it names nobody, knows no conditional access and works until it is rotated.

    Judged by `disableLocalAuth` on the account. Where the property is absent or null, keys work.
    """
    if facts.account.flag("properties.disableLocalAuth"):
        return passes("Keys are disabled on the account.")
    return fails("Keys work on the account: whoever has one can call its models and stays unnamed.")


@control(
    "IAM-11",
    title="The account has a managed identity",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(mcsb("IM-3"), nist80053("AC-2", "IA-2"), ai_rmf("MEASURE 2.7"), atlas("M0019")),
    remediation="Assign a system-assigned or user-assigned managed identity to the account and give it the roles that it "
    "needs on the key vault and storage it uses.",
    breaks=(
        {"account.identity": ABSENT},
        {"account.identity": None},
        {"account.identity": {"type": "None"}},
    ),
)
def has_managed_identity(facts: Facts) -> Verdict:
    """Without an identity of its own the account reaches key vaults and storage only by secrets that somebody keeps.

    Judged by `identity.type`: system-assigned, user-assigned or both count; `None` and absence don't.
    """
    kinds = {part.strip().lower() for part in facts.account.text("identity.type").split(",")}
    if kinds & {"systemassigned", "userassigned"}:
        return passes(f"The account has a managed identity (“{facts.account.text('identity.type')}”).")
    return fails("The account has no managed identity.")


@control(
    "IAM-12",
    title="Cognitive Services OpenAI User can't create or change deployments",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(
        mcsb("PA-7"),
        nist80053("AC-6"),
        ai_rmf("GOVERN 2.1", "MEASURE 2.7"),
        owasp("LLM06"),
        atlas("T0012", "M0019"),
    ),
    remediation="Give workloads a custom role that holds only the data actions that they call, and take Cognitive Services "
    "OpenAI User from them until Microsoft has corrected the built-in role.",
    breaks=(
        breaking({f"{_OPENAI_USER_ACTIONS}[+]": "Microsoft.CognitiveServices/accounts/deployments/write"}, "IAM-07"),
        breaking({f"{_OPENAI_USER_ACTIONS}[+]": "microsoft.cognitiveservices/accounts/DEPLOYMENTS/*"}, "IAM-07"),
    ),
)
def openai_user_cannot_deploy(facts: Facts) -> Verdict:
    """Workloads are given this role in the belief that it only calls models, and built-in roles change over time.

    Judged by the role's definition as the service answers it at the time of the run: whether its actions, less its
    notActions, hold `deployments/write`. Where an identity that holds only this role was given to probe with, one deployment
    of a model that does not exist was tried too: that is refused with 403 `AuthorizationFailed`, or the question is open
    again, or it was accepted and the control fails.
    """
    found = role(facts, OPENAI_USER)
    found.origin.view(facts).get("properties.permissions")
    actions = found.held(WRITE_DEPLOYMENTS)
    if actions:
        return fails(f"The role “{found.name}” now holds “{actions[0]}”: everybody who has it can deploy models.")
    return attempted(
        facts, f"The role “{found.name}”, as defined now, holds no action that creates or changes a deployment"
    )


@control(
    "IAM-13",
    title="No role assignment is left over from a deleted principal",
    severity=Severity.LOW,
    subject=Kind.ACCOUNT,
    maps=(mcsb("PA-7"), nist80053("AC-2"), cis("5.3.4"), ai_rmf("GOVERN 2.1")),
    remediation="Remove the named role assignments with `az role assignment delete --ids`. A principal that is restored "
    "within 30 days has its roles back.",
    breaks=(
        {"role_assignments[+]": given(_READER, "Unknown")},
        {"role_assignments[+]": given(_READER, "", principalType=None)},
    ),
)
def no_deleted_principal(facts: Facts) -> Verdict:
    """Nobody looks after such an assignment, and it hides who really has access.

    Judged by the directory where the reader may ask it: a principal that it does not know is gone, unless it belongs to
    another tenant. Otherwise by what Resource Manager shows: the type `Unknown`, or none. It may keep the old type for a
    time, so nothing passes where the directory was asked and did not answer; where nobody asked it, a pass says so.
    """
    counted(facts)
    account = facts.subject.account
    assignments = [*register(facts).reaching(account, ACTIVE), *register(facts).below(account)]
    gone = _gone(facts, {each.principal for each in assignments})
    unasked = [each for each in assignments if each.principal not in gone]
    if unasked and all(each.principal_type == "" for each in assignments):
        return not_assessed("The answer names no principal's type, so it can't be told whose principals are deleted.")
    found = [each for each in assignments if gone.get(each.principal, _marked(each)) and not _foreign(each)]
    if found:
        cite(facts, found)
        count = several(len(each_principal(found)), "deleted principal holds", "deleted principals hold")
        return fails(f"{count} a role: {name(facts, found)}.")
    complete(facts, ACTIVE)
    for each in unasked:
        if each.odd and not each.principal_type:
            raise each.odd
    for reading in facts.snapshot.of("directory_objects"):
        if reading.state is not State.COLLECTED and {each.principal for each in unasked} & set(
            reading.scope.split(",")
        ):
            raise NotCollectedError(reading)
    if unasked:
        return passes(
            "Resource Manager marks no principal with a role on the account as deleted; the directory could not be asked."
        )
    return passes("The directory knows every principal with a role on the account.")


def _gone(facts: Facts, principals: Iterable[str]) -> dict[str, bool]:
    """Whether the directory knows no such principal, of those that it was asked for. What it answered, or not, is cited."""
    found = {}
    directory = register(facts).directory
    cited: dict[str, Reading] = {}
    for principal in principals:
        try:
            found[principal] = directory.is_gone(principal)
        except NotCollectedError as gap:
            cited[gap.reading.state] = gap.reading
    if found:
        for reading in facts.snapshot.of("directory_objects"):
            facts.record("directory_objects.length", len(reading.value or []), reading)
    for reading in cited.values():
        facts.record(reading.source, ABSENT, reading)
    return found


def _marked(assignment: Assignment) -> bool:
    """Whether Resource Manager shows a principal as one that the directory no longer knows."""
    return assignment.principal_type.lower() in ("", "unknown") and not assignment.odd


def _foreign(assignment: Assignment) -> bool:
    """Whether a principal belongs to another tenant, whose directory was not asked."""
    return assignment.principal_type.lower() == "foreigngroup"
