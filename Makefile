# `make help` lists the targets.  `make run` and `make test` do all their own set-up on
# a machine that has python3 (3.11 or newer), pip and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RECORDINGS ?=
SPEED ?=
ARGS ?=
# processes that share the tests; 0: one, which also shows what it prints
WORKERS ?= 2

# An environment for development holds everything that running needs, and is kept.
DEV := $(VENV)/.installed-dev
RUN := $(or $(wildcard $(DEV)),$(VENV)/.installed)
PLAY := $(if $(RECORDINGS),--recordings $(RECORDINGS)) $(if $(SPEED),--speed $(SPEED))

export PYTHON

.DEFAULT_GOAL := help
.PHONY: help install run producers simulate training predict migrate test test-pure \
	lint check fmt docs bench lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

$(VENV)/.installed: requirements.lock pyproject.toml scripts/install.sh
	@scripts/install.sh $(VENV) requirements.lock
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml scripts/install.sh
	@scripts/install.sh $(VENV) requirements-dev.lock
	@touch $@

install: $(DEV) ## make .venv with everything, development tools included

run: $(RUN) ## everything on this machine; RECORDINGS=folder SPEED=n ARGS=...
	@$(BIN)/onset up $(PLAY) $(ARGS)

# The three pipelines as three processes over one database: DATABASE_URL, or the one
# that `make predict` starts and the others find in the same ONSET_DATA_DIR.
predict: $(RUN) ## the service: detects and classifies what devices send
	@$(BIN)/onset serve $(ARGS)

training: $(RUN) ## the training worker of the same database
	@$(BIN)/onset trainer $(ARGS)

producers: $(RUN) ## devices that send to the service; RECORDINGS=folder SPEED=n
	@$(BIN)/onset simulate $(PLAY) $(ARGS)

simulate: producers ## the same as producers

migrate: $(RUN) ## bring the database to the newest schema
	@$(BIN)/onset db upgrade $(ARGS)

test: $(DEV) ## all tests, in two processes; WORKERS=n
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-pure: $(DEV) ## tests that need no database or socket
	@$(BIN)/python -m pytest $(foreach part,domain errors features detection wire \
		learning,$(wildcard tests/$(part) tests/test_$(part).py)) $(ARGS)

lint: $(DEV) ## format, lint, types, imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint ## the gate: lint, and doctests and documentation, too
	@$(BIN)/python -m pytest app tests/docs

fmt: $(DEV) ## format and mend what can be mended by itself
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(DEV) ## write docs/settings.md anew and run every example of the documentation
	@$(BIN)/python -m tests.docs.settings_table
	@$(BIN)/python -m tests.docs.api_table
	@$(BIN)/python -m pytest tests/docs $(ARGS)

bench: $(DEV) ## speed and quality, as ratios in one run
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(DEV) ## resolve pyproject.toml anew: pins and hashes, no addresses
	@scripts/lock.sh $(BIN)/uv

clean: ## remove the environment and what tools left; data and models stay
	rm -rf $(VENV) .venv-uv .pytest_cache .hypothesis .mypy_cache .ruff_cache \
		.import_linter_cache
