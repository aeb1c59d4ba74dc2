#!/usr/bin/env python3
"""Repack a BERT encoder or cross-encoder as GGUF.

The input is a folder as sentence-transformers and most packages lay it out:
config.json, model.safetensors, vocab.txt (WordPiece), and, where they are
there, tokenizer_config.json, 1_Pooling/config.json, sentence_bert_config.json
(the longest text) and config_sentence_transformers.json (prefixes, as
"prompts").  A model with a classifier of one output becomes a re-ranker.

Matrices of float32 are written as float16, everything else is copied, so the
same input always gives the same output.  What the program could not compute
(other architectures, activations, positions, tokenizers) is refused.
Standard library only.

usage: convert_bert.py [--name N] [--license L] [--query-prefix S]
                       [--passage-prefix S] FOLDER OUTPUT.gguf
"""

import argparse
import json
import os
import re
import struct
import sys

ALIGNMENT = 32
HEADER_MAX = 16 << 20

# GGUF's numbers for the kinds of values and tensors it holds.
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
TENSOR = {"F32": 0, "F16": 1, "BF16": 30}
SIZE = {"F32": 4, "F16": 2, "BF16": 2}
NORMAL, UNKNOWN, CONTROL, UNUSED = 1, 2, 3, 5
POOL_MEAN, POOL_CLS, POOL_RANK = 1, 2, 4
WORD = "\u2581"  # before pieces that begin a word

EMBEDDINGS = {
    "word_embeddings.weight": "token_embd.weight",
    "position_embeddings.weight": "position_embd.weight",
    "token_type_embeddings.weight": "token_types.weight",
    "LayerNorm.weight": "token_embd_norm.weight",
    "LayerNorm.bias": "token_embd_norm.bias",
}
LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
HEAD = {
    "pooler.dense.weight": "cls.weight",
    "pooler.dense.bias": "cls.bias",
    "classifier.weight": "cls.output.weight",
    "classifier.bias": "cls.output.bias",
}


class Refused(Exception):
    """The input is damaged, or not what this program can repack."""


