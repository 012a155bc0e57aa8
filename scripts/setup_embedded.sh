#!/usr/bin/env bash
# The embedded database: a program of its own (GPL-2.0), spoken to over its socket and never imported; see docs/dependencies.md.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf .embedded .embedded.new
.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes \
  --target .embedded.new -r requirements-embedded.txt
PYTHONPATH=.embedded.new .venv/bin/python -m secantus --help >/dev/null
mv .embedded.new .embedded
