"""Time stamps of RFC 3161: an authority's word for when the digests of a run were there at the latest.

`SHA256SUMS.tsr` is the authority's whole answer, as `openssl ts -verify -data SHA256SUMS -in SHA256SUMS.tsr -CAfile roots.pem`
takes it. The packages that ask for and read it come with the extra `timestamp`.
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aoai_lib.evidence.seal import SUMS, draft_of, sums_of
from aoai_lib.folder import replace_durably
from aoai_lib.model import InputError, PlaybookError
from aoai_lib.text_file import brief, is_file

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampResponse

STAMP: Final = f"{SUMS}.tsr"
_PATIENCE: Final = 60
_LARGEST: Final = 1 << 20
_QUERY: Final = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


class UnstampedError(PlaybookError):
    """The run is whole and sealed, and there is no time stamp that holds."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When an authority saw the digests, and the name in its certificate. `trusted`: its signature leads to a root that was given."""

    when: datetime
    authority: str
    trusted: bool


def check_authority(url: str) -> None:
    """Raise `InputError` unless a time-stamping authority can be asked there: looked at before a long run."""
    _extra()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("--timestamp takes the address of a time-stamping authority: https://… or http://….")
    if parts.username or parts.password:
        raise InputError("--timestamp takes an address without user name and password: it is kept in the run.")


def check_roots(path: Path) -> None:
    """Raise `InputError` unless a file holds root certificates."""
    _extra()
    _roots(path)


def stamp(folder: Path, url: str) -> Path:
    """Have the digests of a sealed run stamped. Raises `UnstampedError`; an answer that does not hold is not kept."""
    client = _extra()
    content, target = (folder / SUMS).read_bytes(), folder / STAMP
    request = client.TimestampRequestBuilder().data(content).nonce(nonce=True).cert_request(cert_request=True).build()
    try:
        found = client.decode_timestamp_response(_asked(url, request.as_bytes()))
        _hold(found, content, (), request.nonce)
    except (OSError, ValueError, UnstampedError) as problem:
        raise UnstampedError(
            f"{folder} is sealed but has no time stamp: {urlsplit(url).hostname} gave none ({problem})."
        ) from problem
    replace_durably(target, found.as_bytes(), draft_of(folder))
    return target


def stamped(folder: Path, roots: Path | None = None) -> Stamp:
    """When the digests of a run were stamped. With a file of root certificates (PEM) the authority's chain must end in one.

    Raises `UnstampedError` where the stamp does not hold and `InputError` where it can't be looked at.
    """
    client = _extra()
    path = folder / STAMP
    given = _roots(roots) if roots else ()
    try:
        raw = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
        found = client.decode_timestamp_response(raw)
        _hold(found, sums_of(folder), given, None)
        known = Stamp(found.tst_info.gen_time, _authority(found), bool(given))
    except OSError as problem:
        raise UnstampedError(f"The time stamp does not hold: it can't be read ({problem.strerror}).") from None
    except ValueError as problem:
        raise UnstampedError("The time stamp does not hold: its file is not as an authority writes it.") from problem
    if found.as_bytes() != raw:
        raise UnstampedError("The time stamp does not hold: its file has more in it than the authority's answer.")
    return known


def _asked(url: str, request: bytes) -> bytes:
    """What the authority answers. Raises `OSError`."""
    with urllib.request.urlopen(urllib.request.Request(url, request, _QUERY), timeout=_PATIENCE) as answer:  # noqa: S310 - checked by `check_authority`
        content: bytes = answer.read(_LARGEST)
    return content


def _hold(found: TimeStampResponse, content: bytes, roots: tuple[Certificate, ...], nonce: int | None) -> None:
    """Raise `UnstampedError` unless the stamp is of this content and, with roots, signed by an authority of theirs.

    Without roots no signature is looked at: an authority's word is worth what is known of the authority.
    """
    from rfc3161_client import PKIStatus, VerificationError, VerifierBuilder

    if found.status != PKIStatus.GRANTED:
        raise UnstampedError("The time stamp does not hold: the authority did not grant it.")
    digest = _digest(found, content)
    if found.tst_info.message_imprint.message != digest:
        raise UnstampedError("The time stamp does not hold: it is of other digests.")
    if nonce is not None and found.tst_info.nonce != nonce:
        raise UnstampedError("The time stamp does not hold: it answers another request.")
    if not roots:
        return
    builder = VerifierBuilder()
    for each in roots:
        builder = builder.add_root_certificate(each)
    try:
        builder.build().verify(found, digest)
    except (VerificationError, ValueError) as problem:
        raise UnstampedError(
            "The time stamp does not hold: no chain of certificates leads from it to one of the given roots, or its signature is wrong."
        ) from problem


def _digest(found: TimeStampResponse, content: bytes) -> bytes:
    """The digest of the content by the algorithm that the stamp names."""
    names = {"2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512"}
    name = names.get(found.tst_info.message_imprint.hash_algorithm.dotted_string)
    if name is None:
        raise UnstampedError("The time stamp does not hold: it is by a digest that is no longer safe.")
    return hashlib.new(name, content).digest()


def _enclosed(found: TimeStampResponse) -> list[Certificate]:
    from cryptography.x509 import load_der_x509_certificate

    return [load_der_x509_certificate(each) for each in found.signed_data.certificates]


def _authority(found: TimeStampResponse) -> str:
    """The subject of the certificate that signed; leaf certificates sign, and no other in a chain of theirs."""
    (signer,) = found.signed_data.signer_infos
    own = [each for each in _enclosed(found) if each.issuer == signer.issuer]
    return own[0].subject.rfc4514_string() if own else "an authority whose certificate is not enclosed"


def _roots(path: Path) -> tuple[Certificate, ...]:
    from cryptography.x509 import load_pem_x509_certificates

    if not is_file(path):
        raise InputError(f"{brief(path)} is no file: name one that holds root certificates in PEM form.")
    if path.stat().st_size > _LARGEST:
        raise InputError(f"{path} is too long: name a file that holds root certificates in PEM form, and nothing else.")
    try:
        return tuple(load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as problem:
        raise InputError(f"{path} holds no root certificates in PEM form: {problem}") from problem


def _extra() -> ModuleType:
    """The package that reads time stamps. Raises `InputError` with the mend where it is not installed."""
    try:
        import rfc3161_client
    except ImportError:
        raise InputError("Time stamps take the extra “timestamp”: pip install 'aoai-playbook[timestamp]'.") from None
    return rfc3161_client
