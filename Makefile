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
SOURCES := libs/domain/src libs/schema/src libs/files/src libs/profiles/src libs/store/src libs/runtime/src services/predict/src \
           services/monitor/src jobs/train/src jobs/report/src operator/src tools/cluster/src tools/stories/src tools/local/src tools/dashboards/src \
           models/taxi_duration/src
empty :=
export PYTHONPATH := $(subst $(empty) ,:,$(addprefix $(CURDIR)/,$(SOURCES)))
TIMED := tools/dev/timed
BUILDER := env PYTHONPATH=$(CURDIR)/tools/cluster/src python3 -m taxi_cluster
STORIES := $(PYTHON) -m taxi_stories.main
# The folder of what component tests run of a cluster; they are built when they are missing.
GO_TOOLS := env PYTHONPATH=$(CURDIR)/tools/cluster/src $(PYTHON) -c \
   'from taxi_cluster.go_tools import ensure; print(ensure(("etcd", "kube-apiserver", "kube-controller-manager", "prometheus", "helm", "helm3", "kubectl")))'
ALERTMANAGER := env PYTHONPATH=$(CURDIR)/tools/cluster/src $(PYTHON) -c \
   'from taxi_cluster.alertmanager import ensure; print(ensure())'

# Programs of the cluster builder come before those of the machine; only what a verb needs is built.
# A statement of its own, so that a failure ends the recipe.
WITH_CLIENTS := tools=$$($(BUILDER) tools --print-path kubectl kind helm); export PATH="$$tools:$$PATH";
WITH_ALL_TOOLS := tools=$$($(BUILDER) tools --print-path); export PATH="$$tools:$$PATH";
CONTEXT = $(if $(filter kind,$(CLUSTER)),kind-taxi,$(shell kubectl config current-context 2>/dev/null))
VALUES := .build/values.json
RELEASE_OPTIONS = --context "$(CONTEXT)" --namespace "$(NAMESPACE)" --release "$(RELEASE)"

# The verbs of one line depend on one another.
.NOTPARALLEL:

.PHONY: help
help: ## List the verbs
	@awk -F':.*## ' '/^[a-z0-9%-]+:.*## /{printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  CLUSTER=kind|minikube|existing  IMAGE_REGISTRY=...  TAXI_START_DOCKER=0  KEEP=1  PURGE=1  LAST=24h"

.PHONY: setup
setup: ## Install the pinned development environment into the cache
	@$(TIMED) "setup: development environment" tools/dev/setup.sh "$(VENV)"

.PHONY: up
up: setup ## Bring up the cluster with the chart installed and healthy
	@$(TIMED) "up" $(MAKE) cluster images load install

.PHONY: cluster
cluster:
	@$(TIMED) "cluster" $(BUILDER) up

.PHONY: images
images: ## Build the images whose content changed
	@mkdir -p .build && $(TIMED) "images" $(BUILDER) images --values "$(VALUES)"

.PHONY: sbom
sbom: setup images ## Write the images' bills of materials to .build/sbom, and docs/images.md
	@$(TIMED) "sbom" tools/dev/sbom.sh "$(PYTHON)" "$(VALUES)" .build/sbom

.PHONY: aarch64
aarch64: setup ## Resolve the pins of all images to wheels for ARM64 (asks the package index)
	@$(TIMED) "aarch64" env PATH="$(VENV)/bin:$$PATH" tools/requirements/aarch64.sh benchmarks/results/aarch64.json

.PHONY: load
load: ## Bring the images into the cluster (kind, minikube) or push them to IMAGE_REGISTRY
	@$(TIMED) "load" $(BUILDER) load

.PHONY: install
install: setup ## Install or upgrade the chart and wait until it serves
	@$(WITH_CLIENTS) $(TIMED) "install" $(STORIES) install $(RELEASE_OPTIONS) --values "$(VALUES)"

.PHONY: down down-release
down: $(if $(filter kind,$(CLUSTER)),,down-release) ## Remove what `up` made (PURGE=1: the caches too)
	@$(TIMED) "down" $(BUILDER) down $(if $(PURGE),--purge)
# On a cluster that is not ours the release is all that we made; what stays is said.
down-release: setup
	@$(WITH_CLIENTS) $(TIMED) "down: release" $(STORIES) uninstall $(RELEASE_OPTIONS)

.PHONY: status
status: ## Say what is there
	@$(TIMED) "status" $(BUILDER) status

.PHONY: demo
demo: setup ## Bring all up and tell the stories of the rides (KEEP=1 keeps their namespaces)
	@$(TIMED) "demo" $(MAKE) up tell

.PHONY: tell quiet harmless emergency collapse flights
tell:
	@$(WITH_CLIENTS) $(STORIES) story $(STORY) --context "$(CONTEXT)" --values "$(VALUES)" $(if $(KEEP),--keep)
quiet: up ## Tell the quiet story: no alarm, nothing done
	@$(TIMED) "quiet" $(MAKE) tell STORY=quiet
harmless: up ## Tell of drift without damage: alarm, a dry run, a candidate that is refused
	@$(TIMED) "harmless" $(MAKE) tell STORY=harmless
