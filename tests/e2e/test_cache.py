#!/usr/bin/env python3
"""The same question again: answered from what was kept, and answered once
when it is asked several times at once; never with what is no longer so.

The generative model is a stand-in that counts; encoder, store and everything
else are real.
"""
import json
import os
import signal

import desk as e2e

POLICY = ("# Visitor policy\n\nVisitors wear a %s badge at all times. "
          "The badge is returned at the front desk before 18:00.\n\n"
          "# Parking\n\nVisitors park on level B3 free of charge for 4 "
          "hours.\n")
QUESTION = "What colour is the badge visitors wear?"


class Stage(e2e.Desk):
    """A desk with one document and a stand-in model."""

    def __enter__(self):
        self.model = e2e.Model("Visitors wear a green badge [1].")
        self.ingest(self.write("visitors.md", POLICY % "green"))
        return self

    def __exit__(self, *what):
        self.model.close()
        super().__exit__(*what)

    def serve(self, settings=""):
        return self.start_ready("--config", self.config(settings),
                                "--generator-url", self.model.url)

    def ask_http(self, question=QUESTION, **more):
        status, a = self.post("/v1/ask", dict(question=question, **more))
        assert status == 200, (status, a)
        return a


def the_second_time_nothing_is_made():
    """The same answer with the same quotes, at once, under a number of its
    own and recorded like another; the model is not asked again."""
    with Stage() as s:
        s.serve()
        first, again = s.ask_http(), s.ask_http()
        assert first["status"] == "answered" and "cached" not in first, first
        assert again["cached"] is True, again
        for same in ("status", "answer", "short", "citations", "model",
                     "confidence", "generation", "question"):
            assert first[same] == again[same], same
        assert first["id"] != again["id"]
        assert s.model.asked == 1
        assert again["timings_ms"]["first_token"] is None
        for a in (first, again):
            _, v = s.post("/v1/audit", {"id": a["id"]})
            body = v["records"][0]["body"]
            assert body.get("cached", False) is ("cached" in a), body
            assert body["answer"] == a["answer"]
        assert s.metric("ragd_cache_kept_total") == 1
        # A stream gets it whole.
        status, _, raw = s.http("POST", "/v1/ask",
                                {"question": QUESTION, "stream": True})
        events = [x.split("\n")[-1][6:] for x in raw.decode().split("\n\n")
                  if x]
        assert status == 200 and len(events) == 2, raw
        assert json.loads(events[0])["text"] == first["answer"]
        assert json.loads(events[1])["cached"] is True
        assert s.model.asked == 1


def only_the_same_question_is_the_same():
    """Another number, a negation, another collection, other letters: made
    anew. White space and the mark at the end do not matter."""
    with Stage() as s:
        s.serve()
        for q in ("May visitors park for 4 hours?",
                  "May visitors park for 40 hours?",
                  "May visitors not park for 4 hours?",
                  "방문객 주차 요금 안내", "방문객 주차 요금 안 내"):
            assert "cached" not in s.ask_http(q), q
        assert s.ask_http("  May visitors park for\t4 hours ")["cached"]
        assert "cached" not in s.ask_http("May visitors park for 4 hours?",
                                          collection="other")


def one_answers_for_all_who_ask_at_once():
    with Stage() as s:
        s.serve()
        s.model.hold()
        many = [e2e.Background(s.ask_http) for _ in range(5)]
        e2e.wait_for("four to wait",
                     lambda: s.metric("ragd_generator_waiting") == 4)
        s.model.release()
        answers = [b.result() for b in many]
        assert s.model.asked == 1, s.model.asked
        assert len({a["answer"] for a in answers}) == 1
        assert len({a["id"] for a in answers}) == 5
        assert sum("cached" in a for a in answers) == 4
        assert answers[0]["status"] == "answered", answers[0]
        assert s.metric("ragd_cache_shared_total") == 4
        assert s.metric("ragd_generator_waiting") == 0


def when_that_one_leaves_another_takes_over():
    with Stage() as s:
        s.serve()
        s.model.hold()
        c = e2e.raw(s.socket, e2e.post_bytes("/v1/ask",
                                             {"question": QUESTION}))
        e2e.wait_for("the model to be asked", lambda: s.model.asked == 1)
        others = [e2e.Background(s.ask_http) for _ in range(3)]
        e2e.wait_for("three to wait",
                     lambda: s.metric("ragd_generator_waiting") == 3)
        c.close()
        e2e.wait_for("another to ask", lambda: s.model.asked == 2)
        s.model.release()
        answers = [b.result() for b in others]
        assert {a["status"] for a in answers} == {"answered"}, answers
        assert s.model.asked == 2


