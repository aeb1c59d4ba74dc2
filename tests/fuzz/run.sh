#!/bin/sh
# Runs each fuzz target for FUZZ_SECONDS, from the seeds in
# tests/fuzz/corpus/NAME where there are some, or that it writes itself; the
# same inputs in every run unless FUZZ_SEED=0. Closes with a count.
set -u
cd "$(dirname "$0")/../.." || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0
for name in "$@"; do
    mkdir -p "$tmp/$name"
    seeds=tests/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    if (cd "$tmp" && RAG_FUZZ_SEEDS="$tmp/$name" \
        "$RAG_BUILD/tests/fuzz/$name" -rss_limit_mb=4096 -timeout=10 \
        -seed="${FUZZ_SEED:-1}" -max_total_time="${FUZZ_SECONDS:-20}" \
        -print_final_stats=0 "$tmp/$name" ${seeds:+"$OLDPWD/$seeds"}) > "$tmp/$name.log" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $name"
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        tail -40 "$tmp/$name.log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
