#!/usr/bin/env python3
"""Checks the samples: the FAQ files, the company documents, the questions.

    python3 samples/check.py            check everything; exit 1 on a failure
    python3 samples/check.py --matrix   print the coverage tables as Markdown

Needs nothing but Python's standard library, and looks only at the folder it
stands in.  The coverage tables in README.md must be the ones that --matrix
prints, so that the plan and the questions cannot drift apart.
"""

import collections
import csv
import datetime
import html
import json
import os
import re
import sys
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
HEADER = ["id", "question", "answer", "category", "valid_from",
          "valid_until", "variants"]
FIELDS = ["id", "question", "corpus", "lang", "kind", "style", "answerable",
          "why_not", "relevant", "answers"]
CORPORA = ["bank", "company"]
LANGS = ["ko", "en", "mixed"]
KINDS = ["fact", "number", "procedure", "list", "comparison",
         "two_documents", "outdated_vs_current", "faq", "faq_near_duplicate"]
STYLES = ["plain", "typo", "no_spaces", "mixed_language", "hangul_english",
          "terse", "polite"]
WHY_NOT = ["close", "out_of_scope"]

MIN_ENTRIES = {"bank-ko.csv": 90, "bank-en.csv": 45}
MIN_EXPIRED = {"bank-ko.csv": 4, "bank-en.csv": 2}
MIN_DOCUMENTS = 14
MIN_PER_FORMAT = 3              # of .md, .html and .txt each
WORDS = (400, 1500)             # in one company document, mark-up not counted
QUESTIONS = (145, 165)
UNANSWERABLE = (0.30, 0.37)     # share of all questions
MIN_PER_KIND = 5
MIN_PER_STYLE = 10
MIN_PER_LANG = {"ko": 80, "en": 35, "mixed": 8}
MIN_NEAR_DUPLICATE = 35

passed = 0
failures = []


def check(ok, message):
    """Counts one check; a failed one is told at the end of its section."""
    global passed
    if ok:
        passed += 1
    else:
        failures.append(message)
        print("FAILED: " + message)
    return ok