emergency: up ## Tell the emergency: a useless champion, the fallback, and back
	@$(TIMED) "emergency" $(MAKE) tell STORY=emergency
collapse: up ## Tell the collapse: alarm, retrain, approval, promotion, the error falls
	@$(TIMED) "collapse" $(MAKE) tell STORY=collapse
flights: up ## Tell of flights: another model beside the rides' release, drift, retrain, promotion
	@$(TIMED) "flights" $(MAKE) tell STORY=flights

.PHONY: report
report: setup ## Show the collapse's batch report after `demo` (LAST=24h: make one of the release)
	@$(if $(LAST),$(WITH_CLIENTS)) $(TIMED) "report" $(STORIES) report $(if $(LAST),--last "$(LAST)") $(RELEASE_OPTIONS)

.PHONY: try
try: setup ## Try it without a cluster (SCHEMA=schema.toml DATA=rows.parquet: on your own table)
	@mongod=$$($(BUILDER) mongod); TAXI_MONGOD="$$mongod" $(TIMED) "try" $(PYTHON) -m taxi_local.attempt \
	   $(if $(SCHEMA),--schema "$(SCHEMA)") $(if $(DATA),--data "$(DATA)") $(ARGS)

.PHONY: traffic
traffic: setup ## Send the rides of FILE (ARGS="--help" tells all options)
	@$(WITH_CLIENTS) $(TIMED) "traffic" $(STORIES) traffic $(RELEASE_OPTIONS) \
	   $(or $(FILE),models/taxi_duration/samples/green-2021-02-head.parquet) $(ARGS)

.PHONY: test
test: setup ## Everything: lint, unit, component, chart, end to end on the cluster
	@$(TIMED) "test" tools/dev/test.sh

.PHONY: lint
lint: setup ## ruff, mypy strict, import rules
	@PATH="$(VENV)/bin:$$PATH" $(TIMED) "lint" tools/dev/lint.sh

.PHONY: fmt
fmt: setup ## Format the code
	@PATH="$(VENV)/bin:$$PATH" $(TIMED) "fmt" bash -c "ruff format . && ruff check --fix ."

# These tests wait most of the time: for deadlines, for processes that start and end. Their files go
# by name: those with few tests, which may be the longest, would come last otherwise.
SIDE_BY_SIDE := --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: test-unit test-component test-chart test-e2e
test-unit: setup ## Fast tests without network
	@$(TIMED) "unit" $(PYTHON) -m pytest tests/unit tests/contract tests/architecture \
	   --numprocesses 2 --dist loadfile
test-component: setup ## One part at a time, with the real mongod, API server and Prometheus
	@mongod=$$($(BUILDER) mongod); tools=$$($(GO_TOOLS)); alertmanager=$$($(ALERTMANAGER)); \
	   TAXI_MONGOD="$$mongod" TAXI_GO_TOOLS="$$tools" TAXI_ALERTMANAGER="$$alertmanager" $(TIMED) "component" \
	   $(PYTHON) -m pytest tests/component -m "not soak" $(SIDE_BY_SIDE)
test-chart: setup ## The chart, rendered by the real helm
	@$(WITH_ALL_TOOLS) $(TIMED) "chart" $(PYTHON) -m pytest tests/chart --numprocesses 2 --dist loadfile
test-e2e: up ## On the cluster
	@$(WITH_ALL_TOOLS) TAXI_CONTEXT="$(CONTEXT)" TAXI_VALUES="$(CURDIR)/$(VALUES)" \
	   $(TIMED) "e2e" $(PYTHON) -m pytest tests/e2e -m "not soak" $(call REPORT,e2e)

# The reports of the tests of docs/faults.md; the name of each is the commit that was tested.
FAULTS := .build/faults
REPORT = --junitxml="$(CURDIR)/$(FAULTS)/$(1).xml" -o junit_suite_name="$$(git describe --always --dirty)"

