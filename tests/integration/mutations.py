"""Streams of bytes that are nearly HTTP: good ones by hand, changed at random from a seed."""

import hpack

WORDS = [b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"%00", b"%2e%2e/", b"%", b"..", b"\xff", b"\xc0\xaf", b"Host: localhost\r\n", b"Content-Length: 5\r\n",
         b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n",
         b"Range: bytes=1-\r\n", b"Accept-Encoding: gzip;q=0, *\r\n", b"Origin: null\r\n", b"HTTP/1.1", b"HTTP/1.0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
         b"0\r\n\r\n", b"ffffffff\r\n", b"x" * 5000, b"a: b\r\n" * 120, b"http://localhost", b"/api/", b"/static/", b"\x16\x03\x01"]

FIRST = [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2,
         b"GET /static/site.0a1b2c3d.css HTTP/1.1\r\nHost: localhost\r\nRange: bytes=5-9\r\nIf-Range: \"x\"\r\nAccept-Encoding: br, gzip;q=0.5\r\n\r\n",
         b"POST /admin/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello" + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
         b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;a=b\r\n123\r\n0\r\nX-Late: 1\r\n\r\n",
         b"OPTIONS /api/v1/movies HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n\r\n",
         b"GET http://localhost/caf%c3%a9/%2e?q=1&b HTTP/1.1\r\nHost: localhost\r\nConnection: close, x\r\nX: 1\r\n\r\n",
         b"HEAD / HTTP/1.0\r\nIf-None-Match: W/\"a\", *\r\nCookie: a=b; __Host-session=c\r\n\r\n",
         b"PUT /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def head(*lines, method="GET", path="/healthz", authority="localhost"):
    pseudo = [(":method", method), (":scheme", "https"), (":path", path), (":authority", authority)]
    return hpack.Encoder().encode([*pseudo, *lines])


def second():
    """Lists of frames."""
    settings = frame(4)
    return [
        [settings, frame(1, 5, 1, head()), frame(1, 5, 3, head(path="/static/site.0a1b2c3d.css")), frame(6, 0, 0, b"12345678")],
        [settings, frame(1, 4, 1, head(("content-length", "5"), method="POST", path="/admin/x")), frame(0, 0, 1, b"he"), frame(0, 1, 1, b"llo")],
        [settings, frame(1, 4, 1, head(method="POST", path="/login")), frame(0, 8, 1, b"\x03abc\0\0\0"), frame(1, 5, 1, hpack.Encoder().encode([("x-late", "1")]))],
        [frame(4, 0, 0, b"\0\x04\0\0\0\x0a\0\x01\0\0\0\0"), frame(1, 0x2d, 1, b"\x02\0\0\0\0\x10" + head() + b"\0\0"), frame(8, 0, 1, b"\0\0\x10\0"),
         frame(8, 0, 0, b"\0\0\x10\0"), frame(4, 1)],
        [settings, frame(2, 0, 3, b"\0\0\0\x01\x0f"), frame(1, 5, 1, head(path="/x")), frame(3, 0, 1, b"\0\0\0\x08"), frame(7, 0, 0, b"\0\0\0\0\0\0\0\0")],
        [settings, frame(1, 1, 1, head()[:4]), frame(9, 4, 1, head()[4:])],
        [settings, frame(1, 5, 1, head(("host", "localhost"), ("te", "trailers"), ("range", "bytes=1-"), path="/api/%2e")), frame(99, 255, 7, b"what")],
    ]


def change(data, random):
    """A few changes to some bytes."""
    data = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        at = random.randrange(len(data) + 1)
        end = min(len(data), at + random.choice((1, 2, 4, 9, 40)))
        what = random.randrange(7)
        if what == 0 and at < len(data):
            data[at] ^= 1 << random.randrange(8)
        elif what == 1 and at < len(data):
            data[at] = random.choice((0, 1, 10, 13, 32, 58, 127, 128, 255, random.randrange(256)))
        elif what == 2:
            del data[at:end]
        elif what == 3:
            data[at:at] = random.choice(WORDS)
        elif what == 4:
            data[at:at] = data[at:end] * random.choice((1, 2, 50))
        elif what == 5:
            data[at:at] = random.randbytes(random.choice((1, 3, 17)))
        else:
            del data[at:]
    return bytes(data)


def first_stream(random):
    data = random.choice(FIRST)
    if random.random() < 0.3:
        data += random.choice(FIRST)
    return change(data, random)


def change_frame(one, random):
    length, kind, flags, stream, payload = one[:3], one[3], one[4], one[5:9], one[9:]
    what = random.randrange(6)
    if what == 0:
        kind = random.choice((*range(11), 255))
    elif what == 1:
        flags = random.randrange(256)
    elif what == 2:
        stream = random.choice((0, 1, 2, 3, 5, 0x7fffffff, 0x80000001)).to_bytes(4, "big")
    elif what == 3:
        length = random.choice((0, 1, 5, 16384, 16385, 0xffffff)).to_bytes(3, "big")
    else:
        payload = change(payload, random)
        length = min(len(payload), 0xffffff).to_bytes(3, "big")
    return length + bytes([kind, flags]) + stream + payload


def second_stream(random, seeds):
    frames = list(random.choice(seeds))
    if random.random() < 0.3:
        frames += random.choice(seeds)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(frames))
        what = random.randrange(5)
        if what <= 2:
            frames[at] = change_frame(frames[at], random)
        elif what == 3:
            frames[at:at] = [frames[at]] * random.choice((1, 2, 30))
        else:
            frames.insert(at, frames.pop(random.randrange(len(frames))))
    data = PREFACE + b"".join(frames)
    return change(data, random) if random.random() < 0.2 else data
