#!/usr/bin/env python3
"""Our vector search beside others: the same vectors, the same questions.

usage: peers_index.py BENCH_INDEX [CHUNKS...]

BENCH_INDEX is the built tests/bench/bench_index. It runs first and leaves its
vectors, questions and true neighbours in a scratch file; then hnswlib, usearch
and sqlite-vec, one process each, index the same. They are installed into a
private environment in the cache folder when missing, pinned by version and
hash (peers_index.txt). hnswlib and usearch get M = 16 and efConstruction =
100, and are timed twice: with the smallest ef that finds 95 per cent of the ten
nearest, and with that which finds as much as ours (name.same); sqlite-vec scans. One thread searches. Prints "name value unit" lines.
"""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("RAGD_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ragd"
)

# Runs in the private environment: one engine on one file.
PEER = r'''
import sys, time
import numpy as np
engine, path, ours = sys.argv[1], sys.argv[2], float(sys.argv[3])
n, asked, dim = (int(x) for x in np.fromfile(path, np.uint64, 3))
at = 24
vectors = np.memmap(path, np.float32, "r", at, (n, dim))
at += vectors.nbytes
questions = np.fromfile(path, np.float32, asked * dim, offset=at)
questions = questions.reshape(asked, dim)
at += questions.nbytes
truth = np.fromfile(path, np.uint32, offset=at).reshape(-1, 10)


def rss():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024


def hnswlib():
    import hnswlib as h
    index = h.Index("ip", dim)
    index.init_index(n, ef_construction=100, M=16)
    for i in range(0, n, 10000):
        index.add_items(vectors[i : i + 10000], np.arange(i, min(n, i + 10000)))
    index.set_num_threads(1)
    def search(q, ef):
        index.set_ef(ef)
        return index.knn_query(q, 10)[0][0]
    return search


def usearch():
    from usearch.index import Index
    index = Index(ndim=dim, metric="ip", dtype="f16", connectivity=16,
                  expansion_add=100)
    for i in range(0, n, 10000):
        index.add(np.arange(i, min(n, i + 10000)), vectors[i : i + 10000])
    def search(q, ef):
        index.expansion_search = ef
        return index.search(q, 10, threads=1).keys
    return search


def sqlite_vec():
    import pysqlite3 as sqlite3, sqlite_vec as s
    db = sqlite3.connect(":memory:")
    db.enable_load_extension(True)
    s.load(db)
    db.execute("CREATE VIRTUAL TABLE v USING vec0(e float[%d]"
               " distance_metric=cosine)" % dim)
    for i in range(n):
        db.execute("INSERT INTO v(rowid, e) VALUES(?, ?)",
                   (i, vectors[i].tobytes()))
    return lambda q, ef: [r[0] for r in db.execute(
        "SELECT rowid FROM v WHERE e MATCH ? AND k = 10 ORDER BY distance",
        (q.tobytes(),))]


before, t0 = rss(), time.perf_counter()
search = {"hnswlib": hnswlib, "usearch": usearch,
          "sqlite_vec": sqlite_vec}[engine]()
built = time.perf_counter() - t0
most = len(truth) if n < 200000 or engine != "sqlite_vec" else 20


def recall(ef):
    hits = sum(len(set(int(x) for x in search(questions[i], ef))
                   & set(int(x) for x in truth[i])) for i in range(most))
    return hits / (10 * most)


def measure(name, wanted):
    ef = 10
    found = recall(ef)
    while found < wanted and ef < 2000 and engine != "sqlite_vec":
        ef = ef * 5 // 4
        found = recall(ef)
    times = []
    for i in range(most):
        least = 1e9
        for _ in range(3):
            t0 = time.perf_counter()
            search(questions[i], ef)
            least = min(least, time.perf_counter() - t0)
        times.append(least * 1000)
    times.sort()
    print(name + "ef %d width" % ef)
    print(name + "recall10 %.3f share" % found)
    print(name + "p50 %.3f ms" % times[len(times) // 2])
    print(name + "p99 %.3f ms" % times[len(times) * 99 // 100], flush=True)


name = "index.%d.%s." % (n, engine)
print(name + "build %.0f ms" % (built * 1000))
print(name + "memory %.1f MiB" % (rss() - before))
measure(name, 0.95)
if engine != "sqlite_vec":
    measure(name + "same.", ours)
'''


def say(text):
    print(text, file=sys.stderr, flush=True)


def environment():
    """-> python of an environment that holds what peers_index.txt names."""
    path = os.path.join(HERE, "peers_index.txt")
    with open(path, "rb") as f:
        key = hashlib.sha256(f.read()).hexdigest()[:12]
    folder = os.path.join(CACHE, "bench-peers-" + key)
    python = os.path.join(folder, "bin", "python")
    if os.path.exists(os.path.join(folder, "complete")):
        return python
    say("installing the peers into " + folder)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--no-deps", "--require-hashes",
         "--disable-pip-version-check", "--only-binary=:all:", "-r", path],
        check=True, stdout=sys.stderr)
    open(os.path.join(folder, "complete"), "w").close()
    return python


def main():
    if len(sys.argv) < 2:
        say(__doc__)
        return 64
    bench, sizes = sys.argv[1], sys.argv[2:] or ["10000"]
    python = environment()
    with tempfile.TemporaryDirectory(prefix="rag-peers-") as folder:
        path = os.path.join(folder, "vectors")
        for size in sizes:
            done = subprocess.run([bench, "--vectors", path, size],
                                  check=True, stdout=subprocess.PIPE, text=True)
            print(done.stdout, end="", flush=True)
            ours = re.search(r"\.vector\.recall10 (\S+)", done.stdout).group(1)
            for engine in ("hnswlib", "usearch", "sqlite_vec"):
                if subprocess.run([python, "-c", PEER, engine,
                                   path, ours]).returncode != 0:
                    say(engine + ": failed, left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
