"""What is assessed: the subscriptions, the accounts in them, their deployments and content-filter policies.

Every phase builds on these, so they are read whichever phases run.
"""

from __future__ import annotations

from typing import Final

from aoai_lib.collect import EACH_ACCOUNT, Source, group_of, name_of, subscription_of
from aoai_lib.model import Json

ASSESSED_KINDS: Final = frozenset({"openai", "aiservices"})
"""Account kinds that serve Azure OpenAI models."""

OTHER_KINDS: Final = frozenset(
    kind.lower()
    for kind in (
        "Academic", "AnomalyDetector", "Bing.Autosuggest", "Bing.Autosuggest.v7", "Bing.CustomSearch", "Bing.EntitySearch",
        "Bing.Search", "Bing.Search.v7", "Bing.Speech", "Bing.SpellCheck", "Bing.SpellCheck.v7", "CognitiveServices",
        "ComputerVision", "ContentModerator", "ContentSafety", "ConversationalLanguageUnderstanding", "CustomSpeech",
        "CustomVision.Prediction", "CustomVision.Training", "Emotion", "Face", "FormRecognizer", "HealthDecisionSupport",
        "HealthInsights", "ImmersiveReader", "Internal.AllInOne", "KnowledgeMining", "LanguageAuthoring", "LUIS",
        "LUIS.Authoring", "MetricsAdvisor", "Personalizer", "QnAMaker", "QnAMaker.v2", "Recommendations",
        "SpeakerRecognition", "Speech", "SpeechServices", "SpeechTranslation", "TextAnalytics", "TextTranslation",
        "VideoIndexer", "WebLM",
    )
)  # fmt: skip
"""Kinds of Cognitive Services accounts that serve none (`accounts kinds` of the API, 2025-09-01): passed over by name."""

POLICIES: Final = "2026-05-01"
"""API version by which content-filter policies are read and written: the newest that is generally available. Older ones, the
SDK's among them, don't show `action` nor the tool sources of agents, and what is not shown would be lost by a PUT."""
SUBSCRIPTIONS: Final = "Microsoft.Resources/subscriptions/read"
ACCOUNTS: Final = "Microsoft.CognitiveServices/accounts/read"

SOURCES = (
    Source(
        "deployments",
        EACH_ACCOUNT,
        "Microsoft.CognitiveServices/accounts/deployments/read",
        lambda azure, account: azure.cognitive(subscription_of(account)).deployments.list(
            group_of(account), name_of(account)
        ),
        items="deployment",
    ),
    Source(
        "rai_policies",
        EACH_ACCOUNT,
        "Microsoft.CognitiveServices/accounts/raiPolicies/read",
        lambda azure, account: azure.list(f"{account}/raiPolicies", POLICIES, older="2025-09-01"),
    ),
)


def serves_models(account: Json) -> bool:
    """Whether an account's kind is not known to be another service. An unknown kind is assessed, never passed over."""
    return str(account.get("kind", "")).lower() not in OTHER_KINDS
