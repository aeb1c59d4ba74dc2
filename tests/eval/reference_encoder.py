#!/usr/bin/env python3
"""Makes the encoder tests' fixtures: tiny models and what they must give.

usage: reference_encoder.py FOLDER        (tests/data/embed)

Writes two tiny random BERT models as GGUF (one Unigram, one WordPiece), for
each the token ids and vectors of a list of texts, and a file with one tensor
of every supported type and the numbers it holds. Everything here goes another
way than the program: dictionaries instead of tries, one loop a sum, double
precision throughout, standard library only. The same run always gives the
same files.
"""
import json
import math
import os
import random
import struct
import sys
import unicodedata

HIDDEN, HEADS, FFN, LAYERS, POSITIONS = 32, 2, 64, 2, 40
EPS = 1e-5
SPACE = "\u2581"
U8, U32, I32, F32, BOOL, STRING, ARRAY = 0, 4, 5, 6, 7, 8, 9


# --- the ways numbers are stored: pack(list) -> bytes, unpack -> list -----

def f16(x):
    return struct.unpack("<e", struct.pack("<e", x))[0]


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def store_f32(v):
    return struct.pack("<%df" % len(v), *v), [f32(x) for x in v]


def store_f16(v):
    return struct.pack("<%de" % len(v), *v), [f16(x) for x in v]


def store_bf16(v):
    words = [struct.unpack("<I", struct.pack("<f", x))[0] >> 16 for x in v]
    back = [struct.unpack("<f", struct.pack("<I", w << 16))[0] for w in words]
    return struct.pack("<%dH" % len(v), *words), back


def blocks(v, size):
    return [v[i : i + size] for i in range(0, len(v), size)]


def clamp(x, low, high):
    return max(low, min(high, int(round(x))))


def store_q8_0(v):
    out, back = b"", []
    for b in blocks(v, 32):
        d = f16(max(abs(x) for x in b) / 127 or 1)
        q = [clamp(x / d, -127, 127) for x in b]
        out += struct.pack("<e32b", d, *q)
        back += [d * x for x in q]
    return out, back


def nibbles(q):
    return bytes(q[j] & 15 | (q[j + 16] & 15) << 4 for j in range(16))


def fifth(q):
    return struct.pack("<I", sum((x >> 4 & 1) << j for j, x in enumerate(q)))


def store_q4_0(v):
    out, back = b"", []
    for b in blocks(v, 32):
        d = f16(max(abs(x) for x in b) / 8 or 1)
        q = [clamp(x / d + 8, 0, 15) for x in b]
        out += struct.pack("<e", d) + nibbles(q)
        back += [d * (x - 8) for x in q]
    return out, back


def store_q5_0(v):
    out, back = b"", []
    for b in blocks(v, 32):
        d = f16(max(abs(x) for x in b) / 16 or 1)
        q = [clamp(x / d + 16, 0, 31) for x in b]
        out += struct.pack("<e", d) + fifth(q) + nibbles(q)
        back += [d * (x - 16) for x in q]
    return out, back


def store_with_min(v, top):
    out, back = b"", []
    for b in blocks(v, 32):
        m = f16(min(b))
        d = f16((max(b) - m) / top or 1)
        q = [clamp((x - m) / d, 0, top) for x in b]
        out += struct.pack("<ee", d, m)
        out += (fifth(q) if top == 31 else b"") + nibbles(q)
        back += [d * x + m for x in q]
    return out, back


