#!/usr/bin/env python3
"""Trains the query map (embed/query_map.c) over vectors that stay as they are.

    train.py SOCKET OUT.gguf

The vectors come from the ragd on SOCKET, so they are those that the product
computes (its own query map, if any, does not touch /v1/embeddings). Reads
../reader/passages, questions/ and entries/ beside this file. Questions about a passage whose id's hash says so, and one group of
entries in eight, are kept out and reported on.
"""
import argparse
import glob
import hashlib
import http.client
import json
import os
import re
import socket

import gguf
import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
RANK = 32
TEMPERATURE = 0.02
KEEP = 1.0  # weight of staying where the question was
PART = 0.6  # share of the best sentence in a passage's cosine (index/query.c)
EPOCHS = 4
BATCH = 512
RATE = 2e-3


def held(key, among):
    return int(hashlib.md5(key.encode()).hexdigest(), 16) % among == 0


def lines(pattern):
    for name in sorted(glob.glob(os.path.join(HERE, pattern))):
        with open(name, encoding="utf-8") as f:
            yield from map(json.loads, f)


def sentences(text):
    parts = re.split(r"\n|(?<=[.?!。])\s+|(?<=[다요]\.)\s*", text)
    return [p.strip()[:400] for p in parts if len(p.strip()) >= 6]


class Daemon(http.client.HTTPConnection):
    """A ragd on a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def ask(self, method, path, body=None):
        self.request(method, path, json.dumps(body) if body else None,
                     {"Content-Type": "application/json"})
        answer = self.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"ragd: {path}: {text.decode()}")
        return json.loads(text)

    def encode(self, texts, kind):
        out, unique = {}, list(dict.fromkeys(texts))
        for i in range(0, len(unique), 64):
            rows = self.ask("POST", "/v1/embeddings",
                            {"input": unique[i:i + 64], "input_type": kind})
            for text, row in zip(unique[i:], rows["data"]):
                out[text] = row["embedding"]
        v = np.array([out[t] for t in texts], dtype=np.float32)
        return F.normalize(torch.from_numpy(v), dim=-1)


class Pool:
    """What a question may find: passages by themselves and their sentences,
    entries by themselves and their question."""

    def __init__(self, daemon):
        keys, whole, parts, owner = [], [], [], []
        self.train, self.apart, entry = [], [], []
        for d in lines("../reader/passages/[!p]*.jsonl"):
            at = len(keys)
            keys.append(d["id"])
            whole.append(d["title"] + "\n" + d["text"])
            for s in sentences(d["text"]) or [d["text"]]:
                parts.append(d["title"] + "\n" + s)
                owner.append(at)
            to = self.apart if held(d.get("of", d["id"]), 14) else self.train
            to += [(q["q"], at) for q in d["qas"] if q["a"]]
        place = {k: i for i, k in enumerate(keys)}
        for d in lines("questions/*.jsonl"):
            to = self.apart if held(d["id"], 14) else self.train
            to += [(q["q"], place[d["id"]]) for q in d["qas"]]
        first = len(keys)
        for d in lines("entries/*.jsonl"):
            at = len(keys)
            keys.append(d["id"])
            whole.append(d["q"] + "\n" + d["a"])
            entry.append(d["q"])
            to = self.apart if held(d["group"], 8) else self.train
            to += [(q, at) for q in d["alt"]]
        self.n, self.first = len(keys), first
        self.whole = daemon.encode(whole, "passage")
        self.part = daemon.encode(parts, "passage")
        self.owner = torch.tensor(owner)
        self.entry = daemon.encode(entry, "query")

    def score(self, q):
        whole = q @ self.whole.T
        best = torch.full((len(q), self.first), -9.0).scatter_reduce(
            1, self.owner.expand(len(q), -1), q @ self.part.T, "amax")
        a = (1 - PART) * whole[:, :self.first] + PART * best
        b = torch.maximum(whole[:, self.first:], q @ self.entry.T)
        return torch.cat((a, b), 1)


def report(pool, name, q, y):
    s = pool.score(q)
    rank = (s > s.gather(1, y[:, None])).sum(1).float()
    for kind, of in (("passages", y < pool.first), ("entries", y >= pool.first)):
        r = rank[of]
        print(f"{name:8} {kind:9} n {len(r):5} hit@1 {(r < 1).float().mean():.4f}"
              f" hit@5 {(r < 5).float().mean():.4f}"
              f" MRR {(1 / (r + 1)).mean():.4f}")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("socket")
    p.add_argument("out")
    a = p.parse_args()
    torch.manual_seed(1)
    daemon = Daemon(a.socket)
    encoder = daemon.ask("GET", "/v1/status")["encoder"]["fingerprint"]
    pool = Pool(daemon)
    x = daemon.encode([q for q, _ in pool.train], "query")
    y = torch.tensor([i for _, i in pool.train])
    hx = daemon.encode([q for q, _ in pool.apart], "query")
    hy = torch.tensor([i for _, i in pool.apart])
    print(f"{pool.n} texts, {len(x)} questions, {len(hx)} kept out")

    # The direction that tells the languages apart may be given up freely.
    korean = torch.tensor([bool(re.search("[가-힣]", q)) for q, _ in pool.train])
    u = F.normalize(x[korean].mean(0) - x[~korean].mean(0), dim=0)

    def without(v):
        return F.normalize(v - (v @ u)[:, None] * u, dim=-1)

    dim = x.shape[1]
    down = torch.nn.Parameter(torch.randn(dim, RANK) * 0.05)
    up = torch.nn.Parameter(torch.zeros(RANK, dim))
    bias = torch.nn.Parameter(torch.zeros(dim))

    def move(v):
        return F.normalize(v + (v @ down) @ up + bias, dim=-1)

    with torch.no_grad():
        report(pool, "before", hx, hy)
    adam = torch.optim.Adam([down, up, bias])
    steps, step = EPOCHS * (len(x) // BATCH), 0
    for _ in range(EPOCHS):
        for b in torch.randperm(len(x)).split(BATCH)[:len(x) // BATCH]:
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            adam.param_groups[0]["lr"] = rate
            v = move(x[b])
            far = 1 - (without(v) * without(x[b])).sum(1).mean()
            loss = (F.cross_entropy(pool.score(v) / TEMPERATURE, y[b])
                    + KEEP * far / TEMPERATURE)
            adam.zero_grad()
            loss.backward()
            adam.step()
            step += 1
            if step % 25 == 0:
                print(f"step {step}/{steps} loss {loss.item():.3f}", flush=True)
    with torch.no_grad():
        report(pool, "after", move(hx), hy)

    w = gguf.GGUFWriter(a.out, "bert")
    w.add_type("query-map")
    w.add_name("e5-small-query-ko-en")
    w.add_license("MIT")
    w.add_string("ragd.encoder", encoder)
    for name, t in (("down.weight", down.T), ("up.weight", up.T), ("bias", bias)):
        w.add_tensor(name, t.detach().contiguous().numpy().astype(np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    main()
