#!/usr/bin/env python3
"""The desk, as those who work at it meet it: an operator's day from the
import of the FAQ to the audit, and what the desk promises besides."""
import datetime
import glob
import http.client
import io
import json
import os
import socket

import desk as e2e

DESK = None
CONTACT = "고객센터 1588-0000"
CONFIG = "[answer]\ncontact = %s\n[log]\nquestions = yes\n" % CONTACT

IMPORTED = """id,question,answer,category,valid_until,variants
d-1,법인카드 한도는 어떻게 올리나요?,"영업점에 법인 인감과 신청서를 내시면
3영업일 안에 올려 드립니다.",카드,,법인카드 한도 상향 | 법인카드 한도 증액 방법
d-2,개인카드 한도는 어떻게 올리나요?,앱의 카드 메뉴에서 바로 올릴 수 있습니다.,카드,,
d-3,여름 이벤트는 언제까지인가요?,8월 31일까지입니다.,행사,2020-08-31,
"""

ASKED = "드론 택배는 몇 시까지 접수하나요?"
ASKED_AGAIN = "드론택배 몇시까지 접수 하나요"
NOTICE = """# 드론 택배 안내

드론 택배는 시범 사업이며 본점 옥상에서만 이용할 수 있습니다.
드론 택배 접수는 평일 오후 4시 30분에 마감합니다.
"""


def json_of(*args):
    code, out, err = DESK.rag(*args, "--json")
    assert out, (args, code, err)
    return code, json.loads(out)


def ask(question, *args):
    code, out, err = DESK.rag("ask", "--json", *args, question)
    assert out, (code, err)
    return code, json.loads(out)


def an_operators_day():
    """Import, ask, refused, queue, draft, approve, answered verbatim without
    a restart, retire, audit, replay."""
    DESK.ingest(os.path.join(e2e.SAMPLES, "company"))
    DESK.start_ready("--config", DESK.config(CONFIG), "--no-generator")
    path = os.path.join(DESK.folder, "faq.csv")
    with open(path, "w", encoding="utf-8") as f:
        f.write(IMPORTED)

    # Morning: the approved list goes in; drafts would not answer.
    code, r = json_of("faq", "import", "--by", "kim", path)
    assert code == 0 and r["added"] == 3 and not r["failed"], r
    assert ask("법인카드 한도는 어떻게 올리나요?")[1]["status"] != "faq"
    code, r = json_of("faq", "import", "--approve", "--by", "lee", path)
    assert code == 0 and r["added"] == 3, r
    code, r = json_of("faq", "import", "--approve", "--by", "lee", path)
    assert r["added"] == 0 and r["unchanged"] == 3, r
    for question in ("법인카드 한도는 어떻게 올리나요?",
                     "법인카드한도는어떻게올리나요", "법인카드 한도 상향"):
        code, a = ask(question)
        assert code == 0 and a["status"] == "faq", a
        assert a["answer"] == ("영업점에 법인 인감과 신청서를 내시면\n"
                               "3영업일 안에 올려 드립니다."), a
        assert a["citations"][0]["doc"] == "d-1" and a["version"] == 2, a
    code, a = ask("개인카드 한도는 어떻게 올리나요?")
    assert a["citations"][0]["doc"] == "d-2", a
    assert ask("여름 이벤트는 언제까지인가요?")[1]["status"] != "faq"

    # A customer asks what nothing tells.
    code, a = ask(ASKED)
    assert code == 3 and a["status"] == "refused", a
    first, handoff = a["id"], a["handoff"]
    assert CONTACT in a["answer"] and handoff in a["answer"], a
    code, a = ask(ASKED_AGAIN)
    assert code == 3, a

    # The agent who takes over finds it by the code that was read out.
    code, r = json_of("audit", "show", handoff.lower())
    assert code == 0 and r["records"][0]["subject"] == first, r
    assert r["records"][0]["body"]["question"] == ASKED, r

    # It is in the queue, once.
    code, q = json_of("queue")
    group = [g for g in q["groups"] if "드론" in g["question"]]
    assert len(group) == 1 and group[0]["count"] == 2, q
    number = str(group[0]["group"])

    # The documents learn of it; a draft quotes them and answers nobody yet.
    DESK.write("drone.md", NOTICE)
    DESK.ingest(os.path.join(DESK.folder, "docs"))
    e2e.wait_for("the notice", lambda: "drone" in DESK.rag(
        "search", "드론 택배 접수 마감")[1])
    code, d = json_of("faq", "draft", "--group", number, "--id", "drone",
                      "--by", "kim")
    assert code == 0 and d["state"] == "draft" and d["citations"], d
    assert "오후 4시 30분" in d["answer"], d
    assert d["citations"][0]["doc"].endswith("drone.md"), d
    assert ask(ASKED)[1]["status"] != "faq"

    # A person puts it in the bank's words and another approves it.
    approved = "평일 오후 4시 30분까지 본점에서 접수합니다."
    code, d = json_of("faq", "edit", "drone", "--answer", approved,
                      "--by", "kim")
    assert code == 0 and d["version"] == 2, d
    code, d = json_of("faq", "approve", "drone", "--by", "lee")
    assert code == 0 and d["live"] == 2 and d["approver"] == "lee", d
    for question in (ASKED, ASKED_AGAIN):
        code, a = ask(question)
        assert code == 0 and a["status"] == "faq", a
        assert a["answer"] == approved, a
    answered = a["id"]
    # In words of their own customers get it too, quoted.
    code, a = ask("드론으로 보내는 택배의 접수 마감 시간이 궁금합니다")
    assert a["status"] in ("faq", "extract") and approved in a["answer"], a
    code, q = json_of("queue", "--state", "answered")
    assert [g for g in q["groups"] if str(g["group"]) == number], q

    # The same again today; tomorrow it is retired.
    code, r = json_of("replay", answered)
    assert code == 0 and r["same"], r
    code, d = json_of("faq", "retire", "drone", "--by", "lee")
    assert code == 0 and d["state"] == "retired" and d["live"] == 0, d
    code, a = ask(ASKED)
    assert a["status"] != "faq", a
    code, r = json_of("replay", answered)
    assert code == 1 and not r["same"], r
    assert "status" in [c["what"] for c in r["changes"]], r
    code, h = json_of("faq", "history", "drone")
    assert [v["state"] for v in h["versions"]] == ["draft", "retired"], h

    # Evening: everything is on record.
    code, r = json_of("audit", "verify")
    assert code == 0 and r["whole"] and r["records"] > 15, r
    head = "%d:%s" % (r["head"], r["hash"])
    ask(ASKED)
    code, r = json_of("audit", "verify", "--head", head)
    assert code == 0 and r["whole"], r
    code, r = json_of("audit", "verify", "--head", head[:-1] + "x")
    assert code == 65 and not r["whole"], r
    code, r = json_of("audit", "show", "drone")
    kinds = [x["kind"] for x in r["records"]]
    assert kinds == ["faq.add", "faq.edit", "faq.approve", "faq.retire"], r


