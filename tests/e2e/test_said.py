#!/usr/bin/env python3
"""What a generative model says is given only as far as it was checked; else
the sentence itself is quoted.

The generative model is a stand-in that says what it is told to; encoder,
reader, store and everything else are real.
"""
import json
import os

import desk as e2e

POLICY = ("# Visitor policy\n\nVisitors wear a green badge at all times. "
          "The badge is returned at the front desk before 18:00.\n\n"
          "# Parking\n\nVisitors park on level B3 free of charge for 4 "
          "hours.\n")
DOORS = "# Doors\n\nFault HB-1104 means that a door was left open.\n"
FANS = "# Fans\n\nFault HB-1217 means that the fan is blocked.\n"
QUESTION = "What colour is the badge visitors wear?"
SENTENCE = "Visitors wear a green badge at all times."
BOTH = "What do the faults HB-1104 and HB-1217 mean?"

# What the model says -> why the sentence is quoted in its place.
NOT_GIVEN = [
    ("The badge is returned at the front desk before 18:00 [1].",
     "another place"),
    ("The badge is returned at the front desk before 18:00 [1]. "
     "Visitors park on level B3 free of charge for 4 hours [2].",
     "another place"),
    ("Visitors park on level B3 [1].", "another place"),
    ("Visitors wear a blue badge [1].", "not grounded"),
    ("Visitors wear a green badge for 9 hours [1].", "not grounded"),
    ("Visitors do not wear a green badge [1].", "not grounded"),
    ("Visitors wear a green badge, see https://example.org/badge [1].",
     "not grounded"),
    (QUESTION, "not grounded"),
]


class Stage(e2e.Desk):
    def __enter__(self):
        self.model = e2e.Model("")
        self.ingest(self.write("visitors.md", POLICY),
                    self.write("doors.md", DOORS), self.write("fans.md", FANS))
        self.start_ready("--config", self.config(
            "[answer]\ncache_entries = 0\n"), "--generator-url", self.model.url)
        return self

    def __exit__(self, *what):
        self.model.close()
        super().__exit__(*what)

    def says(self, reply, question=QUESTION, **more):
        self.model.reply = reply
        return self.http("POST", "/v1/ask",
                         dict(question=question, explain=True, **more))

    def answer(self, reply, question=QUESTION):
        status, _, raw = self.says(reply, question)
        assert status == 200, raw
        return json.loads(raw)


def a_right_answer_is_given():
    with Stage() as s:
        for reply in (SENTENCE[:-1] + " [1].", "A green badge [1]."):
            a = s.answer(reply)
            assert a["status"] == "answered", (reply, a)
            assert SENTENCE in a["answer"], a
            assert a["citations"][0]["quote"] == SENTENCE, a


def anything_else_becomes_the_sentence():
    with Stage() as s:
        for reply, why in NOT_GIVEN:
            a = s.answer(reply)
            assert a["status"] == "extract", (reply, a)
            assert SENTENCE in a["answer"], (reply, a)
            assert why in a["reason"], (reply, a)
            assert a["citations"][0]["quote"] == SENTENCE, (reply, a)


def nothing_else_is_streamed():
    with Stage() as s:
        for reply, _ in NOT_GIVEN:
            status, _, raw = s.says(reply, stream=True)
            assert status == 200, raw
            events = [json.loads(x.split("\n")[-1][6:])
                      for x in raw.decode().split("\n\n") if x]
            shown = "".join(e.get("text", "") for e in events[:-1])
            assert shown == events[-1]["answer"], (reply, events)
            assert SENTENCE in shown, (reply, shown)


def the_model_sees_where_the_answer_stands():
    with Stage() as s:
        s.answer(SENTENCE)
        assert SENTENCE in s.model.heard, s.model.heard
        assert "HB-" not in s.model.heard, s.model.heard
        s.answer("A door was left open [1].", BOTH)
        for fact in ("a door was left open", "the fan is blocked"):
            assert fact in s.model.heard, s.model.heard
        assert SENTENCE not in s.model.heard, s.model.heard


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    e2e.main([a_right_answer_is_given,
              anything_else_becomes_the_sentence,
              nothing_else_is_streamed,
              the_model_sees_where_the_answer_stands])
