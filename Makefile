# Two commands: `make book` and `make test`. Each sets up what it needs and works alone on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests of the built book, run together so that the site is built once for all of them; the longest file comes first.
SITE := $(addprefix tests/companion/test_,pdf_pages.py book.py links.py browser.py imprint.py api.py)
# Tests run in as many processes as there are cores; four at most, because each loads TensorFlow.
SPREAD := --numprocesses auto --maxprocesses 4

.PHONY: help setup test lint unit nbval site book pdf notebooks bench clean

help:  ## Show this list.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## Create the virtual environment and install exact versions.

# --compile: without bytecode TensorFlow takes three times as long to import.
$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --compile -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --compile --no-deps --no-build-isolation -e .
	touch $(READY)

test: lint unit nbval site  ## Lint, types and spelling, unit tests, notebooks against their stored outputs, and the book's checks.

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

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

clean:  ## Remove what was built; results and downloads stay.
	rm -rf _build $(VENV)
