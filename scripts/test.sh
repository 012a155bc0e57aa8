#!/usr/bin/env bash
# All checks and all tests. Workers share two cores; the summary of pytest is the last thing printed.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
bash scripts/lint.sh || failed=1
echo "-- front-end unit tests"
npm run --silent test || failed=1
echo "-- Python, protocol and browser tests"
.venv/bin/python -m pytest -n "${WORKERS:-auto}" --dist loadgroup "$@" || failed=1
exit $failed
