"""The renderer's pages: alone between a left side and a stand-in dbproxy, then with real rows from a real database."""

import email.utils
import gzip
import json
import os
import re
import shutil
import subprocess
import time

import msgpack
import pytest

import wire
from pipeline import BIN, REPO, Pipeline, wait_until
from renderer_rig import MOVIE, Page, Rig, card, result


@pytest.fixture(name="rig")
def fixture_rig():
    rig = Rig()
    yield rig
    rig.close()


# Between stand-ins.

BROWSE = [("categories", []), ("decades", []), ("certificates", [])]


def test_each_page_is_one_batch(rig):
    batches = {
        "/": [("movies_newest", []), ("movies_best", []), ("home_shelves", []), ("categories", []), ("decades", []), ("movies_count", [])],
        "/movies": [("movie_browse", [None] * 5 + ["newest", "1", None]), ("movie_browse_count", [None] * 5), *BROWSE],
        "/movies?page=2": [("movie_browse", [None] * 5 + ["newest", "2", None]), ("movie_browse_count", [None] * 5), *BROWSE],
        "/movies?score=8&certificate=Not+Rated&year=1994&decade=1990&category=horror&sort=best": [
            ("movie_browse", ["horror", None, "1994", "Not Rated", "8", "best", "1", None]),
            ("movie_browse_count", ["horror", None, "1994", "Not Rated", "8"]), *BROWSE],
        "/movies?after=12345678901": [("movie_browse", [None] * 5 + ["newest", None, "12345678901"]), ("movie_browse_count", [None] * 5), *BROWSE],
        "/category/horror": [("category", ["horror"]), ("category_page", ["horror", "1", None])],
        "/movie/alien": [("movie", ["alien"]), ("movie_related", ["alien"])],
        "/person/ridley-scott": [("person", ["ridley-scott"]), ("person_movies", ["ridley-scott", "1"])],
        "/search": [("search", [None, "1"]), ("search_people", [None])],
        "/search?q=+star%20wars%00&utm_source=x": [("search", ["star wars", "1"]), ("search_people", ["star wars"])],
        "/suggest?q=ali": [("suggest", ["ali"])],
        "/about": [("site_texts", [])],
        "/legal": [("site_texts", [])],
        "/readyz": [("ready", [])],
    }
    rig.db.rows.of["movie_browse_count"] = [{"movies": 100}]
    for target, batch in batches.items():
        rig.db.batches.clear()
        answer = rig.get(target)
        assert answer.type == "RESPONSE" and answer.status == 200, f"{target}: {answer}"
        assert rig.db.batches == [batch]
        if not target.startswith(("/suggest", "/readyz")):
            Page(answer)


def test_a_movie_page_says_what_is_known(rig):
    page = Page(rig.get("/movie/alien"))
    for text in ("<title>Alien (1979) – FilmyFly</title>", ">25 May 1979</time>", "1 h 57 min", "$11,000,000", "Ridley Scott", "180,387",
                 "Sigourney Weaver", 'src="/poster/alien.svg"', 'src="/poster/movie-1.svg"', "Alien is a 1979 science fiction movie directed by Ridley Scott, starring Sigourney Weaver and Tom Skerritt",
                 'href="https://en.wikipedia.org/wiki/Alien_(film)"', "More by Ridley Scott", "More in Science Fiction",
                 '<link rel="canonical" href="https://localhost:8443/movie/alien">'):
        assert text in page.text, text
    assert {"/category/science-fiction", "/category/horror", "/movie/movie-1", "/movie/movie-3", "/movies", "/", "/person/ridley-scott",
            "/person/tom-skerritt"} <= set(page.links)
    assert (page.data["@type"], page.data["name"]) == ("Movie", "Alien")
    # What is not known is not there, and no empty frame for it either.
    empty = {name: None for name in MOVIE}
    rig.db.rows.of["movie"] = [{**empty, "id": 1, "slug": "alien", "title": "It", "votes": 0, "links": "{}", "category_pairs": [], "actors": [], "actor_pairs": []}]
    rig.db.rows.of["movie_related"] = []
    page = Page(rig.get("/movie/alien"))
    assert "It is a movie." in page.text
    for text in ("Box office", "Cast", "Elsewhere", "More by", "More in", "Released", "None", "votes", "$", "Facts", "Directed"):
        assert text not in page.text, text