def read_json(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as f:
        return json.load(f)


class Weights:
    """A safetensors file: a JSON header, then the numbers."""

    def __init__(self, path):
        self.f = open(path, "rb")
        size = os.fstat(self.f.fileno()).st_size
        (n,) = struct.unpack("<Q", self.f.read(8))
        if n > min(HEADER_MAX, size - 8):
            raise Refused("model.safetensors is damaged")
        header = json.loads(self.f.read(n))
        self.base = 8 + n
        self.tensors = {}
        for name, t in header.items():
            if name == "__metadata__" or name.endswith("position_ids"):
                continue
            first, last = t["data_offsets"]
            count = 1
            for d in t["shape"]:
                count *= d
            if t["dtype"] not in SIZE:
                raise Refused("%s is of type %s" % (name, t["dtype"]))
            if not 0 <= first <= last <= size - self.base:
                raise Refused("%s lies outside the file" % name)
            if last - first != count * SIZE[t["dtype"]]:
                raise Refused("%s has another size than its shape" % name)
            self.tensors[re.sub(r"^(bert|model)\.", "", name)] = t

    def shape(self, name):
        return self.tensors[name]["shape"]

    def parts(self, name, rows):
        """Blocks of the first rows' bytes, and what they are."""
        t = self.tensors[name]
        row = SIZE[t["dtype"]]
        for d in t["shape"][1:]:
            row *= d
        matrix = len(t["shape"]) == 2
        self.f.seek(self.base + t["data_offsets"][0])
        step = max(1, (1 << 20) // row)
        for i in range(0, rows, step):
            b = self.f.read(min(step, rows - i) * row)
            if matrix and t["dtype"] == "F32":
                n = len(b) // 4
                b = struct.pack("<%de" % n, *struct.unpack("<%df" % n, b))
            yield b


def layout(weights, layers, rank):
    """-> {name there: name in GGUF}; refuses what has no place."""
    names = {"embeddings." + k: v for k, v in EMBEDDINGS.items()}
    for i in range(layers):
        for k, v in LAYER.items():
            for end in ("weight", "bias"):
                names["encoder.layer.%d.%s.%s" % (i, k, end)] = (
                    "blk.%d.%s.%s" % (i, v, end)
                )
    if rank:
        names.update(HEAD)
    missing = set(names) - set(weights.tensors)
    # An encoder's own pooler is not used: it belongs to pre-training.
    extra = set(weights.tensors) - set(names) - set(HEAD)
    if missing or extra:
        raise Refused("lacks or adds tensors: %s"
                      % ", ".join(sorted(missing | extra)[:5]))
    return names


def vocabulary(folder):
    """-> (pieces as GGUF wants them, their kinds, special ids)"""
    with open(os.path.join(folder, "vocab.txt"), encoding="utf-8") as f:
        lines = f.read().split("\n")
    if lines and not lines[-1]:
        lines.pop()
    special = {"[PAD]": "padding", "[UNK]": "unknown", "[CLS]": "bos",
               "[SEP]": "seperator", "[MASK]": "mask"}
    pieces, kinds, ids = [], [], {}
    for i, s in enumerate(lines):
        if s in special:
            pieces.append(s)
            kinds.append(UNKNOWN if s == "[UNK]" else CONTROL)
            ids[special[s]] = i
        elif re.fullmatch(r"\[unused\d+\]", s):
            pieces.append(s)
            kinds.append(UNUSED)
        else:
            pieces.append(s[2:] if s.startswith("##") else WORD + s)
            kinds.append(NORMAL)
    if not {"unknown", "bos", "seperator"} <= set(ids):
        raise Refused("vocab.txt has no [UNK], [CLS] and [SEP]")
    if len(set(zip(pieces, kinds))) != len(pieces):
        raise Refused("vocab.txt has a piece twice")
    return pieces, kinds, ids


def must(what, value, allowed):
    if value not in allowed:
        raise Refused("%s is %r; only %s is supported"
                      % (what, value, " or ".join(map(repr, allowed))))


def pooling(folder, rank):
    if rank:
        return POOL_RANK
    p = read_json(folder, "1_Pooling/config.json")
    ways = [k for k, v in p.items() if k.startswith("pooling_mode_") and v is True]
    if ways == ["pooling_mode_cls_token"]:
        return POOL_CLS
    must("pooling", ways, ([], ["pooling_mode_mean_tokens"]))
    return POOL_MEAN


def prefixes(folder, args):
    p = read_json(folder, "config_sentence_transformers.json").get("prompts") or {}
    query, passage = args.query_prefix, args.passage_prefix
    if query is None:
        query = p.get("query", "")
    if passage is None:
        passage = next((p[k] for k in ("passage", "document", "corpus") if k in p), "")
    return query or "", passage or ""


def string(s):
    b = s.encode("utf-8")
    return struct.pack("<Q", len(b)) + b


def u32(v):
    return struct.pack("<II", U32, v)


def flag(v):
    return struct.pack("<I?", BOOL, v)


def text(v):
    return struct.pack("<I", STRING) + string(v)


def array(kind, n, body):
    return struct.pack("<IIQ", ARRAY, kind, n) + body


def metadata(folder, config, args, rank):
    """-> ({key: encoded value}, positions)"""
    tokenizer = read_json(folder, "tokenizer_config.json")
    lower = tokenizer.get("do_lower_case", True)
    must("model_type", config.get("model_type"), ("bert",))
    must("hidden_act", config.get("hidden_act"), ("gelu",))
    must("position_embedding_type",
         config.get("position_embedding_type", "absolute"), ("absolute",))
    must("tokenize_chinese_chars",
         tokenizer.get("tokenize_chinese_chars", True), (True,))
    must("strip_accents", tokenizer.get("strip_accents"), (None, lower))
    longest = read_json(folder, "sentence_bert_config.json").get("max_seq_length")
    positions = min(longest or 1 << 30, config["max_position_embeddings"])
    pieces, kinds, ids = vocabulary(folder)
    query, passage = prefixes(folder, args)
    pairs = {
        "general.architecture": text("bert"),
        "general.name": text(args.name),
        "general.alignment": u32(ALIGNMENT),
        "bert.block_count": u32(config["num_hidden_layers"]),
        "bert.context_length": u32(positions),
        "bert.embedding_length": u32(config["hidden_size"]),
        "bert.feed_forward_length": u32(config["intermediate_size"]),
        "bert.attention.head_count": u32(config["num_attention_heads"]),
        "bert.attention.layer_norm_epsilon": struct.pack(
            "<If", F32, config.get("layer_norm_eps", 1e-12)),
        "bert.attention.causal": flag(False),
        "bert.pooling_type": u32(pooling(folder, rank)),
        "tokenizer.ggml.model": text("bert"),
        "tokenizer.ggml.pre": text("default"),
        "tokenizer.ggml.tokens": array(
            STRING, len(pieces), b"".join(string(p) for p in pieces)),
        "tokenizer.ggml.token_type": array(
            I32, len(kinds), struct.pack("<%di" % len(kinds), *kinds)),
        "tokenizer.ggml.token_type_count": u32(config["type_vocab_size"]),
        "ragd.lowercase": flag(lower),
    }
    if args.license:
        pairs["general.license"] = text(args.license)
    for name, i in sorted(ids.items()):
        pairs["tokenizer.ggml.%s_token_id" % name] = u32(i)
    for key, value in (("query", query), ("passage", passage)):
        if value:
            pairs["ragd.%s_prefix" % key] = text(value)
    return pairs, positions


def convert(args):
    config = read_json(args.folder, "config.json")
    weights = Weights(os.path.join(args.folder, "model.safetensors"))
    rank = "classifier.weight" in weights.tensors
    if rank and weights.shape("classifier.weight")[0] != 1:
        raise Refused("its classifier has several outputs, a re-ranker has one")
    pairs, positions = metadata(args.folder, config, args, rank)
    table, head, at = [], [], 0
    for there, here in layout(weights, config["num_hidden_layers"], rank).items():
        t = weights.tensors[there]
        shape = list(t["shape"])
        if here == "position_embd.weight":
            shape[0] = positions
        kind = "F16" if len(shape) == 2 and t["dtype"] == "F32" else t["dtype"]
        size = SIZE[kind]
        for d in shape:
            size *= d
        head.append(string(here) + struct.pack("<I", len(shape)))
        head.append(struct.pack("<%dQ" % len(shape), *reversed(shape)))
        head.append(struct.pack("<IQ", TENSOR[kind], at))
        table.append((there, shape[0], -size % ALIGNMENT))
        at += size + -size % ALIGNMENT
    first = [b"GGUF", struct.pack("<IQQ", 3, len(table), len(pairs))]
    first += [string(k) + v for k, v in pairs.items()]
    header = b"".join(first + head)
    with open(args.output, "wb") as f:
        f.write(header + b"\0" * (-len(header) % ALIGNMENT))
        for there, rows, pad in table:
            for part in weights.parts(there, rows):
                f.write(part)
            f.write(b"\0" * pad)
        f.flush()
        os.fsync(f.fileno())


def main():
    p = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="See the head of this file for what FOLDER holds.")
    p.add_argument("--name", default="encoder")
    p.add_argument("--license", default="")
    p.add_argument("--query-prefix")
    p.add_argument("--passage-prefix")
    p.add_argument("folder")
    p.add_argument("output")
    try:
        convert(p.parse_args())
    except (Refused, OSError, ValueError, KeyError, struct.error,
            OverflowError) as e:
        sys.exit("convert_bert.py: %s" % (e.args[0] if isinstance(e, Refused)
                                          else repr(e)))


if __name__ == "__main__":
    main()
