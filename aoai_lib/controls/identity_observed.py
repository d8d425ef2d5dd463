"""What active probes saw of the ways in: a key that nobody has, a real call, a deployment that must be refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aoai_lib.controls import Verdict, control, fails, not_assessed, passes
from aoai_lib.controls.network_observed import NETWORK_REFUSAL
from aoai_lib.facts import Facts, View
from aoai_lib.frameworks import ai_rmf, atlas, mcsb, nist80053
from aoai_lib.model import Kind, Severity, State

_DISABLED: Final = re.compile(
    r"(?i)(key|local)[ -]?(based )?auth\w* (is|are|has been|was) (disabled|not allowed|turned off)|keys are disabled"
)
"""In the message of a refusal: that keys don't work here, whichever they are."""
_WRONG: Final = re.compile(r"(?i)(invalid|wrong|incorrect|provide a valid) (subscription |api |access )?key")
"""In the message of a 401: that this key is not one of the account's, so that one which is would work."""
_LACKING: Final = re.compile(
    r"(?i)lacks the required data ?action|does not have (the )?(permission|access)|principal does not have access"
)


@control(
    "IAM-02",
    title="Observed: a key is refused because keys are disabled",
    severity=Severity.HIGH,
    subject=Kind.ACCOUNT,
    maps=(mcsb("IM-1"), nist80053("CA-8", "IA-2", "AC-3"), ai_rmf("MEASURE 2.7"), atlas("T0012", "M0019")),
    remediation="Set `disableLocalAuth` to true on the account (IAM-01). Where it is set, wait: it takes minutes to several hours "
    "until keys are refused. Then probe again.",
    breaks=(
        {
            "key_attempt[0].status": 401,
            "key_attempt[0].code": "401",
            "key_attempt[0].message": "Access denied due to invalid subscription key or wrong API endpoint.",
        },
        {
            "key_attempt[0].status": 200,
            "key_attempt[0].code": "",
            "key_attempt[0].message": "",
            "key_attempt[0].models": True,
        },
    ),
)
def keys_refused(facts: Facts) -> Verdict:
    """A property that reads true is not in force yet for minutes to hours, and a gateway may answer in its place.

    A made-up key is enough to tell, so no real one is ever read: 403 `AuthenticationTypeDisabled`, or a 401 or 403 that says
    that keys are disabled, is said to every key. A 401 about the wrong key means that a right one works. What the account's
    network refuses, and any other answer, leaves it open.
    """
    for view in _tried(facts, "key_attempt"):
        status, said = view.number("status"), _said(view)
        message = view.text("message")
        if status in (401, 403) and (
            view.text("code").lower() == "authenticationtypedisabled" or _DISABLED.search(message)
        ):
            return passes(f"A made-up key was refused because keys are disabled: {said}.")
        if status == 401 and _WRONG.search(message):
            return fails(f"Keys work on the account: a made-up key was refused for being the wrong one, {said}.")
        if status == 200 and view.flag("models"):
            return fails(f"A made-up key was let in: {said}.")
        return not_assessed(f"Whether keys are refused could not be seen: {_open(view, said)}.")
    return not_assessed(_untried(facts, "A made-up key was not tried"))


@control(
    "IAM-14",
    title="Observed: a workload's identity signs in and calls a model",
    severity=Severity.MEDIUM,
    subject=Kind.ACCOUNT,
    maps=(mcsb("IM-3"), nist80053("CA-8", "IA-2"), ai_rmf("MEASURE 2.7"), atlas("M0019")),
    remediation="Give the identity Cognitive Services OpenAI User on the account, wait some minutes until the assignment is in "
    "force, and probe again from the network that it calls from.",
    breaks=(
        {
            "model_call[0].status": 401,
            "model_call[0].code": "PermissionDenied",
            "model_call[0].message": "The principal lacks the required data action.",
            "model_call[0].meant": True,
        },
    ),
)
def identity_calls(facts: Facts) -> Verdict:
    """Before keys are switched off the other way in must work: the token, the role, the name and the network together.

    Judged by one real call, of at most 16 tokens, by the identity that runs the probe from the vantage point that is stated.
    Only 200 passes, and only for a workload: a person's session proves nothing about one. A refusal for lack of the data
    action fails where the parameters name the identity as one that should call (`hardening.workload_identities`), and says
    nothing about the account where they don't.
    """
    for view in _tried(facts, "model_call"):
        status, said = view.number("status"), _said(view)
        caller, kind = view.text("caller"), _kind(view)
        place = f"{view.text('vantage')!s}".replace("_", " ")
        if status == 200 and not view.flag("answered"):
            return not_assessed(f"What came with status 200 is no answer of a model: from “{place}”.")
        if status == 200 and kind:
            how = f"the deployment “{view.text('deployment')}” through the {view.text('surface')}"
            return passes(
                f"The {kind} “{caller}” signed in without a key and called {how}, from the vantage point “{place}”."
            )
        if status == 200:
            return not_assessed(f"The call worked as “{caller}”, which is not known to be a workload: probe as one.")
        if status in (401, 403) and (
            view.text("code").lower() == "permissiondenied" or _LACKING.search(view.text("message"))
        ):
            if view.flag("meant"):
                return fails(f"The identity “{caller}” should call the account and may not: {said}.")
            return not_assessed(
                f"The identity “{caller}”, which is not said to need it, may not call the account: {said}."
            )
        return not_assessed(f"No call came through: {_open(view, said)}.")
    return not_assessed(_untried(facts, "No model was called", "or the account has no deployment that chats or embeds"))


