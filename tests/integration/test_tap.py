"""What the inspect sockets show and obey, and that nobody who looks on can harm who is looked at."""

import contextlib
import fcntl
import json
import os
import random
import re
import signal
import socket
import stat
import struct
import time

import pytest
import zmq

import client
from load import Load, unique_targets
from origin import Origin, Page
from pipeline import Pipeline, wait_until
from taps import Follower, Tap, filmyfly, order, socket_path

TABOO = "hunter2-swordfish"  # the secret of every test


@pytest.fixture(scope="module")
def small(certificate):
    """Gateway and cacher, and an origin that the test plays."""
    made = Pipeline("", certificate, renderers=0, dbproxies=0, bad_frames=True)
    with Origin(made.run_dir) as origin, made:
        made.origin = origin
        yield made


def taps_of_gateway(pipeline):
    return [f"gateway/{pipeline['gateway'][0].name}.{loop}" for loop in (0, 1)]


# Looking on.


def test_a_page_is_seen_at_every_hop(pipeline, slugs):
    with Follower(pipeline.run_dir, "tap", "--json", "--type", "REQUEST,response,QUERY,RESULT,PING") as tap:
        for name in [*taps_of_gateway(pipeline), *(str(each) for each in pipeline.all() if each.stage != "gateway")]:
            tap.wait(lambda o, name=name: o["type"] == "PING" and o["instance"] == name, what=f"a PING at {name}")
        target = f"/movie/{slugs[5]}?tapped"
        assert pipeline.get(target).status == 200
        first = tap.wait(lambda o: o["type"] == "REQUEST" and o["way"] == "out" and o.get("target") == target and o["instance"].startswith("gateway"))
        seen, path = [], []

        def whole():
            seen[:] = [o for o in tap.objects() if o.get("trace") == first["trace"]]
            ids = {o["id"] for o in seen}
            path[:] = [(o["instance"].split("/")[0], o["side"], o["way"], o["type"]) for o in tap.objects() if o["id"] in ids]
            return len(path) >= 12

        with contextlib.suppress(TimeoutError):  # what is missing is said below
            wait_until(whole, 20, "twelve lines")
    assert set(path) == {
        ("gateway", "right", "out", "REQUEST"),
        ("cacher", "left", "in", "REQUEST"),
        ("cacher", "right", "out", "REQUEST"),
        ("renderer", "left", "in", "REQUEST"),
        ("renderer", "right", "out", "QUERY"),
        ("dbproxy", "left", "in", "QUERY"),
        ("dbproxy", "left", "out", "RESULT"),
        ("renderer", "right", "in", "RESULT"),
        ("renderer", "left", "out", "RESPONSE"),
        ("cacher", "right", "in", "RESPONSE"),
        ("cacher", "left", "out", "RESPONSE"),
        ("gateway", "right", "in", "RESPONSE"),
    }
    assert len(path) == 12, "each message is shown once at each side"
    assert first["peer"] == "cacher/1" and first["method"] == "GET" and first["client"] == "127.0.0.1"
    arrived = next(o for o in seen if o["way"] == "in" and o["instance"] == "cacher/1")
    assert arrived["peer"] == first["instance"] and arrived["head_bytes"] == first["head_bytes"]
    query = next(o for o in seen if o["type"] == "QUERY" and o["way"] == "out")
    assert query["batch"][0]["statement"] and query["peer"].startswith("dbproxy/")
    parameters = [text for call in query["batch"] for text in call["parameters"] if text is not None]
    assert parameters and all(re.fullmatch(r"\(\d+ bytes\)", text) for text in parameters)


def test_lines_for_people_say_what_matters(pipeline, slugs):
    with Follower(pipeline.run_dir, "tap", "cacher", "--type", "REQUEST,RESPONSE", "--count", "4") as tap:
        end = time.monotonic() + 20
        while tap.process.poll() is None and time.monotonic() < end:
            assert pipeline.get(f"/movie/{slugs[6]}?lines={time.monotonic()}").status == 200
        assert tap.process.wait(5) == 0
        wait_until(lambda: len(tap.lines) == 4, 5, "four lines")
        text = "\n".join(tap.lines)
    assert re.search(
        r"^\d\d:\d\d:\d\d\.\d{6} cacher/1 <- gateway/t1\.\d REQUEST [0-9a-f]{16} GET https?://localhost\S*/movie/"
        r"\S+\?lines=\S+ for 127\.0\.0\.1 trace \S+$",
        text,
        re.M,
    ), text
    assert re.search(r" cacher/1 <- renderer/t\d RESPONSE [0-9a-f]{16} 200 text/html; charset=utf-8.* \+\d+ B$", text, re.M)


