"""A renderer in Python, written from PROTOCOL.md alone, behind the real stages: what passes through them, and how."""

import contextlib
import json
import time

import pytest

import client
import wire
from pipeline import Pipeline, wait_until


@pytest.fixture(scope="module")
def pipeline(database_url, certificate):
    """One Python renderer and no other."""
    with Pipeline(
        database_url, certificate, renderers=0, dbproxies=1, pythons=1, env={"FILMYFLY_DEADLINE": "3s"}
    ) as made:
        yield made


def together(address, requests, tls=False):
    """Sends all the requests, then reads all the answers."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(client.connect(address, tls)) for _ in requests]
        for connection, request in zip(connections, requests):
            connection.sendall(request)
        return [client.read_answer(stack.enter_context(connection.makefile("rb"))) for connection in connections]


def echo(pipeline, **options):
    answer = pipeline.get(options.pop("target", "/py/echo"), **options)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def lines_of(told, name):
    return [value for key, value in told["headers"] if key.lower() == name]


def test_movie_pages_are_served_through_it_alone(pipeline, slugs):
    for slug in slugs[:20]:
        answer = pipeline.get(f"/movie/{slug}")
        assert answer.status == 200 and slug in answer.text and answer.line("x-renderer").startswith("python"), answer
    assert pipeline.get("/movie/no-such-movie-at-all").status == 404


def test_it_serves_beside_the_renderers_in_c(shared_pipeline, slugs):
    python = shared_pipeline.add_python()
    try:
        asked, by_python = 0, 0

        def both_served():
            nonlocal asked, by_python
            paths = [f"/movie/{slug}?beside={asked}" for slug in slugs[:10]]
            answers = together(shared_pipeline.http, [client.request_bytes("GET", path) for path in paths])
            assert [answer.status for answer in answers] == [200] * 10
            asked += 10
            by_python += sum(answer.line("x-renderer") is not None for answer in answers)
            return 0 < by_python < asked

        end = time.monotonic() + 10
        while not both_served():
            assert time.monotonic() < end, f"{by_python} of {asked} pages came from the Python renderer"
    finally:
        assert shared_pipeline.remove(python) == 0


def test_the_release_before_is_spoken_with_it(new_pipeline):
    with_old = new_pipeline(renderers=0, dbproxies=0, pythons=1)
    with_old.add_python("old", "--protocol", "1")
    seen = set()
    end = time.monotonic() + 10
    while seen != {1, 2} and time.monotonic() < end:
        requests = [client.request_bytes("GET", f"/py/echo?{n}-{time.monotonic()}") for n in range(8)]
        seen |= {json.loads(answer.body)["protocol"] for answer in together(with_old.http, requests)}
    assert seen == {1, 2}


def test_headers_reach_the_renderer_in_order_with_duplicates(pipeline):
    sent = [
        ("x-one", "1"),
        ("accept", "text/html"),
        ("X-One", '2, "a,b"'),
        ("x-bytes", b"\xe9\xff\x80"),
        ("x-empty", ""),
        ("accept", "*/*"),
        ("x-one", "3"),
        ("authorization", "Basic Zm9v"),
        ("if-none-match", '"x"'),
        ("range", "bytes=0-1"),
    ]
    told = echo(
        pipeline,
        headers=[
            *sent,
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("proxy-connection", "x"),
            ("x-gone", "1"),
            ("connection", "x-gone"),
        ],
    )
    kept = [[name.lower(), client.to_bytes(value).decode("utf-8", "surrogateescape")] for name, value in sent]
    assert [[name.lower(), value] for name, value in told["headers"] if name.lower() != "host"] == kept
    assert lines_of(told, "host") == ["localhost"]
    assert told["client"].startswith("127.0.0.1")


def test_any_method_and_the_raw_target_pass(pipeline):
    for method in ("PURGE", "M-SEARCH", "DELETE", "x", "!#$%&'*+-.^_`|~9"):
        assert echo(pipeline, method=method)["method"] == method
    # A page for all is asked for by its normal name; somebody's own request is passed on as it is.
    for target in ("/py/echo?a=%zz&&b=%00;c", "/py/echo/./echo//x?", "/py/echo/%2e/%2F", "/py/echo?" + "q" * 8000):
        assert echo(pipeline, target=target, method="POST")["target"] == target
    assert echo(pipeline, target="/py/echo/./echo//%78?")["target"] == "/py/echo/echo//x"
    assert echo(pipeline)["scheme"] == "https"
    assert echo(pipeline, tls=False)["scheme"] == "http"


def test_bodies_pass_both_ways(pipeline):
    body = bytes(range(256)) * 16
    assert bytes.fromhex(echo(pipeline, method="POST", body=body)["body"]) == body
    for size in (0, 1, 65536, 3_000_000):
        answer = pipeline.get(f"/py/large?bytes={size}")
        assert len(answer.body) == size == int(answer.line("content-length"))
    assert pipeline.get("/py/large?bytes=1000", "HEAD").line("content-length") == "1000"
    assert pipeline.get("/py/large?bytes=4300000").status == 500  # beyond FILMYFLY_BODY_MAX


def test_any_status_passes(pipeline):
    for status in (200, 203, 226, 299, 308, 399, 400, 418, 451, 499, 500, 502, 503, 599, 600, 999):
        answer = pipeline.get(f"/py/status/{status}")
        assert answer.status == status and answer.body == b"status\n", answer
    for status in (204, 304):
        answer = pipeline.get(f"/py/status/{status}", headers=[("authorization", "x"), ("if-none-match", "*")])
        assert (answer.status, answer.body) == (status, b"")


def test_headers_of_the_answer_pass_untouched(pipeline):
    answer = pipeline.get("/py/headers")
    ours = (b"x-renderer", b"x-cache-status", b"x-request-id", b"x-content-type-options", b"x-frame-options", b"x-xss-protection")
    own = [(name.lower(), value) for name, value in answer.headers if name.lower().startswith((b"x-", b"link"))]
    assert [line for line in own if line[0] not in ours] == [
        (b"x-twice", b"one"),
        (b"x-other", b"a  b\tc"),
        (b"x-twice", b'two, "three"'),
        (b"x-capitals", b"kept"),
        (b"x-bytes", b"\xe9\xff"),
        (b"x-empty", b""),
        (b"link", b"</a>; rel=x"),
        (b"link", b"</b>; rel=y"),
    ]


def test_an_origin_that_hangs_up_is_told_from_its_own_5xx(pipeline):
    said = pipeline.get("/py/status/503")
    assert said.body == b"status\n" and said.line("x-renderer")
    hung = pipeline.get("/py/hangup")
    assert hung.status in (502, 503) and hung.line("x-renderer") is None and b"status" not in hung.body
    assert hung.line("cache-control") == "no-store"


def test_no_answer_in_time_is_503_with_retry_after(pipeline):
    began = time.monotonic()
    answer = pipeline.get("/py/never")
    assert answer.status == 503 and int(answer.line("retry-after")) >= 1
    assert 2.5 < time.monotonic() - began < 3.3


def test_a_hundred_at_once_each_get_a_cookie_of_their_own(pipeline):
    answers = together(pipeline.http, [client.request_bytes("GET", "/py/cookie")] * 100)
    assert [answer.status for answer in answers] == [200] * 100
    cookies = {answer.line("set-cookie") for answer in answers}
    assert len(cookies) == 100, f"{100 - len(cookies)} visitors got the cookie of another"
    assert all(f"visitor={answer.text};" in answer.line("set-cookie") for answer in answers)


def test_a_hundred_at_once_ask_the_renderer_once(pipeline):
    target = f"/py/slow?ms=500&{time.monotonic()}"
    answers = together(pipeline.http, [client.request_bytes("GET", target)] * 100)
    assert [answer.status for answer in answers] == [200] * 100
    assert {answer.line("x-asked") for answer in answers} == {"1"}


def test_private_answers_are_not_shared(pipeline):
    answers = together(pipeline.http, [client.request_bytes("GET", "/py/private")] * 20)
    assert len({answer.body for answer in answers}) == 20


def test_vary_keeps_apart_what_waits_together(pipeline):
    flavours = [f"f{n % 3}" for n in range(30)]
    answers = together(
        pipeline.http, [client.request_bytes("GET", "/py/vary", [("x-flavour", each)]) for each in flavours]
    )
    assert [answer.text for answer in answers] == flavours


def test_requests_with_a_session_are_not_shared(pipeline):
    target = f"/py/slow?ms=300&{time.monotonic()}"
    sessions = [f"__Host-session={n:043d}" for n in range(5)]
    requests = [client.request_bytes("GET", target, [("cookie", each)]) for each in sessions]
    assert sorted(answer.line("x-asked") for answer in together(pipeline.http, requests)) == list("12345")


def test_what_dies_with_each_renderer_is_500_and_others_are_served(new_pipeline):
    own = new_pipeline(renderers=0, dbproxies=0, pythons=2, deaths=True, env={"FILMYFLY_DEADLINE": "10s"})
    dead = own.get("/py/die", timeout=15)
    assert dead.status == 500, dead
    own.wait_ready("/py/status/200")
    assert own.get("/py/die", timeout=15).status == 500
    assert sum(instance.restarts for instance in own["renderer"]) == 3
    assert own.get("/py/status/200?again").status == 200


def test_a_write_is_never_sent_twice(new_pipeline):
    own = new_pipeline(renderers=0, dbproxies=0, pythons=2, deaths=True)
    answer = own.get("/py/die", "POST", body=b"x")
    assert answer.status == 503 and "sending" in answer.text.lower(), answer
    wait_until(lambda: sum(instance.restarts for instance in own["renderer"]) == 1, 2, "one death is seen")


def test_left_sides_of_both_releases_are_served_at_once(pipeline):
    for protocols in ((1, 1), (1, 2)):
        left = wire.Left(str(pipeline.run_dir), "cacher", protocols=protocols)
        try:
            told = json.loads(left.get(f"/py/echo?{protocols}", headers=[("cookie", "a=b")]).body)
            assert told["target"].startswith("/py/echo") and told["protocol"] == 2
        finally:
            left.close()