def store_q4_k(v):
    """Random fields: what matters is what they mean, not how well they fit."""
    rng, out, back = random.Random(4), b"", []
    for _ in blocks(v, 256):
        d, dmin = f16(rng.uniform(0.001, 0.01)), f16(rng.uniform(0.001, 0.01))
        scale = [rng.randrange(64) for _ in range(8)]
        low = [rng.randrange(64) for _ in range(8)]
        q = [rng.randrange(16) for _ in range(256)]
        packed = [0] * 12
        for g in range(4):
            packed[g] = scale[g] | scale[g + 4] >> 4 << 6
            packed[g + 4] = low[g] | low[g + 4] >> 4 << 6
            packed[g + 8] = scale[g + 4] & 15 | (low[g + 4] & 15) << 4
        body = bytes(
            q[64 * p + j] | q[64 * p + 32 + j] << 4
            for p in range(4)
            for j in range(32)
        )
        out += struct.pack("<ee", d, dmin) + bytes(packed) + body
        back += [
            d * scale[i // 32] * x - dmin * low[i // 32]
            for i, x in enumerate(q)
        ]
    return out, back


def store_q6_k(v):
    rng, out, back = random.Random(6), b"", []
    for _ in blocks(v, 256):
        d = f16(rng.uniform(0.001, 0.01))
        scale = [rng.randrange(-128, 128) for _ in range(16)]
        q = [rng.randrange(64) for _ in range(256)]
        low, high = [], []
        for half in (q[:128], q[128:]):
            part = [half[32 * k : 32 * k + 32] for k in range(4)]
            for a, b in ((0, 2), (1, 3)):
                low += [x & 15 | (y & 15) << 4 for x, y in zip(part[a], part[b])]
            high += [
                sum((part[k][j] >> 4) << 2 * k for k in range(4))
                for j in range(32)
            ]
        out += bytes(low) + bytes(high)
        out += struct.pack("<16be", *scale, d)
        back += [d * scale[i // 16] * (x - 32) for i, x in enumerate(q)]
    return out, back


STORES = {
    "F32": (0, store_f32),
    "F16": (1, store_f16),
    "Q4_0": (2, store_q4_0),
    "Q4_1": (3, lambda v: store_with_min(v, 15)),
    "Q5_0": (6, store_q5_0),
    "Q5_1": (7, lambda v: store_with_min(v, 31)),
    "Q8_0": (8, store_q8_0),
    "Q4_K": (12, store_q4_k),
    "Q6_K": (14, store_q6_k),
    "BF16": (30, store_bf16),
}


# --- GGUF ------------------------------------------------------------------

def string(s):
    b = s.encode("utf-8")
    return struct.pack("<Q", len(b)) + b


def u32(v):
    return struct.pack("<II", U32, v)


def text(s):
    return struct.pack("<I", STRING) + string(s)


def flag(v):
    return struct.pack("<I?", BOOL, v)


def real(v):
    return struct.pack("<If", F32, v)


def array(kind, n, body):
    return struct.pack("<IIQ", ARRAY, kind, n) + body


def write_gguf(path, pairs, tensors):
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(string(k) + v for k, v in pairs.items())
    body = b""
    for name, (dims, kind, data) in tensors.items():
        body += b"\0" * (-len(body) % 32)
        head += string(name) + struct.pack("<I", len(dims))
        head += struct.pack("<%dQIQ" % len(dims), *dims, kind, len(body))
        body += data
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % 32) + body)


# --- SentencePiece's normaliser table -----------------------------------------

RULES = {
    "\u3000": " ",
    "\t": " ",
    "\n": " ",
    "\r": " ",
    "\u00a0": " ",
    "\uff21": "A",
    "\uff11": "1",
    "\ufb01": "fi",
    "\u200b": "",
    "\u2460": "1",
    "e\u0301": "\u00e9",
    "\u3231": "(\uc8fc)",
    "\u1112\u1161\u11ab": "\ud55c",
    "\u1112\u1161": "\ud558",
}


def darts(rules):
    """A darts-clone double array: see Darts::Details::DoubleArrayUnit."""
    pool, values = b"", {}
    for key in sorted(rules, key=lambda k: k.encode()):
        values[key.encode()] = len(pool)
        pool += rules[key].encode() + b"\0"
    tree = {}
    for key, value in values.items():
        node = tree
        for byte in key:
            node = node.setdefault(byte, {})
        node["end"] = value
    # A child knows only its label, so no two nodes may share a base.
    units, taken, bases = {0: 0}, {0}, set()

    def place(at, node, label):
        labels = sorted(k for k in node if k != "end")
        if "end" in node:
            labels.insert(0, 0)
        base = 1
        while base in bases or any(base ^ c in taken for c in labels):
            base += 1
        bases.add(base)
        taken.update(base ^ c for c in labels)
        offset = at ^ base
        assert offset < 1 << 21
        units[at] = offset << 10 | ("end" in node) << 8 | label
        for c in labels:
            if c == 0:
                units[base] = node["end"] | 1 << 31
            else:
                place(base ^ c, node[c], c)

    place(0, tree, 0)
    size = (max(units) | 255) + 1
    body = struct.pack("<%dI" % size, *(units.get(i, 0) for i in range(size)))
    return struct.pack("<I", len(body)) + body + pool


def normalise(s):
    """Longest match first; then single spaces, one in front, as the model
    wants it. A text that ends in a space keeps it."""
    out, i = "", 0
    longest = max(len(k) for k in RULES)
    while i < len(s):
        for n in range(longest, 0, -1):
            if s[i : i + n] in RULES:
                out += RULES[s[i : i + n]]
                i += n
                break
        else:
            out += s[i]
            i += 1
    if not s:
        return ""
    words = [w for w in out.split(" ") if w]
    return "".join(SPACE + w for w in words) + (
        SPACE if out.endswith(" ") or not words else ""
    )


# --- tokenizers ---------------------------------------------------------------

def unigram(s, scores, unk):
    """ids by trying every piece at every place."""
    s = normalise(s)
    longest = max(len(k) for k in scores)
    lowest = min(v[1] for v in scores.values()) - 10
    best = [(0.0, None, 0)] + [None] * len(s)
    for end in range(1, len(s) + 1):
        for n in range(1, min(longest, end) + 1):
            piece = s[end - n : end]
            if piece in scores:
                found = (best[end - n][0] + scores[piece][1], scores[piece][0])
            elif n == 1:
                found = (best[end - 1][0] + lowest, unk)
            else:
                continue
            if best[end] is None or found[0] > best[end][0]:
                best[end] = (found[0], found[1], n)
    ids, at = [], len(s)
    while at > 0:
        _, token, n = best[at]
        if not (token == unk and ids and ids[-1] == unk):
            ids.append(token)
        at -= n
    return ids[::-1]


def is_han(c):
    return 0x4E00 <= ord(c) <= 0x9FFF or 0x3400 <= ord(c) <= 0x4DBF


def is_mark(c):
    return 33 <= ord(c) < 127 and not c.isalnum() or (
        unicodedata.category(c).startswith("P")
    )


def wordpiece(s, vocab, unk):
    words, word = [], ""
    for c in s:
        if ord(c) in (0, 0xFFFD):
            continue
        if c in " \t\n\r" or unicodedata.category(c) == "Zs":
            c = " "
        elif unicodedata.category(c).startswith("C"):
            continue
        if is_han(c):
            c = " " + c + " "
        word += c
    for w in word.split():
        part = ""
        for c in unicodedata.normalize("NFD", w.lower()):
            if unicodedata.category(c) == "Mn":
                continue
            if is_mark(c):
                words += [part, c]
                part = ""
            else:
                part += c
        words.append(part)
    ids = []
    for w in words:
        found, at = [], 0
        while at < len(w):
            for end in range(len(w), at, -1):
                piece = w[at:end] if at else SPACE + w[at:end]
                if piece in vocab:
                    found.append(vocab[piece])
                    at = end
                    break
            else:
                found = [unk]
                break
        if len(w) > 100:
            found = [unk]
        ids += found if w else []
    return ids


# --- the forward pass -----------------------------------------------------------

def norm(x, w, b):
    mean = sum(x) / len(x)
    scale = 1 / math.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + EPS)
    return [(v - mean) * scale * p + q for v, p, q in zip(x, w, b)]