def test_what_comes_from_the_database_is_escaped(rig):
    evil = "<script>alert('x')</script>\"&amp;"
    rig.db.rows.of["movie"] = [{**MOVIE, "title": evil, "director": evil, "synopsis": evil, "actors": [evil], "actor_pairs": ["a", evil],
                                "category_pairs": ["a", evil]}]
    rig.db.rows.of["movie_related"] = [card(1, of_director=True, title=evil)]
    page = Page(rig.get("/movie/alien"))
    assert "<script>" not in page.text and page.text.count("<script") == 2 and "&lt;script&gt;" in page.text
    assert page.data["name"] == evil


def test_an_old_address_leads_to_the_new_one(rig):
    answer = rig.get("/movie/alien-1979")
    assert (answer.status, answer.header("location"), answer.body) == (301, "/movie/alien", b"")
    assert answer.tags == [b"movie:7", b"movies"]
    rig.db.rows.of["movie_poster"] = [{"id": 7, "slug": "alien", "title": "Alien", "year": 1979, "category": "horror"}]
    answer = rig.get("/poster/alien-1979.svg")
    assert (answer.status, answer.header("location")) == (301, "/poster/alien.svg")
    assert rig.get("/poster/alien.svg").status == 200


def test_what_is_not_there_is_a_404_for_a_minute(rig):
    for target in ("/movie/nothing", "/nothing", "/movie/Alien", "/movie/%2e%2e", "/category/none", "/movies?page=4", "/movies/", "/person/none",
                   "/category/horror?page=2", "/person/ridley-scott?page=2"):
        answer = rig.get(target)
        assert answer.status == 404 and answer.header("cdn-cache-control") == "max-age=60, stale-while-revalidate=86400, stale-if-error=5184000", target
        assert "Nothing at this address" in Page(answer).text
    assert set(rig.get("/movie/nothing").tags) == {b"movie:7", b"movies"}  # so that it is purged when the movie appears
    answer = rig.get("/api/v1/movies/nothing")
    assert (answer.status, answer.header("content-type"), json.loads(answer.body)["status"]) == (404, "application/problem+json", 404)
    for target in ("/movies?page=0", "/movies?page=x", "/movies?page=101", "/movies?page=1&page=2", "/movies?decade=1995", "/movies?score=11",
                   "/movies?sort=worst", "/movies?category=A", "/movies?certificate=" + "R" * 81, "/api/v1/movies?per_page=101"):
        assert rig.get(target).status == 400, target


def test_a_missing_movie_offers_those_of_a_like_name(rig):
    rig.db.batches.clear()
    answer = rig.get("/movie/alienz")
    assert (answer.status, answer.header("cdn-cache-control")) == (404, "max-age=60, stale-while-revalidate=86400, stale-if-error=5184000")
    assert rig.db.batches[1:] == [[("movie_like", ["alienz"])]] and len(answer.tags) == 4
    assert "/movie/movie-5" in Page(answer).links
    for what in ("person", "category"):
        rig.db.rows.of[what] = []
        assert "/movie/movie-5" in Page(rig.get(f"/{what}/alienz")).links
    # Whatever becomes of the second batch, the page stays.
    def answer_first_only(ticket):
        if ticket.message.batch[0][0] == b"movie":
            rig.db.with_rows(ticket)
        else:
            ticket.fail("unavailable")
    rig.db.answer = answer_first_only
    answer = rig.get("/movie/alienz")
    assert answer.header("cache-control") == "no-store" and answer.status == 404 and answer.tags == [b"movie:7", b"movies"] and "/movie/movie-5" not in Page(answer).links


def test_browsers_keep_posters_for_a_minute_and_ask_in_the_background(rig):
    """A page has dozens: each would be asked for again with each page."""
    rig.db.rows.of["movie_poster"] = [{"id": 7, "slug": "alien", "title": "Alien", "year": 1979, "category": "horror"}]
    assert rig.get("/poster/alien.svg").header("cache-control") == "max-age=60, stale-while-revalidate=86400, stale-if-error=2592000"


