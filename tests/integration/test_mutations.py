"""Thousands of streams that are nearly HTTP/1.1 or HTTP/2: the gateway lives, answers others, and holds nothing when they are gone."""

import collections
import contextlib
import os
import random
import socket
import ssl
import time

import client
import mutations
import pytest
from test_gateway import Cacher, Gateway, short_folder, wait_until

OPEN = 40  # connections at a time


@pytest.fixture(name="site")
def _site():
    with short_folder() as home:
        cacher, gateway = Cacher(home / "run"), Gateway(home, deadline="300ms", write_deadline="300ms")
        yield gateway
        gateway.stop()
        cacher.end()


def send(connection, data, source):
    """In one piece or several, to the end or not."""
    connection.settimeout(5)
    with contextlib.suppress(OSError):
        if source.random() < 0.3 and len(data) > 1:
            at = source.randrange(1, len(data))
            connection.sendall(data[:at])
            data = data[at:]
        connection.sendall(data)


def drop(connection):
    connection.setblocking(False)
    with contextlib.suppress(OSError):
        connection.recv(65536)
    connection.close()


def by_http1(site, source):
    connection = socket.create_connection(site.http, 10)
    send(connection, mutations.first_stream(source), source)
    return connection


def by_http2(site, source, context, seeds):
    connection = context.wrap_socket(socket.create_connection(site.https, 10), server_hostname="localhost")
    send(connection, mutations.second_stream(source, seeds), source)
    return connection


def attack(site, number, make):
    waiting = collections.deque()
    for n in range(number):
        waiting.append(make(random.Random(n)))
        if len(waiting) > OPEN:
            drop(waiting.popleft())
        if n % 500 == 0:
            assert site.process.poll() is None, f"after {n}: {site.text()[-3000:]}"
            assert client.fetch(site.http, "/healthz").status == 200
    for connection in waiting:
        drop(connection)


@pytest.mark.parametrize("protocol, number", [("http1", 2000), ("http2", 1000), pytest.param("http1", 50000, marks=pytest.mark.long),
                                              pytest.param("http2", 50000, marks=pytest.mark.long)])
@pytest.mark.timeout(7000)
def test_nothing_that_is_nearly_http_hurts(site, protocol, number):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    seeds = mutations.second()
    descriptors = len(os.listdir(f"/proc/{site.process.pid}/fd"))
    began = time.monotonic()
    attack(site, number, lambda source: by_http1(site, source) if protocol == "http1" else by_http2(site, source, context, seeds))
    print(f"{number} streams in {time.monotonic() - began:.0f} s: {site.stats()['requests']} requests")
    wait_until(lambda: site.stats()["connections"] == 0, 40)
    assert len(os.listdir(f"/proc/{site.process.pid}/fd")) <= descriptors + 1
    connection = client.fetch(site.https, "/healthz", tls=True)
    assert connection.status == 200
    assert "Assertion" not in site.text() and "Sanitizer" not in site.text() and "runtime error" not in site.text(), site.text()[-3000:]
