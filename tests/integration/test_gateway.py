"""The gateway between real clients and a cacher played by wire.py: what passes, what is refused, what happens when either side goes away."""

import contextlib
import fcntl
import gzip
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import client
import h2.config
import h2.connection
import h2.events
import pytest
import wire
from ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FILMYFLY_BUILD_DIR", ROOT / "build" / "asan"))
PROGRAM = BUILD / "bin" / "filmyfly-gateway"
GIVEN = {b"x-request-id", b"strict-transport-security", b"content-security-policy", b"x-content-type-options", b"x-frame-options",
         b"x-xss-protection", b"referrer-policy", b"permissions-policy", b"cross-origin-opener-policy", b"cross-origin-resource-policy"}
STYLE = b"body { color: #111; }\n" * 40


class Cacher:
    """A right side in a thread: `answer` maps a path to what is done with its tickets; others are answered 200 with the request's headers."""

    def __init__(self, run_dir):
        self.answer, self.seen, self.lock = {}, [], threading.Lock()
        self.right = wire.Right(str(run_dir), "cacher", self._take, credit=256)
        self.later, self.stop, self.leave = [], threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def _take(self, ticket):
        with self.lock:
            self.seen.append(ticket.message)
        path = ticket.message.target.split("?")[0]
        self.answer.get(path, lambda t: t.respond(200, [("content-type", "text/plain")], b"page " + path.encode("utf-8", "surrogateescape")))(ticket)

    def delay(self, seconds, do):
        """An answer that does `do` after some time."""
        return lambda ticket: self.later.append((time.monotonic() + seconds, do, ticket))

    def _loop(self):
        while not self.stop.is_set() and not self.right.left():
            self.right.turn(0.005)
            due = [item for item in self.later if item[0] <= time.monotonic()]
            self.later = [item for item in self.later if item not in due]
            for _, do, ticket in due:
                do(ticket)
            if self.leave.is_set():
                self.right.leave()
        self.right.close()

    def end(self):
        """Its socket closes with whatever it holds, as when it is killed."""
        self.stop.set()
        self.thread.join()

    def messages(self, path):
        with self.lock:
            return [message for message in self.seen if message.target.split("?")[0] == path]


def make_certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-keyout", folder / "key.pem.new", "-out", folder / "cert.pem.new"],
                   check=True, capture_output=True)
    os.rename(folder / "key.pem.new", folder / "key.pem")
    os.rename(folder / "cert.pem.new", folder / "cert.pem")