def test_home_shelves_are_the_rows_by_category(rig):
    page = Page(rig.get("/"))
    assert page.text.index("/category/drama") < page.text.index("/category/comedy") and page.text.count("/movie/movie-5\"") == 2
    assert {"/movies?decade=1990", "/movies?decade=1970", "/category/film-noir"} <= set(page.links)
    assert page.data["@type"] == "WebSite"
    for name in ("movies_newest", "movies_best", "home_shelves", "categories", "decades", "movies_count"):
        rig.db.rows.of[name] = []
    Page(rig.get("/"))


def test_a_list_has_one_address_whatever_is_said_beside_it(rig):
    rig.db.rows.of["movie_browse_count"] = [{"movies": 100}]
    for target, address in (("/movies?utm_source=a&sort=newest&page=1", "/movies"), ("/?fbclid=1", "/"), ("/movie/alien?ref=x", "/movie/alien"),
                            ("/movies?page=2&category=horror&sort=best", "/movies?category=horror&amp;sort=best&amp;page=2"),
                            ("/movies?year=1994&decade=1990", "/movies?year=1994"), ("/category/horror?page=1", "/category/horror"),
                            ("/search?utm_x=1&q=a%20%26b", "/search")):
        assert f'<link rel="canonical" href="https://localhost:8443{address}">' in Page(rig.get(target)).text, target
    # What a form sent without a value is taken away.
    answer = rig.get("/movies?category=&decade=1990&year=&certificate=&score=&sort=newest")
    assert (answer.status, answer.header("location"), answer.body) == (301, "/movies?decade=1990", b"")
    # All decades: the year of one is no longer meant.
    assert rig.get("/movies?category=horror&decade=&year=1994").header("location") == "/movies?category=horror"


def test_filters_in_use_are_selected_and_can_be_taken_away(rig):
    page = Page(rig.get("/movies?category=film-noir&year=1994&certificate=Not+Rated&score=7&sort=best"))
    for option in ('"film-noir" selected>Film-Noir', '"1990" selected>1990s', '"1994" selected>1994', '"Not Rated" selected>', '"7" selected>',
                   '"best" selected>'):
        assert option in page.text, option
    assert page.text.count(" selected") == 6
    assert {"/movies?year=1994&certificate=Not+Rated&score=7&sort=best", "/movies?category=film-noir&certificate=Not+Rated&score=7&sort=best",
            "/movies?category=film-noir&year=1994&score=7&sort=best", "/movies?category=film-noir&year=1994&certificate=Not+Rated&sort=best"} <= set(page.links)
    # One filter is a page for search engines, combinations are not.
    for target, noindex in (("/movies", False), ("/movies?category=horror", False), ("/movies?category=horror&score=7", True), ("/movies?after=7", True),
                            ("/category/horror", False), ("/search?q=x", False)):
        answer = rig.get(target)
        assert (answer.header("x-robots-tag") == "noindex", 'content="noindex"' in Page(answer).text) == (noindex, noindex), target
    # So does the page behind the last, where that was not counted.
    rig.db.rows.of["movie_browse"], rig.db.rows.of["movie_browse_count"] = [], [{"movies": 1001}]
    for target in ("/movies?decade=2000&page=60", "/movies?decade=2000&after=7"):
        answer = rig.get(target)
        page = Page(answer)
        assert (answer.status, answer.header("x-robots-tag")) == (200, "noindex") and 'content="noindex"' in page.text
        assert "There are no more movies here" in page.text and "No movie fits" not in page.text and 'class="pager"' not in page.text
        assert "/movies?decade=2000" in page.links
    # What nothing is of is an empty page, and a kind one.
    rig.db.rows.of["movie_browse"], rig.db.rows.of["movie_browse_count"] = [], [{"movies": 0}]
    answer = rig.get("/movies?category=no-such&decade=1870")
    assert answer.status == 200 and ">no-such</a>" in answer.body.decode()


