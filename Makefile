# What can be done here; `make` alone lists it. Everything that is installed or written goes below .venv and .local.
PYTHON := .venv/bin/python

# before anything is deleted or started
ifneq ($(shell echo '$(CUSTOMERS)' | grep -Ex '|[1-9][0-9]{0,4}|[1-8][0-9]{5}|900000'),$(CUSTOMERS))
$(error CUSTOMERS=$(CUSTOMERS) is not a whole number from 1 to 900000: write it without separators, CUSTOMERS=20000)
endif
ifneq ($(shell echo '$(SEED)' | grep -Ex '[0-9]*'),$(SEED))
$(error SEED=$(SEED) is not a whole number: the same seed gives the same data)
endif

# without bytecode every command of Airflow takes 8 s instead of 2
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPATH := $(CURDIR):$(CURDIR)/plugins

.DEFAULT_GOAL := help
.PHONY: help bootstrap demo up down erase status lint check test stories golden docs lock bench-parse bench-extract bench-merge bench-publish bench-kills

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap:  ## set up .venv and .local: all that is missing is said in one message first
	@./bootstrap

demo: bootstrap  ## the whole way on this machine: servers, data, two runs, what happened (CUSTOMERS=2000 SEED=1)
	@$(PYTHON) -m include local demo $(if $(CUSTOMERS),--customers $(CUSTOMERS)) $(if $(SEED),--seed $(SEED))

up: bootstrap  ## start the laptop platform; repairs what died
	@$(PYTHON) -m include local up

down:  ## end the laptop platform; its data stays in .local/platform
	@test ! -x $(PYTHON) || $(PYTHON) -m include local down

erase:  ## end the laptop platform and delete its data: the next demo begins anew
	@test ! -x $(PYTHON) || $(PYTHON) -m include local down --erase

status:  ## which servers are up
	@test ! -x $(PYTHON) || $(PYTHON) -m include local status || true

lint:  ## format, lint, types, imports
	@./bootstrap --only python
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

check: lint  ## the same, and SQL
	$(PYTHON) -m pytest -q -n 2 tests/sql tests/repository

test:  ## every test, some in a browser (screenshots: .local/test-output/ui); leaves nothing running
	@./bootstrap --tests
	$(PYTHON) -m pytest -n 3 --no-loadscope-reorder --durations=15

stories:  ## more of the stories that random steps tell, held against the rules of merging (STORIES=20 STEPS=25 SEED=1)
	@./bootstrap --tests
	STORIES=$(or $(STORIES),20) STEPS=$(or $(STEPS),25) $(PYTHON) -m pytest -n 0 tests/include/merge/model $(if $(SEED),--hypothesis-seed=$(SEED))

golden:  ## write the golden renderings of all statements anew, to be read in the diff
	@./bootstrap --only python
	$(PYTHON) -m tests.sql.renderings

docs:  ## write docs/catalogue.md, docs/types.md and docs/topics/ anew
	@./bootstrap --only python
	@$(PYTHON) -m include docs write

lock:  ## write all lock files anew from the .in files
	@./bootstrap --lock

bench-parse:  ## what parsing a use case's file costs
	@./bootstrap --only python
	@$(PYTHON) -m benchmarks.parse

bench-extract:  ## what reading a table costs, against what driver, Parquet and bucket allow
	@./bootstrap
	@$(PYTHON) -m benchmarks.extract

bench-publish:  ## what publishing costs, against what the Kafka client can do with ready-made records
	@./bootstrap
	@$(PYTHON) -m benchmarks.publish

bench-kills:  ## publisher and broker killed at random moments: has a consumer each change once? (KILLS=200 SEED=1)
	@./bootstrap
	@KILLS=$(KILLS) SEED=$(SEED) $(PYTHON) -m benchmarks.kills

bench-merge:  ## what a merge costs, against one plain MERGE, dbt and dlt with the same rows
	@./bootstrap
	@$(PYTHON) -m benchmarks.merge
