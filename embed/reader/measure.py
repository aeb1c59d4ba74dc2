#!/usr/bin/env python3
"""How well readers read what train.py keeps out.

usage: measure.py ENCODER.gguf READER.gguf... -- PASSAGES.jsonl...

A line per file and reader: questions with and without an answer, words exactly
right and F1 (of letters where the question is Korean), AUROC of "it answers",
and the part of the traps that pass where one answer in ten is refused. Of
sections of documents each question is read beside those that a search found
("beside"): how often the one that answers is the likeliest, and AUROC and
traps of the likeliest. Of FAQ entries a wording is read with its own and with
a neighbour, and what an entry seems to answer ("not") with that entry. In
bfloat16 as it is trained, not the daemon's int8.
"""
import os
import re
import sys

import train

REFUSED = 0.1
BATCH = 16
SPAN_TOKENS = 96  # RAG_READER_SPAN_TOKENS


def tokens_of(s):
    return re.findall(r"[가-힣]|[^\W_]+", s.lower())


def f1(got, want):
    got, want = tokens_of(got), tokens_of(want)
    both = sum(min(got.count(t), want.count(t)) for t in set(want))
    return 2 * both / (len(got) + len(want)) if both else 0.0


def auroc(pos, neg):
    won = sum((p > n) + 0.5 * (p == n) for p in pos for n in neg)
    return won / (len(pos) * len(neg))


def passed(pos, neg):
    least = sorted(pos)[int(REFUSED * len(pos))]
    return sum(n >= least for n in neg) / len(neg)


class Reading:
    """Reads (question, passage) pairs; sorted by length, as it is quicker."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, tokenizer

    def read(self, pairs):
        """-> for each the logit of "it answers", and the words found."""
        import torch
        seqs = [train.sequence(self.tokenizer, q, p, [], True, None, False)
                for q, p in pairs]
        order = sorted(range(len(seqs)), key=lambda i: len(seqs[i][0]))
        out = [None] * len(seqs)
        for c in range(0, len(order), BATCH):
            part = order[c:c + BATCH]
            with torch.no_grad():
                s, e, a = self.model(*train.padded([seqs[i] for i in part]))
            for r, i in enumerate(part):
                out[i] = (a[r].item(), self.words(s[r], e[r], seqs[i], pairs[i][1]))
        return out

    @staticmethod
    def words(s, e, seq, p, longest=SPAN_TOKENS):
        ids, _, start = seq
        end = len(ids) - 1
        if start >= end:
            return ""
        both = s[start:end, None] + e[None, start:end]
        span = both.new_ones(both.shape).triu().tril(longest - 1).bool()
        both = both.masked_fill(~span, train.NEVER)
        i, j = divmod(int(both.argmax()), end - start)
        return p.text[p.places[i][0]:p.places[j][1]].strip()


def scores(pos, neg):
    return "AUROC %.3f, %3.0f %% pass" % (
        auroc(pos, neg), 100 * passed(pos, neg)) if pos and neg else ""


def passages(reading, lines):
    asked = []
    of = {d["id"]: train.Passage(reading.tokenizer, d) for d in lines if "text" in d}
    for d in lines:
        if train.passage_held_out(d):
            asked += [(qa, of[d["id"]]) for qa in d["qas"]]
    out = reading.read([(qa["q"], p) for qa, p in asked])
    pos = [a for (qa, _), (a, _) in zip(asked, out) if qa["a"]]
    neg = [a for (qa, _), (a, _) in zip(asked, out) if not qa["a"]]
    fs = [max(f1(w, x) for x in qa["a"])
          for (qa, _), (_, w) in zip(asked, out) if qa["a"]]
    if not fs:
        return None
    return "%4d / %3d  exact %.2f F1 %.2f  %s" % (
        len(pos), len(neg), sum(f == 1 for f in fs) / len(fs),
        sum(fs) / len(fs), scores(pos, neg))


def sections(reading, lines):
    of = {d["id"]: train.Passage(reading.tokenizer, d) for d in lines}
    asked = [(qa, [of[d["id"]]] + [of[i] for i in qa["beside"] if i in of])
             for d in lines if train.passage_held_out(d) for qa in d["qas"]]
    out = iter(reading.read([(qa["q"], p) for qa, ps in asked for p in ps]))
    first, pos, neg, fs = 0, [], [], []
    for qa, ps in asked:
        mine = [next(out) for _ in ps]
        best = max(range(len(ps)), key=lambda i: mine[i][0])
        (pos if qa["a"] else neg).append(mine[best][0])
        if qa["a"]:
            first += best == 0
            fs.append(max(f1(mine[0][1], x) for x in qa["a"]))
    if not pos:
        return None
    return "%4d / %3d  first %.2f of %.1f, F1 %.2f  %s" % (
        len(pos), len(neg), first / len(pos),
        sum(len(ps) for _, ps in asked) / len(asked), sum(fs) / len(fs),
        scores(pos, neg))


def entries(reading, lines):
    groups, traps = {}, []
    for d in lines:
        if train.held_out(d["group"], train.GROUPS_HELD_OUT_OF):
            p = train.Passage(reading.tokenizer,
                              {"id": d["id"], "title": d["q"], "text": d["a"]})
            groups.setdefault(d["group"], []).append((p, d["alt"]))
            traps += [(q, p) for q in d.get("not", ())]
    pairs = [(q, p, group[(i + 1 + k) % len(group)][0])
             for group in groups.values() if len(group) > 1
             for i, (p, alt) in enumerate(group)
             for k, q in enumerate(alt[:len(group) - 1])]
    own = [a for a, _ in reading.read([(q, p) for q, p, _ in pairs])]
    other = [a for a, _ in reading.read([(q, p) for q, _, p in pairs])]
    seems = [a for a, _ in reading.read(traps)]
    return "%4d / %3d  %s; of %d traps %s" % (
        len(own), len(other), scores(own, other), len(seems), scores(own, seems))


def main():
    if "--" not in sys.argv[1:]:
        sys.exit("usage: measure.py ENCODER.gguf READER.gguf... "
                 "-- PASSAGES.jsonl...")
    at = sys.argv.index("--")
    encoder, *readers = sys.argv[1:at]
    weights, tokenizer, heads = train.load_encoder(encoder)
    for path in sys.argv[at + 1:]:
        lines = list(train.read_lines([path]))
        if not all("text" in d or "alt" in d for d in lines):
            sys.exit("measure.py: %s: questions without their passages" % path)
        kind = (entries if "alt" in lines[0] else
                sections if any("beside" in qa for d in lines for qa in d["qas"])
                and "of" in lines[0] else passages)
        for reader in readers:
            model = train.make_model(weights, heads, train.RANK, 0)
            train.start_from(model, reader)
            said = kind(Reading(model.eval(), tokenizer), lines)
            if said:
                print("%-28s %-12s %s" % (os.path.basename(path)[:-6],
                      os.path.basename(reader)[:-5], said), flush=True)


if __name__ == "__main__":
    main()