def test_search(rig):
    page = Page(rig.get("/search?q=alien"))
    assert 'value="alien"' in page.text and {"/movie/movie-1", "/person/ridley-scott"} <= set(page.links)
    rig.db.rows.of["search"] = [card(n, total=241, corrected="alien") for n in range(24)]
    page = Page(rig.get("/search?q=alein&page=2"))
    assert "240+" in page.text and {"/search?q=alien", "/search?q=alein", "/search?q=alein&page=3", "/search?q=alein&page=10"} <= set(page.links)
    assert Page(rig.get("/search?q=alein&page=10")).text.count('rel="next"') == 0
    rig.db.rows.of["search"] = rig.db.rows.of["search_people"] = []
    assert "too short" in Page(rig.get("/search?q=zz")).text and "too short" not in Page(rig.get("/search?q=zzz")).text
    assert rig.get("/search?q=zzz&page=2").status == 404
    # Whatever is typed is shown as text.
    for q, shown in (("%3Cscript%3Ealert(1)%3C/script%3E", "&lt;script&gt;alert(1)&lt;/script&gt;"), ("%00%01%ff", None), ("a%zz", "a%zz"), ("", None),
                     ("%F0%9F%8E%AC", "\U0001f3ac"), ("x" * 5000, "x" * 200), ("'%22%3E", "&#39;&quot;&gt;")):
        answer = rig.get(f"/search?q={q}")
        assert answer.status == 200
        assert shown is None or f'value="{shown}"' in Page(answer).text, q
    assert rig.get("/search?q=x").header("cdn-cache-control") == "max-age=60, stale-while-revalidate=86400, stale-if-error=5184000"


def test_suggestions_are_json(rig):
    answer = rig.get("/suggest?q=ali")
    assert (answer.header("content-type"), answer.header("x-robots-tag"), answer.header("cdn-cache-control")) == ("application/json", "noindex", "max-age=60, stale-while-revalidate=86400, stale-if-error=5184000")
    assert json.loads(answer.body) == {"suggestions": rig.db.rows.of["suggest"]}


def test_texts_of_the_settings_are_paragraphs(rig):
    page = Page(rig.get("/about"))
    assert "<h1>About</h1>" in page.text and "<p>One line,\nand its second.\r</p>" in page.text.replace("\r\n", "\r\n")
    assert "<p>&lt;b&gt;Two&lt;/b&gt; &amp; more</p>" in page.text
    assert rig.get("/legal").status == 200


def test_a_page_was_last_modified_when_it_was_made(rig):
    for target in ("/movie/alien", "/", "/movies", "/api/v1/categories", "/about"):
        before = int(time.time())
        answer = rig.get(target)
        made = email.utils.parsedate_to_datetime(answer.header("last-modified"))
        assert answer.header("last-modified") == email.utils.format_datetime(made, usegmt=True)
        assert answer.status == 200 and before <= made.timestamp() <= time.time(), target
        # Who has it keeps the time at which it was first seen; and only its bytes say whether somebody has it.
        again = rig.get(target, headers=[("if-none-match", answer.header("etag"))])
        assert (again.status, again.header("last-modified")) == (304, None)
        assert rig.get(target, headers=[("if-modified-since", answer.header("last-modified"))]).status == 200
    for target in ("/movie/none", "/movie/alien-1979", "/readyz"):
        assert rig.get(target).header("last-modified") is None, target


def test_a_log_shows_no_secret_of_an_address(rig):
    rig.db.answer = lambda ticket: ticket.answer("RESULT", b"\xc1", tags=[])
    assert rig.get("/movies?page=2&token=hunter2").status == 500
    rig.db.answer = lambda ticket: ticket.answer("FAILED", cause="internal", text="no")
    assert rig.get("/?api_key=hunter2").status == 500
    assert "/movies?page=2&token=(hidden)" in rig.log() and "hunter2" not in rig.log()


def test_methods(rig):
    for method in ("POST", "DELETE", "OPTIONS", "BREW", "get"):
        answer = rig.get("/movies", method)
        assert (answer.status, answer.header("allow"), answer.header("cache-control")) == (405, "GET, HEAD", "no-store")
    head, get = rig.get("/movies", "HEAD"), rig.get("/movies")
    assert head.status == 200 and head.header("etag") == get.header("etag")


