#!/usr/bin/env bash
# Format, lint, types and import rules, fastest first. PATH has the development environment.
set -euo pipefail
ruff format --check .
ruff check .
lint-imports
mypy -p taxi_domain -p taxi_profiles -p taxi_store -p taxi_runtime -p taxi_predict -p taxi_monitor \
  -p taxi_train -p taxi_operator -p taxi_cluster -p taxi_stories
