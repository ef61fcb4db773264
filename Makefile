# make demo   a labelled video from real weights, from nothing but Python and make
# make test   every test but those of the zoo's tools
# make check  style, types and floors
# make help   the rest

VENV := .venv
BIN := $(VENV)/bin
# The first Python that the package supports; or name one: make demo PYTHON=python3.12
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3.10 python3; do \
	$$each -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $$each && break; done)
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check
METADATA := setup.cfg setup.py pyproject.toml

# Compiled models and packages that are fetched stay in the checkout.
RUN := XDG_CACHE_HOME=$(CURDIR)/.cache PYTHONDONTWRITEBYTECODE=1

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help demo test check format test-zoo clean

help:
	@echo 'make demo      get weights, convert them, name the action in a video'
	@echo 'make test      run the tests with coverage'
	@echo 'make check     check style, types and floors'
	@echo 'make format    put the style right'
	@echo 'make test-zoo  run the zoo'\''s stock tools on the entry, in environments of their own'
	@echo 'make clean     remove everything that was made, downloads too'

demo: $(VENV)/freeze.stamp
	@$(RUN) $(BIN)/i3d-rgb-tf demo -d .cache/demo

test: $(VENV)/test.stamp
	@$(RUN) $(BIN)/python -m pytest --quiet --cov --cov-report=term

check: $(VENV)/dev.stamp $(VENV)/test.stamp
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(RUN) $(BIN)/python -m pytest --quiet tests/test_floors.py

format: $(VENV)/dev.stamp
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

test-zoo: $(VENV)/dev.stamp $(VENV)/test.stamp
	@$(RUN) $(BIN)/nox --tags zoo

$(VENV)/python.stamp:
	@test -n '$(PYTHON)' || { echo 'Python 3.10 to 3.13 is needed; name it: make PYTHON=...' >&2; exit 1; }
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
