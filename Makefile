# meshgait: "make help" lists what can be done. Everything happens in an environment of its own, .venv.
PYTHON ?= python3
VENV   ?= .venv
DEMO   ?= demo
JOBS   ?= 2
BIN    := $(VENV)/bin
P3D    := .venv-pytorch3d
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help env demo test check lint types imports tables format unit test-slow test-gpu test-licensed test-body test-pytorch3d bench wheel test-wheel clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

env: $(VENV)/.installed  ## make the environment .venv and install meshgait into it

# torch comes first and alone, so that its pinned build is settled before anything that depends on it.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "meshgait needs Python 3.11 or newer: make $(or $(MAKECMDGOALS),env) PYTHON=/path/to/python3.11"; exit 3; }
	@echo "installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --constraint constraints.txt torch > $(VENV)/install.log 2>&1 || { cat $(VENV)/install.log; exit 1; }
	@$(PIP) install --constraint constraints.txt --editable '.[smplx,dev]' > $(VENV)/install.log 2>&1 \
	  || { cat $(VENV)/install.log; exit 1; }
	@touch $@

demo: env  ## the whole job on real walks: fit, render, pack, train, evaluate (under 10 minutes on 2 cores)
	@BIN=$(BIN) JOBS=$(JOBS) sh demo.sh $(DEMO)

test: env check unit  ## environment if missing, then checks and tests

check: lint types imports  ## formatting, lint, types and import rules

lint: env
	@$(BIN)/ruff format --check --quiet . || { echo "run 'make format'"; exit 1; }
	@$(BIN)/ruff check --quiet .

types: env
	@$(BIN)/mypy --no-error-summary && $(BIN)/mypy --no-error-summary cli

imports: env
	@$(BIN)/lint-imports --no-logo > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }

tables: env  ## write the tables in docs that follow from the code
	@$(BIN)/python docs/tables.py

format: env  ## format the code and mend what lint can mend
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix .

unit: env
	@$(BIN)/pytest

test-slow: env  ## tests of more than ten seconds
	@$(BIN)/pytest -m slow

test-gpu: env  ## tests that need a CUDA device
	@$(BIN)/pytest -m gpu

test-licensed: env  ## tests with a licensed SMPL file: make test-licensed MESHGAIT_BODY=/path/to/SMPL_NEUTRAL.pkl
	@$(BIN)/pytest -m licensed

test-body: env  ## rebuild the free body at small size from its source (installs the anny extra)
	@$(PIP) install --constraint constraints.txt --editable '.[anny]'
	@$(BIN)/pytest -m anny

# The wheel of pytorch3d is tied to torch 2.12, whose only packaged build brings CUDA along.
$(P3D)/.installed: pyproject.toml
	@echo "installing torch 2.12 and pytorch3d into $(P3D), about 5 GB ..."
	@$(PYTHON) -m venv $(P3D)
	@$(P3D)/bin/python -m pip install --quiet torch==2.12.0
	@$(P3D)/bin/python -m pip install --quiet --editable '.[pytorch3d]' hypothesis pytest pytest-timeout
	@touch $@

test-pytorch3d: $(P3D)/.installed  ## pytorch3d in an environment of its own: tests of the backend, comparison of speed
	@$(P3D)/bin/pytest tests/unit/render/test_pytorch3d.py tests/unit/render/test_raster.py
	@$(P3D)/bin/python benchmarks/render.py --quick

bench: env  ## all benchmarks, short form
	@for topic in bodies markers fit fit_verdicts fit_real fit_scale render shards network; do $(BIN)/python benchmarks/$$topic.py --quick || exit 1; done

wheel: env  ## build the wheel into dist/
	@rm -rf dist && $(PIP) wheel --no-deps --wheel-dir dist . 2> $(VENV)/wheel.log || { cat $(VENV)/wheel.log; exit 1; }
	@rm -rf build; ls -l dist/*.whl

# The wheel alone, outside the repository: its manifests, body, markers and walks must have come along.
test-wheel: wheel  ## install the wheel apart from the source tree and index the walks that ship in it
	@test $$(stat -c %s dist/*.whl) -lt 15000000 || { echo "the wheel is larger than 15 MB"; exit 1; }
	@rm -rf dist/site && $(PIP) install --no-deps --target dist/site dist/*.whl
	@cd dist && export PYTHONPATH=$$PWD/site && ../$(BIN)/python -c "import meshgait_data as m; assert 'site' in m.__file__" \
	  && ../$(BIN)/python site/bin/mgdata body info && ../$(BIN)/python site/bin/mgdata markers info > markers.txt \
	  && ../$(BIN)/python site/bin/mgdata index cmu_walk --work work

clean:  ## remove what make made, except the environment
	rm -rf build dist *.egg-info $(DEMO)