def a_desk_entry_wins_over_the_ingested_one():
    """The same id: the desk's words answer, also for the file's question; a
    retired id answers no more though the file still has it."""
    path = os.path.join(e2e.SAMPLES, "faq", "bank-ko.csv")
    DESK.ingest(path)
    question = "개인 입출금통장은 어떻게 해지하나요?"
    a = e2e.wait_for("the FAQ file", lambda: (lambda a: a if a["status"] ==
                                              "faq" else None)
                     (ask(question)[1]))
    doc, old = a["citations"][0]["doc"], a["answer"]
    code, d = json_of("faq", "edit", doc, "--answer", "새 답입니다.")
    assert code == 0 and d["question"] == question, d
    assert ask(question)[1]["answer"] == old
    json_of("faq", "approve", doc)
    assert ask(question)[1]["answer"] == "새 답입니다."
    json_of("faq", "retire", doc)
    a = ask(question)[1]
    assert a["answer"] != old and a["status"] != "faq", a
    assert doc not in DESK.rag("search", "--json", question)[1]


def day(n):
    return (datetime.date.today() + datetime.timedelta(days=n)).isoformat()


def entries_answer_only_while_they_hold():
    """Outside its dates an entry never answers, in no writing of its question;
    the last day still counts; the next entry takes over on its first."""
    question = "봄맞이 환전 행사의 우대율은 얼마인가요?"
    for name, answer, since, until, live in (
            ("v-old", "작년 우대율은 70%입니다.", day(-400), day(-1), False),
            ("v-now", "우대율은 80%입니다.", day(0), day(0), True),
            ("v-next", "내년 우대율은 90%입니다.", day(1), day(400), False)):
        code, d = json_of("faq", "add", "--id", name, "--question", question,
                          "--answer", answer, "--valid-from", since,
                          "--valid-until", until, "--by", "kim")
        assert code == 0, d
        code, d = json_of("faq", "approve", name, "--by", "lee")
        assert code == 0 and d["approver"] == "lee" and d["live"] == 1, d
    for writing in (question, question.replace(" ", ""),
                    "봄맞이 환전 행사 우대율이 얼마예요",
                    "봄맞이 환전 행사의 우대률은 얼마인가요?"):
        code, a = ask(writing)
        assert a["status"] == "faq" and a["answer"] == "우대율은 80%입니다.", a
        assert a["citations"][0]["doc"] == "v-now" and a["version"] == 1, a
    json_of("faq", "retire", "v-now", "--by", "lee")
    a = ask(question)[1]
    # Another document may speak of such rates; these entries may not.
    assert a["status"] != "faq" and "작년 우대율" not in a["answer"] and \
        "내년 우대율" not in a["answer"], a
    assert not [c for c in a["citations"] if c["doc"].startswith("v-")], a


