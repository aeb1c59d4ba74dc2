#!/usr/bin/env python3
"""Makes the fixtures of adapters and rank heads, and what they must give.

usage: reference_reader.py FOLDER        (tests/data/embed)

For each of the tiny models of reference_encoder.py, a random LoRA adapter
with heads as GGUF, and for pairs of a question and a passage the ids, the
tokens' places in the passage, the logits and the spans. Goes another way than
the program: the adapter is applied to the activations instead of merged,
places come from a character-by-character account, spans from sorting all
pairs. Then an adapter without heads and the vectors of an encoder that has
it, and the same models as re-rankers, with a head of one layer or two, and
their scores. Standard library only; the same run always gives the same files.
"""
import contextlib
import json
import math
import os
import random
import sys
import tempfile
import unicodedata

import reference_encoder as ref
from reference_encoder import FFN, HIDDEN, LAYERS, POSITIONS, RULES, SPACE

ALPHA = 12.0
MATRICES = (("attn_q", HIDDEN, HIDDEN), ("attn_k", HIDDEN, HIDDEN),
            ("attn_v", HIDDEN, HIDDEN), ("attn_output", HIDDEN, HIDDEN),
            ("ffn_up", FFN, HIDDEN), ("ffn_down", HIDDEN, FFN))
SPANS, SPAN_TOKENS, QUESTION_TOKENS = 8, 96, 96


# --- tokens with places: (id, start, end) in bytes -----------------------------

def with_places(s):
    """[(character, start, end)] of s in bytes."""
    out, at = [], 0
    for c in s:
        n = len(c.encode())
        out.append((c, at, at + n))
        at += n
    return out


def unigram(s, scores, unk):
    source, chars, i = with_places(s), [], 0
    longest = max(len(k) for k in RULES)
    while i < len(source):
        for n in range(longest, 0, -1):
            key = s[i : i + n]
            if len(key) == n and key in RULES:
                a, b = source[i][1], source[i + n - 1][2]
                chars += [(c, a, b) for c in RULES[key]]
                i += n
                break
        else:
            chars.append(source[i])
            i += 1
    line, gap = [], True
    for c, a, b in chars:
        if c == " ":
            gap = True
        else:
            line += ([(SPACE, a, a)] if gap else []) + [(c, a, b)]
            gap = False
    if gap and s:
        end = len(s.encode())
        line.append((SPACE, end, end))
    text = "".join(c for c, _, _ in line)
    lowest = min(v[1] for v in scores.values()) - 10
    best = [(0.0, None, 0)]
    for end in range(1, len(text) + 1):
        ways = []
        for n in range(1, end + 1):
            piece = text[end - n : end]
            if piece in scores:
                ways.append((best[end - n][0] + scores[piece][1], n,
                             scores[piece][0]))
            elif n == 1:
                ways.append((best[end - 1][0] + lowest, 1, unk))
        score, n, token = max(ways, key=lambda w: w[0])
        best.append((score, token, n))
    out, at = [], len(text)
    while at > 0:
        _, token, n = best[at]
        part = line[at - n : at]
        while len(part) > 1 and part[0][0] == SPACE:
            part = part[1:]
        if token == unk and out and out[-1][0] == unk:
            out[-1] = (unk, part[0][1], out[-1][2])
        else:
            out.append((token, part[0][1], part[-1][2]))
        at -= n
    return out[::-1]


