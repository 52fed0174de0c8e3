"""Bad frames into every stage, from the left and from the right: each is counted and dropped, nothing dies or grows.

What is bad is judged twice, by the stage and by wire's own reading of PROTOCOL.md: both counts must be the same.
"""

import threading
import time

import pytest
import zmq

import client
import wire
from frames import Frames, is_good
from pipeline import wait_until

FEW_OR_FULL = [3000, pytest.param(100000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]
GROWTH = 12 << 20  # bytes: a process that keeps 200 bytes of each of the last two thirds of 100,000 frames is found
ALONE = {
    "cacher": {"renderers": 0, "dbproxies": 0, "gateway": False},
    "renderer": {"dbproxies": 0, "renderers": 1, "cacher": False, "gateway": False},
    "dbproxy": {"dbproxies": 1, "renderers": 0, "cacher": False, "gateway": False},
    "gateway": {"dbproxies": 0, "renderers": 0, "cacher": False},
}
ENV = {"FILMYFLY_DEADLINE": "300ms", "FILMYFLY_WRITE_DEADLINE": "300ms"}


def count(instance, side):
    """(messages that it took as whole, messages that it dropped as bad) of one side."""
    stats = instance.stats()
    whole = sum(
        value for name, value in stats.items() if name.startswith(f"{side}.in.") and name.split(".")[2] in wire.MESSAGES
    )
    return whole, stats.get(f"{side}.in.bad", 0)


class Watch:
    """Growth and life of the process under attack, from the time when a third of the frames were sent."""

    def __init__(self, instance):
        self.instance, self.pid, self.rss = instance, instance.pid, None

    def begin(self):
        self.rss = self.instance.rss()

    def check(self):
        assert self.instance.pid == self.pid and self.instance.restarts == 0, self.instance.log()[-3000:]
        grown = self.instance.rss() - self.rss
        print(f"{self.instance}: {grown >> 10} KiB more than after a third of the frames")
        assert grown < GROWTH


@pytest.mark.parametrize("frames", FEW_OR_FULL)
@pytest.mark.parametrize("stage", ["cacher", "renderer", "dbproxy"])
def test_bad_frames_from_the_left(new_pipeline, stage, frames):
    pipeline = new_pipeline(**ALONE[stage], env=ENV, bad_frames=True)
    instance = pipeline[stage][0]
    watch, source, good = Watch(instance), Frames(f"left {stage}"), 0
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.SNDTIMEO, 20000)
    socket.setsockopt(zmq.LINGER, 20000)
    socket.connect(f"ipc://{instance.socket_path()}")
    whole, bad = count(instance, "left")
    try:
        for n in range(frames):
            if n == frames // 3:
                watch.begin()
            parts = source.next()
            good += is_good(parts)
            socket.send_multipart(parts)
            while socket.poll(0):
                wire.unpack_head(*socket.recv_multipart())  # whatever it answers keeps to the page
        # What is whole but misplaced counts as both, so the sum says too early that all was read.
        wait_until(lambda: count(instance, "left")[0] - whole >= good, 60, f"{instance} has read all frames")
        wait_until(lambda: sum(count(instance, "left")) - whole - bad >= frames, 60, f"{instance} has read all frames")
    finally:
        socket.close()
        context.term()
    now = count(instance, "left")
    print(
        f"{frames} frames: {now[0] - whole} whole, {now[1] - bad} bad or misplaced; we judge {good} to be whole"
    )
    assert now[0] - whole == good
    assert now[1] - bad >= frames - good
    watch.check()
    left = wire.Left(str(pipeline.run_dir), stage)
    try:
        kind = {"batch": [("no_such", [])]} if stage == "dbproxy" else None
        answer = left.ask("QUERY", **kind) if kind else left.get("/no-such-page", seconds=0.5)
        assert answer.type in ("REFUSED", "RESPONSE", "FAILED"), answer
    finally:
        left.close()


class Evil:
    """A right side that says HELLO as it should and then, to each left side, whatever comes."""

    def __init__(self, run_dir, stage, seed):
        self.source, self.good, self.sent = Frames(seed), 0, 0
        self.right = wire.Right(run_dir, stage, self._asked, "evil", credit=2)
        self.right.socket.setsockopt(zmq.SNDTIMEO, 20000)

    def _asked(self, ticket):
        self.source.ids = [*self.source.ids[-50:], ticket.message.id]

    def say(self):
        for routing_id in list(self.right.peers):
            parts = self.source.next()
            self.right.socket.send_multipart([routing_id, *parts])
            self.good += is_good(parts)
            self.sent += 1
        self.right.turn()


