"""What one client may take: connections, requests that the store cannot answer, time. And who a client is when a proxy stands in front.

The limits hold for loopback addresses here, of which every test has as many as it likes."""

import contextlib
import os
import socket
import subprocess
import time

import pytest

import client
from pipeline import wait_until
from test_gateway import H2, PROGRAM, Cacher, Gateway, short_folder
from test_headers import check_table

OTHER = "127.0.0.2"


@pytest.fixture(name="start")
def _start():
    """start(setting=…) makes a gateway with its cacher; ended and checked at the test's end."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(short_folder())

        def make(**settings):
            cacher = Cacher(home / "run")
            stack.callback(cacher.end)
            gateway = Gateway(home, **{"http_mode": "serve", "limit_loopback": "on", "loops": 1, **settings})
            gateway.cacher = cacher
            stack.callback(gateway.stop)
            return gateway
        yield make


def connect(gateway, source=None, timeout=10):
    connection = socket.create_connection(gateway.http, timeout, source_address=(source, 0) if source else None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def get(gateway, target, source=None, headers=()):
    with connect(gateway, source) as connection:
        connection.sendall(client.request_bytes("GET", target, [*headers, ("connection", "close")]))
        return client.read_answer(connection.makefile("rb"))


# Memory.


def begin_upload(gateway, n):
    """A request that lacks its last byte."""
    connection = connect(gateway)
    connection.sendall(b"POST /admin/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % n + bytes(n - 1))
    return connection


def test_who_holds_most_is_cut_and_not_who_comes_last(start):
    gateway = start()
    holders = [begin_upload(gateway, 4 << 20) for _ in range(5)] + [begin_upload(gateway, (4 << 20) - 20000)]
    wait_until(lambda: gateway.stats()["connections"] == 6, 10, "they are there")
    time.sleep(0.5)
    for _ in range(3):
        with connect(gateway) as other:
            other.sendall(client.request_bytes("POST", "/admin/x", body=bytes(100000)))
            assert client.read_answer(other.makefile("rb")).status == 200
    assert gateway.stats()["cut.memory"] == 1
    for holder in holders:
        holder.close()


def test_what_was_answered_is_held_no_longer(start):
    gateway = start()
    idle = []
    for _ in range(8):
        connection = connect(gateway)
        connection.sendall(client.request_bytes("POST", "/admin/x", body=bytes(4 << 20)))
        assert client.read_answer(connection.makefile("rb")).status == 200
        idle.append(connection)
    for connection in idle:
        connection.sendall(client.request_bytes("GET", "/again"))
        assert client.read_answer(connection.makefile("rb")).status == 200
        connection.close()
    assert gateway.stats()["cut.memory"] == 0


# Requests.

def test_who_asks_for_too_many_pages_is_told_when_to_come_again(start):
    gateway = start(client_misses=1)
    answers = [get(gateway, f"/{n}") for n in range(14)]
    allowed = [answer.status for answer in answers].count(200)
    assert 10 <= allowed <= 12 and {answer.status for answer in answers[allowed:]} == {429}
    assert answers[-1].line("retry-after") == "1" and answers[-1].line("cache-control") == "no-store"
    assert "Too many requests" in answers[-1].text
    check_table(answers[-1], tls=False)
    assert get(gateway, "/api/v1/movies").line("content-type") == "application/problem+json"
    assert len(gateway.cacher.seen) == allowed  # nothing of it reached the pipeline
    assert get(gateway, "/healthz").status == 200 and get(gateway, "/static/site.0a1b2c3d.css").status == 200
    assert get(gateway, "/other", OTHER).status == 200
    assert gateway.stats()["limited.requests"] == 15 - allowed
    wait_until(lambda: get(gateway, "/again").status == 200, 10, "the client may ask again")


def test_one_client_cannot_fill_the_pipeline(start):
    gateway = start(client_asking=2)
    gateway.cacher.answer["/slow"] = gateway.cacher.delay(0.7, lambda ticket: ticket.respond(200, [], b"slow"))
    waiting = H2(gateway.https)
    streams = [waiting.request("/slow") for _ in range(2)]
    wait_until(lambda: len(gateway.cacher.messages("/slow")) == 2, 5, "both wait")
    refused = get(gateway, "/third")
    assert (refused.status, refused.line("retry-after")) == (429, "1")
    assert get(gateway, "/third", OTHER).status == 200
    while not all(waiting.answers[stream][3] for stream in streams):
        waiting.receive()
    waiting.close()
    assert get(gateway, "/third").status == 200


def test_loopback_has_no_limit_unless_it_is_set(start):
    gateway = start(client_misses=1, client_connections=2, client_connects=1, limit_loopback="off")
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(connect(gateway))
        assert {get(gateway, f"/{n}").status for n in range(20)} == {200}


def test_few_requests_of_a_connection_are_worked_on_at_a_time(start):
    gateway = start(streams=3)
    gateway.cacher.answer["/held"] = lambda ticket: gateway.cacher.later.append((0, lambda t: held.append(t), ticket))
    held = []
    connection = H2(gateway.https)
    streams = [connection.request("/held") for _ in range(9)]
    for done in range(9):
        wait_until(lambda: len(held) >= min(3, 9 - done), 5, "three are asked")
        assert len(gateway.cacher.messages("/held")) <= done + 3
        ticket = held.pop(0)
        gateway.cacher.later.append((0, lambda t: t.respond(200, [], b"x"), ticket))
    while not all(connection.answers[stream][3] for stream in streams):
        connection.receive()
    connection.close()


# Connections.

def is_closed(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_a_client_has_only_so_many_connections(start):
    gateway = start(client_connections=3)
    wait_until(lambda: gateway.stats()["connections"] == 0, 5, "nobody is there")
    held = [connect(gateway) for _ in range(3)]
    wait_until(lambda: gateway.stats()["connections"] == 3, 5, "three are taken")
    assert is_closed(connect(gateway))
    assert get(gateway, "/", OTHER).status == 200
    held.pop().close()
    wait_until(lambda: gateway.stats()["connections"] <= 2, 5, "one is gone")
    assert get(gateway, "/").status == 200
    assert gateway.stats()["limited.connections"] == 1
    for each in held:
        each.close()


def test_a_client_opens_only_so_many_connections_a_second(start):
    gateway = start(client_connects=2)

    def is_taken():
        with connect(gateway) as connection:
            try:
                connection.sendall(client.request_bytes("GET", "/healthz", [("connection", "close")]))
                return client.read_answer(connection.makefile("rb")).status == 200
            except ConnectionError:
                return False
    taken = [is_taken() for _ in range(20)]
    assert 4 <= taken.count(True) <= 14 and not all(taken)
    wait_until(is_taken, 5, "one is taken again")


def test_where_there_is_no_room_those_who_say_nothing_go(start):
    gateway = start(connections=16, client_connections=0, client_connects=0)
    silent = [connect(gateway) for _ in range(24)]
    for each in silent:
        each.sendall(b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    assert get(gateway, "/").status == 200
    assert time.monotonic() - began < 20  # twice the room, and those who are in the way go after five seconds; by themselves after 30
    assert gateway.stats()["cut.idle"] >= 8
    for each in silent:
        each.close()


def test_where_there_is_no_room_an_upload_goes_on(start):
    gateway = start(connections=16, client_connections=0, client_connects=0)
    upload, waiting = begin_upload(gateway, 1000), []
    time.sleep(0.2)
    waiting = [connect(gateway) for _ in range(40)]
    time.sleep(7)  # those who say nothing go after five seconds
    upload.sendall(b"x")
    assert client.read_answer(upload.makefile("rb")).status == 200
    for each in [upload, *waiting]:
        each.close()


# Time.

def test_an_answer_that_is_not_taken_ends_the_connection(start):
    gateway = start(send_wait="1s", client_wait="60s")
    gateway.cacher.answer["/big"] = lambda ticket: ticket.respond(200, [], bytes(4 << 20))
    for tls in (False, True):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(gateway.https if tls else gateway.http)
        connection.settimeout(10)
        if tls:
            connection = client.TLS.wrap_socket(connection, server_hostname="localhost")
        connection.sendall(client.request_bytes("GET", "/big"))
        wait_until(lambda: gateway.stats()["connections"] >= 1, 5, "it is there")
    # A second, and one more for each 8 KB: a long time, for who takes a little. The buffers of the kernel take none of it.
    slow = H2(gateway.https)
    slow.h2.update_settings({4: 0})
    slow.request("/small")
    wait_until(lambda: gateway.stats()["cut.slow_reader"] >= 1, 20, "who takes nothing of a small page is cut")
    slow.close()


@pytest.mark.parametrize("what", ["body", "frame"])
def test_a_request_that_does_not_arrive_ends_the_connection(start, what):
    gateway = start(client_wait="1s")
    connection = H2(gateway.https)
    assert connection.get("/before").status == 200
    if what == "body":
        connection.h2.send_headers(3, [(":method", "POST"), (":authority", "localhost"), (":scheme", "https"), (":path", "/p")])
        connection.flush()
    began = time.monotonic()
    with contextlib.suppress(OSError):
        while time.monotonic() - began < 20:
            connection.socket.sendall(b"\0\0\1\0\0\0\0\0\3x" if what == "body" else b"\0")
            time.sleep(0.3)
            if gateway.stats()["cut.slow_request"]:
                break
    assert gateway.stats()["cut.slow_request"] == 1
    assert gateway.cacher.messages("/p") == []
    connection.close()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("start_of", [b"GET / HTTP/1.1\r\nHost: localhost\r\nx-slow: ",
                                      b"POST /admin/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"], ids=["head", "body"])
def test_a_request_that_comes_a_byte_at_a_time_by_http1_ends_the_connection(start, start_of, tls):
    gateway = start(client_wait="1s")
    with client.connect(gateway.https if tls else gateway.http, tls=tls) as connection:
        connection.sendall(start_of)
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 15:
                connection.sendall(b"x")
                time.sleep(0.2)
                if gateway.stats()["connections"] == 0:
                    break
    assert gateway.stats()["connections"] == 0 and time.monotonic() - began < 10
    assert gateway.cacher.seen == []


def test_answers_that_nobody_takes_by_http1_end_the_connection(start):
    gateway = start(send_wait="1s", client_wait="60s")
    gateway.cacher.answer["/page"] = lambda ticket: ticket.respond(200, [], bytes(60000))
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(gateway.http)
    connection.settimeout(0.5)
    with contextlib.suppress(OSError):
        connection.sendall(client.request_bytes("GET", "/page") * 200)
    wait_until(lambda: gateway.stats()["cut.slow_reader"] == 1, 40, "who takes nothing is cut")
    connection.close()


def test_requests_without_waiting_for_answers_do_not_hold_the_others_up(start):
    gateway = start()
    with connect(gateway) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(client.request_bytes("GET", "/healthz") * 5000)
        with contextlib.suppress(ConnectionError):
            file = connection.makefile("rb")
            for answers in range(5000):
                if client.read_answer(file).line("connection") == "close":
                    break
    assert answers < 4999
    assert get(gateway, "/").status == 200


# Who a client is.

FORWARDED = [("x-forwarded-for", "6.6.6.6, 192.0.2.77"), ("cf-connecting-ip", "7.7.7.7"), ("x-request-id", "from-the-proxy.1")]


def test_a_trusted_proxy_tells_who_its_client_is(start):
    gateway = start(trusted_proxies="127.0.0.2, 10.0.0.0/8", client_misses=1, client_connects=1)
    answers = [get(gateway, "/p", OTHER, FORWARDED) for _ in range(15)]  # more than 4 connections: a proxy's are not limited
    message = gateway.cacher.messages("/p")[0]
    assert (message.client, message.trace) == ("192.0.2.77", "from-the-proxy.1")
    assert answers[0].line("x-request-id") == "from-the-proxy.1"
    assert answers[0].status == 200 and answers[-1].status == 429  # but its client's requests are
    again = get(gateway, "/q", OTHER, [("x-forwarded-for", "192.0.2.78")])
    assert again.status == 200 and gateway.cacher.messages("/q")[0].client == "192.0.2.78"
    assert get(gateway, "/r", OTHER, [("cf-connecting-ip", "2001:db8::9")]).status == 200
    assert gateway.cacher.messages("/r")[0].client == "2001:db8::9"


def test_anybody_else_is_not_believed(start):
    gateway = start(trusted_proxies="127.0.0.2")
    answer = get(gateway, "/p", "127.0.0.3", FORWARDED)
    message = gateway.cacher.messages("/p")[0]
    assert message.client == "127.0.0.3" and message.trace == answer.line("x-request-id") != "from-the-proxy.1"
    assert len(message.trace) == 16


@pytest.mark.parametrize("name", ["a b", "x" * 65, "", "a\"b", "caf\xe9"])
def test_a_name_that_is_none_is_replaced(start, name):
    gateway = start(trusted_proxies="127.0.0.0/8")
    answer = get(gateway, "/p", headers=[("x-request-id", name)])
    assert len(answer.line("x-request-id")) == 16


def test_a_list_of_proxies_that_is_none_is_refused():
    env = {**os.environ, "FILMYFLY_TRUSTED_PROXIES": "10.0.0.0/8, proxy.example", "FILMYFLY_HTTPS": ""}
    done = subprocess.run([PROGRAM, "--check"], env=env, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode != 0 and "FILMYFLY_TRUSTED_PROXIES" in done.stderr and "proxy.example" in done.stderr


def test_every_answer_that_is_on_record_has_a_name_of_its_own(start):
    gateway = start()
    connection = H2(gateway.https)
    names = [connection.get(target).line("x-request-id") for target in ["/", "/", "/none"]]
    assert len(set(names)) == 3 and set(names) <= {message.trace for message in gateway.cacher.seen}
    assert [connection.get(target).line("x-request-id") for target in ("/healthz", "/static/none")] == [None, None]
    connection.close()
