# Two commands: `make book` and `make test`. Each sets up what it needs and works alone on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests of the built book, run together so that the site is built once for all of them; the longest file comes first.
SITE := $(addprefix tests/companion/test_,pdf_pages.py book.py links.py browser.py imprint.py api.py)
# Tests run in as many processes as there are cores; four at most, because each loads TensorFlow.
SPREAD := --numprocesses auto --maxprocesses 4

# Extras that requirements.txt holds, and the packages that look after it, each in an environment that is thrown away.
LOCKED := book test
ASIDE := _build/aside

.PHONY: help setup test lint unit nbval site book pdf notebooks bench lock audit clean

help:  ## Show this list.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## Create the virtual environment and install exact versions.

# --compile: without bytecode TensorFlow takes three times as long to import.
# --only-binary: no package runs a program of its own while it is installed.
$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --compile --only-binary :all: -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --compile --no-deps --no-build-isolation -e .
	touch $(READY)

test: lint unit nbval site  ## Lint, types and spelling, unit tests, notebooks against their stored outputs, and the book's checks.

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive lthcore book benchmarks examples

unit: $(READY)
	$(BIN)/python -m pytest -q $(SPREAD) --dist worksteal $(SITE:%=--ignore=%)

nbval: $(READY)
	$(BIN)/python -m pytest -q $(SPREAD) --dist loadfile --nbval --nbval-sanitize-with tests/nbval.cfg notebooks

site: $(READY)
	$(BIN)/python -m pytest -q $(SPREAD) --dist loadfile --no-loadscope-reorder $(SITE)

book: $(READY)  ## Execute every chapter and build the site into _build/html.
	$(BIN)/python -m companion book

pdf: $(READY)  ## Print the book from the committed notebooks; needs LaTeX and says what is missing.
	$(BIN)/python -m companion pdf

notebooks: $(READY)  ## Execute every chapter and renew the committed notebooks.
	$(BIN)/python -m companion notebooks

bench: $(READY)  ## Speed and memory, side by side with what one would use instead.
	$(BIN)/python -m benchmarks

# What requirements.txt holds stays as it is, unless a range excludes it; `make lock NEWER=--upgrade` takes what is new.
lock:  ## Resolve requirements.txt, with checksums, from the ranges in pyproject.toml.
	$(PYTHON) -m venv $(ASIDE)/lock
	$(ASIDE)/lock/bin/pip install --quiet --disable-pip-version-check "uv>=0.8"
	$(ASIDE)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 $(LOCKED:%=--extra %) --generate-hashes \
		--no-annotate --custom-compile-command "make lock" $(NEWER) --output-file requirements.txt pyproject.toml

audit:  ## Ask for known vulnerabilities of all that requirements.txt names; needs the network.
	$(PYTHON) -m venv $(ASIDE)/audit
	$(ASIDE)/audit/bin/pip install --quiet --disable-pip-version-check "pip-audit>=2.9"
	$(ASIDE)/audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.txt

clean:  ## Remove what was built; results and downloads stay.
	rm -rf _build $(VENV)
