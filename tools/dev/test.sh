#!/usr/bin/env bash
# The whole test run: each stage prints its own time, the first failure ends the run with
# its exit code, and the cluster is left as `make up` leaves it.
set -uo pipefail
failed=0
for stage in lint test-unit test-component test-chart test-e2e; do
  make "$stage" || { failed=1; echo "stage $stage failed" >&2; [ "${KEEP_GOING:-}" ] || break; }
done
exit $failed
