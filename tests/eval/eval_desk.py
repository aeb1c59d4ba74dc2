#!/usr/bin/env python3
"""How often an approved entry answers the questions it should, and others.

1. The samples' FAQ at the desk with one wording an entry: the question as it
   is, without spaces, with a slip of one syllable or letter, and in the other
   wordings of the file, which the desk is not told.
2. Where ../shared/data is there: banking77_en with one entry an intent (its
   example questions as wordings), over answer.faq_cosine.

"faq" right and wrong, "clarify" with the right entry among the choices, and
the entry quoted as an extract, right and wrong, in per cent of what was
asked. Prints "name value unit".
"""
import csv
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("RAG_BUILD", "build")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SAMPLES = os.path.join(ROOT, "samples", "faq")
BANKING = os.path.join(ROOT, "..", "shared", "data", "retrieval",
                       "banking77_en")
COSINES = (0.80, 0.85, 0.88, 0.90, 0.92, 0.95)


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def call(self, path, body):
        self.request("POST", path, json.dumps(body),
                     {"Content-Type": "application/json"})
        r = self.getresponse()
        v = json.loads(r.read())
        if r.status != 200:
            sys.exit("%s: %s" % (path, v))
        return v


class Daemon:
    def __init__(self, entries):
        self.tmp = tempfile.mkdtemp(prefix="rag-eval-")
        self.sock = os.path.join(self.tmp, "s")
        self.conf = os.path.join(self.tmp, "conf")
        self.configure(0.85)
        self.p = subprocess.Popen(
            [os.path.join(BUILD, "ragd"), "--config", self.conf, "--data",
             os.path.join(self.tmp, "data"), "--socket", self.sock,
             "--no-generator"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not os.path.exists(self.sock):
            if self.p.poll() is not None or time.monotonic() > until:
                sys.exit("ragd does not start")
            time.sleep(0.05)
        self.c = Unix(self.sock)
        for i in range(0, len(entries), 200):
            r = self.c.call("/v1/faq", {"op": "import", "approve": True,
                                        "by": "eval",
                                        "entries": entries[i:i + 200]})
            if r["failed"]:
                sys.exit("import: %s" % r["failed"][:1])

    def configure(self, cosine):
        with open(self.conf, "w") as f:
            f.write("[answer]\nfaq_cosine = %.2f\n[desk]\nrecord = no\n" %
                    cosine)

    def set_cosine(self, cosine):
        self.configure(cosine)
        self.p.send_signal(signal.SIGHUP)
        time.sleep(0.5)

    def ask(self, question):
        return self.c.call("/v1/ask", {"question": question})

    def close(self):
        self.p.send_signal(signal.SIGTERM)
        self.p.wait(60)
        shutil.rmtree(self.tmp, ignore_errors=True)


def measure(name, daemon, asked):
    """asked: (question, id or None when no entry fits)."""
    right = wrong = choice = quoted = misquoted = 0
    examples = []
    for question, want in asked:
        a = daemon.ask(question)
        got = [c["doc"] for c in a["citations"]]
        if a["status"] == "faq" and want in got:
            right += 1
        elif a["status"] == "faq":
            wrong += 1
            examples.append((question, want, got))
        elif a["status"] == "clarify" and want in [c["doc"] for c in
                                                   a["choices"]]:
            choice += 1
        elif a["status"] == "extract" and want in got:
            quoted += 1
        elif a["status"] == "extract":
            misquoted += 1
    n = len(asked)
    for what, count in (("right", right), ("wrong", wrong),
                        ("clarify", choice), ("quoted", quoted),
                        ("misquoted", misquoted)):
        print("%s_%s %.2f %%" % (name, what, 100 * count / n), flush=True)
    if os.environ.get("EVAL_VERBOSE"):
        for e in examples:
            print("# %s: %s" % (name, e), file=sys.stderr)


def slip(question):
    """One syllable or letter of the longest word twice or left out."""
    words = question.rstrip("?.! ").split(" ")
    at = max(range(len(words)), key=lambda i: len(words[i]))
    w = words[at]
    i = len(w) // 2
    words[at] = w[:i] + w[i + 1:] if len(question) % 2 else w[:i] + w[i - 1:]
    return " ".join(words) + "?"


def samples():
    today = time.strftime("%Y-%m-%d")
    rows = []
    for name in ("bank-ko.csv", "bank-en.csv"):
        with open(os.path.join(SAMPLES, name), encoding="utf-8",
                  newline="") as f:
            rows += [r for r in csv.DictReader(f)
                     if (r.get("valid_from") or "") <= today <=
                     (r.get("valid_until") or "9999")]
    d = Daemon([{"id": r["id"], "question": r["question"],
                 "answer": r["answer"]} for r in rows])
    try:
        measure("faq_exact", d, [(r["question"], r["id"]) for r in rows])
        measure("faq_spacing", d, [(r["question"].replace(" ", ""), r["id"])
                                   for r in rows if r["id"].startswith(
                                       "faq-ko")])
        measure("faq_slip", d, [(slip(r["question"]), r["id"]) for r in rows])
        measure("faq_paraphrase", d, [
            (v.strip(), r["id"]) for r in rows
            for v in (r.get("variants") or "").split("|") if v.strip()])
    finally:
        d.close()


def banking():
    with open(os.path.join(BANKING, "docs.jsonl"), encoding="utf-8") as f:
        docs = [json.loads(x) for x in f if x.strip()]
    with open(os.path.join(BANKING, "queries.jsonl"), encoding="utf-8") as f:
        queries = [json.loads(x) for x in f if x.strip()]
    entries = []
    for doc in docs:
        lines = [x for x in doc["text"].split("\n") if x.strip()][:16]
        entries.append({"id": doc["id"], "question": lines[0],
                        "variants": lines[1:], "answer": doc["title"]})
    asked = [(q["question"], q["relevant"][0] if q["relevant"] else None)
             for q in queries]
    d = Daemon(entries)
    try:
        for cosine in COSINES:
            d.set_cosine(cosine)
            measure("faq_banking77_%.2f" % cosine, d, asked)
    finally:
        d.close()


if __name__ == "__main__":
    samples()
    if os.path.isdir(BANKING):
        banking()
