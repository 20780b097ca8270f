#!/usr/bin/env bash
# Format, lint, types and import rules, fastest first. PATH has the development environment.
set -euo pipefail
ruff format --check .
ruff check .
lint-imports
mypy
