"""Runs by URL: on Azurite through adlfs and, where only the order of things counts, in fsspec's memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from fleet_stand import RECORDING, command, parameters_files, run, started
from tenants import ROOT

from aoai_lib.bundle import signing
from aoai_lib.cli import main
from aoai_lib.evidence import seal
from aoai_lib.fleet import Outcome, Task
from aoai_lib.fleet.outcome import UnwantedError
from aoai_lib.fleet.remote import Remote
from aoai_lib.fleet.staging import fetch_previous, upload
from aoai_lib.model import InputError
from aoai_lib.parameters import Parameters
from aoai_lib.report import overview
from aoai_lib.storage import StorageError, Store, check_address, is_url, tree

pytest.importorskip("adlfs", reason="the extra `storage` is not installed")

from azurite_stand import ACCOUNT, Azurite, needs_azurite

ABFS = f"abfs://runs@{ACCOUNT}.dfs.core.windows.net"


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@needs_azurite
def test_a_batch_ends_whole_at_its_url_and_is_not_done_twice(azurite: Azurite, tmp_path: Path) -> None:
    """Signed, with the overview, nothing left here, no secret told; the next period is compared with it."""
    files, staging = parameters_files(tmp_path, ("ada", "bo")), tmp_path / "staging"
    staging.mkdir()
    surroundings = {**azurite.surroundings, "TMPDIR": str(staging)}
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    out = f"{azurite.url}/november"
    done = run(files, "--out", out, "--jobs", "2", "--sign", key, **surroundings)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = azurite.sealed("november")
    assert set(runs) == {"ada", "bo"}
    assert f"ada: {out}/ada/{runs['ada']}/report.html" in done.stdout
    assert f"all tenants: {out}/06_fleet_overview.html" in done.stdout
    assert "2 of 2 tenants are finished." in done.stdout
    page = azurite.read("november/06_fleet_overview.html").decode()
    assert all(name in page for name in ("ada", "bo", runs["ada"], runs["bo"]))
    assert [path.name for path in staging.iterdir()] == []
    here = azurite.download("november", tmp_path / "here")
    for tenant, run_id in runs.items():
        folder = here / tenant / run_id
        assert subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], cwd=folder).returncode == 0
        assert signing.signer(folder).kind == "ED25519"
    secret = azurite.key[:40]
    assert secret not in done.stdout + done.stderr
    assert not [path for path in here.rglob("*") if path.is_file() and secret in path.read_text(errors="replace")]
    assert [name for name in azurite.names("november/.fleet") if "pulse" in name] == [], (
        "it tells that nobody is at work"
    )

    again = run(files, "--out", out, "--resume", **surroundings)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 of 2 tenants are finished, 2 of them before." in again.stdout
    assert azurite.sealed("november") == runs
    anew = run(files[:1], "--out", out, **surroundings)
    assert "ada: " in anew.stdout and anew.returncode == 0
    (newest,) = {name.split("/")[0] for name in azurite.names("november/ada")} - {runs["ada"]}
    changes = json.loads(azurite.read(f"november/ada/{newest}/changes.json"))
    assert changes["previous"]["run_id"] == runs["ada"]


@needs_azurite
def test_killed_while_it_works_for_a_url_and_resumed(azurite: Azurite, tmp_path: Path) -> None:
    """After the first upload; what the other tenant's process had staged here it takes away itself."""
    files, staging = parameters_files(tmp_path, ("ada", "bo")), tmp_path / "staging"
    staging.mkdir()
    surroundings = {**azurite.surroundings, "TMPDIR": str(staging)}
    out = f"{azurite.url}/killed"
    with started(command(files, "--out", out, "--jobs", "1"), **surroundings) as process:
        process.reach(lambda: any(name.endswith("SHA256SUMS") for name in azurite.names("killed")))
        process.ended(signal.SIGKILL)
    (before,) = azurite.sealed("killed").items()
    resumed = run(files, "--out", out, "--resume", **surroundings)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "2 of 2 tenants are finished, 1 of them before." in resumed.stdout
    after = azurite.sealed("killed")
    assert set(after) == {"ada", "bo"} and before in after.items()
    assert {"/".join(name.split("/")[:2]) for name in azurite.names("killed") if "/2" in name and name[0] != "."} == {
        f"{tenant}/{run_id}" for tenant, run_id in after.items()
    }
    assert [path.name for path in staging.glob("aoai-run-*")] == []


