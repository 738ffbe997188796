# Bahi on one machine. `make help` lists the targets. Python 3.11+, make and git are all it needs.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python3.14; do \
	"$$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v "$$python"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
DEVTOOLS := exec $(BIN)/python -m devtools
TESTS ?=
# One more than the cores of a small machine: the tests of faults wait for processes most of their time.
WORKERS ?= 3
PARALLEL = --numprocesses $(WORKERS) --dist loadgroup
# SlipCover is imported before pytest, and covers what pytest does not rewrite: apps, config and sandbox, not the tests.
SLIPCOVER_SAYS := -W "ignore:Module already imported so cannot be rewritten; slipcover:pytest.PytestAssertRewriteWarning" \
	-W "ignore:Unable to activate pytest branch coverage:RuntimeWarning"
# What may be linked into a shop's own product; an unknown licence fails, and so do GPL and AGPL.
LICENCES := Apache;BSD;MIT;ISC;Unlicense;MPL;Mozilla Public License;PSF;Python Software Foundation;LGPL;Lesser General Public License

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# To compile the tests anew takes each worker ten seconds: they are kept, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev need-python demo run test test-fast test-pythons check contract history model soak soak-model mutants bench nightly check-code check-database lock env-example maps clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: need-python ## Make .venv with what runs Bahi on this machine (quick when nothing changed)
	@exec $(PYTHON) -m devtools setup

setup-dev: need-python ## Make .venv with the development tools as well
	@exec $(PYTHON) -m devtools setup --dev

need-python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer found. Install one, or name it: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }

demo: setup ## Play one order over HTTP: log-in, order, payment, invoice, refund, settlement, bank, audit
	@$(DEVTOOLS) demo

run: setup ## Run all of Bahi in the foreground; Ctrl-C stops it
	@$(DEVTOOLS) run

test: setup-dev ## Run all tests on servers of their own, with coverage (TESTS=tests/orders for a part)
	@mkdir -p .bahi && $(BIN)/python -m slipcover --json --out .bahi/coverage.json -m pytest $(SLIPCOVER_SAYS) $(PARALLEL) $(TESTS)
	@$(BIN)/python -m slipcover --merge .bahi/coverage.json --out .bahi/coverage.json

test-fast: setup-dev ## Run the quick tests, without races, faults, slow tests and coverage: what to run before each commit
	@exec $(BIN)/python -m pytest -q -m "not race and not faults and not slow" $(PARALLEL) $(TESTS)

test-pythons: setup-dev ## Play the demo and run a part of the tests under the other Pythons that are here
	@$(DEVTOOLS) test-pythons

contract: setup-dev ## Check the OpenAPI document against the API that runs: a generated client, generated requests
	@$(DEVTOOLS) contract

history: setup ## Use a shop for 5 minutes while its processes are killed; the clients' journal shows what was lost or doubled (SEED=7, SECONDS=60; start, healing and audit take 2 to 5 minutes more)
	@$(DEVTOOLS) history --seconds $(or $(SECONDS),300) $(if $(SEED),--seed $(SEED))

soak: setup-dev ## The same with 100,000 operations, which takes hours
	@$(DEVTOOLS) history --operations 100000 --report docs/reports/history-soak.md

model: setup-dev ## Hold the product against the independent model; SEED=17 replays a failure (SHRINK=1 looks for the shortest history)
	@MODEL_SEED=$(or $(SEED),1) MODEL_SEEDS=$(if $(SEED),1,12) $(if $(SHRINK),MODEL_SHRINK=1 )$(BIN)/python -m pytest -q -n0 tests/model/test_machine.py

soak-model: setup-dev ## The same with 2,000 examples, which takes an hour or more (SEEDS=400)
	@MODEL_SEED=1000 MODEL_SEEDS=$(or $(SEEDS),400) $(BIN)/python -m pytest -q $(PARALLEL) tests/model/test_machine.py

bench: setup-dev ## Measure what each kind of work costs, with its budget (WORK="place-order journey", STRICT=1 refuses a busy machine)
	@exec $(BIN)/python -m bench $(WORK) $(if $(STRICT),--strict)

nightly: setup-dev ## What takes longer or needs more than Python: workflows, 1,000 examples a property, races of 500, a TypeScript sale and the Fastify peer (need Node.js and npm), 5 minutes of history, a tenth of the mutants
	@$(DEVTOOLS) lint-workflows
	@$(BIN)/python -m pytest -q -n 2 -m hypothesis --hypothesis-profile explore
	@RACE_SIZE=500 $(BIN)/python -m pytest -q -n0 tests/payments/test_refund_races.py
	@REFUND_WALKS=400 $(BIN)/python -m pytest -q -n 2 tests/payments/test_refund_walks.py
	@$(DEVTOOLS) contract typescript
	@NODE_PEER=1 $(BIN)/python -m pytest -q -n0 tests/bench/test_peers.py
	@$(BIN)/python -m bench compare --rounds 3
	@$(DEVTOOLS) history --report docs/reports/history.md
	@$(BIN)/python -m tests.mutants run --tonight

mutants: setup-dev ## Plant 300 faults of a fixed seed and see whether the tests and the audit notice (hours; goes on where it was stopped)
	@exec $(BIN)/python -m tests.mutants run

check: setup-dev check-code ## Format, lint, types, layers, imports of the tests, migrations, repository files, licences, API description
	@$(DEVTOOLS) with-servers -- $(MAKE) --no-print-directory check-database
	@echo "check: no fault was found"

check-code:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@mkdir -p .bahi && $(BIN)/python -m pytest --collect-only -q >.bahi/collected.log || { tail -n 40 .bahi/collected.log; exit 1; }
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	$(BIN)/pip-licenses --partial-match --allow-only="$(LICENCES)" --format=plain-vertical >/dev/null

check-database: export DJANGO_SETTINGS_MODULE = config.settings.local
check-database:
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m devtools lint-migrations
	mkdir -p .bahi
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file .bahi/openapi.yaml
	$(BIN)/openapi-spec-validator .bahi/openapi.yaml

lock: ## Compile requirements/*.in into pinned, hashed *.txt (needs uv)
	@command -v uv >/dev/null || { echo "make lock: uv is needed (https://docs.astral.sh/uv/)" >&2; exit 1; }
	for name in base local dev; do \
		uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done

env-example: ## Write .env.example from the declared settings
	$(BIN)/python -m config.settings.environment.example > .env.example.new && mv .env.example.new .env.example

maps: setup-dev ## Write the pages of docs that are made from the code: routes, models, errors, capabilities, decisions
	@$(BIN)/python -m tests.architecture.maps

clean: ## Remove what was made here: .venv, the embedded data, caches
	@$(PYTHON) -m devtools clean
