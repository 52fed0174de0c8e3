"""The renderer's pages: alone between a left side and a stand-in dbproxy, both in Python, then with real rows from a real database.

A stand-in answers from canned rows, so that a test can say what the database holds, breaks, or withholds.
"""

import gzip
import html.parser
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import msgpack
import pytest

import wire
from pipeline import BAD_WORDS, BIN, REPO, Pipeline, wait_until

VOID = {"meta", "link", "img", "br", "hr", "input"}
MOVIE = {"id": 7, "slug": "alien", "title": "Alien", "original_title": None, "release_date": "1979-05-25", "year": 1979, "runtime": 117,
         "certificate": "R", "director": "Ridley Scott", "actors": ["Sigourney Weaver", "Tom Skerritt"], "distributor": "20th Century Fox",
         "synopsis": None, "score": 8.5, "votes": 180387, "critics": 97, "budget": 11000000, "gross_domestic": 80930630,
         "gross_worldwide": 203630630, "links": '{"wikipedia": "https://en.wikipedia.org/wiki/Alien_(film)"}', "creative_type": None,
         "source": "Original Screenplay", "category_pairs": ["science-fiction", "Science Fiction", "horror", "Horror"]}


def card(number, **more):
    return {"id": number, "slug": f"movie-{number}", "title": f"Movie {number}", "year": 1900 + number, "score": 7.0, **more}


def result(rows, columns=()):
    """A result as RESULT's body has it."""
    columns = list(rows[0]) if rows else list(columns)
    return [columns, [[row[column] for column in columns] for row in rows], len(rows)]


class Rows:
    """What the stand-in's database holds: {statement: rows, or a function of the parameters}."""

    def __init__(self):
        self.of = {
            "ready": [{"ready": "ready"}],
            "movies_count": [{"movies": 100}],
            "categories": [{"slug": "horror", "name": "Horror", "movies": 12}],
            "category": lambda slug: [{"slug": "horror", "name": "Horror & Terror", "movies": 12}] if slug == "horror" else [],
            "movie": lambda slug: {"alien": [MOVIE], "alien-1979": [MOVIE]}.get(slug, []),
            "api_movie": lambda slug: [{"slug": "alien", "title": "Alien", "links": MOVIE["links"], "score": 8.5}] if slug == "alien" else [],
        }
        lists = ("movies_newest", "movies_best", "movies_page", "category_page", "api_movies")
        self.of.update({name: [card(n) for n in range(1, 4)] for name in lists})
        self.of["movie_related"] = [card(1, of_director=True), card(2, of_director=False), card(3, of_director=False)]

    def __call__(self, name, parameters):
        rows = self.of[name]
        return result(rows(*parameters) if callable(rows) else rows)


class StandIn(threading.Thread):
    """Plays dbproxy. `answer` may be replaced: it gets the ticket."""

    def __init__(self, run_dir):
        super().__init__(daemon=True)
        self.rows, self.batches, self.queries = Rows(), [], []
        self.answer = self.with_rows
        self.right = wire.Right(run_dir, "dbproxy", self.on_query)
        self.going = True
        self.start()

    def on_query(self, ticket):
        self.queries.append(ticket.message)
        self.batches.append([(name.decode(), [p.decode() for p in parameters]) for name, parameters in ticket.message.batch])
        self.answer(ticket)

    def with_rows(self, ticket):
        body = msgpack.packb([self.rows(name, parameters) for name, parameters in self.batches[-1]])
        ticket.answer("RESULT", body, tags=["movie:7", "movies"])

    def run(self):
        while self.going:
            self.right.turn(wait=0.005)
        self.right.close()

    def close(self):
        self.going = False
        self.join()


class Rig:
    """One renderer, its left side, its stand-in."""

    def __init__(self, program=None, **env):
        self.dir = Path(tempfile.mkdtemp(prefix="ffr-", dir="/tmp"))
        self.run_dir = str(self.dir / "run")
        self.db = StandIn(self.run_dir)
        self.left = wire.Left(self.run_dir, "renderer", "cacher")
        self.log_path = self.dir / "log"
        self.program = str(program or BIN / "filmyfly-renderer")
        self.start(**env)

    def start(self, **env):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.program], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.dir, env={
                "PATH": os.environ["PATH"], "FILMYFLY_RUN_DIR": self.run_dir, "FILMYFLY_INSTANCE": "1", **env})
        wait_until(lambda: os.path.exists(f"{self.run_dir}/renderer/1.sock"), 10, f"the renderer is ready; its log:\n{self.log()}")

    def log(self):
        return self.log_path.read_text("utf-8", "replace")

    def get(self, target, method="GET", headers=(), seconds=5.0):
        return self.left.get(target, seconds, method, headers)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            end = time.monotonic() + 20
            while self.process.poll() is None and time.monotonic() < end:
                self.left.turn(wait=0.02)
            assert self.process.poll() == 0, f"the renderer left with {self.process.poll()}:\n{self.log()[-3000:]}"
        finally:
            self.process.kill()
            self.db.close()
            self.left.close()
        assert not any(word in self.log() for word in BAD_WORDS), self.log()
        shutil.rmtree(self.dir)


