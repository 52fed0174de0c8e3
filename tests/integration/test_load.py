"""filmyfly-dbproxy --load: what it takes, what it leaves out and says, and that a failed load leaves nothing."""

import itertools
import json
import lzma
import os
import random
import subprocess

import psycopg
import pytest

from pipeline import BIN, REPO

DEMO = REPO / "dbproxy" / "demo" / "movies.ndjson"
WIKIPEDIA = REPO.parent / "shared" / "data" / "wikipedia-movies.ndjson.xz"
names = (f"load_{n}" for n in itertools.count())


def dbproxy(url, *arguments, data=None):
    done = subprocess.run([str(BIN / "filmyfly-dbproxy"), *map(str, arguments)],
                          env={**os.environ, "DATABASE_URL": url}, input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=300, check=False)
    return done.returncode, done.stdout.decode()


class Catalogue:
    def __init__(self, url, directory):
        self.url = url
        self.directory = directory

    def load(self, *lines, arguments=()):
        """Loads dicts, or bytes as they are, as the lines of a file."""
        path = self.directory / "file.ndjson"
        path.write_bytes(b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
                                  for line in lines))
        status, text = dbproxy(self.url, "--load", path, *arguments)
        return status, text.replace(str(path), "FILE").splitlines()

    def rows(self, sql, *parameters):
        with psycopg.connect(self.url) as db:
            return db.execute(sql, parameters).fetchall()

    def everything(self):
        """A digest of every row of the catalogue."""
        return [self.rows(f"SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY t)) FROM filmyfly.{table} t")
                for table in ("movies", "categories", "movie_categories")]

    def slugs(self):
        return {(title, year): slug for title, year, slug in self.rows("SELECT title, year, slug FROM filmyfly.movies")}


@pytest.fixture
def catalogue(cluster, tmp_path):
    name = next(names)
    cluster.create_database(name, owner="filmyfly")
    url = cluster.url(name, "filmyfly")
    status, text = dbproxy(url, "--migrate")
    assert status == 0, text
    yield Catalogue(url, tmp_path)
    cluster.psql(f"DROP DATABASE {name} WITH (FORCE)")


def test_demo_catalogue_loads_whole_and_a_second_time_changes_nothing(catalogue):
    status, text = dbproxy(catalogue.url, "--load", DEMO)
    assert status == 0 and text.endswith("loaded 3,199 movies in 17 categories; 0 lines left out\n"), text
    before = catalogue.everything()
    status, text = dbproxy(catalogue.url, "--load", DEMO)
    assert status == 0 and "0 new, 0 changed, 3,199 as they were" in text, text
    assert catalogue.everything() == before
    slugs = catalogue.slugs()
    assert slugs["King Kong", 2005] == "king-kong" and slugs["King Kong", 1933] == "king-kong-1933"
    assert slugs["Léon", 1994] == "leon" and slugs["300", 2007] == "300"
    assert catalogue.rows("SELECT value FROM filmyfly.counters WHERE name = 'movies'") == [(3199,)]


def test_demo_only_when_empty(catalogue):
    assert catalogue.load({"title": "Mine"})[0] == 0
    status, text = dbproxy(catalogue.url, "--load", DEMO, "--if-empty")
    assert status == 0 and "there are movies already" in text
    assert catalogue.slugs() == {("Mine", None): "mine"}


