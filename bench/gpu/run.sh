#!/bin/bash
# On a machine with an NVIDIA GPU: says what is there, checks every operation and every program against the
# CPU, looks for bad accesses with compute-sanitizer, then times a table of work beside PyTorch and JAX where
# those are. docs/gpu.md tells how to carry this to a machine where nothing can be built, and what fits a
# lease of 30 minutes.
#   bench/gpu/run.sh [--out FOLDER] [STAGE ..]      all of: smoke sweep check sanitize speed
# TENON names the command; else it comes out of gpu-carry/tenon.tar.xz (carry.sh), else it is built.
# SECONDS_EACH (400): what the stages check, sanitize and speed may take, each; DEVICE (gpu): cudasim tries this out.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${OUT:-}
[ "${1:-}" != --out ] || { out=$2; shift 2; }
out=${out:-$(mktemp -d)}
mkdir -p "$out"
stages=${*:-smoke sweep check sanitize speed}
device=${DEVICE:-gpu} limit=${SECONDS_EACH:-400}
tenon=${TENON:-} sweep=
if [ -z "$tenon" ] && [ -e gpu-carry/tenon.tar.xz ]; then
  here=${TMPDIR:-/tmp}/tenon-carried
  rm -rf "$here" && mkdir -p "$here"
  tar -C "$here" -xJf gpu-carry/tenon.tar.xz || python3 -m tarfile -e gpu-carry/tenon.tar.xz "$here" || exit 1
  tenon=$here/tenon/tenon sweep=$here/tenon/sweep_cudasim
elif [ -z "$tenon" ]; then
  ./dev build >&2 || exit 1
  tenon=build/tenon
fi
[ -n "$sweep" ] || sweep=$(dirname "$tenon")/tests/sweep/sweep_cudasim
[ -x "$sweep" ] || sweep=$(dirname "$tenon")/sweep_cudasim
status=0
stage() {  # NAME COMMAND ..: what it says goes into the report and a file of its own
  echo -e "\n# $1"
  "${@:2}" 2>&1 | tee "$out/$1.txt" | cut -c1-400
  local code=${PIPESTATUS[0]}
  [ "$code" = 0 ] || { echo "($1 ended with $code)"; status=1; }
}
smoke() {
  date -u +%Y-%m-%dT%H:%MZ
  command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
  "$tenon" doctor || return 1
  local cache
  cache=$(mktemp -d)
  for run in cold warm; do  # the first result, with an empty cache and with a filled one
    local begin=$EPOCHREALTIME
    TENON_CACHE=$cache "$tenon" run --device "$device" --stats examples/xor.model 2>&1 | tail -n 4 || return 1
    echo "examples/xor.model, cache $run: $(python3 -c "print(round($EPOCHREALTIME - $begin, 3))") s"
  done
  rm -rf "$cache"
}
operations() { TENON_SWEEP_DEVICE=$device "$sweep" --gtest_brief=1; }
sanitize() {
  if ! command -v compute-sanitizer >/dev/null; then echo "no compute-sanitizer here"; return 0; fi
  for tool in memcheck racecheck; do
    python3 bench/gpu/check.py "$tenon" --device "$device" --only tests/lang/tensors --seconds $((limit / 2)) --jobs 4 \
      --under "compute-sanitizer --tool $tool --target-processes all --error-exitcode 9"
  done
}
{
  echo "# Tenon on a GPU"
  for s in $stages; do
    case $s in
      smoke) stage smoke smoke; [ $status = 0 ] || break ;;  # nothing works: no time is spent on the rest
      sweep) stage sweep operations ;;
      check) stage check python3 bench/gpu/check.py "$tenon" --device "$device" --seconds "$limit" ;;
      sanitize) stage sanitize sanitize ;;
      speed) stage speed python3 bench/gpu/table.py "$tenon" --device "$device" --seconds "$limit" --json "$out/speed.json" ${SMALL:+--small} ;;
      *) echo "run.sh: no stage $s" ;;
    esac
  done
  exit $status
} | tee "$out/report.md"
exit "${PIPESTATUS[0]}"
