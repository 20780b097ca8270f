#!/usr/bin/env bash
# Bills of materials of the images that VALUES names, and docs/images.md. PYTHON is the development
# environment's; the checker has an environment of its own.
# sbom.sh PYTHON VALUES FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$1 values=$2 folder=$3
key=$(sha256sum images/bills.txt | cut -c1-16)
checker=${XDG_CACHE_HOME:-$HOME/.cache}/taxi-monitoring/bills-$key
if [ ! -f "$checker/complete" ]; then
  "$python" -m venv --clear "$checker"
  "$checker/bin/python" -m pip install -q --require-hashes -r images/bills.txt
  touch "$checker/complete"
fi
"$python" tools/dev/images_page.py "$values" "$folder"
"$checker/bin/python" tools/dev/check_bills.py "$folder"/*.cdx.json
