# Two commands matter: `make run` and `make test`. Each makes its own environment first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
COLAB := .venv-colab
TRIAL := .venv-release
# `make run` installs what the course needs, `make docs` the site; tests and tools every extra.
COURSE := .venv/.installed-course
SITE := .venv/.installed-site
EVERYTHING := .venv/.installed-everything

.PHONY: help lab run imagenet docs test suite cells test-all test-colab lint links notebooks figures demo owner release clean

help:  ## Say what each target does
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# Python writes what it has compiled even where the environment tells it not to: else each of the
# many processes compiles TensorFlow and the rest again, about seven seconds each.
export PYTHONDONTWRITEBYTECODE =

# TensorFlow has no files for other versions of Python. uv downloads 3.13 where the machine has none.
define environment
test -x $(1)/bin/python || { \
	  for python in $(PYTHON) python3.13 python3.12 python3.11; do \
	    $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && \
	      exec $$python -m venv $(1); \
	  done; \
	  if command -v uv >/dev/null; then exec uv venv --quiet --seed --python 3.13 $(1); fi; \
	  echo "Python 3.11, 3.12 or 3.13 is needed: install uv (https://docs.astral.sh/uv), which downloads it, or try make PYTHON=/path/to/python3.13" >&2; exit 1; }
endef

$(COURSE): WANTED = -e '.[embeddings,lab]'
$(COURSE): SIZE = 3.4 GB
$(SITE): WANTED = -e '.[app]' --group docs
$(SITE): SIZE = 3.4 GB
$(EVERYTHING): WANTED = -e '.[app,cluster,embeddings,lab,listen]' --group docs --group test
$(EVERYTHING): SIZE = 3.9 GB
$(EVERYTHING): INCLUDED = $(COURSE) $(SITE)

# What takes longest to compile is compiled here, both at once: TensorFlow, and librosa by numba,
# for all types that notebooks use: two kernels that compile one function at once can spoil it.
define LIBROSA
import librosa, numpy
for kind in "fd":
    y = numpy.random.default_rng(0).normal(size=4096).astype(kind)
    librosa.yin(y, fmin=200, fmax=900, sr=8000)
    librosa.feature.zero_crossing_rate(y)
    librosa.feature.inverse.mfcc_to_audio(librosa.feature.mfcc(y=y), n_iter=1)
endef
export LIBROSA
$(COURSE) $(SITE) $(EVERYTHING): pyproject.toml constraints.txt
	@$(call environment,.venv)
	@echo "Installing $(subst ',,$(WANTED)) into .venv (about $(SIZE)) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt $(WANTED)
	@$(BIN)/python -c 'import ipywidgets, papermill, seaborn; from cryutils.models.backend import keras; keras()' & \
	  $(BIN)/python -c "$$LIBROSA" && wait $$!
	@touch $@ $(INCLUDED)

lab: $(COURSE)  ## Open the course in JupyterLab
	$(BIN)/cryutils lab notebooks

run: $(COURSE)  ## Run the main path on synthetic voices, then on DonateACry; scoreboard and report
	$(BIN)/cryutils run --profile quick
	@if $(BIN)/cryutils data fetch donateacry; then \
	  echo "$(BIN)/cryutils run --profile real"; $(BIN)/cryutils run --profile real; \
	else echo "The real profile is skipped: DonateACry is not available (see the line above)."; fi

imagenet: $(COURSE)  ## Run 07 and 09 with ImageNet's weights, which Keras downloads (94 MB); hours
	$(BIN)/cryutils run --profile imagenet

docs: $(SITE)  ## Build the site into outputs/site, with the notebooks that run in the browser
	rm -rf outputs/site
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going -c docs -d build/doctrees . outputs/site
	$(BIN)/python docs/lite.py outputs/site
	@echo "The site: outputs/site/index.html"

# One thread a process, and as many processes as cores, 4 at most. TensorFlow takes up to 2 GiB each.
test test-all test-colab: export OMP_NUM_THREADS = 1
test test-all test-colab: export LOKY_MAX_CPU_COUNT = 1
PARALLEL := -n logical --maxprocesses 4
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with tests/notebooks/sanitize.cfg -p tests.notebooks.kernels $(PARALLEL) --dist loadfile --no-loadscope-reorder
# 07 to 09, 11 and 12 take minutes each: `make test-all` runs them. At every change a test checks that
# what they take from the library exists, with the arguments that they give.
CELLS := $(wildcard notebooks/lesson*.ipynb notebooks/0[2-6]*.ipynb notebooks/1[034]*.ipynb)

test: lint suite cells  ## Run what every change must pass: lint, unit and browser tests, the lessons, notebooks 02-06, 10, 13, 14

suite: $(EVERYTHING)
	$(BIN)/python -m pytest --doctest-modules --quiet cryutils crydecode
	$(BIN)/python -m pytest $(PARALLEL) --dist worksteal --durations=25 tests

cells: $(EVERYTHING)
	$(BIN)/python -m pytest $(NBVAL) $(CELLS)

