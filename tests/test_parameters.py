"""What parameters accept, and how a profile and the selection of accounts work."""

from datetime import date
from pathlib import Path

import pytest
from papermill.iorw import read_yaml_file

from aoai_lib.model import InputError, Requirements
from aoai_lib.parameters import PROFILES, Parameters, load, parse

ACCOUNT = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/ai/providers"
    "/Microsoft.CognitiveServices/accounts/contoso-prod"
)
EVERYTHING = f"""
tenant: Contoso.prod-1
tenant_id: 11111111-2222-3333-4444-555555555555
cloud: usgov
credential: managed_identity
subscriptions: [11111111-2222-3333-4444-555555555555]
accounts: ["contoso-*", {ACCOUNT}]
profile: waf
requirements:
  approved_source_ranges: [10.0.0.0/8, "2001:db8::/32", 203.0.113.7]
  filter_threshold: Low
  capacity_cap: 120
vantage: branch-2
active_probes: true
evidence_days: 7
waivers:
  - control: NET-04
    subject: "*-search"
    reason: 'Yes: no other way'
    owner: Head of Data
    expires: 2027-06-30
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "tenant.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_parameter_is_read(tmp_path: Path) -> None:
    read = load(written(tmp_path, EVERYTHING))
    assert (read.tenant, read.cloud, read.credential) == ("Contoso.prod-1", "usgov", "managed_identity")
    assert (read.profile, read.vantage, read.active_probes, read.evidence_days) == ("waf", "branch-2", True, 7)
    assert read.requirements.approved_source_ranges == ["10.0.0.0/8", "2001:db8::/32", "203.0.113.7"]
    assert read.requirements.capacity_cap == 120
    assert read.waivers[0].expires == date(2027, 6, 30)
    assert (read.waivers[0].ticket, read.waivers[0].reason) == ("", "Yes: no other way")


def test_papermill_reads_the_same_values_from_the_same_file(tmp_path: Path) -> None:
    path = written(tmp_path, EVERYTHING)
    assert parse(read_yaml_file(str(path))) == load(path)


def test_what_was_read_can_be_given_back_and_read_again(tmp_path: Path) -> None:
    read = load(written(tmp_path, EVERYTHING))
    assert parse(read.model_dump(mode="json")) == read


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbftenant: a\r\nevidence_days: 3\r\n")
    assert (load(path).tenant, load(path).evidence_days) == ("a", 3)


def test_a_profile_sets_only_what_is_not_given() -> None:
    strict = parse({"profile": "alz-strict", "requirements": {"filter_threshold": "High"}}).requirements
    assert (strict.filter_threshold, strict.customer_managed_key, strict.retirement_warning_days) == ("High", True, 90)
    assert parse({"profile": "alz-strict"}).requirements.filter_threshold == "Low"
    assert parse({"profile": "waf"}).requirements.customer_owned_storage is False
    assert parse({}).requirements == Requirements()
    built = Parameters(profile="alz-strict", requirements=Requirements(customer_managed_key=False)).requirements
    assert (built.customer_managed_key, built.customer_owned_storage) == (False, True)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_names_real_requirements(profile: str) -> None:
    assert parse({"profile": profile}).requirements == Requirements(**PROFILES[profile])


@pytest.mark.parametrize(
    ("patterns", "selected"),
    [
        ([], True),
        (["contoso-prod"], True),
        (["CONTOSO-*"], True),
        (["contoso-pro?"], True),
        (["contoso"], False),
        (["prod", "other"], False),
        ([ACCOUNT.upper().replace("MICROSOFT", "Microsoft")], True),
        ([ACCOUNT + "2"], False),
    ],
)
def test_accounts_are_selected_by_name_pattern_or_id(patterns: list[str], selected: bool) -> None:
    assert parse({"accounts": patterns}).selects(ACCOUNT) is selected


def test_a_mapping_that_holds_itself_is_refused_and_not_followed_for_ever() -> None:
    loop: list[object] = []
    loop.extend([loop, loop])
    with pytest.raises(InputError, match="nested too deeply"):
        parse({"accounts": loop})
