# Two commands on a fresh machine: `make demo` and `make test`. Python 3.11 or newer is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

export DAGSTER_DISABLE_TELEMETRY = 1

.PHONY: help demo ui test benchmark crashes faults lives browser check lock sbom audit clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' Makefile | sed -e 's/:.*##/\t/' | expand -t 10

demo: $(INSTALLED) ## start the sandbox, run the pipeline, show what happened
	@$(BIN)/coupon-pipeline demo

ui: $(INSTALLED) ## the sandbox and Dagster's pages at http://127.0.0.1:3000
	@$(BIN)/coupon-pipeline sandbox --state .coupon_pipeline/sandbox.sqlite -- $(BIN)/dagster dev

test: $(INSTALLED) ## all tests, in parallel and random order
	@$(BIN)/python -m pytest -n auto

benchmark: $(INSTALLED) ## measure calls and time; writes docs/benchmarks.md
	@$(BIN)/python -m tests.benchmarks

crashes: $(INSTALLED) ## kill runs at every point that matters; writes docs/crash-matrix.md
	@$(BIN)/python -m tests.crashes.matrix

faults: $(INSTALLED) ## every fault at every call; writes docs/fault-matrix.md
	@$(BIN)/python -m tests.crashes.faults

lives: $(INSTALLED) ## 500 random lives of companies instead of the few in the tests
	@LIVES=500 $(BIN)/python -m pytest tests/assets/test_lives_of_subscriptions.py -n 0

browser: $(INSTALLED) ## Dagster's pages in a headless Chromium; takes the pictures of the README
	@COUPON_PIPELINE_BROWSER=1 $(BIN)/python -m pytest tests/browser -n 0

check: $(INSTALLED) ## format, lint, types, direction of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

lock: ## resolve requirements.lock again (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-strip-extras --exclude-newer "48 hours" \
	  --custom-compile-command "make lock" --output-file requirements.lock

sbom: $(INSTALLED) ## CycloneDX bill of materials, from the lock
	@$(BIN)/python -m coupon_pipeline.cli.bill_of_materials requirements.lock > sbom.cdx.json
	@echo "sbom.cdx.json"

audit: $(INSTALLED) ## known vulnerabilities of what is locked (needs the network and pip-audit)
	pip-audit --require-hashes --disable-pip -r requirements.lock

clean: ## remove the environment and what runs have left
	rm -rf $(VENV) .dagster .coupon_pipeline

$(INSTALLED): requirements.lock pyproject.toml
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing from requirements.lock into $(VENV) (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(INSTALLED)
