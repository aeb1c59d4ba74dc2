#!/usr/bin/env python3
"""What a second stage over a search's best documents could add.

  eval_rerank.py [--take SET=N,...] [--repeat N] [--work DIR] HITS READER.gguf

HITS is what `eval_retrieval --sentences --adapter ADAPTER --hits HITS SET...` wrote.
The reader reads the best chunk of each of the first eight documents, whole
and only its best part; the first K are then ordered anew by
fused + lambda * log-odds / their spread. K and lambda are chosen on
squad2_en and finreg_ko, the weights of a learned order (pairwise logistic
regression) are fitted there, and the other sets are only reported: nDCG@10,
the difference to the fused order, and its 95 % interval by a paired
bootstrap. Of squad2_en only the articles count that the shipped reader was
not trained on (embed/reader/train.py). Readings are kept in DIR.
"""
import argparse
import hashlib
import json
import math
import os
import random
import statistics
import subprocess
import tempfile

import eval_desk as desk
from fit_faq import solve

FIT = ("squad2_en", "finreg_ko")
DEPTH = 8
DEPTHS = (3, 5, 6, 8)
LAMBDAS = (0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5)
TAKEN = {"squad2_en": 300, "finreg_ko": 120, "banking77_en": 300,
         "hotpotqa_en": 100}
FEW = ("score", "sentence")
ALL = FEW + ("lexical_z", "vector_z", "lexical_rank", "vector_rank", "cover",
             "title_cover")
LEARNED_DEPTH = 6
RESAMPLES = 5000


def unseen(q):
    """False where the reader's training had the question's article."""
    article = q["relevant"].split("-")[0]
    return q["set"] != "squad2_en" or \
        int(hashlib.md5(article.encode()).hexdigest(), 16) % 2 == 0


def load(path, taken):
    sets = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            q = json.loads(line)
            s = sets.setdefault(q["set"], [])
            if unseen(q) and len(s) < taken.get(q["set"], 200):
                s.append(q)
    return sets


def read(sets, what, args):
    """Each hit's log-odds as hit[what + "_odds"], the best span's score as
    hit[what + "_span"]; question's quickest time as q[what + "_ms"]."""
    tool = os.path.join(desk.BUILD, "tests", "eval", "eval_reader")
    hits, lines = [], []
    for qs in sets.values():
        for q in qs:
            for h in q["hits"][:DEPTH]:
                hits.append((q, h))
                lines.append(json.dumps({"question": q["question"],
                                         "passage": h[what]}))
    text = "\n".join(lines).encode()
    with open(args.reader, "rb") as f:
        key = hashlib.sha256(f.read() + text).hexdigest()[:16]
    kept = os.path.join(args.work, "readings-%s.jsonl" % key)
    if not os.path.exists(kept):
        out = subprocess.run([tool, "--batch", str(DEPTH), args.reader],
                             input=text, check=True, stdout=subprocess.PIPE)
        with open(kept, "wb") as f:
            f.write(out.stdout)
    with open(kept, encoding="utf-8") as f:
        for (_, h), line in zip(hits, f):
            r = json.loads(line)
            h[what + "_odds"] = r["answerable"]
            h[what + "_span"] = r["spans"][0][2] if r["spans"] else -6.0


def cost(sets, what, depth, args):
    """Tokens and milliseconds of a question, of `depth` passages."""
    tool = os.path.join(desk.BUILD, "tests", "eval", "eval_reader")
    some = [q for qs in sets.values() for q in qs[:6]]
    text = "\n".join(json.dumps({"question": q["question"],
                                 "passage": h[what]})
                     for q in some for h in q["hits"][:depth])
    out = subprocess.run([tool, "--batch", str(depth), "--repeat",
                          str(args.repeat), args.reader],
                         input=text.encode(), check=True,
                         stdout=subprocess.PIPE).stdout.splitlines()
    ms, at = [], 0
    for q in some:
        ms.append(json.loads(out[at])["ms"])
        at += len(q["hits"][:depth])
    tokens = [sum(h[what + "_tokens"] + q["question_tokens"] + 4
                  for h in q["hits"][:depth]) for q in some]
    return statistics.mean(tokens), statistics.median(ms), args.repeat, \
        max(t / m for t, m in zip(tokens, ms))


def ndcg(q, hits):
    dcg = sum(1 / math.log2(i + 2) for i, h in enumerate(hits[:10])
              if h["relevant"])
    return dcg / sum(1 / math.log2(i + 2)
                     for i in range(min(q["relevant_n"], 10)))


def reordered(q, depth, value):
    hits = q["hits"]
    return ndcg(q, sorted(hits[:depth], key=value, reverse=True) +
                hits[depth:])