def linear(x, t, name):
    w, b = t[name + ".weight"], t[name + ".bias"]
    n = len(x)
    return [
        sum(p * q for p, q in zip(x, w[i * n : i * n + n])) + b[i]
        for i in range(len(b))
    ]


def attention(q, k, v):
    d, out = HIDDEN // HEADS, []
    for row in q:
        context = []
        for h in range(0, HIDDEN, d):
            s = [
                sum(a * b for a, b in zip(row[h : h + d], key[h : h + d]))
                / math.sqrt(d)
                for key in k
            ]
            e = [math.exp(x - max(s)) for x in s]
            context += [
                sum(p * value[h + j] for p, value in zip(e, v)) / sum(e)
                for j in range(d)
            ]
        out.append(context)
    return out


def hidden(ids, t, types=None):
    """Final hidden states; types: token types, all 0 when not given."""
    def row(name, i):
        return t[name][i * HIDDEN : i * HIDDEN + HIDDEN]

    def add(a, b):
        return [p + q for p, q in zip(a, b)]

    x = []
    for place, token in enumerate(ids):
        v = add(row("token_embd.weight", token), row("position_embd.weight", place))
        v = add(v, row("token_types.weight", types[place] if types else 0))
        x.append(norm(v, t["token_embd_norm.weight"], t["token_embd_norm.bias"]))
    for i in range(LAYERS):
        p = "blk.%d." % i
        q, k, v = (
            [linear(r, t, p + n) for r in x] for n in ("attn_q", "attn_k", "attn_v")
        )
        c = [linear(r, t, p + "attn_output") for r in attention(q, k, v)]
        w, b = t[p + "attn_output_norm.weight"], t[p + "attn_output_norm.bias"]
        x = [norm(add(r, s), w, b) for r, s in zip(x, c)]
        u = [
            [0.5 * z * (1 + math.erf(z / math.sqrt(2))) for z in linear(r, t, p + "ffn_up")]
            for r in x
        ]
        c = [linear(r, t, p + "ffn_down") for r in u]
        w, b = t[p + "layer_output_norm.weight"], t[p + "layer_output_norm.bias"]
        x = [norm(add(r, s), w, b) for r, s in zip(x, c)]
    return x


