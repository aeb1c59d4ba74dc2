#!/bin/sh
# make eval DATA=DIR: `rag eval` on one set, or on every set below DIR that
# holds questions. EVAL_OPTIONS is passed on (for example --answers).
set -u
data=${1:-samples}
if [ ! -d "$data" ]; then
    echo "$data: no such folder; nothing measured" >&2
    exit 66
fi
rc=0
for dir in "$data" "$data"/*/; do
    [ -f "$dir/queries.jsonl" ] || [ -f "$dir/questions.jsonl" ] || continue
    # shellcheck disable=SC2086 # options are words
    "$RAG_BUILD/rag" eval ${EVAL_OPTIONS:-} "$dir" || rc=$?
    echo
done
exit $rc
