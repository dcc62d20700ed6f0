# Two commands do everything: `make demo` and `make test`. Only Python 3.11+ and make are assumed.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test launchers lint types science clean
.DEFAULT_GOAL := demo

# The environment, rebuilt when the lock or the package's metadata changes.
$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "slt needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "Installing the pinned environment into $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.installed  ## the main job, reduced to a few minutes
	@$(BIN)/slt run experiment=demo

test: $(VENV)/.installed
	@$(BIN)/python -m pytest

# What sweeps on many cores or machines need, and the demo does not; without it their tests are skipped.
$(VENV)/.launchers: $(VENV)/.installed requirements-launchers.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-launchers.lock
	@touch $@

launchers: $(VENV)/.launchers  ## joblib, SLURM and Ray for sweeps

lint: $(VENV)/.installed  ## style and import order
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(VENV)/.installed
	@$(BIN)/mypy

science: $(VENV)/.installed  ## makes results/ again (long)
	@$(BIN)/python -m scripts.science

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