def attempted(facts: Facts, defined: str) -> Verdict:
    """The verdict of IAM-12 where the definition is in order (`defined` says so, without its full stop), by what an attempt
    adds to it."""
    for view in _tried(facts, "deployment_attempt"):
        status, said = view.number("status"), _said(view)
        caller, left = view.text("identity"), view.number("left")
        if left is not None and 200 <= left < 300 and not (status is not None and 200 <= status < 300):
            return not_assessed(
                f"{defined}, but the deployment “{view.text('name')}” was there after the attempt: {said}."
            )
        if status == 403 and view.text("code").lower() == "authorizationfailed":
            refused = f"{defined}; and “{caller}”, which holds only it, was refused when it tried: {said}"
            if left == 404:
                return passes(f"{refused}, and nothing was there afterwards.")
            return not_assessed(f"{refused}, but whether nothing was there afterwards could not be read.")
        if status is not None and 200 <= status < 300 and (view.flag("made", True) or left is None or left < 300):
            name = view.text("name")
            return fails(
                f"“{caller}” holds only OpenAI User, and was let deploy: {said}. Look for the deployment “{name}”."
            )
        if status in (400, 409, 422):
            return not_assessed(f"{defined}, but “{caller}” was not refused for lack of a right when it tried: {said}.")
        return not_assessed(f"{defined}, but an attempt showed nothing: {_open(view, said)}.")
    return passes(f"{defined}.")


def _tried(facts: Facts, source: str) -> Iterator[View]:
    """What a probe saw of the account; nothing where none was sent."""
    if facts.snapshot.reading(source, facts.subject.account).state is State.COLLECTED:
        yield from facts.of_account(source).each()


def _said(view: View) -> str:
    """The answer in a few words."""
    status, code, message = view.number("status"), view.text("code"), view.text("message")
    if status is None:
        return f"no answer ({view.text('error') or 'not told why'})"
    named = f" {code}" if code and code != f"{status:g}" else ""
    return f"answered {status:g}{named}" + (f" “{message.rstrip('.')}”" if message else "")


def _open(view: View, said: str) -> str:
    """Why an answer shows nothing, with the place it was asked from."""
    place = f"from the vantage point “{view.text('vantage')}”"
    if view.number("status") == 403 and NETWORK_REFUSAL.search(view.text("message")):
        return f"{place} the account's network refused the caller, {said}"
    return f"{place}, {said}"


def _kind(view: View) -> str:
    """What a caller is by its token; "" for a person, and for one that the token does not tell."""
    if view.flag("managed"):
        return "managed identity"
    return "workload identity" if view.text("type").lower() == "app" else ""


def _untried(facts: Facts, what: str, why: str = "") -> str:
    """Why there is nothing to see, and the mend."""
    if not facts.account.text("properties.customSubDomainName"):
        return "The account has no custom subdomain, so it has no name of its own that could be called: see NET-10."
    if facts.account.text("kind").lower() not in ("openai", "aiservices"):
        return f"The account is of the kind “{facts.account.text('kind')}”, which is not known to have models to call."
    if facts.snapshot.reading("probes", "/").state is not State.COLLECTED:
        return f"{what}: active probes were off. Set `active_probes` to true in the parameters."
    return f"{what}: the budget was used up (`probes.requests`, `probes.tokens`){f', {why}' if why else ''}."
