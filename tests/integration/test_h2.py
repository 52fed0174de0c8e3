"""HTTP/2 frame by frame: where the gateway inherits libh2o's behaviour it behaves as bare libh2o does, and where it adds to it, as it should."""

import contextlib
import dataclasses
import os
import signal
import socket
import ssl
import subprocess

import client
import hpack
import pytest
from mutations import PREFACE, frame, head
from ports import free_port
from test_gateway import BUILD, H2, Cacher, Gateway, short_folder, wait_until

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 32
LAST_PING, VERY_LAST_PING = b"the last", b"the end."


@dataclasses.dataclass
class Seen:
    """What a server did: streams answered (status, body) or reset (code), GOAWAY's code, whether it closed before the last ping."""

    answers: dict = dataclasses.field(default_factory=dict)
    resets: dict = dataclasses.field(default_factory=dict)
    pings: list = dataclasses.field(default_factory=list)
    goaway: int = None
    closed: bool = False
    acknowledged: bool = False


def connect(address):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(socket.create_connection(address, 20), server_hostname="localhost")


def take(seen, decoder, kind, flags, stream, payload):
    """False when nothing of interest comes after it."""
    if kind == HEADERS:
        seen.answers[stream] = [int(dict(decoder.decode(payload))[":status"]), b""]
    elif kind == DATA:
        seen.answers[stream][1] += payload
    elif kind == RST_STREAM:
        seen.resets[stream] = int.from_bytes(payload, "big")
    elif kind == SETTINGS:
        seen.acknowledged = seen.acknowledged or bool(flags & ACK)
    elif kind == GOAWAY:
        seen.goaway = int.from_bytes(payload[4:8], "big")
    elif kind == PING and flags & ACK:
        seen.pings.append(payload)
        return payload != VERY_LAST_PING
    return True


def play(address, frames, preface=PREFACE + frame(SETTINGS)):
    """Sends the frames and a ping, and watches until its answer or the end."""
    seen, decoder, pending = Seen(), hpack.Decoder(), b""
    connection = connect(address)
    with contextlib.suppress(OSError):
        connection.sendall(preface + b"".join(frames) + frame(PING, 0, 0, LAST_PING))
    going = True
    while going:
        data = b""
        with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
            data = connection.recv(65536)
        if not data:
            seen.closed = True
            break
        pending += data
        while going and len(pending) >= 9 and len(pending) >= 9 + int.from_bytes(pending[:3], "big"):
            size = 9 + int.from_bytes(pending[:3], "big")
            going = take(seen, decoder, pending[3], pending[4], int.from_bytes(pending[5:9], "big"), pending[9:size])
            if seen.pings[-1:] == [LAST_PING]:  # answered before the bodies; what it overtook comes before the next
                seen.pings.pop()
                with contextlib.suppress(OSError):
                    connection.sendall(frame(PING, 0, 0, VERY_LAST_PING))
            pending = pending[size:]
    connection.close()
    return seen


@pytest.fixture(scope="module", name="home")
def _home():
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module", name="site")
def _site(home):
    cacher = Cacher(home / "run")
    gateway = Gateway(home)
    gateway.cacher = cacher
    yield gateway
    gateway.stop()
    cacher.end()


