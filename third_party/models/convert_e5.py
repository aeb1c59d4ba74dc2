#!/usr/bin/env python3
"""Repack multilingual-e5-small (4 bit) as GGUF.

Two published files are the input: `e5-small-q4.bin`, which holds the weights
and the pieces of the tokenizer, and a `tokenizer.json`, of which only the
precompiled normaliser table is used.  The result is what any reader of
GGUF's architecture `bert` with a Unigram tokenizer (`t5`) understands.

Nothing is computed anew: Q4_0 blocks and f32 values are copied byte for
byte, so the same input always gives the same output.  Standard library only.

usage: convert_e5.py WEIGHTS.bin TOKENIZER.json OUTPUT.gguf
"""

import base64
import json
import os
import struct
import sys

ALIGNMENT = 32
MAX_PIECE_BYTES = 64 << 20
MAX_TENSORS = 4096

# GGUF's numbers for the kinds of values and tensors it holds.
U8, U32, I32, F32, BOOL, STRING, ARRAY = 0, 4, 5, 6, 7, 8, 9
TENSOR_F32, TENSOR_Q4_0 = 0, 2
Q4_0_WEIGHTS, Q4_0_BYTES = 32, 18

# GGUF's kinds of tokens, and its number for mean pooling.
NORMAL, UNKNOWN, CONTROL, UNUSED = 1, 2, 3, 5
POOL_MEAN = 1

MODEL = {
    "emb.word": "token_embd.weight",
    "emb.pos": "position_embd.weight",
    "emb.type": "token_types.weight",
    "emb.ln.w": "token_embd_norm.weight",
    "emb.ln.b": "token_embd_norm.bias",
}
LAYER = {
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "ao": "attn_output",
    "fi": "ffn_up",
    "fo": "ffn_down",
    "aln": "attn_output_norm",
    "oln": "layer_output_norm",
}


class Damaged(Exception):
    """The input is not what it should be."""


