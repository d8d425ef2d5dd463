# One word a task. Every target sets up what it needs; nothing is installed outside .venv.
.DELETE_ON_ERROR:
.PHONY: assess test setup lock lab notebooks check clean

# The first Python that is new enough; PYTHON=/path/to/python overrides it.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
# Scripts in a virtual environment hold its absolute path, which may have spaces or may have moved: modules are run instead.
RUN := $(VENV)/bin/python -m

assess: $(VENV)/.ready
	@$(RUN) aoai_lib assess

test: $(VENV)/.ready
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) pytest

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (on Debian: apt install python3-venv), or name one: make PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Setting up $(VENV) with $(PYTHON) from requirements.lock (once, a minute or two)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(RUN) pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(RUN) pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Hashes and versions only: where packages come from is the business of each machine's pip configuration.
lock:
	@$(RUN) uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --all-extras --group dev pyproject.toml -o requirements.lock

lab: $(VENV)/.ready
	@$(RUN) aoai_lib lab

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