def pool(x, pooling):
    if pooling == 1:
        v = [sum(r[j] for r in x) for j in range(HIDDEN)]
    else:
        v = x[0]
    length = math.sqrt(sum(z * z for z in v))
    return [z / length for z in v]


def weights(rng, vocab, kinds):
    """-> (what goes into the file, the numbers it stands for)"""
    shapes = {
        "token_embd.weight": (HIDDEN, vocab),
        "position_embd.weight": (HIDDEN, POSITIONS),
        "token_types.weight": (HIDDEN, 2),
        "token_embd_norm.weight": (HIDDEN,),
        "token_embd_norm.bias": (HIDDEN,),
    }
    for i in range(LAYERS):
        for name, rows, columns in (
            ("attn_q", HIDDEN, HIDDEN),
            ("attn_k", HIDDEN, HIDDEN),
            ("attn_v", HIDDEN, HIDDEN),
            ("attn_output", HIDDEN, HIDDEN),
            ("ffn_up", FFN, HIDDEN),
            ("ffn_down", HIDDEN, FFN),
        ):
            shapes["blk.%d.%s.weight" % (i, name)] = (columns, rows)
            shapes["blk.%d.%s.bias" % (i, name)] = (rows,)
        for name in ("attn_output_norm", "layer_output_norm"):
            shapes["blk.%d.%s.weight" % (i, name)] = (HIDDEN,)
            shapes["blk.%d.%s.bias" % (i, name)] = (HIDDEN,)
    stored, numbers, turn = {}, {}, 0
    for name, dims in shapes.items():
        n = math.prod(dims)
        if name.endswith("norm.weight"):
            v = [rng.uniform(0.5, 1.5) for _ in range(n)]
        else:
            v = [rng.gauss(0, 0.3) for _ in range(n)]
        if name.endswith("norm.weight"):
            v[5] = 9.0  # an outlier, as real models have them
        kind = "F32"
        if len(dims) > 1:
            kind = kinds[turn % len(kinds)]
            turn += 1
        number, store = STORES[kind]
        data, numbers[name] = store(v)
        stored[name] = (dims, number, data)
    return stored, numbers


def metadata(name, pooling, tokens, kinds, ids):
    return {
        "general.architecture": text("bert"),
        "general.name": text(name),
        "bert.block_count": u32(LAYERS),
        "bert.context_length": u32(POSITIONS),
        "bert.embedding_length": u32(HIDDEN),
        "bert.feed_forward_length": u32(FFN),
        "bert.attention.head_count": u32(HEADS),
        "bert.attention.layer_norm_epsilon": real(EPS),
        "bert.attention.causal": flag(False),
        "bert.pooling_type": u32(pooling),
        "tokenizer.ggml.tokens": array(
            STRING, len(tokens), b"".join(string(t) for t in tokens)
        ),
        "tokenizer.ggml.token_type": array(
            I32, len(kinds), struct.pack("<%di" % len(kinds), *kinds)
        ),
        **{"tokenizer.ggml.%s_token_id" % k: u32(v) for k, v in ids.items()},
    }


TEXTS = [
    "",
    " ",
    "a",
    "hello world",
    "  Hello,   WORLD!  ",
    "the leave of the employee",
    "연차휴가는 며칠인가요?",
    "연차 휴가 규정",
    "해외송금 한도 1,000달러",
    "caf\u00e9 cafe\u0301 na\u00efve",
    "\uff21\uff11 \u3231 \ufb01ne \u2460",
    "\u1112\u1161\u11ab\uad6d\uc5b4 NFD",
    "tab\there\nand\r\nthere\u3000full",
    "zero\u200bwidth",
    "日本語 中文",
    "unknown \U0001f600\U0001f601 emoji",
    "PPR-9087 [CLS] <s> </s>",
    "x" * 120,
    "words " * 60,
    "\ubc18\ubcf5 " * 12 + "\ub05d",
]


def references(path, tokenise, numbers, pooling, bos, eos, prefix):
    with open(path, "w", encoding="utf-8") as f:
        for s in TEXTS:
            for kind in ("raw", "query"):
                full = (prefix if kind == "query" else "") + s
                ids = [bos] + tokenise(full) + [eos]
                cut = ids[: POSITIONS - 1] + ids[-1:] if len(ids) > POSITIONS else ids
                vector = pool(hidden(cut, numbers), pooling)
                line = {
                    "text": s,
                    "kind": kind,
                    "ids": ids,
                    "vector": [round(v, 7) for v in vector],
                }
                f.write(json.dumps(line, ensure_ascii=False) + "\n")


