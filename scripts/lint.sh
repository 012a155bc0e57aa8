#!/usr/bin/env bash
# Format, lint, strict types, import rules. Each failure is printed; all run before the script fails.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
run() {
  local name=$1
  shift
  if output=$("$@" 2>&1); then echo "ok      $name"; else
    echo "FAILED  $name"
    echo "$output" | tail -n 60
    failed=1
  fi
}
run "ruff format" .venv/bin/ruff format --check .
run "ruff check" .venv/bin/ruff check .
run "mypy --strict" .venv/bin/mypy
run "import-linter" .venv/bin/lint-imports
run "front ends: format, lint, types" npm run --silent check
exit $failed