def normal(text):
    """NFC, and every run of white space is one space."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()


def holds(text, answer):
    """Whether answer stands in text, not as a part of a longer number."""
    edge = r"(?<![0-9])" if answer[:1].isdigit() else ""
    tail = r"(?![0-9])" if answer[-1:].isdigit() else ""
    return re.search(edge + re.escape(answer) + tail, text) is not None


def strip_tags(source):
    source = re.sub(r"<!--.*?-->", " ", source, flags=re.S)
    source = re.sub(r"<(script|style)\b.*?</\1\s*>", " ", source,
                    flags=re.S | re.I)
    return html.unescape(re.sub(r"<[^>]*>", " ", source))


def read_document(path):
    """Text of one document and the name of its encoding."""
    with open(path, "rb") as file:
        raw = file.read()
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return raw.decode("cp949"), "cp949"


def iso_date(text):
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


def check_faq(name, ids):
    """One FAQ file; returns its entries as a list of dictionaries."""
    path = os.path.join(HERE, "faq", name)
    with open(path, "rb") as file:
        raw = file.read()
    check(not raw.startswith(b"\xef\xbb\xbf"), name + ": has a byte order mark")
    check(raw.endswith(b"\r\n") and raw.count(b"\n") == raw.count(b"\r\n"),
          name + ": a line does not end in CR LF, as RFC 4180 wants")
    text = raw.decode("utf-8")
    check(unicodedata.is_normalized("NFC", text), name + ": is not NFC")

    rows = list(csv.reader(text.splitlines(keepends=True), strict=True))
    if not check(rows and rows[0] == HEADER, name + ": wrong header"):
        return []
    entries = []
    for number, row in enumerate(rows[1:], 2):
        where = f"{name}, row {number}"
        if not check(len(row) == len(HEADER),
                     f"{where}: {len(row)} fields instead of {len(HEADER)}"):
            continue
        entry = dict(zip(HEADER, row))
        entries.append(entry)
        where = f"{name}, {entry['id']}"
        check(entry["id"] not in ids, f"{where}: this id is used twice")
        ids.add(entry["id"])
        check(all(entry[f].strip() == entry[f] for f in HEADER),
              f"{where}: a field begins or ends with white space")
        check(entry["question"] and entry["answer"] and entry["category"],
              f"{where}: question, answer or category is empty")
        since = iso_date(entry["valid_from"])
        until = iso_date(entry["valid_until"])
        check(since is not None, f"{where}: valid_from is no date")
        check(until is not None or entry["valid_until"] == "",
              f"{where}: valid_until is no date")
        check(until is None or since is None or since <= until,
              f"{where}: is valid until before it is valid from")

    check(len(entries) >= MIN_ENTRIES[name],
          f"{name}: {len(entries)} entries, needs {MIN_ENTRIES[name]}")
    check_versions(name, entries)
    check_wordings(name, entries)
    return entries


def check_versions(name, entries):
    """An expired entry has one successor, valid from a later day on."""
    by_question = collections.defaultdict(list)
    for entry in entries:
        by_question[entry["question"]].append(entry)
    expired = [e for e in entries if e["valid_until"]]
    check(len(expired) >= MIN_EXPIRED[name],
          f"{name}: {len(expired)} expired entries")
    for entry in expired:
        later = [e for e in by_question[entry["question"]]
                 if e["valid_from"] > entry["valid_until"]]
        check(len(later) == 1 and later[0]["answer"] != entry["answer"],
              f"{name}, {entry['id']}: has expired and has no one successor "
              "with another answer")
    for group in by_question.values():
        group.sort(key=lambda e: e["valid_from"])
        for old, new in zip(group, group[1:]):
            check(old["valid_until"] and
                  old["valid_until"] < new["valid_from"],
                  f"{name}: {old['id']} and {new['id']} ask the same and are "
                  "valid at the same time")


def check_wordings(name, entries):
    """No wording leads to two entries that are valid at the same time."""
    owner = {}
    for entry in entries:
        if entry["valid_until"]:
            continue
        variants = entry["variants"].split(" | ") if entry["variants"] else []
        for wording in [entry["question"]] + variants:
            key = re.sub(r"\W", "", wording).lower()
            check(key != "", f"{name}, {entry['id']}: has an empty variant")
            check(key not in owner,
                  f"{name}: '{wording}' belongs to {owner.get(key)} and to "
                  f"{entry['id']}")
            owner[key] = entry["id"]


def check_company(texts):
    """The company documents; puts each one's plain text into texts."""
    folder = os.path.join(HERE, "company")
    formats = collections.Counter()
    encodings = collections.Counter()
    decomposed = 0
    for file in sorted(os.listdir(folder)):
        path = os.path.join(folder, file)
        text, encoding = read_document(path)
        suffix = os.path.splitext(file)[1]
        formats[suffix] += 1
        encodings[encoding] += 1
        decomposed += not unicodedata.is_normalized("NFC", text)
        if suffix == ".html":
            text = strip_tags(text)
        text = normal(text)
        texts["company/" + unicodedata.normalize("NFC", file)] = text
        words = len([w for w in text.split() if re.search(r"\w", w)])
        check(WORDS[0] <= words <= WORDS[1],
              f"company/{file}: {words} words, not {WORDS[0]} to {WORDS[1]}")
        check(re.search(r"\.(ko|en)\.(md|html|txt)$", file),
              f"company/{file}: the name does not tell language and format")
    check(sum(formats.values()) >= MIN_DOCUMENTS,
          f"company: {sum(formats.values())} documents, "
          f"needs {MIN_DOCUMENTS}")
    for suffix in (".md", ".html", ".txt"):
        check(formats[suffix] >= MIN_PER_FORMAT,
              f"company: {formats[suffix]} files of {suffix}")
    check(encodings["cp949"] >= 1, "company: no file is in CP949")
    check(decomposed >= 1, "company: no file has decomposed Hangul")


def check_question(question, texts):
    where = question.get("id", "a question without id")
    if not check(list(question) == FIELDS,
                 f"{where}: the fields are not {', '.join(FIELDS)}"):
        return
    for field, allowed in (("corpus", CORPORA), ("lang", LANGS),
                           ("kind", KINDS), ("style", STYLES)):
        check(question[field] in allowed,
              f"{where}: {field} is '{question[field]}'")
    text = question["question"]
    check(text == normal(text) and text, f"{where}: question is not tidy NFC")
    check((question["style"] == "mixed_language") <=
          (question["lang"] == "mixed"),
          f"{where}: style mixed_language and language {question['lang']}")
    check((question["style"] == "no_spaces") <= (" " not in text),
          f"{where}: style no_spaces and a space")
    relevant, answers = question["relevant"], question["answers"]
    if not question["answerable"]:
        check(question["why_not"] in WHY_NOT, f"{where}: why_not is wrong")
        check(relevant == [] and answers == [],
              f"{where}: is unanswerable and has documents or answers")
        return
    check(question["why_not"] is None, f"{where}: why_not must be null")
    check(relevant and answers, f"{where}: has no document or no answer")
    check(len(set(relevant)) == len(relevant),
          f"{where}: names a document twice")
    if question["kind"] == "two_documents":
        check(len(relevant) == 2, f"{where}: needs exactly two documents")
    known = [r for r in relevant
             if check(r in texts, f"{where}: there is no document '{r}'")]
    for answer in answers:
        check(answer and answer == normal(answer),
              f"{where}: answer '{answer}' is not tidy NFC")
        check(any(holds(texts[r], answer) for r in known),
              f"{where}: '{answer}' does not stand in {', '.join(relevant)}")
    if question["kind"] == "two_documents":
        for r in known:
            check(any(holds(texts[r], a) for a in answers),
                  f"{where}: no accepted answer comes from {r}")
    check(not any(holds(normal(text), a) for a in answers),
          f"{where}: the question gives its own answer away")


