"""How the cacher follows the log of changes, told by a log in Python: what it asks, what it keeps, and what becomes of
pages."""

import os
import shutil
import signal
import subprocess
import tempfile
import time

import msgpack
import pytest

import wire
from pipeline import BAD_WORDS, BIN


class Log:
    """The folder `changes`: keeps each question until it is told what to answer."""

    def __init__(self, run_dir):
        self.right = wire.Right(run_dir, "changes", self.take)
        self.questions, self.cursors = [], []

    def take(self, ticket):
        (name, (cursor,)), = ticket.message.batch
        assert name in (b"changes_since", "changes_since")
        self.questions.append(ticket)
        self.cursors.append(cursor.decode() if isinstance(cursor, bytes) else cursor)

    def answer(self, cursor, *tags, body=None):
        rows = [[cursor, None, None]] + [[None, *(tag if isinstance(tag, tuple) else (tag, False))] for tag in tags]
        body = body if body is not None else msgpack.packb([[["cursor", "tag", "hard"], rows, len(rows)]])
        self.questions.pop(0).answer("RESULT", body, tags=[])


class Rig:
    """A cacher between Python's gateway, renderer and log."""

    def __init__(self, store=True):
        self.dir = tempfile.mkdtemp(prefix="fffo-", dir="/tmp")
        self.store = os.path.join(self.dir, "store") if store else ""
        if store:
            os.makedirs(self.store)
        self.renders = 0
        self.renderer = wire.Right(self.dir, "renderer", self.render)
        self.log = None
        self.left = wire.Left(self.dir, "cacher", "gateway")
        self.cacher, self.logs = None, []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.cacher:
            self.stop()
        self.left.close()
        self.renderer.close()
        if self.log:
            self.log.right.close()
        for log in self.logs:
            said = open(log, encoding="utf-8", errors="replace").read()
            if kind:
                print(said)
            else:
                assert not [word for word in BAD_WORDS if word in said], said
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, **settings):
        self.logs.append(os.path.join(self.dir, f"log{len(self.logs)}"))
        env = {**os.environ, "FILMYFLY_RUN_DIR": self.dir, "FILMYFLY_CACHE_DIR": self.store, **settings}
        with open(self.logs[-1], "wb") as out:
            self.cacher = subprocess.Popen([str(BIN / "filmyfly-cacher")], env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.until(lambda: any(peer.greeted for peer in self.left.peers.values()), 10)
        return self

    def stop(self, how=signal.SIGTERM):
        if self.cacher.poll() is None:
            self.cacher.send_signal(how)
        self.until(lambda: self.cacher.poll() is not None, 10)
        self.until(lambda: not any(peer.greeted for peer in self.left.peers.values()))
        self.cacher = None
        if self.log:
            self.log.questions.clear()

    def open_log(self):
        self.log = Log(self.dir)
        return self.log

    def render(self, ticket):
        self.renders += 1
        target = ticket.message.target
        target = target.decode() if isinstance(target, bytes) else target
        headers = [("content-type", "text/html"), ("cache-control", "max-age=1800")]
        ticket.respond(200, headers, f"{target} {self.renders}".encode(), tags=[f"page:{target}", "pages"])

    def turn(self):
        self.left.turn(wait=0.005)
        self.renderer.turn()
        if self.log:
            self.log.right.turn()

    def until(self, true, seconds=5.0):
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, open(self.logs[-1], encoding="utf-8").read()
            self.turn()

    def pass_time(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()

    def get(self, target, seconds=3.0):
        """How often pages had been rendered when this one was; None without an answer."""
        answers = []
        fields = {"deadline": wire.deadline_in(seconds), "method": "GET", "scheme": "https", "target": target, "client": "127.0.0.1",
                  "headers": [("host", "localhost")], "trace": ""}
        self.left.submit("REQUEST", fields, answers.append)
        self.until(lambda: answers, seconds + 1)
        if answers[0].type != "RESPONSE" or answers[0].status != 200:
            return None
        return int(answers[0].body.split()[-1])

    def asked(self, count=1):
        """Waits for a question; the cursor of the last one."""
        before = len(self.log.cursors) - len(self.log.questions)
        self.until(lambda: len(self.log.cursors) >= before + count)
        return self.log.cursors[-1]


@pytest.fixture
def rig():
    with Rig() as made:
        yield made


def test_what_changed_is_made_anew_and_nothing_else(rig):
    log = rig.open_log()
    rig.start()
    assert rig.asked() is None
    log.answer("A")
    assert rig.asked() == "A"
    assert (rig.get("/one"), rig.get("/two"), rig.get("/one"), rig.get("/two")) == (1, 2, 1, 2)
    log.answer("B", "page:/one", "page:/nothing")
    assert rig.asked() == "B"
    rig.until(lambda: rig.get("/one") > 2)
    assert rig.get("/two") == 2
    log.answer("C", "pages")
    assert rig.asked() == "C"
    rig.until(lambda: rig.get("/two") > 2)
    assert len(log.questions) == 1 and rig.cacher.poll() is None


def test_the_cursor_survives_with_the_store(rig):
    log = rig.open_log()
    rig.start()
    rig.asked()
    log.answer("A")
    rig.asked()
    first = rig.get("/one")
    log.answer("B", "page:/other")
    assert rig.asked() == "B"
    rig.stop(signal.SIGKILL)
    rig.start()
    assert rig.asked() == "B"
    assert rig.get("/one") == first
    log.answer("C", "page:/one")
    rig.asked()
    rig.until(lambda: rig.get("/one") > first)


def test_a_death_before_the_commit_asks_again(rig):
    """Told, and killed before both the marks and the cursor are kept: neither is."""
    log = rig.open_log()
    rig.start()
    rig.asked()
    log.answer("A")
    rig.asked()
    first = rig.get("/one")
    rig.stop()
    rig.start(FILMYFLY_FAULT="cacher-changes-told:kill")
    assert rig.asked() == "A"
    log.answer("B", "page:/one")
    rig.until(lambda: rig.cacher.poll() is not None)
    rig.stop()
    rig.start()
    assert rig.asked() == "A"
    assert rig.get("/one") == first
    log.answer("B", "page:/one")
    assert rig.asked() == "B"
    rig.until(lambda: rig.get("/one") > first)


def test_a_death_after_marks_that_had_no_room(rig):
    """The marks fail, as when the store's map is full; the cursor after them is kept, and everything counts as changed."""
    log = rig.open_log()
    rig.start()
    rig.asked()
    log.answer("A")
    rig.asked()
    first = rig.get("/one")
    rig.stop()
    rig.start(FILMYFLY_FAULT="store-put-meta:fail,cacher-changes-kept:kill")
    assert rig.asked() == "A"
    log.answer("B", "page:/one")
    rig.until(lambda: rig.cacher.poll() is not None)
    rig.stop()
    rig.start()
    assert rig.asked() == "B"
    rig.until(lambda: rig.get("/one") > first)


@pytest.mark.parametrize("hard", [False, True])
def test_a_purge_by_prefix_goes_on_after_a_death(rig, hard):
    rig.start()
    inside, outside = rig.get("/in/1"), rig.get("/out/1")
    assert rig.get("/in/1") == inside
    rig.stop()
    rig.start(FILMYFLY_FAULT="cacher-changes-kept:kill")
    fields = {"deadline": wire.deadline_in(3), "method": "POST", "scheme": "cacher", "client": "", "headers": [], "trace": "",
              "target": "/purge/prefix" + ("?hard" if hard else "")}
    rig.left.submit("REQUEST", fields, lambda answer: None, b"https://localhost/in/", again=False)
    rig.until(lambda: rig.cacher.poll() is not None)
    rig.stop()
    rig.start()
    rig.pass_time(0.2)
    if hard:
        assert rig.get("/in/1") > inside
    else:
        rig.until(lambda: rig.get("/in/1") > inside)
    assert rig.get("/out/1") == outside


def test_pages_of_before_the_first_cursor_are_made_anew(rig):
    rig.start()
    first = rig.get("/one")
    rig.pass_time(0.1)
    assert rig.get("/one") == first
    log = rig.open_log()
    assert rig.asked() is None
    log.answer("A")
    assert rig.asked() == "A"
    rig.until(lambda: rig.get("/one") > first)


def test_everything(rig):
    log = rig.open_log()
    rig.start()
    rig.asked()
    log.answer("A")
    rig.asked()
    first = rig.get("/one")
    log.answer("B", "everything")
    assert rig.asked() == "B"
    rig.until(lambda: rig.get("/one") > first)
    second = rig.get("/one")
    log.answer("C", ("everything", True))
    rig.asked()
    assert rig.get("/one") > second


def test_what_was_taken_away_is_never_given_again(rig):
    log = rig.open_log()
    rig.start()
    rig.asked()
    log.answer("A")
    rig.asked()
    one, two = rig.get("/one"), rig.get("/two")
    rig.render = lambda ticket: ticket.respond(503, [("content-type", "text/plain")], b"no")
    rig.renderer.on_request = rig.render
    log.answer("B", ("page:/one", True), "page:/two")
    rig.asked()
    rig.pass_time(1.2)
    assert rig.get("/one", 1) is None
    assert (one, rig.get("/two", 1)) == (1, two)


def test_what_goes_wrong_is_asked_again(rig):
    log = rig.open_log()
    rig.start()
    rig.asked()
    log.answer("A")
    rig.asked()
    first = rig.get("/one")
    log.questions.pop().answer("REFUSED", text="no")
    assert rig.asked() == "A"
    log.questions.pop().fail("unavailable", "the database is away")
    assert rig.asked() == "A"
    good = msgpack.packb([[["cursor", "tag", "hard"], [["B", None, None], [None, "page:/one", False]], 2]])
    for damaged in (b"", b"\xc1", good[:-3], good + b"\x00", msgpack.packb([[["cursor", "tag", "hard"], [[None, "page:/one", False]], 1]]),
                    msgpack.packb([[["cursor", "tag", "hard"], [["B", None, None], [None, "x" * 500, False]], 1]])):
        log.answer(None, body=damaged)
        assert rig.asked() == "A"
        assert rig.get("/one") == first
    log.answer(None, body=good)
    assert rig.asked() == "B"
    rig.until(lambda: rig.get("/one") > first)


def test_without_a_store_the_cursor_is_in_memory():
    with Rig(store=False) as rig:
        log = rig.open_log()
        rig.start()
        assert rig.asked() is None
        log.answer("A")
        assert rig.asked() == "A"
        log.answer("B", "page:/one")
        assert rig.asked() == "B"
        assert rig.get("/one") < rig.get("/one")
        rig.stop()
        rig.start()
        assert rig.asked() is None


def test_everything_again_and_again_is_no_storm(rig):
    log = rig.open_log()
    rig.start()
    rig.asked()
    log.answer("A")
    rig.asked()
    began, count = time.monotonic(), 0
    while time.monotonic() - began < 2:
        log.answer(f"B{count}", "everything")
        rig.asked()
        count += 1
    assert count <= 5
