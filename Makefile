# Verbs of the project. `make` lists them; each is idempotent and says how long it took.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# kind: a cluster of our own; minikube or existing: the one that kubectl points at.
CLUSTER ?= kind
NAMESPACE ?= taxi
RELEASE ?= taxi
export CLUSTER

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/taxi-monitoring
PINS := $(shell sha256sum requirements/dev.txt requirements/uv.txt tools/dev/setup.sh 2>/dev/null | sha256sum | cut -c1-16)
VENV := $(CACHE)/venv-$(PINS)
PYTHON := $(VENV)/bin/python
SOURCES := libs/domain/src libs/profiles/src libs/store/src services/predict/src services/monitor/src \
           jobs/train/src operator/src tools/cluster/src tools/stories/src
empty :=
export PYTHONPATH := $(subst $(empty) ,:,$(addprefix $(CURDIR)/,$(SOURCES)))
TIMED := tools/dev/timed
BUILDER := env PYTHONPATH=$(CURDIR)/tools/cluster/src python3 -m taxi_cluster
STORIES := $(PYTHON) -m taxi_stories.main

# kubectl, helm and kind of the cluster builder come before those of the machine.
TOOLS_PATH = $$($(BUILDER) tools --print-path)
CONTEXT = $(if $(filter kind,$(CLUSTER)),kind-taxi,$(shell kubectl config current-context 2>/dev/null))
VALUES := .build/values.json

.PHONY: help
help: ## List the verbs
	@awk -F':.*## ' '/^[a-z%-]+:.*## /{printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  CLUSTER=kind|minikube|existing  IMAGE_REGISTRY=...  TAXI_START_DOCKER=0  KEEP=1  PURGE=1"

.PHONY: setup
setup: ## Install the pinned development environment into the cache
	@$(TIMED) "setup: development environment" tools/dev/setup.sh "$(VENV)"

.PHONY: up
up: setup ## Bring up the cluster with the chart installed and healthy
	@$(TIMED) "up: cluster" $(BUILDER) up
	@$(TIMED) "up: images" $(MAKE) images load
	@$(TIMED) "up: chart" $(MAKE) install

.PHONY: images
images: ## Build the images whose content changed
	@mkdir -p .build && $(BUILDER) images --values "$(VALUES)"

.PHONY: load
load: ## Bring the images into the cluster (kind, minikube) or push them to IMAGE_REGISTRY
	@$(BUILDER) load

.PHONY: install
install: ## Install or upgrade the chart and wait until it serves
	@PATH="$(TOOLS_PATH):$$PATH" $(STORIES) install --context "$(CONTEXT)" --namespace "$(NAMESPACE)" \
	   --release "$(RELEASE)" --values "$(VALUES)"

.PHONY: down
down: ## Remove what `up` made (PURGE=1: the caches too)
	@$(TIMED) "down" $(BUILDER) down $(if $(PURGE),--purge)

.PHONY: status
status: ## Say what is there
	@$(BUILDER) status

.PHONY: demo
demo: up ## Tell both stories on real rides (KEEP=1 keeps their namespaces)
	@$(TIMED) "demo" $(MAKE) tell

.PHONY: tell quiet collapse
tell:
	@PATH="$(TOOLS_PATH):$$PATH" $(STORIES) story $(STORY) --context "$(CONTEXT)" --values "$(VALUES)" $(if $(KEEP),--keep)
quiet: up ## Tell the quiet story: no alarm, nothing done
	@$(TIMED) "quiet" $(MAKE) tell STORY=quiet
collapse: up ## Tell the collapse: alarm, retrain, promotion, the error falls
	@$(TIMED) "collapse" $(MAKE) tell STORY=collapse

.PHONY: traffic
traffic: setup ## Send the rides of FILE (ARGS="--help" tells all options)
	@PATH="$(TOOLS_PATH):$$PATH" $(STORIES) traffic --context "$(CONTEXT)" --namespace "$(NAMESPACE)" \
	   --release "$(RELEASE)" $(or $(FILE),jobs/train/src/taxi_train/samples/green-2021-02-head.parquet) $(ARGS)

.PHONY: test
test: setup ## Everything: lint, unit, component, chart, end to end on the cluster
	@$(TIMED) "test" tools/dev/test.sh

.PHONY: lint
lint: setup ## ruff, mypy strict, import rules
	@PATH="$(VENV)/bin:$$PATH" $(TIMED) "lint" tools/dev/lint.sh

.PHONY: fmt
fmt: setup ## Format the code
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

.PHONY: test-unit test-component test-chart test-e2e
test-unit: setup ## Fast tests without network
	@$(TIMED) "unit" $(PYTHON) -m pytest tests/unit tests/contract tests/architecture
test-component: setup ## One part at a time, with the real mongod
	@$(TIMED) "component" env TAXI_MONGOD="$$($(BUILDER) mongod)" $(PYTHON) -m pytest tests/component
test-chart: setup ## The chart, rendered by the real helm
	@PATH="$(TOOLS_PATH):$$PATH" $(TIMED) "chart" $(PYTHON) -m pytest tests/chart
test-e2e: up ## On the cluster
	@PATH="$(TOOLS_PATH):$$PATH" TAXI_CONTEXT="$(CONTEXT)" TAXI_VALUES="$(CURDIR)/$(VALUES)" \
	   $(TIMED) "e2e" $(PYTHON) -m pytest tests/e2e -m "not soak"

.PHONY: requirements
requirements: setup ## Compile the pinned requirements of each image from the pyprojects
	@PATH="$(VENV)/bin:$$PATH" tools/requirements/compile.sh

bench-%: setup ## Measure: predict, fit; gate, offline-stories (DATA=folder of whole months)
	@PATH="$(TOOLS_PATH):$$PATH" TAXI_MONGOD="$$($(BUILDER) mongod)" \
	   $(TIMED) "bench $*" $(PYTHON) benchmarks/$(subst -,_,$*).py $(if $(DATA),--data "$(DATA)")

soak-%: up ## Repeat a fault many times and write the result
	@PATH="$(TOOLS_PATH):$$PATH" TAXI_CONTEXT="$(CONTEXT)" TAXI_VALUES="$(CURDIR)/$(VALUES)" \
	   $(TIMED) "soak $*" $(PYTHON) -m pytest tests/e2e -m soak -k "$(subst -,_,$*)"

.PHONY: soak-fuzz
soak-fuzz: setup ## 100,000 strange requests; memory before and after
	@$(TIMED) "soak fuzz" env TAXI_MONGOD="$$($(BUILDER) mongod)" TAXI_FUZZ_CASES=33400 \
	   $(PYTHON) -m pytest tests/component/test_predict_fuzz.py --timeout 3000

.PHONY: clean
clean: ## Remove what was built in the work tree
	@rm -rf .build && find . -name __pycache__ -type d -prune -exec rm -rf {} +
