#!/usr/bin/env python3
"""Trains the encoder's adapter: questions and what answers them, nearer.

usage: train.py [--minutes N] [--rate R] [--start ADAPTER.gguf] [--keep SHARE]
                ENCODER.gguf OUT.gguf

Reads ../reader/passages, ../reader/entries and ../query beside this file. A
batch holds clusters of questions about texts that lie near each other (one
file's, or four organisations' documents), so that a text is told from its
neighbours and from everything else. Each question has one text that answers
it: the whole passage or the sentence that has the answer, the whole entry or
its question. Of the batch's texts, and some sections that a search found for a
question and that do not answer it, a question's own should be nearest
(InfoNCE). The LoRA adapter (Hu et al. 2021) is learned on every matrix of the
upper layers, --start from one that there is; --keep goes back by a share of
the way to the encoder as it was (Wortsman et al. 2022).

What ../reader/train.py keeps out is kept out here. README.md says what the
shipped adapter was trained on, for how long, and how well it does.
"""
import argparse
import glob
import importlib.util
import math
import os
import random
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RANK = 32
FROZEN = 3  # lowest layers left alone
CLUSTER, CLUSTERS = 16, 4  # questions about near texts; such in a batch
TOKENS = 150  # of a text
TEMPERATURE = 0.01
BACKWARD = 0.3  # weight of finding the question from the text
WHOLE = 0.5  # share of passages read whole; else the answer's sentence
BESIDE = 0.5  # share of questions that bring a section that does not answer
ORGANISATIONS = 4  # whose documents share a batch
QUERY, PASSAGE = "query: ", "passage: "
NAME = "e5-small-encoder-ko-en"


