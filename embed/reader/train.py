#!/usr/bin/env python3
"""Trains the reader: an adapter that makes the encoder judge and find answers.

usage: train.py [--minutes N] [--set DIR] [--start READER.gguf [--keep SHARE]]
                ENCODER.gguf OUT.gguf PASSAGES.jsonl...
       train.py --held-out DIR PASSAGES.jsonl...

A passage is a line {"id", "lang", "title", "text", "qas": [{"q", "a": [..]}]}:
"a" holds the words of the text that answer "q", and is empty when the passage
does not answer it. A line without "text" has further questions about a passage
of an earlier line or file. A section of a long document is a passage that
names it ("of"), and its questions name sections that a search found as well
and that do not answer ("beside"). A line {"id", "group", "q", "a", "alt": [..]} is an
FAQ entry with customers' wordings of its question, which its neighbours in the
group do not answer, and questions that it seems to answer and does not ("not").

The encoder's weights stay as they are; a LoRA adapter (Hu et al. 2021) on
every matrix of the upper layers and two heads are learned: start and end of
the answer (the first token stands for "none"), and whether the passage answers
at all. OUT is the file that `reader.model` names. --start goes on from a
reader.

One passage in fourteen and one group of entries in eight, by the hash of their
names, are never trained on. --held-out writes the passages' questions of these
as a set for `rag eval`, among the documents of all passages. README.md beside
this file says what the shipped adapter was trained on, for how long, and how
well it does.
"""
import argparse
import hashlib
import json
import math
import os
import random
import re
import sys
import time

QUESTION_TOKENS, TITLE_TOKENS, SEQUENCE_TOKENS = 96, 60, 500
DISTRACTOR_TOKENS = 120
MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down")
RANK = 32
HELD_OUT_OF = 14
GROUPS_HELD_OUT_OF = 8
# How often a wording is also read with a neighbour of its entry, with another
# entry and with a passage, and a question about a passage with an entry.
NEIGHBOUR, OTHER_ENTRY, OTHER_PASSAGE, ENTRY = 0.7, 0.2, 0.15, 0.3
# Sections that a question about a document is also read with, and among how many
# of the most deceptive they are chosen; how often a question is read that is sure.
BESIDE, DECEPTIVE, SURE = 2, 4, 0.25
CHOICE = 0.5  # weight of choice_loss
NEVER = -1e4  # a logit that no training lifts


def held_out(name, among=HELD_OUT_OF):
    return int(hashlib.md5(name.encode()).hexdigest(), 16) % among == 0


def passage_held_out(d):
    """A section with its whole document."""
    return held_out(d.get("of", d["id"]))


def read_lines(paths):
    for path in paths:
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                try:
                    yield json.loads(line)
                except ValueError as e:
                    sys.exit("%s:%d: %s" % (path, number, e))


def write_held_out(folder, paths):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "docs.jsonl"), "w", encoding="utf-8") as docs, \
         open(os.path.join(folder, "queries.jsonl"), "w", encoding="utf-8") as queries:
        for d in read_lines(paths):
            if "text" not in d:
                continue
            doc = {k: d[k] for k in ("id", "title", "text")}
            docs.write(json.dumps(doc, ensure_ascii=False) + "\n")
            if not passage_held_out(d):
                continue
            for i, qa in enumerate(d["qas"]):
                q = {"id": "%s-%d" % (d["id"], i), "question": qa["q"],
                     "relevant": [d["id"]] if qa["a"] else [],
                     "answers": qa["a"], "answerable": bool(qa["a"])}
                queries.write(json.dumps(q, ensure_ascii=False) + "\n")


# --- the encoder, as torch computes it ----------------------------------------

def load_encoder(path):
    import gguf
    import numpy
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    r = gguf.GGUFReader(path)
    weights = {}
    for t in r.tensors:
        numbers = numpy.array(gguf.dequantize(t.data, t.tensor_type),
                              dtype=numpy.float32)
        shape = [int(n) for n in reversed(t.shape)]
        weights[t.name] = torch.from_numpy(numbers).reshape(*shape)

    def strings(key):
        f = r.fields[key]
        return [bytes(f.parts[i]).decode() for i in f.data]

    def numbers_of(key):
        f = r.fields[key]
        return [f.parts[i][0] for i in f.data]

    pieces = list(zip(strings("tokenizer.ggml.tokens"),
                      map(float, numbers_of("tokenizer.ggml.scores"))))
    table = bytes(numpy.array(
        numbers_of("tokenizer.ggml.precompiled_charsmap"),
        dtype=numpy.uint8).tobytes())
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.Precompiled(table)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    heads = int(numbers_of("bert.attention.head_count")[0])
    return weights, tokenizer, heads


