"""A gateway that is restarted, replaced or killed while its listening sockets stay open: who is connected is finished with, who comes is served."""

import contextlib
import itertools
import os
import signal
import threading
import time

import pytest

import client
from load import Load
from test_gateway import H2, Cacher, Gateway, listening_sockets, short_folder, wait_until

FEW_OR_MANY = [3, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]
RATE = 8  # requests a second of each load: the clients are to be quicker than the second that they have to hear of a leaving


@pytest.fixture(name="own")
def _own():
    """A folder for gateways of the test's own."""
    with short_folder() as folder:
        yield folder


@pytest.fixture(name="sockets")
def _sockets():
    """Listening sockets as a supervisor holds them."""
    made = listening_sockets()
    yield made
    for each in made:
        each.close()


@pytest.fixture(name="cacher")
def _cacher(own):
    made = Cacher(own / "run")
    yield made
    made.end()


def right(target, status, headers, body):
    return None if status == 200 and body == b"page " + target.split("?")[0].encode() else f"status {status}, {body[:80]!r}"


class Newcomers(threading.Thread):
    """A visitor after another, each by a connection of its own; none may be refused or left without an answer."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.addresses = itertools.cycle([(gateway.http, False), (gateway.https, True)])
        self.waits, self.failures, self.ended = [], [], threading.Event()

    def run(self):
        for address, tls in self.addresses:
            if self.ended.is_set():
                return
            began = time.monotonic()
            try:
                answer = client.fetch(address, "/new", tls=tls, timeout=20)
                if answer.status != 200:
                    self.failures.append(answer)
            except OSError as error:
                self.failures.append(f"{error!r} after {time.monotonic() - began:.3f} s")
            self.waits.append(time.monotonic() - began)
            time.sleep(0.1)

    def stop(self):
        self.ended.set()
        self.join(30)
        return sorted(self.waits)


@contextlib.contextmanager
def visitors(gateway, events):
    """HTTP/1.1 in clear and over TLS, HTTP/2, and newcomers; afterwards nothing may have been lost. events: what happened, for the story."""
    targets = [(f"/load{n}?n={i}" for i in itertools.count()) for n in range(3)]
    loads = [Load(gateway.http, targets[0], RATE, check=right), Load(gateway.https, targets[1], RATE, tls=True, check=right),
             Load(gateway.https, targets[2], RATE, tls=True, http2=True, check=right)]
    newcomers = Newcomers(gateway)
    for each in [*loads, newcomers]:
        each.start()
    yield loads
    waits = newcomers.stop()
    stories = [each.stop().story(events) for each in loads]
    print("\n".join(stories))
    print(f"{len(waits)} newcomers waited {waits[len(waits) // 2] * 1e3:.0f} ms, at most {waits[-1] * 1e3:.0f} ms")
    assert newcomers.failures == []
    assert all(each.report.good() for each in loads), "\n".join(stories)


def begin(own, sockets, **settings):
    return Gateway(own, listen=sockets, deadline="10s", log_level="info", **settings)


def end(gateway, events):
    events.append((time.time(), "it is asked to leave"))
    gateway.stop(60)
    events.append((time.time(), "it has left"))
    assert "nothing lost" in gateway.text(), gateway.text()


@pytest.mark.parametrize("times", FEW_OR_MANY)
def test_restarts_lose_nothing_and_refuse_nobody(own, sockets, cacher, times):
    gateway, events = begin(own, sockets), []
    with visitors(gateway, events):
        for _ in range(times):
            time.sleep(0.5)
            end(gateway, events)
            gateway = begin(own, sockets)
            events.append((time.time(), "the successor serves"))
        time.sleep(0.5)
    gateway.stop()


@pytest.mark.parametrize("times", FEW_OR_MANY)
def test_replacements_lose_nothing_and_refuse_nobody(own, sockets, cacher, times):
    gateway, events = begin(own, sockets, instance="blue"), []
    with visitors(gateway, events):
        for n in range(times):
            time.sleep(0.3)
            successor = begin(own, sockets, instance="blue" if n % 2 else "green")
            events.append((time.time(), "the successor serves"))
            end(gateway, events)
            gateway = successor
        time.sleep(0.3)
    gateway.stop()


def test_newcomers_are_served_while_those_before_them_are_finished_with(own, sockets, cacher):
    held = []
    cacher.answer["/slow"] = held.append
    gateway = begin(own, sockets)
    one, two = client.connect(gateway.http, timeout=20), H2(gateway.https)
    one.sendall(client.request_bytes("GET", "/slow"))
    stream = two.request("/slow")
    wait_until(lambda: len(cacher.messages("/slow")) == 2)
    gateway.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "leaving" in gateway.text())
    for _ in range(5):
        assert client.fetch(gateway.http, "/new").line("connection") == "close"
        site = H2(gateway.https)
        assert site.get("/new").status == 200
        site.close()
    site, enough = H2(gateway.https), time.monotonic() + 1.5  # longer than those before it are given
    while time.monotonic() < enough:
        assert site.get("/new").status == 200 and site.goaway is None
    site.close()
    cacher.answer["/wake"] = lambda ticket: [each.respond(200, [], b"done") for each in [*held, ticket]]
    client.fetch(gateway.http, "/wake")
    assert client.read_answer(one.makefile("rb")).body == b"done"
    while not two.answers[stream][3]:
        two.receive()
    assert two.answers[stream][2] == b"done"
    one.close()
    two.close()
    gateway.stop()


def test_who_came_in_between_is_told_to_go_at_once(own, sockets, cacher):
    cacher.answer["/slow"] = cacher.delay(1.5, lambda ticket: ticket.respond(200, [], b"done"))
    gateway = begin(own, sockets)
    before = client.connect(gateway.http, timeout=20)
    before.sendall(client.request_bytes("GET", "/slow"))
    wait_until(lambda: cacher.messages("/slow"))
    gateway.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "leaving" in gateway.text())
    between = H2(gateway.https)
    assert between.get("/new").status == 200 and between.goaway is None
    assert client.read_answer(before.makefile("rb")).body == b"done"
    before.close()
    ended = time.monotonic()
    assert between.wait_goaway() is not None
    gateway.process.wait(20)
    print(f"it took {time.monotonic() - ended:.3f} s from the last of those before to the end")
    between.close()
    gateway.stop()


def test_a_kill_loses_only_what_was_in_flight(own, sockets, cacher):
    for n in range(3):  # an answer takes a while, so that something is in flight
        cacher.answer[f"/load{n}"] = cacher.delay(0.1, lambda ticket: ticket.respond(
            200, [("content-type", "text/plain")], b"page " + ticket.message.target.split("?")[0].encode()))
    gateway, kills = begin(own, sockets), []
    with contextlib.suppress(AssertionError), visitors(gateway, []) as loads:
        for _ in range(3):
            time.sleep(1)
            began = time.time()
            gateway.process.kill()
            gateway.process.wait()
            kills.append((began, time.time() + 1))
            gateway = begin(own, sockets)
        time.sleep(1)
    lost = [failure for each in loads for failure in each.report.failures]
    print(f"{len(lost)} requests were lost with {len(kills)} gateways")
    for failure in lost:
        assert any(failure.at <= end and failure.at + failure.after >= began for began, end in kills), failure
    gateway.stop()


# The alarm.


def test_a_loop_that_hangs_ends_the_process(own):
    gateway = Gateway(own, fault="gateway-request@/hang:hang")
    with contextlib.suppress(OSError), client.connect(gateway.http) as connection:
        connection.sendall(client.request_bytes("GET", "/hang"))
        assert gateway.process.wait(60) == -signal.SIGABRT
    assert "a loop has not gone on" in gateway.text()


@pytest.mark.long
def test_who_was_frozen_does_not_take_itself_for_hung(own):
    gateway = Gateway(own)
    os.kill(gateway.process.pid, signal.SIGSTOP)
    time.sleep(12)
    os.kill(gateway.process.pid, signal.SIGCONT)
    time.sleep(1)
    assert client.fetch(gateway.http, "/healthz").status == 200
    gateway.stop()