def test_only_what_was_asked_for_is_shown(small):
    with Tap(small.run_dir, "cacher/1", topics=("PONG", "RESPONSE")) as tap, Tap(
        small.run_dir, "cacher/1", topics=("REQUEST",)
    ) as other:
        tap.until(lambda record: record.topic == "PONG")
        other.socket.poll(300)
        wait_until(lambda: small.get("/which").status and other.next(0.2), 20, "a REQUEST is shown")
        tap.until(lambda record: record.topic == "RESPONSE")
        for _ in range(5):
            tap.next()
        assert {record.topic for record in tap.records} == {"PONG", "RESPONSE"}
        assert {record.topic for record in other.records} == {"REQUEST"}


def test_what_cannot_be_read_is_shown_as_bad(small):
    with Tap(small.run_dir, "cacher/1") as tap:
        tap.settle()
        context = zmq.Context()
        dealer = context.socket(zmq.DEALER)
        dealer.connect(f"ipc://{small.run_dir}/cacher/1.sock")

        def shown():  # a record may be dropped, so more than once
            dealer.send_multipart([TABOO.encode(), b""])
            with contextlib.suppress(TimeoutError):
                return tap.until(lambda record: record.topic == "BAD", 2)
            return None

        record = wait_until(shown, 20, "a BAD record is shown")
        dealer.close(0)
        context.term()
    assert record.error and record.head == b"" and record.body == b"" and record.peer == "?"
    assert record.head_bytes == len(TABOO) and TABOO.encode() not in record.raw


def test_no_secret_leaves_the_stage(small):
    """Cookies, credentials, tokens and forms pass, and are nowhere in the bytes of any inspect socket."""
    names = ["cacher/1", *taps_of_gateway(small)]
    target = f"/form?page=2&access_token={TABOO}&%70assword={TABOO}"
    small.origin.pages[target] = Page(
        headers=[
            ("content-type", "text/plain"),
            ("set-cookie", f"__Host-session={TABOO}; Secure"),
            ("location", f"https://user:{TABOO}@example.org/?code={TABOO}"),
            ("x-api-key", TABOO),
        ],
        body=TABOO.encode(),
        status=201,
    )
    headers = [
        ("authorization", f"Bearer {TABOO}"),
        ("cookie", f"__Host-session={TABOO}"),
        ("x-csrf-token", TABOO),
        ("referer", f"https://localhost/reset?token={TABOO}"),
        ("user-agent", "plainly visible"),
    ]
    with Tap(small.run_dir, *names) as tap:
        for name in names:
            tap.until(lambda record, name=name: record.name == name)
        answer = small.get(target, method="POST", headers=headers, body=f"password={TABOO}".encode())
        assert answer.status == 201 and answer.text == TABOO
        records = tap.records
        tap.until(lambda _: [sum(r.topic == topic for r in records) for topic in ("REQUEST", "RESPONSE")] == [3, 3])
    asked = small.origin.asked[target][-1]
    assert TABOO in asked.header("authorization"), "the secrets were not there to be hidden"
    assert not [record for record in records if TABOO.encode() in record.raw]
    requests = [record for record in records if record.topic == "REQUEST"]
    assert len(requests) == 3 and all(record.body_bytes == len(TABOO) + 9 for record in requests)
    for record in requests:
        message = record.message()
        assert message.target == "/form?page=2&access_token=(hidden)&%70assword=(hidden)"
        assert message.header("authorization") == "(hidden)" and message.header("user-agent") == "plainly visible"
        assert message.header("referer") == "https://localhost/reset?token=(hidden)"
    response = next(record for record in records if record.topic == "RESPONSE").message()
    assert response.status == 201 and response.header("set-cookie") == "(hidden)"


def test_a_body_that_anybody_may_see_is_cut(small):
    small.origin.pages["/public"] = Page(headers=[("cache-control", "max-age=60")], body=b"0123456789" * 100)
    with Tap(small.run_dir, "cacher/1", topics=("RESPONSE",)) as tap:
        record = wait_until(lambda: small.get("/public").status and tap.next(0.2), 20, "a RESPONSE is shown")
    assert record.body == (b"0123456789" * 4)[:32] and record.body_bytes == 1000


# Readers who do not read.


