#!/usr/bin/env python3
"""Serving under stress: full queues, clients that leave, kills, reloads.

Most use a stand-in for the generative model, which waits when it is told to;
encoder, store and everything else are real.
"""
import json
import os
import signal
import socket
import subprocess
import time

import desk as e2e

POLICY = ("# Visitor policy\n\nVisitors wear a green badge at all times. "
          "The badge is returned at the front desk before 18:00.\n\n"
          "# Parking\n\nVisitors park on level B3 free of charge for 4 "
          "hours.\n")
QUESTION = "What colour is the badge visitors wear?"
REPLY = "Visitors wear a green badge [1]."
FAQ = ("id,question,answer\n"
       "f1,How do I reset my door code?,Call the front desk on 1588-0000.\n")


class Stage(e2e.Desk):
    """A desk with a small store and a stand-in model."""

    def __enter__(self):
        self.model = e2e.Model(REPLY)
        self.write("visitors.md", POLICY)
        self.ingest(self.write("faq.csv", FAQ))
        return self

    def __exit__(self, *what):
        self.model.close()
        super().__exit__(*what)

    def serve(self, settings="", *args, **more):
        conf = self.config(settings)
        return self.start_ready("--config", conf, "--generator-url",
                                self.model.url, *args, **more)

    def ask_http(self, question=QUESTION):
        return self.post("/v1/ask", {"question": question})

    def hold_one(self):
        """A question that waits inside the model."""
        self.model.hold()
        before = self.model.asked
        b = e2e.Background(self.ask_http)
        e2e.wait_for("the model to be asked",
                     lambda: self.model.asked > before)
        return b


def sigterm_finishes_what_runs():
    """A request that runs when SIGTERM comes gets its whole answer; new
    connections are refused meanwhile; the daemon then ends with 0."""
    with Stage() as s:
        d = s.serve()
        running = s.hold_one()
        d.send_signal(signal.SIGTERM)
        e2e.wait_for("the door to close", lambda: refused(s.socket))
        assert d.poll() is None
        s.model.release()
        status, a = running.result()
        assert status == 200 and a["status"] == "answered", a
        assert d.wait(e2e.PATIENCE) == 0


