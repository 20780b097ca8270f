#!/usr/bin/env bash
# Resolve each part's pins to wheels for ARM64 with the images' Python, without installing them.
# aarch64.sh RESULT: writes packages by file; ends with 1 when a pin has no wheel.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
rows=()
for file in requirements/{predict,monitor,train,report,operator}.txt; do
  said=$(uv pip install --no-config --dry-run --python-platform aarch64-manylinux_2_40 --python-version 3.11 \
    --only-binary :all: --require-hashes --no-deps --target "$target/none" -r "$file" 2>&1) ||
    { echo "$file: $said" >&2; exit 1; }
  count=$(grep -c '^ + ' <<<"$said")
  echo "$file: $count wheels"
  rows+=("  \"$(basename "$file" .txt)\": $count")
done
printf '{\n%s\n}\n' "$(IFS=$'\n'; sed '$!s/$/,/' <<<"${rows[*]}")" >"$1"