def test_a_stopped_reader_neither_slows_nor_fills_who_is_tapped(small):
    """Records wait for it up to a bound, then they are dropped and counted; another reader soon gets all again."""
    cacher = small["cacher"][0]
    many = [(f"x-much-{n}", "y" * 250) for n in range(40)]  # a record of some 10,000 bytes, four a request

    def ask(times):
        with client.connect(small.http) as connection, connection.makefile("rb") as file:
            for n in range(times):
                connection.sendall(client.request_bytes("GET", f"/much?{n}", many))
                assert client.read_answer(file).status == 404

    def seconds(times):
        began = time.monotonic()
        ask(times)
        return time.monotonic() - began

    ask(200)
    alone = seconds(1000)
    with Follower(small.run_dir, "tap", "cacher", "--type", "REQUEST,RESPONSE") as reader:
        wait_until(lambda: ask(1) or reader.lines, 20, "the reader is shown something")
        ask(200)
        shown = cacher.stats()["tap.shown"]
        before, dropped = cacher.rss(), cacher.stats()["tap.dropped"]
        reader.process.send_signal(signal.SIGSTOP)
        took = seconds(1000)
        stats = cacher.stats()
        assert stats["tap.shown"] > shown and stats["tap.dropped"] > dropped, "nothing was dropped"
        grown = cacher.rss() - before
        with Tap(small.run_dir, "cacher/1", topics=("REQUEST",)) as other:
            wait_until(lambda: ask(5) or other.next(0.05), 20, "another reader is shown something")
        reader.process.send_signal(signal.SIGCONT)
        wait_until(
            lambda: ask(5) or [line for line in reader.complaints if "messages of cacher/1 are not shown" in line],
            20,
            "the reader hears what it missed",
        )
    # All 4,000 records are 40 MB; 256 of them, and what the kernel holds, 3.
    print(f"1,000 requests in {took:.2f} s with a stopped reader, {alone:.2f} s with none; {grown / 1e6:.1f} MB more")
    assert grown < 20e6 and took < 2 * alone + 0.5
    wait_until(lambda: not small.faults(), 1, "no complaints")


def test_who_goes_away_costs_nothing_more(small):
    cacher = small["cacher"][0]
    with Tap(small.run_dir, "cacher/1") as tap:
        tap.settle()
    time.sleep(0.1)

    def silent():
        before = cacher.stats()["tap.shown"]
        time.sleep(0.5)  # some heartbeats
        return cacher.stats()["tap.shown"] == before

    wait_until(silent, 10, "nothing is shown to nobody")


# Hostile.


def test_garbage_ends_nobody(small):
    cacher = small["cacher"][0]
    path = socket_path(small.run_dir, "cacher/1")
    lives, unknown = cacher.pid, cacher.stats()["inspect.unknown"]
    rng = random.Random(5)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
    for n in range(60):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(5)
            raw.connect(path)
            try:
                if n % 2:
                    raw.sendall(greeting + b"\x04\x26\x05READY\x0bSocket-Type\x00\x00\x00\x04XSUB\x08Identity" + bytes(4))
                if n % 4 == 3:
                    raw.sendall(b"\x02" + struct.pack(">Q", 1 << 62))  # a frame of that length
                raw.sendall(rng.randbytes(rng.randrange(1, 4000)))
            except OSError:
                pass  # it hung up, as it may
    for frame in (b"reboot", b"restart\n", b"RESTART", b"drain ", b"\x02\x00", b"", rng.randbytes(200), b"x" * 5000):
        order(small.run_dir, "cacher/1", frame)
    order(small.run_dir, "cacher/1", b"\x01" + b"no such topic")
    order(small.run_dir, "cacher/1", b"\x00REQUEST")
    wait_until(lambda: cacher.stats()["inspect.unknown"] >= unknown + 6, 10, "what is no order is counted")
    assert small.get("/still").status == 404
    assert cacher.pid == lives and cacher.socket_path().exists()
    assert "is no command; dropped" in cacher.log()


def test_only_owner_and_group_may_connect(small):
    for name in ("cacher/1", *taps_of_gateway(small)):
        mode = os.stat(socket_path(small.run_dir, name)).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660


# Orders.


def is_locked(pipeline, instance):
    path = pipeline.run_dir / instance.stage / f"{instance.name}.lock"
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_state(instance, state):
    wait_until(lambda: instance.stats()["process.state"] == state, 20, f"{instance} is in state {state}")


