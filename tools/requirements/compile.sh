#!/usr/bin/env bash
# Compile the pinned, hashed requirements: one file an image, one for the build, two for developers.
# All files come from one resolution, so no two images hold different versions of a package.
# compile.sh [--upgrade | PACKAGE...]: present pins stay but for the packages that are named.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v uv >/dev/null || { echo "uv: is not installed; run this through 'make requirements'" >&2; exit 1; }

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
head="# Compiled by tools/requirements/compile.sh from the pyproject files; do not edit."
upgrades=()
for package in "$@"; do
  [ "$package" = --upgrade ] && { upgrades=(--upgrade); break; }
  upgrades+=(--upgrade-package "$package")
done

# A lock prefers what an older lock holds: the first is made from the pins that are committed.
if [ ! -f uv.lock ] && [ "${upgrades[*]}" != --upgrade ] && compgen -G 'requirements/*.txt' >/dev/null; then
  cp pyproject.toml "$out/pyproject.toml"
  trap 'cp "$out/pyproject.toml" pyproject.toml; rm -rf "$out"' EXIT
  named=$(IFS='|'; echo "$*")
  pins=$(sed -nE 's/^([A-Za-z0-9._-]+==[^ ;]+).*/"\1",/p' requirements/*.txt | sort -u |
    grep -vE "^\"(${named:-none})==" | tr '\n' ' ')
  sed -i "s/^constraint-dependencies = \[/&$pins/" pyproject.toml
  uv lock --quiet || {
    echo "requirements: a present pin does not suit; name its package: make requirements PACKAGES='...'" >&2
    exit 1
  }
  cp "$out/pyproject.toml" pyproject.toml
  trap 'rm -rf "$out"' EXIT
fi
uv lock --quiet "${upgrades[@]}"

# export FILE ARGUMENTS...: third-party packages only, with hashes, without the name of any index
export_to() {
  local file=$1
  shift
  { echo "$head"
    uv export --quiet --locked --no-emit-workspace --no-header --no-annotate --no-emit-index-url "$@"
  } >"$out/$file"
}
for part in predict monitor operator; do
  export_to "$part.txt" --package "taxi-$part" --no-dev --extra tracing
done
export_to train.txt --package taxi-train --no-dev
export_to report.txt --package taxi-report --no-dev --extra pipelines
export_to dev.txt --package taxi-workspace

# pin FILE REQUIREMENT...: what stands outside of the workspace
pin() {
  local file=$1
  shift
  # what the file holds already is preferred
  if [ -f "requirements/$file" ]; then cp "requirements/$file" "$out/$file"; fi
  printf '%s\n' "$@" | uv pip compile --quiet --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --python-version 3.11 --universal "${upgrades[@]}" \
    --output-file "$out/$file" -
  sed -i "1i $head" "$out/$file"
}
pin build.txt "hatchling>=1.27"
pin uv.txt "uv>=0.9"

if grep -nE '://|--(extra-)?index-url|--find-links' "$out"/*.txt; then
  echo "requirements: a line names a host; the pins must install from any index" >&2
  exit 1
fi
mkdir -p requirements
cp "$out"/*.txt requirements/
wc -l requirements/*.txt
