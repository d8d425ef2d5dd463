"""Situations in which another tool's verdict is wrong or weak, with ours: the one source of docs/other-tools.md and of its tests.

.venv/bin/python tests/other_tools.py     # writes the page
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aoai_lib.model import ABSENT

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "other-tools.md"
_FILTERS: Final = "rai_policies[properties/type=UserManaged].properties.contentFilters"
_SETTING: Final = "diagnostic_settings[0].properties"
_CONNECTION: Final = (
    "account.properties.privateEndpointConnections[0].properties.privateLinkServiceConnectionState.status"
)
CLAIMS, KNOWLEDGE = "aoai-halden-claims", "ais-halden-knowledge"
SHOP, SEARCH = "aoai-brightcart-shop", "ais-brightcart-search"


@dataclass(frozen=True)
class Case:
    """One wrong verdict. `subject` is what is judged, in the lab's `tenant` as the SDKs read it, after `changes`.

    Where `test` is given, that test shows it end to end, and `control`, `status` are what it asserts.
    """

    id: str
    tool: str
    situation: str
    theirs: str
    wrong: str
    control: str
    status: str
    subject: str = CLAIMS
    tenant: str = "hardened"
    changes: Mapping[str, Any] = field(default_factory=dict)
    says: str = ""
    """What our reason has to hold."""
    test: str = ""

    @property
    def shown_by(self) -> str:
        """The test's name as pytest prints it, below tests/."""
        return self.test or f"test_other_tools.py::test_our_verdict[{self.id}]"


