"""Folders that are read alike: here, or by a URL that fsspec opens (extra `storage`: `abfs://` by adlfs). Names are relative, with slashes.

What opens a store comes from the environment, never from its address: for `abfs://` a connection string in
`AZURE_STORAGE_CONNECTION_STRING`, else azure-identity's `DefaultAzureCredential`. An address that holds a secret is refused unseen.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from aoai_lib.model import InputError, PlaybookError
from aoai_lib.secret_shapes import kind_of

CONNECTION: Final = "AZURE_STORAGE_CONNECTION_STRING"
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]+:/")
_AZURE: Final = frozenset({"abfs", "abfss", "az"})
_ACCOUNT: Final = re.compile(r"(?P<account>[a-z0-9]{3,24})\.(?:dfs|blob)\.(?P<suffix>core\..+)")
_ELSEWHERE: Final = frozenset({"http", "https", "ftp", "data", "github", "jupyter", "reference", "zip", "tar"})
"""What fsspec can read and can't write, or can't write file by file."""
_PATIENCE: Final = {"connection_timeout": 20, "read_timeout": 60}
_LONGEST: Final = 200


class StorageError(PlaybookError):
    """A store did not do what it was asked."""


class Tree(Protocol):
    """Folders and files, to be read."""

    def folders(self, name: str) -> list[str]:
        """The names of the folders in a folder, sorted; none where there is no such folder."""

    def files(self, name: str) -> list[str]:
        """The names of the files in a folder, sorted."""

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none."""

    def shown(self, name: str = "") -> str:
        """The place of a file or folder, for a person."""


def tree(out: str) -> Tree:
    """The folder or URL. Raises `InputError`."""
    return Store(out) if is_url(out) else Disk(Path(out))


def is_url(out: str) -> bool:
    """Whether that is an address rather than a folder: `C:/runs` is a folder."""
    return _URL.match(out) is not None