@pytest.fixture
def full(new_pipeline):
    return new_pipeline(deaths=True)


def test_drained_and_restarted_under_load_nothing_is_lost(full, slugs, rate):
    """One of two renderers and one of two dbproxies; and then the cacher, for which requests wait."""
    load = Load(full.http, unique_targets([f"/movie/{slug}" for slug in slugs], "orders"), rate=rate / 2).start()
    for instance in (full["renderer"][0], full["dbproxy"][0]):
        order(full.run_dir, f"{instance.stage}/{instance.name}", b"drain")
        wait_state(instance, 3)
        assert not instance.socket_path().exists() and is_locked(full, instance)
        wait_until(lambda i=instance: i.stats()["left.held"] == 0, 10, "what it held is finished")
        before = instance.stats()["left.in.REQUEST"] + instance.stats()["left.in.QUERY"]
        time.sleep(1)
        assert instance.stats()["left.in.REQUEST"] + instance.stats()["left.in.QUERY"] == before, "it took work"
        order(full.run_dir, f"{instance.stage}/{instance.name}", b"restart")
        wait_until(lambda i=instance: i.restarts == 1 and i.socket_path().exists(), 30, f"{instance} is back")
        assert instance.deaths[-1][1] == 75
    cacher = full["cacher"][0]
    order(full.run_dir, "cacher/1", b"restart")
    wait_until(lambda: cacher.restarts == 1 and cacher.socket_path().exists(), 30, "the cacher is back")
    assert cacher.deaths[-1][1] == 75
    time.sleep(0.5)
    report = load.stop()
    assert report.good(), report.story(full.events)
    inspects = sorted(path.name for path in full.run_dir.glob("*/*.inspect"))
    assert inspects == ["1.inspect", "t1.0.inspect", "t1.1.inspect", "t1.inspect", "t1.inspect", "t2.inspect", "t2.inspect"]


def test_a_drained_gateway_finishes_and_waits(full, slugs):
    gateway = full["gateway"][0]
    path = f"gateway/{gateway.name}.1"
    with client.connect(full.http) as busy, client.connect(full.http) as idle, busy.makefile("rb") as file:
        busy.sendall(client.request_bytes("GET", "/movies"))
        assert client.read_answer(file).status == 200
        order(full.run_dir, path, b"drain")
        wait_state(gateway, 3)
        busy.settimeout(20)
        idle.settimeout(20)
        assert idle.recv(1) == b"" and file.read(1) == b"", "idle connections are closed"
    assert is_locked(full, gateway) and gateway.restarts == 0
    accepted = gateway.stats()["connections.accepted"]
    with socket.create_connection(full.http) as waiting:  # the test holds the listening sockets
        time.sleep(0.5)
        assert gateway.stats()["connections.accepted"] == accepted
        order(full.run_dir, path, b"restart")
        wait_until(lambda: gateway.restarts == 1, 20, "the gateway ends")
        assert gateway.deaths[-1][1] == 75
        waiting.settimeout(20)
        waiting.sendall(client.request_bytes("GET", f"/movie/{slugs[0]}"))
        with waiting.makefile("rb") as file:
            assert client.read_answer(file).status == 200, "who waited is served by the next life"


# The program's own errors.


def test_what_cannot_be_tapped_is_said_in_a_line(small, tmp_path):
    status, out, err = filmyfly(small.run_dir, "tap", "renderer", check=False)
    assert status == 2 and not out and err.count("\n") == 1 and "renderer" in err and str(small.run_dir) in err
    status, out, err = filmyfly(tmp_path / "absent", "tap", check=False)
    assert status == 2 and err.count("\n") == 1 and "absent" in err
    for wrong in (["--type", "REQUEST,FOO"], ["--type", ""], ["--count", "0"], ["--count", "many"], ["nonsense"]):
        status, out, err = filmyfly(small.run_dir, "tap", *wrong, check=False)
        assert status == 64 and not out and err.count("\n") == 1


def test_a_tap_goes_on_with_the_next_life(small):
    cacher = small["cacher"][0]
    with Follower(small.run_dir, "tap", "cacher", "--json", "--type", "PONG") as tap:
        tap.wait(lambda o: o["type"] == "PONG")
        cacher.restart()
        small.wait_ready("/py/status/200")
        n = len(tap.lines)
        wait_until(lambda: len(tap.lines) > n + 2, 20, "the new life is shown")
        assert all(json.loads(line)["instance"] == "cacher/1" for line in list(tap.lines))