def load_reader_module():
    spec = importlib.util.spec_from_file_location(
        "reader_train", os.path.join(HERE, "..", "reader", "train.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reader = load_reader_module()


def files(pattern):
    return sorted(glob.glob(os.path.join(HERE, "..", pattern)))


def sentences(text):
    parts = re.split(r"\n|(?<=[.?!。])\s+|(?<=[다요]\.)\s*", text)
    return [p.strip()[:400] for p in parts if len(p.strip()) >= 6]


class Texts:
    """Passages and entries by id, and the questions of each group."""

    def __init__(self):
        self.passages, self.entries, self.asked = {}, {}, {}
        for path in files("reader/passages/*.jsonl"):
            for d in reader.read_lines([path]):
                if "text" in d:
                    self.passages[d["id"]] = d["title"], d["text"]
                if reader.passage_held_out(d):
                    continue
                group = os.path.basename(path), self.organisation(d)
                for q in d["qas"]:
                    if q["a"]:
                        self.add(group, q["q"], d["id"], q["a"][0],
                                 q.get("beside", []))
        for path in files("query/questions/*.jsonl"):
            for d in reader.read_lines([path]):
                if not reader.passage_held_out(d):
                    for q in d["qas"]:
                        self.add((os.path.basename(path), ""), q["q"], d["id"])
        for path in files("reader/entries/*.jsonl") + files("query/entries/*.jsonl"):
            for d in reader.read_lines([path]):
                self.entries[d["id"]] = d["q"], d["a"]
                if not reader.held_out(d["group"], reader.GROUPS_HELD_OUT_OF):
                    for q in d["alt"]:
                        self.add((os.path.basename(path), ""), q, d["id"])

    @staticmethod
    def organisation(d):
        return re.sub(r"-\d+$", "", d["of"]) if "of" in d else ""

    def add(self, group, question, key, answer=None, beside=()):
        self.asked.setdefault(group, []).append((question, key, answer, beside))

    def positive(self, key, answer, rng):
        if key in self.entries:
            q, a = self.entries[key]
            return PASSAGE + q + "\n" + a if rng.random() < WHOLE else QUERY + q
        title, text = self.passages[key]
        if answer and rng.random() >= WHOLE:
            for s in sentences(text):
                if answer in s:
                    return PASSAGE + title + "\n" + s
        return PASSAGE + title + "\n" + text

    def negative(self, key, rng):
        title, text = self.passages[key]
        some = sentences(text)
        if some and rng.random() >= WHOLE:
            text = rng.choice(some)
        return PASSAGE + title + "\n" + text

    def batches(self, rng):
        """An epoch."""
        pools, documents = [], {}
        for (path, organisation), asked in self.asked.items():
            if organisation:
                documents.setdefault(path, []).append(asked)
            else:
                pools.append(asked[:])
        for several in documents.values():
            rng.shuffle(several)
            pools += [sum(several[i:i + ORGANISATIONS], [])
                      for i in range(0, len(several), ORGANISATIONS)]
        out = []
        for pool in pools:
            rng.shuffle(pool)
            out += [pool[i:i + CLUSTER] for i in range(0, len(pool), CLUSTER)]
        rng.shuffle(out)
        return [sum(out[i:i + CLUSTERS], []) for i in range(0, len(out), CLUSTERS)]


class Encoder:
    def __init__(self, path, frozen=FROZEN):
        weights, self.tokenizer, heads = reader.load_encoder(path)
        self.model = reader.make_model(weights, heads, RANK, frozen)
        self.ids = {}

    def adapted(self):
        return [p for layer in self.model.layers for m in reader.MATRICES
                for p in (layer[m].A, layer[m].B) if p.requires_grad]

    def tokens(self, text):
        if text not in self.ids:
            found = self.tokenizer.encode(text).ids[:TOKENS - 2]
            self.ids[text] = [0] + found + [2]
        return self.ids[text]

    def run(self, batch):
        """Unit vectors of sequences of like length: the mean of the final
        hidden states."""
        import torch.nn.functional as F
        ids, mask = reader.padded([(x, (), 0) for x in batch])
        x = self.model.states(ids, mask)
        return F.normalize((x * mask[..., None]).sum(1)
                           / mask.sum(1, keepdim=True), dim=-1)

    def __call__(self, texts):
        import torch
        ids = [self.tokens(t) for t in texts]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out, i = [], 0
        while i < len(order):
            least, j = len(ids[order[i]]), i + 1
            while j < len(order) and len(ids[order[j]]) <= max(1.4 * least,
                                                               least + 12):
                j += 1
            out.append(self.run([ids[o] for o in order[i:j]]))
            i = j
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.tensor(order)] = torch.arange(len(order))
        return torch.cat(out)[back]


def loss_of(encoder, texts, asked, rng):
    import torch
    import torch.nn.functional as F
    own = {}
    for it in asked:
        own.setdefault(it[1], it)  # one question a text
    asked = list(own.values())
    answers = [texts.positive(key, answer, rng) for _, key, answer, _ in asked]
    more = [rng.choice(beside) for _, _, _, beside in asked
            if beside and rng.random() < BESIDE]
    answers += [texts.negative(k, rng) for k in dict.fromkeys(more)
                if k not in own and k in texts.passages]
    n = len(asked)
    v = encoder([QUERY + reader.worn(q, rng) for q, _, _, _ in asked] + answers)
    score = v[:n] @ v[n:].T / TEMPERATURE
    truth = torch.arange(n)
    return (F.cross_entropy(score, truth)
            + BACKWARD * F.cross_entropy(score[:, :n].T, truth))


def train(encoder, texts, args):
    import torch
    rng, params = random.Random(3), encoder.adapted()
    opt = torch.optim.AdamW(params, weight_decay=0)
    started, step, done, recent = time.time(), 0, 0.0, []
    while done < 1:
        for batch in texts.batches(rng):
            done = (time.time() - started) / 60 / args.minutes
            if done >= 1:
                break
            step += 1
            share = min(1, step / 40) * max(0.03, (1 + math.cos(math.pi * done)) / 2)
            opt.param_groups[0]["lr"] = args.rate * share
            loss = loss_of(encoder, texts, batch, rng)
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            opt.step()
            recent = recent[-49:] + [loss.item()]
            if step % 25 == 0:
                print("step %d, %.0f %%, loss %.3f" % (
                    step, 100 * done, sum(recent) / len(recent)), flush=True)


def start_from(encoder, path):
    """Takes the numbers of an adapter of the same rank."""
    import gguf
    import numpy
    import torch
    file = gguf.GGUFReader(path)
    alpha = float(file.fields["adapter.lora.alpha"].parts[-1][0])
    of = {t.name: torch.from_numpy(numpy.array(t.data, dtype=numpy.float32))
          for t in file.tensors}
    with torch.no_grad():
        for i, layer in enumerate(encoder.model.layers[FROZEN:], FROZEN):
            for m in reader.MATRICES:
                at = "blk.%d.%s.weight.lora_" % (i, m)
                layer[m].A.copy_(of[at + "a"])
                layer[m].B.copy_(of[at + "b"] * alpha / (2 * RANK))


def save(encoder, path, share):
    """Alpha, and with it all that was learned, times share."""
    import gguf
    import numpy
    w = gguf.GGUFWriter(path, "bert")
    w.add_type("adapter")
    w.add_name(NAME)
    w.add_license("MIT")
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha", 2.0 * RANK * share)
    for i, layer in enumerate(encoder.model.layers):
        for m in reader.MATRICES if i >= FROZEN else ():
            for part in ("A", "B"):
                t = getattr(layer[m], part).detach().numpy()
                w.add_tensor("blk.%d.%s.weight.lora_%s" % (i, m, part.lower()),
                             numpy.ascontiguousarray(t.astype(numpy.float16)))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--minutes", type=float, default=50)
    p.add_argument("--rate", type=float, default=3e-4)
    p.add_argument("--keep", type=float, default=0.5, metavar="SHARE",
                   help="of the encoder as it was, in what is written")
    p.add_argument("--start", metavar="ADAPTER.gguf")
    p.add_argument("encoder")
    p.add_argument("out")
    args = p.parse_args()
    import torch
    torch.manual_seed(3)
    encoder, texts = Encoder(args.encoder), Texts()
    print("%d questions about %d passages and %d entries" % (
        sum(map(len, texts.asked.values())), len(texts.passages),
        len(texts.entries)), flush=True)
    if args.start:
        start_from(encoder, args.start)
    train(encoder, texts, args)
    save(encoder, args.out, 1 - args.keep)
    print("wrote", args.out)


if __name__ == "__main__":
    sys.exit(main())