def test_headers_say_what_caches_may_do(rig):
    page = rig.get("/movie/alien", headers=[("accept-encoding", "br, gzip")])
    assert page.header("cache-control") == "max-age=0, stale-while-revalidate=60, stale-if-error=2592000"
    assert page.header("cdn-cache-control") == "max-age=1800, stale-while-revalidate=86400, stale-if-error=5184000" and page.header("vary") == "accept-encoding"
    assert page.header("content-type") == "text/html; charset=utf-8" and page.header("content-encoding") == "gzip"
    assert page.tags == [b"movie:7", b"movies"]
    assert rig.get("/api/v1/categories").header("cdn-cache-control") == "max-age=300, stale-while-revalidate=86400, stale-if-error=5184000"
    ready = rig.get("/readyz")
    assert (ready.header("cache-control"), ready.header("cdn-cache-control"), ready.body) == ("no-store", None, b"ready\n")


def test_an_answer_says_what_it_took(rig):
    for target in ("/movie/alien", "/nothing"):
        line = rig.get(target).header("server-timing")
        assert re.fullmatch(r"renderer;dur=\d+\.\d{3}, dbproxy;dur=\d+\.\d{3}", line), line


def test_a_page_that_the_client_has_is_not_sent_again(rig):
    page, plain = rig.get("/movie/alien", headers=[("accept-encoding", "gzip")]), rig.get("/movie/alien")
    etag = page.header("etag")
    assert etag.startswith('W/"') and plain.header("etag") == etag
    assert gzip.decompress(page.body) == plain.body and plain.header("content-encoding") is None
    answer = rig.get("/movie/alien", headers=[("if-none-match", f'"x", {etag}')])
    assert (answer.status, answer.body, answer.header("etag")) == (304, b"", etag)
    assert answer.header("cdn-cache-control") == "max-age=1800, stale-while-revalidate=86400, stale-if-error=5184000" and answer.header("vary") and answer.header("content-type") is None
    assert rig.get("/movie/alien", headers=[("if-none-match", 'W/"x"')]).status == 200


def test_the_pager_reaches_every_page(rig):
    rig.db.rows.of["movie_browse_count"] = [{"movies": 36 * 20}]
    seen, target = 0, "/movies"
    while target:
        page = Page(rig.get(target))
        seen += 1
        assert f'aria-current="page"><span class="out">Page </span>{seen}<' in page.text
        target = next((link for link in page.links if link == f"/movies?page={seen + 1}"), None)
    assert seen == 20
    page = Page(rig.get("/movies?page=2"))
    assert "/movies" in page.links and not [link for link in page.links if link.endswith("page=1")]


def test_behind_the_last_number_the_way_goes_on_by_key(rig):
    rig.db.rows.of["movie_browse"] = rig.db.rows.of["category_page"] = [card(n) for n in range(100, 136)]
    rig.db.rows.of["movie_browse_count"] = [{"movies": 10**6}]
    assert "/movies?after=135" not in Page(rig.get("/movies?page=99")).links
    page = Page(rig.get("/movies?page=100"))
    assert "/movies?after=135" in page.links and "/movies?page=101" not in page.links
    page = Page(rig.get("/movies?after=99&sort=best"))
    assert "/movies?sort=best&after=135" in page.links and "aria-current" not in page.text
    rig.db.rows.of["category"] = [{"slug": "horror", "name": "Horror", "movies": 3601}]
    assert "/category/horror?after=135" in Page(rig.get("/category/horror?page=100")).links
    rig.db.rows.of["movie_browse"] = [card(1)]
    assert "after=" not in "".join(Page(rig.get("/movies?after=99")).links)
    # Of many with a filter only 1,000 are counted: the way goes on as long as pages are full.
    rig.db.rows.of["movie_browse"], rig.db.rows.of["movie_browse_count"] = [card(n) for n in range(36)], [{"movies": 1001}]
    page = Page(rig.get("/movies?score=5"))
    assert "1,000+" in page.text and "/movies?score=5&page=28" in page.links
    assert "/movies?score=5&page=41" in Page(rig.get("/movies?score=5&page=40")).links
    rig.db.rows.of["movie_browse"] = []
    assert rig.get("/movies?score=5&page=41").status == 200