def wordpiece(s, vocab, unk):
    words, word = [], []

    def end_word():
        if word:
            words.append(list(word))
            word.clear()

    for c, a, b in with_places(s):
        kind = unicodedata.category(c)
        if ord(c) in (0, 0xFFFD):
            continue
        if c in " \t\n\r" or kind == "Zs":
            end_word()
            continue
        if kind.startswith("C"):
            continue
        if ref.is_han(c):
            end_word()
            word.append((c, a, b))
            end_word()
            continue
        for x in unicodedata.normalize("NFD", c.lower()):
            if unicodedata.category(x) == "Mn":
                continue
            if ref.is_mark(x):
                end_word()
                word.append((x, a, b))
                end_word()
            else:
                word.append((x, a, b))
    end_word()
    out = []
    for w in words:
        text, found, at = "".join(x[0] for x in w), [], 0
        while at < len(text) and found is not None:
            for end in range(len(text), at, -1):
                piece = text[at:end] if at else SPACE + text[at:end]
                if piece in vocab:
                    found.append((vocab[piece], w[at][1], w[end - 1][2]))
                    at = end
                    break
            else:
                found = None
        if found is None or len(w) > 100:
            found = [(unk, w[0][1], w[-1][2])]
        out += found
    return out


# --- the adapter, applied beside the weights -------------------------------------

def adapter(rng, heads=True):
    t, r = {}, 0
    for i in range(LAYERS):
        for j, (name, rows, columns) in enumerate(MATRICES):
            if (i, name) == (1, "attn_k"):
                continue  # a matrix may be left alone
            rank = (3, 4, 1, 8, 2, 5)[j]
            key = "blk.%d.%s.weight.lora_" % (i, name)
            t[key + "a"] = ((columns, rank),
                            [rng.gauss(0, 0.3) for _ in range(rank * columns)])
            t[key + "b"] = ((rank, rows),
                            [rng.gauss(0, 0.1) for _ in range(rank * rows)])
    if heads:
        t["reader.span.weight"] = ((HIDDEN, 2),
                                   [rng.gauss(0, 0.4) for _ in range(2 * HIDDEN)])
        t["reader.span.bias"] = ((2,), [0.25, -0.5])
        t["reader.answer.weight"] = ((HIDDEN,),
                                     [rng.gauss(0, 0.4) for _ in range(HIDDEN)])
        t["reader.answer.bias"] = ((1,), [0.125])
    stored, numbers = {}, {}
    for i, (name, (dims, v)) in enumerate(t.items()):
        kind, store = ref.STORES[("F32", "F16")[i % 2]]
        data, numbers[name] = store(v)
        stored[name] = (dims, kind, data)
    return stored, numbers


def dot(a, b):
    return sum(p * q for p, q in zip(a, b))


@contextlib.contextmanager
def adapted(lora):
    """Inside, B(Ax) is added to every product."""
    plain = ref.linear

    def linear(x, t, name):
        y = plain(x, t, name)
        a = lora.get(name + ".weight.lora_a")
        if a:
            b = lora[name + ".weight.lora_b"]
            rank = len(a) // len(x)
            low = [dot(x, a[k * len(x) : (k + 1) * len(x)]) for k in range(rank)]
            y = [v + ALPHA / rank * dot(low, b[o * rank : (o + 1) * rank])
                 for o, v in enumerate(y)]
        return y

    ref.linear = linear
    try:
        yield
    finally:
        ref.linear = plain


def run(ids, types, base, lora):
    """Final hidden states."""
    with adapted(lora):
        return ref.hidden(ids, base, types)


def tidy(passage, places):
    """White space at the ends of a token is not its own; a token that has
    nothing else starts where the next one does."""
    out, after, b = [], len(passage.encode()), passage.encode()
    for start, end in places[::-1]:
        while start < end and b[start:end].decode()[0].isspace():
            start += len(b[start:end].decode()[0].encode())
        while start < end and b[start:end].decode()[-1].isspace():
            end -= len(b[start:end].decode()[-1].encode())
        if start >= end:
            start = end = after
        out.append((start, end))
        after = start
    return out[::-1]


# --- readings ----------------------------------------------------------------------

def best_spans(start, end, places, none):
    """All spans, best first, as far as no better one stands for them."""
    every = []
    for i in range(len(places)):
        for j in range(i, min(len(places), i + SPAN_TOKENS)):
            a, b = places[i][0], places[j][1]
            if places[j][0] < places[j][1] and a < b:
                every.append((start[i] + end[j] - none, a, b))
    every.sort(key=lambda s: -s[0])
    out = []
    for score, a, b in every:
        for _, c, d in out:
            both = max(0, min(b, d) - max(a, c))
            if both == b - a or 2 * both > (b - a) + (d - c) - both:
                break
        else:
            out.append((score, a, b))
    return out[:SPANS]


