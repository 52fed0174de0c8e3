"""What a stranger may ask for and how: names, paths, lengths, bodies; by HTTP/1.1 and HTTP/2 alike."""

import contextlib
import time

import client
import pytest
from test_gateway import H2, Cacher, Gateway, short_folder


@pytest.fixture(scope="module", name="home")
def _home():
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module", name="site")
def _site(home):
    cacher = Cacher(home / "run")
    gateway = Gateway(home, site="https://films.example", hosts="films.example, *.films.example")
    gateway.cacher = cacher
    yield gateway
    gateway.stop()
    cacher.end()


def ask(site, lines, target="/here", method="GET", body=b"", version=b"1.1"):
    """(status, is the connection closed after it) of a request whose lines are just these."""
    with client.connect(site.http) as connection:
        head = b"%s %s HTTP/%s\r\n" % (method.encode(), client.to_bytes(target), version)
        connection.sendall(head + b"".join(client.to_bytes(line) + b"\r\n" for line in lines) + b"\r\n" + body)
        answer = client.read_answer(connection.makefile("rb"), method)
        return answer.status, answer.line("connection") == "close"


def ask2(connection, target="/here", method="GET", headers=(), authority="localhost", body=b""):
    """The status, or the error code of the reset, of a request by HTTP/2."""
    stream = connection.h2.get_next_available_stream_id()
    lines = [(":method", method), (":scheme", "https"), (":path", client.to_bytes(target))]
    lines += [] if authority is None else [(":authority", authority)]
    connection.h2.send_headers(stream, [*lines, *headers], end_stream=not body)
    if body:
        connection.h2.send_data(stream, body, end_stream=True)
    connection.flush()
    connection.answers[stream] = [None, [], b"", False]
    while not connection.answers[stream][3] and stream not in connection.reset:
        connection.receive()
    return connection.answers[stream][0] or -connection.reset[stream]


@pytest.fixture(name="second")
def _second(site):
    connection = H2(site.https)
    yield connection
    connection.close()


# Names.

KNOWN = ["films.example", "FILMS.example:8443", "www.films.example", "localhost", "localhost:8443", "127.0.0.1:1", "[::1]:8443"]
UNKNOWN = ["stranger.example", "films.example.evil.example", "xfilms.example", "192.0.2.1", "128.0.0.1", "[::2]", "localhost.evil.example"]


def test_only_the_sites_names_are_answered(site, second):
    for host, status in [(name, 200) for name in KNOWN] + [(name, 421) for name in UNKNOWN]:
        assert ask(site, [f"Host: {host}"])[0] == status, host
        assert ask(site, ["Host: localhost"], target=f"http://{host}/here")[0] == status, host
        assert ask2(second, authority=host) == status, host
    assert ask(site, [], version=b"1.0")[0] == 200  # taken as the site's own
    assert not [message for message in site.cacher.seen if message.header("host") in UNKNOWN]


def test_a_name_must_be_said_once(site, second):
    assert ask(site, []) == (400, True)
    assert ask(site, ["Host: films.example", "Host: films.example"]) == (400, True)
    assert ask(site, ["Host: films.example", "hOsT: stranger.example"]) == (400, True)
    assert ask(site, ["Host:"])[0] in (400, 421)
    assert ask2(second, authority=None) == 400
    assert ask2(second, authority=None, headers=[("host", "films.example")]) == 200
    assert site.cacher.messages("/here")[-1].headers.count((b"host", b"films.example")) == 1
    assert ask2(second, authority="films.example", headers=[("host", "FILMS.example")]) == 200
    assert ask2(second, authority="films.example", headers=[("host", "localhost")]) == 400
    assert ask2(second, authority="films.example", headers=[("host", "films.example"), ("host", "films.example")]) == 400
    assert ask2(second, authority=None, headers=[("host", "stranger.example")]) == 421


# Paths.

def test_a_path_is_what_everybody_reads(site, second):
    before = len(site.cacher.seen)
    for path in ["/%00", "/a%00b", "/%0d%0aset-cookie:x", "/%7f", "/..", "/a/../b", "/%2e%2e/a", "/a/.%2E", "/a%2f..%2fb", "/a\\..\\b",
                 "/%c0%af", "/%c0%ae%c0%ae/", "/%e0%80%af", "/%f0%80%80%af", "/%ed%a0%80", "/%ff", "/%", "/%4", "/%zz", "/caf\xe9"]:
        assert ask(site, ["Host: localhost"], target=path)[0] == 400, path
        assert ask2(second, target=path) == 400, path
    assert len(site.cacher.seen) == before
    for path in ["/caf%c3%a9", "/a/.../b", "/%252e%252e/", "/a%2fb", "/.well-known/x"]:
        assert ask(site, ["Host: localhost"], target=path + "?q=%")[0] == 200, path
        assert ask2(second, target=path) == 200, path
        assert [message.target for message in site.cacher.messages(path)][-2:] == [path + "?q=%", path]


