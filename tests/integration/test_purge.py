"""Purging by URL, prefix, tag and all, soft and hard: requests to the cacher itself, sent by a peer written from
PROTOCOL.md; and that nobody can send them from outside."""

import threading
import time

import pytest

import client
import wire
from origin import FAILED, Origin, cached
from pipeline import Pipeline, wait_until

KINDS = ("soft", "hard")


class Site:
    def __init__(self, pipeline, origin, left):
        self.pipeline, self.origin, self.left = pipeline, origin, left
        self.number = 0

    def put(self, *pages, folder="/page"):
        self.number += 1
        target = f"{folder}/{self.number}"
        self.origin.pages[target] = list(pages) if len(pages) > 1 else pages[0]
        return target

    def stored(self, folder="/page", **options):
        """A page that is in the store, with body old; asked for again it is new."""
        target = self.put(cached(b"old", **options), cached(b"new", **options), folder=folder)
        wait_until(lambda: self.get(target).line("x-cache-status") == "HIT", 3, "a hit")
        return target

    def get(self, target, *headers, **options):
        return client.fetch(self.pipeline.http, target, headers=headers, **options)

    def url(self, target):
        return f"http://localhost{target}".encode()

    def tell(self, target, body=b"", method="POST"):
        """The status with which the cacher answers a request to itself."""
        answer = self.left.ask("REQUEST", body, method=method, scheme="cacher", target=target, client="", headers=[])
        assert answer.type == "RESPONSE", answer
        return answer.status

    def purge(self, what, kind, body=b""):
        done = 202 if what == "prefix" else 204  # of a prefix it is begun
        assert self.tell(f"/purge/{what}" + ("?hard" if kind == "hard" else ""), body) == done

    def assert_new(self, target, kind, *headers):
        """Soft: the old page at most for a second, while the new one is fetched. Hard: never again."""
        first = self.get(target, *headers)
        if kind == "hard":
            assert (first.line("x-cache-status"), first.body) in (("MISS", b"new"), ("HIT", b"new"))
        end = time.monotonic() + 1.5
        while (answer := self.get(target, *headers)).body != b"new":
            assert kind == "soft" and answer.line("x-cache-status") == "UPDATING"
            assert time.monotonic() < end, "the old page is still served"
            time.sleep(0.02)
        wait_until(lambda: self.get(target, *headers).line("x-cache-status") == "HIT", 2, "a hit")

    def assert_untouched(self, *targets):
        for target in targets:
            answer = self.get(target)
            assert (answer.line("x-cache-status"), answer.body) == ("HIT", b"old"), target


@pytest.fixture(scope="module")
def site(certificate):
    made = Pipeline("", certificate, renderers=0, dbproxies=0, env={"FILMYFLY_CACHE_DIR": "cache"})
    with Origin(made.run_dir) as origin, made:
        left = wire.Left(str(made.run_dir), "cacher")
        yield Site(made, origin, left)
        left.close()


@pytest.mark.parametrize("kind", KINDS)
def test_by_url(site, kind):
    target, other = site.stored(), site.stored()
    site.purge("url", kind, site.url(target))
    site.assert_new(target, kind)
    site.assert_untouched(other)