def test_a_count_beyond_reason_has_the_last_page_there_is(rig):
    for count, last in ((2**63 - 1, 100), (-2**63, 1)):
        rig.db.rows.of["movie_browse_count"] = [{"movies": count}]
        page = Page(rig.get("/movies"))
        assert (f"/movies?page={last}" in page.links) == (last > 1)


def test_a_database_that_does_not_answer_is_a_503(rig):
    for answer, status, retry in ((lambda t: t.answer("BUSY", retry_after=7), 503, "1"), (lambda t: t.fail("unavailable", "away"), 503, "2"),
                                  (lambda t: t.fail("deadline"), 503, "2"), (lambda t: t.fail("internal", "SQL"), 500, None),
                                  (lambda t: t.answer("REFUSED", text="no such statement"), 500, None),
                                  (lambda t: t.answer("RESULT", b"\x91\xdd\xff\xff\xff\xff", tags=[]), 500, None),
                                  (lambda t: t.answer("RESULT", b"", tags=[]), 500, None),
                                  (lambda t: t.answer("RESULT", msgpack.packb([result([]), result([]), result([])]), tags=[]), 500, None)):
        rig.db.answer = answer
        page = rig.get("/movie/alien")
        assert (page.status, page.header("retry-after"), page.header("cache-control")) == (status, retry, "no-store")
        Page(page)
        assert rig.get("/readyz").status == status and rig.get("/api/v1/categories").header("content-type") == "application/problem+json"
    rig.db.answer = rig.db.with_rows
    assert rig.get("/movie/alien").status == 200


def test_a_wait_ends_with_the_deadline(rig):
    rig.get("/readyz")
    rig.db.answer = lambda ticket: None
    start = time.monotonic()
    page = rig.get("/movie/alien", seconds=1.0)
    assert page.type == "RESPONSE" and page.status == 503 and 0.8 < time.monotonic() - start < 1.0
    told, asked = rig.db.queries[-1].deadline, start + 1.0
    assert 0.02 < asked - told / 1e9 < 0.2


def test_many_are_in_flight_and_none_is_taken_for_another(rig):
    held = []
    rig.get("/readyz")
    rig.db.rows.of["movie"] = lambda slug: [{**MOVIE, "slug": slug, "title": f"The {slug}"}]
    rig.db.answer = held.append
    answers = {}
    for n in range(40):
        fields = {"method": "GET", "scheme": "https", "target": f"/movie/m-{n}", "client": "", "headers": [], "trace": f"t{n}",
                  "deadline": wire.deadline_in(10)}
        rig.left.submit("REQUEST", fields, lambda message, n=n: answers.update({n: message}))
    end = time.monotonic() + 5
    while len(held) < 40 and time.monotonic() < end:
        rig.left.turn(wait=0.01)
    assert len(held) == 40 and not answers
    assert {ticket.message.trace for ticket in held} == {f"t{n}" for n in range(40)}
    late = list(reversed(held))

    def answer_all():
        for ticket in late:
            batch = [(name.decode(), [p.decode() for p in parameters]) for name, parameters in ticket.message.batch]
            ticket.answer("RESULT", msgpack.packb([rig.db.rows(*call) for call in batch]), tags=[])

    rig.db.right.on_request = lambda ticket: (rig.db.with_rows(ticket) if ticket.message.batch[0][0] != b"ready" else (
        answer_all(), ticket.answer("RESULT", msgpack.packb([rig.db.rows("ready", [])]), tags=[])))
    rig.get("/readyz")  # its query makes the stand-in answer all the others first, in its own thread
    while len(answers) < 40 and time.monotonic() < end:
        rig.left.turn(wait=0.01)
    for n, answer in answers.items():
        assert answer.status == 200 and f"<h1>The m-{n}</h1>" in answer.body.decode()


def test_rows_too_many_for_a_body_are_a_500_that_the_log_explains():
    rig = Rig(FILMYFLY_BODY_MAX="16K")
    rig.get("/readyz")
    rig.db.rows.of["movie_browse"] = [card(n) for n in range(80)]
    assert rig.get("/movies").status == 500 and "/movies" in rig.log()
    assert rig.get("/movie/alien").status == 200
    rig.close()