@pytest.fixture(scope="module", name="bare")
def _bare(home):
    """The address of libh2o with nothing of ours, which has the same /healthz."""
    (home / "healthz").write_bytes(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nok\n")
    address = ("127.0.0.1", free_port())
    environment = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    process = subprocess.Popen([BUILD / "bin" / "bare_h2o", str(address[1]), home / "cert.pem", home / "key.pem", "1"],
                               stdin=subprocess.PIPE, env=environment)
    process.stdin.write(f"/healthz {home / 'healthz'}\n".encode())
    process.stdin.close()

    def is_up():
        with contextlib.suppress(OSError):
            client.connect(address).close()
            return True
        return False

    wait_until(is_up, 20)
    yield address
    process.send_signal(signal.SIGKILL)
    process.wait()


def raw(*lines):
    """A header block, its lines as they are."""
    return hpack.Encoder().encode(lines)


def block(stream, *lines, flags=END_STREAM | END_HEADERS, **pseudo):
    return frame(HEADERS, flags, stream, head(*lines, **pseudo))


M, S, P, A = (":method", "GET"), (":scheme", "https"), (":path", "/healthz"), (":authority", "localhost")
OPEN = END_HEADERS  # a request whose body is still to come

INHERITED = {
    "a request": [block(1)],
    "three at once": [block(1), block(3), block(5)],
    "a body": [block(1, flags=OPEN, method="POST"), frame(DATA, 0, 1, b"he"), frame(DATA, END_STREAM, 1, b"llo")],
    "an empty body": [block(1, flags=OPEN, method="POST"), frame(DATA, END_STREAM, 1)],
    "a padded body": [block(1, flags=OPEN, method="POST"), frame(DATA, END_STREAM | PADDED, 1, b"\x03abc\0\0\0")],
    "trailers": [block(1, flags=OPEN, method="POST"), frame(DATA, 0, 1, b"x"), frame(HEADERS, 5, 1, raw(("x-late", "1")))],
    "padding and priority": [frame(HEADERS, 5 | PADDED | WITH_PRIORITY, 1, b"\x02\0\0\0\0\x10" + head() + b"\0\0")],
    "priority alone": [frame(PRIORITY, 0, 3, b"\0\0\0\x01\x0f"), block(5)],
    "a ping": [frame(PING, 0, 0, b"12345678")],
    "a ping's answer": [frame(PING, ACK, 0, b"12345678")],
    "settings": [frame(SETTINGS, 0, 0, b"\0\x04\0\0\x10\0\0\x03\0\0\0\x05"), block(1)],
    "unknown settings": [frame(SETTINGS, 0, 0, b"\x0f\xff\0\0\0\0"), block(1)],
    "a smaller table": [frame(SETTINGS, 0, 0, b"\0\x01\0\0\0\0"), block(1), block(3)],
    "a closed window": [frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\0"), block(1), frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\x03")],
    "a cancelled request": [block(1, flags=OPEN, method="POST"), frame(RST_STREAM, 0, 1, b"\0\0\0\x08"), block(3)],
    "the client's farewell": [block(1), frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\0")],
    "a body that is too short": [block(1, ("content-length", "9"), flags=OPEN, method="POST"), frame(DATA, END_STREAM, 1, b"x")],
    "a body that is too long": [block(1, ("content-length", "1"), flags=OPEN, method="POST"), frame(DATA, END_STREAM, 1, b"xx")],
    "no method": [frame(HEADERS, 5, 1, raw(S, P, A))],
    "no scheme": [frame(HEADERS, 5, 1, raw(M, P, A))],
    "no path": [frame(HEADERS, 5, 1, raw(M, S, A))],
    "two methods": [frame(HEADERS, 5, 1, raw(M, M, S, P, A))],
    "an unknown pseudo-header": [frame(HEADERS, 5, 1, raw(M, S, P, A, (":status", "200")))],
    "a late pseudo-header": [frame(HEADERS, 5, 1, raw(M, S, P, ("x", "1"), A))],
    "Connection": [frame(HEADERS, 5, 1, raw(M, S, P, A, ("connection", "close")))],
    "Transfer-Encoding": [frame(HEADERS, 5, 1, raw(M, S, P, A, ("transfer-encoding", "chunked")))],
    "TE": [frame(HEADERS, 5, 1, raw(M, S, P, A, ("te", "gzip")))],
    "a pseudo-header in trailers": [block(1, flags=OPEN, method="POST"), frame(HEADERS, 5, 1, raw((":path", "/")))],
    "trailers that do not end": [block(1, flags=OPEN, method="POST"), frame(HEADERS, 4, 1, raw(("x", "1")))],
    "an index of nothing": [frame(HEADERS, 5, 1, b"\xff\xff\x7f")],
    "index 0": [frame(HEADERS, 5, 1, b"\x80")],
    "a table beyond what was agreed": [frame(HEADERS, 5, 1, b"\x3f\xe1\xff\x3f" + head())],
    "a broken Huffman code": [frame(HEADERS, 5, 1, head() + b"\x40\x84\xff\xff\xff\xff\x01a")],
    "a block that is cut": [frame(HEADERS, 5, 1, head()[:-2])],
    "no preface": None,
    "DATA on stream 0": [frame(DATA, 0, 0, b"x")],
    "DATA on an idle stream": [frame(DATA, 1, 1, b"x")],
    "DATA after the end": [block(1, flags=OPEN, method="POST"), frame(DATA, 1, 1, b"x"), frame(DATA, 1, 1, b"x")],
    "padding beyond the frame": [block(1, flags=OPEN, method="POST"), frame(DATA, END_STREAM | PADDED, 1, b"\x09abc")],
    "HEADERS on stream 0": [frame(HEADERS, 5, 0, head())],
    "HEADERS on an even stream": [frame(HEADERS, 5, 2, head())],
    "a lower stream": [block(5), block(3)],
    "a stream that depends on itself": [frame(HEADERS, 5 | WITH_PRIORITY, 1, b"\0\0\0\x01\x10" + head())],
    "PRIORITY of 4 bytes": [frame(PRIORITY, 0, 1, b"\0\0\0\0")],
    "PRIORITY on stream 0": [frame(PRIORITY, 0, 0, b"\0\0\0\0\0")],
    "RST_STREAM on stream 0": [frame(RST_STREAM, 0, 0, b"\0\0\0\0")],
    "RST_STREAM on an idle stream": [frame(RST_STREAM, 0, 1, b"\0\0\0\0")],
    "RST_STREAM of 3 bytes": [block(1, flags=OPEN), frame(RST_STREAM, 0, 1, b"\0\0\0")],
    "SETTINGS of 5 bytes": [frame(SETTINGS, 0, 0, b"\0\0\0\0\0")],
    "SETTINGS on a stream": [frame(SETTINGS, 0, 1)],
    "SETTINGS acknowledged with content": [frame(SETTINGS, ACK, 0, b"\0\0\0\0\0\0")],
    "a window of 2 GB": [frame(SETTINGS, 0, 0, b"\0\x04\x80\0\0\0")],
    "a frame size of 1": [frame(SETTINGS, 0, 0, b"\0\x05\0\0\0\x01")],
    "push of 2": [frame(SETTINGS, 0, 0, b"\0\x02\0\0\0\x02")],
    "PUSH_PROMISE": [block(1, flags=OPEN), frame(PUSH_PROMISE, 4, 1, b"\0\0\0\x02" + head())],
    "PING of 7 bytes": [frame(PING, 0, 0, b"1234567")],
    "PING on a stream": [frame(PING, 0, 1, b"12345678")],
    "GOAWAY on a stream": [frame(GOAWAY, 0, 1, b"\0\0\0\0\0\0\0\0")],
    "WINDOW_UPDATE of 0": [frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0")],
    "WINDOW_UPDATE of 0 on a stream": [block(1, flags=OPEN), frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\0")],
    "WINDOW_UPDATE of 3 bytes": [frame(WINDOW_UPDATE, 0, 0, b"\0\0\0")],
    "WINDOW_UPDATE on an idle stream": [frame(WINDOW_UPDATE, 0, 7, b"\0\0\0\x01")],
    "a window beyond 2 GB": [frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")],
    "a frame of 16,385 bytes": [frame(PING, 0, 0, bytes(16385))],
}


@pytest.mark.parametrize("name", INHERITED)
def test_what_is_inherited_is_as_in_bare_libh2o(site, bare, name):
    frames, preface = INHERITED[name], PREFACE + frame(SETTINGS)
    if frames is None:
        frames, preface = [], b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ours, theirs = play(site.https, frames, preface), play(bare, frames, preface)
    assert ours == theirs
    if name in ("a request", "three at once", "a padded body", "trailers"):  # and that both are right
        assert all(answer == [200, b"ok\n"] for answer in ours.answers.values()) and ours.answers and ours.acknowledged


# What the gateway adds.

def answer_of(site, *frames):
    seen = play(site.https, frames)
    assert seen.goaway is None and not seen.closed, seen
    return seen


def test_a_refusal_is_of_one_stream(site):
    bad = [(block(1, path="/%00"), 400), (block(1, path="/a b"), 400), (block(1, path="nothing"), 400), (block(1, path="http://localhost/"), 400),
           (block(1, authority="stranger.example"), 421), (block(1, authority="a/b"), 400), (block(1, ("host", "stranger.example")), 400),
           (frame(HEADERS, 5, 1, raw(M, S, P)), 400), (block(1, method="G T"), 400), (block(1, method="TRACE"), 501),
           (block(1, ("content-length", "5")), 400), (block(1, *[("x", "1")] * 101), 431), (block(1, path="/" + "x" * 8192), 414),
           (block(1, ("x", "a\0b")), 400), (block(1, ("x", "a\r\nb: c")), 400), (block(1, ("x y", "1")), 400)]
    for first, status in bad:
        seen = answer_of(site, first, block(3))
        assert seen.answers[1][0] == status and seen.answers[3] == [200, b"ok\n"] and not seen.resets, (status, seen)


def test_lines_that_repeat_a_length_are_refused(site):
    for lines in ([("content-length", "2"), ("content-length", "2")], [("content-length", "1"), ("content-length", "2")]):
        seen = answer_of(site, block(1, *lines, flags=OPEN, method="POST"), frame(DATA, END_STREAM, 1, b"xx"))
        assert seen.answers[1][0] == 400


def test_a_body_beyond_the_routes_limit(site):
    data = [frame(DATA, 0, 1, bytes(4096)), frame(DATA, END_STREAM, 1, b"x")]
    seen = answer_of(site, block(1, flags=OPEN, method="POST", path="/movies"), *data)
    assert seen.answers[1][0] == 413


def test_a_body_beyond_all_limits_is_answered(site):
    """As long as the client says, or as it turns out: 413, and the connection goes on. Not a reset, which clients may try again."""
    piece, size = bytes(16000), (4 << 20) + 1
    data = [frame(DATA, 0, 1, piece)] * (size // len(piece) + 200) + [frame(DATA, END_STREAM, 1, piece)]
    for lines in ((), [("content-length", str(len(piece) * len(data)))]):
        seen = answer_of(site, block(1, *lines, flags=OPEN, method="POST", path="/admin/toolong"), *data, block(3))
        assert seen.answers[1][0] == 413 and seen.answers[3] == [200, b"ok\n"] and not seen.resets, seen
    # Who says more than is taken, and sends less, gets the same.
    seen = answer_of(site, block(1, ("content-length", str(size)), flags=OPEN, method="POST", path="/admin/toolong"), frame(DATA, END_STREAM, 1, piece))
    assert seen.answers[1][0] == 413 and not seen.resets, seen
    assert site.cacher.messages("/admin/toolong") == []


def test_header_blocks_stay_in_one_frame(site):
    for frames in ([frame(HEADERS, 1, 1, head()[:4]), frame(CONTINUATION, 4, 1, head()[4:])], [frame(CONTINUATION, 4, 1, head())]):
        seen = play(site.https, frames)
        assert seen.goaway == 11 and seen.closed and not seen.answers  # ENHANCE_YOUR_CALM


def test_a_flood_of_fields_ends_the_connection(site):
    seen = play(site.https, [frame(HEADERS, 5, 1, head(("a", "b")) + b"\xbe" * 1000)])
    assert seen.goaway == 11 and seen.closed and not seen.answers


def test_the_table_of_headers_is_kept_through_a_refusal(site):
    """A refused block still changes the decoder's table: the next request means what its client says."""
    encoder = hpack.Encoder()
    first = encoder.encode([M, S, P, A, ("x-kept", "value"), *[("x", "1")] * 101])
    second = encoder.encode([M, S, (":path", "/kept"), A, ("x-kept", "value")])
    seen = play(site.https, [frame(HEADERS, 5, 1, first), frame(HEADERS, 5, 3, second)])
    assert seen.answers[1][0] == 431
    wait_until(lambda: site.cacher.messages("/kept"))
    assert site.cacher.messages("/kept")[-1].headers == [(b"host", b"localhost"), (b"x-kept", b"value")]


def test_unknown_frames_and_trailers_mean_nothing(site):
    frames = [frame(99, 255, 0, b"what"), block(1, flags=OPEN, method="POST", path="/late"), frame(17, 1, 1, b"x" * 50), frame(DATA, 0, 1, b"x"),
              frame(HEADERS, 5, 1, raw(("x-late", "1"), ("cookie", "a=b")))]
    connection = H2(site.https)
    connection.socket.sendall(b"".join(frames))
    wait_until(lambda: site.cacher.messages("/late"))
    assert site.cacher.messages("/late")[-1].headers == [(b"host", b"localhost")] and site.cacher.messages("/late")[-1].body == b"x"
    connection.close()


def test_no_answer_has_lines_that_http2_forbids(site):
    lines = [(b"Connection", b"close"), (b"Keep-Alive", b"1"), (b"Transfer-Encoding", b"chunked"), (b"Proxy-Connection", b"x"), (b"TE", b"x"),
             (b"Upgrade", b"h3"), (b"X-Capitals", b"1")]
    site.cacher.answer["/forbidden"] = lambda ticket: ticket.respond(200, lines, b"x")
    connection = H2(site.https)
    for target in ("/forbidden", "/healthz", "/%00", "/static/site.0a1b2c3d.css"):
        names = [name for name, _ in connection.get(target).headers]
        assert names == [name.lower() for name in names]
        assert not set(names) & {b"connection", b"keep-alive", b"transfer-encoding", b"proxy-connection", b"te", b"upgrade"}
    connection.close()
