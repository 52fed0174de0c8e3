"""The inspect sockets as an operator's own program would use them, written from proto/PROTOCOL.md, and `filmyfly` itself.

    with Tap(pipeline.run_dir, "cacher/1") as tap:
        record = tap.until(lambda record: record.topic == "REQUEST")
"""

import dataclasses
import json
import os
import subprocess
import threading
import time

import msgpack
import zmq

import wire
from pipeline import BIN, wait_until

FILMYFLY = str(BIN / "filmyfly")
ENV = {"PATH": os.environ["PATH"], "ASAN_OPTIONS": "exitcode=99", "UBSAN_OPTIONS": "print_stacktrace=1"}


def socket_path(run_dir, name):
    """name: "cacher/1", "gateway/t1.0"."""
    return f"{run_dir}/{name}.inspect"


@dataclasses.dataclass
class Record:
    topic: str
    form: int
    time: int
    name: str
    side: str
    way: str
    peer: str
    head_bytes: int
    body_bytes: int
    dropped: int
    error: str
    head: bytes
    body: bytes
    raw: bytes

    def message(self):
        return wire.unpack_head(self.head, b"")


def read_record(raw):
    topic, _, packed = raw.partition(b" ")
    return Record(topic.decode("ascii"), *msgpack.unpackb(packed), raw)


class Tap:
    def __init__(self, run_dir, *names, topics=("",)):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.SUB)
        for topic in topics:
            self.socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        for name in names:
            self.socket.connect(f"ipc://{socket_path(run_dir, name)}")
        self.records = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close(0)
        self.context.term()

    def next(self, seconds=10):
        """The next record; None when none comes in time."""
        if not self.socket.poll(int(seconds * 1000)):
            return None
        self.records.append(read_record(self.socket.recv()))
        return self.records[-1]

    def until(self, wanted, seconds=20):
        end = time.monotonic() + seconds
        while record := self.next(max(0.0, end - time.monotonic())):
            if wanted(record):
                return record
        raise TimeoutError(f"no such record within {seconds} s; {len(self.records)} came, the last: {self.records[-1:]}")

    def settle(self):
        """Returns when what passes is shown: heartbeats pass all the time."""
        self.until(lambda record: record.topic in ("PING", "PONG"))
        return self


def order(run_dir, name, frame):
    """Sends a frame up, as `filmyfly restart` and `drain` do."""
    context = zmq.Context()
    socket = context.socket(zmq.XSUB)
    socket.setsockopt(zmq.LINGER, 5000)
    socket.connect(f"ipc://{socket_path(run_dir, name)}")
    socket.send(frame)
    socket.close()
    context.term()


def filmyfly(run_dir, *arguments, check=True, program=FILMYFLY, **options):
    """Runs it to its end; (status, stdout, stderr)."""
    done = subprocess.run(
        [program, *arguments, "--run-dir", str(run_dir)],
        env=ENV,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
        **options,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0 or not check, f"filmyfly {' '.join(arguments)}: status {done.returncode}, {err}"
    return done.returncode, out, err


class Follower:
    """`filmyfly logs -f` or `tap`, read line by line while it runs."""

    def __init__(self, run_dir, *arguments):
        self.process = subprocess.Popen(
            [FILMYFLY, *arguments, "--run-dir", str(run_dir)],
            env=ENV,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines, self.complaints = [], []
        self._threads = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.complaints))
        ]
        for thread in self._threads:
            thread.start()

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def objects(self):
        return [json.loads(line) for line in list(self.lines)]

    def wait(self, wanted, seconds=20, what="such a line"):
        """The first object of --json that is wanted."""
        return wait_until(lambda: next(filter(wanted, self.objects()), None), seconds, what)
