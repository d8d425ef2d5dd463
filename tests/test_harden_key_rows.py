"""Who would break where keys are switched off: the check's list against log rows of any kind, counted here a second way."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from builders import ACCOUNT, GROUP, snapshot
from hypothesis import given
from hypothesis import strategies as st
from usage_samples import answered, call, collected, logged, setting, told, workspace, world

from aoai_lib.harden.plan import Check
from aoai_lib.harden.preflight import Answer, answer

ELSEWHERE: Final = f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/another"
HOSTILE: Final = ("<img src=x onerror=alert(1)>", "a|b\n# c", "“chat”", "=cmd()", "../../x", "‮txt")

rows: Final = st.builds(
    lambda who, address, name, status, calls, account, category: call(
        who, address, name, status=status, calls=calls, account=account, category=category
    ),
    who=st.sampled_from(["", "0a51c7e2-5d0e-4b7a-8a10-6f3f0c9d1e04", *HOSTILE]),
    address=st.sampled_from(["10.1.2.***", "203.0.113.***", "", "somewhere", *HOSTILE]),
    name=st.sampled_from(["chat", "", *HOSTILE]),
    status=st.sampled_from(["200", "201", "204", " 200 ", "429", "401", "403", "500", "", "2", "2000", "OK"]),
    calls=st.integers(1, 10**6),
    account=st.sampled_from([ACCOUNT, ACCOUNT.upper(), ACCOUNT.lower(), ELSEWHERE]),
    category=st.sampled_from(["RequestResponse", "requestresponse", "Audit", "AzureOpenAIRequestUsage"]),
)


def asked(*made: list[Any]) -> Answer:
    sample = snapshot(workspace(), answered(*made), diagnostic_settings=[setting()])
    return answer(Check(name="key-callers", about=ACCOUNT), sample)


def breaks(row: list[Any]) -> bool:
    """Whether a row says that somebody's key opened a model of the account."""
    account, category, who, _, name, _, status = row[:7]
    succeeded = status.strip() in ("200", "201", "204")
    return (
        account.lower() == ACCOUNT.lower() and category.lower() == "requestresponse" and not who and name and succeeded
    )


def tells_nobody(row: list[Any]) -> bool:
    """Whether a row says that a call succeeded, and neither whose nor on what: it may have been a key's."""
    account, category, who, _, name, _, status = row[:7]
    own = account.lower() == ACCOUNT.lower() and category.lower() == "requestresponse"
    return own and not who and not name and status.strip() in ("200", "201", "204")


@given(st.lists(rows, max_size=12))
def test_it_lists_each_address_that_used_a_key_and_nobody_else(made: list[list[Any]]) -> None:
    wanted = {row[3] for row in made if breaks(row)}
    said = asked(*made)
    if wanted:
        assert not said.good
        assert said.sentence.startswith(f"{len(wanted)} caller(s) of ")
        assert len(said.listed) == len(wanted)
        assert all(any(address in line for line in said.listed) for address in wanted)
    else:
        assert said.listed == ()
        own = Counter(row[1].lower() for row in made if row[0].lower() == ACCOUNT.lower())
        proven = own["requestresponse"] or set(own) == {"audit"}
        assert said.good == (bool(proven) and not any(map(tells_nobody, made))), "what did not arrive proves nothing"


def test_calls_that_a_key_did_not_get_through_break_nobody() -> None:
    said = asked(*(call("", status=status) for status in ("401", "403", "429", "500")))
    assert said.good and said.sentence.startswith(
        f"The calls of “{ACCOUNT.rpartition('/')[2]}” in the last 30 days, the first"
    )
    assert said.sentence.endswith("show none with a key.")


def test_one_that_was_throttled_and_got_through_breaks() -> None:
    said = asked(call("", status="429", calls=900), call("", status="200", calls=1))
    assert not said.good
    assert len(said.listed) == 1


def test_columns_of_azure_diagnostics_are_read_as_the_texts_they_are() -> None:
    """Through the lab's workspace and the real client: status and properties are strings there, the address is masked."""
    made = [
        logged(5, "200", "203.0.113.***", properties_s=told("")),
        logged(6, "429", "192.0.2.***", properties_s=told("")),
        logged(7, "401", "198.51.100.***", properties_s=told("", "")),
        logged(8, "200", "10.41.2.***", properties_s=told()),
        logged(9, "200", "192.0.2.***", properties_s=told(""), ResourceId=ELSEWHERE.upper()),
    ]
    sample = collected(world(made), ("usage", "monitoring"))
    account = next(each.scope for each in sample.of("account") if each.scope.endswith("aoai-halden-claims"))
    said = answer(Check(name="key-callers", about=account), sample)
    assert not said.good
    assert [line.partition(" (")[0] for line in said.listed] == ["a key from 203.0.113.***"]