PASSAGES = [
    "hello world",
    "the leave of the employee",
    "연차휴가는 며칠인가요?",
    "  해외송금   한도\u3000 1,000달러 ",
    "caf\u00e9 cafe\u0301 na\u00efve",
    "\uff21\uff11 \u3231 \ufb01ne \u2460",
    "\u1112\u1161\u11ab\uad6d\uc5b4 NFD",
    "tab\there\nzero\u200bwidth",
    "日本語 中文 \U0001f600\U0001f601 emoji",
    "PPR-9087 [CLS] <s> </s>",
    "words of the world " * 12,
    "",
    " \n ",
    "x" * 120,
]
QUESTIONS = ["hello?", "연차 휴가 규정", "", "the leave of the employee " * 6]


def join(q, p, max_tokens, bos, eos, family):
    """-> (ids before the passage, the passage's tokens, cut, token types)"""
    limit = min(QUESTION_TOKENS, (max_tokens - 4) // 2)
    cut = 2 if len(q) > limit else 0
    first = [bos] + [x[0] for x in q[:limit]]
    first += [eos, eos] if family == "xlm-r" else [eos]
    room = max_tokens - len(first) - 1
    cut += 1 if len(p) > room else 0
    p = p[:room]
    second = 1 if family == "bert" else 0
    return first, p, cut, [0] * len(first) + [second] * (len(p) + 1)


def readings(path, tokenise, base, lora, prefixes, max_tokens, bos, eos, family):
    heads = {k: lora[k] for k in lora if k.startswith("reader.")}
    with open(path, "w", encoding="utf-8") as f:
        for question in QUESTIONS:
            for passage in PASSAGES:
                skip = len(prefixes[1].encode())
                first, p, cut, types = join(
                    tokenise(prefixes[0] + question),
                    tokenise(prefixes[1] + passage),
                    max_tokens, bos, eos, family)
                ids = first + [x[0] for x in p] + [eos]
                x = run(ids, types, base, lora)
                w, b = heads["reader.span.weight"], heads["reader.span.bias"]
                start = [dot(h, w[:HIDDEN]) + b[0] for h in x]
                end = [dot(h, w[HIDDEN:]) + b[1] for h in x]
                none = start[0] + end[0]
                own = [i for i, v in enumerate(p) if not v[1] < skip >= v[2]]
                at = [len(first) + i for i in own]
                spans = best_spans(
                    [start[i] for i in at], [end[i] for i in at],
                    tidy(passage, [(max(0, p[i][1] - skip), p[i][2] - skip)
                                   for i in own]), none)
                f.write(json.dumps({
                    "question": question,
                    "passage": passage,
                    "ids": ids,
                    "places": [v[1:] for v in p],
                    "answerable": round(dot(x[0], heads["reader.answer.weight"])
                                        + heads["reader.answer.bias"][0], 6),
                    "none": round(none, 6),
                    "truncated": cut,
                    "spans": [[a, b, round(s, 6)] for s, a, b in spans],
                }, ensure_ascii=False) + "\n")


def make(folder, name, seed, tokenise, base, prefixes, max_tokens, bos, eos,
         family):
    stored, numbers = adapter(random.Random(seed))
    pairs = {
        "general.type": ref.text("adapter"),
        "general.architecture": ref.text("bert"),
        "general.name": ref.text(name),
        "adapter.type": ref.text("lora"),
        "adapter.lora.alpha": ref.real(ALPHA),
        "ragd.reader.scale": ref.real(0.5),
        "ragd.reader.bias": ref.real(-0.25),
    }
    if max_tokens < POSITIONS:
        pairs["ragd.reader.max_tokens"] = ref.u32(max_tokens)
    for key, value in zip(("question", "passage"), prefixes):
        if value:
            pairs["ragd.reader.%s_prefix" % key] = ref.text(value)
    ref.write_gguf(os.path.join(folder, name + ".gguf"), pairs, stored)
    readings(os.path.join(folder, name + ".jsonl"), tokenise, base, numbers,
             prefixes, max_tokens, bos, eos, family)


def make_encoder(folder, name, seed, tokenise, base, prefix):
    stored, numbers = adapter(random.Random(seed), heads=False)
    ref.write_gguf(os.path.join(folder, name + ".gguf"), {
        "general.type": ref.text("adapter"),
        "general.architecture": ref.text("bert"),
        "general.name": ref.text(name),
        "adapter.type": ref.text("lora"),
        "adapter.lora.alpha": ref.real(ALPHA),
    }, stored)
    with adapted(numbers):
        ref.references(os.path.join(folder, name + ".jsonl"), tokenise, base, 1,
                       0, 2, prefix)


def make_rank(folder, name, seed, two, pairs, stored, tokenise, base, prefix,
              bos, eos, family):
    rng = random.Random(seed)
    shapes = {"cls.output.weight": (HIDDEN,), "cls.output.bias": (1,)}
    if two:
        shapes.update({"cls.weight": (HIDDEN, HIDDEN), "cls.bias": (HIDDEN,)})
    stored, head = dict(stored), {}
    for key, dims in shapes.items():
        v = [rng.gauss(0, 0.3) for _ in range(math.prod(dims))]
        kind, store = ref.STORES["F32"]
        data, head[key] = store(v)
        stored[key] = (dims, kind, data)
    pairs = {**pairs, "general.name": ref.text(name),
             "bert.pooling_type": ref.u32(4)}
    ref.write_gguf(os.path.join(folder, name + ".gguf"), pairs, stored)
    with open(os.path.join(folder, name + ".jsonl"), "w", encoding="utf-8") as f:
        for query in QUESTIONS:
            for passage in PASSAGES:
                first, p, _, types = join(tokenise(prefix + query),
                                          tokenise(passage), POSITIONS, bos,
                                          eos, family)
                ids = first + [x[0] for x in p] + [eos]
                x = ref.hidden(ids, base, types)[0]
                if two:
                    w, b = head["cls.weight"], head["cls.bias"]
                    x = [math.tanh(dot(x, w[i * HIDDEN : (i + 1) * HIDDEN]) + b[i])
                         for i in range(HIDDEN)]
                score = dot(x, head["cls.output.weight"])
                score += head["cls.output.bias"][0]
                f.write(json.dumps({"query": query, "passage": passage,
                                    "score": round(score, 6)},
                                   ensure_ascii=False) + "\n")


def main(argv):
    if len(argv) != 2:
        sys.exit("usage: reference_reader.py FOLDER")
    with tempfile.TemporaryDirectory() as unused:
        table, uni, uni_pairs, uni_stored = ref.make_unigram(unused)
        vocab, word, word_pairs, word_stored = ref.make_wordpiece(unused)
    make(argv[1], "tiny-unigram-reader", 11, lambda s: unigram(s, table, 3),
         uni, ("query: ", "of "), POSITIONS, 0, 2, "xlm-r")
    make(argv[1], "tiny-wordpiece-reader", 12, lambda s: wordpiece(s, vocab, 1),
         word, ("", ""), 33, 2, 3, "bert")
    make_encoder(argv[1], "tiny-unigram-encoder", 15,
                 lambda s: ref.unigram(s, table, 3), uni, "query: ")
    make_rank(argv[1], "tiny-unigram-rank", 13, False, uni_pairs, uni_stored,
              lambda s: unigram(s, table, 3), uni, "query: ", 0, 2, "xlm-r")
    make_rank(argv[1], "tiny-wordpiece-rank", 14, True, word_pairs, word_stored,
              lambda s: wordpiece(s, vocab, 1), word, "query: ", 2, 3, "bert")


if __name__ == "__main__":
    main(sys.argv)