.PHONY: faults
faults: setup ## Run the tests of docs/faults.md that need no cluster, and write it anew
	@mongod=$$($(BUILDER) mongod); tools=$$($(GO_TOOLS)); ended=0; \
	   TAXI_MONGOD="$$mongod" TAXI_GO_TOOLS="$$tools" $(TIMED) "faults" \
	   $(PYTHON) -m pytest $$($(PYTHON) tools/dev/faults_page.py --tests) $(call REPORT,local) $(SIDE_BY_SIDE) || ended=$$?; \
	   $(PYTHON) tools/dev/faults_page.py $(FAULTS)/*.xml; exit $$ended

.PHONY: pictures
pictures: setup ## Draw the pictures of docs/reports.md and docs/page.md again
	@TAXI_ARTIFACTS="$(CURDIR)/.build/artifacts" $(TIMED) "pictures" $(PYTHON) -m pytest -q \
	   tests/component/test_report_page.py tests/component/test_monitor_page_browser.py -k pictures
	@mkdir -p docs/pictures && cp .build/artifacts/*/pictures/*.png docs/pictures/

.PHONY: requirements
requirements: setup ## Compile the pins from the pyprojects; they stay but for PACKAGES ("--upgrade": all)
	@PATH="$(VENV)/bin:$$PATH" $(TIMED) "requirements" tools/requirements/compile.sh $(PACKAGES)

.PHONY: package
package: ## Pack the chart into .build/charts (PUSH=oci://...: and push it there, with PUSH_OPTIONS, as --plain-http)
	@mkdir -p .build/charts && $(WITH_CLIENTS) $(TIMED) "package" bash -euc '\
	   helm package charts/taxi-monitoring --destination .build/charts; \
	   if [ -n "$(PUSH)" ]; then helm push ".build/charts/taxi-monitoring-$$(awk "/^version:/{print \$$2}" charts/taxi-monitoring/Chart.yaml).tgz" "$(PUSH)" $(PUSH_OPTIONS); fi'

.PHONY: bench-operator
# No file of the folder may be named after a module of Python: it would take its place.
bench-operator: setup ## Measure the operator with 200 policies (BASE=commit: beside an earlier one)
	@mongod=$$($(BUILDER) mongod); tools=$$($(GO_TOOLS)); \
	   TAXI_MONGOD="$$mongod" TAXI_GO_TOOLS="$$tools" $(TIMED) "bench operator" \
	   $(PYTHON) benchmarks/operator_load.py $(if $(BASE),--base "$(BASE)")

bench-%: setup ## Measure: predict, score, check, fit, report, replay, monitor; gate, offline-stories, verdict (DATA=folder of whole months)
	@$(WITH_ALL_TOOLS) mongod=$$($(BUILDER) mongod); TAXI_MONGOD="$$mongod" \
	   $(TIMED) "bench $*" $(PYTHON) benchmarks/$(subst -,_,$*).py $(if $(DATA),--data "$(DATA)")

soak-%: up ## Repeat many times on the cluster and write the result: faults, rollout, swaps, alerts
	@$(WITH_ALL_TOOLS) TAXI_CONTEXT="$(CONTEXT)" TAXI_VALUES="$(CURDIR)/$(VALUES)" \
	   $(TIMED) "soak $*" $(PYTHON) -m pytest tests/e2e -m soak -k "$(subst -,_,$*)"

.PHONY: soak-fuzz
soak-fuzz: setup ## More than 100,000 strange requests; memory before and after
	@mongod=$$($(BUILDER) mongod); TAXI_MONGOD="$$mongod" TAXI_FUZZ_CASES=33400 $(TIMED) "soak fuzz" \
	   $(PYTHON) -m pytest tests/component/test_predict_fuzz.py --timeout 3000

.PHONY: soak-bodies
soak-bodies: setup ## 1,000 slow batches of 2 MB at once: memory, workers, and who asks meanwhile
	@mongod=$$($(BUILDER) mongod); TAXI_MONGOD="$$mongod" $(TIMED) "soak bodies" \
	   $(PYTHON) -m pytest tests/component/test_many_bodies.py -m soak

.PHONY: soak-slow-clients
soak-slow-clients: setup ## 600 half-sent requests for 90 s, renewed as they are closed: probes, metrics, workers
	@mongod=$$($(BUILDER) mongod); TAXI_MONGOD="$$mongod" $(TIMED) "soak slow clients" \
	   $(PYTHON) -m pytest tests/component/test_many_slow_clients.py -m soak

.PHONY: soak-upgrade
soak-upgrade: up ## Upgrade a release of 0.1.0, its images too, to this one under load, with Helm 4 and Helm 3
	@rm -rf .build/0.1.0 && mkdir -p .build/0.1.0 && git archive v0.1.0 | tar -x -C .build/0.1.0
	@$(MAKE) -C .build/0.1.0 images load
	@$(WITH_ALL_TOOLS) TAXI_CONTEXT="$(CONTEXT)" TAXI_VALUES="$(CURDIR)/$(VALUES)" \
	   $(TIMED) "soak upgrade" $(PYTHON) -m pytest tests/e2e/test_chart_upgrade.py -m soak

.PHONY: soak-stories
soak-stories: setup ## 200 random stories around the operator's code; invariants behind each step
	@TAXI_MACHINE_STORIES=200 TAXI_MACHINE_RESULT="$(CURDIR)/benchmarks/results/operator_stories.json" \
	   $(TIMED) "soak stories" $(PYTHON) -m pytest tests/unit/operator/test_simulated_stories.py --timeout 0

.PHONY: soak-operator
soak-operator: setup ## Kill the operator at random moments, 200 times; count the Jobs
	@mongod=$$($(BUILDER) mongod); tools=$$($(GO_TOOLS)); \
	   TAXI_MONGOD="$$mongod" TAXI_GO_TOOLS="$$tools" $(TIMED) "soak operator" \
	   $(PYTHON) -m pytest tests/component/test_operator_crashes.py -m soak

.PHONY: clean
clean: ## Remove what was built in the work tree
	@$(TIMED) "clean" bash -c "rm -rf .build && find . -name __pycache__ -type d -prune -exec rm -rf {} +"
