# Two commands do everything: `make run` (a running, seeded site) and `make test`. Needs Python 3.11 or newer and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
STATIC_SOURCES := $(shell find newsletter/static -type f 2>/dev/null)
STYLE_SHEETS := $(shell find newsletter/static workers/static -name '*.css' 2>/dev/null)
ALL_CORES := --numprocesses=auto
export PORT
unexport PYTHONDONTWRITEBYTECODE  # tests start many interpreters, each of which would compile everything anew

.PHONY: run setup test test-browser test-processes test-all check format bench messages reader-messages lock clean demo-off

run: $(VENV)/.run-ready ## a running, seeded site
	@$(BIN)/python manage.py run --prepare

setup: $(VENV)/.dev-ready ## just the environment, in .venv/

test: export TEST_EXAMPLES ?= few
test: $(VENV)/.dev-ready ## everything but browsers and processes, on all cores
	$(BIN)/pytest $(ALL_CORES) --dist=worksteal -m "not browser and not processes" $(PYTEST_ARGS)

test-browser: $(VENV)/.dev-ready ## what drives Chromium
	$(BIN)/pytest $(ALL_CORES) --dist=loadgroup -m "browser" $(PYTEST_ARGS)

test-processes: $(VENV)/.dev-ready ## what starts workers, web and mail servers, and other programs
	$(BIN)/pytest $(ALL_CORES) --dist=loadgroup -m "processes and not browser" $(PYTEST_ARGS)

test-all: export TEST_EXAMPLES := all
test-all: $(VENV)/.dev-ready ## the whole suite, with all examples
	$(BIN)/pytest $(ALL_CORES) --dist=loadgroup $(PYTEST_ARGS)

check: $(VENV)/.dev-ready ## lint, types, contracts, catalogues
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy newsletter subscribers workers manage.py
	$(BIN)/lint-imports
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m tests.structure.production_check
	$(BIN)/python -m tests.structure.catalogue_check
	$(BIN)/python -m tests.structure.reader_catalogue_check

format: $(VENV)/.dev-ready ## Python, templates and style sheets
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .
	@for sheet in $(STYLE_SHEETS); do $(BIN)/css-beautify --replace --indent-size=2 --end-with-newline --disable-newline-between-rules --space-around-combinator $$sheet >/dev/null; done

bench: $(VENV)/.dev-ready ## benchmarks, as ratios within one run
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

messages: $(VENV)/.dev-ready ## collect sentences for the catalogue and compile it (needs gettext)
	$(BIN)/python manage.py makemessages --locale id --no-location --no-wrap --ignore .venv --ignore var --ignore tests --extension html,txt,py,mjml
	$(BIN)/python manage.py compilemessages --ignore .venv

reader-messages: $(VENV)/.dev-ready ## collect the sentences that readers see into newsletter/reader_locale
	$(BIN)/python manage.py reader_messages

demo-off: $(VENV)/.run-ready ## remove everything the demo seed made
	$(BIN)/python manage.py seed_demo --remove

lock: $(VENV)/.dev-ready ## renew the locks from pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet pyproject.toml --extra ses --output-file requirements-ses.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet pyproject.toml --extra ses --group dev --output-file requirements-dev.txt

clean: ## throw away the environment and all data of this checkout
	rm -rf $(VENV) var

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Warta needs Python 3.11 or newer; none was found. Install it, or name it: make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Warta needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run-ready: requirements.txt | $(BIN)/python
	@echo "Installing what Warta needs, once …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	@touch $@

$(VENV)/.dev-ready: requirements-dev.txt requirements.txt | $(BIN)/python
	@echo "Installing what working on Warta needs, once …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt
	@touch $@ $(VENV)/.run-ready