def each_refusal_says_whom_to_call():
    """The contact line and a code that leads back to the question, in every
    refusal, in both languages; the same number stays where others are
    masked."""
    codes = set()
    for question in ("목성 지점은 몇 층에 있나요?",
                     "How many moons does Jupiter have?",
                     "주차장에 우주선을 세워도 되나요?",
                     "1588-0000 번호로 우주선을 예약하나요?"):
        code, a = ask(question)
        assert code == 3 and a["status"] == "refused", a
        assert CONTACT in a["answer"] and a["handoff"] in a["answer"], a
        codes.add(a["handoff"])
        code, r = json_of("audit", "show", a["handoff"])
        body = json.dumps(r["records"][0]["body"], ensure_ascii=False)
        assert question in body, r
    assert len(codes) == 4, codes


def follow_ups_are_understood():
    """A conversation is kept by its name, and said how it was understood."""
    ask("개인카드 한도는 어떻게 올리나요?", "--session", "s1")
    code, a = ask("그럼 법인은요?", "--session", "s1")
    assert a["said"] == "그럼 법인은요?", a
    assert a["question"] == "법인카드 한도는 어떻게 올리나요?", a
    assert a["citations"][0]["doc"] == "d-1", a
    # Politeness is no subject: what comes next is about the cards still.
    ask("감사합니다", "--session", "s1")
    code, a = ask("개인은요?", "--session", "s1")
    assert a["question"] == "개인카드 한도는 어떻게 올리나요?", a
    code, a = ask("그럼 법인은요?", "--session", "s2")
    assert "said" not in a, a
    status, r = DESK.post("/v1/ask", {"question": "x", "session": "a b"})
    assert status == 400, r


def a_thumb_down_reaches_the_queue():
    """What a customer disliked is in the queue, with the personal data of the
    comment masked."""
    code, a = ask("개인카드 한도는 어떻게 올리나요?")
    code, r = json_of("feedback", a["id"], "down", "010-9999-8888로",
                      "전화", "주세요")
    assert code == 0, r
    code, q = json_of("queue")
    assert [g for g in q["groups"] if g["why"] == "thumb down"], q
    code, r = json_of("audit", "show", a["id"])
    assert "[전화번호]" in json.dumps(r, ensure_ascii=False), r
    assert DESK.rag("feedback", "zzzzzzzz", "up")[0] == 66


PERSONAL = ["850312-1234565", "4111-1111-1111-1111", "010-4321-8765",
            "110-123-456789", "secret.person@example.com", "M12345678"]


def personal_data_reaches_no_file():
    """Neither desk.db nor the log ever holds what a customer let slip."""
    for p in PERSONAL:
        ask("제 번호는 %s인데 우주여행 적금 되나요?" % p)
    json_of("audit", "verify")  # everything has been written by then
    for name in glob.glob(os.path.join(DESK.data, "desk.db*")) + [
            os.path.join(DESK.folder, "ragd.log")]:
        with open(name, "rb") as f:
            raw = f.read()
        for p in PERSONAL:
            assert p.encode() not in raw, (name, p)
    assert "[주민번호]" in DESK.log()
    mode = os.stat(os.path.join(DESK.data, "desk.db")).st_mode & 0o777
    assert mode == 0o600, oct(mode)


def erased_answers_leave_the_chain_whole():
    """After a purge the texts are gone and the log still verifies."""
    code, a = ask("화성 지점은 어디에 있나요?")
    code, r = json_of("audit", "purge", "--days", "0")
    # Written within this second, it may be too young by a hair.
    e2e.wait_for("the purge", lambda: json_of(
        "audit", "purge", "--days", "0")[0] == 0 and json_of(
        "audit", "show", a["id"])[1]["records"][0]["erased"])
    assert json_of("audit", "verify")[1]["whole"]
    assert DESK.rag("replay", a["id"])[0] == 65
    with open(os.path.join(DESK.data, "desk.db"), "rb") as f:
        assert "화성 지점".encode() not in f.read()


def a_killed_daemon_forgets_nothing():
    """What was approved answers after a kill, and the chain is whole."""
    json_of("faq", "add", "--id", "k-1", "--question", "잔액증명서 수수료는?",
            "--answer", "2,000원입니다.")
    json_of("faq", "approve", "k-1")
    d = DESK.daemons[-1]
    d.kill()
    d.wait()
    DESK.start_ready("--config", DESK.config(CONFIG), "--no-generator")
    code, a = ask("잔액증명서 수수료는?")
    assert a["status"] == "faq" and a["answer"] == "2,000원입니다.", a
    assert json_of("audit", "verify")[1]["whole"]


