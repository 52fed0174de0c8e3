"""The access log: what a line holds and what it never holds, and that nobody waits for it."""

import os
import re
import subprocess
import time

import pytest

import client
from pipeline import wait_until
from test_gateway import H2, PROGRAM, Cacher, Gateway, short_folder

LINE = re.compile(r'(?P<peer>\S+) - - \[(?P<when>[^]]+)\] "(?P<method>\S+) (?P<target>\S*) (?P<version>HTTP/\d\.\d)" (?P<status>\d+) '
                  r'(?P<bytes>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" cache=(?P<cache>\S+) total=(?P<total>\d+\.\d{6}) '
                  r'wait=(?P<wait>\d+\.\d{6}) stages="(?P<stages>[^"]*)" id=(?P<id>\S+)\n')


class Logging(Gateway):
    """Its standard output is a file, or a pipe that the test may leave unread."""

    def __init__(self, home, pipe=None, **settings):
        type(self).out = open(home / "access", "wb") if pipe is None else pipe
        super().__init__(home, access_log="on", http_mode="serve", **settings)

    @classmethod
    def _start(cls, env, listen, log):
        return subprocess.Popen([PROGRAM], env=env, stdout=cls.out, stderr=log)

    def lines(self):
        text = (self.home / "access").read_bytes().decode("ascii")
        found = [LINE.fullmatch(line) for line in text.splitlines(keepends=True)]
        assert all(found), text
        return [each.groupdict() for each in found]

    def line(self, name):
        """The line of the request of that name."""
        return wait_until(lambda: next((line for line in self.lines() if line["id"] == name), None), 5, f"the line of {name}")


@pytest.fixture(scope="module", name="site")
def _site():
    with short_folder() as home:
        cacher = Cacher(home / "run")
        gateway = Logging(home)
        gateway.cacher = cacher
        yield gateway
        gateway.stop()
        cacher.end()


def test_a_line_tells_what_was_asked_and_answered(site):
    site.cacher.answer["/slow"] = site.cacher.delay(0.2, lambda t: t.respond(
        200, [("x-cache-status", "EXPIRED"), ("server-timing", 'renderer;dur=0.310, dbproxy;dur="0.7"')], b"12345"))
    answer = client.fetch(site.http, "/slow?page=2", headers=[("referer", "https://a.example/?q=1"), ("user-agent", "Tester/1.0")])
    line = site.line(answer.line("x-request-id"))
    assert (line["peer"], line["method"], line["target"], line["version"]) == ("127.0.0.1", "GET", "/slow?page=2", "HTTP/1.1")
    assert (line["status"], line["bytes"], line["cache"]) == ("200", "5", "EXPIRED")
    assert (line["referer"], line["agent"]) == ("https://a.example/?q=1", "Tester/1.0")
    assert 0.2 <= float(line["wait"]) <= float(line["total"]) < 5
    assert line["stages"] == r"renderer;dur=0.310, dbproxy;dur=\x220.7\x22" and answer.lines("server-timing") == []
    assert abs(time.time() - time.mktime(time.strptime(line["when"].split(" ")[0], "%d/%b/%Y:%H:%M:%S"))) < 90000
    assert line["id"] == site.cacher.messages("/slow")[-1].trace


def test_every_kind_of_answer_has_one(site):
    connection = H2(site.https)
    for target, status in [("/", "200"), ("/healthz", "200"), ("/static/none", "404"), ("/%", "400")]:
        line = site.line(connection.get(target).line("x-request-id"))
        assert (line["status"], line["version"], line["target"]) == (status, "HTTP/2.0", target)
        assert (line["wait"] == "0.000000") == (target != "/") and line["stages"] == "-"
    connection.close()
    with client.connect(site.http) as refused:
        refused.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n")
        name = client.read_answer(refused.makefile("rb")).line("x-request-id")
    assert site.line(name)["status"] == "413"


def test_no_cookie_and_no_secret_is_written(site):
    headers = [("cookie", "session=sesame-1"), ("authorization", "Bearer sesame-2"), ("referer", "https://a.example/?code=sesame-3")]
    answer = client.fetch(site.http, "/reset?token=sesame-4&page=2&pass%77ord=sesame-5", headers=headers)
    line = site.line(answer.line("x-request-id"))
    assert line["target"] == "/reset?token=***&page=2&pass%77ord=***"
    assert b"sesame" not in (site.home / "access").read_bytes()


def test_nothing_that_a_client_sends_looks_like_another_line(site):
    forged = '1.2.3.4 - - [x] "GET / HTTP/1.1" 200 0 "-" "-"\\ \x1b[2J\t\xff'
    answer = client.fetch(site.http, "/x", headers=[("user-agent", 'a" 200 0 "-" "' + forged), ("referer", forged)])
    if answer.status == 200:
        line = site.line(answer.line("x-request-id"))
        assert line["agent"].startswith("a\\x22 200") and "\\x1b[2J\\x09\\xff" in line["agent"]
    assert set((site.home / "access").read_bytes()) <= set(b"\n" + bytes(range(0x20, 0x7f)))
    long = client.fetch(site.http, "/" + "y" * 8000, headers=[("user-agent", "z" * 30000)])
    assert len(str(site.line(long.line("x-request-id")))) < 4200


def test_nobody_waits_for_who_reads_it():
    reader, writer = os.pipe()
    with short_folder() as home:
        cacher = Cacher(home / "run")
        gateway = Logging(home, pipe=writer, loops=1)
        os.close(writer)
        request = client.request_bytes("GET", "/healthz?" + "x" * 2000, [("referer", "y" * 700), ("user-agent", "z" * 500)])
        began, n = time.monotonic(), 0
        with client.connect(gateway.http) as connection:
            file = connection.makefile("rb")
            while not gateway.stats()["access_log.dropped"]:  # both buffers and the pipe are full
                for _ in range(50):
                    connection.sendall(request)
                    assert client.read_answer(file).status == 200
                n += 50
                assert time.monotonic() - began < 60
        written = b""
        while b"x" * 2000 not in written[-2500:] or len(written) < 64 << 10:
            written += os.read(reader, 1 << 20)
        wait_until(lambda: "lines of the access log are lost" in (drain(reader), gateway.text())[1], 20, "the log tells of it")
        gateway.process.terminate()
        while gateway.process.poll() is None:
            drain(reader)
            time.sleep(0.01)
        os.close(reader)
        gateway.stop()
        cacher.end()


def drain(reader):
    os.set_blocking(reader, False)
    try:
        while os.read(reader, 1 << 20):
            pass
    except BlockingIOError:
        pass


def test_what_was_logged_is_written_before_the_end():
    with short_folder() as home:
        cacher = Cacher(home / "run")
        gateway = Logging(home)
        names = [client.fetch(gateway.http, "/healthz").line("x-request-id") for _ in range(20)]
        gateway.stop()
        cacher.end()
        assert set(names) <= {line["id"] for line in gateway.lines()}


def test_a_reader_that_is_gone_ends_nothing():
    reader, writer = os.pipe()
    with short_folder() as home:
        cacher = Cacher(home / "run")
        gateway = Logging(home, pipe=writer)
        os.close(writer)
        os.close(reader)
        for _ in range(3):
            assert client.fetch(gateway.http, "/healthz").status == 200
            time.sleep(0.15)
        wait_until(lambda: "standard output takes none" in gateway.text(), 5, "the log tells of it")
        assert client.fetch(gateway.http, "/healthz").status == 200
        gateway.stop()
        cacher.end()
