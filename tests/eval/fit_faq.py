#!/usr/bin/env python3
"""Fits the score of daemon/faq_score.c and prints its weights.

Questions: the other wordings of the samples' FAQ (held out of the entries)
and the half of banking77_en's questions whose hash is even; each also with
the right entry gone, when any answer is wrong. Printed besides: what share is
answered rightly and wrongly over the certainty, by cross-validation.
"""
import json
import math
import os
import subprocess
import sys

import eval_desk as desk


def judged(entries, asked):
    tool = os.path.join(desk.BUILD, "tests", "eval", "eval_faq")
    out = subprocess.run([tool], input=json.dumps(
        {"entries": entries, "asked": asked}).encode(), check=True,
        stdout=subprocess.PIPE).stdout
    return [json.loads(x) for x in out.splitlines()]


def with_gone(asked):
    return asked + [{"q": a["q"], "want": "", "gone": a["want"]}
                    for a in asked if a["want"]]


def collect():
    rows = desk.sample_rows()
    asked = [{"q": v, "want": r["id"]} for r in rows for v in desk.variants(r)]
    asked = with_gone(asked) + [{"q": r["question"], "want": "",
                                 "gone": r["id"]} for r in rows]
    entries = [{"id": r["id"], "wordings": [r["question"]],
                "answer": r["answer"]} for r in rows]
    out = judged(entries, asked)
    if os.path.isdir(desk.BANKING):
        entries, asked = desk.banking_set()
        out += judged(
            [{"id": e["id"], "wordings": [e["question"]] + e["variants"],
              "answer": e["answer"]} for e in entries],
            with_gone([{"q": q, "want": w or ""} for q, w in asked
                       if not desk.reported(q)]))
    return out


def solve(a, b):
    """a x = b by elimination; a is small, symmetric and positive."""
    n = len(b)
    m = [row[:] + [b[i]] for i, row in enumerate(a)]
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(m[r][i]))
        m[i], m[p] = m[p], m[i]
        for r in range(i + 1, n):
            f = m[r][i] / m[i][i]
            for c in range(i, n + 1):
                m[r][c] -= f * m[i][c]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (m[i][n] - sum(m[i][c] * x[c] for c in range(i + 1, n))) / \
            m[i][i]
    return x


def fit(xs, ys, ridge=3.0, steps=25):
    """Logistic regression on standardised features (Newton's method);
    weights of the features as they are, the bias last."""
    n, k = len(xs), len(xs[0])
    mean = [sum(x[i] for x in xs) / n for i in range(k)]
    dev = [math.sqrt(sum((x[i] - mean[i]) ** 2 for x in xs) / n) or 1
           for i in range(k)]
    z = [[(x[i] - mean[i]) / dev[i] for i in range(k)] + [1.0] for x in xs]
    b = [0.0] * (k + 1)
    for _ in range(steps):
        grad = [ridge * v for v in b[:-1]] + [0.0]
        hess = [[0.0] * (k + 1) for _ in range(k + 1)]
        for i in range(k):
            hess[i][i] = ridge
        for row, y in zip(z, ys):
            p = 1 / (1 + math.exp(-sum(u * v for u, v in zip(row, b))))
            for i in range(k + 1):
                grad[i] += (p - y) * row[i]
                w = p * (1 - p) * row[i]
                for j in range(k + 1):
                    hess[i][j] += w * row[j]
        b = [v - d for v, d in zip(b, solve(hess, grad))]
    w = [b[i] / dev[i] for i in range(k)]
    return w + [b[k] - sum(w[i] * mean[i] for i in range(k))]


def fit_on(judgements):
    xs, ys = [], []
    for j in judgements:
        for c in j["near"]:
            if c["veto"] == "none":
                xs.append(c["f"])
                ys.append(c["id"] == j["asked"]["want"])
    return fit(xs, ys)


def best(j, w):
    """(certainty, right) of the entry that would be taken."""
    top = (0.0, False)
    for c in j["near"]:
        if c["veto"] == "none":
            s = sum(a * b for a, b in zip(w, c["f"])) + w[-1]
            top = max(top, (1 / (1 + math.exp(-s)),
                            c["id"] == j["asked"]["want"]))
    return top


def main():
    all_of = collect()

    def fold(j):
        name = j["asked"].get("gone") or j["asked"]["want"] or j["asked"]["q"]
        return sum(name.encode()) % 4
    tops = []
    for f in range(4):
        w = fit_on([j for j in all_of if fold(j) != f])
        tops += [(best(j, w), bool(j["asked"]["want"]), "gone" in j["asked"])
                 for j in all_of if fold(j) == f]
    for at in (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9):
        for name, chosen in (("there", [t for t in tops if not t[2]]),
                             ("gone", [t for t in tops if t[2]])):
            n = len(chosen)
            print("fit_%s_%.2f right %.2f %% wrong %.2f %%" % (
                name, at,
                100 * sum(t[0][1] and t[0][0] >= at for t in chosen) / n,
                100 * sum(not t[0][1] and t[0][0] >= at
                          for t in chosen) / n))
    w = fit_on(all_of)
    print("WEIGHT {%s} BIAS %.3f" % (", ".join("%.3f" % x for x in w[:-1]),
                                     w[-1]))


if __name__ == "__main__":
    sys.exit(main())
