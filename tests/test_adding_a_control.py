"""The documentation's control, typed as it stands there, is a control."""

from __future__ import annotations

import re
import subprocess
import sys

from tenants import ROOT

TRY = """
import sys
sys.path.insert(0, "tests")
exec(compile(sys.stdin.read(), "documentation", "exec"))
from builders import account, snapshot
from aoai_lib.assess import judge
from aoai_lib.controls import catalogue
(own,) = [each for each in catalogue() if each.id == "GOV-11"]
for name in ("aoai-x", "x"):
    print([each.status.value for each in judge(snapshot(account=account() | {"name": name}), [own])])
"""


def test_the_documented_control_judges() -> None:
    text = (ROOT / "docs" / "adding-a-control.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = code.replace("from __future__ import annotations\n", "")
    done = subprocess.run([sys.executable, "-c", TRY], input=code, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["['pass']", "['fail']"], done.stderr