def larger_catalogue():
    """36,253 movies in 41 categories and 20 lines that are none: Wikipedia's where they lie beside the clone, else made ones of that shape."""
    if WIKIPEDIA.exists():
        return lzma.open(WIKIPEDIA).read()
    order = random.Random(36253)
    people = [f"{first} {last}" for first in ("Ada", "Béla", "Chloë", "Đorđe", "Eve", "李") for last in ("Ångström", "O'Neil", "Smith-Jones", "Ünal")]
    kinds = [f"Kind {n}" for n in range(41)]
    lines = [{"title": f"The {order.choice(people)} Affair {n}", "year": order.randint(1900, 2023), "cast": order.sample(people, order.randint(0, 6)),
              "genres": order.sample(kinds, order.randint(0, 3)), "href": order.choice([None, f"The_Affair_{n}"]),
              **({"extract": "What happened. " * order.randint(1, 40)} if n % 3 else {})} for n in range(36253)]
    for n in range(20):
        lines.insert(n * 1800, {"title": "", "year": 1950, "cast": [], "genres": [], "href": None})
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_larger_catalogue_loads_over_the_demo_and_again(catalogue, tmp_path):
    dbproxy(catalogue.url, "--load", DEMO)
    text_file = tmp_path / "larger.ndjson"
    text_file.write_bytes(larger_catalogue())
    status, text = dbproxy(catalogue.url, "--load", text_file)
    assert status == 0 and text.endswith("loaded 36,253 movies in 41 categories; 20 lines left out\n"), text[-500:]
    before = catalogue.everything()
    status, text = dbproxy(catalogue.url, "--load", text_file)
    assert status == 0 and "0 new, 0 changed, 36,253 as they were" in text, text[-500:]
    assert catalogue.everything() == before


def test_bad_lines_are_reported_by_number_and_the_rest_is_loaded(catalogue):
    status, lines = catalogue.load(
        b"\xef\xbb\xbf", {"title": "First", "year": 1999}, b"not json\n", b"\n", {"title": "", "year": 1999},
        {"title": "Second", "score": 11}, b'{"title":"\xff"}\n', {"title": "First", "year": 1999},
        b'{"title":"' + b"x" * 1100000 + b'"}\n', {"title": "Third", "foo": 1}, b'{"title":"Last"}')
    assert status == 0
    assert [line.split(":")[1] for line in lines[:-2]] == ["2", "4", "5", "6", "8", "9", "7"]
    assert lines[3].startswith("FILE:6: it is not JSON")
    assert lines[1:3] == ["FILE:4: it has no title", 'FILE:5: "score" is not a number from 0 to 10']
    assert "FILE:7: it is the movie of line 1 again" in lines
    assert lines[-1] == "loaded 2 movies in 0 categories; 7 lines left out"
    assert sorted(catalogue.slugs().values()) == ["first", "last"]


def test_lines_of_blanks(catalogue):
    """One that is too long to be looked at whole is no empty one."""
    most = 1 << 20
    status, lines = catalogue.load(b" " * most + b"\n", b" " * (most - 1) + b"\n", b"\t \r\n", {"title": "Last"})
    assert status == 0 and lines[0] == "FILE:1: it is longer than a million bytes"
    assert lines[-1] == "loaded 1 movies in 0 categories; 1 lines left out"


def test_nothing_to_load_is_a_failure(catalogue):
    assert catalogue.load()[0] == 1
    status, lines = catalogue.load(b"{\n")
    assert status == 1 and lines[-1] == "loaded 0 movies in 0 categories; 1 lines left out"
    status, text = dbproxy(catalogue.url, "--load", "/nowhere")
    assert status == 1 and "/nowhere: cannot be opened" in text
    status, text = dbproxy(catalogue.url, "--load", "/tmp")
    assert status == 1 and "/tmp: cannot be read" in text


def test_standard_input(catalogue):
    status, text = dbproxy(catalogue.url, "--load", "-", data=b'{"title":"A"}\n{"title":1}\n')
    assert status == 0 and 'standard input:2: "title" is not a text' in text