def make_unigram(folder):
    rng = random.Random(1)
    pieces = ["<s>", "<pad>", "</s>", "<unk>", SPACE]
    pieces += list("abcdefghijklmnopqrstuvwxyzAEHLWORD0123456789,.!?-:()")
    pieces += list("연차휴가는며칠인요규정해외송금한도달러국어반복끝하주é日本語")
    for w in ("hello", "world", "the", "leave", "of", "employee", "연차", "휴가",
              "연차휴가", "해외", "송금", "한도", "한국어", "1,000", "query", "ll"):
        pieces += [SPACE + w] if w not in ("ll", "1,000") else [w]
        if w in ("휴가", "송금", "hello"):
            pieces.append(w)
    scores = [0.0] * 4 + [-rng.uniform(2, 12) for _ in pieces[4:]]
    scores = [f32(s) for s in scores]
    kinds = [3, 3, 3, 2] + [1] * (len(pieces) - 4)
    table = {p: (i, scores[i]) for i, p in enumerate(pieces) if i > 3}
    stored, numbers = weights(rng, len(pieces), ["Q8_0", "Q4_0", "F16", "Q5_1"])
    pairs = metadata("tiny-unigram", 1, pieces, kinds,
                     {"bos": 0, "eos": 2, "unknown": 3, "padding": 1})
    charsmap = darts(RULES)
    pairs.update({
        "tokenizer.ggml.model": text("t5"),
        "tokenizer.ggml.scores": array(
            F32, len(scores), struct.pack("<%df" % len(scores), *scores)),
        "tokenizer.ggml.add_space_prefix": flag(True),
        "tokenizer.ggml.remove_extra_whitespaces": flag(True),
        "tokenizer.ggml.precompiled_charsmap": array(U8, len(charsmap), charsmap),
        "ragd.query_prefix": text("query: "),
    })
    write_gguf(os.path.join(folder, "tiny-unigram.gguf"), pairs, stored)
    references(os.path.join(folder, "tiny-unigram.jsonl"),
               lambda s: unigram(s, table, 3), numbers, 1, 0, 2, "query: ")
    return table, numbers, pairs, stored


def make_wordpiece(folder):
    rng = random.Random(2)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    for c in "abcdefghijklmnopqrstuvwxyz0123456789":
        pieces += [SPACE + c, c]
    pieces += [SPACE + c for c in ",.!?-:[]<>/()"]
    pieces += [SPACE + w for w in ("hello", "world", "the", "leave", "of",
                                   "employee", "query", "cafe", "na")]
    pieces += ["llo", "ive", "tion", "ee", "ords"]
    pieces += [SPACE + c for c in "日本語中文"]
    # Hangul comes apart into letters here, as in BERT's uncased models.
    pieces += [SPACE + c for c in "\u1112\u1102\u110b"]
    pieces += list("\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165")
    kinds = [3] * 4 + [1] * (len(pieces) - 4)
    vocab = {p: i for i, p in enumerate(pieces) if i > 3}
    stored, numbers = weights(rng, len(pieces), ["F32", "BF16", "Q5_0", "Q4_1"])
    pairs = metadata("tiny-wordpiece", 2, pieces, kinds,
                     {"bos": 2, "seperator": 3, "unknown": 1, "padding": 0})
    pairs["tokenizer.ggml.model"] = text("bert")
    pairs["ragd.query_prefix"] = text("query: ")
    write_gguf(os.path.join(folder, "tiny-wordpiece.gguf"), pairs, stored)
    references(os.path.join(folder, "tiny-wordpiece.jsonl"),
               lambda s: wordpiece(s, vocab, 1), numbers, 2, 2, 3, "query: ")
    return vocab, numbers, pairs, stored


def make_types(folder):
    rng = random.Random(3)
    tensors = {}
    with open(os.path.join(folder, "types.jsonl"), "w") as f:
        for name, (number, store) in STORES.items():
            data, back = store([rng.gauss(0, 1) for _ in range(512)])
            tensors[name] = ((256, 2), number, data)
            f.write(json.dumps({"name": name, "numbers": [
                float("%.7g" % x) for x in back]}) + "\n")
    write_gguf(os.path.join(folder, "types.gguf"), {}, tensors)


def main(argv):
    if len(argv) != 2:
        sys.exit("usage: reference_encoder.py FOLDER")
    make_unigram(argv[1])
    make_wordpiece(argv[1])
    make_types(argv[1])


if __name__ == "__main__":
    main(sys.argv)
