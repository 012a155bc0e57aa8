#!/usr/bin/env bash
# All checks and all tests. Workers share the cores; the summary of pytest is the last thing printed.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
bash scripts/lint.sh || failed=1
echo "-- front-end unit tests"
npm run --silent test || failed=1
echo "-- Python, protocol and browser tests"
# Every write of the tests waits for the disk, as in production. In memory that wait costs nothing; the calls are the same.
scratch=()
if [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -gt 6000000 ] 2>/dev/null; then
  folder=$(mktemp -d /dev/shm/yunying-tests.XXXXXX)
  trap 'rm -rf "$folder"' EXIT
  export TMPDIR=$folder
  scratch=(--basetemp "$folder/pytest")
fi
.venv/bin/python -m pytest -n "${WORKERS:-auto}" --dist loadgroup "${scratch[@]}" "$@" || failed=1
exit $failed