# Before a release, and weekly. Without oneDNN, and with the instructions of older processors, the
# last bits of features and networks differ; neither may change a compared cell of a notebook.
test-all: lint  ## Run every test, also large ones, and every notebook with solved exercises
	CRYUTILS_TEST_LARGE=1 TF_ENABLE_ONEDNN_OPTS=0 $(BIN)/python -m pytest $(PARALLEL) --dist worksteal tests
	$(BIN)/python tools/notebooks.py solved build/solved
	ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell $(BIN)/python -m pytest $(NBVAL) build/solved

lint: $(EVERYTHING)  ## Check format, style, types, the order of imports and the dependencies
	$(BIN)/ruff format --check cryutils crydecode docs/*.py docs/browser tests tools benchmarks
	$(BIN)/ruff check cryutils crydecode docs/*.py docs/browser tests tools benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/deptry cryutils crydecode

links: $(SITE)  ## Check the site's links to other sites; needs the network
	$(BIN)/sphinx-build --quiet -b linkcheck -c docs -d build/doctrees . build/links

notebooks: $(EVERYTHING)  ## Execute the committed notebooks in place and store clean outputs
	$(BIN)/python tools/notebooks.py refresh

figures: $(EVERYTHING)  ## Fill the tables of docs from outputs/reference, and copy two figures from notebooks
	$(BIN)/python tools/figures.py

demo: $(COURSE)  ## Train the small model of synthetic infants that `cryutils serve --demo` uses
	CRYUTILS_OUTPUTS_DIR=build $(BIN)/cryutils run 04_cry2 05_image --name demo --fresh
	cp build/demo/models/*.json build/demo/models/*.tflite cryutils/inference/demo/models

# A link is changed whatever its owner was, so that a fork can use the command as well.
LINKED = *.md *.cff pyproject.toml docs/*.md notebooks/*.ipynb .github/*/*.yml
owner:  ## Write the owner on GitHub into every link, and check them: make owner NAME=...
	@echo "$(NAME)" | grep -Eqx '[A-Za-z0-9](-?[A-Za-z0-9]){0,38}' || \
	  { echo "NAME=$(NAME): give the owner's name on GitHub, such as make owner NAME=octocat." >&2; exit 1; }
	@perl -pi -e 's{(github\.com/|/github/|/gh/)[\w-]+(?=/cryutils\b)}{$$1$(NAME)}g; s{(?<=https://)[\w-]+(?=\.github\.io/cryutils\b)}{$(NAME)}g' $(LINKED)
	@perl -nle 'for (m{/cryutils/(?:blob/)?HEAD/([\w./-]+\w)}g) { -e or die "$$ARGV: its link leads to $$_, which is missing; correct the link.\n" }' $(LINKED)
	@echo "$$(grep -oh '/$(NAME)/cryutils' $(LINKED) | wc -l) links name $(NAME); make links asks the network."

test-colab: $(COLAB)/.installed  ## Run the notebooks and their widgets with Colab's versions
	CRYUTILS_TEST_FRONTEND=classic $(COLAB)/bin/python -m pytest $(PARALLEL) tests/notebooks/test_colab.py \
	  $(foreach name,knobs live player,tests/widgets/test_$(name).py) tests/browser/test_widgets_in_browser.py

$(COLAB)/.installed: pyproject.toml tests/notebooks/colab.txt
	@$(call environment,$(COLAB))
	@$(COLAB)/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(COLAB)/bin/uv pip install --quiet --compile-bytecode --python $(COLAB)/bin/python -c tests/notebooks/colab.txt -e '.[course]' -r tests/notebooks/colab.txt
	@touch $@

define apart
home=$$(mktemp -d) && cd "$$home" && \
	  env -i HOME="$$home" PATH="$(CURDIR)/$(TRIAL)/bin:$$PATH" CRYUTILS_OFFLINE=1 sh -c '$(1)' && rm -rf "$$home"
endef

# The wheel runs without the clone: an empty home, no variables, offline. First the core alone, then the course.
release: $(EVERYTHING)  ## Build the sdist and the wheel in dist, and try the wheel in a new environment
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/twine check --strict dist/*
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(TRIAL)
	$(BIN)/uv pip install --quiet --python $(TRIAL) -c constraints.txt dist/*.whl
	test $$(du -sm $(TRIAL) | cut -f1) -le 450  # MB
	$(call apart,cryutils audit $(CURDIR)/tests/data/table2_predictions.csv)
	$(BIN)/uv pip install --quiet --python $(TRIAL) -c constraints.txt "$$(ls dist/*.whl)[course]"
	$(call apart,cryutils run lesson_1_start_here 14_scoreboard && cryutils data film demo.mp4 && cryutils predict demo.mp4)
	@echo "Ready to publish:" dist/*

clean:  ## Remove environments, caches of tools and what runs wrote
	rm -rf .venv $(COLAB) $(TRIAL) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find outputs -mindepth 1 -maxdepth 1 ! -name README.md ! -name reference -exec rm -rf {} +