def make_model(weights, heads, rank, frozen):
    import torch
    import torch.nn as nn
    import torch.nn.functional as F

    class Adapted(nn.Module):
        """y = W x + b + (alpha / rank) B A x, with alpha = 2 rank."""

        def __init__(self, w, b):
            super().__init__()
            self.register_buffer("w", w.bfloat16(), persistent=False)
            self.register_buffer("b", b, persistent=False)
            self.A = nn.Parameter(torch.randn(rank, w.shape[1]) / w.shape[1] ** 0.5)
            self.B = nn.Parameter(torch.zeros(w.shape[0], rank))

        def forward(self, x):
            x = x.bfloat16()
            low = F.linear(x, self.A.bfloat16())
            y = F.linear(x, self.w) + F.linear(low, (2 * self.B).bfloat16())
            return y.float() + self.b

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers, self.norms = nn.ModuleList(), []
            while "blk.%d.attn_q.weight" % len(self.layers) in weights:
                at = "blk.%d." % len(self.layers)
                self.layers.append(nn.ModuleDict({
                    m: Adapted(weights[at + m + ".weight"], weights[at + m + ".bias"])
                    for m in MATRICES}))
                self.norms.append([weights[at + n] for n in (
                    "attn_output_norm.weight", "attn_output_norm.bias",
                    "layer_output_norm.weight", "layer_output_norm.bias")])
            for layer in self.layers[:frozen]:
                layer.requires_grad_(False)
            self.hidden = weights["token_embd.weight"].shape[1]
            self.span, self.answer = nn.Linear(self.hidden, 2), nn.Linear(self.hidden, 1)
            for head in (self.span, self.answer):
                nn.init.normal_(head.weight, std=0.02)
                nn.init.zeros_(head.bias)

        def norm(self, x, w, b):
            return F.layer_norm(x, (self.hidden,), w, b, eps=1e-12)

        def states(self, ids, mask):
            """Final hidden states, a row a token."""
            n, length = ids.shape
            x = (F.embedding(ids, weights["token_embd.weight"])
                 + weights["position_embd.weight"][:length]
                 + weights["token_types.weight"][0])
            x = self.norm(x, weights["token_embd_norm.weight"],
                          weights["token_embd_norm.bias"])
            bias = ((1.0 - mask[:, None, None, :]) * NEVER).bfloat16()
            for layer, (w1, b1, w2, b2) in zip(self.layers, self.norms):
                q, k, v = (layer[m](x).bfloat16().view(n, length, heads, -1)
                           .transpose(1, 2) for m in MATRICES[:3])
                a = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
                a = a.transpose(1, 2).reshape(n, length, -1)
                x = self.norm(x + layer["attn_output"](a), w1, b1)
                x = self.norm(x + layer["ffn_down"](F.gelu(layer["ffn_up"](x))), w2, b2)
            return x

        def forward(self, ids, mask):
            x = self.states(ids, mask)
            span = self.span(x)
            return span[..., 0], span[..., 1], self.answer(x[:, 0])[:, 0]

    return Reader()


# --- examples -------------------------------------------------------------------

class Passage:
    def __init__(self, tokenizer, d):
        e = tokenizer.encode(d["text"])
        self.id, self.text = d["id"], d["text"]
        self.ids, self.places = e.ids, e.offsets
        self.title = " > ".join(filter(None, (d["title"], d.get("heading"))))
        self.title_ids = tokenizer.encode(self.title).ids[:TITLE_TOKENS]

    def spans(self, words):
        """First and last token of every occurrence."""
        at = self.text.find(words)
        while at >= 0:
            end = at + len(words)
            inside = [k for k, (s, e) in enumerate(self.places)
                      if e > s and e > at and s < end]
            if inside:
                yield inside[0], inside[-1]
            at = self.text.find(words, at + 1)


class Example:
    def __init__(self, question, passage, spans, beside=(), sure=False):
        self.question, self.passage, self.spans = question, passage, spans
        self.beside = beside  # what a search found besides: none answers
        self.sure = sure
        self.others = []


