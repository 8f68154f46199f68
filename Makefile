# cxlib: `make` lists what can be made. Every target does its own set-up, once.
.DEFAULT_GOAL := help
.PHONY: help report lab test quick slow lint format bench lock clean

VENV   := .venv
PY     := $(VENV)/bin/python
ARGS   ?=
JOBS   ?= 2
STUDY  ?= data/studies/sample.toml data/studies/ecolabel.toml
PYTEST := $(PY) -m pytest
SPREAD := -n $(JOBS) --dist loadfile

# The Python that .venv is made of: the first that is new enough, or make PYTHON=/path/to/python.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
# The installer inside .venv, at the version and hashes of the lock; make UV= uses plain pip.
UV     ?= $(VENV)/bin/uv

# The locks nest: what holds for the tests holds for reports too, and is not taken back.
READY  := $(if $(wildcard $(VENV)/.dev),$(VENV)/.dev,$(VENV)/.report)

help: ## List what can be made
	@echo "make WHAT [ARGS='more arguments']"
	@awk -F ': .*## ' '/^[a-z]+: .*## / { printf "  %-8s %s\n", $$1, $$2 }' Makefile
	@echo "The first call sets up $(VENV) (Python 3.11 or newer and pip are enough); later calls do not."

report: $(READY) ## Write the reports of STUDY (the sample and the eco-label study) to reports/
	$(VENV)/bin/cx report $(STUDY) $(ARGS)

lab: $(VENV)/.dev ## Open the notebooks in JupyterLab
	$(VENV)/bin/cx lab $(ARGS)

test: $(VENV)/.dev ## Run every test but the slow ones, and every notebook (at most 10 minutes)
	$(PYTEST) $(SPREAD) -m "not slow" --nbval-lax tests notebooks $(ARGS)

quick: $(VENV)/.dev ## Run the tests that need no rendering, browser, wheel or simulation (a minute)
	$(PYTEST) $(SPREAD) -m "not slow and not wide" --ignore-glob="*test_coverage*" $(ARGS)

slow: $(VENV)/.dev ## Run the slow tests (simulation, fuzzing, chaos), and write tests/COVERAGE.md
	$(PYTEST) $(SPREAD) -m slow $(ARGS)
	$(PY) tests/coverage_table.py

lint: $(VENV)/.dev ## Check style and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(VENV)/.dev ## Put the code into the house's format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(VENV)/.dev ## Measure speed, and compare with a peer
	$(PY) tests/bench.py $(ARGS)

lock: $(VENV)/bin/uv ## Rewrite the locks from pyproject.toml (ARGS=--upgrade for newer versions)
	$(COMPILE) --group setup -o requirements.lock pyproject.toml $(ARGS)
	$(COMPILE) --group setup --all-extras -c requirements.lock -o requirements-dev.lock pyproject.toml $(ARGS)

clean: ## Remove .venv, caches and built packages (reports stay)
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .hypothesis
	find cxlib tests notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# --- set-up -------------------------------------------------------------------------------------
# One lock serves Python 3.11 to 3.13 on every platform; it names versions and hashes, no index.
COMPILE = $(VENV)/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock"

# A pip that can install into .venv: of the Python chosen, of the machine, or the one Python bundles.
FIND_PIP = pip=; for p in "$(PYTHON) -m pip" pip3 pip "python3 -m pip"; do \
	$$p --python $(PY) list >/dev/null 2>&1 && { pip="$$p --python $(PY)"; break; }; done; \
	[ -n "$$pip" ] || { $(PY) -m ensurepip >/dev/null 2>&1 && pip="$(PY) -m pip"; } || \
	{ echo "pip is missing: install it (Debian: python3-pip)" >&2; exit 1; }; \
	pip="$$pip --disable-pip-version-check"

GET_UV = { [ -x $(VENV)/bin/uv ] || { \
	awk '/^[^ \#]/ { on = /^uv==/ } on' requirements.lock >$(VENV)/uv.lock && \
	$$pip install --quiet --require-hashes -r $(VENV)/uv.lock; }; }

WITH_UV = { $(GET_UV) && $(UV) pip sync --quiet --python $(PY) --require-hashes $(LOCK) && \
	$(UV) pip install --quiet --python $(PY) --no-index --no-deps --no-build-isolation -e .; }

WITH_PIP = { echo "installing with plain pip, which is slower than uv"; \
	$$pip install --quiet --require-hashes -r $(LOCK) && \
	$$pip install --quiet --no-index --no-deps --no-build-isolation -e .; }

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "cxlib needs Python 3.11 or newer, and found none:" \
		"install one, or say make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "cxlib needs Python 3.11 or newer;" \
		"$(PYTHON) is older or not there" >&2; exit 1; }
	$(PYTHON) -m venv --clear --without-pip $(VENV)

$(VENV)/bin/uv: | $(VENV)/bin/python
	@$(FIND_PIP); $(GET_UV)

$(VENV)/.report: LOCK = requirements.lock
$(VENV)/.dev: LOCK = requirements-dev.lock
$(VENV)/.dev: requirements-dev.lock
$(VENV)/.report $(VENV)/.dev: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Setting up $(VENV) as $(LOCK) says (once; about a minute)"
	@$(FIND_PIP); $(if $(UV),$(WITH_UV) || )$(WITH_PIP)
	@touch $@
