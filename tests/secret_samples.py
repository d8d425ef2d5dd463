"""Secrets that were never any, of every kind that may stand in a tenant, put together here so that scanners of sources stay quiet."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import string
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

LETTERS = string.ascii_lowercase + string.digits
MIXED = string.ascii_letters + string.digits
BASE64 = MIXED + "+/"


def drawn(seed: str, length: int, alphabet: str = MIXED) -> str:
    """Text that looks drawn at random, the same for each seed."""
    found = ""
    block = seed.encode()
    while len(found) < length:
        block = hashlib.sha256(block).digest()
        found += "".join(alphabet[each % len(alphabet)] for each in block)
    return found[:length]


@dataclass(frozen=True)
class Secret:
    """`core` is what must be nowhere; `text` is how it stands in a sentence, a property or a file."""

    kind: str
    core: str
    text: str


def secrets(seed: str) -> Iterator[Secret]:
    """One of each kind; another seed gives others."""

    def core(kind: str, length: int, alphabet: str = MIXED) -> str:
        return drawn(f"{seed} {kind}", length, alphabet)

    old_key, key = core("old key", 32, "0123456789abcdef"), core("key", 84)
    yield Secret("old key", old_key, old_key)
    yield Secret("key", key, key)
    storage = core("storage", 86, BASE64) + "=="
    yield Secret(
        "storage key",
        storage,
        f"DefaultEndpointsProtocol=https;AccountName=st;AccountKey={storage};EndpointSuffix=x.net",
    )
    bus = core("bus", 43, BASE64) + "="
    yield Secret(
        "service bus", bus, f"Endpoint=sb://b.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={bus}"
    )
    pw = core("sql", 14)
    yield Secret("sql", pw, f"Server=tcp:s.database.windows.net;Database=d;User ID=u;Password={pw};Encrypt=True")
    spaced = f"{core('spaced', 6)} {core('spaced2', 8)}"
    yield Secret("password with a space", spaced, f"Server=s;Uid=u;Pwd={spaced};")
    claims = base64.urlsafe_b64encode(json.dumps({"oid": core("oid", 20)}).encode()).decode().rstrip("=")
    jwt = f"eyJhbGciOiJSUzI1NiJ9.{claims}.{core('signature', 60)}"
    yield Secret("token", jwt, f"Authorization: Bearer {jwt}")
    opaque = core("opaque", 40)
    yield Secret("opaque token", opaque, f"the header was Bearer {opaque}, and it was refused")
    sig = core("sas", 43, BASE64) + "="
    sas = f"https://st.blob.core.windows.net/c/f?sv=2024-11-04&se=2027-01-01&sp=r&sig={quote(sig, safe='')}"
    yield Secret("sas", sig, sas)
    cookie = core("cookie", 22)
    yield Secret("cookie", cookie, f"Set-Cookie: ARRAffinity={cookie}; Path=/; HttpOnly")
    operation = core("operation", 18, LETTERS)
    yield Secret("operation", operation, f"x-ms-operation-identifier: tenantId={operation},objectId={operation}")
    basic = f"svc-{core('user', 5)}:{core('basic', 12)}"
    yield Secret("basic", basic.split(":")[1], f"Authorization: Basic {base64.b64encode(basic.encode()).decode()}")
    inside = core("in url", 13)
    yield Secret("password in a url", inside, f"see https://deploy:{inside}@git.example/repo.git")
    queue = core("in amqp", 13)
    yield Secret("password in amqp", queue, f"amqps://user:{queue}@queue.example:5671/v")
    pem = core("pem", 180, BASE64)
    body = "\n".join(pem[at : at + 60] for at in range(0, 180, 60))
    yield Secret("private key", pem[:60], f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\n")
    client = f"{core('e', 3)}8Q~{core('entra', 34)}"
    yield Secret("client secret", client, client)
    digits = core("insights", 32, "0123456789abcdef")
    insights = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    yield Secret(
        "instrumentation",
        insights,
        f"InstrumentationKey={insights};IngestionEndpoint=https://w.in.applicationinsights.azure.com/",
    )
    slack = core("slack", 24)
    yield Secret("slack", slack, f"https://hooks.slack.com/services/T0AB/B0CD/{slack}")
    unknown = core("unknown", 36)
    yield Secret("of a kind nobody knows", unknown, f"rotate {unknown} before May")
    openai = f"sk-proj-{core('openai', 40)}"
    yield Secret("openai", openai, f"OPENAI_API_KEY={openai}")
    option = core("option", 12)
    yield Secret("option", option, f"az login --service-principal -u app --password {option} --tenant t")
    code = core("code", 44) + "=="
    yield Secret("function code", code, f"https://f.azurewebsites.net/api/run?code={code}&x=1")
    yaml = core("yaml", 11)
    yield Secret("yaml", yaml, f"db:\n  password: {yaml}\n  host: h\n")
    header = core("header", 20, LETTERS)
    yield Secret("subscription key", header, f"curl -H 'Ocp-Apim-Subscription-Key: {header}' https://api.example")
    element = core("element", 12, LETTERS)
    yield Secret("xml element", element, f"<db><password>{element}</password><host>h</host></db>")
    setting = core("setting", 12, LETTERS)
    yield Secret("xml setting", setting, f'<add key="StorageConnectionString" value="{setting}" />')
    slot = core("slot", 12, LETTERS)
    yield Secret("setting in a list", slot, json.dumps([{"name": "DB_PASSWORD", "value": slot, "slotSetting": False}]))
    arrow = core("arrow", 12, LETTERS)
    yield Secret("arrow", arrow, f"'secret' => '{arrow}',")
    block = core("block", 14)
    yield Secret("yaml block", block, f"client_secret: |\n  {block}\nhost: h\n")
    netrc = f"7{core('netrc', 13)}a"
    yield Secret("netrc", netrc, f"machine h.example login u password {netrc}")
    spoken = f"7{core('spoken', 13)}a"
    yield Secret("in a sentence of somebody", spoken, f"The password is {spoken}")
    user = core("user option", 14)
    yield Secret("user and password", user, f"curl -u admin:{user} https://h.example")
    attached = core("attached", 14)
    yield Secret("attached option", attached, f"mysqldump -h db -uroot -p{attached} shop")
    before_host = f"7{core('before host', 20, LETTERS)}a"
    yield Secret("token before a host", before_host, f"https://{before_host}@git.example/o/r")
    opaque_url = f"0.{core('first run', 30)}-{core('rest', 300, MIXED + '-_')}"
    yield Secret("refresh token", opaque_url[2:], opaque_url)
    devops = core("devops", 52, string.ascii_lowercase + "234567")
    yield Secret("devops", devops, f"token {devops} for the build")
    gitlab = f"glpat-{core('gitlab', 20)}"
    yield Secret("gitlab", gitlab, f"git clone by {gitlab}")
    databricks = f"dapi{core('databricks', 32, '0123456789abcdef')}"
    yield Secret("databricks", databricks, f"host h token {databricks}")
    prompt = f"{core('prompt', 9)} {core('prompt2', 9)} {core('prompt3', 9)}"
    yield Secret("prompt", prompt, json.dumps({"prompt": prompt, "n": 1}))


def named_secrets(seed: str) -> Iterator[tuple[str, str]]:
    """Names of properties, and a short secret for each that only its name gives away."""
    for name in (
        "key1", "primaryKey", "secondaryConnectionString", "adminPassword", "clientSecret", "sharedAccessKey", "api-key",
        "AZURE_CLIENT_SECRET", "OPENAI_API_KEY", "access_token", "Cookie", "x-ms-operation-identifier", "Authorization",
        "DB_PASSWORD", "passphrase", "sasToken", "Ocp-Apim-Subscription-Key", "storageAccountKey", "ApiKey_s",
    ):  # fmt: skip
        yield name, drawn(f"{seed} {name}", 9, LETTERS)


def wrapped(text: str) -> dict[str, str]:
    """The same text as other programs hand it on."""
    return {
        "plain": text,
        "in a sentence": f"Failed: {text}",
        "JSON in a string": json.dumps({"inner": {"note": text}}),
        "JSON in JSON in a string": json.dumps(json.dumps({"note": text})),
        "cut JSON": json.dumps({"a": "b", "note": text})[:-1],
        "percent": quote(text, safe=""),
        "percent twice": quote(quote(text, safe=""), safe=""),
        "base64": base64.b64encode(text.encode()).decode(),
        "base64 in a sentence": f"value {base64.b64encode(text.encode()).decode()} was sent",
        "base64 behind a word": f"{'x' * 31}{base64.b64encode(text.encode()).decode()}",
        "base64url": base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
        "utf-16 in base64": base64.b64encode(text.encode("utf-16-le")).decode(),
        "base64 in lines": base64.encodebytes(f"{'x' * 30} {text} {'y' * 60}".encode()).decode(),
        "packed in base64": base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode(),
        "hexadecimal": text.encode().hex(),
        "escapes": text.replace("=", "\\u003d").replace("&", "\\u0026").replace("/", "\\/"),
        "entities": text.replace("&", "&amp;").replace("=", "&#61;").replace("+", "&#x2B;"),
    }


def forms(core: str) -> list[bytes]:
    """What must not be found of a secret: pieces of it, as text and in the encodings in which files may hold it."""
    step = 10
    pieces = [core[at : at + step] for at in range(0, max(1, len(core) - step + 1), step)]
    found = [piece.encode() for piece in pieces if len(piece) >= 8]
    found += [quote(piece, safe="").encode() for piece in pieces if quote(piece, safe="") != piece]
    found += [piece.encode("utf-16-le") for piece in pieces]
    found += [core.encode().hex().encode()]
    for before in ("", "a", "ab"):  # base64 of a part depends on where it begins
        encoded = base64.b64encode((before + core).encode())
        found.append(encoded[4 : len(encoded) // 4 * 4 - 4][:16] if len(core) > 16 else encoded[4:-4])
    return [each for each in found if len(each) >= 8]
