#!/usr/bin/env python3
"""The main job with the real models: documents in, cited answers out."""
import json
import os

import desk as e2e

DESK = None


def documents_become_answers():
    """What rag-ingest has read, ragd answers from, in both languages, each
    citation byte for byte in the document it names."""
    DESK.ingest(os.path.join(e2e.SAMPLES, "faq"),
                os.path.join(e2e.SAMPLES, "company"))
    DESK.start_ready()
    for question in ("서울 출장 숙박비 상한은 얼마인가요?",
                     "How long must a password be?"):
        code, a, _ = DESK.ask(question)
        assert a["status"] in ("answered", "extract"), a
        assert code == 0, code
        assert a["citations"], a
        for c in a["citations"]:
            assert quoted(c), c


def quoted(citation):
    """The citation's bytes are those of the stored document."""
    path = os.path.join(e2e.SAMPLES, "company", citation["doc"])
    if not path.endswith((".md", ".txt")):
        return bool(citation["quote"])  # HTML: its text is extracted
    with open(path, "rb") as f:
        raw = f.read()
    quote = citation["quote"].encode()
    at = citation["start"]
    return raw[at:citation["end"]] == quote


def approved_answers_are_verbatim():
    """An approved question gets its approved answer, to the letter."""
    question = "개인 입출금통장은 어떻게 해지하나요?"
    for asked in (question, "개인입출금통장은어떻게해지하나요",
                  "개인 입출금통장 해지 어떻게 하나요"):
        code, a, _ = DESK.ask(asked)
        assert code == 0 and a["status"] == "faq", a
        assert a["answer"].startswith("잔액이 100만 원 이하이면"), a
        assert a["answer"].endswith("해지 수수료는 없습니다."), a
        assert a["model"] is None
        assert a["timings_ms"]["first_token"] is None


def opposite_questions_get_opposite_answers():
    """Opening and closing an account are never mixed up."""
    _, opened, _ = DESK.ask("개인 입출금통장을 새로 만들려면 무엇이 필요한가요?")
    _, closed, _ = DESK.ask("개인 입출금통장은 어떻게 해지하나요?")
    assert opened["status"] == closed["status"] == "faq"
    assert opened["citations"][0]["doc"] != closed["citations"][0]["doc"]


def each_part_of_a_question_is_answered():
    """Of a question that asks for two things both are answered, from two
    documents, each with its own citations, numbered through."""
    for question, first, second in (
            ("할아버지가 돌아가셔서 여쭙니다. 휴가는 며칠이고 경조금은 "
             "얼마인지 알려 주세요.", "외조부모 사망 | 3일",
             "조부모 사망 | 300,000원"),
            ("HB-2107 film thickness 얼마고 생산 중엔 몇 분마다 check해요?",
             "75 µm", "Every 30 minutes"),
            ("For a grade C supplier, what score is that and how is their "
             "raw material inspected?", "70점 이상 80점 미만",
             "Every lot tested")):
        code, a, _ = DESK.ask(question)
        assert code == 0 and a["status"] == "extract", a
        assert first in a["answer"] and second in a["answer"], a
        assert a["answer"].index(first) < a["answer"].index(second), a
        numbers = [c["n"] for c in a["citations"]]
        assert numbers == list(range(1, len(numbers) + 1)), a
        assert all("[%d]" % n in a["answer"] for n in numbers), a
        assert len({c["doc"] for c in a["citations"]}) == 2, a


def several_entries_are_a_choice():
    """A question that leaves open whose account it is gets the choices."""
    code, a, _ = DESK.ask("통장 해지")
    assert code == 4 and a["status"] == "clarify", a
    assert len(a["choices"]) > 1
    assert not a["citations"]


def what_is_not_there_is_refused():
    """Questions far from the documents are refused in their language."""
    code, a, _ = DESK.ask("오늘 서울 날씨 어때?")
    assert code == 3 and a["status"] == "refused", a
    assert "찾지 못했습니다" in a["answer"] and not a["citations"]
    code, a, _ = DESK.ask("who won the world cup in 1998?")
    assert code == 3 and a["status"] == "refused", a
    assert "documents" in a["answer"]


