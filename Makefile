PYTHON ?= python3
BIN = .venv/bin
# In a container the user is often root, and JupyterLab refuses to run as root without this option.
ALLOW_ROOT = $$([ "$$(id -u)" = 0 ] && echo --allow-root)
PACKAGE = pyproject.toml requirements.txt $(wildcard widgets/jupyter/*/* widgets/jupyter/*/*/*)

.PHONY: help lab app preflight sheets slides solutions guide test check check-js pytest bench format js screenshot clean
.DELETE_ON_ERROR:
.SILENT:

help:
	echo "make lab         install on first use, then open the first notebook"
	echo "make app         only the Explorer, as a web page without code"
	echo "make preflight   is this machine ready? half a minute; fails if a check fails"
	echo "make sheets      the guess sheet and the formula page, to print (into build/, as the next two)"
	echo "make slides      each notebook as slides with notes (needs Node)"
	echo "make solutions   each notebook with its exercises solved, and why that is right"
	echo "make guide       count minutes and ranges in the instructor's guide again (some minutes)"
	echo "make test        every check: check and pytest, in parallel"
	echo "make check       style, types, imports between rooms; the charts' JavaScript too, if Node is installed"
	echo "make pytest      tests"
	echo "make bench       test what the workbook claims (an hour on a quiet machine)"
	echo "make format      put source and notebooks into the house style"
	echo "make js          check, test and build the charts' JavaScript (needs Node)"
	echo "make screenshot  take the picture of the Explorer again (needs Chromium)"
	echo "make clean       remove caches (.venv stays)"

lab: .venv/installed
	$(BIN)/jupyter lab $(ALLOW_ROOT) notebooks/00_start_here.ipynb

app: .venv/installed
	$(BIN)/voila notebooks/app.ipynb

preflight: .venv/installed
	$(BIN)/python -m tradespace

sheets solutions: .venv/installed
	cd notebooks && ../$(BIN)/python -m teaching $@

slides: .venv/installed widgets/node_modules/.package-lock.json
	cd notebooks && ../$(BIN)/python -m teaching slides

guide: .venv/installed
	cd notebooks && ../$(BIN)/python -m teaching minutes ranges

# Tests start a hundred processes: without bytecode, each would compile the package again.
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/installed-test
	if command -v npm >/dev/null; then $(MAKE) --no-print-directory widgets/node_modules/.package-lock.json; fi
	$(MAKE) --jobs=2 check pytest

check: .venv/installed-test check-js
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy

# A learner's machine need not have Node; the one that runs CI must.
check-js:
	if command -v npm >/dev/null; then \
		$(MAKE) --no-print-directory widgets/node_modules/.package-lock.json && \
		cd widgets && npm run --silent check && npm run --silent test && npm run --silent build -- --check; \
	elif [ "$$CI" = true ]; then echo "make check: wanted npm on the PATH; Debian's packages are nodejs and npm" >&2; exit 1; \
	else echo "JavaScript is not checked: there is no npm on the PATH"; fi

pytest: .venv/installed-test
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadscope

bench: .venv/installed-test
	$(BIN)/python tests/bench

format: .venv/installed-test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	if command -v npm >/dev/null; then \
		$(MAKE) --no-print-directory widgets/node_modules/.package-lock.json && cd widgets && npm run --silent format; fi

js:
	cd widgets && npm ci && npm run check && npm test && npm run build

screenshot: .venv/installed-test
	$(BIN)/python tests/browser/make_screenshot.py

clean:
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis widgets/node_modules
	find data notebooks tests widgets -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv .venv

# npm writes this file last.
widgets/node_modules/.package-lock.json: widgets/package-lock.json
	cd widgets && npm ci --silent

.venv/installed: $(PACKAGE) | $(BIN)/python
	echo "Installing into .venv (about 1 GB; some minutes the first time)"
	$(BIN)/pip install --quiet -r requirements.txt -e .
	touch $@

.venv/installed-test: $(PACKAGE) | $(BIN)/python
	echo "Installing into .venv (about 1 GB; some minutes the first time)"
	$(BIN)/pip install --quiet -r requirements.txt -e ".[test]"
	touch $@