def load_examples(tokenizer, paths):
    """Of a long document ("of") each section is a passage."""
    out, passages = [], {}
    lines = [d for d in read_lines(paths) if "alt" not in d
             and not passage_held_out(d)]
    for d in lines:
        if "text" in d:
            passages[d["id"]] = Passage(tokenizer, d)
    for d in lines:
        if d["id"] not in passages:
            sys.exit("train.py: no passage %s for its questions" % d["id"])
        p = passages[d["id"]]
        for qa in d["qas"]:
            spans = [s for a in qa["a"] for s in p.spans(a)]
            beside = [passages[i] for i in qa.get("beside", ()) if i in passages]
            if bool(spans) == bool(qa["a"]):
                out.append(Example(qa["q"], p, spans, beside, qa.get("sure", False)))
    return out


class Wording:
    """What a customer says, the entry that answers or seems to, its neighbours."""

    def __init__(self, question, entry, neighbours, answered=True):
        self.question, self.entry, self.neighbours = question, entry, neighbours
        self.answered = answered


def load_wordings(tokenizer, paths):
    """Wordings, and all entries. The answer is any sentence of the entry."""
    groups = {}
    for path in paths:
        for d in read_lines([path]):
            if "alt" not in d or held_out(d["group"], GROUPS_HELD_OUT_OF):
                continue
            p = Passage(tokenizer, {"id": d["id"], "title": d["q"], "text": d["a"]})
            p.sentences = [s for x in re.split(r"(?<=[.?!])\s+", d["a"])
                           for s in list(p.spans(x))[:1]]
            p.terms = terms(d["q"] + " " + d["a"])
            groups.setdefault((path, d["group"]), []).append((p, d))
    out = [Wording(q, p, [o for o, _ in group if o is not p], key == "alt")
           for group in groups.values() for p, d in group
           for key in ("alt", "not") for q in d.get(key, ())]
    return out, [p for group in groups.values() for p, _ in group]


def load_set(tokenizer, folder):
    """Half of an evaluation set: the articles (an id up to its "-") whose
    hash is odd. An unanswerable question names its passage as source_doc."""
    docs, out = {}, []
    for d in read_lines([os.path.join(folder, "docs.jsonl")]):
        docs[d["id"]] = Passage(tokenizer, d)
    for q in read_lines([os.path.join(folder, "queries.jsonl")]):
        source = q["relevant"][0] if q["relevant"] else q["source_doc"]
        article = source.split("-")[0]
        if int(hashlib.md5(article.encode()).hexdigest(), 16) % 2 == 0:
            continue
        p = docs[source]
        spans = [next(p.spans(a), None) for a in q["answers"][:3]]
        spans = [s for s in spans if s]
        if bool(spans) == q["answerable"]:
            out.append(Example(q["question"], p, spans))
    return out


def terms(text):
    text = re.sub(r"\s+", " ", text.lower())
    hangul = [("가" <= c <= "힣") for c in text]
    pairs = {text[i:i + 2] for i in range(len(text) - 1)
             if hangul[i] and hangul[i + 1]}
    return pairs | set(re.findall(r"[a-z0-9]{2,}", text))


def find_others(examples, k=4):
    """For each question, the passages besides its own that share most words."""
    import numpy
    passages = list({e.passage.id: e.passage for e in examples}.values())
    bags = [terms(p.title + " " + p.text) for p in passages]
    count = {}
    for bag in bags:
        for t in bag:
            count[t] = count.get(t, 0) + 1
    column = {t: i for i, t in enumerate(count)}
    rarity = numpy.log(len(passages) / numpy.array(list(count.values())))
    table = numpy.zeros((len(passages), len(column)), dtype=numpy.float32)
    for i, bag in enumerate(bags):
        table[i, [column[t] for t in bag]] = 1
        table[i] *= rarity / math.sqrt(len(bag) or 1)
    for e in examples:
        asked = [column[t] for t in terms(e.question) if t in column]
        order = numpy.argsort(-table[:, asked].sum(1))[:k + 1]
        e.others = [passages[i] for i in order if passages[i] is not e.passage][:k]


