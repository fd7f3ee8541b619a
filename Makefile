# Two commands: `make book` and `make test`. `make help` lists the others.
SHELL := /bin/bash
# The first Python that is new enough; make book PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
# One more than the cores, and nine at most: tests also wait for pages, kernels and processes.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN); echo $$((n < 8 ? n + 1 : 9)))
# Always `python -m`: a script's first line breaks where the path holds a space.
RUN := $(VENV)/bin/python -m
READY := $(VENV)/.ready
# Every chapter runs again and its outputs are compared with the saved ones, as tests/book/near.py says:
# words exactly, numbers to their last printed digit.
NEAR := -p tests.book.near --nbval --nbval-cell-timeout=300 --nbval-sanitize-with tests/book/sanitize.cfg
# A file stays with one worker; the order is that of tests/conftest.py.
PYTEST := pytest -c pyproject.toml --rootdir . -n $(WORKERS) --dist loadfile --no-loadscope-reorder -rs
# One thread a process; the tests and kernels run side by side.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
# Frozen modules only make debuggers warn inside kernels.
export PYDEVD_DISABLE_FILE_VALIDATION := 1
# What torch.compile made is kept, so that no test and no chapter compiles it a second time.
export TORCHINDUCTOR_CACHE_DIR ?= $(CURDIR)/_build/compiled
# The built book, which the page tests look at.
export BOOK_SITE ?= $(CURDIR)/_build/html

.PHONY: help book site beside colab test test-quick test-cpus test-colab test-wheel wheel lint chapter chapters address clean
.DEFAULT_GOAL := help

help:  ## list these commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

# The package is installed from this very folder; after a move, again.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif
$(READY): requirements.txt constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; say where: make book PYTHON=/path/to/python3.11"; exit 1; }
	@$(RUN) pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV); the first time takes a few minutes."
	@$(RUN) pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt -e .
	@echo "$(CURDIR)" > $(READY)

book: $(READY)  ## build the book and say where to open it
	@$(RUN) book.assets
	@$(MAKE) --no-print-directory site

# The pages alone, of the scripts that book.assets has laid out.
site: $(READY)
	@$(VENV)/bin/python -c "from jupyter_book.cli.main import main; main()" build . -W --keep-going --quiet
	@echo
	@echo "The book is built. Open it:"
	@$(VENV)/bin/python -c 'from pathlib import Path; print("   ", Path("_build/html/index.html").resolve().as_uri())'

colab: book  ## make the notebooks that Colab and JupyterLab open, in _build/colab
	@$(RUN) book.colab _build/html _build/colab

# Each chapter runs once: the notebook made for Colab, from the wheel, in a place of its own. While
# one core builds the book, another prepares that place.
test: $(READY)  ## check everything: lint, unit, property, notebook, page and Colab tests
	@$(RUN) ruff check .
	@$(RUN) book.assets
	@place=$$(mktemp -d) && trap 'rm -rf "$$place"' EXIT && \
	$(MAKE) --no-print-directory -j2 site beside PLACE="$$place" && \
	$(RUN) tests.book.rehearsal chapters _build/html "$$place" && \
	COLAB_PLACE="$$place" JUPYTER_PATH="$$place/share/jupyter" \
	$(RUN) $(PYTEST) tests "$$place/chapters" $(NEAR) --nbval-kernel-name=rehearsal --durations=15

# The type checker keeps what it found; its test, later, is quick and says what is wrong. And pytest
# rewrites the tests' assertions once, before each of its workers would.
beside: $(READY)
	@$(RUN) tests.book.rehearsal environment "$(PLACE)"
	@$(RUN) tests.type_errors >/dev/null || true
	@PYTHONDONTWRITEBYTECODE= $(RUN) pytest -c pyproject.toml --rootdir . --collect-only -qq tests >/dev/null || true

test-quick: $(READY)  ## the checks for daily work: no chapter runs, no page opens, nothing trains long
	@$(RUN) ruff check .
	@$(RUN) $(PYTEST) tests -m "not slow and not browser"

test-cpus: $(READY)  ## run the chapters as other processors would, and on two threads
	@$(RUN) tests.book.cpus --workers $(WORKERS)

test-colab: colab  ## run two notebooks whole as on Colab: its pins, Python 3.12 or newer
	@$(RUN) tests.packaging.on_colab _build/colab

test-wheel: $(READY)  ## install the wheel with its own dependencies alone, and use it as README does
	@$(RUN) tests.packaging.clean_wheel

wheel: $(READY)  ## build the package into dist, with the live lab where npm is at hand
	@$(RUN) book.assets wheel
	@$(RUN) pip --quiet --disable-pip-version-check wheel --no-deps --wheel-dir dist .

lint: $(READY)  ## only the linter and the type checker
	@$(RUN) ruff check .
	@$(RUN) tests.type_errors

chapter: $(READY)  ## run one chapter again and keep its outputs: make chapter NAME=the_loop
	@test -n "$(NAME)" || { echo "Which one? make chapter NAME=the_loop"; exit 2; }
	@$(RUN) book.execute "book/$(NAME).ipynb"

chapters: $(READY)  ## run every chapter again: re-makes every figure of the book
	@$(RUN) book.execute book/*.ipynb

address: $(READY)  ## state the repository's address everywhere: make address URL=https://github.com/OWNER/REPO
	@$(RUN) book.address $(if $(URL),"$(URL)")

clean:  ## remove what was built; keeps the virtual environment
	rm -rf _build book/vendor dist .pytest_cache .hypothesis .ruff_cache .mypy_cache
