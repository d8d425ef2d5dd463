"""GOV-01, GOV-02, GOV-07, GOV-08, GOV-09 and GOV-10: encryption, storage, locks, tags, budgets, and what is known."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from aoai_lib.controls import Verdict, control, fails, not_applicable, not_assessed, passes
from aoai_lib.controls.governance_budgets import uncovered
from aoai_lib.facts import Facts, NotCollectedError, UnexpectedShapeError, View
from aoai_lib.frameworks import ai_rmf, atlas, cis, mcsb, mcsb_ai, nist80053, owasp
from aoai_lib.model import ABSENT, Kind, Severity, State

KINDS: Final = frozenset({"openai", "aiservices"})
SUFFIXES: Final = (
    ".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com", ".api.cognitive.microsoft.com",
    ".openai.azure.us", ".cognitiveservices.azure.us", ".services.ai.azure.us", ".api.cognitive.microsoft.us",
    ".openai.azure.cn", ".cognitiveservices.azure.cn", ".services.ai.azure.cn", ".api.cognitive.azure.cn",
)  # fmt: skip
"""Public names of the service in the public, US government and China clouds (Microsoft Learn, private DNS zone values)."""

_LOCKS: Final = "/providers/microsoft.authorization/locks/"
_BUDGET: Final = "budgets[0].properties"


@control(
    "GOV-01",
    title="Data at rest is encrypted with a customer-managed key where required",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(mcsb("DP-5"), nist80053("SC-12", "SC-28"), ai_rmf("MEASURE 2.10"), owasp("LLM02"), atlas("M0012")),
    remediation=(
        "Give the account's identity the role Key Vault Crypto Service Encryption User on a vault with purge protection, then set "
        "encryption.keySource to Microsoft.KeyVault with keyName and keyVaultUri."
    ),
    breaks=(
        {"requirements.customer_managed_key": True, "account.properties.encryption": ABSENT},
        {"requirements.customer_managed_key": True, "account.properties.encryption": None},
        {
            "requirements.customer_managed_key": True,
            "account.properties.encryption": {"keySource": "Microsoft.CognitiveServices"},
        },
        {
            "requirements.customer_managed_key": True,
            "account.properties.encryption": {"keySource": "Microsoft.KeyVault", "keyVaultProperties": {}},
        },
    ),
)
def customer_managed_key(facts: Facts) -> Verdict:
    """A key of one's own can be withdrawn: fine-tuned models, files and stored completions become unreadable at once.

    keySource Microsoft.CognitiveServices is the service's own key, so that the block encryption is there proves nothing; a key
    counts that names a vault and a key. Accounts of every kind are judged alike. Asked for only where the parameters or the
    profile require it.
    """
    encryption = facts.account.at("properties.encryption")
    source = encryption.text("keySource")
    vault, key = encryption.text("keyVaultProperties.keyVaultUri"), encryption.text("keyVaultProperties.keyName")
    if source.lower() == "microsoft.keyvault" and vault and key:
        return passes(f"Data at rest is encrypted with the key “{key}” of “{vault}”.")
    if not facts.requirements.customer_managed_key:
        return not_applicable("No customer-managed key is required, and the service's own key encrypts the data.")
    if source.lower() == "microsoft.keyvault":
        return fails("The account is set to a customer-managed key and names no vault or no key.")
    return fails("Data at rest is encrypted with the service's own key, and a customer-managed key is required.")


@control(
    "GOV-02",
    title="Data is kept in customer-owned storage where required",
    severity=Severity.LOW,
    subject=Kind.ACCOUNT,
    maps=(mcsb("DP-5"), nist80053("SC-28"), ai_rmf("MEASURE 2.10"), owasp("LLM02"), atlas("M0005")),
    remediation=(
        "Name a storage account of your own in userOwnedStorage, when the account is created if the service refuses it later, and "
        "give the account's identity Storage Blob Data Contributor on it."
    ),
    breaks=(
        {"requirements.customer_owned_storage": True, "account.properties.userOwnedStorage": ABSENT},
        {"requirements.customer_owned_storage": True, "account.properties.userOwnedStorage": []},
        {"requirements.customer_owned_storage": True, "account.properties.userOwnedStorage": None},
        {"requirements.customer_owned_storage": True, "account.properties.userOwnedStorage[0].resourceId": ""},
    ),
)
def customer_owned_storage(facts: Facts) -> Verdict:
    """Storage of one's own keeps files under one's own network rules, keys and deletion.

    An entry of userOwnedStorage has to name a storage account. Asked for only where the parameters or the profile require it.
    """
    named = [storage.text("resourceId") for storage in facts.account.each("properties.userOwnedStorage")]
    owned = [each.rstrip("/").rpartition("/")[2] for each in named if each]
    if owned:
        return passes(f"Files are kept in the storage account “{owned[0]}”.")
    if not facts.requirements.customer_owned_storage:
        return not_applicable("No customer-owned storage is required, and none is set.")
    return fails("The account has no customer-owned storage, and it is required.")


@control(
    "GOV-07",
    title="A lock protects the account from deletion",
    severity=Severity.LOW,
    subject=Kind.ACCOUNT,
    maps=(mcsb("AM-2", "PV-1"), nist80053("CM-3", "CM-5"), ai_rmf("GOVERN 1.4"), cis("6.2")),
    remediation="Put a lock of level CanNotDelete (Delete) on the account or on its resource group.",
    breaks=(
        {"locks": []},
        {"locks[0].properties.level": "NotSpecified"},
        {"locks[0].properties.level": ABSENT},
        {"locks[0].id": "/subscriptions/0/resourceGroups/other/providers/Microsoft.Authorization/locks/keep"},
    ),
)
def lock_reaches_the_account(facts: Facts) -> Verdict:
    """A deleted account takes its fine-tuned models, its private connection and its custom subdomain along.

    A lock of level CanNotDelete or ReadOnly counts on the account, its resource group or its subscription; one on something
    beside or below it does not.
    """
    locks = facts.of_subscription("locks")
    reading = facts.snapshot.reading("locks", facts.subject.subscription)
    account = f"{facts.subject.account.strip('/').lower()}/"
    for index, raw in enumerate(locks.value if isinstance(locks.value, list) else []):
        # looked at without a record first: a subscription may hold thousands of locks on other things
        name = raw.get("id") if isinstance(raw, dict) else None
        scope = name.strip("/").lower().rpartition(_LOCKS)[0] if isinstance(name, str) else ""
        if scope and account.startswith(f"{scope}/"):
            lock = View(facts, reading, f"locks[{index}]", raw)
            if lock.text("properties.level").lower() in ("cannotdelete", "readonly"):
                where = {2: "the subscription", 4: "the resource group"}.get(scope.count("/") + 1, "the account")
                return passes(f"Lock “{lock.id.rpartition('/')[2]}” on {where} protects the account from deletion.")
    facts.record("locks.length", len(locks.value) if isinstance(locks.value, list) else None, reading)
    if reading.state is State.PARTIAL:
        raise NotCollectedError(reading)
    return fails("No lock protects the account, its resource group or its subscription from deletion.")


@control(
    "GOV-08",
    title="The required tags are set",
    severity=Severity.INFO,
    subject=Kind.ACCOUNT,
    maps=(mcsb("AM-2"), nist80053("CM-8"), ai_rmf("GOVERN 2.1")),
    remediation="Add the missing tags to the account, and require them with an Azure Policy assignment.",
    breaks=(
        {"requirements.required_tags": ["owner"], "account.tags": ABSENT},
        {"requirements.required_tags": ["owner"], "account.tags": None},
        {"requirements.required_tags": ["owner"], "account.tags.owner": ""},
        {"requirements.required_tags": ["no-such-tag"]},
    ),
)
def required_tags(facts: Facts) -> Verdict:
    """Tags say whose an account is and what it may process: without them nobody answers an alert about it.

    Names are compared without case, as the service does; an empty value counts as missing. The names come from the parameters.
    """
    given = facts.account.get("tags", {})
    if not isinstance(given, dict):
        raise UnexpectedShapeError("account.tags", "an object", given)
    wanted = facts.requirements.required_tags
    if not wanted:
        return not_applicable("No tags are required.")
    filled = {name.lower() for name, value in given.items() if isinstance(value, str) and value.strip()}
    missing = [name for name in wanted if name.lower() not in filled]
    if missing:
        return fails(f"The account lacks the required tag(s) {', '.join(f'“{name}”' for name in missing)}.")
    return passes(f"The account has every required tag: {', '.join(wanted)}.")


@control(
    "GOV-09",
    title="A budget with a notification covers the accounts",
    severity=Severity.LOW,
    subject=Kind.SUBSCRIPTION,
    maps=(mcsb_ai("AI-6"), nist80053("SC-5", "SC-6"), ai_rmf("MANAGE 2.4"), owasp("LLM10"), atlas("T0034", "M0004")),
    remediation=(
        "Create a budget on the subscription (Cost Management, Budgets) without a filter, or with one that includes every account, "
        "and an enabled notification with an e-mail address, role or action group."
    ),
    breaks=(
        {"budgets": []},
        {f"{_BUDGET}.notifications": {}},
        {f"{_BUDGET}.notifications": ABSENT},
        {
            f"{_BUDGET}.notifications": {
                "actual": {
                    "enabled": False,
                    "operator": "GreaterThan",
                    "threshold": 80,
                    "contactEmails": ["a@b.example"],
                }
            }
        },
        {
            f"{_BUDGET}.notifications": {
                "actual": {
                    "enabled": True,
                    "operator": "GreaterThan",
                    "threshold": 80,
                    "contactEmails": [],
                    "contactRoles": [],
                }
            }
        },
        {
            f"{_BUDGET}.filter": {
                "dimensions": {"name": "ResourceGroupName", "operator": "In", "values": ["rg-somewhere-else"]}
            }
        },
        {f"{_BUDGET}.timePeriod.endDate": "2025-12-31T00:00:00Z"},
    ),
)
def budget_covers_the_accounts(facts: Facts) -> Verdict:
    """Tokens cost money before anybody looks at a metric: a budget is the alarm that reaches whoever pays.

    A budget of the subscription counts that has not ended, has an enabled notification with an address, role or action group,
    and whose filter includes every assessed account: none, or one by resource group, resource or tag. Filters by meter or
    service are not evaluated and don't count. Budgets on a resource group or management group are not read.
    """
    lacking = []
    for budget in facts.of_subscription("budgets").each():
        lack = uncovered(facts, budget)
        if not lack:
            return passes(f"Budget “{budget.name}” covers the accounts and notifies somebody.")
        lacking.append(f"“{budget.name}” {lack}")
    why = f": {'; '.join(lacking[:2])}" if lacking else ""
    return fails(f"No budget of the subscription covers the accounts and notifies somebody{why}.")


@control(
    "GOV-10",
    title="Kind and endpoint of the account are known to this catalogue",
    severity=Severity.INFO,
    subject=Kind.ACCOUNT,
    maps=(mcsb("AM-2"), mcsb_ai("AI-1"), nist80053("CM-8"), ai_rmf("GOVERN 6.1")),
    remediation=(
        "Nothing in Azure has to change for a kind or cloud that is new: assess the account by hand and have the catalogue "
        "extended. An account of another service or with an endpoint that is not https does not belong into this assessment."
    ),
    breaks=(
        {"account.kind": "TextAnalytics"},
        {"account.properties.endpoint": "http://acct.openai.azure.com/"},
    ),
)
def kind_and_endpoint_are_known(facts: Facts) -> Verdict:
    """The other controls know what OpenAI and AIServices accounts do. An account of an unknown kind, or at an address of an
    unknown form, is said not to be assessed here instead of being passed over.

    The endpoint has to be https under a name of the public, US government or China cloud, or under the very host that the
    account itself lists for its APIs.
    """
    kind = facts.account.text("kind")
    endpoint = urlsplit(facts.account.text("properties.endpoint"))
    if kind.lower() not in KINDS:
        if kind.lower() in _OTHER_KINDS:
            return fails(f"The account is of kind “{kind}”, which serves no Azure OpenAI models.")
        return not_assessed(
            f"The kind “{kind}” is not known to this catalogue: its verdicts may not hold for this account."
        )
    host = (endpoint.hostname or "").lower()
    if not host:
        return not_assessed("The account shows no endpoint.")
    if endpoint.scheme != "https":
        return fails(f"The account's endpoint “{endpoint.geturl()}” is not https.")
    if host.endswith(SUFFIXES) or host in _own_hosts(facts):
        return passes(f"The account is of kind “{kind}” and answers at “{host}”.")
    return not_assessed(f"The endpoint's host “{host}” is under no name that is known to this catalogue.")


def _own_hosts(facts: Facts) -> set[str]:
    """Hosts that the account lists for its APIs."""
    listed = facts.account.get("properties.endpoints", {})
    named = listed.values() if isinstance(listed, dict) else []
    return {host for each in named if isinstance(each, str) and (host := urlsplit(each).hostname)}


_OTHER_KINDS: Final = frozenset(
    {
        "cognitiveservices", "computervision", "contentmoderator", "contentsafety", "customvision.prediction",
        "customvision.training", "face", "formrecognizer", "immersivereader", "luis", "luis.authoring", "personalizer",
        "qnamaker", "qnamaker.v2", "speechservices", "textanalytics", "texttranslation",
    }
)  # fmt: skip
"""Kinds of which it is known that they serve other things (`accounts kinds` of the API, 2025-09-01)."""
