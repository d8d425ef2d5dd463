"""Make `docs/sample` anew: a whole run of a lab tenant, sealed, and signed by a key that is thrown away (`make sample`)."""

from __future__ import annotations

import getpass
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "docs" / "sample"
PRINCIPAL = "lena@contoso.example"
TENANT = "mixed"


def check_private(run: Path) -> None:
    """Stop where a file of the run names this machine, its user or one of its folders."""
    names = {str(ROOT), str(Path.home()), tempfile.gettempdir(), platform.node()}
    names |= {f"/{getpass.getuser()}/"}
    for path in run.iterdir():
        content = path.read_bytes()
        found = [name for name in names if len(name) > 3 and name.encode() in content]
        if found:
            sys.exit(f"{path.name} names something of this machine: {', '.join(found)}")


def main() -> None:
    """Assess, sign, verify, and put the run in the old one's place."""
    with tempfile.TemporaryDirectory() as folder:
        key, out = Path(folder) / "key", Path(folder) / "out"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
        program = [sys.executable, "-m", "aoai_lib"]
        parameters = ROOT / "parameters" / f"{TENANT}.yaml"
        subprocess.run([*program, "assess", parameters, "--out", out, "--sign", key], check=True, cwd=ROOT)
        (run,) = (each for each in (out / TENANT).iterdir() if each.is_dir())
        check_private(run)
        allowed = Path(folder) / "allowed"
        allowed.write_text(f"{PRINCIPAL} {key.with_suffix('.pub').read_text()}", encoding="utf-8")
        subprocess.run([*program, "verify", run, "--allowed-signers", allowed], check=True, cwd=ROOT)
        for each in SAMPLE.iterdir():
            if each.is_dir():
                shutil.rmtree(each)
        shutil.copytree(run, SAMPLE / "run")
        shutil.copy(allowed, SAMPLE / "allowed")


if __name__ == "__main__":
    main()
