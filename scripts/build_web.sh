#!/usr/bin/env bash
# Builds the front ends into backend/static, but only when the lock or a source has changed since the last build.
set -euo pipefail
cd "$(dirname "$0")/.."
out=backend/static
fingerprint=$(find package-lock.json h5_viewer -path '*/node_modules' -prune -o -type f ! -name '*.test.ts' -print0 \
  | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/.built-from" 2>/dev/null)" = "$fingerprint" ] && [ -f "$out/.vite/manifest.json" ]; then
  echo "front ends: up to date"
  exit 0
fi
npm run --silent build
echo "$fingerprint" > "$out/.built-from"