def sequence(tokenizer, question, p, spans, title, other, first):
    """-> ids, answer places, first place of the passage."""
    ids = [0] + tokenizer.encode(question).ids[:QUESTION_TOKENS] + [2, 2]
    ids += p.title_ids if title else []
    start, body, shift = len(ids), list(p.ids), 0
    if other is not None:
        more = other.ids[:DISTRACTOR_TOKENS]
        body, shift = (more + body, len(more)) if first else (body + more, 0)
    ids += body[:SEQUENCE_TOKENS - start] + [2]
    places = [(start + shift + a, start + shift + b) for a, b in spans
              if start + shift + b < len(ids) - 1]
    return ids, places, start


def worn(question, rng):
    """A question as people type it."""
    u = rng.random()
    if u < 0.06:
        return question.rstrip("?.! ")
    if u < 0.09:
        return question.lower()
    spaces = [i for i, c in enumerate(question) if c == " "]
    if u < 0.11 and spaces:
        i = rng.choice(spaces)
        return question[:i] + question[i + 1:]
    return question


def without_answer(tokenizer, e):
    """The passage less every sentence that has the answer's words; None when
    too little is left."""
    p = e.passage
    (first, last), text = e.spans[0], p.text
    words = text[p.places[first][0]:p.places[last][1]].strip()
    all_ = [s for s in re.split(r"(?<=[.?!])\s+|(?<=다\.)\s*|\n", text) if s.strip()]
    kept = [s for s in all_ if words not in s]
    if len(words) < 2 or len(kept) < 2 or len(kept) == len(all_):
        return None
    return Passage(tokenizer, {"id": p.id, "title": p.title,
                               "text": ("\n" if "\n" in text else " ").join(kept)})


def stranger(question, entries, rng, own=()):
    """An entry that does not answer: often the one of 24 that shares most
    words with the question, of either language."""
    some = rng.sample(entries, min(24, len(entries)))
    some = [e for e in some if e not in own] or some
    if rng.random() >= 0.6:
        return some[0]
    asked = terms(question)
    return max(some, key=lambda e: len(e.terms & asked))


def readings_of_wording(tokenizer, w, entries, passages, rng):
    def read(p, spans=()):
        return sequence(tokenizer, w.question, p, spans, True, None, False)

    out = [read(w.entry, w.entry.sentences if w.answered else ())]
    u = rng.random()
    if u < NEIGHBOUR and w.neighbours:
        out.append(read(rng.choice(w.neighbours)))
    elif u >= 1 - OTHER_ENTRY:
        out.append(read(stranger(w.question, entries, rng,
                                 (w.entry, *w.neighbours))))
    if rng.random() < OTHER_PASSAGE:
        out.append(read(rng.choice(passages)))
    return out


def readings_of_section(tokenizer, e, entries, rng):
    """A question beside the section that answers it and what was found too."""
    q = worn(e.question, rng)
    own = sequence(tokenizer, q, e.passage, e.spans, True, None, False)
    if bool(own[1]) != bool(e.spans):  # cut off
        return []
    others = e.beside[:DECEPTIVE]
    others = rng.sample(others, min(BESIDE, len(others)))
    if entries and rng.random() < ENTRY:
        others.append(stranger(q, entries, rng))
    return [own] + [sequence(tokenizer, q, p, [], True, None, False) for p in others]


def readings_of_passage(tokenizer, e, entries, rng):
    q, p, out = worn(e.question, rng), e.passage, []
    other = None
    if e.others and len(p.ids) < 200 and rng.random() < 0.18:
        other = rng.choice(e.others)
    it = sequence(tokenizer, q, p, e.spans, rng.random() < 0.75, other,
                  rng.random() < 0.5)
    if bool(it[1]) == bool(e.spans):
        out.append(it)
    if e.spans and e.others and rng.random() < 0.3:
        out.append(sequence(tokenizer, q, rng.choice(e.others), [],
                            rng.random() < 0.75, None, False))
    if entries and rng.random() < ENTRY:
        out.append(sequence(tokenizer, q, stranger(q, entries, rng), [],
                            True, None, False))
    rest = None
    if e.spans and rng.random() < 0.12:
        rest = without_answer(tokenizer, e)
    if rest:
        out.append(sequence(tokenizer, q, rest, [], rng.random() < 0.75,
                            None, False))
    return out


