"""What the end-to-end tests share: programs, a daemon of their own, raw HTTP,
and a stand-in for a generative model that does as it is told.

Only the standard library; only Unix sockets and loopback. RAG_BUILD names the
folder of the programs.
"""
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

BUILD = os.environ.get("RAG_BUILD", "build")
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SAMPLES = os.path.join(SOURCE, "samples")
PATIENCE = 90  # seconds for what normally takes one


def program(name):
    return os.path.join(BUILD, name)


def gone(pid):
    """No such process, or only its name is left."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_for(what, condition, seconds=PATIENCE):
    """Polls until condition() is true; its value."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.02)


class Desk:
    """A folder with a store, a socket and whatever runs on them."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="rag-e2e-")
        self.run_dir = os.path.join(self.folder, "run")
        self.data = os.path.join(self.folder, "data")
        os.mkdir(self.run_dir, 0o700)
        self.socket = os.path.join(self.run_dir, "ragd.sock")
        self.daemons = []
        self.env = dict(os.environ, XDG_RUNTIME_DIR=self.run_dir,
                        XDG_CONFIG_HOME=self.folder,
                        XDG_DATA_HOME=self.folder, NO_COLOR="1",
                        LC_ALL="C.UTF-8")
        # Where models and parts are must survive the change of places above.
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(
            os.path.expanduser("~"), ".cache")
        self.env.setdefault("RAGD_CACHE", os.path.join(cache, "ragd"))
        for name in ("RAGD_DATA", "RAGD_SOCKET", "NOTIFY_SOCKET",
                     "LISTEN_FDS", "LISTEN_PID"):
            self.env.pop(name, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for d in self.daemons:
            if d.poll() is None:
                d.kill()
            d.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- programs ----

    def config(self, text):
        path = os.path.join(self.folder, "ragd.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def start(self, *args, wait=True, env=None, **more):
        log = open(os.path.join(self.folder, "ragd.log"), "ab")
        d = subprocess.Popen([program("ragd"), "--data", self.data, "-v",
                              *args], env=dict(self.env, **(env or {})),
                             stdout=log, stderr=log, **more)
        log.close()
        self.daemons.append(d)
        if wait:
            wait_for("ragd's socket", lambda: self.alive(d))
        return d

    def alive(self, d):
        if d.poll() is not None:
            raise AssertionError("ragd ended with %d:\n%s" %
                                 (d.returncode, self.log()[-2000:]))
        try:
            return self.http("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def start_ready(self, *args, **more):
        d = self.start(*args, **more)
        wait_for("ragd to be ready", lambda: self.status()["ready"])
        return d

    def stop(self, d, seconds=PATIENCE):
        d.send_signal(signal.SIGTERM)
        return d.wait(seconds)

    def log(self):
        with open(os.path.join(self.folder, "ragd.log"), "rb") as f:
            return f.read().decode("utf-8", "replace")

    def ingest(self, *paths, check=True):
        p = subprocess.run([program("rag-ingest"), "--data", self.data,
                            "--quiet", *paths], env=self.env,
                           capture_output=True, timeout=600)
        if check and p.returncode != 0:
            raise AssertionError("rag-ingest: %d %s" %
                                 (p.returncode, p.stderr.decode()))
        return p

    def rag(self, *args, text=None, seconds=PATIENCE):
        """Exit status, standard output, standard error."""
        p = subprocess.run([program("rag"), *args], env=self.env,
                           input=text, capture_output=True, encoding="utf-8",
                           timeout=seconds)
        return p.returncode, p.stdout, p.stderr

    def ask(self, question):
        code, out, err = self.rag("ask", "--json", question)
        if not out:
            raise AssertionError("rag ask: %d %s" % (code, err))
        return code, json.loads(out), err

    def write(self, name, text):
        path = os.path.join(self.folder, "docs", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return os.path.dirname(path)

    # ---- HTTP ----

    def http(self, method, path, body=None, headers=None, seconds=PATIENCE):
        """Status, headers, body of one request."""
        c = connect(self.socket, seconds)
        try:
            if body is not None and not isinstance(body, (str, bytes)):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode()
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            return r.status, dict(r.getheaders()), r.read()
        finally:
            c.close()

    def post(self, path, body, headers=None, seconds=PATIENCE):
        status, _, raw = self.http("POST", path, body, headers, seconds)
        return status, json.loads(raw)

    def status(self):
        return json.loads(self.http("GET", "/v1/status")[2])

    def metric(self, name):
        for line in self.http("GET", "/metrics")[2].decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return 0.0


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, seconds):
        super().__init__("localhost", timeout=seconds)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def connect(path, seconds=PATIENCE):
    return UnixConnection(path, seconds)


def raw(path, text, seconds=PATIENCE):
    """A connected socket on which text has been sent."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(seconds)
    s.connect(path)
    s.sendall(text)
    return s


