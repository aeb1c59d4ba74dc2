#!/usr/bin/env python3
"""The desk under load: approved answers through the socket.

Asks every question of the samples' FAQ and of entries approved at the desk,
idle, while one generation and one ingest run, and from 200 clients at once;
also checks that the words are those approved. Prints "name value unit".
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
import threading
import time

BUILD = os.environ.get("RAG_BUILD", "build")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SAMPLES = os.path.join(ROOT, "samples")
CLIENTS = 200
A_CLIENT = 10  # questions each
ROUNDS = 5


def line(name, value, unit):
    print("%s %.4g %s" % (name, value, unit), flush=True)


def quantile(xs, p):
    xs = sorted(xs)
    at = p * (len(xs) - 1)
    low = int(at)
    high = min(low + 1, len(xs) - 1)
    return xs[low] + (at - low) * (xs[high] - xs[low])


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def call(self, path, body=None):
        method = "GET" if body is None else "POST"
        self.request(method, path, body and json.dumps(body),
                     {"Content-Type": "application/json"})
        r = self.getresponse()
        return r.status, json.loads(r.read())


def questions():
    """(question, answer) of the samples' entries that are valid now."""
    today = time.strftime("%Y-%m-%d")
    out = []
    for name in ("bank-ko.csv", "bank-en.csv"):
        with open(os.path.join(SAMPLES, "faq", name), encoding="utf-8",
                  newline="") as f:
            for row in csv.DictReader(f):
                until = row.get("valid_until") or "9999"
                since = row.get("valid_from") or ""
                if since <= today <= until:
                    out.append((row["question"], row["answer"]))
    return out


def desk_entries(n):
    return [{"id": "bench-%d" % i,
             "question": "창구 안내 %d번은 무엇을 하는 곳인가요?" % i,
             "answer": "창구 %d번은 상담을 하는 곳입니다." % i}
            for i in range(n)]


class Asker(threading.Thread):
    """One client with a connection of its own, one question after another."""

    def __init__(self, sock, pairs, times):
        super().__init__()
        self.sock, self.pairs, self.times = sock, pairs, times
        self.ms, self.wrong, self.busy, self.failed = [], 0, 0, None

    def run(self):
        try:
            c = Unix(self.sock)
            for i in range(self.times):
                question, answer = self.pairs[i % len(self.pairs)]
                began = time.monotonic()
                status, r = c.call("/v1/ask", {"question": question})
                if status == 503:
                    self.busy += 1
                    c.close()
                    c = Unix(self.sock)
                    continue
                self.ms.append(1000 * (time.monotonic() - began))
                if r.get("status") == "faq" and r["answer"] != answer:
                    self.wrong += 1
                elif r.get("status") not in ("faq", "clarify"):
                    self.wrong += 1
            c.close()
        except (OSError, http.client.HTTPException, ValueError) as e:
            self.failed = e


def measure(name, sock, pairs, rounds=ROUNDS):
    a = Asker(sock, pairs, rounds * len(pairs))
    a.start()
    a.join()
    report(name, [a])


def report(name, askers):
    ms = [x for a in askers for x in a.ms]
    broken = [a.failed for a in askers if a.failed]
    if broken or not ms:
        sys.exit("%s: %s" % (name, broken[:1]))
    line("desk_%s_p50" % name, quantile(ms, .5), "ms")
    line("desk_%s_p99" % name, quantile(ms, .99), "ms")
    line("desk_%s_max" % name, max(ms), "ms")
    line("desk_%s_wrong" % name, sum(a.wrong for a in askers), "answers")
    line("desk_%s_busy" % name, sum(a.busy for a in askers), "answers")


class Repeating(threading.Thread):
    """Keeps something running until stopped."""

    def __init__(self, what):
        super().__init__()
        self.what, self.end, self.done = what, False, 0

    def run(self):
        while not self.end:
            self.what(self.done)
            self.done += 1

    def stop(self):
        self.end = True
        self.join()