def epoch(tokenizer, examples, wordings, rng, args):
    """Batches of about so many tokens, each of questions of like length with
    all their readings."""
    wordings, entries = wordings
    passages = list({e.passage.id: e.passage for e in examples}.values())
    asked = [readings_of_passage(tokenizer, e, entries, rng)
             for e in examples if not e.beside]
    if args.of_passages and len(asked) > args.of_passages:
        asked = rng.sample(asked, args.of_passages)
    asked += [readings_of_section(tokenizer, e, entries, rng)
              for _ in range(args.sections) for e in examples
              if e.beside and (not e.sure or rng.random() < SURE)]
    asked = [x for x in asked if x]
    traps = [w for w in wordings if not w.answered]
    wordings = [w for w in wordings if w.answered]
    if args.of_entries and len(wordings) > args.of_entries:
        wordings = rng.sample(wordings, args.of_entries)
    asked += [readings_of_wording(tokenizer, w, entries, passages, rng)
              for w in wordings + traps]
    rng.shuffle(asked)
    longest = {id(x): max(len(it[0]) for it in x) for x in asked}
    batches = []
    for c in range(0, len(asked), 512):
        part, batch, n = [], [], 0
        for x in sorted(asked[c:c + 512], key=lambda x: longest[id(x)]):
            if batch and longest[id(x)] * (n + len(x)) > args.tokens:
                part.append(batch)
                batch, n = [], 0
            batch.append(x)
            n += len(x)
        part.append(batch)
        rng.shuffle(part)
        batches += part
    return batches


# --- learning ---------------------------------------------------------------------

def choice_loss(answers, asked):
    """Of what a question was read beside, that which answers should be the
    likeliest (Gao et al. 2021, localized contrastive estimation)."""
    import torch
    losses, r = [], 0
    for readings in asked:
        own = answers[r:r + len(readings)]
        right = [i for i, x in enumerate(readings) if x[1]]
        if 0 < len(right) < len(readings):
            losses.append(torch.logsumexp(own, 0) - torch.logsumexp(own[right], 0))
        r += len(readings)
    return torch.stack(losses).mean() if losses else 0.0


def padded(batch):
    """-> ids and mask of sequences, a row each."""
    import torch
    length = (max(len(x[0]) for x in batch) + 15) // 16 * 16
    ids = torch.ones(len(batch), length, dtype=torch.long)
    mask = torch.zeros(len(batch), length)
    for r, (x, _, _) in enumerate(batch):
        ids[r, :len(x)] = torch.tensor(x)
        mask[r, :len(x)] = 1
    return ids, mask


def loss_of(model, asked):
    import torch
    import torch.nn.functional as F
    batch = [x for readings in asked for x in readings]
    ids, mask = padded(batch)
    allowed = torch.full(ids.shape, NEVER)
    for r, (x, _, start) in enumerate(batch):
        allowed[r, start:len(x) - 1] = 0
        allowed[r, 0] = 0
    s, e, answers = model(ids, mask)
    s = torch.log_softmax(s + allowed, -1)
    e = torch.log_softmax(e + allowed, -1)
    spans = 0
    for r, (_, places, _) in enumerate(batch):
        at = places or [(0, 0)]
        spans = spans - torch.logsumexp(
            torch.stack([s[r, i] + e[r, j] for i, j in at]), 0) / 2
    truth = torch.tensor([float(bool(x[1])) for x in batch])
    return (spans / len(batch)
            + 0.7 * F.binary_cross_entropy_with_logits(answers, truth)
            + CHOICE * choice_loss(answers, asked))


def train(model, tokenizer, examples, wordings, args):
    import torch
    rng = random.Random(args.seed)
    params = [p for p in model.parameters() if p.requires_grad]
    heads = list(model.span.parameters()) + list(model.answer.parameters())
    ids = {id(p) for p in heads}
    groups = [([p for p in params if id(p) not in ids], args.rate), (heads, 2e-3)]
    opt = torch.optim.AdamW([{"params": p, "lr": r} for p, r in groups],
                            weight_decay=0.01)
    started, step, done, recent = time.time(), 0, 0.0, []
    model.train()
    while done < 1:
        batches = epoch(tokenizer, examples, wordings, rng, args)
        for batch in batches:
            done = max((time.time() - started) / 60 / args.minutes,
                       step / (len(batches) * args.epochs))
            if done >= 1:
                break
            step += 1
            share = min(1, step / 70) * max(0.02, (1 + math.cos(math.pi * done)) / 2)
            for g, (_, rate) in zip(opt.param_groups, groups):
                g["lr"] = rate * share
            loss = loss_of(model, batch)
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            opt.step()
            recent = recent[-49:] + [loss.item()]
            if step % 50 == 0:
                print("step %d, %.0f %%, loss %.3f" % (
                    step, 100 * done, sum(recent) / len(recent)), flush=True)