CASES: Final = (
    Case(
        "01-weakest-filter",
        "Azure Policy 5207647b, allowed severities of content filters",
        "One harm category blocks from High on",
        "compliant: Medium and High are allowed where nothing else is said",
        "High is the weakest threshold, since it lets Low and Medium through",
        "CNT-01",
        "fail",
        "chat",
        changes={f"{_FILTERS}[name=Hate].severityThreshold": "High"},
    ),
    Case(
        "01-strictest-filter",
        "Azure Policy 5207647b, allowed severities of content filters",
        "Every harm category blocks from Low on",
        "not compliant: Low is not among the defaults",
        "Low is the strictest threshold, since it blocks everything that is recognised",
        "CNT-01",
        "pass",
        "chat",
    ),
    Case(
        "02-disabled-log",
        "Azure Policy 1b4d1c4e, resource logs",
        "A diagnostic setting names the log categories and has them switched off",
        "compliant: the list of logs has an entry",
        "nothing is logged",
        "MON-01",
        "fail",
        changes={f"{_SETTING}.logs[0].enabled": False},
    ),
    Case(
        "02-any-setting",
        "azqr, diagnostic settings",
        "One setting sends one category to a storage account",
        "passes: a setting exists",
        "no query and no alert reads an archive, and three categories of four are missing",
        "MON-01",
        "fail",
        SHOP,
        "exposed",
    ),
    Case(
        "02-non-empty-list",
        "CloudSploit, diagnostic settings",
        "One setting sends only metrics to a workspace",
        "passes: the list of settings is not empty",
        "no log category leaves the account",
        "MON-01",
        "fail",
        changes={f"{_SETTING}.logs": []},
    ),
    Case(
        "03-policy-leaves-out-kind",
        "Azure Policy 67121cc7, customer-managed key",
        "An account of kind AIServices without a key of the customer's, where one is required",
        "not looked at: the kind is left out",
        "it serves the same models and keeps the same data",
        "GOV-01",
        "fail",
        SEARCH,
        "exposed",
    ),
    Case(
        "03-every-other-kind",
        "checkov CKV_AZURE_247, data loss prevention",
        "An account of kind AIServices that lets data out to any host",
        "passes: every kind but OpenAI does",
        "it serves the same models",
        "NET-14",
        "fail",
        KNOWLEDGE,
        changes={"account.properties.restrictOutboundNetworkAccess": ABSENT},
    ),
    Case(
        "04-pending-endpoint",
        "azqr aif-004, private endpoints",
        "The only private endpoint connection is Pending",
        "passes: a connection is listed",
        "nobody approved it, so it carries no traffic",
        "NET-05",
        "fail",
        SHOP,
        "exposed",
    ),
    Case(
        "04-rejected-endpoint",
        "azqr aif-004, private endpoints",
        "The only private endpoint connection is Rejected",
        "passes: a connection is listed",
        "it carries no traffic",
        "NET-05",
        "fail",
        changes={_CONNECTION: "Rejected"},
    ),
    Case(
        "05-null-public-access",
        "steampipe, public network access",
        "publicNetworkAccess is null",
        "ok",
        "the service reads a missing value as Enabled",
        "NET-01",
        "fail",
        KNOWLEDGE,
        changes={"account.properties.publicNetworkAccess": None},
    ),
    Case(
        "05-no-endpoint-is-info",
        "steampipe, private endpoints",
        "The account has no private endpoint connection",
        "info",
        "there is no private way in: the answer is known, and it is no",
        "NET-05",
        "fail",
        changes={"account.properties.privateEndpointConnections": []},
    ),
    Case(
        "05-missing-key-capability",
        "steampipe, customer-managed key",
        "The account shows nothing about a customer-managed key, and one is required",
        "ok",
        "what is not shown is not set: the service's own key encrypts",
        "GOV-01",
        "fail",
        changes={"account.properties.encryption": ABSENT},
    ),
    Case(
        "05-inverted-reason",
        "steampipe, local authentication",
        "Keys are disabled",
        "ok, and the reason says the opposite (likewise the other way round)",
        "who reads the reason acts on the wrong one",
        "IAM-01",
        "pass",
        says="Keys are disabled",
    ),
    Case(
        "05-inverted-reason-of-failure",
        "steampipe, local authentication",
        "Keys work",
        "alarm, and the reason says the opposite",
        "who reads the reason acts on the wrong one",
        "IAM-01",
        "fail",
        changes={"account.properties.disableLocalAuth": False},
        says="Keys work",
    ),
    Case(
        "06-null-public-access",
        "CloudSploit, public network access",
        "publicNetworkAccess is missing, on an account that somebody made by template",
        "passes",
        "the service reads a missing value as Enabled",
        "NET-01",
        "fail",
        KNOWLEDGE,
        changes={"account.properties.publicNetworkAccess": ABSENT},
    ),
    Case(
        "06-both-identities",
        "CloudSploit, managed identity",
        "The account has both kinds: “SystemAssigned, UserAssigned”",
        "fails",
        "either kind is a managed identity",
        "IAM-11",
        "pass",
        changes={"account.identity.type": "SystemAssigned, UserAssigned"},
    ),
    Case(
        "06-no-accounts",
        "CloudSploit, all checks on these accounts",
        "A subscription without any account",
        "passes",
        "nothing was looked at, so nothing is proven",
        "all",
        "no finding",
        test="test_other_tools.py::test_a_subscription_without_accounts_passes_nothing",
    ),
    Case(
        "07-no-workspace",
        "prowler, threat detection at API Management",
        "No Log Analytics workspace receives the request log",
        "passes: there is no workspace to look into",
        "nobody can detect anything",
        "MON-14",
        "fail",
        SHOP,
        "exposed",
    ),
    Case(
        "07-empty-outbound-list",
        "prowler 5.46 (2026-10), outbound access",
        "restrictOutboundNetworkAccess is true, and the list of hosts is empty",
        "passes",
        "nobody decided which hosts the account has to reach",
        "NET-14",
        "fail",
        changes={"account.properties.allowedFqdnList": []},
    ),
    Case(
        "07-any-destination",
        "prowler 5.46 (2026-10), audit logs",
        "The audit log goes to a storage account and to no workspace",
        "passes: any destination counts",
        "no query and no alert reads it there",
        "MON-01",
        "fail",
        changes={f"{_SETTING}.workspaceId": None, f"{_SETTING}.storageAccountId": "/subscriptions/s/storage"},
    ),
    Case(
        "07-one-filter-of-many",
        "prowler 5.46 (2026-10), content filters",
        "The jailbreak shield blocks, and violence is only annotated",
        "passes: it looks at the shield alone",
        "violence gets through",
        "CNT-01",
        "fail",
        "chat",
        changes={f"{_FILTERS}[name=Violence].action": "ANNOTATING", f"{_FILTERS}[name=Violence].blocking": False},
    ),
    Case(
        "07-who-reads-keys",
        "prowler 5.46 (2026-10), its nine checks on these accounts",
        "A user who is not approved can read the keys by a role on the subscription",
        "not looked at: no check reads roles",
        "whoever reads a key calls as nobody",
        "IAM-04",
        "fail",
        SHOP,
        "exposed",
    ),
    Case(
        "08-endpoints-not-looked-at",
        "PSRule for Azure, rule “PrivateEndpoints”",
        "Public access is disabled, and no private endpoint connection is left",
        "the same with and without private endpoints: it never looks at them",
        "nobody can reach the account: the rule's name promises what it does not read",
        "NET-05",
        "fail",
        changes={"account.properties.privateEndpointConnections": ABSENT},
    ),
    Case(
        "09-constant-query",
        "review-checklists, one query",
        "Any",
        "the same for every resource: the condition is constant",
        "a check that can't fail says nothing",
        "all",
        "pass and fail",
        test="test_other_tools.py::test_every_control_can_pass_and_can_fail",
    ),
    Case(
        "09-unrelated-alert",
        "review-checklists, query on alerts",
        "A good alert on rejected content, and beside it a switched-off one about the cost of something else",
        "fails for the unrelated one",
        "an alert on another resource says nothing of this account",
        "MON-06",
        "pass",
        changes={
            "metric_alerts[+]": {
                "id": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Insights/metricAlerts/cpu",
                "name": "cpu",
                "properties": {
                    "enabled": False,
                    "scopes": ["/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"],
                    "criteria": {"allOf": []},
                    "actions": [],
                },
            }
        },
    ),
    Case(
        "10-deny-with-rules",
        "Azure Policy 037eea7a against the landing zones' policy",
        "Public access is on, the firewall denies by default, and two IP rules let addresses in",
        "Azure Policy: compliant; landing zones: not, because of the rules",
        "each hides what the other is about",
        "NET-01",
        "fail",
        SEARCH,
        "exposed",
    ),
    Case(
        "10-the-default-action",
        "Azure Policy 037eea7a against the landing zones' policy",
        "The same, asked about the default action alone",
        "see above",
        "the default action is right, and has a verdict of its own",
        "NET-02",
        "pass",
        SEARCH,
        "exposed",
    ),
    Case(
        "10-the-ranges",
        "Azure Policy 037eea7a against the landing zones' policy",
        "The same, asked about the rules' ranges",
        "see above",
        "one range is a sixteenth of the internet, and nobody approved either",
        "NET-03",
        "fail",
        SEARCH,
        "exposed",
    ),
    Case(
        "11-keys-off",
        "garak",
        "An account on which keys are disabled",
        "cannot be tested: it needs an API key",
        "the better an account is hardened, the less is known of it",
        "IAM-02",
        "pass",
        test="test_other_tools.py::test_a_hardened_account_is_tried_by_token",
    ),
    Case(
        "11-block-is-a-result",
        "garak",
        "A filter blocks the prompt of a probe",
        "no answer",
        "the block, with its category, is what was to be proven",
        "CNT-15",
        "pass",
        "chat",
        test="test_other_tools.py::test_a_filters_block_is_a_result",
    ),
    Case(
        "12-denied-list",
        "prowler, collectors (sub-reads became MANUAL in 5.46)",
        "Listing the accounts answers 403",
        "no finding: only a line in the log",
        "a missing finding reads like a good one",
        "all on accounts",
        "not_assessed",
        test="test_other_tools.py::test_a_list_that_is_denied_is_a_finding_of_every_control",
    ),
    Case(
        "13-unknown-category",
        "AzTS",
        "A setting sends a log category that the service does not have",
        "cites categories that don't exist",
        "what is never written can't be required, and does not stand for what is",
        "MON-01",
        "fail",
        changes={f"{_SETTING}.logs": [{"category": "AllRequests", "enabled": True}]},
    ),
    Case(
        "13-unknown-type",
        "AzTS",
        "Everything that is read, asked for by its resource type",
        "cites resource types that don't exist",
        "a check on such a type never finds a resource",
        "all",
        "read",
        test="test_other_tools.py::test_every_type_that_is_read_exists",
    ),
)

_INTRODUCTION: Final = """# Verdicts of other tools, and ours

Thirteen verdicts of other tools that are wrong or weak, read in their sources in August 2026 or later, each rebuilt and judged by this
playbook. Most start from a tenant of the lab as the Azure SDKs read it, the hardened one or the exposed one, with the one change that
makes the situation; where the other tool's weakness lies in how it reads, ours is shown from the request on. Other versions may differ, and
what these tools do well is not the matter of this page.

Written by `.venv/bin/python tests/other_tools.py`; a test holds the page to the cases in that file, which are what is tried. A control is
named as `aoai controls ID` tells it.

| | tool and check | situation | its verdict | why that is wrong | ours | test |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The page as Markdown."""
    rows = []
    for each in CASES:
        number, _, _ = each.id.partition("-")
        ours = f"{each.control}: {each.status.replace('_', ' ')}"
        cells = (str(int(number)), each.tool, each.situation, each.theirs, each.wrong, ours, f"`{each.shown_by}`")
        rows.append(f"| {' | '.join(cells)} |")
    return _INTRODUCTION + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