@pytest.fixture(name="rig")
def fixture_rig():
    rig = Rig()
    yield rig
    rig.close()


class Page(html.parser.HTMLParser):
    """Reads a page, and holds it against what every page promises: tags are closed in order, ids are unique, nothing is inline or foreign."""

    def __init__(self, answer):
        super().__init__()
        body = answer.body
        if answer.header("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.text, self.open, self.links, self.ids, self.tags = body.decode("utf-8"), [], [], [], []
        assert self.text.startswith("<!doctype html>\n<html lang=\"en\">")
        self.feed(self.text)
        assert self.open == [], f"never closed: {self.open}"
        assert len(set(self.ids)) == len(self.ids)
        assert self.tags.count("h1") == 1 and self.tags.count("main") == 1 and self.tags.count("title") == 1
        assert "{{" not in self.text

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        assert tag not in ("script", "style"), f"inline {tag}"
        assert not [name for name in attrs if name == "style" or name.startswith("on")], f"inline {attrs}"
        self.tags.append(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        if tag == "link" and attrs["rel"] != "canonical" or "src" in attrs:
            assert attrs.get("href", attrs.get("src", "")).startswith("/static/")
        if tag not in VOID and tag not in ("rect", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID and tag not in ("rect", "path"):
            assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


# Between stand-ins.

def test_each_page_is_one_batch(rig):
    batches = {
        "/": [("movies_newest", []), ("movies_best", []), ("categories", []), ("movies_count", [])],
        "/movies": [("movies_page", ["1"]), ("movies_count", [])],
        "/movies?page=2": [("movies_page", ["2"]), ("movies_count", [])],
        "/category/horror": [("category", ["horror"]), ("category_page", ["horror", "1"])],
        "/movie/alien": [("movie", ["alien"]), ("movie_related", ["alien"])],
        "/api/v1/movies?page=3&per_page=7": [("api_movies", ["3", "7"]), ("movies_count", [])],
        "/api/v1/movies/alien": [("api_movie", ["alien"])],
        "/api/v1/categories": [("categories", [])],
        "/readyz": [("ready", [])],
    }
    for target, batch in batches.items():
        rig.db.batches.clear()
        answer = rig.get(target)
        assert answer.type == "RESPONSE" and answer.status == 200, f"{target}: {answer}"
        assert rig.db.batches == [batch]
        if not target.startswith(("/api/", "/readyz")):
            Page(answer)


def test_a_movie_page_says_what_is_known(rig):
    page = Page(rig.get("/movie/alien"))
    for text in ("<title>Alien (1979) – FilmyFly</title>", ">25 May 1979</time>", "1 h 57 min", "$11,000,000", "Ridley Scott", "180,387",
                 "Sigourney Weaver", "Alien is a 1979 science fiction movie directed by Ridley Scott, starring Sigourney Weaver and Tom Skerritt",
                 'href="https://en.wikipedia.org/wiki/Alien_(film)"', "More by Ridley Scott", "More in Science Fiction",
                 '<link rel="canonical" href="https://localhost:8443/movie/alien">'):
        assert text in page.text, text
    assert {"/category/science-fiction", "/category/horror", "/movie/movie-1", "/movie/movie-3", "/movies", "/"} <= set(page.links)
    # What is not known is not there, and no empty frame for it either.
    empty = {name: None for name in MOVIE}
    rig.db.rows.of["movie"] = [{**empty, "id": 1, "slug": "alien", "title": "It", "votes": 0, "links": "{}", "category_pairs": []}]
    rig.db.rows.of["movie_related"] = []
    page = Page(rig.get("/movie/alien"))
    assert "It is a movie." in page.text
    for text in ("Box office", "Cast", "Elsewhere", "More by", "More in", "Released", "None", "votes", "$"):
        assert text not in page.text, text


def test_what_comes_from_the_database_is_escaped(rig):
    evil = "<script>alert('x')</script>\"&amp;"
    rig.db.rows.of["movie"] = [{**MOVIE, "title": evil, "director": evil, "synopsis": evil, "actors": [evil], "category_pairs": ["a", evil]}]
    rig.db.rows.of["movie_related"] = [card(1, of_director=True, title=evil)]
    page = Page(rig.get("/movie/alien"))
    assert "<script" not in page.text and "&lt;script&gt;" in page.text


def test_an_old_address_leads_to_the_new_one(rig):
    answer = rig.get("/movie/alien-1979")
    assert (answer.status, answer.header("location"), answer.body) == (301, "/movie/alien", b"")
    assert answer.tags == [b"movie:7", b"movies"]


def test_what_is_not_there_is_a_404_for_a_minute(rig):
    for target in ("/movie/nothing", "/nothing", "/movie/Alien", "/movie/%2e%2e", "/category/none", "/movies?page=4", "/movies/"):
        answer = rig.get(target)
        assert answer.status == 404 and answer.header("cdn-cache-control") == "max-age=60", target
        assert "Nothing at this address" in Page(answer).text
    assert rig.get("/movie/nothing").tags == [b"movie:7", b"movies"]  # so that it is purged when the movie appears
    answer = rig.get("/api/v1/movies/nothing")
    assert (answer.status, answer.header("content-type"), json.loads(answer.body)["status"]) == (404, "application/json", 404)
    for target in ("/movies?page=0", "/movies?page=x", "/movies?page=101", "/movies?page=1&page=2", "/api/v1/movies?per_page=101"):
        assert rig.get(target).status == 400, target


def test_methods(rig):
    for method in ("POST", "DELETE", "OPTIONS", "BREW", "get"):
        answer = rig.get("/movies", method)
        assert (answer.status, answer.header("allow"), answer.header("cache-control")) == (405, "GET, HEAD", "no-store")
    head, get = rig.get("/movies", "HEAD"), rig.get("/movies")
    assert head.status == 200 and head.header("etag") == get.header("etag")


def test_headers_say_what_caches_may_do(rig):
    page = rig.get("/movie/alien", headers=[("accept-encoding", "br, gzip")])
    assert page.header("cache-control") == "max-age=0, stale-while-revalidate=60, stale-if-error=2592000"
    assert page.header("cdn-cache-control") == "max-age=1800" and page.header("vary") == "accept-encoding"
    assert page.header("content-type") == "text/html; charset=utf-8" and page.header("content-encoding") == "gzip"
    assert page.tags == [b"movie:7", b"movies"]
    assert rig.get("/api/v1/categories").header("cdn-cache-control") == "max-age=300"
    ready = rig.get("/readyz")
    assert (ready.header("cache-control"), ready.header("cdn-cache-control"), ready.body) == ("no-store", None, b"ready\n")


def test_a_page_that_the_client_has_is_not_sent_again(rig):
    page, plain = rig.get("/movie/alien", headers=[("accept-encoding", "gzip")]), rig.get("/movie/alien")
    etag = page.header("etag")
    assert etag.startswith('W/"') and plain.header("etag") == etag
    assert gzip.decompress(page.body) == plain.body and plain.header("content-encoding") is None
    answer = rig.get("/movie/alien", headers=[("if-none-match", f'"x", {etag}')])
    assert (answer.status, answer.body, answer.header("etag")) == (304, b"", etag)
    assert answer.header("cdn-cache-control") == "max-age=1800" and answer.header("vary") and answer.header("content-type") is None
    assert rig.get("/movie/alien", headers=[("if-none-match", 'W/"x"')]).status == 200


def test_the_api_speaks_json(rig):
    answer = json.loads(rig.get("/api/v1/movies?page=2&per_page=3").body)
    assert (answer["page"], answer["per_page"], answer["total"], len(answer["movies"])) == (2, 3, 100, 3)
    assert answer["movies"][0] == card(1)
    assert json.loads(rig.get("/api/v1/movies/alien").body)["movie"]["links"] == {"wikipedia": "https://en.wikipedia.org/wiki/Alien_(film)"}
    assert json.loads(rig.get("/api/v1/categories").body) == {"categories": [{"slug": "horror", "name": "Horror", "movies": 12}]}


def test_the_pager_reaches_every_page(rig):
    rig.db.rows.of["movies_count"] = [{"movies": 36 * 20}]
    seen, target = 0, "/movies"
    while target:
        page = Page(rig.get(target))
        seen += 1
        assert f'aria-current="page"><span class="out">Page </span>{seen}<' in page.text
        target = next((link for link in page.links if link == f"/movies?page={seen + 1}"), None)
    assert seen == 20
    assert "/movies" in Page(rig.get("/movies?page=2")).links and "?page=1\"" not in Page(rig.get("/movies?page=2")).text


def test_a_count_beyond_reason_has_the_last_page_there_is(rig):
    for count, last in ((2**63 - 1, 100), (-2**63, 1)):
        rig.db.rows.of["movies_count"] = [{"movies": count}]
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
        assert rig.get("/readyz").status == status and rig.get("/api/v1/movies").header("content-type") == "application/json"
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
        assert answer.status == 200 and f"<h1 itemprop=\"name\">The m-{n}</h1>" in answer.body.decode()


def test_rows_too_many_for_a_body_are_a_500_that_the_log_explains():
    rig = Rig(FILMYFLY_BODY_MAX="16K")
    rig.get("/readyz")
    rig.db.rows.of["movies_page"] = [card(n) for n in range(80)]
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
        if target.startswith("/api/"):
            json.loads(answer.body if answer.header("content-encoding") is None else gzip.decompress(answer.body))
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
    row = '    {"/director/{slug}", PAGE, "director", NULL, {{"director_movies", "movies", ROWS_LIST, {"slug"}}}},\n'
    routes.write_text(routes.read_text("utf-8").replace('    {"/readyz"', row + '    {"/readyz"'), "utf-8")
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
