#!/usr/bin/env python3
"""The model's child process: its death, and the daemon's."""
import os
import signal
import time

import desk as e2e

DESK = None
QUESTION = "What colour is the badge visitors wear?"


def a_killed_child_comes_back():
    """kill -9 of the model: questions get an answer or a quote meanwhile,
    and a new child serves soon."""
    DESK.ingest(DESK.write("visitors.md", "# Visitors\n\nVisitors wear a "
                           "green badge at all times.\n"))
    DESK.start_ready()
    pid = DESK.status()["generator"]["pid"]
    os.kill(pid, signal.SIGKILL)
    code, a, err = DESK.ask(QUESTION)
    assert code == 0 and a["status"] in ("answered", "extract"), a
    if a["status"] == "extract" and a["warnings"]:
        assert "warning" in err
    g = e2e.wait_for("a new child", lambda: new_child(pid))
    assert g["restarts"] >= 1, g
    code, a, _ = DESK.ask(QUESTION)
    assert code == 0 and not a["warnings"], a


def new_child(pid):
    """The generator's state once another child than pid is ready."""
    v = DESK.status()
    g = v["generator"]
    return g if v["ready"] and g["pid"] not in (0, pid) else None


def a_stopped_child_gives_an_extract():
    """A model that hangs: a quote with a warning within the limits."""
    pid = DESK.status()["generator"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    code, a, err = DESK.ask("Which badge do visitors wear?")
    late = time.monotonic() - began
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass
    assert code == 0 and a["status"] == "extract", a
    assert a["warnings"] and "warning" in err, a
    assert late < 60, late
    e2e.wait_for("recovery", lambda: DESK.status()["ready"])


def the_child_dies_with_the_daemon():
    """kill -9 of the daemon leaves no model behind."""
    pid = DESK.status()["generator"]["pid"]
    d = DESK.daemons[-1]
    d.kill()
    d.wait()
    e2e.wait_for("the child to end", lambda: e2e.gone(pid), 10)


def a_restart_over_what_was_left_serves():
    """After kill -9: stale socket and the model's folder are taken over."""
    DESK.start_ready()
    code, a, _ = DESK.ask(QUESTION)
    assert code == 0 and a["citations"], a
    assert DESK.stop(DESK.daemons[-1]) == 0


if __name__ == "__main__":
    with e2e.Desk() as DESK:
        e2e.main([a_killed_child_comes_back, a_stopped_child_gives_an_extract,
                  the_child_dies_with_the_daemon,
                  a_restart_over_what_was_left_serves])
