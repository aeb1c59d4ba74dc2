#!/usr/bin/env python3
"""Makes what a packaged BERT encoder must give: token ids and vectors.

usage: reference_bert.py FOLDER OUTPUT.jsonl

FOLDER is what third_party/models/convert_bert.py reads. The ids come from the
package's own tokenizer.json by the tokenizers library, the vectors from the
original float32 weights by numpy, so that converter, tokenizer and engine are
all tested against others' work. Needs numpy and tokenizers.
"""
import json
import math
import os
import sys

import numpy as np
from tokenizers import Tokenizer

TEXTS = [
    "",
    "How many days of annual leave does an employee have?",
    "The core time for flexible hours is 10:00 to 16:00, Monday to Thursday.",
    "Wire transfers abroad: up to USD 50,000 a day; the fee is 0.1% (min. $5).",
    "Caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00c5ngstr\u00f6m \u0130stanbul stra\u00dfe",
    "연차휴가는 며칠인가요? 해외송금 한도 1,000달러",
    "日本語と中文 mixed with English",
    "\uff21\uff22\uff23 \uff11\uff12\uff13 \u2460 \ufb01ne \u3231",
    "e\u0301 \u1112\u1161\u11ab combining and conjoining",
    "emoji \U0001f600\U0001f468\u200d\U0001f469 zero\u200bwidth soft\u00adhyphen",
    "tab\there\nand\r\nthere\u3000full\u00a0width",
    "[CLS] [SEP] [MASK] ##ing <s> PPR-9087 a@b.example don't",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "x" * 101 + " " + "y" * 100,
    "the quick brown fox jumps over the lazy dog " * 40,
    "UPPER lower MiXeD 3.14159e-10 https://example.org/a?b=c&d=e#f",
]


def load(path):
    with open(path, "rb") as f:
        data = f.read()
    n = int.from_bytes(data[:8], "little")
    out = {}
    for name, t in json.loads(data[8 : 8 + n]).items():
        if name != "__metadata__" and t["dtype"] == "F32":
            first, last = t["data_offsets"]
            out[name] = np.frombuffer(
                data[8 + n + first : 8 + n + last], np.float32
            ).reshape(t["shape"]).astype(np.float64)
    return out


def norm(x, t, name, eps):
    d = x - x.mean(-1, keepdims=True)
    scale = 1 / np.sqrt((d * d).mean(-1, keepdims=True) + eps)
    return d * scale * t[name + ".weight"] + t[name + ".bias"]


erf = np.vectorize(math.erf)


def encode(ids, t, config, cls):
    eps, heads = config["layer_norm_eps"], config["num_attention_heads"]
    n, h = len(ids), config["hidden_size"]
    e = "embeddings."
    x = t[e + "word_embeddings.weight"][ids]
    x = x + t[e + "position_embeddings.weight"][:n]
    x = norm(x + t[e + "token_type_embeddings.weight"][0], t, e + "LayerNorm", eps)
    for i in range(config["num_hidden_layers"]):
        p = "encoder.layer.%d." % i

        def line(y, name):
            return y @ t[p + name + ".weight"].T + t[p + name + ".bias"]

        q, k, v = (
            line(x, "attention.self." + s).reshape(n, heads, -1).swapaxes(0, 1)
            for s in ("query", "key", "value")
        )
        s = q @ k.swapaxes(1, 2) / np.sqrt(h // heads)
        s = np.exp(s - s.max(-1, keepdims=True))
        c = (s / s.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(n, h)
        x = norm(x + line(c, "attention.output.dense"), t,
                 p + "attention.output.LayerNorm", eps)
        u = line(x, "intermediate.dense")
        u = 0.5 * u * (1 + erf(u / np.sqrt(2)))
        x = norm(x + line(u, "output.dense"), t, p + "output.LayerNorm", eps)
    v = x[0] if cls else x.mean(0)
    return v / np.linalg.norm(v)


def main(argv):
    if len(argv) != 3:
        sys.exit("usage: reference_bert.py FOLDER OUTPUT.jsonl")

    def read(name):
        with open(os.path.join(argv[1], name), encoding="utf-8") as f:
            return json.load(f)

    config = read("config.json")
    cls = read("1_Pooling/config.json")["pooling_mode_cls_token"]
    longest = read("sentence_bert_config.json")["max_seq_length"]
    t = load(os.path.join(argv[1], "model.safetensors"))
    tokenizer = Tokenizer.from_file(os.path.join(argv[1], "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    with open(argv[2], "w", encoding="utf-8") as f:
        for s in TEXTS:
            # Special tokens are the tokenizer's to add, never the text's.
            ids = tokenizer.encode(s.replace("[", "[\u200b")).ids
            cut = ids if len(ids) <= longest else ids[: longest - 1] + ids[-1:]
            v = encode(cut, t, config, cls)
            f.write(json.dumps({
                "text": s, "kind": "raw", "ids": ids,
                "vector": [round(float(x), 5) for x in v],
            }, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv)