def one_who_waits_may_leave():
    with Stage() as s:
        s.serve()
        s.model.hold()
        first = e2e.Background(s.ask_http)
        e2e.wait_for("the model to be asked", lambda: s.model.asked == 1)
        c = e2e.raw(s.socket, e2e.post_bytes("/v1/ask",
                                             {"question": QUESTION}))
        e2e.wait_for("one to wait",
                     lambda: s.metric("ragd_generator_waiting") == 1)
        c.close()
        e2e.wait_for("it to be gone",
                     lambda: s.metric("ragd_cancelled_total") == 1)
        assert s.metric("ragd_generator_waiting") == 0
        s.model.release()
        assert first.result()["status"] == "answered"
        assert s.model.asked == 1


def what_changed_is_answered_anew():
    """A new document, an approved or retired entry, new settings: nothing of
    before is given out."""
    with Stage() as s:
        d = s.serve()
        s.ask_http()
        assert s.ask_http()["cached"]
        before = s.status()["index"]["generation"]
        s.ingest(s.write("visitors.md", POLICY % "blue"))
        e2e.wait_for("the change", lambda:
                     s.status()["index"]["generation"] != before)
        s.model.reply = "Visitors wear a blue badge [1]."
        a = s.ask_http()
        assert "cached" not in a and "blue" in a["answer"], a
        assert s.ask_http()["cached"]
        entry = {"op": "add", "id": "e1", "question": QUESTION,
                 "answer": "A blue one.", "by": "kim"}
        assert s.post("/v1/faq", entry)[0] == 200
        assert s.ask_http()["cached"]  # a draft answers nothing
        for op, says in (("approve", "faq"), ("retire", "answered")):
            status, v = s.post("/v1/faq", {"op": op, "id": "e1", "by": "lee"})
            assert status == 200, v
            a = s.ask_http()
            assert a["status"] == says and "cached" not in a, a
        assert s.ask_http()["cached"]
        s.config("[answer]\ncontact = Call us.\n")
        d.send_signal(signal.SIGHUP)
        e2e.wait_for("the settings", lambda: "config.reload" in s.log())
        assert "cached" not in s.ask_http()


def refusals_have_their_own_code():
    with Stage() as s:
        s.serve()
        q = "What is the boiling point of tungsten?"
        a, b = s.ask_http(q), s.ask_http(q)
        assert a["status"] == b["status"] == "refused", a
        assert b["cached"] and a["handoff"] != b["handoff"]
        assert a["handoff"] in a["answer"] and b["handoff"] in b["answer"]
        assert a["answer"].replace(a["handoff"], "") == \
            b["answer"].replace(b["handoff"], "")


def a_makeshift_is_not_kept():
    """What is quoted because the model is down is no answer to keep."""
    with Stage() as s:
        s.serve()
        handler = s.model.server.RequestHandlerClass
        works = handler.do_POST

        def broken(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(500)

        handler.do_POST = broken
        for _ in range(2):
            a = s.ask_http()
            assert a["status"] == "extract" and a["warnings"], a
            assert "cached" not in a
        handler.do_POST = works
        a = s.ask_http()
        assert a["status"] == "answered" and "cached" not in a, a


def a_follow_up_is_kept_as_what_it_stands_for():
    """The same words in two conversations are two questions."""
    with Stage() as s:
        s.serve()
        s.ask_http("May visitors park for 4 hours?", session="a")
        s.ask_http("What colour is the badge of visitors?", session="b")
        a = s.ask_http("What about suppliers?", session="a")
        b = s.ask_http("What about suppliers?", session="b")
        assert a.get("said") and b.get("said"), (a, b)
        assert a["question"] != b["question"] and "cached" not in b
        c = s.ask_http(a["question"])
        assert c["cached"] and "said" not in c, c


def it_can_be_turned_off():
    with Stage() as s:
        s.serve("[answer]\ncache_entries = 0\n")
        s.ask_http()
        assert "cached" not in s.ask_http()
        assert s.model.asked == 2
        assert s.metric("ragd_cache_answers") == 0


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    e2e.main([the_second_time_nothing_is_made,
              only_the_same_question_is_the_same,
              one_answers_for_all_who_ask_at_once,
              when_that_one_leaves_another_takes_over,
              one_who_waits_may_leave,
              what_changed_is_answered_anew,
              refusals_have_their_own_code,
              a_makeshift_is_not_kept,
              a_follow_up_is_kept_as_what_it_stands_for,
              it_can_be_turned_off])
