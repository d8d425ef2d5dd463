"""Signatures by OpenSSH: made with the user's own key, checked by anybody's `ssh-keygen`.

`SHA256SUMS.sig` is what `ssh-keygen -Y sign -n file` leaves. A key may be a private file, or a public one whose private half is
held by ssh-agent or a hardware token (OpenSSH 8.2, ssh-keygen(1)); passphrase, PIN and touch are asked for on the terminal.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aoai_lib.evidence.seal import SUMS, draft_of, sums_of
from aoai_lib.folder import replace_durably
from aoai_lib.model import InputError, PlaybookError
from aoai_lib.text_file import brief, is_file

SIGNATURE: Final = f"{SUMS}.sig"
NAMESPACE: Final = "file"
"""What a signature is for, so that one made for something else does not count: ssh-keygen(1) suggests this word for files."""
_ARMOUR: Final = re.compile(rb"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)-----END SSH SIGNATURE-----\n")
_COLUMNS: Final = 70
_PREAMBLE: Final = b"SSHSIG\0\0\0\1"
"""The magic, and version 1. Fields follow, each behind its length: public key, namespace, reserved, digest, signature."""
_LARGEST: Final = 1 << 16
_LONGEST_LIST: Final = 1 << 20
_PATIENCE: Final = 120
_GOOD: Final = re.compile(r'Good "file" signature (?:for (?P<who>.+) )?with (?P<kind>\S+) key (?P<key>SHA256:\S+)')


class UnsignedError(PlaybookError):
    """The run is whole and sealed, and the signature did not come about."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose key made a good signature: kind and fingerprint, and the name that the list of allowed signers gives it."""

    kind: str
    fingerprint: str
    principal: str = ""


def check_key(key: Path) -> None:
    """Raise `InputError` unless a key can be used at all: looked at before a long run, not after it."""
    _program()
    if not is_file(key):
        raise InputError(
            f"There is no key {brief(key)}: --sign takes a private SSH key, or the public one of a key in ssh-agent."
        )
    done = _run("-l", "-f", str(key))
    if done.returncode:
        raise InputError(f"{key} is no SSH key that ssh-keygen can read: {_said(done)}.")


def sign(folder: Path, key: Path) -> Path:
    """Sign a sealed run. Raises `UnsignedError`; a signature that was made for other digests is not left behind.

    It appears whole or not at all: ssh-keygen, killed at its work, leaves half of one.
    """
    target = folder / SIGNATURE
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="aoai-") as elsewhere:
        copy = Path(elsewhere) / SUMS
        copy.write_bytes((folder / SUMS).read_bytes())
        done = _run("-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(copy), capture=False)
        made = Path(elsewhere) / SIGNATURE
        if done.returncode or not made.is_file():
            raise UnsignedError(
                f"{folder} is sealed but not signed: ssh-keygen could not use {key}. Sign it again: "
                f"ssh-keygen -Y sign -f {key} -n {NAMESPACE} {folder / SUMS}"
            )
        replace_durably(target, made.read_bytes(), draft_of(folder))
    return target


def signer(folder: Path, allowed: Path | None = None) -> Signer:
    """Whose key signed a run. With a list of allowed signers the key must be in it (ssh-keygen(1), ALLOWED SIGNERS).

    Raises `UnsignedError` for a signature that is not good, or not by one of them.
    """
    signature = str(folder / SIGNATURE)
    try:
        if not _is_plain(folder / SIGNATURE):
            raise UnsignedError("The signature does not hold: its file is not as ssh-keygen writes it.")
        content = sums_of(folder)
    except OSError as problem:
        raise UnsignedError(f"The signature does not hold: it can't be read ({problem.strerror}).") from None
    if allowed is None:
        done = _run("-Y", "check-novalidate", "-n", NAMESPACE, "-s", signature, content=content)
    else:
        found = _run("-Y", "find-principals", "-s", signature, "-f", str(allowed))
        names = found.stdout.decode(errors="replace").split("\n")[0]
        if found.returncode or not names:
            raise UnsignedError(f"The key that signed is none of those in {allowed}: {_said(found)}.")
        done = _run("-Y", "verify", "-f", str(allowed), "-I", names, "-n", NAMESPACE, "-s", signature, content=content)
    match = _GOOD.search(done.stdout.decode(errors="replace"))
    if done.returncode or match is None:
        raise UnsignedError(f"The signature does not hold: {_said(done)}.")
    return Signer(match["kind"], match["key"], match["who"] or "")


def check_signers(path: Path) -> None:
    """Raise `InputError` unless that can be a list of allowed signers: ssh-keygen takes minutes over one of 100 MB."""
    if not is_file(path):
        raise InputError(f"{brief(path)} is no file: name a list of allowed signers, a name and a public key a line.")
    if path.stat().st_size > _LONGEST_LIST:
        raise InputError(f"{path} is too long for a list of allowed signers, a name and a public key a line.")


def _is_plain(path: Path) -> bool:
    """Whether the file is what ssh-keygen writes and nothing else: it would itself let other bytes pass."""
    match = _ARMOUR.fullmatch(path.read_bytes()) if path.stat().st_size < _LARGEST else None
    if match is None:
        return False
    try:
        content = base64.b64decode(match[1].replace(b"\n", b""), validate=True)
    except ValueError:
        return False
    again = base64.b64encode(content)
    lines = b"".join(again[at : at + _COLUMNS] + b"\n" for at in range(0, len(again), _COLUMNS))
    return match[1] == lines and _is_signature(content)


def _is_signature(content: bytes) -> bool:
    """Whether a blob is of the documented form (OpenSSH, PROTOCOL.sshsig). Its version and its reserved field are under no
    signature, and ssh-keygen takes a version 0 too, and any reserved text.
    """
    if not content.startswith(_PREAMBLE):
        return False
    fields, rest = [], content.removeprefix(_PREAMBLE)
    while rest:
        size = int.from_bytes(rest[:4])
        if len(rest) < 4 + size:
            return False
        fields.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    return len(fields) == 5 and fields[1:3] == [NAMESPACE.encode(), b""]


def _program() -> str:
    found = shutil.which("ssh-keygen")
    if found is None:
        raise InputError("ssh-keygen is not on the path: install OpenSSH (8.2 or newer), or leave --sign out.")
    return found


def _run(*words: str, content: bytes | None = None, capture: bool = True) -> subprocess.CompletedProcess[bytes]:
    """ssh-keygen with some arguments. Without `capture` it talks to the terminal: a passphrase, a PIN, a touch."""
    try:
        return subprocess.run(  # noqa: S603 - no shell; the program is looked up, arguments are paths
            [_program(), *words],
            input=content,
            stdin=None if content is not None or not capture else subprocess.DEVNULL,
            capture_output=capture,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnsignedError(f"ssh-keygen did not end within {_PATIENCE} seconds.") from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout or b"").decode(errors="replace").strip().splitlines()
    return lines[-1].rstrip(".") if lines else f"exit code {done.returncode}"
