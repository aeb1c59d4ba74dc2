#!/usr/bin/env python3
"""Fits the built-in gate that is used with the reader (generate/gate_read.inc).

usage: fit_gate.py [--config FILE] [--write] FOLDER

FOLDER gets the sets that are not in the project as they are (parts of those
in ../shared/data, questions asked of the wrong collection, the documents that
embed/reader/train.py keeps out) and a report of `rag eval` for each, which is
made unless it is there: remove FOLDER after a change of encoder, reader or
search. FILE is a ragd.conf to evaluate with, for another reader or encoder.

Prints for each set what docs/GROUNDING.md tells of it, and for those with
documents what is answered rightly, refused, and answered without an answer, also
with `false_answers` set. --write writes the weights and the curve of both rates
over thresholds. Measured only, with nothing fitted on them: tests/eval/unseen,
nomiracl_en, and finreg_ko in two halves of which each lacks the articles that the
other's questions ask for; of the last two also what a gate of their own does.
"""
import argparse
import glob
import json
import math
import os
import random
import shutil
import subprocess
import sys

import eval_desk as desk
import fit_faq

sys.path.insert(0, os.path.join(desk.ROOT, "embed", "reader"))
import train as reader  # noqa: E402

FEATURES = ("vector_top", "read_answers", "cover_all")
# How much a question of a set counts.
WEIGHT = {"samples": 2, "documents": 2, "finreg_ko": 2, "banking77_en": 0.5,
          "squad2_en": 0.5, "wrong": 1, "kept-out": 1}
OWN = {"samples": "samples", "documents": "tests/eval/documents",
       "unseen": "tests/eval/unseen"}
MEASURED = ("unseen", "nomiracl_en", "removed-1", "removed-2")
PARTS = (("banking77_en", 240), ("squad2_en", 200), ("finreg_ko", 120),
         ("nomiracl_en", 500))
BOUNDS = (0.02, 0.05, 0.1, 0.2, 0.3)  # on false answers, told of
ELSEWHERE = (("squad2_en", 60), ("finreg_ko", 40), ("hotpotqa_en", 50),
             ("nomiracl_en", 50))
OFF_TOPIC = """오늘 서울 날씨 어때?
파리의 날씨는?
김치찌개 맛있게 끓이는 법 알려줘
손흥민은 지금 어느 팀에서 뛰나요
세종대왕은 언제 태어났나요?
피타고라스 정리를 설명해 줘
강아지가 초콜릿을 먹었어요 어떡하죠
제주도 3박 4일 여행 코스 추천
아이폰 배터리 교체 비용
넷플릭스 요금제 종류
감기에 좋은 음식은?
한국의 수도는 어디인가요
코딩 테스트 준비하는 방법
지하철 2호선 막차 시간
요즘 인기 있는 드라마 뭐야
토마토는 과일인가요 채소인가요
로또 당첨 번호 알려줘
빛의 속도는 얼마인가
임진왜란은 몇 년에 일어났나요
커피를 하루에 몇 잔까지 마셔도 되나요""".splitlines()
PASSAGES = 16  # read: an answer whose document is behind them is not judged
RIDGE, CURVE = 1.0, 41


# --- sets -------------------------------------------------------------------------

def read_set(name):
    path = os.path.join(desk.SHARED, "data", "retrieval", name, "queries.jsonl")
    return list(reader.read_lines([path]))


