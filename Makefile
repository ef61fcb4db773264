# make demo       classify a sample video with real weights; needs only Python and make
# make test       all tests, except those that need environments of their own
# make test-fast  the quick tests that need no weights, no package index and no shared data
# make check      style, types and layers
# make help       the rest

VENV := .venv
BIN := $(VENV)/bin
# The first Python that the extras support; or choose one: make demo PYTHON=python3.12
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3.10 python3; do \
	$$each -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $$each && break; done)
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check
METADATA := setup.cfg setup.py pyproject.toml

# Keeps compiled models and downloads in the checkout.
RUN := XDG_CACHE_HOME=$(CURDIR)/.cache PYTHONDONTWRITEBYTECODE=1

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help demo test test-fast check format test-zoo hostile clean

help:
	@echo 'make demo       download weights, convert them, name the actions in a sample video'
	@echo 'make test       run the tests with coverage'
	@echo 'make test-fast  run the quick tests that need no weights, no package index and no shared data'
	@echo 'make check      check style, types and layers'
	@echo 'make format     fix the style'
	@echo 'make test-zoo   in environments of their own: the zoo'\''s tools, Model API, Label Studio, Ray, pages'
	@echo '                and the app in Chromium, and the built package'
	@echo 'make hostile    read damaged and hostile files of every kind, N of each (1000), and print what became of'
	@echo '                them; one case again: make hostile KIND=video SEED=123'
	@echo 'make clean      remove everything that was made or downloaded'

demo: $(VENV)/freeze.stamp
	@$(RUN) $(BIN)/i3d-rgb-tf demo -d .cache/demo

test: $(VENV)/test.stamp
	@$(RUN) $(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile --cov --cov-report=term

test-fast: $(VENV)/test.stamp
	@$(RUN) $(BIN)/python -m pytest --quiet --numprocesses auto -m 'not weights and not index and not shared and not slow'

check: $(VENV)/dev.stamp $(VENV)/test.stamp
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(RUN) $(BIN)/python -m pytest --quiet tests/test_layers.py

format: $(VENV)/dev.stamp
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

test-zoo: $(VENV)/dev.stamp $(VENV)/test.stamp
	@$(RUN) $(BIN)/nox --tags ci

# Of every kind, in as many processes as there are cores; KIND and SEED choose a kind and a case.
N := 1000
hostile: $(VENV)/test.stamp
	@cd tests && $(RUN) $(CURDIR)/$(BIN)/python -m hostile --runs $(N) --workers $(or $(WORKERS),0) \
		$(if $(KIND),--kind $(KIND)) $(if $(SEED),--seed $(SEED)) $(if $(FORMAT),--format $(FORMAT))

$(VENV)/python.stamp:
	@test -n '$(PYTHON)' || { echo 'Python 3.10 to 3.13 is needed; choose it with: make PYTHON=...' >&2; exit 1; }
	@echo 'Making $(VENV) with $(PYTHON)'
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/freeze.stamp: EXTRAS := freeze
$(VENV)/test.stamp: EXTRAS := freeze,quantize,test
$(VENV)/dev.stamp: EXTRAS := dev
$(VENV)/freeze.stamp $(VENV)/test.stamp $(VENV)/dev.stamp: $(VENV)/python.stamp $(METADATA)
	@echo 'Installing i3d-rgb-tf[$(EXTRAS)]'
	@$(PIP_INSTALL) --editable '.[$(EXTRAS)]'
	@touch $@

clean:
	rm -rf $(VENV) .cache .nox build dist .mypy_cache .ruff_cache .pytest_cache .coverage* tools/*.egg-info