# Templates that are edited while it runs.

def test_in_dev_a_changed_template_is_taken_and_a_broken_one_is_not(tmp_path):
    views = tmp_path / "views"
    shutil.copytree(REPO / "renderer" / "views", views)
    rig = Rig(FILMYFLY_DEV="on", FILMYFLY_VIEWS_DIR=str(views))
    (views / "404.mustache").write_text("<p>changed</p>", "utf-8")
    wait_until(lambda: rig.get("/nothing").body == b"<p>changed</p>", 5, "the changed template is used")
    (views / "404.mustache").write_text("<p>\n{{#broken}}</p>", "utf-8")
    wait_until(lambda: "404.mustache:2:1" in rig.log(), 5, "the log names the place")
    assert rig.get("/nothing").body == b"<p>changed</p>"
    rig.close()


def check(**env):
    return subprocess.run([str(BIN / "filmyfly-renderer"), "--check"], env={"PATH": os.environ["PATH"], **env}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=20, check=False)


def test_check_names_what_is_wrong(tmp_path):
    assert check().returncode == 0
    views = tmp_path / "views"
    shutil.copytree(REPO / "renderer" / "views", views)
    (views / "movie.mustache").unlink()
    done = check(FILMYFLY_VIEWS_DIR=str(views))
    assert done.returncode == 1 and "movie.mustache" in done.stdout
    done = check(FILMYFLY_SHARE_DIR=str(tmp_path))
    assert done.returncode == 1 and "manifest.txt" in done.stdout


# With a real dbproxy and database.

@pytest.fixture(scope="module", name="real")
def fixture_real(database_url, certificate):
    with Pipeline(database_url, certificate, renderers=1, dbproxies=1, cacher=False, gateway=False) as pipeline:
        left = wire.Left(str(pipeline.run_dir), "renderer", "cacher")
        yield left
        left.close()


def test_the_catalogue_can_be_walked_from_the_front_page(real):
    """Every link of every page leads somewhere, as far as a few hundred pages go."""
    done, todo = {}, ["/"]
    while todo and len(done) < 250:
        target = todo.pop(0)
        answer = real.get(target, headers=[("accept-encoding", "gzip")])
        assert answer.type == "RESPONSE" and answer.status == 200, f"{target}: {answer}"
        done[target] = answer
        if not answer.header("content-type").startswith("text/html"):
            continue
        for link in Page(answer).links:
            link = link.partition("#")[0]
            if link.startswith("/") and link not in done and link not in todo:
                todo.append(link)
    assert sum(target.startswith("/movie/") for target in done) > 100 and "/movies?page=2" in done