def refused(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(1)
    try:
        s.connect(path)
        return False
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    except OSError:
        return False
    finally:
        s.close()


def sigterm_has_a_limit():
    """What does not finish within server.stop_ms is cut off."""
    with Stage() as s:
        d = s.serve("[server]\nstop_ms = 300\n")
        running = s.hold_one()
        assert s.stop(d) == 0
        try:
            status, _ = running.result()
            assert status == 503, status
        except OSError:
            pass


def too_many_get_503_and_when_to_retry():
    """More questions than the model and its queue take: 503, Retry-After,
    code busy. Approved answers and searches are served all the same."""
    with Stage() as s:
        s.serve("[generator]\nwaiting = 1\n")
        first = s.hold_one()
        second = e2e.Background(s.ask_http, "Where do visitors park?")
        e2e.wait_for("one to wait",
                     lambda: s.metric("ragd_generator_waiting") == 1)
        status, headers, body = s.http("POST", "/v1/ask",
                                       {"question": QUESTION})
        assert status == 503, status
        assert int(headers["Retry-After"]) > 0
        assert json.loads(body)["error"]["code"] == "busy"
        status, a = s.ask_http("How do I reset my door code?")
        assert status == 200 and a["status"] == "faq", a
        status, v = s.post("/v1/search", {"query": "badge"})
        assert status == 200 and v["hits"]
        s.model.release()
        assert first.result()[0] == second.result()[0] == 200


def a_full_queue_is_503():
    """More requests than workers and queue: 503 at once, and none is lost."""
    with Stage() as s:
        s.serve("[server]\nworkers = 2\nqueue = 1\n[generator]\nwaiting = 0\n")
        held = s.hold_one()
        body = {"input": ["a long text " * 300] * 64}
        many = [e2e.Background(s.post, "/v1/embeddings", body)
                for _ in range(12)]
        statuses = [b.result()[0] for b in many]
        assert set(statuses) <= {200, 503}, statuses
        assert 503 in statuses and 200 in statuses, statuses
        s.model.release()
        assert held.result()[0] == 200
        assert s.metric("ragd_rejected_total") >= statuses.count(503)


def a_client_that_leaves_cancels_generation():
    """The model's connection is closed soon after the client's, and its
    place is free again."""
    with Stage() as s:
        s.serve()
        s.model.hold()
        c = e2e.raw(s.socket, e2e.post_bytes("/v1/ask",
                                             {"question": QUESTION}))
        e2e.wait_for("the model to be asked", lambda: s.model.asked == 1)
        c.close()
        e2e.wait_for("the model's client to leave", lambda: s.model.left == 1)
        e2e.wait_for("its place", lambda: s.metric("ragd_generating") == 0)
        s.model.release()
        assert s.ask_http()[1]["status"] == "answered"


def an_invented_answer_is_not_given():
    """What the documents do not say is replaced by a quote of what they do."""
    with Stage() as s:
        s.serve()
        s.model.reply = "Visitors wear a purple badge with number 77 [1]."
        status, a = s.ask_http()
        assert status == 200 and a["status"] in ("extract", "refused"), a
        assert "purple" not in a["answer"] and "77" not in a["answer"]
        if a["status"] == "extract":
            assert a["citations"] and a["model"] is None


def without_the_model_there_is_an_extract():
    """No endpoint: a quote with a warning; when it is back, an answer."""
    with Stage() as s:
        d = s.serve()
        url = s.model.url
        s.model.close()
        status, a = s.ask_http()
        assert status == 200 and a["status"] == "extract", a
        assert a["warnings"] and a["citations"]
        code, _, err = s.rag("ask", QUESTION)
        assert code == 0 and "warning" in err, (code, err)
        assert s.rag("status")[0] in (0, 69)
        port = int(url.split(":")[2].split("/")[0])
        again = e2e.Model(REPLY)
        again.server.server_close()
        assert d.poll() is None and port


def two_daemons_cannot_share_a_socket():
    """The second one says that the first is running, and ends with 69."""
    with Stage() as s:
        s.serve()
        p = subprocess.run([e2e.program("ragd"), "--data", s.data,
                            "--no-generator"], env=s.env, capture_output=True,
                           timeout=e2e.PATIENCE)
        assert p.returncode == 69, p.returncode
        assert b"already running" in p.stderr, p.stderr
        assert s.status()["ready"]


def of_daemons_started_together_one_wins():
    with Stage() as s:
        started = [s.start("--no-generator", wait=False) for _ in range(4)]
        e2e.wait_for("three to end", lambda: sum(
            d.poll() is not None for d in started) == 3)
        assert sorted(d.returncode for d in started
                      if d.returncode is not None) == [69, 69, 69]
        e2e.wait_for("the socket", lambda: not refused(s.socket))
        assert s.http("GET", "/healthz")[0] == 200


def a_socket_left_over_is_replaced():
    """After kill -9 the socket file is still there; the next start serves."""
    with Stage() as s:
        d = s.serve()
        d.kill()
        d.wait()
        assert os.path.exists(s.socket)
        code, _, err = s.rag("ask", QUESTION)
        assert code == 69, (code, err)
        s.serve()
        assert s.ask_http()[1]["status"] == "answered"


def a_file_in_the_way_is_left_alone():
    with Stage() as s:
        with open(s.socket, "w") as f:
            f.write("precious")
        p = subprocess.run([e2e.program("ragd"), "--data", s.data,
                            "--no-generator"], env=s.env, capture_output=True,
                           timeout=e2e.PATIENCE)
        assert p.returncode == 65, p.returncode
        with open(s.socket) as f:
            assert f.read() == "precious"


def the_socket_has_its_permissions():
    with Stage() as s:
        s.serve("[server]\nsocket_mode = 0600\n")
        assert os.stat(s.socket).st_mode & 0o777 == 0o600


def new_documents_are_served_without_a_restart():
    """A daemon that started before the first document serves it within a
    second of the commit, changes and removals too, and drops no request."""
    with e2e.Desk() as s:
        s.start("--no-generator")
        status, v = s.post("/v1/ask", {"question": "badge?"})
        assert status == 503 and v["error"]["code"] == "no_index", v
        code, _, err = s.rag("status")
        assert code == 69 and "rag-ingest" in err, (code, err)
        folder = s.write("visitors.md", POLICY)
        s.ingest(folder)
        began = time.monotonic()
        e2e.wait_for("the document", lambda: found(s, "badge"), 5)
        late = time.monotonic() - began
        assert late < 1.5, "served after %.1f s" % late
        failures = []
        stop = []

        def ask_on():
            while not stop:
                status, _ = s.post("/v1/search", {"query": "badge"})
                if status != 200:
                    failures.append(status)

        busy = [e2e.Background(ask_on) for _ in range(4)]
        for n in range(5):
            s.write("visitors.md", POLICY.replace("green", "blue%d" % n))
            s.ingest(folder)
            e2e.wait_for("the change", lambda: "blue%d" % n in
                         found(s, "badge"), 5)
        stop.append(1)
        for b in busy:
            b.result()
        assert not failures, failures


def found(s, query):
    status, v = s.post("/v1/search", {"query": query})
    return "".join(h["text"] for h in v["hits"]) if status == 200 else ""


def an_ingest_that_was_killed_is_run_again():
    """kill -9 in the middle of ingest: what was committed is served, and the
    same command brings the rest."""
    with e2e.Desk() as s:
        folder = None
        for n in range(120):
            folder = s.write("doc%03d.md" % n, "# Topic %d\n\nItem number %d "
                             "is kept in room %d. " % (n, n, n * 7) * 20)
        p = subprocess.Popen([e2e.program("rag-ingest"), "--data", s.data,
                              "--quiet", folder], env=s.env)
        store = os.path.join(s.data, "store.db")
        e2e.wait_for("the store", lambda: os.path.exists(store))
        time.sleep(0.5)
        p.kill()
        p.wait()
        s.ingest(folder)
        s.start("--no-generator")
        assert s.status()["index"]["documents"] == 120
        assert "room 777" in found(s, "Where is item number 111 kept?")


def the_service_manager_passes_sockets():
    """LISTEN_FDS: the daemon serves on the passed socket, tells when it is
    ready and when it stops, and leaves the socket's file alone."""
    with Stage() as s:
        notify = os.path.join(s.folder, "notify")
        n = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        n.bind(notify)
        n.settimeout(e2e.PATIENCE)
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        door.bind(s.socket)
        door.listen(16)
        # The shell knows its pid before it becomes the daemon.
        d = subprocess.Popen(
            ["sh", "-c", "exec 3<&%d; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" "
             "\"$@\"" % door.fileno(), e2e.program("ragd"), "--data", s.data,
             "--no-generator"], env=dict(s.env, NOTIFY_SOCKET=notify),
            pass_fds=[door.fileno()])
        s.daemons.append(d)
        said = hear(n, b"READY=1")
        assert s.http("GET", "/healthz")[0] == 200
        d.send_signal(signal.SIGHUP)
        hear(n, b"RELOADING=1")
        hear(n, b"READY=1")
        d.send_signal(signal.SIGTERM)
        hear(n, b"STOPPING=1")
        assert d.wait(e2e.PATIENCE) == 0, said
        assert os.path.exists(s.socket)
        n.close()
        door.close()


def hear(sock, word):
    while True:
        said = sock.recv(4096)
        if word in said:
            return said


def settings_are_reloaded():
    """SIGHUP: a new contact line is in the next refusal; a broken file keeps
    the old settings."""
    with Stage() as s:
        d = s.serve()
        s.config("[answer]\ncontact = Call 1588-0000.\n")
        d.send_signal(signal.SIGHUP)
        e2e.wait_for("the contact line", lambda: "Call 1588-0000." in
                     s.ask_http("who won the world cup in 1998?")[1]["answer"])
        s.config("[answer]\ncontct = nobody\n")
        d.send_signal(signal.SIGHUP)
        e2e.wait_for("the complaint", lambda: "contct" in s.log())
        a = s.ask_http("who won the world cup in 1998?")[1]
        assert "Call 1588-0000." in a["answer"], a


def false_answers_can_be_bounded():
    """A bound on false answers takes the gate's place, and its price is told;
    without one the gate decides again."""
    with Stage() as s:
        d = s.serve()
        gate = s.http("GET", "/v1/status")[2]
        assert json.loads(gate)["gate"]["least"] == 0.5, gate
        assert s.ask_http()[1]["status"] != "refused"
        s.config("[answer]\nfalse_answers = 0\n")
        d.send_signal(signal.SIGHUP)
        e2e.wait_for("the price", lambda: "gate.point" in s.log())
        gate = json.loads(s.http("GET", "/v1/status")[2])["gate"]
        assert gate["least"] == gate["false_refusals"] == 1, gate
        a = s.ask_http()[1]
        assert a["status"] == "refused", a
        s.config("[answer]\nfalse_answers = 0.3\n")
        d.send_signal(signal.SIGHUP)
        e2e.wait_for("an answer", lambda:
                     s.ask_http()[1]["status"] != "refused")
        gate = json.loads(s.http("GET", "/v1/status")[2])["gate"]
        assert 0 < gate["least"] < 1 > gate["false_refusals"] > 0, gate


def a_company_s_own_words_find():
    """index.lexicon: words that nobody else has find what they stand for; a
    line that cannot be read stops the start, with its place."""
    with Stage() as s:
        words = os.path.join(s.folder, "words")
        with open(words, "w", encoding="utf-8") as f:
            f.write("# ours\nzorbling, parking\n")
        s.serve("[index]\nlexicon = %s\n" % words)
        _, out, _ = s.rag("search", "--json", "--explain", "zorbling")
        best = json.loads(out)["hits"][0]
        assert "Visitors park" in best["text"], out
        assert best["lexical"] > 0, out
        with open(words, "a", encoding="utf-8") as f:
            f.write("A/S센터, service\n")
        p = subprocess.run([e2e.program("ragd"), "--data", s.data, "--config",
                            s.config("[index]\nlexicon = %s\n" % words),
                            "-n"], env=s.env, capture_output=True)
        assert p.returncode == 65 and (words + ":3:").encode() in p.stderr, p


def tcp_wants_its_token():
    """TCP is closed unless configured, and then answers only to the token."""
    with Stage() as s:
        token = os.path.join(s.folder, "token")
        with open(token, "w") as f:
            f.write("s3cret\n")
        os.chmod(token, 0o600)
        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        address = "127.0.0.1:%d" % port
        s.serve("", "--listen", address, "--token-file", token)
        for key, want in ((None, 401), ("wrong", 401), ("s3cret", 200)):
            c = e2e.http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            c.request("GET", "/v1/status", headers={} if key is None else
                      {"Authorization": "Bearer " + key})
            assert c.getresponse().status == want, key
            c.close()
        code, out, _ = s.rag("--url", "http://" + address, "--token-file",
                             token, "status", "--json")
        assert code == 0 and json.loads(out)["ready"]
        os.chmod(token, 0o644)
        p = subprocess.run([e2e.program("ragd"), "--socket",
                            os.path.join(s.folder, "x.sock"), "--no-generator",
                            "--listen", "127.0.0.1:0", "--token-file", token],
                           env=s.env, capture_output=True, timeout=60)
        assert p.returncode == 77, p


def bad_requests_get_their_status():
    """Each kind of bad request has its status and a JSON error."""
    with Stage() as s:
        s.serve("[server]\nbody_bytes = 4096\n")
        for method, path, body, want in (
                ("GET", "/nowhere", None, 404), ("GET", "/v1/ask", None, 405),
                ("POST", "/v1/status", b"{}", 405),
                ("POST", "/v1/ask", b"", 400), ("POST", "/v1/ask", b"{", 400),
                ("POST", "/v1/ask", b"[]", 400),
                ("POST", "/v1/ask", b"{}", 400),
                ("POST", "/v1/ask", b'{"question":7}', 400),
                ("POST", "/v1/ask", b'{"question":"  "}', 400),
                ("POST", "/v1/ask", b'{"question":"\xff"}', 400),
                ("POST", "/v1/ask", b'{"question":"a","question":"b"}', 400),
                ("POST", "/v1/ask", b"[" * 2000, 400),
                ("POST", "/v1/search", b'{"query":"x","k":0}', 400),
                ("POST", "/v1/search", b'{"query":"x","k":100000}', 400),
                ("POST", "/v1/embeddings", b'{"input":[]}', 400),
                ("POST", "/v1/chat/completions", b'{"messages":[]}', 400),
                ("POST", "/v1/ask", b"x" * 5000, 413)):
            status, _, raw = s.http(method, path, body)
            assert status == want, (method, path, body, status)
            e = json.loads(raw)["error"]
            assert e["code"] and e["message"], raw
        status, _, raw = s.http("POST", "/v1/ask",
                                {"question": "long " * 900})
        assert status == 413, status
        # a chunked body over the limit, whose length is not known before
        c = e2e.raw(s.socket, b"POST /v1/ask HTTP/1.1\r\nHost: x\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n" +
                    b"1000\r\n" + b"x" * 4096 + b"\r\n" +
                    b"1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n")
        assert b" 413 " in c.recv(4096).split(b"\r\n")[0]
        c.close()


def slow_senders_are_closed():
    """A request that does not arrive in time is closed; others are served."""
    with Stage() as s:
        s.serve("[server]\nreceive_ms = 500\n")
        slow = [e2e.raw(s.socket, b"POST /v1/ask HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Length: 100\r\n\r\n{") for _ in range(20)]
        slow += [e2e.raw(s.socket, b"GET /heal") for _ in range(20)]
        assert s.ask_http()[0] == 200
        for c in slow:
            c.settimeout(10)
            assert c.recv(100) == b"", "still open"
            c.close()


def many_clients_at_once():
    """200 clients at once each get an approved answer."""
    with Stage() as s:
        s.serve()
        many = [e2e.Background(s.ask_http, "How do I reset my door code?")
                for _ in range(200)]
        for b in many:
            status, a = b.result()
            assert status == 200 and a["status"] == "faq", (status, a)


if __name__ == "__main__":
    e2e.main([sigterm_finishes_what_runs, sigterm_has_a_limit,
              too_many_get_503_and_when_to_retry, a_full_queue_is_503,
              a_client_that_leaves_cancels_generation,
              an_invented_answer_is_not_given,
              without_the_model_there_is_an_extract,
              two_daemons_cannot_share_a_socket,
              of_daemons_started_together_one_wins,
              a_socket_left_over_is_replaced,
              a_file_in_the_way_is_left_alone,
              the_socket_has_its_permissions,
              new_documents_are_served_without_a_restart,
              an_ingest_that_was_killed_is_run_again,
              the_service_manager_passes_sockets, settings_are_reloaded,
              false_answers_can_be_bounded, a_company_s_own_words_find,
              tcp_wants_its_token, bad_requests_get_their_status,
              slow_senders_are_closed, many_clients_at_once])
