# One word a task. Every target sets up what it needs, once; nothing is installed outside .venv (and .az-venv).
.DELETE_ON_ERROR:
.PHONY: assess test check setup notebooks sample seals lock lab az bench kql azurite kills mutants faults fuzz licences audit runtime watch clean

# Which Python to build .venv with; left empty, the first one found of 3.11 to 3.13, else any newer one.
PYTHON :=
VENV := .venv
# Modules are run instead of scripts: scripts hold the checkout's absolute path, which may have spaces or may have moved.
RUN := $(VENV)/bin/python -m
# Twice quiet: errors are shown; warnings about a machine's own package sources are not.
PIP := $(RUN) pip -qq --disable-pip-version-check --no-input

assess: $(VENV)/.ready
	@$(RUN) aoai_lib assess

test: check
	@$(RUN) pytest -n 3 --dist loadfile

check: $(VENV)/.ready
	@$(RUN) ruff check --quiet .
	@$(RUN) ruff format --quiet --check .
	@$(RUN) mypy
	@$(VENV)/bin/python -c 'from importlinter.cli import lint_imports_command as check; check()' --no-logo

setup: $(VENV)/.ready

# The mark is the last thing made: a setup that was interrupted begins anew.
$(VENV)/.locked: requirements.lock
	@set -e; python="$(PYTHON)"; for newest in 13 999; do for name in python3 python3.13 python3.12 python3.11 python; do \
		test -n "$$python" || ! "$$name" -c "import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, $$newest + 1))" \
			2>/dev/null || python="$$name"; done; done; \
	test -n "$$python" || { echo "Python 3.11 or newer with venv is needed (on Debian: apt install python3-venv), or name one:" \
		"make setup PYTHON=/path/to/python3" >&2; exit 2; }; \
	echo "Setting up $(VENV) with $$("$$python" -V) from requirements.lock (once, a minute or two)"; \
	"$$python" -m venv --clear $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.ready: $(VENV)/.locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Hashes and versions only: where packages come from is the business of each machine's pip configuration.
lock: $(VENV)/.ready
	@$(RUN) uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --all-extras --group dev pyproject.toml -o requirements.lock

# The outputs that are committed: rendered on the lab, under its fixed clock.
notebooks: $(VENV)/.ready
	@$(VENV)/bin/python docs/render_notebooks.py

sample: $(VENV)/.ready
	@$(VENV)/bin/python docs/render_sample.py

# Changed bytes at hundreds of places in every file of a sealed run; `make test` tries a few.
seals: $(VENV)/.ready
	@AOAI_SEALS=300 $(RUN) pytest tests/test_bundle_tampering.py

lab: $(VENV)/.ready
	@$(RUN) aoai_lib lab

# The lab against a client that is not ours: the Azure CLI, in an environment of its own (once, 700 MB), reads and writes it.
AZ_VENV := .az-venv
$(AZ_VENV)/.ready: tests/az/requirements.txt | $(VENV)/.ready
	@echo "Setting up $(AZ_VENV) with the Azure CLI (once, a few minutes)"
	@$(RUN) venv --clear $(AZ_VENV)
	@$(AZ_VENV)/bin/python -m pip -qq --disable-pip-version-check --no-input install -r tests/az/requirements.txt
	@touch $@

az: $(VENV)/.ready $(AZ_VENV)/.ready
	@AOAI_AZ="$(CURDIR)/$(AZ_VENV)/bin/az" $(RUN) pytest tests/az

# Ratios, each measured in one run on the lab (ten minutes); writes docs/benchmarks.md.
bench: $(VENV)/.ready
	@$(RUN) tests.bench

# Assessments, hardenings and batches killed at each of their moments, and at random ones; disks that fill up; every request of every phase.
# `make test` takes a few of each (half an hour; docs/reliability.md keeps what came of it).
kills: $(VENV)/.ready
	@AOAI_KILLS=all $(RUN) pytest -n 2 tests/test_kills_assess.py tests/test_kills_harden.py tests/test_harden_command.py \
		tests/test_harden_alone.py tests/test_fleet.py tests/test_disk.py tests/test_reads_only.py

# Every request of every lab tenant with every fault that its answer can have (42,000 cells in some ten minutes on two processors, and 2,800 over the wire in a quarter of an hour);
# what was tried before an interrupt is kept in .faults. Prints the counts and writes docs/faults.md; `make test` takes a sample.
faults: $(VENV)/.ready
	@PYTHONPATH=tests $(RUN) tests.fault_matrix

# Microsoft's own KQL parser and binder over every detection: node, and one package from npm.
kql: $(VENV)/.ready
	@cd tests/kusto && npm ci --silent --no-audit --no-fund
	@$(RUN) pytest tests/test_detections.py

# Runs by URL on Azurite, Microsoft's emulator of Azure Storage: node, and one package from npm.
azurite: $(VENV)/.ready
	@cd tests/azurite && npm ci --silent --no-audit --no-fund
	@$(RUN) pytest tests/test_fleet_storage.py

# Small changes to the controls' code, one by one, each of which a test has to notice; goes on where it was interrupted. Writes docs/mutation.md.
mutants: $(VENV)/.ready
	@nice $(RUN) tests.mutants

# Every kind of file that is taken in, changed at random, 100 times as often as `make test` does; AOAI_FUZZ=N says how often. Counts at the end.
fuzz: $(VENV)/.ready
	@AOAI_FUZZ="$${AOAI_FUZZ:-100}" $(RUN) pytest --hypothesis-show-statistics tests/test_fuzz_*.py tests/test_parameters_fuzz.py tests/test_resume_hostile.py \
		tests/lab/test_world_files.py

licences: $(VENV)/.ready
	@$(VENV)/bin/python docs/render_licences.py

# Known holes in what is locked. A package that nobody could be asked about fails it: that is no "none known".
audit: $(VENV)/.ready
	@$(RUN) pip_audit --strict --require-hashes --disable-pip --progress-spinner off -r requirements.lock

# An environment of the runtime dependencies alone, as requirements.lock has them: is that enough to assess and to verify?
RUNTIME_VENV := .runtime-venv
$(RUNTIME_VENV)/.ready: requirements.lock pyproject.toml | $(VENV)/.ready
	@echo "Setting up $(RUNTIME_VENV) with the runtime dependencies (once, a minute or two)"
	@$(RUN) venv --clear $(RUNTIME_VENV)
	@$(RUN) uv pip compile --quiet --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
		-c requirements.lock pyproject.toml -o $(RUNTIME_VENV)/requirements.txt
	@$(RUNTIME_VENV)/bin/python -m pip -qq --disable-pip-version-check --no-input install --require-hashes -r $(RUNTIME_VENV)/requirements.txt
	@$(RUNTIME_VENV)/bin/python -m pip -qq --disable-pip-version-check --no-input install --no-deps --editable .
	@touch $@

runtime: $(RUNTIME_VENV)/.ready
	@AOAI_RUNTIME="$(CURDIR)/$(RUNTIME_VENV)/bin/python" $(RUN) pytest tests/test_supply_chain.py

# Whom an assessment of all phases, and JupyterLab, turn to: the lab and nobody else.
watch: $(VENV)/.ready
	@AOAI_WATCH_ALL=1 $(RUN) pytest tests/test_supply_chain.py

clean:
	rm -rf $(AZ_VENV) $(RUNTIME_VENV) $(VENV) .faults .mutants .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