def write_lines(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        for row in rows:
            f.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_parts(folder, rng):
    for name, n in PARTS:
        questions = read_set(name)
        rng.shuffle(questions)
        os.makedirs(os.path.join(folder, name))
        shutil.copy(os.path.join(desk.SHARED, "data", "retrieval", name,
                                 "docs.jsonl"), os.path.join(folder, name))
        write_lines(os.path.join(folder, name, "queries.jsonl"), questions[:n])


def write_wrong(folder, rng):
    """The samples, asked what is asked of other collections."""
    asked = []
    for name, n in ELSEWHERE:
        questions = read_set(name)
        rng.shuffle(questions)
        asked += [q["question"] for q in questions[:n]]
    to = os.path.join(folder, "wrong")
    shutil.copytree(os.path.join(desk.ROOT, "samples"), to)
    write_lines(os.path.join(to, "questions.jsonl"),
                [{"id": "w%d" % i, "question": q, "relevant": [], "answers": [],
                  "answerable": False} for i, q in enumerate(asked + OFF_TOPIC)])


def write_kept_out(folder):
    documents, questions = {}, []
    paths = sorted(glob.glob(os.path.join(desk.ROOT, "embed", "reader",
                                          "passages", "documents-*.jsonl")))
    for d in reader.read_lines(paths):
        if not reader.passage_held_out(d):
            continue
        if "text" in d:
            doc = documents.setdefault(d["of"], {
                "id": d["of"], "title": d["title"].split(" > ")[0], "text": ""})
            doc["text"] += d["text"] + "\n\n"
        for q in d["qas"]:
            questions.append({
                "id": str(len(questions)), "question": q["q"],
                "relevant": [d["of"]] if q["a"] else [], "answers": q["a"],
                "answerable": bool(q["a"])})
    to = os.path.join(folder, "kept-out")
    os.makedirs(to)
    write_lines(os.path.join(to, "docs.jsonl"), documents.values())
    write_lines(os.path.join(to, "queries.jsonl"), questions)


def write_removed(folder, rng):
    """finreg_ko twice: half of the articles asked for gone, then the others."""
    name = "finreg_ko"
    path = os.path.join(desk.SHARED, "data", "retrieval", name, "docs.jsonl")
    documents = list(reader.read_lines([path]))
    questions = [q for q in read_set(name) if q["relevant"]]
    asked = sorted({d for q in questions for d in q["relevant"]})
    rng.shuffle(asked)
    for half in (0, 1):
        gone = set(asked[half::2])
        kept = []
        for q in questions:
            there = [d for d in q["relevant"] if d not in gone]
            if not there:
                kept.append(dict(q, relevant=[], answers=[], answerable=False))
            elif len(there) == len(q["relevant"]):
                kept.append(q)
        to = os.path.join(folder, "removed-%d" % (half + 1))
        os.makedirs(to)
        write_lines(os.path.join(to, "docs.jsonl"),
                    [d for d in documents if d["id"] not in gone])
        write_lines(os.path.join(to, "queries.jsonl"), kept)


def write_sets(folder):
    rng = random.Random(5)
    write_parts(folder, rng)
    write_wrong(folder, rng)
    write_kept_out(folder)
    write_removed(folder, rng)


def evaluate(folder, config):
    """Reports at a gate that lets nearly everything pass."""
    conf = os.path.join(folder, "ragd.conf")
    with open(conf, "w", encoding="utf-8") as f:
        if config:
            with open(config, encoding="utf-8") as given:
                f.write(given.read() + "\n")
        f.write("[answer]\ngate = 0.01\n")
    reports = {}
    for name in [*WEIGHT, *MEASURED]:
        out = os.path.join(folder, name + ".json")
        at = os.path.join(desk.ROOT, OWN[name]) if name in OWN else \
            os.path.join(folder, name)
        if not os.path.exists(out):
            subprocess.run([os.path.join(desk.BUILD, "rag"), "eval", "--out",
                            out, at, "--", "--config", conf], check=True,
                           stdout=subprocess.DEVNULL)
        with open(out, encoding="utf-8") as f:
            reports[name] = json.load(f)["outcomes"]
    return reports


# --- fitting ----------------------------------------------------------------------

def examples(outcomes):
    """(features, answerable) of what the gate is asked about. Where nobody
    knows which document answers (first -1), whatever was found."""
    return [([float(o["features"][k]) for k in FEATURES], o["answerable"])
            for o in outcomes if o.get("features") and
            (not o["answerable"] or o.get("first") == -1 or
             0 < o.get("first", 0) <= PASSAGES)]


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def fit(rows, steps=50):
    """Weighted logistic regression on standardised features, L2 penalty
    (Hastie, Tibshirani, Friedman, 4.4.1); rows of (features, right, weight)."""
    k, total = len(FEATURES), sum(w for _, _, w in rows)
    mean = [sum(w * x[i] for x, _, w in rows) / total for i in range(k)]
    scale = [math.sqrt(sum(w * (x[i] - mean[i]) ** 2 for x, _, w in rows)
                       / total) or 1 for i in range(k)]
    gate = {"mean": mean, "scale": scale, "weight": [0.0] * k, "bias": 0.0}
    for _ in range(steps):
        grad = [RIDGE * b for b in gate["weight"]] + [0.0]
        hess = [[RIDGE * (i == j and i < k) for j in range(k + 1)]
                for i in range(k + 1)]
        for x, right, w in rows:
            z = [(x[i] - mean[i]) / scale[i] for i in range(k)] + [1.0]
            p = sigmoid(logit(gate, x))
            for i in range(k + 1):
                grad[i] += w * (p - right) * z[i]
                for j in range(k + 1):
                    hess[i][j] += w * p * (1 - p) * z[i] * z[j]
        move = fit_faq.solve(hess, grad)
        gate["weight"] = [b - m for b, m in zip(gate["weight"], move)]
        gate["bias"] -= move[k]
    return gate


def logit(gate, x):
    return gate["bias"] + sum(
        w * (v - m) / s for w, v, m, s in
        zip(gate["weight"], x, gate["mean"], gate["scale"]))


def curve(gate, rows):
    """Shares of wrong answers and wrong refusals over thresholds."""
    scored = [(sigmoid(logit(gate, x)), right, w) for x, right, w in rows]
    ordered = sorted(p for p, _, _ in scored)
    at = [0.0] + [ordered[len(ordered) * i // CURVE] for i in range(1, CURVE)]

    def share(right, side):
        all_ = sum(w for _, y, w in scored if y == right)
        return [sum(w for p, y, w in scored if y == right and side(p, t)) / all_
                for t in at]
    return {"threshold": at,
            "false_answers": share(False, lambda p, t: p >= t),
            "false_refusals": share(True, lambda p, t: p < t)}


# --- telling ----------------------------------------------------------------------

def auroc(pos, neg):
    won = sum((p > n) + 0.5 * (p == n) for p in pos for n in neg)
    return won / (len(pos) * len(neg))


def passes(gate, o, least=0.5):
    """Without features the gate was not asked: a desk's entry, or refused."""
    if not o.get("features"):
        return o["status"] != "refused"
    return sigmoid(logit(gate, [float(o["features"][k])
                                for k in FEATURES])) >= least


def point(rates, bound):
    """As rag_gate_threshold of generate/gate.c."""
    return next((t for t, a in zip(rates["threshold"], rates["false_answers"])
                 if a <= bound), 1)


def tell_own(folder, *names):
    """What a gate fitted on these reports alone does, cross-validated."""
    print("own, %s:" % " ".join(names), flush=True)
    subprocess.run([os.path.join(desk.BUILD, "ragd"), "--fit-gate",
                    os.path.join(folder, "own.gate")] +
                   [os.path.join(folder, n + ".json") for n in names],
                   check=True)


def tell(gate, rates, reports):
    print("%-13s %8s %8s %12s %8s %8s" % ("", "AUROC", "refused", "answered",
                                          "at 5 %", "at 10 %"))
    whole = {n: o for n, o in reports.items() if not n.startswith("removed")}
    whole["removed"] = reports["removed-1"] + reports["removed-2"]
    for name, outcomes in whole.items():
        scored = [(logit(gate, x), y) for x, y in examples(outcomes)]
        neg = [v for v, y in scored if not y]
        if name == "wrong":
            scored = [(logit(gate, x), y) for x, y in
                      examples(reports["samples"])]
        pos = sorted(v for v, y in scored if y)
        at = [sum(v >= pos[len(pos) // k] for v in neg) / len(neg)
              for k in (20, 10)]
        print("%-13s %8.3f %8.2f %5.2f of %3d %8.2f %8.2f" % (
            name, auroc(pos, neg), sum(v < 0 for v in pos) / len(pos),
            sum(v >= 0 for v in neg) / len(neg), len(neg), *at))
    for bound in (1, *BOUNDS):
        least = 0.5 if bound == 1 else point(rates, bound)
        print("false_answers %g: gate %.3f" % (bound, least))
        for name in OWN:
            asked = [(o, passes(gate, o, least)) for o in reports[name]]
            real = [(o, ok) for o, ok in asked if o["answerable"]]
            traps = [ok for o, ok in asked if not o["answerable"]]
            print("%-13s right %.3f refused %.3f traps %.3f" % (
                name,
                sum(ok and bool(o.get("right")) for o, ok in real) / len(real),
                sum(not ok for _, ok in real) / len(real),
                sum(traps) / len(traps)))


def write(gate, rates):
    """Puts the numbers in the file's place of both steps."""
    path = os.path.join(desk.ROOT, "generate", "gate_read.inc")
    with open(path, encoding="utf-8") as f:
        text = "".join(json.loads(line) for line in f)
    whole = json.loads(text)

    def short(x):
        return float("%.6g" % x)
    for step in (whole["first"], whole["second"]):
        for i, name in enumerate(FEATURES):
            at = whole["features"].index(name)
            for key in ("weight", "mean", "scale"):
                step[key][at] = short(gate[key][i])
        step["bias"] = short(gate["bias"])
        for key, values in rates.items():
            step[key] = [short(v) for v in values]
    text = json.dumps(whole, separators=(",", ":"))
    with open(path, "w", encoding="utf-8") as f:
        for i in range(0, len(text), 66):
            f.write(json.dumps(text[i:i + 66]) + "\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--config", metavar="FILE")
    ap.add_argument("--write", action="store_true")
    ap.add_argument("folder")
    args = ap.parse_args()
    if not os.path.exists(args.folder):
        os.makedirs(args.folder)
        write_sets(args.folder)
    reports = evaluate(args.folder, args.config)
    rows = [(x, y, WEIGHT[name]) for name in WEIGHT
            for x, y in examples(reports[name])]
    gate = fit(rows)
    print("WEIGHT %s BIAS %.3f" % (" ".join(
        "%s %.3f" % p for p in zip(FEATURES, gate["weight"])), gate["bias"]))
    rates = curve(gate, rows)
    tell(gate, rates, reports)
    tell_own(args.folder, "removed-1", "removed-2")
    tell_own(args.folder, "nomiracl_en")
    if args.write:
        write(gate, rates)


if __name__ == "__main__":
    sys.exit(main())