def test_slugs_by_the_rules(catalogue):
    catalogue.load({"title": "Hamlet", "year": 1996}, {"title": "Hamlet", "year": 2000, "votes": 10},
                   {"title": "Hamlet", "year": 1948, "votes": 5}, {"title": "Hamlet"},
                   {"title": "HAMLET!", "year": 1996}, {"title": "Hamlet 1996"},
                   {"title": "七人の侍", "year": 1954}, {"title": "羅生門", "year": 1954}, {"title": "乱"},
                   {"title": "Given", "slug": "my-own"}, {"title": "Other", "slug": "my-own"})
    assert catalogue.slugs() == {
        ("Hamlet", 2000): "hamlet", ("Hamlet", 1948): "hamlet-1948", ("Hamlet", None): "hamlet-2",
        ("Hamlet 1996", None): "hamlet-1996", ("Hamlet", 1996): "hamlet-1996-2", ("HAMLET!", 1996): "hamlet-1996-3",
        ("七人の侍", 1954): "movie-1954", ("羅生門", 1954): "movie-1954-2", ("乱", None): "movie",
        ("Given", None): "my-own", ("Other", None): "my-own-2"}
    catalogue.load({"title": "Hamlet", "year": 2010, "votes": 1000})  # more votes, but the address is taken
    assert catalogue.slugs()["Hamlet", 2010] == "hamlet-2010"
    with psycopg.connect(catalogue.url) as db:
        db.execute("UPDATE filmyfly.movies SET slug = 'ophelia' WHERE slug = 'hamlet'")
    catalogue.load({"title": "Hamlet", "year": 2020}, {"title": "Hamlet", "year": 2000})
    assert catalogue.slugs()["Hamlet", 2020] == "hamlet-2020"  # the old address still leads to the movie of 2000
    assert catalogue.slugs()["Hamlet", 2000] == "ophelia"


def test_the_file_wins_where_it_says_something(catalogue):
    catalogue.load({"title": "A", "year": 2000, "director": "Old", "votes": 5, "categories": ["Drama"],
                    "links": {"imdb": "https://a"}})
    status, lines = catalogue.load({"title": "A", "year": 2000, "director": "New", "runtime": 90,
                                    "links": {"wikipedia": "https://b"}, "categories": ["Comedy"]})
    assert (status, lines[0]) == (0, "0 new, 1 changed, 0 as they were")
    assert catalogue.rows("SELECT director, votes, runtime, links FROM filmyfly.movies") == [
        ("New", 5, 90, {"imdb": "https://a", "wikipedia": "https://b"})]
    assert catalogue.rows("SELECT name, movies FROM filmyfly.categories ORDER BY 1") == [("Comedy", 1), ("Drama", 1)]


def test_two_films_of_one_title_and_year_are_told_apart_by_their_pages(catalogue):
    lines = [{"title": "Carmen", "year": 1915, "cast": [], "genres": [], "href": page}
             for page in ("Carmen_(DeMille)", "Carmen_(Walsh)", "Carmen_(Walsh)", None)]
    for _ in range(2):
        status, report = catalogue.load(*lines)
        assert status == 0 and report[0] == "FILE:3: it is the movie of line 2 again"
        assert sorted(row[0] for row in catalogue.rows("SELECT slug FROM filmyfly.movies")) == [
            "carmen", "carmen-1915", "carmen-1915-2"]


def test_categories_with_odd_names(catalogue):
    catalogue.load({"title": "A", "categories": ["Sci-Fi", "Sci Fi", "драма", " Sci-Fi "]})
    assert [(slug.split("-")[0], movies) for slug, movies in catalogue.rows(
        "SELECT slug, movies FROM filmyfly.categories ORDER BY slug")] == [("category", 1), ("sci", 1)]