class Disk:
    """A folder on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def folders(self, name: str) -> list[str]:
        """See `Tree`."""
        return self._names(name, folders=True)

    def files(self, name: str) -> list[str]:
        """See `Tree`."""
        return self._names(name, folders=False)

    def read(self, name: str) -> bytes | None:
        """See `Tree`."""
        path = self._path / name
        return path.read_bytes() if path.is_file() else None

    def shown(self, name: str = "") -> str:
        """See `Tree`."""
        return str(self._path / name)

    def _names(self, name: str, folders: bool) -> list[str]:
        path = self._path / name
        if not path.is_dir():
            return []
        return sorted(each.name for each in path.iterdir() if (each.is_dir() if folders else each.is_file()))


class Store:
    """A folder by its URL. Every method raises `StorageError`, and none repeats a secret."""

    def __init__(self, url: str) -> None:
        """Raises `InputError` for an address that can't be used, or where the package for it is not installed."""
        check_address(url)
        self.url = url.rstrip("/")
        self._files, self._root = _opened(self.url)

    def folders(self, name: str) -> list[str]:
        """See `Tree`."""
        return self._names(name, "directory")

    def files(self, name: str) -> list[str]:
        """See `Tree`."""
        return self._names(name, "file")

    def read(self, name: str) -> bytes | None:
        """See `Tree`."""
        with self._told(name):
            try:
                content: bytes = self._files.cat_file(self._at(name))
            except FileNotFoundError:
                return None
            return content

    def shown(self, name: str = "") -> str:
        """See `Tree`."""
        return f"{self.url}/{name}" if name else self.url

    def holds(self, name: str) -> bool:
        """Whether there is such a file."""
        with self._told(name):
            return bool(self._files.exists(self._at(name)))

    def digest(self, name: str) -> str:
        """SHA-256 of a file as it lies there, in hexadecimal; "" where there is none."""
        with self._told(name):
            try:
                with self._files.open(self._at(name), "rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
            except FileNotFoundError:
                return ""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        with self._told(name):
            self._made(name)
            with self._whole(name) as target:
                self._files.pipe_file(target, content)

    def put(self, path: Path, name: str) -> None:
        """Copy a file there, whole or not at all."""
        with self._told(name):
            self._made(name)
            with self._whole(name) as target:
                self._files.put_file(str(path), target)

    def get(self, name: str, path: Path) -> None:
        """Copy a file here."""
        with self._told(name):
            self._files.get_file(self._at(name), str(path))

    def remove(self, name: str) -> None:
        """Take a file away, if it is there."""
        with self._told(name), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._at(name))

    def remove_folder(self, name: str) -> None:
        """Take a folder away with all that is in it, if it is there."""
        with self._told(name):
            if self._files.exists(self._at(name)):
                self._files.rm(self._at(name), recursive=True)

    def _names(self, name: str, kind: str) -> list[str]:
        """Names in a folder. One that could lead out of it is none: whoever can write there could write anything."""
        with self._told(name):
            try:
                found = self._files.ls(self._at(name), detail=True)
            except FileNotFoundError:
                return []
        names = {PurePosixPath(each["name"].rstrip("/")).name for each in found if each["type"] == kind}
        return sorted(each for each in names - {"", "..", "."} if "\\" not in each)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    def _made(self, name: str) -> None:
        """Folders, for stores that have such; object stores have none, and there it is not asked for a container."""
        if PurePosixPath(name).parent.name and not _AZURE & set(_words(self._files.protocol)):
            self._files.makedirs(self._at(str(PurePosixPath(name).parent)), exist_ok=True)

    @contextlib.contextmanager
    def _whole(self, name: str) -> Iterator[str]:
        """Where to write a file so that it appears whole. Object stores have it so by themselves; of files, which a store may be made
        of too, an interrupt would leave half.
        """
        target = PurePosixPath(self._at(name))
        if "file" not in _words(self._files.protocol):
            yield str(target)
            return
        draft = target.with_name(f".{target.name}.draft")
        yield str(draft)
        self._files.mv(str(draft), str(target))

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Whatever a store raises, as one sentence: each kind of store has errors of its own."""
        try:
            yield
        except (PlaybookError, KeyboardInterrupt):
            raise
        except Exception as problem:  # noqa: BLE001 - see above
            raise StorageError(f"{self.shown(name)}: {_said(problem)}.") from None


def check_address(url: str) -> None:
    """Raise `InputError` unless an address names a store and nothing secret. What follows a `?` is not repeated."""
    parts = urlsplit(url)
    plain = f"{parts.scheme}://{(parts.hostname or '')}…"
    if "?" in url or "#" in url or "sig=" in url.lower() or parts.password is not None or kind_of(url):
        raise InputError(
            f"The address {plain} has more in it than a place (a signature, a key, a query): it would be kept in logs. Leave that "
            f"out, and let the environment open the store: a managed identity, `az login`, or {CONNECTION}."
        )
    if parts.scheme.lower() in _ELSEWHERE or "::" in url:
        raise InputError(
            f"Runs can't be written to {plain}: name a store, as in abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/runs."
        )
    if not parts.netloc and parts.scheme not in ("memory", "file"):
        raise InputError(f"{url} names no place: write abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/runs.")


def _opened(url: str) -> tuple[Any, str]:
    """fsspec's file system, and the folder in it."""
    scheme = urlsplit(url).scheme
    try:
        from fsspec.core import url_to_fs

        files, root = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True, **_options(url))
    except ImportError:
        extra = "'aoai-playbook[storage]'" if scheme in _AZURE else f"the package that fsspec names for {scheme}://"
        raise InputError(f"Runs by URL need a package that is not installed: pip install {extra}.") from None
    except InputError:
        raise
    except Exception as problem:  # noqa: BLE001 - each kind of store has errors of its own
        raise InputError(f"{url} can't be opened: {_said(problem)}.") from None
    return files, str(root).rstrip("/")


def _options(url: str) -> dict[str, Any]:
    """How adlfs opens an account: never anonymously, and never another account than the address names."""
    parts = urlsplit(url)
    if parts.scheme not in _AZURE:
        return {}
    named = _ACCOUNT.fullmatch(parts.hostname or "") if parts.username else None
    if parts.username and not named:
        raise InputError(f"{url} names no storage account: write abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/runs.")
    connected = re.search(r"(?i)(?:^|;)\s*AccountName=([a-z0-9]+)", os.environ.get(CONNECTION, ""))
    if named and connected and connected[1] != named["account"]:
        raise InputError(f"{url} names another storage account than {CONNECTION} opens ({connected[1]}).")
    options: dict[str, Any] = {"anon": False, **_PATIENCE}
    if named:
        options |= {"account_name": named["account"], "account_host": f"{named['account']}.blob.{named['suffix']}"}
    elif not connected and not os.environ.get("AZURE_STORAGE_ACCOUNT_NAME"):
        raise InputError(
            f"{url} does not say in which account: write abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/runs, or set {CONNECTION}."
        )
    return options


def _said(problem: Exception) -> str:
    """What an error says: its first line, without addresses' queries, and nothing of it where it could hold a secret."""
    lines = str(problem).strip().splitlines()
    line = re.sub(r"\?\S+", "?…", lines[0])[:_LONGEST].rstrip(". ") if lines else ""
    return f"{type(problem).__name__}{f': {line}' if line and kind_of(lines[0]) is None else ''}"


def _words(protocol: str | tuple[str, ...]) -> tuple[str, ...]:
    return (protocol,) if isinstance(protocol, str) else protocol
