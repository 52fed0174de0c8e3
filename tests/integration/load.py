"""A load client that counts what was sent and not answered. Requests leave at a fixed rate whatever the answers do.

    load = Load(("127.0.0.1", 8443), targets, rate=60, tls=True, http2=True).start()
    …
    report = load.stop()
    assert report.good(), report.story()

An idle HTTP/1.1 connection may be closed in the moment (TAKEN) when a request leaves, and HTTP/2's GOAWAY names streams
that were not looked at: any client sends these again on another connection (RFC 9112 section 9.3.1, RFC 9113 section
6.8), and so does this one; they are counted in `retried`.
"""

import argparse
import asyncio
import collections
import dataclasses
import itertools
import ssl
import threading
import time
import zlib

import h2.config
import h2.connection
import h2.errors
import h2.events

import client

H2_TLS = ssl.create_default_context()
H2_TLS.check_hostname = False
H2_TLS.verify_mode = ssl.CERT_NONE
H2_TLS.set_alpn_protocols(["h2"])


GOAWAY = 7
TAKEN = 0.1  # seconds after which a server that closes had the request


class NotTaken(ConnectionError):
    """The request surely was not looked at: sending it again is right."""


@dataclasses.dataclass
class Failure:
    target: str
    at: float  # time.time() when it was to be sent
    after: float  # seconds
    what: str


class Report:
    def __init__(self):
        self.sent = self.answered = self.retried = 0
        self.statuses = collections.Counter()
        self.failures, self.latencies = [], []
        self.seconds = 0.0

    def good(self):
        return self.sent > 0 and not self.failures and self.answered == self.sent

    def percentile(self, p):
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))] if ordered else 0.0

    def story(self, events=()):
        """What was lost, when, and what had happened just before. events: (time.time(), text)."""
        lines = [
            f"{self.sent} sent in {self.seconds:.1f} s, {self.answered} answered, {self.retried} sent again by the "
            f"client; statuses {dict(self.statuses)}; p50 {self.percentile(50) * 1e3:.0f} ms, "
            f"p99 {self.percentile(99) * 1e3:.0f} ms, "
            f"longest {self.percentile(100) * 1e3:.0f} ms; {len(self.failures)} failed"
        ]
        for failure in self.failures[:20]:
            before = [event for event in events if event[0] <= failure.at + failure.after]
            cause = f"; {failure.at + failure.after - before[-1][0]:.3f} s after: {before[-1][1]}" if before else ""
            lines.append(f"  {failure.target}: {failure.what} after {failure.after * 1e3:.0f} ms{cause}")
        return "\n".join(lines)


class Http1(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self):
        self.buffer, self.answer, self.used, self.closed = b"", None, 0, False
        self.asked = 0.0
        self.transport, self.method = None, "GET"

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, method, target, headers):
        self.buffer, self.method = b"", method
        self.used += 1
        self.asked = time.monotonic()
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(client.request_bytes(method, target, headers))
        return self.answer

    def data_received(self, data):
        self.buffer += data
        if not self.answer or self.answer.done():
            self.transport.abort()  # it speaks although nothing was asked
            return
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        status, headers = client.split_head(self.buffer[:end])
        lines = {name.lower(): value for name, value in headers}
        size = 0 if self.method == "HEAD" or status in (204, 304) else int(lines.get(b"content-length", -1))
        if size < 0:
            self.answer.set_exception(ConnectionError("an answer without Content-Length"))
        elif len(self.buffer) >= end + 4 + size:
            if lines.get(b"connection", b"").lower() == b"close":
                self.closed = True
                self.transport.close()
            self.answer.set_result((status, lines, self.buffer[end + 4 : end + 4 + size]))

    def connection_lost(self, exc):
        self.closed = True
        if self.answer and not self.answer.done():
            idle = self.used > 1 and not self.buffer and time.monotonic() - self.asked < TAKEN
            kind = NotTaken if idle else ConnectionError
            self.answer.set_exception(kind(f"closed before the answer, after {len(self.buffer)} bytes of it ({exc})"))

    def idle(self):
        return not self.closed and (self.answer is None or self.answer.done())