def test_every_movie_has_a_page(real, slugs):
    answers = []
    for slug in slugs:
        fields = {"method": "GET", "scheme": "https", "target": f"/movie/{slug}", "client": "", "headers": [], "trace": "",
                  "deadline": wire.deadline_in(60)}
        real.submit("REQUEST", fields, answers.append)
    while len(answers) < len(slugs):
        real.turn(wait=0.02)
    assert {answer.status for answer in answers} == {200}
    sizes = sorted(len(answer.body) for answer in answers)
    assert 9000 < sizes[len(sizes) // 2] < 18000
    for answer in answers[::25]:
        Page(answer)


def test_tags_name_what_a_page_was_made_from(real, cluster):
    id_ = cluster.psql("SELECT id FROM filmyfly.movies WHERE slug = 'alien'", "filmyfly").strip()
    tags = real.get("/movie/alien").tags
    assert {b"movie:" + id_.encode(), b"movie-slug:alien"} <= set(tags)
    assert b"movie-slug:no-such-movie" in real.get("/movie/no-such-movie").tags
    assert b"movies" in real.get("/").tags and b"category:drama" in real.get("/category/drama").tags


def test_a_renamed_movie_moves(real, cluster):
    cluster.psql("UPDATE filmyfly.movies SET slug = 'alien-the-first' WHERE slug = 'alien'", "filmyfly")
    try:
        for folder in ("/movie/", "/api/v1/movies/"):
            answer = real.get(f"{folder}alien")
            assert (answer.status, answer.header("location")) == (301, f"{folder}alien-the-first")
            assert real.get(f"{folder}alien-the-first").status == 200
    finally:
        cluster.psql("UPDATE filmyfly.movies SET slug = 'alien' WHERE slug = 'alien-the-first'", "filmyfly")
    assert real.get("/movie/alien").status == 200


def test_an_unpublished_movie_is_not_there(real, cluster):
    cluster.psql("UPDATE filmyfly.movies SET published = false WHERE slug = 'alien'", "filmyfly")
    try:
        assert real.get("/movie/alien").status == 404 and real.get("/api/v1/movies/alien").status == 404
    finally:
        cluster.psql("UPDATE filmyfly.movies SET published = true WHERE slug = 'alien'", "filmyfly")


# Adding a page.

def test_a_page_is_one_row_one_template_one_statement(tmp_path, cluster, certificate):
    source = tmp_path / "source"
    for folder in ("proto", "renderer", "cmake"):
        shutil.copytree(REPO / folder, source / folder)
    routes = source / "renderer" / "routes.c"
    row = '    {.pattern = "/director/{slug}", PAGE, .view = "director", .statements = {{"director_movies", "movies", ROWS_LIST, {"slug"}}}},\n'
    routes.write_text(routes.read_text("utf-8").replace('    {.pattern = "/readyz"', row + '    {.pattern = "/readyz"'), "utf-8")
    (source / "renderer" / "views" / "director.mustache").write_text(
        "{{<layout}}{{$content}}<h1>A director</h1>\n<ul>\n{{#movies}}\n{{>card}}\n{{/movies}}\n</ul>{{/content}}{{/layout}}\n", "utf-8")
    share = tmp_path / "share"
    shutil.copytree(REPO / "dbproxy" / "queries", share / "queries")
    (share / "queries" / "director_movies.sql").write_text(
        "-- name: director_movies\n-- params: slug text\n-- access: read\n-- lane: short\n-- row-tags: movie:{id}\n"
        "select id, slug, title, year, score from filmyfly.movies\n"
        "where director = initcap(replace($1, '-', ' ')) and published order by release_date desc\n", "utf-8")
    for name, target in (("migrations", REPO / "dbproxy" / "migrations"), ("views", source / "renderer" / "views"),
                         ("static", BIN.parent / "share" / "filmyfly" / "static")):
        (share / name).symlink_to(target)

    (source / "CMakeLists.txt").write_text("""
cmake_minimum_required(VERSION 3.22)
project(page LANGUAGES C)
set(CMAKE_C_STANDARD 17)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_compile_definitions(_GNU_SOURCE FILMYFLY_RELEASE="test")
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(pair ZMQ:libzmq CZMQ:libczmq MSGPACK:msgpack Z:zlib JANSSON:jansson)
    string(REPLACE ":" ";" pair ${pair})
    list(GET pair 0 name)
    list(GET pair 1 module)
    pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
endforeach()
add_subdirectory(proto)
add_subdirectory(renderer)
""", "utf-8")
    build = tmp_path / "build"
    for command in (["cmake", "-S", str(source), "-B", str(build)], ["cmake", "--build", str(build), "-j2", "--target", "filmyfly-renderer"]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stdout[-3000:]

    with Pipeline(cluster.url("filmyfly", "filmyfly"), certificate, renderers=0, dbproxies=1, cacher=False, gateway=False,
                  env={"FILMYFLY_SHARE_DIR": str(share)}) as pipeline:
        rig = Rig.__new__(Rig)
        rig.dir = tmp_path
        rig.run_dir, rig.log_path = str(pipeline.run_dir), tmp_path / "log"
        rig.program = str(build / "bin" / "filmyfly-renderer")
        rig.start(FILMYFLY_SHARE_DIR=str(share))
        left = wire.Left(rig.run_dir, "renderer", "cacher")
        try:
            page = Page(left.get("/director/james-cameron"))
            assert "/movie/avatar" in page.links
            assert left.get("/movie/alien").status == 200
        finally:
            rig.process.terminate()
            left.close()
            rig.process.wait(20)
