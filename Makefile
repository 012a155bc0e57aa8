# Two commands do all the set-up: `make demo` and `make test`.
.DELETE_ON_ERROR:
.PHONY: demo test setup setup-system lock format lint types web clean bench

PY := .venv/bin/python
DATA ?= ./var/demo
PORT ?= 8080

demo: setup web ## The whole system on the embedded default, with sample exams, in the foreground.
	exec $(PY) -m backend.cli demo --data "$(DATA)" --port "$(PORT)" $(if $(SAMPLES),--samples "$(SAMPLES)")

test: setup setup-system web ## Every check and every test.
	bash scripts/test.sh

setup: .stamps/python .stamps/embedded

.stamps/python: requirements.lock pyproject.toml
	bash scripts/setup_python.sh
	@mkdir -p .stamps && touch $@

.stamps/embedded: requirements-embedded.txt .stamps/python
	bash scripts/setup_embedded.sh
	@mkdir -p .stamps && touch $@

setup-system: ## Debian packages that the tests drive: a browser, DICOM peers, Chinese fonts.
	bash scripts/setup_system.sh

.stamps/npm: package.json package-lock.json $(wildcard h5_viewer/package.json)
	npm ci --no-audit --no-fund
	@mkdir -p .stamps && touch $@

web: .stamps/npm ## Front ends, built into backend/static when their sources have changed.
	bash scripts/build_web.sh

lock: ## Resolve the Python lock anew.
	$(PY) -m pip install -q uv
	$(PY) -m uv pip compile pyproject.toml --group dev --group demo --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header -q -o requirements.lock

format:
	$(PY) -m ruff format . && $(PY) -m ruff check --fix -q . && npm run format --workspaces --if-present

lint:
	bash scripts/lint.sh

clean:
	rm -rf .venv .embedded .stamps node_modules backend/static var
