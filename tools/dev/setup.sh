#!/usr/bin/env bash
# setup.sh VENV: the pinned development environment, made once and kept in the cache.
set -euo pipefail
venv=$1
if [ -f "$venv/complete" ]; then
  echo "ready: $venv"
  exit 0
fi
python=$(command -v python3.11 || command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
  echo "python3: Python 3.11 is needed; install it (Debian 12: apt-get install python3 python3-venv)" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing python3-venv with apt-get"
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y python3-venv
  else
    echo "python3: has no venv; install it (Debian 12: apt-get install python3-venv)" >&2
    exit 1
  fi
fi
# A venv holds its own path, so it is made in place; `complete` marks a whole one.
mkdir -p "$(dirname "$venv")"
rm -rf "$venv"
trap 'rm -rf "$venv"' ERR
"$python" -m venv "$venv"
echo "installing $(grep -c '==' requirements/dev.txt) pinned packages (a minute or two)"
"$venv/bin/pip" install --quiet --require-hashes -r requirements/uv.txt
# Without --no-config uv would add the constraints of pyproject.toml, which have no hashes.
# All is compiled here: a process that may write only so much would leave half of a module's bytecode
# behind (Python does not look at what a write returns), and all later ones would fail at it.
VIRTUAL_ENV=$venv "$venv/bin/uv" --no-config pip install --quiet --require-hashes --compile-bytecode -r requirements/dev.txt
touch "$venv/complete"