class Reader:
    """Reads little-endian values in sequence and never past the end."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def bytes(self, n):
        if n < 0 or n > len(self.data) - self.at:
            raise Damaged("ends early, at byte %d" % self.at)
        part = self.data[self.at : self.at + n]
        self.at += n
        return part

    def values(self, layout):
        return struct.unpack("<" + layout, self.bytes(struct.calcsize("<" + layout)))

    def value(self, kind):
        return self.values(kind)[0]


def read_weights(data):
    """-> (shape, tokenizer, tensors) of an `e5-small-q4.bin`."""
    r = Reader(data)
    if r.bytes(4) != b"E5S1":
        raise Damaged("is not an E5S1 file")
    r.value("I")  # version
    names = ("hidden", "layers", "heads", "ffn", "vocab", "positions", "types")
    shape = dict(zip(names, r.values("7i")))
    shape["epsilon"] = r.value("f")
    if r.value("i") != Q4_0_WEIGHTS:
        raise Damaged("has blocks of another size than Q4_0's")

    count, bos, eos, pad, unk = r.values("5i")
    size = r.value("Q")
    if not 0 < count <= shape["vocab"] or size > MAX_PIECE_BYTES:
        raise Damaged("has an impossible vocabulary")
    offsets = r.values("%dI" % (count + 1))
    scores = r.values("%df" % count)
    text = r.bytes(size)
    if list(offsets) != sorted(offsets) or offsets[-1] > size:
        raise Damaged("has pieces outside its text")
    pieces = [text[offsets[i] : offsets[i + 1]] for i in range(count)]
    _, table = r.values("iI")
    r.bytes(table)  # its own normalisation table; the precompiled one is exact

    tensors = {}
    n = r.value("i")
    if not 0 < n <= MAX_TENSORS:
        raise Damaged("has an impossible number of tensors")
    for _ in range(n):
        name = r.bytes(r.value("H")).decode("ascii")
        kind, elements, offset, size = r.values("BIQQ")
        if kind > 1 or offset + size > len(data):
            raise Damaged("has a tensor outside the file: " + name)
        tensors[name] = (kind, elements, offset, size)

    ids = {"bos": bos, "eos": eos, "pad": pad, "unk": unk}
    return shape, (pieces, scores, ids), tensors


def read_charsmap(path):
    """-> the precompiled normaliser table of a `tokenizer.json`."""
    with open(path, encoding="utf-8") as f:
        normalizer = json.load(f)["normalizer"]
    for step in normalizer.get("normalizers", [normalizer]):
        if step.get("type") == "Precompiled":
            return base64.b64decode(step["precompiled_charsmap"])
    raise Damaged("has no precompiled normaliser")


def target_names(shape):
    """-> {name here: (name in GGUF, dimensions, fastest first)}, in order."""
    h, f = shape["hidden"], shape["ffn"]
    dims = {
        "emb.word": (h, shape["vocab"]),
        "emb.pos": (h, shape["positions"]),
        "emb.type": (h, shape["types"]),
        "emb.ln.w": (h,),
        "emb.ln.b": (h,),
    }
    out = {k: (v, dims[k]) for k, v in MODEL.items()}
    for i in range(shape["layers"]):
        for here, there in LAYER.items():
            rows = f if here == "fi" else h
            wide = (f if here == "fo" else h, rows)
            norm = here in ("aln", "oln")
            out["l%d.%s.w" % (i, here)] = (
                "blk.%d.%s.weight" % (i, there),
                (h,) if norm else wide,
            )
            out["l%d.%s.b" % (i, here)] = (
                "blk.%d.%s.bias" % (i, there),
                (rows,),
            )
    return out


def string(s):
    b = s if isinstance(s, bytes) else s.encode("utf-8")
    return struct.pack("<Q", len(b)) + b


def metadata(shape, tokenizer, charsmap):
    """-> [(key, kind, encoded value)]"""
    pieces, scores, ids = tokenizer
    rows = shape["vocab"]
    spare = rows - len(pieces)
    # Rows of the embedding without a piece: never produced by the tokenizer.
    tokens = list(pieces) + [b"[PAD%d]" % (len(pieces) + i) for i in range(spare)]
    scores = list(scores) + [-10000.0] * spare
    kinds = [NORMAL] * len(pieces) + [UNUSED] * spare
    for name in ("bos", "eos", "pad"):
        kinds[ids[name]] = CONTROL
    kinds[ids["unk"]] = UNKNOWN
    if pieces[-1] == b"<mask>":
        kinds[len(pieces) - 1] = CONTROL

    def u32(v):
        return U32, struct.pack("<I", v)

    def flag(v):
        return BOOL, struct.pack("<?", v)

    def text(v):
        return STRING, string(v)

    def array(kind, n, body):
        return ARRAY, struct.pack("<IQ", kind, n) + body

    pairs = {
        "general.architecture": text("bert"),
        "general.name": text("multilingual-e5-small"),
        "general.license": text("mit"),
        "general.file_type": u32(2),  # mostly Q4_0
        "general.alignment": u32(ALIGNMENT),
        "bert.block_count": u32(shape["layers"]),
        "bert.context_length": u32(shape["positions"]),
        "bert.embedding_length": u32(shape["hidden"]),
        "bert.feed_forward_length": u32(shape["ffn"]),
        "bert.attention.head_count": u32(shape["heads"]),
        "bert.attention.layer_norm_epsilon": (
            F32,
            struct.pack("<f", shape["epsilon"]),
        ),
        "bert.attention.causal": flag(False),
        "bert.pooling_type": u32(POOL_MEAN),
        "tokenizer.ggml.model": text("t5"),
        "tokenizer.ggml.pre": text("default"),
        "tokenizer.ggml.tokens": array(
            STRING, rows, b"".join(string(t) for t in tokens)
        ),
        "tokenizer.ggml.scores": array(
            F32, rows, struct.pack("<%df" % rows, *scores)
        ),
        "tokenizer.ggml.token_type": array(
            I32, rows, struct.pack("<%di" % rows, *kinds)
        ),
        "tokenizer.ggml.token_type_count": u32(shape["types"]),
        "tokenizer.ggml.add_space_prefix": flag(True),
        "tokenizer.ggml.remove_extra_whitespaces": flag(True),
        "tokenizer.ggml.precompiled_charsmap": array(U8, len(charsmap), charsmap),
        "tokenizer.ggml.bos_token_id": u32(ids["bos"]),
        "tokenizer.ggml.eos_token_id": u32(ids["eos"]),
        "tokenizer.ggml.unknown_token_id": u32(ids["unk"]),
        "tokenizer.ggml.seperator_token_id": u32(ids["eos"]),
        "tokenizer.ggml.padding_token_id": u32(ids["pad"]),
        "tokenizer.ggml.add_bos_token": flag(True),
        "tokenizer.ggml.add_eos_token": flag(True),
        # The model's card: what a text is introduced with before encoding.
        "ragd.query_prefix": text("query: "),
        "ragd.passage_prefix": text("passage: "),
    }
    return [(key, kind, body) for key, (kind, body) in pairs.items()]


def tensor_table(shape, tensors):
    """-> [(name, dimensions, GGUF kind, offset here, bytes)]"""
    wanted = target_names(shape)
    if set(wanted) != set(tensors):
        odd = sorted(set(wanted) ^ set(tensors))
        raise Damaged("lacks or adds tensors: " + ", ".join(odd[:5]))
    table = []
    for here, (there, dims) in wanted.items():
        kind, elements, offset, size = tensors[here]
        count = 1
        for d in dims:
            count *= d
        if kind == 1:
            expect = count // Q4_0_WEIGHTS * Q4_0_BYTES
        else:
            expect = count * 4
        if elements != count or size != expect:
            raise Damaged("has a tensor of another shape: " + here)
        table.append((there, dims, TENSOR_Q4_0 if kind else TENSOR_F32, offset, size))
    return table


def padding(n):
    return b"\0" * (-n % ALIGNMENT)


def convert(weights, tokenizer_json, output):
    with open(weights, "rb") as f:
        data = f.read()
    try:
        shape, tokenizer, tensors = read_weights(data)
        table = tensor_table(shape, tensors)
    except (Damaged, UnicodeDecodeError, IndexError) as e:
        raise Damaged("%s %s" % (weights, e)) from None
    pairs = metadata(shape, tokenizer, read_charsmap(tokenizer_json))

    head = [b"GGUF", struct.pack("<IQQ", 3, len(table), len(pairs))]
    for key, kind, body in pairs:
        head.append(string(key) + struct.pack("<I", kind) + body)
    at = 0
    for name, dims, kind, _, size in table:
        head.append(string(name) + struct.pack("<I", len(dims)))
        head.append(struct.pack("<%dQ" % len(dims), *dims))
        head.append(struct.pack("<IQ", kind, at))
        at += size + len(padding(size))
    head = b"".join(head)

    with open(output, "wb") as f:
        f.write(head + padding(len(head)))
        for _, _, _, offset, size in table:
            f.write(data[offset : offset + size] + padding(size))
        f.flush()
        os.fsync(f.fileno())


def main(argv):
    if len(argv) != 4:
        sys.exit(__doc__.strip().splitlines()[-1])
    try:
        convert(*argv[1:])
    except (Damaged, OSError, ValueError, KeyError) as e:
        sys.exit("convert_e5.py: %s" % e)


if __name__ == "__main__":
    main(sys.argv)
