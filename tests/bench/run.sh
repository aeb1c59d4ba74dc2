#!/bin/sh
# make bench: every benchmark in turn; "name value unit" lines on stdout,
# what is going on on stderr. BENCH="encoder index" runs only those. BENCH=peers
# installs other encoders and runs them and ours in turn (minutes, 6 GB).
set -u
cd "$(dirname "$0")/../.." || exit 2
rc=0
for source in tests/bench/bench_*.c tests/bench/bench_*.py; do
    [ -f "$source" ] || continue
    name=$(basename "$source")
    short=${name#bench_}
    short=${short%.*}
    case " ${BENCH:-$short} " in *" $short "*) ;; *) continue ;; esac
    echo "# $short" >&2
    case $name in
    *.c) "$RAG_BUILD/tests/bench/${name%.c}" || rc=$? ;;
    *) python3 "$source" || rc=$? ;;
    esac
done
case " ${BENCH:-} " in *" peers "*)
    echo "# peers" >&2
    python3 tests/bench/peers_encoder.py "$RAG_BUILD/tests/bench/bench_encoder" \
        || rc=$?
    ;;
esac
exit $rc
