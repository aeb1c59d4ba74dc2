#!/bin/sh
# Fails when a room includes what it must not: a sibling's header, or a
# library that has its one place elsewhere (docs/ARCHITECTURE.md, "Doors").
set -u
cd "$(dirname "$0")/.." || exit 2
bad=$(
    # room allowed-rooms (besides itself)
    while read -r room allowed; do
        for f in "$room"/*.[ch]; do
            [ -f "$f" ] || continue
            a=$allowed
            case $f in ingest/main*.[ch]) a="base embed index generate" ;; esac
            for inc in $(sed -n 's/^ *# *include "\([a-z]*\)\/.*/\1/p' "$f"); do
                case " $room $a " in
                *" $inc "*) ;;
                *) echo "$f: must not include $inc/" ;;
                esac
            done
        done
    done <<'ROOMS'
base
embed base
index base
ingest base
generate base
daemon base embed index ingest generate
client base
ROOMS
    # header-pattern files-where-it-may-be
    while read -r header place; do
        grep -lE "# *include <($header)" base/*.[ch] embed/*.[ch] \
            index/*.[ch] ingest/*.[ch] generate/*.[ch] daemon/*.[ch] \
            client/*.[ch] 2>/dev/null | grep -vE "^($place)" |
            while read -r f; do echo "$f: may not include <$header>"; done
    done <<'LIBS'
sqlite3 index/(store|fts)[a-z0-9_]*\.[ch]
faiss index/ann[a-z0-9_]*\.[ch]
curl/ base/http[a-z0-9_]*\.[ch]
pcre2 base/pattern[a-z0-9_]*\.[ch]
oneapi|dnnl embed/
microhttpd daemon/http[a-z0-9_]*\.[ch]
utf8proc base/|embed/
libxml ingest/
LIBS
    # another room's private header
    grep -nE '# *include "[a-z]+/[a-z_]*_int\.h"' ./*/*.[ch] 2>/dev/null |
        awk -F'[:/"]' '{ if ($2 != $6) print }' |
        sed 's/$/: private to its room/'
    # calls that have no safe use
    grep -nE '[^a-z_](strcpy|strcat|sprintf|vsprintf|gets|atoi|strtok|alloca)\(' \
        base/*.[ch] embed/*.[ch] index/*.[ch] ingest/*.[ch] generate/*.[ch] \
        daemon/*.[ch] client/*.[ch] 2>/dev/null | sed 's/$/: banned call/'
)
if [ -n "$bad" ]; then
    printf 'doors forced:\n%s\n' "$bad" >&2
    exit 1
fi
