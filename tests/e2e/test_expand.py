#!/usr/bin/env python3
"""rag-ingest --expand with the real encoder and the real generator."""
import json
import os
import signal
import subprocess

import desk as e2e

DESK = None
BADGE = ("# Visitors\n\nVisitors wear a green badge at all times and hand it "
         "back at the reception before 18:00. A lost badge costs 10,000 won.\n")
LEAVE = ("# 연차휴가\n\n연차휴가는 1년에 15일이며 3영업일 전에 인사팀에 신청한다. "
         "쓰지 않은 휴가는 연말에 수당으로 받는다.\n")


def expand(*more):
    p = DESK.ingest("--json", "--expand", *more,
                    os.path.join(DESK.folder, "docs"))
    return json.loads(p.stdout)["expand"]


def children_of(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            own = f.read().split()
    except FileNotFoundError:
        return []
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task)) as f:
            found += [int(c) for c in f.read().split()]
    return found or [int(c) for c in own]


def a_killed_run_takes_its_model_along():
    """kill -9 in the midst: the model ends too, what was read is stored."""
    DESK.write("visitors.md", BADGE)
    DESK.write("leave.md", LEAVE)
    p = subprocess.Popen([e2e.program("rag-ingest"), "--data", DESK.data,
                          "--quiet", "--expand",
                          os.path.join(DESK.folder, "docs")], env=DESK.env)
    model = e2e.wait_for("the model", lambda: p.poll() is not None or
                         children_of(p.pid))
    assert p.poll() is None, p.returncode
    p.kill()
    p.wait()
    for pid in model:
        e2e.wait_for("the model's end", lambda: e2e.gone(pid), 10)


def the_next_run_writes_what_is_missing():
    """Questions are there for each chunk; nothing is left running."""
    e = expand()
    assert e["documents"] == 2, e
    assert e["written"] + e["kept"] == e["chunks"] == 2, e
    assert e["questions"] + sum(e["not_taken"].values()) >= e["written"], e
    left = [n for n in os.listdir(DESK.run_dir) if n.startswith("rag-ingest")]
    assert len(left) <= 1, left  # of the killed run


def again_nothing_is_written():
    e = expand()
    assert e["chunks"] == 0 and e["written"] == 0, e
    DESK.write("leave.md", LEAVE.replace("15일", "16일"))
    e = expand()
    assert e["chunks"] == 1 and e["written"] == 1, e


def a_running_daemon_serves_it_and_shows_none_of_it():
    d = DESK.start("--no-generator")
    e2e.wait_for("the index", lambda: DESK.rag("search", "badge")[0] == 0)
    for query, name, text in (("visitor badge", "visitors.md", BADGE),
                              ("연차휴가", "leave.md",
                               LEAVE.replace("15일", "16일"))):
        code, out, _ = DESK.rag("search", "--json", query)
        hits = json.loads(out)["hits"]
        assert code == 0 and hits[0]["doc"].endswith(name), hits
        # Byte for byte of the document, whatever was written for it.
        raw = text.encode()
        h = hits[0]
        assert raw[h["start"]:h["end"]] == h["text"].encode(), h
    DESK.write("leave.md", LEAVE)
    assert expand()["written"] == 1
    e2e.wait_for("the change", lambda: "15일" in DESK.rag(
        "search", "--json", "연차휴가")[1])
    assert DESK.stop(d) == 0


def a_signal_ends_it_with_its_model():
    DESK.write("more.md", BADGE.replace("green", "yellow"))
    p = subprocess.Popen([e2e.program("rag-ingest"), "--data", DESK.data,
                          "--quiet", "--expand",
                          os.path.join(DESK.folder, "docs")], env=DESK.env,
                         stderr=subprocess.DEVNULL)
    model = e2e.wait_for("the model", lambda: p.poll() is not None or
                         children_of(p.pid))
    assert p.poll() is None, p.returncode
    p.send_signal(signal.SIGINT)
    assert p.wait(e2e.PATIENCE) == 128 + signal.SIGINT
    assert all(e2e.gone(pid) for pid in model)
    assert expand()["written"] == 1


if __name__ == "__main__":
    with e2e.Desk() as DESK:
        e2e.main([a_killed_run_takes_its_model_along,
                  the_next_run_writes_what_is_missing,
                  again_nothing_is_written,
                  a_running_daemon_serves_it_and_shows_none_of_it,
                  a_signal_ends_it_with_its_model])