class Asking(threading.Thread):
    """Keeps requests open at the stage under attack; what they are answered does not matter."""

    def __init__(self, pipeline, stage):
        super().__init__(daemon=True)
        self.pipeline, self.stage, self.end = pipeline, stage, threading.Event()
        self.start()

    def run(self):
        left = wire.Left(str(self.pipeline.run_dir), self.stage) if self.stage != "gateway" else None
        n = 0
        while not self.end.is_set():
            n += 1
            if left:
                left.get(f"/movie/evil-{n}", seconds=0.3)
            else:
                client.fetch(self.pipeline.http, f"/movie/evil-{n}")
        if left:
            left.close()

    def stop(self):
        self.end.set()
        self.join(10)


@pytest.mark.parametrize("frames", FEW_OR_FULL)
@pytest.mark.parametrize("stage,right", [("gateway", "cacher"), ("cacher", "renderer"), ("renderer", "dbproxy")])
def test_bad_frames_from_the_right(new_pipeline, stage, right, frames):
    pipeline = new_pipeline(**ALONE[stage], env=ENV, bad_frames=True)
    instance = pipeline[stage][0]
    watch = Watch(instance)
    evil = Evil(str(pipeline.run_dir), right, f"right {stage}")
    try:
        end = time.monotonic() + 10
        while len(evil.right.peers) < (2 if stage == "gateway" else 1):
            evil.right.turn(0.02)
            assert time.monotonic() < end, f"{stage} does not connect to {right}/evil"
        asking = Asking(pipeline, stage)
        time.sleep(0.3)
        while evil.sent < frames:
            if watch.rss is None and evil.sent > frames // 3:
                watch.begin()
            evil.say()
        asking.stop()
        # What is whole but misplaced counts as both, so the sum says too early that all was read.
        wait_until(lambda: (evil.right.turn(0.02), count(instance, "right")[0] >= evil.good)[1], 60, "what is whole is read")
        wait_until(lambda: (evil.right.turn(0.02), sum(count(instance, "right")) >= evil.sent)[1], 60, "all frames are read")
        whole, bad = count(instance, "right")
        print(f"{evil.sent} frames: {whole} whole, {bad} bad or misplaced; by our own judgement {evil.good} were whole")
        watch.check()
    finally:
        evil.right.close()
    said_well = whole - evil.good  # HELLO and PONG of our right side itself
    assert 0 <= said_well <= 2 + instance.stats()["right.out.PING"] + instance.stats()["right.out.HELLO"]
    assert bad >= evil.sent - evil.good


@pytest.mark.parametrize("stage", ["cacher", "renderer", "dbproxy"])
def test_a_part_that_is_too_long_ends_only_its_connection(new_pipeline, stage):
    pipeline = new_pipeline(**ALONE[stage], env=ENV, bad_frames=True)
    instance = pipeline[stage][0]
    context = zmq.Context()
    for _ in range(3):
        socket = context.socket(zmq.DEALER)
        socket.connect(f"ipc://{instance.socket_path()}")
        socket.send_multipart([b"\x93\x02\x06\x01", bytes(wire.BODY_MAX + 1)])
        time.sleep(0.2)
        socket.close(0)
    context.term()
    left = wire.Left(str(pipeline.run_dir), stage)
    try:
        answer = left.ask("QUERY", batch=[]) if stage == "dbproxy" else left.get("/none", seconds=0.5)
        assert answer.type in ("RESULT", "REFUSED", "RESPONSE", "FAILED"), answer
    finally:
        left.close()
    assert instance.restarts == 0


def test_pages_are_served_beside_an_evil_renderer(pipeline, slugs):
    """It takes its share of the requests and answers none as it should; each is answered all the same."""
    evil = Evil(str(pipeline.run_dir), "renderer", "beside")
    stop = threading.Event()

    def loop():
        while not stop.is_set():
            evil.right.turn(0.005)
            evil.say()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        for slug in slugs[:100]:
            assert pipeline.get(f"/movie/{slug}?evil").status in range(100, 1000)
    finally:
        stop.set()
        thread.join()
        evil.right.close()
    pipeline.wait_ready()
    assert [pipeline.get(f"/movie/{slug}?after").status for slug in slugs[:20]] == [200] * 20
