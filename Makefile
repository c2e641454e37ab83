# Everything a developer or a CI machine runs. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test test-rabbitmq test-fast serve check docs contract bench bench-all chaos large-job clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	# torch first and pinned: a bare requirement could pull a CUDA build
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

setup: $(STAMP) ## virtual environment in .venv with everything installed

demo: setup ## serve the embedded default, build an L+1 and a 2L ticket of a real network, print the reports
	$(BIN)/python -m ltforge.demo

test: setup ## the whole suite, on real PostgreSQL, Redis and RabbitMQ
	PYTHON=$(BIN)/python tests/run_services.sh $(BIN)/python -m pytest

test-rabbitmq: setup ## all journeys on PostgreSQL and RabbitMQ; make test makes one of them there
	LTFORGE_TEST_STACKS=rabbitmq PYTHON=$(BIN)/python tests/run_services.sh $(BIN)/python -m pytest tests/journeys tests/service/test_queue.py

chaos: setup ## 300 jobs on each stack while everything dies (LTFORGE_CHAOS_SEED decides the order)
	LTFORGE_CHAOS_JOBS=300 PYTHON=$(BIN)/python tests/run_services.sh $(BIN)/python -m pytest -s tests/chaos

large-job: setup ## a job of 10 million parameters over 1, 2 and 4 workers, one of which is killed (10 minutes)
	LTFORGE_LARGE_JOB_PARAMETERS=10000000 PYTHON=$(BIN)/python tests/run_services.sh $(BIN)/python -m pytest -s tests/journeys/test_shards.py

test-fast: setup ## unit tests only, no services
	$(BIN)/python -m pytest -m 'not slow and not gpu'

serve: setup ## the embedded default: API, worker and housekeeper over SQLite
	$(BIN)/ltforge serve --port $${PORT:-8000} --data $${DATA:-data}

check: setup docs ## format, lint, types, import contracts, the documentation's links
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup ## the documentation as a site in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: setup ## a part of the benchmarks, beside the last recorded ratios (minutes)
	$(BIN)/python -m benchmarks

bench-all: setup ## all benchmarks; rewrites benchmarks/recorded.json, RESULTS.md and time.svg
	$(BIN)/python -m benchmarks all $(BENCH)

contract: setup ## every check of schemathesis, 5,000 requests and more on each database (half an hour)
	$(BIN)/python -m tests.contract.check --database sqlite --cases 5000
	PYTHON=$(BIN)/python tests/run_services.sh $(BIN)/python -m tests.contract.check --database postgres --cases 5000

clean: ## remove what make made
	rm -rf $(VENV) .demo
