#!/usr/bin/env python3
"""How often an approved entry answers the questions it should, and others.

1. The samples' FAQ at the desk, with one wording an entry and with all: the
   question as it is, without spaces, one key mistyped (typist.py), in the
   file's other wordings (which the score was fitted on), and in ours of
   desk_paraphrases.tsv (which it was not); and with half of the entries gone,
   when what is asked of these has no right answer.
2. Which guard kept how many right and wrong entries back (eval_faq).
3. Where ../shared/data is there: banking77_en with one entry an intent (its
   example questions as wordings), over answer.faq_certainty, on the half of
   the questions that the score was not fitted on.

"faq" right and wrong, "clarify" with the right entry among the choices, and
the entry quoted as an extract, right and wrong, in per cent of what was
asked. Prints "name value unit".
"""
import collections
import csv
import hashlib
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

import typist

BUILD = os.environ.get("RAG_BUILD", "build")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SAMPLES = os.path.join(ROOT, "samples", "faq")
SHARED = os.environ.get("RAG_SHARED") or os.path.join(ROOT, "..", "shared")
BANKING = os.path.join(SHARED, "data", "retrieval", "banking77_en")
CERTAINTY = 0.8  # the default
CERTAINTIES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.5)
SLIPS = (101, 102, 103)  # not what anything was tuned on


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
        self.configure(CERTAINTY)
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

    def configure(self, certainty):
        with open(self.conf, "w") as f:
            f.write("[answer]\nfaq_certainty = %.2f\n[desk]\nrecord = no\n" %
                    certainty)

    def set_certainty(self, certainty):
        self.configure(certainty)
        self.p.send_signal(signal.SIGHUP)
        time.sleep(1)

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


def sample_rows():
    """The samples' entries that are valid now."""
    today = time.strftime("%Y-%m-%d")
    rows = []
    for name in ("bank-ko.csv", "bank-en.csv"):
        with open(os.path.join(SAMPLES, name), encoding="utf-8",
                  newline="") as f:
            rows += [r for r in csv.DictReader(f)
                     if (r.get("valid_from") or "") <= today <=
                     (r.get("valid_until") or "9999")]
    return rows


def variants(row):
    return [v.strip() for v in (row.get("variants") or "").split("|")
            if v.strip()]


def paraphrases():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        "desk_paraphrases.tsv")
    with open(path, encoding="utf-8") as f:
        return [tuple(reversed(line.rstrip("\n").split("\t")))
                for line in f if line.strip() and line[0] != "#"]


def entry(row, wordings):
    e = {"id": row["id"], "question": row["question"],
         "answer": row["answer"]}
    if wordings:
        e["variants"] = variants(row)
    return e


def samples():
    rows = sample_rows()
    ours = paraphrases()
    slips = [(typist.slip(r["question"], s), r["id"]) for r in rows
             for s in SLIPS]
    d = Daemon([entry(r, False) for r in rows])
    try:
        measure("faq_exact", d, [(r["question"], r["id"]) for r in rows])
        measure("faq_spacing", d, [(r["question"].replace(" ", ""), r["id"])
                                   for r in rows if r["id"].startswith(
                                       "faq-ko")])
        measure("faq_slip", d, slips)
        measure("faq_paraphrase_fitted", d,
                [(v, r["id"]) for r in rows for v in variants(r)])
        measure("faq_paraphrase", d, ours)
    finally:
        d.close()
    d = Daemon([entry(r, True) for r in rows])
    try:
        measure("faq_wordings_slip", d, slips)
        measure("faq_wordings_paraphrase", d, ours)
    finally:
        d.close()
    here = [r for i, r in enumerate(rows) if i % 2]
    ids = {r["id"] for r in here}
    d = Daemon([entry(r, True) for r in here])
    try:
        measure("faq_gone", d, [(q, None) for q, i in ours if i not in ids] +
                [(r["question"], None) for r in rows if r["id"] not in ids])
    finally:
        d.close()


def guards():
    """Of the right entry and of the nearest wrong one: how many a guard kept
    back, in per cent."""
    rows = sample_rows()
    tool = os.path.join(BUILD, "tests", "eval", "eval_faq")
    if not os.path.exists(tool):
        print("guards: %s is not there; skipped" % tool, file=sys.stderr)
        return
    asked = paraphrases() + [(v, r["id"]) for r in rows for v in variants(r)]
    out = subprocess.run([tool], input=json.dumps(
        {"entries": [{"id": r["id"], "wordings": [r["question"]],
                      "answer": r["answer"]} for r in rows],
         "asked": [{"q": q, "want": w} for q, w in asked]}).encode(),
        check=True, stdout=subprocess.PIPE).stdout
    kept = collections.Counter()
    for line in out.splitlines():
        j = json.loads(line)
        right = [c for c in j["near"] if c["id"] == j["asked"]["want"]]
        wrong = [c for c in j["near"] if c["id"] != j["asked"]["want"]][:1]
        for name, some in (("right", right), ("wrong", wrong)):
            for c in some:
                kept[name] += 1
                kept[name, c["veto"]] += 1
    for veto in ("language", "opposite", "number", "scope", "contrast",
                 "entity"):
        for name in ("right", "wrong"):
            print("faq_guard_%s_%s %.2f %%" % (
                veto, name, 100 * kept[name, veto] / max(1, kept[name])))


def reported(question):
    """The half of banking77's questions that nothing is fitted on."""
    return hashlib.sha256(question.encode()).digest()[0] & 1 == 1


def banking_set():
    with open(os.path.join(BANKING, "docs.jsonl"), encoding="utf-8") as f:
        docs = [json.loads(x) for x in f if x.strip()]
    with open(os.path.join(BANKING, "queries.jsonl"), encoding="utf-8") as f:
        queries = [json.loads(x) for x in f if x.strip()]
    entries = []
    for doc in docs:
        lines = [x for x in doc["text"].split("\n") if x.strip()][:16]
        entries.append({"id": doc["id"], "question": lines[0],
                        "variants": lines[1:], "answer": doc["title"]})
    return entries, [(q["question"],
                      q["relevant"][0] if q["relevant"] else None)
                     for q in queries]


def banking():
    entries, asked = banking_set()
    asked = [a for a in asked if reported(a[0])]
    d = Daemon(entries)
    try:
        for certainty in CERTAINTIES:
            d.set_certainty(certainty)
            measure("faq_banking77_%.2f" % certainty, d, asked)
    finally:
        d.close()


if __name__ == "__main__":
    samples()
    guards()
    if os.path.isdir(BANKING):
        banking()
    else:
        print("banking77_en is not there; skipped", file=sys.stderr)