@pytest.mark.parametrize("kind", KINDS)
def test_by_url_in_another_spelling_and_with_a_query(site, kind):
    target = site.put(cached())
    query = f"{target}?a=1&b=2"
    site.origin.pages[query] = [cached(b"old"), cached(b"new")]
    assert site.get(query).body == b"old"
    site.purge("url", kind, b"HTTP://LOCALHOST:80" + f"{target}?b=2&a=%31&utm_source=x".encode())
    site.assert_new(query, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_by_url_of_a_page_that_varies(site, kind):
    seen = set()

    def page(message):
        flavour = message.header("x-flavour")
        body = b"new" if flavour in seen else b"old"
        seen.add(flavour)
        return cached(body, "max-age=60", ("vary", "x-flavour"))

    target = site.put(page)
    for n in range(20):
        assert site.get(target, ("x-flavour", str(n))).body == b"old"
    site.purge("url", kind, site.url(target))
    for n in range(20):
        site.assert_new(target, kind, ("x-flavour", str(n)))


@pytest.mark.parametrize("kind", KINDS)
def test_by_prefix(site, kind):
    inside = [site.stored(folder=f"/in-{kind}") for _ in range(5)]
    outside = [site.stored(folder=f"/out-{kind}"), site.stored(folder="/in")]
    site.purge("prefix", kind, site.url(f"/in-{kind}/"))
    time.sleep(0.2)  # it is done in parts, one in each tick
    for target in inside:
        site.assert_new(target, kind)
    site.assert_untouched(*outside)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tag", ["movie:7", "movies"])
def test_by_tag(site, kind, tag):
    tag += "-" + kind
    tagged, other = [site.stored(tags=["x:1", tag, "y"]) for _ in range(3)], site.stored(tags=["movie:70", "other"])
    site.purge("tag", kind, tag.encode())
    for target in tagged:
        site.assert_new(target, kind)
    site.assert_untouched(other)


@pytest.mark.parametrize("kind", KINDS)
def test_all(site, kind):
    targets = [site.stored(), site.stored(tags=["movie:9"]), site.stored(tags=["movies"])]
    site.purge("all", kind)
    for target in targets:
        site.assert_new(target, kind)


@pytest.mark.parametrize("how", ["url", "prefix", "tag", "all"])
def test_soft_is_served_when_the_refresh_fails_and_hard_is_not(site, how):
    for kind in KINDS:
        target = site.put(cached(b"old", tags=[f"row:{site.number}"]), FAILED)
        body = {
            "url": site.url(target),
            "prefix": site.url(target),
            "tag": f"row:{site.number - 1}".encode(),
            "all": b"",
        }
        wait_until(lambda: site.get(target).line("x-cache-status") == "HIT", 3, "a hit")
        site.purge(how, kind, body[how])
        time.sleep(1.2)
        answer = site.get(target)
        if kind == "soft":
            assert (answer.status, answer.body, answer.line("x-cache-status")) == (200, b"old", "STALE")
        else:
            assert answer.status in (502, 503) and answer.body != b"old"


@pytest.mark.parametrize("how", ["url", "prefix", "tag", "broad", "all"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_on_its_way_when_it_is_purged_is_not_stored_as_fresh(site, how, kind):
    row, broad = f"way:{site.number}-{kind}", f"way-{site.number}-{kind}"
    target = site.put(cached(b"old", delay=0.5, tags=[row, broad]), cached(b"new", tags=[row, broad]))
    answers = []
    asker = threading.Thread(target=lambda: answers.append(site.get(target)))
    asker.start()
    time.sleep(0.2)
    body = {
        "url": site.url(target),
        "prefix": site.url(target),
        "tag": row.encode(),
        "broad": broad.encode(),
        "all": b"",
    }
    site.purge("tag" if how == "broad" else how, kind, body[how])
    late = site.get(target)  # came after the purge
    asker.join()
    assert late.body == b"new"
    assert answers[0].body == b"new" or kind == "soft"
    wait_until(lambda: site.get(target).line("x-cache-status") == "HIT", 2, "a hit")
    assert site.get(target).body == b"new"


@pytest.mark.parametrize("kind", KINDS)
def test_a_variant_on_its_way_that_stops_varying_is_not_stored_as_fresh(site, kind):
    first = cached(b"first", "max-age=60", ("vary", "x-flavour"))
    target = site.put(first, cached(b"old", delay=0.5), cached(b"new"))
    wait_until(lambda: site.get(target, ("x-flavour", "1")).line("x-cache-status") == "HIT", 3, "a hit")
    asker = threading.Thread(target=lambda: site.get(target, ("x-flavour", "2")))
    asker.start()
    time.sleep(0.2)
    site.purge("url", kind, site.url(target))
    asker.join()
    site.assert_new(target, kind, ("x-flavour", "2"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_purge_that_cannot_be_written_harms_no_page_that_is_asked_later(certificate, kind):
    env = {"FILMYFLY_CACHE_DIR": "cache", "FILMYFLY_FAULT": "store-put-meta:fail"}
    made = Pipeline("", certificate, renderers=0, dbproxies=0, env=env)
    with Origin(made.run_dir) as origin, made:
        left = wire.Left(str(made.run_dir), "cacher")
        site = Site(made, origin, left)
        target, slow = site.stored(), site.put(cached(b"slow", delay=0.3))
        site.purge("prefix", kind, site.url("/page/"))
        time.sleep(0.2)
        for _ in range(3):
            assert site.get(slow).body == b"slow"
        site.assert_new(target, kind)
        left.close()


def test_purges_of_one_prefix_that_wait_are_one(site):
    """They come at once: the cacher keeps 64 KiB of those that are not done, and has no tick in which to do them meanwhile."""
    answers, fields = [], {"method": "POST", "scheme": "cacher", "target": "/purge/prefix", "client": "", "headers": [], "trace": ""}
    for _ in range(60):
        url = site.url("/of-none/" + "x" * 1900)
        site.left.submit("REQUEST", {"deadline": wire.deadline_in(5), **fields}, answers.append, url)
    while len(answers) < 60:
        site.left.turn(wait=0.02)
    assert {answer.status for answer in answers} == {202}


def test_refresh_and_used_take_any_keys(site):
    target = site.stored()
    for what in ("/refresh", "/used"):
        for body in (b"", b"x", bytes(16), bytes(17), bytes(range(256)) * 16):
            assert site.tell(what, body) == 204
    site.assert_untouched(target)


def test_what_is_no_request_to_the_cacher(site):
    target = site.stored()
    for what, body in (("url", b""), ("url", b"nonsense"), ("url", b"http://"), ("url", b"http://x"), ("tag", b"")):
        assert site.tell(f"/purge/{what}", body) == 400, (what, body)
    for what, body in (("url", b"http://h/" + b"x" * 5000), ("prefix", b"nonsense"), ("tag", b"x" * 1000)):
        assert site.tell(f"/purge/{what}?hard", body) == 400, (what, body)
    for what in ("/", "/purge", "/purge/", "/purge/all?", "/purge/all?soft", "/purge/all/", "*", ""):
        assert site.tell(what) == 404, what
    assert site.tell("/purge/all?hard", method="GET") == 404
    site.assert_untouched(target)


def test_nobody_can_send_them_from_outside(site):
    target = site.stored()
    for what in ("/purge/all?hard", "cacher://localhost/purge/all?hard", "cacher:/purge/all?hard"):
        site.get(what, method="POST", host="cacher")
        site.get(what, ("x-forwarded-proto", "cacher"), method="POST")
    site.assert_untouched(target)