def post_bytes(path, body):
    body = json.dumps(body).encode()
    return (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" %
            (path.encode(), len(body))) + body


class Model:
    """An OpenAI-compatible endpoint on loopback. It streams `reply`; while
    `held` it waits before its first word, and it notices clients that go.
    `heard` is what it was sent last."""

    def __init__(self, reply):
        self.reply = reply
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0
        self.heard = ""
        self.left = 0
        model = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                body = b'{"object":"list","data":[{"id":"stand-in"}]}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                n = int(self.headers.get("Content-Length", "0"))
                model.heard = self.rfile.read(n).decode()
                model.asked += 1
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                try:
                    self.answer()
                except OSError:
                    model.left += 1

            def answer(self):
                self.connection.setblocking(False)
                while not model.gate.wait(0.02):
                    try:
                        if self.connection.recv(1, socket.MSG_PEEK) == b"":
                            raise ConnectionResetError
                    except BlockingIOError:
                        pass
                self.connection.setblocking(True)
                for word in model.reply.split(" "):
                    self.piece({"content": word + " "}, None)
                self.piece({}, "stop")
                self.wfile.write(b"data: [DONE]\n\n")

            def piece(self, delta, finish):
                v = {"id": "1", "object": "chat.completion.chunk",
                     "choices": [{"index": 0, "delta": delta,
                                  "text": delta.get("content", ""),
                                  "finish_reason": finish}]}
                self.wfile.write(b"data: " + json.dumps(v).encode() + b"\n\n")
                self.wfile.flush()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/v1" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def hold(self):
        self.gate.clear()

    def release(self):
        self.gate.set()

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


class Background(threading.Thread):
    """Runs a call; .result() gives its value or raises what it raised."""

    def __init__(self, call, *args):
        super().__init__(daemon=True)
        self.call, self.args = call, args
        self.value = self.error = None
        self.start()

    def run(self):
        try:
            self.value = self.call(*self.args)
        except BaseException as e:  # handed over to the one who waits
            self.error = e

    def result(self, seconds=PATIENCE):
        self.join(seconds)
        if self.is_alive():
            raise AssertionError("no result in %d s" % seconds)
        if self.error:
            raise self.error
        return self.value


def have_models():
    with Desk() as desk:
        return subprocess.run([program("ragd"), "-n"], env=desk.env,
                              capture_output=True).returncode == 0


def main(tests):
    """Runs tests (functions whose docstring is the promise) in order and
    reports them as TAP."""
    print("1..%d" % len(tests), flush=True)
    failed = 0
    models = have_models()
    for n, test in enumerate(tests, 1):
        name = test.__name__
        if not models:
            print("ok %d - %s # SKIP models are not set up" % (n, name))
            continue
        try:
            test()
            print("ok %d - %s" % (n, name), flush=True)
        except Exception as e:
            failed += 1
            print("not ok %d - %s: %s" % (n, name, str(e).split("\n")[0]))
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            sys.stdout.flush()
    sys.exit(1 if failed else 0)
