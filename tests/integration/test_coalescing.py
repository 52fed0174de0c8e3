"""A thousand clients at once on one page: how often the renderer is asked, counted at the origin."""

import contextlib
import itertools
import time

import pytest

import client
from origin import Origin, Page, cached
from pipeline import Pipeline, wait_until

CLIENTS = 1000


@pytest.fixture(scope="module")
def pipeline(certificate):
    env = {"FILMYFLY_CACHE_DIR": "cache", "FILMYFLY_DEADLINE": "20s"}
    made = Pipeline("", certificate, renderers=0, dbproxies=0, env=env)
    with Origin(made.run_dir) as origin, made:
        made.origin = origin
        origin.pages["/warm"] = cached()
        wait_until(lambda: made.get("/warm", tls=False).line("x-cache-status") == "HIT", 5, "the first hit")
        yield made


def crowd(pipeline, target, n=CLIENTS, headers=()):
    """So many at once; their answers and the seconds that it took."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(client.connect(pipeline.http, timeout=30)) for _ in range(n)]
        began = time.monotonic()
        for connection in connections:
            connection.sendall(client.request_bytes("GET", target, headers))
        answers = [client.read_answer(stack.enter_context(connection.makefile("rb"))) for connection in connections]
        return answers, time.monotonic() - began


def words(answers):
    return {answer.line("x-cache-status") for answer in answers}


def test_an_absent_page_is_asked_for_once(pipeline):
    pipeline.origin.pages["/absent"] = cached(b"one", delay=0.5)
    answers, _ = crowd(pipeline, "/absent")
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"one")}
    assert pipeline.origin.count("/absent") == 1
    assert words(answers) <= {"MISS", "HIT"}
    assert any("collapsed" in answer.line("cache-status") for answer in answers)


def test_an_expired_page_is_asked_for_once(pipeline):
    pipeline.origin.pages["/expired"] = [cached(b"old", "max-age=1"), cached(b"new", "max-age=60", delay=0.5)]
    assert pipeline.get("/expired", tls=False).body == b"old"
    time.sleep(1.1)
    answers, _ = crowd(pipeline, "/expired")
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"new")}
    assert pipeline.origin.count("/expired") == 2
    assert words(answers) <= {"EXPIRED", "HIT"}


def test_an_expired_page_that_may_be_served_is_refreshed_once(pipeline):
    control = "max-age=1, stale-while-revalidate=60"
    pipeline.origin.pages["/behind"] = [cached(b"old", control), cached(b"new", "max-age=60", delay=1)]
    assert pipeline.get("/behind", tls=False).body == b"old"
    time.sleep(1.1)
    answers, took = crowd(pipeline, "/behind")
    assert words(answers) <= {"UPDATING", "HIT"} and pipeline.origin.count("/behind") == 2
    wait_until(lambda: pipeline.get("/behind", tls=False).body == b"new", 5, "the refreshed page")
    assert pipeline.origin.count("/behind") == 2


def test_an_uncacheable_page_makes_nobody_queue(pipeline):
    """The first time all wait for the one who came first and learn that it is not for all; then nobody waits."""
    pipeline.origin.pages["/private"] = lambda m: Page(headers=[("cache-control", "private")], delay=0.5)
    for times in (1, 2):
        answers, took = crowd(pipeline, "/private")
        assert {answer.status for answer in answers} == {200}
        assert pipeline.origin.count("/private") == times * CLIENTS
        assert pipeline.origin.at_once["/private"] >= CLIENTS / 4, "they were asked for one after the other"
        assert took < 10
    assert words(answers) == {"BYPASS"}


def test_a_page_that_sets_cookies_gives_each_his_own(pipeline):
    numbers = itertools.count()

    def page(_message):
        n = next(numbers)
        return Page(body=b"%d" % n, headers=[("cache-control", "max-age=60"), ("set-cookie", f"n={n}")], delay=0.3)

    pipeline.origin.pages["/cookie"] = page
    answers, took = crowd(pipeline, "/cookie")
    assert pipeline.origin.count("/cookie") == CLIENTS and took < 10
    assert len({answer.body for answer in answers}) == CLIENTS, "two visitors got one cookie"
    assert all(answer.line("set-cookie") == f"n={answer.text}" for answer in answers)


def test_values_that_a_page_varies_on_are_kept_apart(pipeline):
    def page(message):
        return cached(message.header("x-flavour").encode(), "max-age=60", ("vary", "x-flavour"), delay=0.3)

    pipeline.origin.pages["/vary"] = page
    with contextlib.ExitStack() as stack:
        flavours = [f"f{n % 4}" for n in range(200)]
        connections = [stack.enter_context(client.connect(pipeline.http)) for _ in flavours]
        for connection, each in zip(connections, flavours):
            connection.sendall(client.request_bytes("GET", "/vary", [("x-flavour", each)]))
        answers = [client.read_answer(stack.enter_context(connection.makefile("rb"))) for connection in connections]
    assert [answer.text for answer in answers] == flavours


def test_those_who_give_up_do_not_stop_the_others(pipeline):
    pipeline.origin.pages["/left"] = cached(b"one", delay=1)
    first = client.connect(pipeline.http)
    first.sendall(client.request_bytes("GET", "/left"))
    time.sleep(0.3)
    first.close()
    answers, _ = crowd(pipeline, "/left", 10)
    assert {answer.body for answer in answers} == {b"one"} and pipeline.origin.count("/left") == 1


def test_named_fields_are_for_the_one_who_asked(pipeline):
    """private= and no-cache= name lines that are not for those who only waited (RFC 9111 sections 5.2.2.4, 5.2.2.7)."""
    control = 'max-age=60, private="x-secret", no-cache="x-checked, x-other"'
    lines = [("x-secret", "s"), ("x-checked", "c"), ("X-Other", "o"), ("x-for-all", "a")]
    pipeline.origin.pages["/named"] = cached(b"one", control, *lines, delay=0.5)
    answers, _ = crowd(pipeline, "/named", 20)
    assert pipeline.origin.count("/named") == 1 and {answer.body for answer in answers} == {b"one"}
    assert {answer.line("x-for-all") for answer in answers} == {"a"}
    for name in ("x-secret", "x-checked", "x-other"):
        assert len([answer for answer in answers if answer.line(name)]) == 1, name


def test_named_fields_are_not_for_who_joined_a_refresh(pipeline):
    control = 'max-age=1, stale-while-revalidate=1, private="x-secret"'
    pages = [cached(b"old", control), cached(b"new", control, ("x-secret", "s"), delay=1.2)]
    pipeline.origin.pages["/joined"] = pages
    pipeline.get("/joined", tls=False)
    time.sleep(1.2)
    assert pipeline.get("/joined", tls=False).line("x-cache-status") == "UPDATING"
    time.sleep(0.9)
    joined = pipeline.get("/joined", tls=False)
    assert (joined.body, joined.line("x-secret"), pipeline.origin.count("/joined")) == (b"new", None, 2)


@pytest.mark.parametrize("line", [("set-cookie", "a=b"), ("cache-control", "private"), ("vary", "*")])
def test_an_error_for_one_is_not_given_to_others(pipeline, line):
    target = f"/error-{line[0]}"
    pipeline.origin.pages[target] = Page(status=503, headers=[line], body=b"of one", delay=0.5)
    answers, _ = crowd(pipeline, target, 20)
    assert {answer.status for answer in answers} == {503}
    assert [answer.body for answer in answers].count(b"of one") == 1, "an answer for one was given to all"
    assert pipeline.origin.count(target) == 1
    assert len([answer for answer in answers if answer.line("set-cookie")]) <= 1


def test_an_error_for_one_brings_no_page_back_that_is_too_old_for_errors(pipeline):
    error = Page(status=503, headers=[("set-cookie", "a=b")], body=b"of one", delay=0.5)
    pipeline.origin.pages["/too-old"] = [cached(b"old", "max-age=1"), error]
    pipeline.get("/too-old", tls=False)
    time.sleep(1.1)
    answers, _ = crowd(pipeline, "/too-old", 20)
    assert {answer.status for answer in answers} == {503} and pipeline.origin.count("/too-old") == 2
    assert sorted({answer.body for answer in answers}) == [b"This page cannot be had at the moment.\n", b"of one"]
