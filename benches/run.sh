#!/usr/bin/env bash
# What propagation costs a request, in each language beside its rivals.
#   benches/run.sh [--quick]
# Prints the tables and writes them to benches/RESULTS.md. --quick runs Towline's variants alone and
# writes nothing; it fails on a wrong output or on more allocations than recorded, never on a time.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
case ${1-} in
  '' | --quick) ;;
  *) sed -n '2,5s/^# //p' run.sh >&2; exit 2 ;;
esac

machine() {
  local model
  model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
  printf '# What propagation costs\n\n'
  printf 'Made by `benches/run.sh` on %s: %s, %s cores, %s; load %s at the start.\n' "$(date -u +%F)" \
    "${model:-unknown CPU}" "$(nproc)" "$(uname -sr)" "$(cut -d' ' -f1 /proc/loadavg)"
}

sections=$(mktemp)
trap 'rm -f "$sections"' EXIT
[[ ${1-} ]] || machine | tee "$sections"
failed=()
for language in rust typescript python go; do
  [[ -x $language/run.sh ]] || continue
  { echo; "$language/run.sh" "$@"; } | tee -a "$sections" || failed+=("$language")
done
if ((${#failed[@]})); then
  echo "benches: failed: ${failed[*]}" >&2
  exit 1
fi
[[ ${1-} ]] || cp "$sections" RESULTS.md
