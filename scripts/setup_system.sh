#!/usr/bin/env bash
# Debian packages that the tests drive. As root they are installed, otherwise the command is named.
set -euo pipefail
need=()
command -v chromium >/dev/null || need+=(chromium)
command -v storescu >/dev/null || need+=(dcmtk)
fc-list 2>/dev/null | grep -qi "noto.*cjk" || need+=(fonts-noto-cjk fontconfig)
[ ${#need[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
else
  echo "Missing for the tests: ${need[*]}. Run: sudo apt-get install ${need[*]}" >&2
  exit 1
fi