class Http2(asyncio.Protocol):
    """One connection, many streams."""

    def __init__(self):
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.answers, self.closed, self.transport, self.buffer = {}, False, None, b""

    def connection_made(self, transport):
        self.transport = transport
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 28)
        transport.write(self.h2.data_to_send())

    def ask(self, method, target, headers):
        stream = self.h2.get_next_available_stream_id()
        future = asyncio.get_running_loop().create_future()
        self.answers[stream] = (future, [], bytearray())
        self.h2.send_headers(
            stream,
            [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", target), *headers],
            end_stream=True,
        )
        self.transport.write(self.h2.data_to_send())
        return future

    def data_received(self, data):
        """Frame by frame: after a GOAWAY the library would take no answer any more, so it does not see it."""
        self.buffer += data
        try:
            while len(self.buffer) >= 9 and len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big"):
                size = 9 + int.from_bytes(self.buffer[:3], "big")
                frame, self.buffer = self.buffer[:size], self.buffer[size:]
                if frame[3] == GOAWAY:
                    self._go_away(int.from_bytes(frame[9:13], "big"))
                    continue
                for event in self.h2.receive_data(frame):
                    self._take(event)
        except Exception as error:
            self._fail_all(ConnectionError(f"HTTP/2: {error}"))
        self.transport.write(self.h2.data_to_send())
        if self.closed and not self.answers:
            self.transport.close()

    def _go_away(self, last):
        self.closed = True
        for stream in [stream for stream in self.answers if stream > last]:
            self._fail(stream, NotTaken("GOAWAY says that it was not looked at"))

    def _take(self, event):
        future, headers, body = self.answers.get(getattr(event, "stream_id", 0), (None, None, None))
        if not future:
            return
        if isinstance(event, h2.events.ResponseReceived):
            headers.extend(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            body.extend(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            kind = NotTaken if event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM else ConnectionError
            self._fail(event.stream_id, kind(f"the stream was reset, error {event.error_code!r}"))
        elif isinstance(event, h2.events.StreamEnded):
            lines = dict(headers)
            del self.answers[event.stream_id]
            if not future.done():
                future.set_result((int(lines[b":status"]), lines, bytes(body)))

    def _fail(self, stream, error):
        future = self.answers.pop(stream)[0]
        if not future.done():
            future.set_exception(error)

    def _fail_all(self, error):
        self.closed = True
        for stream in list(self.answers):
            self._fail(stream, error)

    def connection_lost(self, exc):
        self._fail_all(ConnectionError(f"closed before the answer ({exc})"))

    def idle(self):
        return not self.closed and len(self.answers) < 50


def right_page(target, status, headers, body):
    """None when it is a whole page, otherwise what is wrong with it."""
    if status != 200:
        return f"status {status}, Retry-After {headers.get(b'retry-after')}, {body[:120]!r}"
    if headers.get(b"content-encoding") == b"gzip":
        body = zlib.decompress(body, 31)
    if not body.rstrip().endswith(b"</html>"):
        return f"no whole page: {len(body)} bytes, ending in {body[-60:]!r}"
    slug = target.split("?")[0].rsplit("/", 1)[-1].encode()
    return None if slug in body else f"the page of another: no {slug!r} in it"


class Load:
    """check(target, status, headers, body) says what is wrong, or None."""

    def __init__(self, address, targets, rate=60, tls=False, http2=False, connections=32, check=right_page, timeout=10):
        self.address, self.targets, self.rate = address, targets, rate
        self.tls, self.http2, self.most = tls, http2, connections
        self.check, self.timeout = check, timeout
        self.headers = [("accept-encoding", "gzip"), ("user-agent", "load")]
        self.report = Report()
        self._open = []
        self._free = None  # a semaphore: connections that may be opened or used
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stop.set()
        self._thread.join(self.timeout * 3)
        return self.report

    def run(self, seconds):
        self.start()
        time.sleep(seconds)
        return self.stop()

    async def _main(self):
        self._free = asyncio.Semaphore(self.most * (50 if self.http2 else 1))
        started, tasks = time.monotonic(), set()
        for n, target in enumerate(self.targets):
            wait = started + n / self.rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            if self._stop.is_set():
                break
            task = asyncio.ensure_future(self._one(target))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        self.report.seconds = time.monotonic() - started
        if tasks:
            await asyncio.wait(tasks)
        for connection in self._open:
            connection.transport.abort()

    async def _connection(self):
        self._open = [each for each in self._open if not each.closed]
        for each in self._open:
            if each.idle():
                return each
        ssl_context = None if not self.tls else H2_TLS if self.http2 else client.TLS
        _, protocol = await asyncio.get_running_loop().create_connection(
            Http2 if self.http2 else Http1,
            *self.address,
            ssl=ssl_context,
            server_hostname="localhost" if self.tls else None,
        )
        self._open.append(protocol)
        return protocol

    async def _ask(self, target):
        for attempt in itertools.count():
            try:
                async with self._free:
                    connection = await self._connection()
                    return await connection.ask("GET", target, self.headers)
            except NotTaken:
                if attempt == 2:
                    raise
                self.report.retried += 1

    async def _one(self, target):
        report, at, began = self.report, time.time(), time.monotonic()
        report.sent += 1
        try:
            status, headers, body = await asyncio.wait_for(self._ask(target), self.timeout)
            report.answered += 1
            report.statuses[status] += 1
            wrong = self.check(target, status, headers, body)
        except asyncio.TimeoutError:
            wrong = "no answer in time"
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        after = time.monotonic() - began
        report.latencies.append(after)
        if wrong:
            report.failures.append(Failure(target, at, after, wrong))


def unique_targets(paths, mark=""):
    """The paths over and over, each with a query string of its own: nothing is shared, nothing could be cached."""
    for n, path in enumerate(itertools.cycle(paths)):
        yield f"{path}?n={mark}{n}"


def main():
    parser = argparse.ArgumentParser(description="Sends GETs at a fixed rate and counts what was not answered.")
    parser.add_argument("address", help="HOST:PORT")
    parser.add_argument("path", nargs="+")
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--http2", action="store_true", help="with --tls")
    options = parser.parse_args()
    host, port = options.address.rsplit(":", 1)
    load = Load(
        (host, int(port)),
        unique_targets(options.path, f"{time.time_ns()}-"),
        options.rate,
        options.tls,
        options.http2,
        options.connections,
        check=lambda target, status, headers, body: None if status < 400 else f"status {status}",
    )
    print(load.run(options.seconds).story())


if __name__ == "__main__":
    main()
