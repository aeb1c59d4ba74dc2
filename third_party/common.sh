# shellcheck shell=bash disable=SC1091,SC2094
# What the scripts of the set-up share; sourced by bash, never run.
# Needs TOP, the root of the checkout. Sets CACHE, LEVEL and the names of
# parts.env.

. "$TOP/third_party/parts.env"

CACHE=${RAGD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ragd}
case $CACHE in /*) ;; *) CACHE=$PWD/$CACHE ;; esac
LEVEL=$("$TOP/third_party/cpu-level")
FAISS_DIR=$CACHE/$FAISS_PART-$LEVEL
LLAMA_DIR=$CACHE/$LLAMA_PART-$LEVEL
export CACHE LEVEL

say() {
    printf '%s\n' "$*"
}

die() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# The processor's instructions that a build for "this machine" may have used.
cpu_flags() {
    sed -n 's/^flags[[:space:]]*: //p' /proc/cpuinfo | head -n 1 |
        tr ' ' '\n' |
        grep -E '^(avx|fma|f16c|bmi|sse|ssse|amx|gfni|vaes|vpcl|popcnt|movbe)' |
        sort
}

# write_stamp DIR: lists every file of a finished part: bytes, sha256, name.
write_stamp() {
    (
        cd "$1" || exit 1
        find . -type f ! -name .stamp ! -name .stamp.new -print0 |
            LC_ALL=C sort -z |
            xargs -0 sha256sum |
            while read -r hash name; do
                printf '%s %s %s\n' "$(stat -c %s "$name")" "$hash" "$name"
            done >.stamp.new &&
            mv .stamp.new .stamp
    )
}

# part_whole DIR: is the part there, with every file of its stamp at its size,
# and can this machine run it? Costs a few milliseconds.
part_whole() {
    [ -s "$1/.stamp" ] || return 1
    (
        cd "$1" || exit 1
        [ "$(cut -d ' ' -f 3 .stamp | xargs stat -c '%s %n' 2>/dev/null)" = \
            "$(cut -d ' ' -f 1,3 .stamp)" ]
    ) || return 1
    [ ! -e "$1/.cpu" ] || [ -z "$(cpu_flags | comm -13 - "$1/.cpu")" ]
}

# file_whole FILE BYTES
file_whole() {
    [ "$(stat -c %s "$1" 2>/dev/null)" = "$2" ]
}

# The parts that are missing here, by name.
missing_parts() {
    part_whole "$FAISS_DIR" || echo faiss
    part_whole "$LLAMA_DIR" || echo llama
    file_whole "$CACHE/$ENCODER_FILE" "$ENCODER_BYTES" || echo encoder
    file_whole "$CACHE/$GENERATOR_FILE" "$GENERATOR_BYTES" || echo generator
}

# A python3 that has pip: the first in PATH, else Debian's own.
python_with_pip() {
    local p
    for p in python3 /usr/bin/python3; do
        if "$p" -m pip --version >/dev/null 2>&1; then
            echo "$p"
            return
        fi
    done
    return 1
}

# Is there a cargo that knows the sparse index (1.68 and later)? One in the
# home folder may be a front without anything behind it (another HOME, sudo):
# Debian's is looked at, too. Sets CARGO.
cargo_usable() {
    local v
    for CARGO in cargo /usr/bin/cargo; do
        v=$("$CARGO" --version 2>/dev/null) || continue
        v=${v#cargo }
        v=${v%% *}
        [ "$(printf '%s\n' 1.68.0 "$v" | sort -V | head -n 1)" = 1.68.0 ] &&
            return 0
    done
    return 1
}

# pip_fetch LIST FOLDER [OPTION...]: the packages of LIST, each pinned by
# version and hash, into FOLDER. Finished downloads survive an interruption.
pip_fetch() {
    local list=$1 folder=$2 python
    shift 2
    python=$(python_with_pip) || die "python3 has no pip (package python3-pip)"
    mkdir -p "$folder" "$folder.cache" "$folder.tmp"
    TMPDIR=$folder.tmp "$python" -m pip download \
        --disable-pip-version-check --no-input --progress-bar off \
        --cache-dir "$folder.cache" --no-deps --require-hashes \
        "$@" --dest "$folder" --requirement "$list"
}
