# Every target sets up what it needs. Offline: `make TARGET WHEELHOUSE=folder`, filled by `make wheelhouse` on a connected machine.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
# cpu, or gpu on a machine with an NVIDIA card
VARIANT ?= cpu
LOCK := locks/$(VARIANT).txt
PINNED := --no-deps --require-hashes $(if $(filter cpu,$(VARIANT)),--constraint locks/cpu.constraints.txt) --requirement $(LOCK)
BIN := .venv/bin
READY := .venv/.ready
WHEELHOUSE ?=
FROM := $(if $(WHEELHOUSE),--no-index --find-links '$(abspath $(WHEELHOUSE))')
PROFILE ?= serve-cpu
SERIAL ?= 1
KEY ?= build/images/key
RUNTIME ?= build/images/RUNTIME.TGZ
# Further words for the build, as BUILD_OPTIONS=--allow-unknown-advisories
BUILD_OPTIONS ?=
export SKERRY_BASES__FOLDER ?= $(CURDIR)/.cache/bases
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup bases demo test test-long images lint bench lock words docs wheelhouse clean

help:
	@echo 'make demo        2,000 made-up messages in, a served model out; DATA=file.csv TEXT=column LABEL=column for your own'
	@echo 'make test        every test but the long ones'
	@echo 'make test-long   soaks, sweeps, and the built wheel in a clean environment'
	@echo 'make images      a container image of PROFILE=serve-cpu, from its bundle, without a registry; as root (images/README.md)'
	@echo 'make lint        ruff and mypy'
	@echo 'make bench       speed and quality on real data'
	@echo 'make wheelhouse  fill WHEELHOUSE=folder on a connected machine; then any target runs offline with WHEELHOUSE=folder'
	@echo 'make lock        pin every dependency anew        make words   extract and compile the messages'
	@echo 'make docs        write the generated pages anew   make clean   remove what make made'

$(READY): $(LOCK) pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo 'installing what $(LOCK) pins into .venv (2 to 5 minutes the first time)'
	$(BIN)/python -m pip install -qq $(FROM) $(PINNED) || { echo 'no torch==...+cpu found? README.md, "The CPU build of torch", says how to name its index' >&2; exit 1; }
	$(BIN)/python -m pip install -qq --no-deps --no-index --no-build-isolation --editable .
	touch $@

setup: $(READY)

bases: $(READY)
	$(BIN)/skerry base fetch $(if $(WHEELHOUSE),--wheelhouse '$(abspath $(WHEELHOUSE))')

demo: bases
	$(BIN)/python examples/demo.py $(if $(DATA),--data '$(DATA)') $(if $(TEXT),--text '$(TEXT)') $(if $(LABEL),--label '$(LABEL)')

test: bases
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-long: bases
	WHEELHOUSE='$(if $(WHEELHOUSE),$(abspath $(WHEELHOUSE)))' $(BIN)/python -m pytest -m long

$(KEY)/vendor.key: | $(READY)
	mkdir -p $(dir $(KEY))
	$(BIN)/skerry-bundle keygen $(KEY)

$(RUNTIME): | $(READY)
	mkdir -p $(dir $@)
	$(BIN)/skerry-bundle runtime --out $@

images: $(READY) | $(KEY)/vendor.key $(RUNTIME)
	rm -rf build/images/$(PROFILE)
	$(BIN)/skerry-bundle build --profile $(PROFILE) --key $(KEY) --serial $(SERIAL) --runtime $(RUNTIME) --out build/images/$(PROFILE)/stick --payload build/images/$(PROFILE)/payload $(BUILD_OPTIONS)
	sh images/build.sh $(PROFILE) build/images/$(PROFILE)/payload $(RUNTIME)
	rm -rf build/images/$(PROFILE)/payload

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: bases
	for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file; done

lock: setup
	$(BIN)/python locks/lock.py

words: setup
	$(BIN)/python docs/catalogue.py

docs: setup
	$(BIN)/python docs/generate.py

wheelhouse: setup
	test -n '$(WHEELHOUSE)' || { echo 'name the folder: make wheelhouse WHEELHOUSE=folder'; exit 2; }
	$(BIN)/python -m pip download -qq --only-binary :all: $(PINNED) --dest '$(WHEELHOUSE)'
	$(BIN)/python -m pip download -qq --only-binary :all: --platform manylinux2014_x86_64 --python-version 3.12 --no-deps --require-hashes --requirement locks/bases.txt --dest '$(WHEELHOUSE)'

clean:
	rm -rf .venv .cache build dist demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