def check_questions(texts):
    path = os.path.join(HERE, "questions.jsonl")
    questions = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                questions.append(json.loads(line))
            except ValueError as error:
                check(False, f"questions.jsonl, line {number}: {error}")
    for question in questions:
        check_question(question, texts)
    for field in ("id", "question"):
        counts = collections.Counter(q[field] for q in questions)
        for value, count in counts.items():
            check(count == 1, f"questions.jsonl: {field} '{value}' twice")

    total = len(questions)
    check(QUESTIONS[0] <= total <= QUESTIONS[1],
          f"questions.jsonl: {total} questions")
    share = sum(not q["answerable"] for q in questions) / max(total, 1)
    check(UNANSWERABLE[0] <= share <= UNANSWERABLE[1],
          f"questions.jsonl: {share:.0%} are unanswerable")

    def count(field, value):
        return sum(q[field] == value for q in questions)

    for kind in KINDS:
        check(count("kind", kind) >= MIN_PER_KIND,
              f"questions.jsonl: {count('kind', kind)} of kind {kind}")
    for style in STYLES:
        check(count("style", style) >= MIN_PER_STYLE,
              f"questions.jsonl: {count('style', style)} of style {style}")
    for lang, least in MIN_PER_LANG.items():
        check(count("lang", lang) >= least,
              f"questions.jsonl: {count('lang', lang)} in {lang}")
    for why in WHY_NOT:
        check(count("why_not", why) >= 10,
              f"questions.jsonl: {count('why_not', why)} are {why}")
    check(count("kind", "faq_near_duplicate") >= MIN_NEAR_DUPLICATE,
          "questions.jsonl: too few about near-duplicates")
    asked = {r for q in questions for r in q["relevant"]}
    for name in texts:
        if name.startswith("company/"):
            check(name in asked, f"no question is answered by {name}")
    return questions


def matrix(questions):
    """The coverage tables, as Markdown: answerable + unanswerable a cell."""
    def cell(*wants):
        want = [pair for w in wants for pair in w.items()]
        hits = [q for q in questions if all(q[k] == v for k, v in want)]
        yes = sum(q["answerable"] for q in hits)
        return f"{yes} + {len(hits) - yes}" if hits else "–"

    lines = ["Each cell: answerable + unanswerable.", ""]

    def table(corner, columns, rows):
        lines.append("| " + " | ".join([corner] + [c for c, _ in columns]) +
                     " | all |")
        lines.append("|---" * (len(columns) + 2) + "|")
        for title, want in rows:
            cells = [cell(want, column) for _, column in columns]
            lines.append("| " + " | ".join([title] + cells + [cell(want)]) +
                         " |")
        lines.append("")

    styles = [(s, {"style": s}) for s in STYLES]
    kinds = [(k, {"kind": k}) for k in KINDS]
    table("kind \\ style", styles, kinds + [("all", {})])
    for lang in LANGS:
        table(f"{lang}: kind \\ style",
              styles,
              [(k, {"kind": k, "lang": lang}) for k in KINDS] +
              [("all", {"lang": lang})])
    table("corpus \\ language", [(g, {"lang": g}) for g in LANGS],
          [(c, {"corpus": c}) for c in CORPORA])
    table("why not \\ corpus", [(c, {"corpus": c}) for c in CORPORA],
          [(w, {"why_not": w}) for w in WHY_NOT])
    return "\n".join(lines).strip()


def main():
    ids = set()
    texts = {}
    for name in sorted(MIN_ENTRIES):
        for entry in check_faq(name, ids):
            texts[entry["id"]] = normal(entry["question"] + " " +
                                        entry["answer"])
    check_company(texts)
    questions = check_questions(texts)
    tables = matrix(questions)
    if sys.argv[1:] == ["--matrix"]:
        print(tables)
        return 0
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as file:
        check(tables in file.read(),
              "README.md: the coverage tables are old; put in what "
              "check.py --matrix prints")
    print(tables)
    print()
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
