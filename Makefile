# `make help` lists what there is. Every target does its own set-up and reuses what is already there.
.DEFAULT_GOAL := help
BUILD ?= build
JOBS ?= $(shell nproc)

.PHONY: help setup build demo demo-30m demo-1b train-mini lint test check asan bench install format clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## Debian packages and .venv
	@scripts/setup

$(BUILD)/build.ninja: CMakePresets.json CMakeLists.txt | setup
	cmake --preset release

build: setup $(BUILD)/build.ninja ## libraries and binaries, without tests
	cmake --build $(BUILD) -j$(JOBS) --target vqt-quantize vqt-eval vqt_python

demo: build ## quantize the trained mini VGGT, evaluate on a held-out scene and on real photographs
	scripts/demo mini

demo-30m: build ## a random VGGT of 30 M parameters on the photographs
	scripts/demo 30m

demo-1b: build ## the same at VGGT-1B's size
	scripts/demo 1b

train-mini: setup ## train the mini VGGT from nothing, or continue where it stopped (TRAIN="--minutes 100")
	.venv/bin/pip install -q --disable-pip-version-check -c requirements.txt -r requirements-train.txt
	.venv/bin/python -m examples.vggt_mini.train $(TRAIN)

lint: setup ## formats of C++ and Python, includes against docs/design.md; compiles nothing
	git ls-files '*.cpp' '*.h' '*.cu' | xargs clang-format --dry-run -Werror
	.venv/bin/ruff check -q .
	.venv/bin/python -m pytest -q tests/docs/layers_test.py

test: setup $(BUILD)/build.ninja ## every test: ctest, then pytest
	cmake --build $(BUILD) -j$(JOBS)
	ctest --test-dir $(BUILD) --output-on-failure
	.venv/bin/python -m pytest -q tests

check: ## what CI runs: lint, then test
	@.ci/run

asan: setup ## the C++ tests under address and undefined-behaviour sanitizers
	cmake --preset asan
	cmake --build build-asan -j$(JOBS)
	ctest --preset asan

bench: build ## speed compared with other runtimes on this machine: docs/benchmarks (30 to 45 minutes)
	JOBS=$(JOBS) scripts/bench $(BENCH)

install: build ## into PREFIX (default: ./install)
	cmake --install $(BUILD) --prefix $(or $(PREFIX),install)

format: setup ## clang-format on every C++ file
	git ls-files '*.cpp' '*.h' '*.cu' | xargs clang-format -i

clean: ## remove build trees and artifacts, keep .venv
	rm -rf build build-debug build-asan artifacts install
