#!/bin/bash
# On a machine with an NVIDIA GPU: builds, checks every program against the CPU, then times a table of
# work against PyTorch where it is installed. Prints one report; docs/gpu.md says where its figures go.
#   bench/gpu/run.sh [REPORT]          TENON=build/tenon skips the build
set -euo pipefail
cd "$(dirname "$0")/../.."
report=${1:-/dev/stdout}
tenon=${TENON:-}
if [ -z "$tenon" ]; then
  ./dev build >&2
  tenon=build/tenon
fi
{
  echo "# Tenon on a GPU, $(date -u +%Y-%m-%dT%H:%MZ)"
  "$tenon" doctor
  python3 bench/gpu/check.py "$tenon"
  python3 bench/gpu/table.py "$tenon"
} > "$report"