def test_values_at_their_limits_pass_the_database_too(catalogue):
    status, lines = catalogue.load(
        {"title": "é" * 300, "original_title": "o" * 300, "release_date": "2100-12-31", "runtime": 1000, "score": 10,
         "votes": 2147483647, "critics": 100, "budget": 10 ** 13, "gross_domestic": 10 ** 13, "synopsis": "s" * 10000,
         "gross_worldwide": 10 ** 13, "certificate": "c" * 20, "director": "d" * 200, "distributor": "d" * 200,
         "actors": ["a" * 200] * 200, "poster": "https://" + "p" * 992, "creative_type": "c" * 100, "source": "s" * 100,
         "links": {f"{'k' * 39}{n}": "https://" + "~" * 992 for n in range(10)},
         "categories": [f"{'c' * 98}{n:02}" for n in range(20)]},
        {"title": "x" * 150, "slug": "s" * 100, "release_date": "1870-01-01", "runtime": 1, "score": 0, "critics": 0},
        {"title": "x" * 151, "slug": "s" * 100, "year": 2100}, {"title": "x" * 152, "slug": "s" * 100, "year": 2100})
    assert (status, lines[-1]) == (0, "loaded 4 movies in 20 categories; 0 lines left out"), lines


@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_line_holds_the_database_takes_or_the_line_is_reported(catalogue, seed):
    rng = random.Random(seed)
    texts = ["", " ", "a", "A\u0000", "\u202ex", "\u2028", "\ufffe", "é" * 150, "x" * 301, "\u0085", "<b>", "\\N", "\\.",
             "\x01\x02", '"', "七", "\u200d", "'; DROP", "\u00ad", "½", "\ud7ff", "\U0001f3ac", "{}", "NULL", "ǆ", "İ"]
    values = texts + [None, 0, -1, 1, 7.25, 1e300, 2000, 10 ** 18, True, [], {}, ["a", ""], [None], "https://x/",
                      "1999-02-29", "2000-02-29", {"a": "https://x/\u0001"}, {"a": "https://x"}]
    keys = ["title", "slug", "original_title", "release_date", "year", "runtime", "certificate", "director", "actors",
            "synopsis", "score", "votes", "links", "poster", "source", "published", "categories"]
    lines = [{"title": rng.choice(texts) + str(n % 50), **{rng.choice(keys): rng.choice(values) for _ in range(2)}}
             for n in range(1500)]
    for _ in range(2):
        status, report = catalogue.load(*lines)
        assert status == 0, report[-3:]
    assert report[-2].startswith("0 new")


def test_a_failed_load_leaves_nothing(catalogue):
    catalogue.load({"title": "Before", "categories": ["Drama"]})
    before = catalogue.everything()
    with psycopg.connect(catalogue.url) as db:
        db.execute("ALTER TABLE filmyfly.movies ADD CONSTRAINT not_this CHECK (title <> 'Poison')")
    status, lines = catalogue.load({"title": "Good", "categories": ["New"]}, {"title": "Poison"})
    assert status == 1 and "not_this" in lines[-1] and lines[-1].endswith("nothing was loaded")
    assert catalogue.everything() == before


def test_a_database_that_goes_away_leaves_nothing(catalogue, cluster):
    load = subprocess.Popen([str(BIN / "filmyfly-dbproxy"), "--load", "-"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**os.environ, "DATABASE_URL": catalogue.url})
    lines = b"".join(b'{"title":"Movie %d"}\n' % n for n in range(20000))
    load.stdin.write(lines)
    load.stdin.flush()
    assert cluster.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'filmyfly-load'") == "t\n"
    try:
        load.stdin.write(lines)
        load.stdin.close()
    except BrokenPipeError:
        pass
    assert load.wait(60) == 1
    assert "nothing was loaded" in load.stdout.read().decode()
    assert catalogue.rows("SELECT count(*) FROM filmyfly.movies") == [(0,)]


def test_a_database_that_is_not_there_or_not_prepared(cluster, tmp_path):
    name = next(names)
    cluster.create_database(name, owner="filmyfly")
    status, text = dbproxy(cluster.url(name, "filmyfly"), "--load", DEMO)
    assert status == 1 and "--migrate" in text and "nothing was loaded" in text
    status, text = dbproxy(cluster.url("missing", "filmyfly"), "--load", DEMO)
    assert status == 1 and "cannot connect" in text and "nothing was loaded" in text