@pytest.fixture
def sealed_here(tmp_path: Path) -> Path:
    """The folder of a sealed run, of a few files."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("findings.json", "report.html", "requests.jsonl", "run.json"):
        (folder / name).write_text(f"{name}\n")
    seal.seal(folder)
    return folder


STORES = [pytest.param("memory", id="memory"), pytest.param("abfs", id="azurite", marks=needs_azurite)]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "memory":
        return Store(f"memory://{tmp_path.name}/runs")
    running: Azurite = request.getfixturevalue("azurite")
    monkeypatch.setenv(*next(iter(running.surroundings.items())))
    return Store(f"{running.url}/{tmp_path.name}")


def after(times: int, then: Callable[[], None] = lambda: None, wanted: bool = False) -> Callable[[], bool]:
    """What is wanted so many times; then something happens."""
    left = [times]

    def ask() -> bool:
        left[0] -= 1
        if left[0] == -1:
            then()
        return left[0] >= 0 or wanted

    return ask


def test_half_an_upload_is_no_run_and_the_next_one_mends_it(store: Store, sealed_here: Path) -> None:
    """Cut off before each file; the seal is the last of them and `run.json` the one before."""
    store.write("ada/r/left-over.html", b"of an earlier try")
    for files in range(4):
        with pytest.raises(UnwantedError):
            upload(sealed_here, store, "ada/r", after(files))
        assert len(store.files("ada/r")) == files
        assert not {"run.json", "SHA256SUMS", "left-over.html"} & set(store.files("ada/r"))
        assert overview.newest(store, "ada") is None
    upload(sealed_here, store, "ada/r")
    assert set(store.files("ada/r")) == {path.name for path in sealed_here.iterdir()}
    assert all(store.read(f"ada/r/{path.name}") == path.read_bytes() for path in sealed_here.iterdir())
    assert overview.newest(store, "ada") == "r"


def test_what_arrives_otherwise_than_it_was_sealed_is_not_sealed(store: Store, sealed_here: Path) -> None:
    altering = after(3, lambda: store.write("ada/r/findings.json", b"another's"), wanted=True)
    with pytest.raises(StorageError, match=r"ada/r/findings.json is not there as it was sealed"):
        upload(sealed_here, store, "ada/r", altering)
    assert "SHA256SUMS" not in store.files("ada/r")


def test_of_two_uploads_of_one_run_the_first_seal_counts(store: Store, sealed_here: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in sealed_here.iterdir():
        (other / path.name).write_text(f"another {path.name}\n")
    seal.seal(other)
    upload(sealed_here, store, "ada/r", after(1, lambda: upload(other, store, "ada/r"), wanted=True))
    assert all(
        store.read(f"ada/r/{path.name}") == path.read_bytes()
        for path in other.iterdir()
        if path.name != "findings.json"
    )
    before = {name: store.read(f"ada/r/{name}") for name in store.files("ada/r")}
    upload(sealed_here, store, "ada/r")
    assert {name: store.read(f"ada/r/{name}") for name in store.files("ada/r")} == before


def test_the_previous_run_is_the_newest_sealed_one_before(store: Store, tmp_path: Path) -> None:
    ids = [f"202611{day}T000000Z-0000" for day in (20, 21, 22, 23)]
    for name in ids:
        store.write(f"ada/{name}/findings.json", name.encode())
    for name in (ids[0], ids[1], ids[3]):
        store.write(f"ada/{name}/SHA256SUMS", b"")
    store.write("ada/notes/SHA256SUMS", b"")
    fetch_previous(store, "ada", "20261122T120000Z-0000", tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.glob("ada/*/*")} == {
        f"ada/{ids[1]}/findings.json", f"ada/{ids[1]}/SHA256SUMS",
    }  # fmt: skip


def test_a_place_by_url_tells_who_is_at_work_and_forgets(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aoai_lib.fleet.remote._BEAT", 0.05)
    place, other = Remote(store.url), Remote(store.url)
    place.check()
    assert store.files(".fleet") == []
    with place:
        place.begin(".fleet/one.json", "{}\n")
        assert other.at_work(".fleet/one.json")
        assert other.names(".fleet") == [".fleet/one.json"]
    assert not other.at_work(".fleet/one.json")
    store.write(".fleet/.one.json.pulse", b"of a batch that was killed")
    assert not other.at_work(".fleet/one.json")
    other.remove(".fleet/one.json")
    assert store.files(".fleet") == []
    store.write("ada/r/requests.jsonl", b"half a li")
    other.abandon("ada/r")
    other.abandon("ada/r")
    assert store.folders("ada") == []


SAS = "sv=2024-11-04&sp=rwdl&sig=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE%3D"


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (f"{ABFS}/x?{SAS}", "has more in it than a place"),
        (f"https://{ACCOUNT}.blob.core.windows.net/runs?{SAS}", "has more in it than a place"),
        (f"https://{ACCOUNT}.blob.core.windows.net/runs", "name a store, as in abfs://"),
        ("abfs://user:Zm9vYmFyYmF6cXV4Zm9v@x.dfs.core.windows.net/runs", "has more in it than a place"),
        ("simplecache::abfs://runs/x", "name a store, as in abfs://"),
        ("abfs://runs/x", "does not say in which account"),
        ("abfs://runs@somewhere.example/x", "names no storage account"),
        ("abfs:///x", "names no place"),
        ("wibble://runs/x", "can't be opened"),
    ],
)
def test_an_address_that_is_no_place_is_refused_and_its_secret_not_repeated(
    out: str, said: str, tmp_path: Path
) -> None:
    (file,) = parameters_files(tmp_path, ("ada",))
    words = ["assess", file, "--replay", str(RECORDING), "--out", out]
    result = CliRunner().invoke(main, words, env={"COLUMNS": "400", "AZURE_STORAGE_CONNECTION_STRING": None})
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "Zm9v" not in result.output and "sv=" not in result.output and "Traceback" not in result.output


def test_another_account_than_the_environment_opens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"AccountName=elsewhere;AccountKey={'x' * 20}")
    with pytest.raises(
        InputError, match=r"another storage account than AZURE_STORAGE_CONNECTION_STRING opens \(elsewhere\)"
    ):
        Store(ABFS)


def test_without_a_connection_string_the_credential_chain_opens_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never anonymously, and at the host of the cloud that the address names. Nothing is sent yet."""
    for name in [name for name in os.environ if name.startswith("AZURE_STORAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_STORAGE_ANON", "true")
    files = Store("abfs://runs@fleetruns.dfs.core.usgovcloudapi.net/x")._files
    assert type(files.credential).__name__ == "DefaultAzureCredential"
    assert files.service_client.url == "https://fleetruns.blob.core.usgovcloudapi.net/"
    assert files.anon is False


@needs_azurite
def test_a_container_that_is_not_there_is_bad_input(azurite: Azurite, tmp_path: Path) -> None:
    (file,) = parameters_files(tmp_path, ("ada",))
    out = azurite.url.replace("runs@", "nothing@")
    words = ["assess", file, "--replay", str(RECORDING), "--out", out]
    result = CliRunner().invoke(main, words, env={"COLUMNS": "400", **azurite.surroundings})
    assert result.exit_code == 2, result.output
    assert (
        f"Nothing can be written to {out}" in result.output
        and "The specified container does not exist" in result.output
    )
    assert azurite.key[:30] not in result.output


def test_paths_are_no_addresses(tmp_path: Path) -> None:
    assert [is_url(each) for each in ("outputs", "C:/runs", "C:\\runs", "/x:y", str(tmp_path))] == [False] * 5
    assert is_url("abfs://x") and is_url("memory://x")
    assert tree(str(tmp_path)).shown("a") == str(tmp_path / "a")
    check_address("memory://x")


def test_an_outcome_passes_between_processes_whole() -> None:
    told = Outcome("ada", ROOT, {"a": 1}, ("high",), ("p",), True, (ROOT,), ("two changed",), earlier=True)
    assert Outcome.from_json(told.as_json()) == told
    assert Task(Parameters(tenant="ada", cloud="public"), ROOT, ()).url == ""