def four_eyes_and_no_desk_over_the_network():
    """With two_persons the author cannot approve; over TCP the desk is shut
    although asking is not."""
    DESK.stop(DESK.daemons[-1])
    token = os.path.join(DESK.folder, "token")
    with open(token, "w") as f:
        f.write("hunter2-hunter2\n")
    os.chmod(token, 0o600)
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    config = DESK.config(CONFIG + "[desk]\ntwo_persons = yes\n[server]\n"
                         "listen = 127.0.0.1:%d\ntoken_file = %s\n" %
                         (port, token))
    d = DESK.start_ready("--config", config, "--no-generator")
    json_of("faq", "add", "--id", "p-1", "--question", "질문?", "--answer",
            "답.", "--by", "kim")
    code, _, err = DESK.rag("faq", "approve", "p-1", "--by", "kim")
    assert code == 77 and "somebody else" in err, (code, err)
    assert DESK.rag("faq", "approve", "p-1", "--by", "lee")[0] == 0
    for path, body, want in (("/v1/ask", {"question": "질문?"}, 200),
                             ("/v1/faq", {"op": "list"}, 403),
                             ("/v1/audit", {}, 403),
                             ("/v1/queue", {}, 403),
                             ("/v1/replay", {"id": "x"}, 403)):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        c.request("POST", path, json.dumps(body),
                  {"Authorization": "Bearer hunter2-hunter2"})
        got = c.getresponse().status
        c.close()
        assert got == want, (path, got)
    DESK.stop(d)


def a_model_elsewhere_sees_no_personal_data():
    """What leaves the machine is masked."""
    model = e2e.Model("오후 4시 30분에 마감합니다. [1]")
    seen = []

    class Recording(model.server.RequestHandlerClass):
        def do_POST(self):
            n = int(self.headers.get("Content-Length", "0"))
            raw = self.rfile.read(n)
            seen.append(raw.decode("utf-8", "replace"))
            self.rfile = io.BytesIO(raw)
            super().do_POST()

    model.server.RequestHandlerClass = Recording
    config = DESK.config("[answer]\ngate = 0\n[generator]\nurl = %s\n" %
                         model.url)
    d = DESK.start_ready("--config", config)
    try:
        ask("제 전화는 010-4321-8765인데 드론 택배 접수는 몇 시에 마감하나요?")
        asked = "".join(seen)
        assert "드론" in asked, asked
        assert "4321" not in asked, asked
    finally:
        DESK.stop(d)
        model.close()


def bad_input_is_refused_in_words():
    """Wrong files and numbers end with the right status and say where."""
    d = DESK.start_ready("--config", DESK.config(CONFIG), "--no-generator")
    for name, text, where in (
            ("a.csv", "id,question\n1,q\n", "line 1"),
            ("b.csv", 'id,question,answer\n1,q,"a\n', "no end"),
            ("c.csv", "id,question,answer\n1,q,a,b\n", "line 2"),
            ("d.jsonl", '{"id":1}\n', ""),
            ("e.csv", "", "header")):
        path = os.path.join(DESK.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        code, _, err = DESK.rag("faq", "import", path)
        assert code == 65 and where in err, (name, code, err)
    assert DESK.rag("faq", "import", "/nonexistent")[0] == 66
    assert DESK.rag("faq", "show", "nobody")[0] == 66
    assert DESK.rag("faq", "dance")[0] == 64
    assert DESK.rag("queue", "dismiss", "12345")[0] == 66
    assert DESK.rag("audit", "verify", "--head", "nonsense")[0] == 64
    for path, body in (("/v1/faq", {"op": 7}), ("/v1/faq", {"op": "add"}),
                       ("/v1/faq", {"op": "list", "limit": -1}),
                       ("/v1/faq", {"op": "import", "entries": "x"}),
                       ("/v1/feedback", {"id": "x", "vote": "maybe"}),
                       ("/v1/audit", {"op": "purge"}),
                       ("/v1/replay", {})):
        status, r = DESK.post(path, body)
        assert status == 400, (path, body, status, r)
    DESK.stop(d)


if __name__ == "__main__":
    with e2e.Desk() as DESK:
        e2e.main([an_operators_day, a_desk_entry_wins_over_the_ingested_one,
                  entries_answer_only_while_they_hold,
                  each_refusal_says_whom_to_call, follow_ups_are_understood, a_thumb_down_reaches_the_queue,
                  personal_data_reaches_no_file,
                  erased_answers_leave_the_chain_whole,
                  a_killed_daemon_forgets_nothing,
                  four_eyes_and_no_desk_over_the_network,
                  a_model_elsewhere_sees_no_personal_data,
                  bad_input_is_refused_in_words])