def make_home(folder):
    static = folder / "share" / "static"
    static.mkdir(parents=True)
    (folder / "run").mkdir()
    (static / "site.0a1b2c3d.css").write_bytes(STYLE)
    (static / "site.0a1b2c3d.css.gz").write_bytes(gzip.compress(STYLE))
    (static / "favicon.11223344.svg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    (static / "manifest.txt").write_text("site.css site.0a1b2c3d.css\nfavicon.svg favicon.11223344.svg\n")
    make_certificate(folder, "first")


class Gateway:
    started = []  # processes, so that a failed test leaves none behind

    def __init__(self, home, listen=None, **settings):
        self.home, self.log = home, home / f"log.{time.monotonic_ns()}"
        ports = (listen[0].getsockname()[1], listen[-1].getsockname()[1]) if listen else (free_port(), free_port())
        self.http, self.https = ("127.0.0.1", ports[0]), ("127.0.0.1", ports[1])
        env = {"PATH": os.environ["PATH"], "FILMYFLY_RUN_DIR": home / "run", "FILMYFLY_SHARE_DIR": home / "share",
               "FILMYFLY_HTTP": f"127.0.0.1:{ports[0]}", "FILMYFLY_HTTPS": f"127.0.0.1:{ports[1]}",
               "FILMYFLY_TLS_CERT": home / "cert.pem", "FILMYFLY_TLS_KEY": home / "key.pem", "FILMYFLY_LOOPS": "2",
               "FILMYFLY_DEADLINE": "1500ms", "FILMYFLY_WRITE_DEADLINE": "3s", "FILMYFLY_LOG_LEVEL": "debug"}
        env.update({name: os.environ[name] for name in ("ASAN_OPTIONS", "TSAN_OPTIONS") if name in os.environ})
        env.update({f"FILMYFLY_{name.upper()}": value for name, value in settings.items()})
        env = {name: str(value) for name, value in env.items()}
        with open(self.log, "wb") as log:
            self.process = self._start(env, listen, log)
        self.started.append(self.process)
        for _ in range(1000):
            with contextlib.suppress(OSError):
                if client.fetch(self.http, "/healthz").status == 200:
                    return
            assert self.process.poll() is None, self.text()
            time.sleep(0.01)
        raise AssertionError(self.text())

    @staticmethod
    def _start(env, listen, log):
        if not listen:
            return subprocess.Popen([PROGRAM], env=env, stderr=log)
        high = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD, 100) for each in listen]
        try:
            moves = " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(high))
            names = ":".join(["http"] * (len(listen) // 2) + ["https"] * (len(listen) // 2))
            env = {**env, "LISTEN_FDS": str(len(listen)), "LISTEN_FDNAMES": names}
            return subprocess.Popen(["bash", "-c", f"LISTEN_PID=$$ exec {PROGRAM} {moves}"], env=env, stderr=log, pass_fds=high)
        finally:
            for fd in high:
                os.close(fd)

    def text(self):
        return self.log.read_text(errors="replace")

    def stop(self, seconds=20):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        assert status == 0, self.text()
        assert "Sanitizer" not in self.text() and "runtime error" not in self.text(), self.text()
        assert "dangling" not in self.text(), self.text()

    def stats(self):
        return wire.read_stats(next((self.home / "run" / "gateway").glob("*.stats")))


class H2:
    """An HTTP/2 connection over TLS that lets through whatever a test wants to send."""

    def __init__(self, address):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        self.socket = context.wrap_socket(socket.create_connection(address, 10), server_hostname="localhost")
        assert self.socket.selected_alpn_protocol() == "h2"
        config = h2.config.H2Configuration(header_encoding=None, validate_outbound_headers=False,
                                           normalize_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.flush()
        self.answers, self.reset, self.goaway, self.last, self.pending = {}, {}, None, None, b""  # last: the stream that GOAWAY names

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def request(self, target, method="GET", headers=(), body=b"", trailers=None):
        stream = self.h2.get_next_available_stream_id()
        lines = [(":method", method), (":authority", "localhost"), (":scheme", "https"), (":path", target), *headers]
        self.h2.send_headers(stream, lines, end_stream=not body and not trailers)
        while body:
            n = min(self.h2.local_flow_control_window(stream), 16384, len(body))
            if n == 0:
                self.flush()
                self.receive()
                continue
            self.h2.send_data(stream, body[:n], end_stream=n == len(body) and not trailers)
            body = body[n:]
        if trailers:
            self.h2.send_headers(stream, trailers, end_stream=True)
        self.flush()
        self.answers[stream] = [None, [], b"", False]
        return stream

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed")
        for event in self.h2.receive_data(self._without_goaway(data)):
            if isinstance(event, h2.events.ResponseReceived):
                self.answers[event.stream_id][:2] = int(dict(event.headers)[b":status"]), event.headers[1:]
            elif isinstance(event, h2.events.DataReceived):
                self.answers[event.stream_id][2] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.answers[event.stream_id][3] = True
            elif isinstance(event, h2.events.StreamReset):
                self.reset[event.stream_id] = event.error_code
        self.flush()

    def _without_goaway(self, data):
        """The whole frames that came but GOAWAY: the library would take nothing more after one, and it only says that no new requests are taken."""
        self.pending += data
        frames = b""
        while len(self.pending) >= 9 and len(self.pending) >= 9 + int.from_bytes(self.pending[:3], "big"):
            size = 9 + int.from_bytes(self.pending[:3], "big")
            if self.pending[3] == 7:
                self.goaway, self.last = (int.from_bytes(self.pending[n:n + 4], "big") for n in (13, 9))
            else:
                frames += self.pending[:size]
            self.pending = self.pending[size:]
        return frames

    def get(self, target, **options):
        stream = self.request(target, **options)
        while not self.answers[stream][3]:
            assert stream not in self.reset, f"reset {self.reset[stream]}"
            self.receive()
        status, headers, body, _ = self.answers.pop(stream)
        return client.Answer(status, headers, body)

    def wait_goaway(self):
        with contextlib.suppress(OSError):
            while self.goaway is None:
                self.receive()
        return self.goaway

    def close(self):
        self.socket.close()


@contextlib.contextmanager
def short_folder():
    """A Unix socket's path is short, and pytest's own folders are not."""
    with tempfile.TemporaryDirectory(prefix="gw") as folder:
        make_home(pathlib.Path(folder))
        before = len(Gateway.started)
        try:
            yield pathlib.Path(folder)
        finally:
            for process in Gateway.started[before:]:
                process.kill()
                process.wait()
            del Gateway.started[before:]


@pytest.fixture(scope="module", name="home")
def _home():
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module", name="site")
def _site(home):
    """A gateway and its cacher, for the tests that leave both as they were."""
    cacher = Cacher(home / "run")
    gateway = Gateway(home, hosts="films.example other.example")
    gateway.cacher = cacher
    yield gateway
    gateway.stop()
    cacher.end()


@pytest.fixture(name="own")
def _own():
    """A folder for a gateway of the test's own."""
    with short_folder() as folder:
        yield folder


def wait_until(true, seconds=5):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


# What passes.

@pytest.mark.parametrize("tls", [False, True])
def test_health_is_answered_without_anyone_behind(site, tls):
    answer = client.fetch(site.https if tls else site.http, "/healthz", tls=tls)
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.lines("server") == []
    connection = H2(site.https)
    assert connection.get("/healthz").body == b"ok\n"
    connection.close()


def test_a_request_passes_whole_by_http1(site):
    head = (b"PATCH-x /one%20two/...//?q=%ff&&a=b;c HTTP/1.1\r\nX-Twice: one\r\nHost: films.example:8080\r\nCookie: a=1\r\n"
            b"Connection: close, X-Secret\r\nX-Secret: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nx-twice: \r\n"
            b"X-Raw: caf\xe9 \"q\"; a=b\r\nX-Twice: one\r\nContent-Length: 4\r\n\r\n\0\r\nz")
    with client.connect(site.http) as connection:
        connection.sendall(head)
        assert client.read_answer(connection.makefile("rb")).status == 200
    message = site.cacher.messages("/one%20two/...//")[-1]
    assert (message.method, message.scheme, message.client) == ("PATCH-x", "http", "127.0.0.1")
    assert (message.target, message.body) == ("/one%20two/...//?q=%ff&&a=b;c", b"\0\r\nz")
    assert message.headers == [(b"host", b"films.example:8080"), (b"x-twice", b"one"), (b"cookie", b"a=1"), (b"x-twice", b""),
                               (b"x-raw", b"caf\xe9 \"q\"; a=b"), (b"x-twice", b"one")]
    assert len(message.trace) == 16
    assert 2.5e9 < message.deadline - wire.now() < 3e9


def test_a_request_passes_whole_by_http2(site):
    connection = H2(site.https)
    answer = connection.get("/h2?x", method="POST", body=b"form=1",
                            headers=[("x-a", "1"), ("cookie", "a=1"), ("te", "trailers"), ("cookie", "b=2"), ("x-a", "1")],
                            trailers=[("x-late", "1")])
    assert answer.status == 200
    message = site.cacher.messages("/h2")[-1]
    assert (message.method, message.scheme, message.target, message.body) == ("POST", "https", "/h2?x", b"form=1")
    assert message.headers == [(b"host", b"localhost"), (b"x-a", b"1"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"x-a", b"1")]
    connection.close()


def test_every_connection_line_counts(site):
    lines = b"".join(b"Connection: x-%d\r\nX-%d: 1\r\n" % (i, i) for i in range(20))
    away = [line for i in range(3) for line in ((b"connection", b"x-%d" % i), (b"x-%d" % i, b"1"))]
    site.cacher.answer["/lines"] = lambda ticket: ticket.respond(200, [*away, (b"x-mine", b"1")], b"x")
    with client.connect(site.http) as connection:
        connection.sendall(b"GET /lines HTTP/1.1\r\nHost: localhost\r\n" + lines + b"X-Mine: 1\r\n\r\n")
        answer = client.read_answer(connection.makefile("rb"))
    assert [name for name, _ in answer.headers if name.startswith(b"x-") and name not in GIVEN] == [b"x-mine"]
    assert site.cacher.messages("/lines")[-1].headers == [(b"host", b"localhost"), (b"x-mine", b"1")]


def test_an_absolute_target_counts_more_than_host(site):
    with client.connect(site.http) as connection:
        connection.sendall(b"GET http://other.example/absolute?1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert client.read_answer(connection.makefile("rb")).status == 200
    message = site.cacher.messages("/absolute")[-1]
    assert (message.target, message.header("host")) == ("/absolute?1", "other.example")


@pytest.mark.parametrize("status", [200, 203, 299, 418, 451, 500, 599, 777])
def test_a_response_passes_whole(site, status):
    lines = [(b"X-One", b"1"), (b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"a=1; Path=/"), (b"vary", b"cookie"),
             (b"x-odd", b"caf\xe9, \"a, b\" ;=\t,,"), (b"x-one", b""), (b"content-type", b"text/x-odd;q"), (b"age", b"007")]
    away = [(b"connection", b"x-mine"), (b"x-mine", b"1"), (b"keep-alive", b"1"), (b"te", b"x"), (b"content-length", b"99"),
            (b"proxy-connection", b"x"), (b"transfer-encoding", b"chunked"), (b"upgrade", b"h9")]
    site.cacher.answer["/response"] = lambda ticket: ticket.respond(status, lines[:4] + away + lines[4:], b"body")
    expected = [(name.lower(), value) for name, value in lines]

    plain = client.fetch(site.http, "/response")
    assert (plain.status, plain.body) == (status, b"body")
    own = {b"date", b"connection", b"content-length", *GIVEN}
    assert [(name, value) for name, value in plain.headers if name.lower() not in own] == \
        [(name, value.strip(b" \t")) for name, value in expected]
    assert plain.lines("content-length") == [b"4"] and len(plain.lines("date")) == 1

    connection = H2(site.https)
    second = connection.get("/response")
    assert (second.status, second.body) == (status, b"body")
    assert [line for line in second.headers if line[0] not in own] == expected
    connection.close()


def test_an_old_browser_gets_every_vary_line_as_it_is(site):
    site.cacher.answer["/vary"] = lambda ticket: ticket.respond(200, [(b"vary", b"a")] * 120, b"x")
    answer = client.fetch(site.http, "/vary", headers=[("user-agent", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)")])
    assert (answer.status, answer.lines("vary"), answer.lines("cache-control")) == (200, [b"a"] * 120, [])


def test_head_has_the_length_and_no_body(site):
    site.cacher.answer["/head"] = lambda ticket: ticket.respond(200, [("content-type", "a/b")], b"x" * 1000)
    with client.connect(site.http) as connection:
        file = connection.makefile("rb")
        for _ in range(2):  # a body would break the second answer
            connection.sendall(client.request_bytes("HEAD", "/head"))
            answer = client.read_answer(file, "HEAD")
            assert (answer.status, answer.line("content-length")) == (200, "1000")
    second = H2(site.https)
    answer = second.get("/head", method="HEAD")
    assert (answer.line("content-length"), answer.body) == ("1000", b"")
    second.close()


def test_head_of_a_page_that_would_be_inflated_has_the_headers_of_the_plain_one(site):
    site.cacher.answer["/head-gzip"] = lambda ticket: ticket.respond(200, [("content-encoding", "gzip"), ("etag", '"strong"')], b"")
    for accept, coding, etag in [(None, None, 'W/"strong"'), ("gzip", "gzip", '"strong"')]:
        answer = client.fetch(site.http, "/head-gzip", "HEAD", headers=[("accept-encoding", accept)] if accept else [])
        assert (answer.status, answer.line("content-encoding"), answer.line("etag")) == (200, coding, etag)


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_content(site, status):
    site.cacher.answer["/none"] = lambda ticket: ticket.respond(status, [("etag", '"1"')], b"")
    with client.connect(site.http) as connection:
        file = connection.makefile("rb")
        for _ in range(2):
            connection.sendall(client.request_bytes("GET", "/none"))
            answer = client.read_answer(file)
            assert (answer.status, answer.line("content-length"), answer.line("etag")) == (status, None, '"1"')


@pytest.mark.parametrize("accept, plain", [(None, True), ("gzip", False), ("br, GZIP;q=0.1", False), ("gzip;q=0", True),
                                           ("*", False), ("*;q=0", True), ("deflate, identity", True), ("*, gzip; q=0.0", True)])
def test_gzip_is_undone_for_who_cannot_read_it(site, accept, plain):
    text = b"word " * 50000
    site.cacher.answer["/gzip"] = lambda ticket: ticket.respond(
        200, [("content-encoding", "gzip"), ("etag", '"strong"'), ("vary", "accept-encoding")], gzip.compress(text))
    answer = client.fetch(site.http, "/gzip", headers=[("accept-encoding", accept)] if accept else [])
    assert answer.line("vary") == "accept-encoding"
    if plain:
        assert (answer.body, answer.line("content-encoding"), answer.line("etag")) == (text, None, 'W/"strong"')
    else:
        assert (gzip.decompress(answer.body), answer.line("content-encoding"), answer.line("etag")) == (text, "gzip", '"strong"')


@pytest.mark.parametrize("body", [b"no gzip at all......", gzip.compress(b"x" * 1000)[:-9], gzip.compress(bytes(40 << 20))],
                         ids=["other", "cut", "bomb"])
def test_broken_gzip_is_not_passed_off_as_plain(site, body):
    site.cacher.answer["/broken"] = lambda ticket: ticket.respond(200, [("content-encoding", "gzip")], body)
    assert client.fetch(site.http, "/broken").status == 502


def test_large_bodies_pass_both_ways(site):
    site.cacher.answer["/admin/large"] = lambda ticket: ticket.respond(200, [], ticket.message.body[::-1])
    body = os.urandom(4 << 20)
    assert client.fetch(site.http, "/admin/large", "POST", body=body).body == body[::-1]
    assert client.fetch(site.https, "/admin/large", "POST", body=body, tls=True).body == body[::-1]
    connection = H2(site.https)
    assert connection.get("/admin/large", method="POST", body=body).body == body[::-1]
    connection.close()


@pytest.mark.parametrize("bad", [{"status": 199, "headers": []}, {"status": 99, "headers": []}, {"status": 0, "headers": []},
                                 {"status": 200, "headers": [("x", "a\r\nset-cookie: stolen=1")]},
                                 {"status": 200, "headers": [("x y", "1")]}, {"status": 200, "headers": [("", "1")]}])
def test_an_answer_that_is_no_http_is_not_sent(site, bad):
    site.cacher.answer["/bad"] = lambda ticket: ticket.respond(bad["status"], bad["headers"], b"x")
    answer = client.fetch(site.http, "/bad")
    assert answer.status == 502 and answer.lines("set-cookie") == []


@pytest.mark.parametrize("cause, method, status, retry", [
    ("deadline", "GET", 503, True), ("unavailable", "GET", 503, True), ("unavailable", "POST", 503, True),
    ("unknown", "POST", 503, True), ("poison", "GET", 500, False), ("internal", "GET", 500, False), ("hangup", "GET", 502, False),
    ("news", "GET", 500, False)])
def test_failures_become_pages_of_our_own(site, cause, method, status, retry):
    site.cacher.answer["/fail"] = lambda ticket: ticket.fail(cause, "a reason")
    answer = client.fetch(site.http, "/fail", method)
    assert (answer.status, answer.line("retry-after") is not None) == (status, retry)
    assert answer.line("cache-control") == "no-store"
    assert '<link rel="stylesheet" href="/static/site.0a1b2c3d.css">' in answer.text
    assert ("sending it again is safe" in answer.text) == (cause == "unknown")
    assert answer.line("refresh") == ("5" if status == 503 and method == "GET" else None)
    assert "<svg" in answer.text  # on a phone the header shows that alone


def test_a_busy_cacher_is_503_with_its_own_time(site):
    site.cacher.answer["/busy"] = lambda ticket: ticket.answer("BUSY", retry_after=7)
    answer = client.fetch(site.http, "/busy")
    assert answer.status == 503 and int(answer.line("retry-after")) >= 1


def test_readiness_goes_through_the_pipeline(site):
    assert client.fetch(site.http, "/readyz").body == b"page /readyz"


# Static files.

def test_static_files_never_reach_the_cacher(site):
    answer = client.fetch(site.http, "/static/site.0a1b2c3d.css", headers=[("accept-encoding", "gzip")])
    assert (answer.status, gzip.decompress(answer.body)) == (200, STYLE)
    assert answer.line("cache-control") == "public, max-age=31536000, immutable"
    assert answer.line("content-type") == "text/css; charset=utf-8"
    plain = client.fetch(site.http, "/static/site.0a1b2c3d.css?x")
    assert (plain.body, plain.line("content-encoding")) == (STYLE, None)
    again = client.fetch(site.http, "/static/site.0a1b2c3d.css", headers=[("if-none-match", plain.line("etag"))])
    assert (again.status, again.body) == (304, b"")
    assert client.fetch(site.http, "/favicon.ico").line("content-type") == "image/svg+xml"
    assert client.fetch(site.http, "/static/site.0a1b2c3d.css", "HEAD").line("content-length") == str(len(STYLE))
    for target in ["/static/", "/static/site.css", "/static/key.pem", "/static/manifest.txt", "/static/site.0a1b2c3d.css/"]:
        assert client.fetch(site.http, target).status == 404, target
    refused = client.fetch(site.http, "/static/site.0a1b2c3d.css", "POST", body=b"x")
    assert (refused.status, refused.line("allow")) == (405, "GET, HEAD")
    assert not [message for message in site.cacher.seen if "static" in message.target or "favicon" in message.target]


# What is refused.

@pytest.mark.parametrize("request_line, status", [
    (b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443", 501), (b"TRACE / HTTP/1.1\r\nHost: localhost", 501),
    (b"GET / HTTP/1.1", 400), (b"GET nothing HTTP/1.1\r\nHost: localhost", 400), (b"G@T / HTTP/1.1\r\nHost: localhost", 400),
    (b"GET / HTTP/1.1\r\nHost: user@localhost", 400), (b"GET / HTTP/1.1\r\nHost: a b", 400),
    (b"GET /" + b"x" * 8192 + b" HTTP/1.1\r\nHost: localhost", 414),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70000, 431),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"x" * 300 + b": 1", 431),
    (b"GET / HTTP/1.1\r\nHost: localhost" + b"\r\nx: 1" * 150, 431),
    (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4194305", 413),
    (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip", 400)])
def test_what_is_refused_at_the_border(site, request_line, status):
    before = len(site.cacher.seen)
    with client.connect(site.http) as connection:
        connection.sendall(request_line + b"\r\n\r\n")
        assert client.read_answer(connection.makefile("rb")).status == status
    assert len(site.cacher.seen) == before


def test_options_for_the_whole_server_passes(site):
    with client.connect(site.http) as connection:
        connection.sendall(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert client.read_answer(connection.makefile("rb")).status == 200
    assert site.cacher.messages("*")[-1].method == "OPTIONS"


@pytest.mark.parametrize("lines", [[(":method", "GET"), (":scheme", "https"), (":path", "/a b"), (":authority", "localhost")],
                                   [(":method", "G T"), (":scheme", "https"), (":path", "/"), (":authority", "localhost")],
                                   [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a/b")]])
def test_http2_lets_nothing_through_that_http1_could_not_say(site, lines):
    connection = H2(site.https)
    connection.h2.send_headers(1, lines, end_stream=True)
    connection.flush()
    connection.answers[1] = [None, [], b"", False]
    while not connection.answers[1][3]:
        connection.receive()
    assert connection.answers[1][0] == 400
    connection.close()


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@pytest.mark.parametrize("attack", [
    frame(1, 1, 1, b"\x82\x84\x87") + frame(9, 0, 1, b"") * 1000,         # CONTINUATION without end
    frame(1, 5, 1, b"\x82\x84\x87" + b"\x40\x01a\x01b" + b"\xbe" * 9000)],  # 9,000 fields out of 9,000 bytes
    ids=["continuation", "fields"])
def test_header_floods_end_the_connection(site, attack):
    connection = H2(site.https)
    connection.socket.sendall(attack)
    assert connection.wait_goaway() == 11  # ENHANCE_YOUR_CALM
    assert client.fetch(site.http, "/healthz").status == 200


@pytest.mark.parametrize("target", ["/static/site.0a1b2c3d.css", "/healthz", "/x"])
def test_fields_that_cost_a_client_a_byte_each_are_counted_whole(site, target):
    connection = H2(site.https)
    assert connection.get(target, headers=[("accept-encoding", "x" * 3900)] * 90).status == 431
    several = connection.get("/static/site.0a1b2c3d.css", headers=[("accept-encoding", each) for each in ("br", "", "gzip")])
    assert (several.status, several.line("content-encoding")) == (200, "gzip")
    connection.close()


def test_unknown_frames_are_ignored_in_silence(site):
    connection = H2(site.https)
    connection.socket.sendall(frame(16, 0, 0, b"\0\0\0\1u=1") + frame(255, 255, 7, b"x" * 100))
    assert connection.get("/after-unknown").status == 200
    assert "skipping frame" not in site.text()
    connection.close()


def test_rapid_reset_reaches_nobody_behind(site):
    connection = H2(site.https)
    encoder = connection.h2.encoder
    for batch in range(20):
        storm = b""
        for i in range(100):
            stream = 2 * (batch * 100 + i) + 1
            block = encoder.encode([(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/storm")])
            storm += frame(1, 5, stream, block) + frame(3, 0, stream, b"\0\0\0\x08")
        try:
            connection.socket.sendall(storm)
        except OSError:
            break  # who does this is not listened to for long
    with contextlib.suppress(OSError):
        connection.socket.sendall(frame(6, 0, 0, b"12345678"))
        while (got := connection.socket.recv(65536)) and b"12345678" not in got:
            pass
    time.sleep(0.1)
    # A storm can be cut between a request and its reset where the TLS records end; whole batches never get through.
    assert len(site.cacher.messages("/storm")) <= 40
    assert client.fetch(site.http, "/healthz").status == 200
    connection.close()


# Who goes away.

def test_clients_that_vanish_while_they_wait(site):
    before = site.stats()["abandoned"]
    site.cacher.answer["/slow"] = site.cacher.delay(0.4, lambda ticket: ticket.respond(200, [], b"late"))
    connection = H2(site.https)
    streams = [connection.request("/slow") for _ in range(20)]
    for stream in streams[:10]:
        connection.h2.reset_stream(stream)
    connection.flush()
    other = client.connect(site.http)
    other.sendall(client.request_bytes("GET", "/slow"))
    site.cacher.answer["/gone"] = site.cacher.answer["/slow"]
    gone = H2(site.https)
    for _ in range(10):
        gone.request("/gone")
    wait_until(lambda: len(site.cacher.messages("/gone")) == 10 and len(site.cacher.messages("/slow")) >= 11)
    other.close()
    gone.close()
    while not all(connection.answers[stream][3] for stream in streams[10:]):
        connection.receive()
    assert {connection.answers[stream][2] for stream in streams[10:]} == {b"late"}
    connection.close()
    wait_until(lambda: site.stats()["abandoned"] >= before + 20)
    assert client.fetch(site.http, "/after").status == 200


def test_late_and_doubled_answers_find_nothing(site):
    def twice(ticket):
        ticket.respond(200, [], b"first")
        ticket.respond(200, [], b"second")
    site.cacher.answer["/twice"] = twice
    site.cacher.answer["/late"] = site.cacher.delay(1.8, lambda ticket: ticket.respond(200, [], b"too late"))
    assert [client.fetch(site.http, "/twice").body for _ in range(3)] == [b"first"] * 3
    start = time.monotonic()
    assert client.fetch(site.http, "/late").status == 503
    assert 1.4 < time.monotonic() - start < 1.7
    time.sleep(0.5)
    assert client.fetch(site.http, "/twice").body == b"first"


def test_without_a_cacher_requests_wait_and_are_refused(own):
    gateway = Gateway(own)
    start = time.monotonic()
    answer = client.fetch(gateway.http, "/")
    assert answer.status == 503 and answer.line("retry-after") and 1.4 < time.monotonic() - start < 2
    assert client.fetch(gateway.http, "/static/site.0a1b2c3d.css").status == 200
    waiting = client.connect(gateway.http)
    waiting.sendall(client.request_bytes("GET", "/held"))
    time.sleep(0.3)
    cacher = Cacher(own / "run")
    assert client.read_answer(waiting.makefile("rb")).body == b"page /held"
    waiting.close()
    gateway.stop()
    cacher.end()


def test_a_killed_cacher_costs_no_read(own):
    gateway, cacher = Gateway(own), Cacher(own / "run")
    assert client.fetch(gateway.http, "/first").status == 200
    cacher.answer["/held"] = lambda ticket: None
    reader, writer = client.connect(gateway.http), client.connect(gateway.http)
    reader.sendall(client.request_bytes("GET", "/held"))
    writer.sendall(client.request_bytes("POST", "/held", body=b"x"))
    wait_until(lambda: len(cacher.messages("/held")) == 2)
    cacher.end()
    refused = client.read_answer(writer.makefile("rb"))
    assert refused.status == 503 and "sending it again is safe" in refused.text
    cacher = Cacher(own / "run")
    assert client.read_answer(reader.makefile("rb")).body == b"page /held"
    reader.close()
    writer.close()
    gateway.stop()
    cacher.end()


class Load(threading.Thread):
    """Asks again and again, by connections that are kept as long as the server keeps them; every request sent must be answered."""

    def __init__(self, gateway, http2):
        super().__init__(daemon=True)
        self.address, self.http2 = gateway.https if http2 else gateway.http, http2
        self.answered, self.failures, self.stop = 0, [], threading.Event()

    def run(self):
        while not self.stop.is_set():
            try:
                (self._by_http2 if self.http2 else self._by_http1)()
            except Exception as error:
                self.failures.append(repr(error))

    def _count(self, answer):
        self.answered += 1
        if answer.status != 200 or answer.body != b"page /load":
            self.failures.append(str(answer))

    def _by_http1(self):
        with client.connect(self.address, timeout=20) as connection, connection.makefile("rb") as file:
            while not self.stop.is_set():
                connection.sendall(client.request_bytes("GET", "/load"))
                answer = client.read_answer(file)
                self._count(answer)
                if answer.line("connection") == "close":
                    return
                time.sleep(0.004)

    def _by_http2(self):
        connection = H2(self.address)
        connection.socket.settimeout(20)
        while not self.stop.is_set() and connection.goaway is None:
            self._count(connection.get("/load"))
            time.sleep(0.004)
        connection.close()


def listening_sockets():
    """Two for HTTP and two for HTTPS, shared as a holder's are."""
    sockets = []
    for _ in range(2):
        address = ("127.0.0.1", free_port())
        for _ in range(2):
            each = socket.socket()
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            each.bind(address)
            each.listen(1000)
            sockets.append(each)
    return sockets


def test_planned_restarts_under_load_lose_nothing(own):
    sockets = listening_sockets()
    cacher = Cacher(own / "run")
    gateway = Gateway(own, listen=sockets)
    load = [Load(gateway, http2) for http2 in (False, True) for _ in range(4)]
    for each in load:
        each.start()
    for _ in range(3):
        time.sleep(0.7)
        idle = client.connect(gateway.http)
        idle.sendall(client.request_bytes("GET", "/healthz"))
        assert client.read_answer(idle.makefile("rb")).status == 200
        gateway.stop(10)
        assert idle.recv(1) == b""  # who says nothing is let go
        idle.close()
        gateway = Gateway(own, listen=sockets)
    time.sleep(0.5)
    for each in load:
        each.stop.set()
    for each in load:
        each.join(20)
    assert [failure for each in load for failure in each.failures] == []
    assert all(each.answered > 50 for each in load)
    gateway.stop()
    cacher.end()
    for each in sockets:
        each.close()


def test_leaving_waits_for_an_upload_by_http2(own):
    gateway, cacher = Gateway(own), Cacher(own / "run")
    cacher.answer["/admin/upload"] = lambda ticket: ticket.respond(200, [], ticket.message.body)
    connection = H2(gateway.https)
    stream = connection.h2.get_next_available_stream_id()
    connection.h2.send_headers(stream, [(":method", "POST"), (":authority", "localhost"), (":scheme", "https"), (":path", "/admin/upload")])
    connection.answers[stream] = [None, [], b"", False]
    connection.h2.send_data(stream, b"first ")
    connection.flush()
    gateway.process.send_signal(signal.SIGTERM)
    time.sleep(1.5)  # libh2o's last GOAWAY would come after a second
    connection.h2.send_data(stream, b"last", end_stream=True)
    connection.flush()
    while not connection.answers[stream][3]:
        connection.receive()
    assert (connection.answers[stream][0], connection.answers[stream][2]) == (200, b"first last")
    connection.close()
    gateway.stop(5)
    cacher.end()


def test_leaving_finishes_what_is_in_flight(own):
    gateway, cacher = Gateway(own, deadline="3s"), Cacher(own / "run")  # a sanitizer may pause for half a second
    cacher.answer["/slow"] = cacher.delay(1.0, lambda ticket: ticket.respond(200, [], b"done"))
    one, two = client.connect(gateway.http), H2(gateway.https)
    one.sendall(client.request_bytes("GET", "/slow"))
    stream = two.request("/slow")
    wait_until(lambda: len(cacher.messages("/slow")) == 2)
    gateway.process.send_signal(signal.SIGTERM)
    answer = client.read_answer(one.makefile("rb"))
    assert (answer.body, answer.line("connection")) == (b"done", "close")
    while not two.answers[stream][3]:
        two.receive()
    assert two.answers[stream][2] == b"done"
    with pytest.raises(OSError):
        client.fetch(gateway.http, "/healthz", timeout=1)
    one.close()
    two.close()
    gateway.stop(5)
    cacher.end()


def test_a_flood_after_the_last_goaway_ends_the_connection(own):
    """libh2o alone would go on for ever."""
    gateway, cacher = Gateway(own, deadline="6s"), Cacher(own / "run")
    cacher.answer["/slow"] = cacher.delay(3.0, lambda ticket: ticket.respond(200, [], b"done"))
    connection = H2(gateway.https)
    connection.request("/slow")
    wait_until(lambda: cacher.messages("/slow"))
    gateway.process.send_signal(signal.SIGTERM)
    while connection.last is None or connection.last > 1:  # the first one names every stream, the second the last that is answered
        connection.receive()
    before = sum(os.times()[2:4])
    with contextlib.suppress(OSError):
        connection.socket.sendall(frame(1, 1, 3, b"\x82\x84\x87") + frame(9, 0, 3, b"") * 1000)
        while connection.socket.recv(65536):
            pass
    connection.socket.close()
    gateway.stop(5)
    assert sum(os.times()[2:4]) - before < 2 and "did not end in time" not in gateway.text()
    cacher.end()


@pytest.mark.parametrize("tls", [False, True])
def test_leaving_does_not_wait_longer_than_its_limit(own, tls):
    gateway, cacher = Gateway(own, deadline="1s", write_deadline="1s", body_max="16M"), Cacher(own / "run")
    if tls:
        connection = H2(gateway.https)
        connection.h2.send_headers(1, [(":method", "POST"), (":authority", "localhost"), (":scheme", "https"), (":path", "/admin/x")])
        connection.flush()
        held = connection.socket
    else:
        cacher.answer["/big"] = lambda ticket: ticket.respond(200, [], bytes(15 << 20))
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        held.connect(gateway.http)
        held.sendall(client.request_bytes("GET", "/big"))
        wait_until(lambda: cacher.messages("/big"))
    time.sleep(0.3)
    gateway.process.send_signal(signal.SIGTERM)
    gateway.stop(6)
    assert "with 1 connections cut off because they did not end in time" in gateway.text()
    held.close()
    cacher.end()


def test_leaving_does_not_wait_for_a_loop_that_hangs(own):
    gateway = Gateway(own, deadline="1s", write_deadline="1s", fault="gateway-request@/hang:hang")
    with contextlib.suppress(OSError), client.connect(gateway.http) as connection:
        connection.sendall(client.request_bytes("GET", "/hang"))
        time.sleep(0.3)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(10) == 1
    assert "1 of 2 loops did not end in time" in gateway.text()


# Operation.

def test_a_program_whose_guards_are_not_called_does_not_start(own):
    program = BUILD / "tests" / "gateway_unguarded"
    done = subprocess.run([program], env={"PATH": os.environ["PATH"], "FILMYFLY_RUN_DIR": str(own / "run"), "FILMYFLY_SHARE_DIR": str(own / "share"),
                                          "FILMYFLY_HTTP": "127.0.0.1:0", "FILMYFLY_HTTPS": ""},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
    assert done.returncode not in (0, None) and "guards" in done.stdout, done.stdout


def test_beyond_the_limit_connections_wait_their_turn(own):
    gateway = Gateway(own, loops=1, connections=16)
    idle = [client.connect(gateway.http) for _ in range(16)]
    for each in idle:
        each.sendall(client.request_bytes("GET", "/healthz"))
        assert client.read_answer(each.makefile("rb")).status == 200
    late = client.connect(gateway.http, timeout=0.5)
    late.sendall(client.request_bytes("GET", "/healthz"))
    with pytest.raises(socket.timeout):
        late.recv(1)
    late.settimeout(5)
    idle.pop().close()
    assert client.read_answer(late.makefile("rb")).status == 200
    assert gateway.stats()["connections"] == 16
    for each in [*idle, late]:
        each.close()
    gateway.stop()


def certificate_of(address):
    with client.connect(address, tls=True) as connection:
        return connection.getpeercert(binary_form=True)


@pytest.mark.parametrize("how", ["signal", "files"])
def test_a_new_certificate_is_taken_without_losing_a_connection(own, how):
    gateway = Gateway(own)
    first, kept = certificate_of(gateway.https), H2(gateway.https)
    (own / "cert.pem").write_text("broken")
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "certificate stays as it is" in gateway.text())
    assert certificate_of(gateway.https) == first
    make_certificate(own, "second")
    if how == "signal":
        gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: certificate_of(gateway.https) != first)
    assert kept.get("/healthz").status == 200
    kept.close()
    gateway.stop()


def test_a_file_that_may_only_now_be_read_is_read(own):
    gateway = Gateway(own)
    time.sleep(1.5)
    os.chmod(own / "key.pem", 0o640)
    wait_until(lambda: "certificate was loaded anew" in gateway.text())
    gateway.stop()


def test_without_https_a_signal_changes_nothing(own):
    gateway = Gateway(own, https="")
    gateway.process.send_signal(signal.SIGHUP)
    time.sleep(1.5)
    assert client.fetch(gateway.http, "/healthz").status == 200
    gateway.stop()


def test_who_connected_before_a_new_certificate_and_spoke_after_it_is_served(own):
    gateway = Gateway(own)
    first = certificate_of(gateway.https)
    silent = [client.connect(gateway.https) for _ in range(8)]
    wait_until(lambda: gateway.stats()["connections"] >= 8)
    for name in ["second", "third"]:
        before = certificate_of(gateway.https)
        make_certificate(own, name)
        gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: all(certificate_of(gateway.https) != before for _ in range(8)))
    for each in silent:
        with client.TLS.wrap_socket(each, server_hostname="localhost") as connection:
            assert connection.getpeercert(binary_form=True) == first
            connection.sendall(client.request_bytes("GET", "/healthz"))
            assert client.read_answer(connection.makefile("rb")).status == 200
    gateway.stop()


def test_counters_tell_what_was_served(own):
    gateway, cacher = Gateway(own), Cacher(own / "run")
    wait_until(lambda: gateway.stats()["connections"] == 0)
    before = gateway.stats()
    for target in ["/a", "/b", "/static/none"]:
        client.fetch(gateway.http, target)
    wait_until(lambda: gateway.stats()["connections"] == 0)
    after = gateway.stats()
    grown = {name: after[name] - before[name] for name in ("requests", "status.2xx", "status.4xx", "wait")}
    assert grown == {"requests": 3, "status.2xx": 2, "status.4xx": 1, "wait": 2}
    gateway.stop()
    cacher.end()


@pytest.mark.parametrize("setting, value, words", [
    ("FILMYFLY_TLS_CERT", "/nowhere.pem", "FILMYFLY_TLS_CERT /nowhere.pem"), ("FILMYFLY_TLS_KEY", "other.pem", "FILMYFLY_TLS_KEY"),
    ("FILMYFLY_TLS_KEY", "", "FILMYFLY_TLS_KEY is empty"), ("FILMYFLY_HTTP", "8080", "FILMYFLY_HTTP is \"8080\""),
    ("FILMYFLY_SHARE_DIR", "/nowhere", "/nowhere/static/manifest.txt"), (None, None, "configuration OK")])
def test_check_names_what_is_wrong(own, setting, value, words):
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", own / "other.pem"], check=True)
    env = {"PATH": os.environ["PATH"], "FILMYFLY_SHARE_DIR": str(own / "share"), "FILMYFLY_TLS_CERT": str(own / "cert.pem"),
           "FILMYFLY_TLS_KEY": str(own / "key.pem")}
    if setting:
        env[setting] = str(own / value) if value == "other.pem" else value
    done = subprocess.run([PROGRAM, "--check"], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (setting is None), done
    assert words in done.stdout + done.stderr