def generate(sock):
    asked = ["출장 숙박비는 얼마까지 되나요?", "How long must a password be?",
             "재택근무는 일주일에 며칠 할 수 있나요?",
             "How many days of annual leave do I get?"]
    c = Unix(sock)

    def once(n):
        c.call("/v1/ask", {"question": asked[n % len(asked)]})
    return once


def ingest(data, folder):
    def once(n):
        path = os.path.join(folder, "more-%d.txt" % n)
        with open(path, "w", encoding="utf-8") as f:
            for i in range(400):
                f.write("제%d조 (%d차) 이 규정은 시험을 위해 만든 것으로 "
                        "부서마다 다르게 적용한다.\n\n" % (i + 1, n))
        subprocess.run([os.path.join(BUILD, "rag-ingest"), "--data", data,
                        "--quiet", folder], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return once


def clients(sock, pairs):
    shares = [[pairs[(i * 7 + k) % len(pairs)] for k in range(A_CLIENT)]
              for i in range(CLIENTS)]
    askers = [Asker(sock, s, A_CLIENT) for s in shares]
    began = time.monotonic()
    for a in askers:
        a.start()
    for a in askers:
        a.join()
    took = time.monotonic() - began
    report("%d_clients" % CLIENTS, askers)
    line("desk_%d_clients_rate" % CLIENTS,
         sum(len(a.ms) for a in askers) / took, "answers/s")


def start(data, sock, tmp):
    # A folder of the run's own for the model's socket.
    env = dict(os.environ, XDG_RUNTIME_DIR=tmp)
    p = subprocess.Popen([os.path.join(BUILD, "ragd"), "--data", data,
                          "--socket", sock], env=env,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 180
    while time.monotonic() < until:
        if p.poll() is not None:
            sys.exit("ragd ended with %d" % p.returncode)
        try:
            if Unix(sock).call("/v1/status")[1]["ready"]:
                return p
        except (OSError, http.client.HTTPException, ValueError):
            pass
        time.sleep(0.1)
    sys.exit("ragd was not ready in three minutes")


def main():
    tmp = tempfile.mkdtemp(prefix="rag-bench-")
    daemon = None
    try:
        data, sock = os.path.join(tmp, "data"), os.path.join(tmp, "s")
        folder = os.path.join(tmp, "docs")
        os.mkdir(folder)
        subprocess.run([os.path.join(BUILD, "rag-ingest"), "--data", data,
                        "--quiet", os.path.join(SAMPLES, "faq"),
                        os.path.join(SAMPLES, "company")], check=False)
        daemon = start(data, sock, tmp)
        c = Unix(sock)
        entries = desk_entries(200)
        began = time.monotonic()
        status, r = c.call("/v1/faq", {"op": "import", "approve": True,
                                       "by": "bench", "entries": entries})
        if status != 200 or r["failed"]:
            sys.exit("import: %s" % r)
        line("desk_import_200", time.monotonic() - began, "s")
        pairs = questions()
        own = [(e["question"], e["answer"]) for e in entries]
        measure("idle", sock, pairs)
        measure("idle_own_entries", sock, own)
        loose = [(q.replace(" ", "")[:-1] + " ?", a) for q, a in pairs]
        measure("idle_spacing", sock, loose, 1)
        busy = [Repeating(generate(sock)), Repeating(ingest(data, folder))]
        for b in busy:
            b.start()
        time.sleep(1)
        measure("busy", sock, pairs + own)
        for b in busy:
            b.stop()
        line("desk_busy_generations", busy[0].done, "answers")
        line("desk_busy_ingests", busy[1].done, "runs")
        clients(sock, pairs + own)
        status, r = c.call("/v1/audit", {"op": "verify"})
        line("desk_audit_records", r["records"], "records")
        line("desk_audit_whole", int(r["whole"]), "bool")
    finally:
        if daemon and daemon.poll() is None:
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(60)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(tmp, ignore_errors=True)


if __name__ == "__main__":
    main()