def start_from(model, path):
    """Takes the numbers of a reader of the same rank."""
    import gguf
    import numpy
    import torch
    of = {t.name: torch.from_numpy(numpy.array(t.data, dtype=numpy.float32))
          for t in gguf.GGUFReader(path).tensors}
    with torch.no_grad():
        for i, layer in enumerate(model.layers):
            for m in MATRICES:
                for part in ("A", "B"):
                    getattr(layer[m], part).copy_(
                        of["blk.%d.%s.weight.lora_%s" % (i, m, part.lower())])
        for head in ("span", "answer"):
            for part in ("weight", "bias"):
                to = getattr(getattr(model, head), part)
                to.copy_(of["reader.%s.%s" % (head, part)].view_as(to))


def keep(model, path, share):
    """Goes back by a share of the way from the reader at path: what was learned
    last is learned without as much being forgotten (Wortsman et al. 2022)."""
    import torch
    learned = {k: v.detach().clone() for k, v in model.named_parameters()}
    start_from(model, path)
    with torch.no_grad():
        for k, v in model.named_parameters():
            v.mul_(share).add_(learned[k], alpha=1 - share)


def save(model, path, rank, name):
    import gguf
    import numpy
    w = gguf.GGUFWriter(path, "bert")
    w.add_type("adapter")
    w.add_name(name)
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha", 2.0 * rank)
    w.add_uint32("ragd.reader.max_tokens", 512)
    for i, layer in enumerate(model.layers):
        for m in MATRICES:
            for part in ("A", "B"):
                t = getattr(layer[m], part).detach().numpy().astype(numpy.float16)
                w.add_tensor("blk.%d.%s.weight.lora_%s" % (i, m, part.lower()),
                             numpy.ascontiguousarray(t))
    for head in ("span", "answer"):
        for part in ("weight", "bias"):
            t = getattr(getattr(model, head), part).detach().numpy()
            w.add_tensor("reader.%s.%s" % (head, part), t)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--held-out", metavar="DIR")
    ap.add_argument("--set", metavar="DIR", help="docs.jsonl and queries.jsonl")
    ap.add_argument("--start", metavar="READER.gguf")
    ap.add_argument("--keep", type=float, default=0, metavar="SHARE",
                    help="of the starting reader, in what is written")
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--epochs", type=float, default=3)
    ap.add_argument("--rank", type=int, default=RANK)
    ap.add_argument("--rate", type=float, default=8e-4)
    ap.add_argument("--tokens", type=int, default=4096, help="a batch")
    ap.add_argument("--of-passages", type=int, metavar="N",
                    help="questions about passages an epoch")
    ap.add_argument("--of-entries", type=int, metavar="N",
                    help="answered wordings of entries an epoch")
    ap.add_argument("--sections", type=int, default=1, metavar="N",
                    help="how often an epoch has the questions about documents")
    ap.add_argument("--frozen", type=int, default=3, help="lowest layers left alone")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--name", default="e5-small-reader-ko-en")
    ap.add_argument("files", nargs="+")
    args = ap.parse_args()
    if args.held_out:
        return write_held_out(args.held_out, args.files)
    if len(args.files) < 3:
        ap.error("ENCODER.gguf OUT.gguf PASSAGES.jsonl...")
    import torch
    torch.manual_seed(args.seed)
    encoder, out, *passages = args.files
    weights, tokenizer, heads = load_encoder(encoder)
    examples = load_examples(tokenizer, passages)
    if args.set:
        examples += load_set(tokenizer, args.set)
    find_others(examples)
    wordings = load_wordings(tokenizer, passages)
    print("%d questions about %d passages, %d wordings of %d entries" % (
        len(examples), len({e.passage.id for e in examples}),
        len(wordings[0]), len(wordings[1])), flush=True)
    model = make_model(weights, heads, args.rank, args.frozen)
    if args.start:
        start_from(model, args.start)
    train(model, tokenizer, examples, wordings, args)
    if args.start and args.keep:
        keep(model, args.start, args.keep)
    save(model, out, args.rank, args.name)
    print("wrote", out)


if __name__ == "__main__":
    sys.exit(main())
