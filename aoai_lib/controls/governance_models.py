"""GOV-03 to GOV-06: how long a deployment's model lives, where it computes, and how much it may use."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from aoai_lib.controls import Verdict, control, fails, not_applicable, not_assessed, passes
from aoai_lib.controls.governance_budgets import moment
from aoai_lib.facts import Facts, NotCollectedError, View
from aoai_lib.frameworks import ai_rmf, atlas, mcsb, mcsb_ai, nist80053, owasp
from aoai_lib.model import Kind, Severity, State

_LIFECYCLE: Final = (
    mcsb("AM-2", "PV-1"),
    mcsb_ai("AI-1"),
    nist80053("CM-3", "SA-9", "SA-22"),
    ai_rmf("GOVERN 6.1", "MANAGE 3.2"),
    owasp("LLM03"),
)
_GLOBAL: Final = "in any region of the world"
_ZONE: Final = "in any region of its data zone"
_REGION: Final = "in the account's region"
PLACES: Final = {
    "globalstandard": _GLOBAL,
    "globalbatch": _GLOBAL,
    "globalprovisionedmanaged": _GLOBAL,
    "developertier": _GLOBAL,
    "datazonestandard": _ZONE,
    "datazonebatch": _ZONE,
    "datazoneprovisionedmanaged": _ZONE,
    "standard": _REGION,
    "provisionedmanaged": _REGION,
    "provisioned": _REGION,
}
"""Deployment type (sku name, lower case) → where prompts are processed (Microsoft Learn, deployment types, 2026)."""
_ALLOWED: Final = {"region": (_REGION,), "data_zone": (_REGION, _ZONE)}


def region(text: str) -> str:
    """A region as ids spell it: `Sweden Central` and `swedencentral` are one."""
    return text.replace(" ", "").lower()


def _offered(facts: Facts, model: tuple[str, str, str]) -> list[View]:
    """The entries of the region's model list for a format, name and version: those of the account's kind where there are any."""
    account = facts.account
    scope = (
        f"/subscriptions/{facts.subject.subscription.lower()}/providers/Microsoft.CognitiveServices"
        f"/locations/{region(account.text('location'))}"
    )
    listed = facts.of("models", scope)
    reading = facts.snapshot.reading("models", scope)
    found = [
        View(facts, reading, f"models[{index}]", raw)
        for index, raw in enumerate(listed.value if isinstance(listed.value, list) else [])
        if _is(raw, model)
    ]
    if not found:
        facts.record("models.length", len(listed.value) if isinstance(listed.value, list) else None, reading)
        if reading.state is State.PARTIAL:
            raise NotCollectedError(reading)
    kind = account.text("kind").lower()
    return [each for each in found if each.text("kind").lower() == kind] or found


def _is(entry: object, wanted: tuple[str, str, str]) -> bool:
    """Whether an entry of the list is this model. Looked at without a record: a region lists hundreds."""
    model = entry.get("model") if isinstance(entry, dict) else None
    if not isinstance(model, dict):
        return False
    kind, name, version = (model.get(key) for key in ("format", "name", "version"))
    if not (isinstance(version, str) and version.lower() == wanted[2] and isinstance(name, str)):
        return False
    return name.lower() == wanted[1] and isinstance(kind, str) and kind.lower() == wanted[0]


def _model(deployment: View) -> tuple[str, str, str]:
    name, version = deployment.text("properties.model.name"), deployment.text("properties.model.version")
    return deployment.text("properties.model.format").lower(), name.lower(), version.lower()


@control(
    "GOV-03",
    title="The model is not retired, nor about to be",
    severity=Severity.MEDIUM,
    subject=Kind.DEPLOYMENT,
    maps=_LIFECYCLE,
    remediation=(
        "Deploy the successor, move callers over, test the guardrails on it and delete the old deployment before the model's "
        "retirement date."
    ),
    breaks=(
        {
            "deployment.properties.model.name": "gpt-4o",
            "deployment.properties.model.version": "2024-11-20",
        },
        {"requirements.retirement_warning_days": 3650},
    ),
)
def model_lives(facts: Facts) -> Verdict:
    """Calls to a retired model fail, and whoever replaces it in a hurry does so without testing its guardrails.

    The date is the end of inference (deprecation.inference) that the region's own model list gave on the day of the
    assessment: published dates move, so none is kept here. A model that the list does not hold, a fine-tuned one for
    instance, or that has no date there is not assessed.
    """
    deployment = facts.deployment
    wanted = _model(deployment)
    named = f"“{deployment.text('properties.model.name')}” version “{deployment.text('properties.model.version')}”"
    offered = _offered(facts, wanted)
    dates = [date for each in offered if (date := moment(each, "model.deprecation.inference")) is not None]
    if not offered:
        return not_assessed(f"The region's list of models does not hold {named}, so its retirement date is not known.")
    if not dates:
        return not_assessed(f"The region's list of models gives no retirement date for {named}.")
    end, today = min(dates), datetime.fromisoformat(facts.as_of)
    days = facts.requirements.retirement_warning_days
    if end <= today:
        return fails(f"The model {named} was retired on {end.date()}.")
    if end - today <= timedelta(days=days):
        return fails(f"The model {named} retires on {end.date()}, within {days} days.")
    return passes(f"The model {named} is offered until {end.date()}.")


@control(
    "GOV-04",
    title="Model versions are upgraded before they retire",
    severity=Severity.LOW,
    subject=Kind.DEPLOYMENT,
    maps=_LIFECYCLE,
    remediation=(
        "Set versionUpgradeOption of the deployment to OnceCurrentVersionExpired, or to OnceNewDefaultVersionAvailable where newer "
        "behaviour is wanted soon."
    ),
    breaks=(
        {"deployment.properties.versionUpgradeOption": "NoAutoUpgrade"},
        {"deployment.properties.versionUpgradeOption": "noautoupgrade"},
    ),
)
def version_is_upgraded(facts: Facts) -> Verdict:
    """A deployment with NoAutoUpgrade simply stops working on the day its version retires.

    An absent option stands for OnceCurrentVersionExpired (Microsoft Learn, Working with models). The service upgrades only
    Standard types by itself: for a provisioned deployment the option shows nothing, so it is not assessed.
    """
    option, sku = facts.deployment.text("properties.versionUpgradeOption"), facts.deployment.text("sku.name")
    if option.lower() == "noautoupgrade":
        return fails("The deployment is never upgraded and stops working when its model version retires.")
    if "provisioned" in sku.lower():
        return not_assessed(
            f"Deployments of type “{sku}” are not upgraded by the service: plan the change of version yourself."
        )
    if option.lower() in ("", "oncecurrentversionexpired"):
        return passes("The deployment is upgraded when its model version retires.")
    if option.lower() == "oncenewdefaultversionavailable":
        return passes("The deployment is upgraded when a new default version is there.")
    return not_assessed(f"The upgrade option “{option}” is not known to this catalogue.")


@control(
    "GOV-05",
    title="Prompts are processed where they may be",
    severity=Severity.HIGH,
    subject=Kind.DEPLOYMENT,
    maps=(mcsb("AM-2"), nist80053("SA-9"), ai_rmf("MEASURE 2.10", "MAP 4.2"), owasp("LLM02")),
    remediation=(
        "Create the deployment anew with a type that stays where data must stay (Standard or ProvisionedManaged for the region, "
        "DataZone types for the zone), in an account in an allowed region, and delete this one."
    ),
    breaks=(
        {"requirements.residency": "region", "deployment.sku.name": "GlobalStandard"},
        {"requirements.residency": "region", "deployment.sku.name": "DataZoneStandard"},
        {"requirements.residency": "data_zone", "deployment.sku.name": "GlobalBatch"},
        {"requirements.residency": "any", "requirements.allowed_regions": ["norwayeast"]},
    ),
)
def data_stays(facts: Facts) -> Verdict:
    """A Global deployment sends prompts to any region of the world, a DataZone one to any of the zone: only regional types keep
    them in the account's region. What is stored stays in the account's geography in every case.

    The deployment's type is its sku. What is asked for, and the regions accounts may stand in, come from the parameters.
    """
    sku, location = facts.deployment.text("sku.name"), region(facts.account.text("location"))
    required, regions = facts.requirements.residency, facts.requirements.allowed_regions
    if required == "any" and not regions:
        return not_applicable("The parameters require no residency.")
    if not location:
        return not_assessed("The account shows no region.")
    if regions and location not in {region(each) for each in regions}:
        return fails(f"The account is in the region “{location}”, which is not among the allowed ones.")
    if required == "any":
        return passes(f"The account is in the allowed region “{location}”.")
    place = PLACES.get(sku.lower())
    if place is None:
        return not_assessed(
            f"The deployment type “{sku}” is not known to this catalogue, so neither is where it computes."
        )
    if place in _ALLOWED[required]:
        return passes(f"Deployments of type “{sku}” process prompts {place}.")
    return fails(f"Deployments of type “{sku}” process prompts {place}, and {_WORDS[required]} is required.")


_WORDS: Final = {"region": "processing in the region", "data_zone": "processing in the data zone"}


@control(
    "GOV-06",
    title="The deployment's capacity is capped as required",
    severity=Severity.LOW,
    subject=Kind.DEPLOYMENT,
    maps=(mcsb_ai("AI-6"), nist80053("SC-5", "SC-6"), ai_rmf("MANAGE 2.4"), owasp("LLM10"), atlas("T0029", "M0004")),
    remediation="Lower the deployment's sku.capacity (thousands of tokens a minute) to the cap, and switch dynamic quota off.",
    breaks=(
        {"requirements.capacity_cap": 100, "deployment.sku.capacity": 101},
        {"requirements.capacity_cap": 1},
        {"requirements.capacity_cap": 120, "deployment.properties.dynamicThrottlingEnabled": True},
    ),
)
def capacity_is_capped(facts: Facts) -> Verdict:
    """Capacity is the account's own brake: whoever steals access can't spend more than it lets through.

    sku.capacity (thousands of tokens a minute, or provisioned units) is compared with the cap of the parameters. Dynamic quota
    lets a deployment go beyond its capacity whenever the region has some to spare, so it has to be off where a cap is required.
    """
    capacity, cap = facts.deployment.number("sku.capacity"), facts.requirements.capacity_cap
    if cap is None:
        return not_applicable("The parameters require no cap of capacity.")
    if capacity is None:
        return not_assessed("The deployment shows no capacity.")
    if capacity > cap:
        return fails(f"The deployment's capacity is {capacity:g}, and {cap} is the cap.")
    if facts.deployment.flag("properties.dynamicThrottlingEnabled"):
        return fails(f"The deployment's capacity is {capacity:g}, but dynamic quota lets it go beyond.")
    return passes(f"The deployment's capacity is {capacity:g}, within the cap of {cap}.")
