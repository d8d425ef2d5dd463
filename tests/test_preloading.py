"""What a worker loads while it reads: everything it needs later, and not what nobody needs."""

from __future__ import annotations

import json
import subprocess
import sys

from tenants import ROOT

SCRIPT = """
import json, sys, threading
from aoai_lib.fleet.preloading import preload
preload()
next(each for each in threading.enumerate() if each.name == "preload").join()
loaded = [name for name in ("papermill", "nbconvert.exporters.html", "xlsxwriter") if name in sys.modules]
costly = [name for name in sys.modules if name.partition(".")[0] in ("lark", "rfc3987_syntax")]
import nbformat, rfc3987_syntax
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("0")])
nbformat.validate(notebook)
notebook.cells[0]["cell_type"] = "none"
try:
    nbformat.validate(notebook)
except nbformat.ValidationError:
    refused = True
print(json.dumps([loaded, costly, refused]))
"""


def test_it_loads_what_comes_later_and_no_grammars_and_notebooks_are_validated_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded, costly, refused = json.loads(done.stdout)
    assert loaded == ["papermill", "nbconvert.exporters.html", "xlsxwriter"]
    assert costly == [] and refused
