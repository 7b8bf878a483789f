# The two commands: `make run` and `make test`. Everything else is listed by `make help`.
PYTHON ?= python3.11
PYTHON := $(shell command -v $(PYTHON) 2>/dev/null || command -v python3)
BIN := .venv/bin
# For every release of Python 3.11, the oldest included: Debian's is 3.11.2, on which redis needs a package more.
OLDEST := --python-version 3.11
# As many at once as this machine bears, each with a file at a time; WORKERS=0 runs all in one process.
WORKERS ?= auto
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=30

.PHONY: help run test test-engine check format lint types contracts migrations deploy-check bench bench-billing bench-retrieval lock manage clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

run: ## start Artemis on this machine; Ctrl-C stops it
	@$(PYTHON) deploy/local/bootstrap.py runtime
	@exec $(BIN)/python -m deploy.local

test: ## run the whole test suite against real PostgreSQL, Redis and a real browser
	@$(PYTHON) deploy/local/bootstrap.py dev
	@$(PYTEST)

test-engine: ## run the API's journey against real engines, vLLM on the CPU among them
	@$(PYTHON) deploy/local/bootstrap.py dev
	@$(BIN)/python -m pytest -m engine

check: ## everything that CI checks, except the real engines
	@$(PYTHON) deploy/local/bootstrap.py dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m deploy.local.checks
	$(PYTEST)

format: ## write the code as the formatter wants it
	@$(PYTHON) deploy/local/bootstrap.py dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: ## compare with other gateways and a bare relay, in front of the fake engine
	@$(PYTHON) deploy/local/bootstrap.py dev
	$(BIN)/python -m benchmarks

bench-billing: ## how fast use becomes a bill, and what ten million events cost the usage page
	@$(PYTHON) deploy/local/bootstrap.py dev
	$(BIN)/python -m benchmarks.billing

bench-retrieval: ## how good and how fast search over documents is, by a judged collection in BEIR's form
	@$(PYTHON) deploy/local/bootstrap.py dev
	$(BIN)/python -m benchmarks.retrieval

lock: ## resolve the dependencies anew, within pyproject.toml's bounds
	@$(PYTHON) deploy/local/bootstrap.py dev
	$(BIN)/uv pip compile pyproject.toml $(OLDEST) --generate-hashes --no-header -o requirements.lock -q
	$(BIN)/uv pip compile --group pyproject.toml:local $(OLDEST) -c requirements.lock --generate-hashes --no-header -o requirements-local.lock -q
	$(BIN)/uv pip compile pyproject.toml --group dev $(OLDEST) -c requirements.lock -c requirements-local.lock --generate-hashes --no-header \
		-o requirements-dev.lock -q
	for name in litellm ferrogw; do $(BIN)/uv pip compile benchmarks/contestants/$$name.in --generate-hashes --no-header \
		-o benchmarks/contestants/$$name.lock -q || exit 1; done
	cd benchmarks/contestants/portkey && npm install --package-lock-only --loglevel error

clean: ## remove what the commands above made, data included
	rm -rf .venv .artemis .mypy_cache .ruff_cache .import_linter_cache