def test_methods(site, second):
    for method, status in [("CONNECT", 501), ("TRACE", 501), ("BREW", 200), ("DELETE", 200), ("X" * 65, 501), ("G(T", 400)]:
        assert ask(site, ["Host: localhost"], method=method)[0] == status, method
        if method != "CONNECT":  # has no path in HTTP/2: the library resets it
            assert ask2(second, method=method) == status, method


# Lengths.

@pytest.mark.parametrize("lines", [
    ["Content-Length: 5", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ["Content-Length: 5", "Content-Length: 5"], ["Content-Length: 5", "Content-Length: 6"], ["Content-Length: 5, 5"],
    ["Content-Length: +5"], ["Content-Length: -5"], ["Content-Length: 0x5"], ["Content-Length: 5.0"], ["Content-Length: "],
    ["Content-Length: \x0b5"], ["Content-Length : 5"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], ["Transfer-Encoding: xchunked"], ["Transfer-Encoding: chunked, identity"],
    ["Transfer-Encoding: identity"], ["Transfer-Encoding: gzip, chunked"], ["Transfer-Encoding: "], ["Transfer-Encoding : chunked"],
    ["Transfer-Encoding:\x0bchunked"], ["X: y", " Transfer-Encoding: chunked"], ["Transfer-Encoding:", " chunked"], ["\x00Content-Length: 5"]])
def test_an_ambiguous_length_ends_the_connection(site, lines):
    """What follows must not be read as a request: it would be somebody else's at the next server."""
    smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for version in (b"1.1", b"1.0"):
        before = len(site.cacher.seen)
        assert ask(site, ["Host: localhost", *lines], method="POST", body=smuggled, version=version) == (400, True)
        assert len(site.cacher.seen) == before


def test_a_clear_length_does_not(site):
    for lines, body in [(["Content-Length: 5"], b"hello"), (["content-length:5 "], b"hello"), (["Transfer-Encoding: Chunked"], b"5\r\nhello\r\n0\r\n\r\n")]:
        assert ask(site, ["Host: localhost", *lines], method="POST", body=body) == (200, False)
        assert site.cacher.messages("/here")[-1].body == b"hello"
    assert ask(site, ["Host: localhost", "Transfer-Encoding: chunked"], method="POST", body=b"0\r\n\r\n", version=b"1.0") == (400, True)


def test_an_ambiguous_length_by_http2_is_refused(site, second):
    before = len(site.cacher.seen)
    assert ask2(second, method="POST", headers=[("content-length", "5"), ("content-length", "5")], body=b"hello") == 400
    assert ask2(second, method="POST", headers=[("content-length", "5"), ("content-length", "6")], body=b"hello!") == 400
    assert ask2(second, method="POST", headers=[("content-length", "5")]) == 400  # and nothing comes
    assert ask2(second, method="POST", headers=[("content-length", "6")], body=b"hello") == -1  # PROTOCOL_ERROR
    assert len(site.cacher.seen) == before
    assert ask2(second, method="POST", headers=[("content-length", "5")], body=b"hello") == 200
    assert ask2(second, headers=[("content-length", "0")]) == 200
    for lines in ([("transfer-encoding", "chunked")], [("connection", "close")], [("content-length", "x")]):
        connection = H2(site.https)
        with contextlib.suppress(ConnectionError):
            assert ask2(connection, method="POST", headers=lines, body=b"x") < 0
        assert connection.goaway == 1
        connection.close()


# Sizes.

def test_a_body_only_where_there_is_use_for_one(site, second):
    for path, n, status in [("/here", 4096, 200), ("/here", 4097, 413), ("/here", 1 << 20, 413), ("/login", 65536, 200), ("/login", 65537, 413),
                            ("/admin/movies", 1 << 20, 200)]:
        assert ask(site, ["Host: localhost", f"Content-Length: {n}"], path, "POST", bytes(n)) == (status, status == 413)
        answer = second.get(path, method="POST", body=bytes(n))
        assert answer.status == status
        if status == 413:
            assert "larger than this address takes" in answer.text and site.cacher.messages(path)[-1].body != bytes(n)
    chunk = b"1000\r\n" + bytes(4096) + b"\r\n"
    assert ask(site, ["Host: localhost", "Transfer-Encoding: chunked"], "/here", "POST", chunk * 2 + b"0\r\n\r\n")[0] == 413
    assert ask(site, ["Host: localhost", "Content-Length: 99999999"], "/admin/movies", "POST") == (413, True)
    assert ask(site, ["Host: localhost", "Content-Length: 99999999999999999999"], "/here", "POST") == (413, True)  # RFC 9110 section 8.6
    assert ask(site, ["Host: localhost", "Content-Length: 4097"], "http://localhost/here", "POST") == (413, True)  # at once, and not after 4,097 bytes
    assert ask(site, ["Host: localhost", "Content-Length: 4097"], "http://localhost/admin/movies", "POST", bytes(4097)) == (200, False)


@pytest.mark.parametrize("body", [b"0x5\r\nhello\r\n0\r\n\r\n", b"5 junk\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n",
                                  b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
                                  b"\r\n5\r\nhello\r\n0\r\n\r\n", b"5;a\rb\r\nhello\r\n0\r\n\r\n", b"00000000000000005\r\nhello\r\n0\r\n\r\n"])
def test_chunks_mean_one_thing(site, body):
    """What picohttpparser would take for one thing and another for something else."""
    assert ask(site, ["Host: localhost", "Transfer-Encoding: chunked"], "/here", "POST", body) == (400, True)


def test_chunks_with_all_that_may_be_in_them(site):
    before = len(site.cacher.seen)
    body = b"5;name=\"value\" ; more\r\nhello\r\n00A\r\n, my world\r\n0;last\r\nX-Trailer: one\r\nX-Other: two\r\n\r\n"
    for cut in range(len(body)):  # wherever a packet ends
        with client.connect(site.http) as connection:
            connection.sendall(b"POST /here HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + body[:cut])
            time.sleep(0.001)
            connection.sendall(body[cut:] + client.request_bytes("GET", "/behind"))
            file = connection.makefile("rb")
            assert [client.read_answer(file).status for _ in range(2)] == [200, 200]
    assert {message.body for message in site.cacher.messages("/here")[-len(body):]} == {b"hello, my world"}
    assert len(site.cacher.seen) == before + 2 * len(body)


def test_how_much_header_a_request_may_have(site, second):
    for lines, status in [(90, 200), (99, 200), (101, 431), (400, 431)]:
        assert ask(site, ["Host: localhost", *["x: 1"] * lines])[0] == status, lines
        assert ask2(second, headers=[("x", "1")] * lines) == status, lines
    assert second.goaway is None  # the others on the connection go on
    for target, status in [("/" + "x" * 8191, 200), ("/" + "x" * 8192, 414)]:
        assert ask(site, ["Host: localhost"], target)[0] == status
        assert ask2(second, target) == status
    assert ask(site, ["Host: localhost", *[f"x-{i}: " + "x" * 4000 for i in range(18)]])[0] == 431
    assert ask2(second, headers=[("x", "x" * 3900)] * 18) == 431


@pytest.mark.parametrize("start, status", [(b"GET /", 414), (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", 431)])
def test_a_head_without_end_is_not_waited_for(site, start, status):
    with client.connect(site.http) as connection:
        with contextlib.suppress(OSError):
            for _ in range(100):
                connection.sendall(start + b"x" * 4096)
                start = b""
        with contextlib.suppress(ConnectionResetError):
            assert client.read_answer(connection.makefile("rb")).status == status
    assert client.fetch(site.http, "/healthz").status == 200


# What never passes.

def test_hop_by_hop_lines_end_here(site, second):
    lines = [(b"connection", b"x-mine"), (b"x-mine", b"1"), (b"keep-alive", b"1"), (b"te", b"x"), (b"proxy-connection", b"x"),
             (b"proxy-authenticate", b"Basic"), (b"proxy-authentication-info", b"x"), (b"transfer-encoding", b"chunked"), (b"upgrade", b"h9"),
             (b"trailer", b"x-late"), (b"x-kept", b"1")]
    site.cacher.answer["/hop"] = lambda ticket: ticket.respond(200, lines, b"x")
    sent = ["Connection: close, X-Secret", "X-Secret: 1", "TE: trailers", "Keep-Alive: 5", "Proxy-Connection: x", "Proxy-Authorization: Basic eA==",
            "Upgrade: websocket", "HTTP2-Settings: x", "Trailer: x", "X-Kept: 1"]
    with client.connect(site.http) as connection:
        connection.sendall("\r\n".join(["GET /hop HTTP/1.1", "Host: localhost", *sent, "", ""]).encode())
        one = client.read_answer(connection.makefile("rb"))
    two = second.get("/hop", headers=[("te", "trailers"), ("proxy-authorization", "Basic eA=="), ("x-kept", "1")])
    for message in site.cacher.messages("/hop"):
        assert message.headers == [(b"host", b"localhost"), (b"x-kept", b"1")]
    names = {line[0] for line in lines} - {b"x-kept"}
    for answer in (one, two):
        left = [line for line in answer.headers if line[0].lower() in names]
        assert left in ([], [(b"Connection", b"close")]) and answer.line("x-kept") == "1"