def search_shows_documents_and_scores():
    """rag search: k documents, best first, with scores of both sides."""
    code, out, _ = DESK.rag("search", "-k", "3", "--json", "--explain",
                            "연차 이월")
    v = json.loads(out)
    assert code == 0 and len(v["hits"]) == 3
    doc = v["hits"][0]["doc"]
    assert doc.endswith("/leave-policy.ko.md"), doc
    scores = [h["score"] for h in v["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert {"lexical", "vector", "lexical_rank"} <= set(v["hits"][0])


def plain_output_lists_sources():
    """For people: the answer, then numbered sources with their place."""
    code, out, err = DESK.rag("ask", "개인 입출금통장은 어떻게 해지하나요?")
    assert code == 0 and not err, err
    assert "[1] 개인 입출금통장은" in out, out
    assert "faq-ko-003:" in out
    assert "\033" not in out


def a_question_comes_from_standard_input():
    """rag ask - reads the question from standard input."""
    code, out, _ = DESK.rag("ask", "--json", "-",
                            text="개인 입출금통장은 어떻게 해지하나요?\n")
    assert code == 0 and json.loads(out)["status"] == "faq"


def a_batch_goes_on_after_a_bad_line():
    """One line out for each line in, in order, and 65 at the end."""
    lines = [json.dumps({"id": "a", "question": "법인 입출금통장은 어떻게 "
                                                "해지하나요?"}),
             "{not json", json.dumps({"id": 3}),
             json.dumps({"id": "d", "question": "휴면예금은 어떻게 찾나요?"})]
    code, out, _ = DESK.rag("ask", "--batch", "-", text="\n".join(lines))
    got = [json.loads(x) for x in out.splitlines()]
    assert code == 65, code
    assert [g["id"] for g in got] == ["a", None, 3, "d"], got
    assert got[0]["status"] == got[3]["status"] == "faq"
    assert "error" in got[1] and "error" in got[2]


def status_says_ready():
    """rag status is 0 when questions can be answered."""
    code, out, _ = DESK.rag("status", "--json")
    v = json.loads(out)
    assert code == 0 and v["ready"] and v["index"]["documents"] > 100, v


def usage_errors_are_64():
    for args in (["ask"], ["nonsense"], ["search", "-k", "0", "x"],
                 ["status", "x"], []):
        code, _, err = DESK.rag(*args)
        assert code == 64, (args, code)


def streamed_text_is_the_answer():
    """The pieces of a stream together are the answer that ends it."""
    status, _, body = DESK.http("POST", "/v1/ask",
                                {"question": "출장 숙박비는 얼마까지 되나요?",
                                 "stream": True})
    assert status == 200
    text, answer = "", None
    for event in body.decode().strip().split("\n\n"):
        name, data = event.split("\n", 1)
        v = json.loads(data[len("data: "):])
        if name == "event: text":
            text += v["text"]
        elif name == "event: done":
            answer = v
    assert answer and text == answer["answer"], (text, answer)


def openai_clients_are_served():
    """/v1/chat/completions, /v1/embeddings and /v1/models have OpenAI's
    shapes."""
    question = "휴면예금은 어떻게 찾나요?"
    body = {"model": "ragd",
            "messages": [{"role": "system", "content": "x"},
                         {"role": "user", "content": question}]}
    status, v = DESK.post("/v1/chat/completions", body)
    assert status == 200 and v["object"] == "chat.completion"
    assert "숨은 내 돈 찾기" in v["choices"][0]["message"]["content"]
    assert v["citations"] and v["ragd"]["status"] == "faq"
    status, _, raw = DESK.http("POST", "/v1/chat/completions",
                               dict(body, stream=True))
    events = [e[6:] for e in raw.decode().strip().split("\n\n")]
    assert events[-1] == "[DONE]"
    text = "".join(json.loads(e)["choices"][0]["delta"].get("content", "")
                   for e in events[:-1])
    assert text == v["choices"][0]["message"]["content"]
    status, v = DESK.post("/v1/embeddings", {"input": ["하나", "둘"],
                                             "model": "any"})
    assert status == 200 and len(v["data"]) == 2
    norm = sum(x * x for x in v["data"][0]["embedding"])
    assert abs(norm - 1) < 1e-3, norm
    assert json.loads(DESK.http("GET", "/v1/models")[2])["data"]


def questions_stay_out_of_the_log():
    """By default no question is logged, only a hash of it."""
    DESK.ask("이 질문은 기록에 남지 않아야 합니다")
    log = DESK.log()
    assert "기록에 남지" not in log
    assert "ask.done" in log and "hash=" in log


def a_terminated_daemon_cleans_up():
    """SIGTERM: status 0, no socket, no model process, no folder left."""
    pid = DESK.status()["generator"]["pid"]
    assert DESK.stop(DESK.daemons[-1]) == 0
    assert not os.path.exists(DESK.socket)
    assert not os.path.exists("/proc/%d" % pid)
    left = [n for n in os.listdir(DESK.run_dir) if not n.endswith(".lock")]
    assert not left, left
    code, _, err = DESK.rag("ask", "누구 있나요")
    assert code == 69 and "ragd" in err, (code, err)


if __name__ == "__main__":
    with e2e.Desk() as DESK:
        e2e.main([documents_become_answers, approved_answers_are_verbatim,
                  opposite_questions_get_opposite_answers,
                  each_part_of_a_question_is_answered,
                  several_entries_are_a_choice, what_is_not_there_is_refused,
                  search_shows_documents_and_scores,
                  plain_output_lists_sources,
                  a_question_comes_from_standard_input,
                  a_batch_goes_on_after_a_bad_line, status_says_ready,
                  usage_errors_are_64, streamed_text_is_the_answer,
                  openai_clients_are_served, questions_stay_out_of_the_log,
                  a_terminated_daemon_cleans_up])
