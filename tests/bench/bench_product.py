#!/usr/bin/env python3
"""The product as its user meets it: ingest, start, search, ask, memory.

Runs the real programs of RAG_BUILD on samples/ (and on a larger public set
when ../shared/data is there) and prints "name value unit" lines.
"""
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("RAG_BUILD", "build")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
LARGE = os.path.join(ROOT, "..", "shared", "data", "retrieval", "nomiracl_en",
                     "docs.jsonl")


def line(name, value, unit):
    print("%s %.4g %s" % (name, value, unit), flush=True)


def quantile(xs, p):
    xs = sorted(xs)
    at = p * (len(xs) - 1)
    low = int(at)
    high = min(low + 1, len(xs) - 1)
    return xs[low] + (at - low) * (xs[high] - xs[low])


class Unix(http.client.HTTPConnection):
    """HTTP over the daemon's Unix socket."""

    def __init__(self, path, timeout=120):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        self.request(method, path, data,
                     {"Content-Type": "application/json"})
        reply = self.getresponse()
        text = reply.read()
        return reply.status, json.loads(text) if text else None


def ingest(data, paths, name):
    began = time.monotonic()
    out = subprocess.run(
        [os.path.join(BUILD, "rag-ingest"), "--data", data, "--json"] + paths,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    took = time.monotonic() - began
    if out.returncode not in (0, 65):
        sys.exit("rag-ingest ended with %d" % out.returncode)
    r = json.loads(out.stdout)
    documents = r.get("documents", 0)
    if isinstance(documents, dict):
        documents = documents.get("total", 0)
    line("ingest_%s_seconds" % name, took, "s")
    line("ingest_%s_documents_per_second" % name, documents / took, "1/s")
    if r.get("tokens"):
        line("ingest_%s_tokens_per_second" % name, r["tokens"] / took, "1/s")
    return took


def rss_mib(pid):
    with open("/proc/%d/status" % pid) as f:
        for row in f:
            if row.startswith("VmRSS:"):
                return int(row.split()[1]) / 1024
    return float("nan")


def start(data, sock, *more):
    began = time.monotonic()
    p = subprocess.Popen([os.path.join(BUILD, "ragd"), "--data", data,
                          "--socket", sock] + list(more),
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = None
    while time.monotonic() - began < 120:
        if p.poll() is not None:
            sys.exit("ragd ended with %d" % p.returncode)
        try:
            c = Unix(sock)
            if first is None:
                status, _ = c.call("POST", "/v1/search",
                                   {"query": "start", "k": 1})
                if status == 200:
                    first = time.monotonic() - began
            status, body = c.call("GET", "/v1/status")
            if first is not None and (body.get("ready") or
                                      "--no-generator" in more):
                return p, first, time.monotonic() - began
        except (OSError, http.client.HTTPException, ValueError):
            pass
        time.sleep(0.005)
    sys.exit("ragd was not ready in two minutes")


def stop(p):
    p.send_signal(signal.SIGTERM)
    try:
        p.wait(30)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()


def searches(sock, questions, name):
    c = Unix(sock)
    c.call("POST", "/v1/search", {"query": questions[0], "k": 10})
    times = []
    for q in questions:
        began = time.monotonic()
        status, _ = c.call("POST", "/v1/search", {"query": q, "k": 10})
        if status == 200:
            times.append(1000 * (time.monotonic() - began))
    line("search_%s_p50" % name, quantile(times, .5), "ms")
    line("search_%s_p99" % name, quantile(times, .99), "ms")


def asks(sock, questions):
    c = Unix(sock)
    first, total, faq, texts = [], [], [], []
    for q in questions:
        began = time.monotonic()
        status, r = c.call("POST", "/v1/ask", {"question": q})
        took = 1000 * (time.monotonic() - began)
        if status != 200:
            continue
        if r["status"] == "faq":
            faq.append(took)
            continue
        t = r.get("timings_ms", {})
        if t.get("first_token"):  # the generator ran
            first.append(t["first_token"])
            total.append(took)
            if t.get("first_text"):
                texts.append(t["first_text"])
    if faq:
        line("ask_faq_p50", quantile(faq, .5), "ms")
        line("ask_faq_p99", quantile(faq, .99), "ms")
    if total:
        line("ask_generated_count", len(total), "questions")
        line("ask_first_token_p50", statistics.median(first), "ms")
        line("ask_first_text_p50", statistics.median(texts or [0]), "ms")
        line("ask_whole_p50", statistics.median(total), "ms")
        line("ask_whole_p90", quantile(total, .9), "ms")


def main():
    tmp = tempfile.mkdtemp(prefix="rag-bench-")
    sock = os.path.join(tmp, "s")
    daemon = None
    try:
        with open(os.path.join(ROOT, "samples", "questions.jsonl")) as f:
            questions = [json.loads(x)["question"] for x in f if x.strip()]
        data = os.path.join(tmp, "samples")
        paths = [os.path.join(ROOT, "samples", d) for d in ("faq", "company")]
        ingest(data, paths, "samples")
        ingest(data, paths, "samples_unchanged")
        daemon, first, _ = start(data, sock, "--no-generator")
        line("start_to_first_search", 1000 * first, "ms")
        searches(sock, questions, "samples")
        line("daemon_rss_samples", rss_mib(daemon.pid), "MiB")
        stop(daemon)
        daemon, _, ready = start(data, sock)
        line("start_to_generator_ready", ready, "s")
        asks(sock, questions)
        stop(daemon)
        daemon = None
        if os.path.exists(LARGE):
            data = os.path.join(tmp, "large")
            ingest(data, [LARGE], "nomiracl_en")
            daemon, first, _ = start(data, sock, "--no-generator")
            line("start_to_first_search_nomiracl_en", 1000 * first, "ms")
            searches(sock, questions, "nomiracl_en")
            line("daemon_rss_nomiracl_en", rss_mib(daemon.pid), "MiB")
    finally:
        if daemon and daemon.poll() is None:
            stop(daemon)
        shutil.rmtree(tmp, ignore_errors=True)


if __name__ == "__main__":
    main()
