#!/bin/bash
# Packs what a machine with a GPU needs to run Tenon where nothing can be built or fetched: the stripped
# command, the sweep's program, their shared libraries with the C library they were built with, and NVRTC.
#   bench/gpu/carry.sh [FOLDER]      into gpu-carry/ (ignored by git), about 50 MB as one archive
#   bench/gpu/carry.sh --open FOLDER the same as a folder, without NVRTC and without an archive (tests)
# Needs a build (./dev build). run.sh unpacks it there.
set -euo pipefail
cd "$(dirname "$0")/../.."
open=
[ "${1:-}" != --open ] || { open=1; shift; }
to=${1:-gpu-carry}
build=${TENON_BUILD:-build}
mkdir -p "$to"
folder=$to/tenon
rm -rf "$folder" "$to/tenon.tar.xz"
mkdir -p "$folder/bin" "$folder/lib" "$folder/libc"
programs=("$build/tenon")
[ ! -x "$build/tests/sweep/sweep_cudasim" ] || programs+=("$build/tests/sweep/sweep_cudasim")
# NVRTC: this machine's, or NVIDIA's wheel.
nvrtc=()
for from in "${TENON_NVRTC_PATH:-}" /usr/local/cuda/lib64 "$build"/nvrtc/nvidia/*/lib; do
  [ -z "$open" ] || break
  for library in "$from"/libnvrtc.so.1[23] "$from"/libnvrtc-builtins.so.1[23].*; do
    case $library in *.alt.* | *'*'*) ;; *) [ ! -e "$library" ] || nvrtc+=("$library") ;; esac
  done
  [ ${#nvrtc[@]} = 0 ] || break
done
{
  for program in "${programs[@]}"; do
    strip -o "$folder/bin/$(basename "$program")" "$program"
    ldd "$program"
  done
  for library in ${nvrtc[@]+"${nvrtc[@]}"}; do ldd "$library"; done
} | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\/.*ld-linux/ { print $1 }' | sort -u | while read -r library; do
  case $(basename "$library") in
    # Of the C library, that of the other machine is used where it is new enough.
    ld-linux* | libc.so* | libm.so* | libdl.so* | libpthread.so* | librt.so*) cp -L "$library" "$folder/libc/" ;;
    *) cp -L "$library" "$folder/lib/" ;;
  esac
done
# Starts a program of bin/ with these libraries.
cat > "$folder/start" <<'S'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
program=$here/bin/$(basename "$0")
if [ -d "$here/nvrtc" ] && [ -z "${TENON_NVRTC_PATH:-}" ]; then export TENON_NVRTC_PATH="$here/nvrtc"; fi
# With the C library of the machine, unless it is older than what the program was built with.
if LD_LIBRARY_PATH="$here/lib" "$here/bin/tenon" --version >/dev/null 2>&1; then
  LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$program" "$@"
fi
exec "$here"/libc/ld-linux-x86-64.so.2 --library-path "$here/lib:$here/libc${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$program" "$@"
S
chmod +x "$folder/start"
for program in "${programs[@]}"; do ln -s start "$folder/$(basename "$program")"; done
[ -z "$open" ] || exit 0
if [ ${#nvrtc[@]} = 0 ]; then
  echo "carry.sh: NVRTC is not among it (./dev nvrtc fetches it): the other machine must have one" >&2
else
  mkdir "$folder/nvrtc"
  cp -L "${nvrtc[@]}" "$folder/nvrtc/"
fi
tar -C "$to" -cf - tenon | xz -T0 -3 > "$to/tenon.tar.xz"
rm -rf "$folder"
ls -l "$to/tenon.tar.xz" >&2
