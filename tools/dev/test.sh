#!/usr/bin/env bash
# The whole test run: each stage prints its own time, the first failure ends the run with
# its exit code, and the cluster is left as `make up` leaves it. The images, which are mostly
# waited for, are built beside the stages that need the processor.
set -uo pipefail
failed=0
log=$(mktemp)
setsid make images >"$log" 2>&1 &
images=$!
# The whole group: make's children too.
trap '[ -z "$images" ] || kill -- "-$images" 2>/dev/null; rm -f "$log"' EXIT
for stage in lint test-unit images test-component test-chart test-e2e; do
  if [ "$stage" = images ]; then
    wait "$images" && { images=""; continue; }
    images=""
    cat "$log" >&2
    echo "the images failed beside the other stages; what was built is kept, the rest is tried again" >&2
  fi
  make "$stage" || { failed=1; echo "stage $stage failed" >&2; [ "${KEEP_GOING:-}" ] || break; }
done
exit $failed
