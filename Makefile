.DEFAULT_GOAL := help
.PHONY: help setup demo test check proto docs lock bench chaos compose-test format clean models mutants crashpoints sim
BIN := .venv/bin

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## create .venv from requirements.lock and install hanse in it; at once if nothing has changed
	@deploy/tools/setup

demo: setup ## run three regions on this machine and show them at work
	@$(BIN)/hanse demo

test: setup ## run the tests (ARGS="-k name" is passed on)
	@$(BIN)/pytest -n 2 -q $(ARGS)

models: ## check the protocol's models exhaustively (MODELS=all for the long set); needs spin and gcc
	@command -v spin >/dev/null && command -v gcc >/dev/null || { echo "models: Spin checks them. Debian: apt-get install spin gcc" >&2; exit 1; }
	@chaos/models/run $(MODELS)

mutants: setup ## build every known shortcut into the core, and see each caught; writes the table of docs/mutants.md (STALE=1: only those that are caught otherwise than it says)
	@PYTHONPATH=services:. $(BIN)/python -m chaos.mutants $(if $(STALE),--stale) && $(BIN)/python -m docs.generate

crashpoints: setup ## cut the power at every single write of a handoff, on real SQLite files (`make test` takes a sample)
	@HANSE_CRASH_POINTS=all $(BIN)/pytest -n 2 -q -rP --no-header --timeout 1800 tests/chaos/test_crash_points.py

sim: setup ## run seeds of the simulation under all checkers (SEEDS=0:100 REGIONS=5 MINUTES=10 FAULTS=swarm)
	@$(BIN)/hanse sim run --seeds $(or $(SEEDS),0:100) --regions $(or $(REGIONS),5) --minutes $(or $(MINUTES),10) --faults $(or $(FAULTS),swarm)

check: setup ## lint, types, import rules, spelling, wire contract, generated code, known vulnerabilities
	@deploy/tools/check

format: setup ## put code and wire contract into their format
	@$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format --quiet; for buf in build/npm/node_modules/@bufbuild/buf-linux-*/bin/buf; do [ ! -x $$buf ] || $$buf format -w proto; done

proto: setup ## write services/hanse/wire/gen from proto/
	@$(BIN)/python proto/generate.py

docs: setup ## write into the documentation what it repeats of the code
	@$(BIN)/python -m docs.generate

lock: setup ## pin anew what pyproject.toml asks for (UPGRADE=--upgrade takes the newest)
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --quiet $(UPGRADE) -o requirements.lock

bench: setup ## run all benchmarks (ONLY="handoff scale": some; TRACES=DIRECTORY: with those that replay traces), compare, write docs/benchmarks.md
	@PYTHONPATH=services:. $(BIN)/python -m hanse.bench.suite --only "$(ONLY)" $(if $(TRACES),--traces $(TRACES)); code=$$?; PYTHONPATH=services:. $(BIN)/python -m docs.generate; exit $$code

chaos: setup ## break real daemons in every way there is, and balance the books (root; ARGS="NAME..." runs some)
	@$(BIN)/python -m chaos.live $(ARGS)

compose-test: setup ## run three regions in containers, kill one, cut one off, balance the books (root; ARGS is passed on)
	@$(BIN)/python -m deploy.compose.compose_test $(ARGS)

clean: ## remove what the verbs made, but for .venv
	@rm -rf build dist .pytest_cache .ruff_cache .hypothesis && find services tests chaos proto deploy -name __pycache__ -type d -prune -exec rm -rf {} +