def interval(differences):
    rng = random.Random(7)
    n = len(differences)
    means = sorted(sum(rng.choices(differences, k=n)) / n
                   for _ in range(RESAMPLES))
    return means[RESAMPLES // 40], means[RESAMPLES * 39 // 40]


def by_reader(what, spread, share):
    return lambda h: h["score"] + share * h[what + "_odds"] / spread


def mean_gain(sets, names, depth, value):
    """The sets count alike."""
    return statistics.mean(
        statistics.mean(reordered(q, depth, value) - q["fused"]
                        for q in sets[n]) for n in names)


def features(h, names, what):
    x = [math.log(h[f] or 200) if f.endswith("_rank") else h[f]
         for f in names]
    return x + ([h[what + "_odds"], h[what + "_span"]] if what else [])


def fit_pairs(sets, names, of, ridge=3.0, steps=15):
    """Pairwise logistic regression (RankNet without a net, Burges et al.
    2005): weights of the features as they are. of: what features takes."""
    rows, weights = [], []
    for n in names:
        pairs = []
        for q in sets[n]:
            hits = q["hits"][:LEARNED_DEPTH]
            good = [features(h, *of) for h in hits if h["relevant"]]
            bad = [features(h, *of) for h in hits if not h["relevant"]]
            pairs += [[a - b for a, b in zip(g, w)] for g in good for w in bad]
        rows += pairs
        weights += [1000 / len(pairs)] * len(pairs) # sets count alike
    k = len(rows[0])
    dev = [math.sqrt(statistics.fmean(r[i] ** 2 for r in rows)) or 1
           for i in range(k)]
    rows = [[v / d for v, d in zip(r, dev)] for r in rows]
    b = [0.0] * k
    for _ in range(steps):
        grad = [ridge * v for v in b]
        hess = [[ridge if i == j else 0.0 for j in range(k)]
                for i in range(k)]
        for r, weight in zip(rows, weights):
            p = 1 / (1 + math.exp(-sum(u * v for u, v in zip(r, b))))
            for i in range(k):
                grad[i] -= weight * (1 - p) * r[i]
                w = weight * p * (1 - p) * r[i]
                for j in range(k):
                    hess[i][j] += w * r[j]
        b = [v - d for v, d in zip(b, solve(hess, grad))]
    return [v / d for v, d in zip(b, dev)]


def by_weights(w, of):
    return lambda h: sum(a * b for a, b in zip(w, features(h, *of)))


def ordered(qs, value):
    """Share of pairs, one relevant and one not, in the right order."""
    each = []
    for q in qs:
        good, bad = ([value(h) for h in q["hits"][:DEPTH]
                      if h["relevant"] == x] for x in (True, False))
        if good and bad:
            each.append(statistics.fmean((g > b) + (g == b) / 2
                                         for g in good for b in bad))
    return statistics.fmean(each)


def report(sets, title, depth, value, other=None):
    """other: values by set, where the set itself was fitted on."""
    for n, qs in sets.items():
        v = (other or {}).get(n, value)
        each = [reordered(q, depth, v) for q in qs]
        d = [a - q["fused"] for a, q in zip(each, qs)]
        lo, hi = interval(d)
        print("%-26s %-20s n=%-4d fused %.4f ndcg %.4f %+.4f [%+.4f %+.4f]"
              % (title, n, len(qs), statistics.mean(q["fused"] for q in qs),
                 statistics.mean(each), statistics.mean(d), lo, hi),
              flush=True)


def chosen(sets, what, names, depth):
    spread = statistics.pstdev(h[what + "_odds"] for n in names
                               for q in sets[n] for h in q["hits"][:DEPTH])
    gains = []
    for share in LAMBDAS:
        gains.append((mean_gain(sets, names, depth,
                                by_reader(what, spread, share)), share))
    print("grid %-5s K=%d  %s" % (what, depth, "  ".join(
        "%g %+.4f" % (s, g) for g, s in gains)))
    return max(gains)[1], spread


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--take", default="", help="SET=N,...")
    p.add_argument("--repeat", type=int, default=5)
    p.add_argument("--work", default=tempfile.gettempdir())
    p.add_argument("hits")
    p.add_argument("reader")
    args = p.parse_args()
    taken = dict(TAKEN)
    taken.update((k, int(v)) for k, v in
                 (x.split("=") for x in args.take.split(",") if x))
    sets = load(args.hits, taken)
    names = [n for n in FIT if n in sets]
    if not names:
        raise SystemExit("needs %s to choose by" % " or ".join(FIT))
    for qs in sets.values():
        for q in qs:
            q["fused"] = ndcg(q, q["hits"])
    report(sets, "the best order of 8", 8, lambda h: h["relevant"])
    for n in sets:
        print("pairs in order by fused score, %-20s %.3f" % (
            n, ordered(sets[n], lambda h: h["score"])))
    for what in ("part", "whole"):
        read(sets, what, args)
        for n in sets:
            print("pairs in order by reader, %-5s %-20s %.3f" % (
                what, n, ordered(sets[n], lambda h: h[what + "_odds"])))
        for depth in DEPTHS:
            share, spread = chosen(sets, what, names, depth)
            report(sets, "%s K=%d lambda %g" % (what, depth, share), depth,
                   by_reader(what, spread, share))
    for of in ((FEW, None), (FEW, "part"), (FEW, "whole"), (ALL, None),
               (ALL, "part")):
        w = fit_pairs(sets, names, of)
        # What a set gains by weights of the other set alone.
        other = {n: by_weights(fit_pairs(sets, [m for m in names if m != n],
                                         of), of)
                 for n in names} if len(names) > 1 else {}
        print("weights", " ".join("%s %+.3f" % x for x in
                                  zip(of[0] + ("odds", "span"), w)))
        report(sets, "learned, %d and %s" % (len(of[0]), of[1] or "no reader"),
               LEARNED_DEPTH, by_weights(w, of), other)
    for what in ("part", "whole"):
        for depth in DEPTHS:
            print("cost %-5s K=%d: %4.0f tokens, %.1f ms a question (median "
                  "of each's quickest of %d), at best %.1f tokens/ms"
                  % ((what, depth) + cost(sets, what, depth, args)),
                  flush=True)


if __name__ == "__main__":
    main()
