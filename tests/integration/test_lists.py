"""Every statement of the public site gives what a plain model in Python says it must, on a small random catalogue; and
who writes at the same time neither waits in a circle nor leaves a number wrong."""

import datetime
import random
import re
import threading

import psycopg
import pytest
from psycopg import errors

from pg import REPO, Cluster
from test_schema import assert_kept

QUERIES = REPO / "dbproxy" / "queries"
NAMES = ["Ana Ré", "ANA RE", "ana  ré", "Ana-Re", "Bo Li", "Çem Öz", "七人", "八", "Dee", "Eve Moe", "Fay", "Gus"]
EPOCH = datetime.date(1, 1, 1)


@pytest.fixture(scope="module")
def pg():
    with Cluster() as cluster:
        cluster.create_database("lists", "plain", "CREATEROLE")
        cluster.migrate("lists", "plain")
        yield cluster


def fill(db, seed, count):
    rng = random.Random(seed)
    for n in range(1, 7):
        db.execute("INSERT INTO filmyfly.categories (slug, name, sort_order) VALUES (%s, %s, %s)",
                   [f"c{n}", f"Category {n}", rng.randrange(3)])
    for n in range(count):
        day = datetime.date(rng.choice([1939, 1990, 1995, 1999, 2000]), rng.randint(1, 12), rng.randint(1, 3))
        dated = rng.choice(["day", "day", "year", "none"])
        movie = db.execute(
            "INSERT INTO filmyfly.movies (slug, title, release_date, year, certificate, director, actors, score, votes,"
            " published, published_at, synopsis) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            [f"m{n}", rng.choice(["Émile", "emile", "Zoo", "A", "The End", "九"]), day if dated == "day" else None,
             None if dated == "none" else day.year, rng.choice([None, "PG", "R", "R", "NC-17"]),
             rng.choice([None, *NAMES]), [rng.choice(NAMES) for _ in range(rng.randrange(4))],
             rng.choice([None, 0, 5.5, 6.9, 7, 8.2, 10]), rng.choice([0, 7, 7, 900]), rng.random() < 0.8,
             datetime.datetime(2020, 1, rng.randint(1, 9), tzinfo=datetime.timezone.utc), None]).fetchone()[0]
        db.execute("INSERT INTO filmyfly.movie_categories (movie_id, category_id) SELECT %s, id FROM"
                   " filmyfly.categories WHERE id = ANY (%s)", [movie, rng.sample([1, 2, 3, 5, 6], rng.randrange(4))])


class Statements:
    """Runs the named statements as pages do: as the role that reads, prepared."""

    def __init__(self, db):
        self.db, self.params = db, {}
        db.execute("SET search_path = pg_catalog; SET jit = off")
        db.execute("SET ROLE filmyfly_reader")
        for path in QUERIES.glob("*.sql"):
            text = path.read_text()
            if "-- access: write" in text:
                continue
            declared = re.search(r"^-- params: (.*)$", text, re.M)
            params = [each.split() for each in declared.group(1).split(",")] if declared else []
            self.params[path.stem] = [name for name, _ in params]
            types = f"({', '.join(kind for _, kind in params)})" if params else ""
            db.execute(f"PREPARE s_{path.stem}{types} AS {text}")

    def execute(self, name, values, prefix=""):
        assert set(values) <= set(self.params[name]), (name, values)
        given = ["NULL" if values.get(p) is None else psycopg.sql.Literal(values[p]).as_string(self.db)
                 for p in self.params[name]]
        return self.db.execute(f"{prefix} EXECUTE s_{name}" + (f"({', '.join(given)})" if given else ""))

    def buffers(self, name, **values):
        plan = self.execute(name, values, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)").fetchone()[0][0]["Plan"]
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    def __call__(self, name, **values):
        cursor = self.execute(name, values)
        columns = [column.name for column in cursor.description]
        return [dict(zip(columns, row)) for row in cursor.fetchall()]


class Model:
    """The tables as they are, and plain Python for what pages ask for."""

    def __init__(self, db):
        def rows(sql):
            cursor = db.execute(sql)
            return [dict(zip([c.name for c in cursor.description], row)) for row in cursor.fetchall()]

        self.categories = rows("SELECT * FROM filmyfly.categories ORDER BY id")
        self.movies = rows("SELECT *, filmyfly.title_key(title) AS title_key FROM filmyfly.movies"
                           " WHERE published ORDER BY id")
        given = rows("SELECT * FROM filmyfly.movie_categories ORDER BY category_id")
        keys = dict(db.execute("SELECT n, filmyfly.person_key(n) FROM unnest(%s::text[]) n", [NAMES]).fetchall())
        self.people = {row["key"]: row for row in rows("SELECT * FROM filmyfly.people")}
        for movie in self.movies:
            movie["categories"] = [c for g in given if g["movie_id"] == movie["id"]
                                   for c in self.categories if c["id"] == g["category_id"]]
            movie["released"] = movie["release_date"] or (datetime.date(movie["year"], 1, 1) if movie["year"] else EPOCH)
            movie["by"] = keys.get(movie["director"])
            movie["cast"] = [keys[name] for name in movie["actors"]]
        self.by_id = {movie["id"]: movie for movie in self.movies}

    def browse(self, category=None, decade=None, year=None, certificate=None, score=None, sort=None):
        found = [m for m in self.movies
                 if (category is None or any(c["slug"] == category for c in m["categories"]))
                 and (decade is None or m["year"] is not None and m["year"] // 10 * 10 == decade)
                 and (year is None or m["year"] == year)
                 and (certificate is None or m["certificate"] == certificate)
                 and (score is None or m["score"] is not None and m["score"] >= score)]
        order = {
            "best": lambda m: (-1 if m["score"] is None else m["score"], m["votes"], m["id"]),
            "title": lambda m: (m["title_key"].encode(), m["id"]),
            "oldest": lambda m: (m["released"], m["id"]),
        }.get(sort, lambda m: (m["released"], m["id"]))
        return sorted(found, key=order, reverse=sort not in ("title", "oldest"))


def ids(rows):
    return [row["id"] for row in rows]


def cards(movies):
    return [{name: movie[name] for name in ("id", "slug", "title", "year", "score")} for movie in movies]


@pytest.fixture(scope="module", params=[1, 2])
def site(request, pg):
    name = f"site{request.param}"
    pg.create_database(name, "plain")
    pg.migrate(name, "plain")
    with psycopg.connect(pg.url(name, "plain"), autocommit=True) as db:
        fill(db, request.param, 260)
        db.execute("UPDATE filmyfly.movies SET published = NOT published WHERE id % 7 = 0")
        db.execute("UPDATE filmyfly.movies SET director = 'Gus', slug = 'new-' || slug WHERE id % 11 = 0")
        db.execute("DELETE FROM filmyfly.movies WHERE id % 13 = 0")
        assert_kept(db)
        model = Model(db)
        yield Statements(db), model


def test_lists_of_the_home_page(site):
    ask, model = site
    assert ask("movies_newest") == cards(model.browse()[:12])
    assert ask("movies_best") == cards(model.browse(sort="best")[:12])
    assert ask("movies_count") == [{"movies": len(model.movies)}]
    count = {c["id"]: sum(c in m["categories"] for m in model.movies) for c in model.categories}
    assert ask("categories") == [{"slug": c["slug"], "name": c["name"], "movies": count[c["id"]]} for c in sorted(
        model.categories, key=lambda c: (c["sort_order"], c["name"])) if count[c["id"]]]
    largest = sorted(model.categories, key=lambda c: (-count[c["id"]], c["id"]))[:4]
    assert ask("home_shelves") == [
        {"category_slug": c["slug"], "category_name": c["name"], **card}
        for c in largest for card in cards(model.browse(category=c["slug"], sort="best")[:6])]
    decades = sorted({m["year"] // 10 * 10 for m in model.movies if m["year"]}, reverse=True)
    assert ask("decades") == [{"decade": d, "movies": len(model.browse(decade=d))} for d in decades]
    certificates = {m["certificate"] for m in model.movies} - {None}
    assert ask("certificates") == sorted(
        ({"certificate": c, "movies": len(model.browse(certificate=c))} for c in certificates),
        key=lambda row: (-row["movies"], row["certificate"]))


def test_browse_with_any_filters(site):
    ask, model = site
    rng = random.Random(3)
    for _ in range(120):
        filters = {"category": rng.choice([None, None, "c1", "c2", "c4", "none"]),
                   "decade": rng.choice([None, None, None, 1990, 1930, 2050, -10, 2147483647]),
                   "year": rng.choice([None, None, None, 1999, 1939, 0, -2147483648]),
                   "certificate": rng.choice([None, None, "R", "NC-17", "x"]),
                   "score": rng.choice([None, None, 0, 6, 7, 10, 11, -3, 2147483647])}
        sort = rng.choice([None, "newest", "oldest", "best", "title"])
        right = model.browse(**filters, sort=sort)
        page = rng.choice([1, 1, 2, 3])
        rows = ask("movie_browse", **filters, sort=sort, page=page)
        assert rows == cards(right[page * 36 - 36:page * 36]), (filters, sort)
        assert ask("movie_browse_count", **filters) == [{"movies": len(right)}], filters
        assert ids(ask("api_movies", **filters, sort=sort, page=page, per_page=7)) == ids(right[page * 7 - 7:page * 7])
        walked, after = [], None
        while True:
            rows = ask("movie_browse", **filters, sort=sort, after=after)
            if not rows:
                break
            walked += rows
            after = rows[-1]["id"]
        assert walked == cards(right), (filters, sort)


def test_rare_filters_are_gathered_and_sorted(pg):
    """Where so little matches that the order's index would be walked to its end."""
    pg.create_database("rare", "plain")
    pg.migrate("rare", "plain")
    with psycopg.connect(pg.url("rare", "plain"), autocommit=True) as db:
        db.execute("INSERT INTO filmyfly.movies (slug, title, release_date, score, votes, certificate)"
                   " SELECT 'm' || n, 'T' || n * 7919 % 5000, '1960-01-01'::date + n * 7 % 18000,"
                   " n * 31 % 100 / 10.0, n % 50, CASE WHEN n % 900 = 1 THEN 'NC-17' WHEN n % 3 = 0 THEN 'R' END"
                   " FROM generate_series(1, 5000) n")
        db.execute("INSERT INTO filmyfly.categories (slug, name) VALUES ('c1', 'C1')")
        db.execute("INSERT INTO filmyfly.movie_categories SELECT id, 1 FROM filmyfly.movies WHERE id % 2 = 0")
        db.execute("VACUUM (ANALYZE)")
        model, ask = Model(db), Statements(db)
        rng = random.Random(5)
        for _ in range(150):
            filters = {"category": rng.choice([None, "c1"]), "certificate": rng.choice([None, "NC-17", "R", "x"]),
                       "year": rng.choice([None, 1961, 2005]), "score": rng.choice([None, 9])}
            sort = rng.choice([None, "oldest", "best", "title"])
            right = model.browse(**filters, sort=sort)
            assert ask("movie_browse", **filters, sort=sort, page=2) == cards(right[36:72]), (filters, sort)
            if len(right) > 36:
                assert ask("movie_browse", **filters, sort=sort, after=right[35]["id"]) == cards(right[36:72])
            assert ask("movie_browse_count", **filters) == [
                {"movies": len(right) if not any(filters.values()) else min(len(right), 1001)}]


def test_filters_are_read_where_their_movies_are(pg):
    """Certificates in the 1970s only, scores of 9 in the 1950s: not all that is newer, or older, is read on the way there."""
    pg.create_database("uneven", "plain")
    pg.migrate("uneven", "plain")
    with psycopg.connect(pg.url("uneven", "plain"), autocommit=True) as db:
        db.execute("INSERT INTO filmyfly.movies (slug, title, release_date, score, votes, certificate)"
                   " SELECT 'm' || n, 'T' || n * 7919 % 12000, day, CASE WHEN day < '1960-01-01' AND n % 5 = 0 THEN 9.1 ELSE 5 END, n % 50,"
                   " CASE WHEN day >= '1970-01-01' AND day < '1980-01-01' AND n % 3 > 0 THEN 'G' END"
                   " FROM (SELECT n, '1950-01-01'::date + n * 7919 % 21915 AS day FROM generate_series(1, 12000) n) d")
        db.execute("VACUUM (ANALYZE)")
        model, ask = Model(db), Statements(db)
        for filters in ({"certificate": "G"}, {"score": 9}, {"certificate": "G", "score": 4}):
            for sort in (None, "oldest", "best"):
                right = model.browse(**filters, sort=sort)
                for where, begin in (({"page": 1}, 0), ({"page": 10}, 324), ({"after": right[323]["id"]}, 324)):
                    asked = {**filters, "sort": sort, **where}
                    assert ask("movie_browse", **asked) == cards(right[begin:begin + 36]), asked
                    assert ask.buffers("movie_browse", **asked) <= (60 if sort == "best" else 12), asked
        some = model.browse(sort="title")[5]["id"]
        for filters in ({"certificate": "x"}, {"year": 1949}, {"certificate": "G", "year": 1951}, {"score": 10}):
            for sort in (None, "oldest", "best", "title"):
                assert ask("movie_browse", **filters, sort=sort, after=some) == []
                assert ask.buffers("movie_browse", **filters, sort=sort, after=some) <= 12, (filters, sort)
        for sort in (None, "oldest"):
            right = model.browse(certificate="G", sort=sort)
            assert ask.buffers("movie_browse", certificate="G", sort=sort, page=len(right) // 36 + 1) <= 12, "nothing is read behind the last one"


def test_categories(site):
    ask, model = site
    for slug in ("c1", "c2", "c4", "none"):
        right = model.browse(category=slug)
        named = [c for c in model.categories if c["slug"] == slug]
        assert ask("category", slug=slug) == [{"slug": slug, "name": c["name"], "movies": len(right)} for c in named]
        for page in (1, 2, 3):
            assert ask("category_page", slug=slug, page=page) == cards(right[page * 36 - 36:page * 36])
        if len(right) > 36:
            assert ask("category_page", slug=slug, after=right[35]["id"]) == cards(right[36:72])


def test_a_movie_and_what_is_related(site):
    ask, model = site
    assert ask("movie", slug="none") == ask("movie_related", slug="none") == ask("movie_poster", slug="none") == []
    for movie in model.movies:
        row, = ask("movie", slug=movie["slug"])
        for name in ("id", "slug", "title", "year", "release_date", "certificate", "director", "actors", "score",
                     "votes", "updated_at", "synopsis", "links"):
            assert row[name] == movie[name]
        assert row["category_pairs"] == [text for c in movie["categories"] for text in (c["slug"], c["name"])]
        assert row["director_slug"] == (model.people[movie["by"]]["slug"] if movie["by"] else None)
        actors = dict(reversed(list(zip(movie["cast"], movie["actors"]))))  # each person once, as first named
        assert row["actor_pairs"] == [text for key in dict.fromkeys(movie["cast"])
                                      for text in (model.people[key]["slug"], actors[key])]
        if movie["old_slugs"]:
            assert ask("movie", slug=movie["old_slugs"][-1]) == [row]
        poster, = ask("movie_poster", slug=movie["slug"])
        assert poster == {**{name: movie[name] for name in ("id", "slug", "title", "year")},
                          "category": movie["categories"][0]["slug"] if movie["categories"] else None}
        if movie["old_slugs"]:
            assert ask("movie_poster", slug=movie["old_slugs"][-1]) == [poster]

        related = ask("movie_related", slug=movie["slug"])
        newest = [m for m in model.browse() if m is not movie]
        of_director = [m for m in newest if movie["by"] and m["by"] == movie["by"]][:6]
        in_category = [m for m in newest if movie["categories"] and movie["categories"][0] in m["categories"]]
        here = (movie["released"], movie["id"])
        near = [m for m in in_category if (m["released"], m["id"]) < here]
        near += [m for m in reversed(in_category) if (m["released"], m["id"]) > here]
        assert related == [{"of_director": True, **card} for card in cards(of_director)] + [
            {"of_director": False, **card} for card in cards(near[:12])]


def test_an_address_that_several_movies_had_is_the_newest_ones(pg):
    pg.create_database("addresses", "plain")
    pg.migrate("addresses", "plain")
    with psycopg.connect(pg.url("addresses", "plain"), autocommit=True) as db:
        db.execute("INSERT INTO filmyfly.movies (slug, title, old_slugs) SELECT 'm' || i, 'M', ARRAY['once', 'o' || i]"
                   " FROM generate_series(1, 3) i")
        db.execute("UPDATE filmyfly.movies SET votes = 1 WHERE slug = 'm1'")  # now the last on the disk
        db.execute("UPDATE filmyfly.movies SET published = false WHERE slug = 'm3'")
        ask = Statements(db)
        assert [movie["slug"] for movie in ask("movie", slug="once")] == ["m2"]
        assert [movie["slug"] for movie in ask("movie", slug="o1")] == ["m1"]
        db.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
        plan = "\n".join(line for line, in db.execute("EXPLAIN EXECUTE s_movie ('once')"))
        assert "movies_old_slugs" in plan, plan


def test_people(site):
    ask, model = site
    assert len(model.people) == 10 and ask("person", slug="none") == ask("person_movies", slug="none", page=1) == []
    for key, person in model.people.items():
        theirs = [m for m in model.browse() if key == m["by"] or key in m["cast"]]
        row, = ask("person", slug=person["slug"])
        assert row == {"slug": person["slug"], "name": person["name"], "movies": len(theirs),
                       "directed": sum(key == m["by"] for m in theirs), "acted": sum(key in m["cast"] for m in theirs)}
        for page in (1, 2):
            assert ask("person_movies", slug=person["slug"], page=page) == [
                {**card, "directed": key == m["by"], "acted": key in m["cast"]}
                for m, card in zip(theirs, cards(theirs))][page * 36 - 36:page * 36]
    slugs = {key: person["slug"] for key, person in model.people.items()}
    assert {slugs["ana re"], slugs["ana-re"]} == {"ana-re", "ana-re-2"} and slugs["cem oz"] == "cem-oz"
    assert re.fullmatch("person-[0-9a-f]{8}", slugs["七人"]) and slugs["七人"] != slugs["八"]


def test_for_machines(site):
    ask, model = site
    newest = sorted(model.movies, key=lambda m: (m["published_at"], m["id"]), reverse=True)[:30]
    assert ask("feed") == [
        {**{name: m[name] for name in ("id", "slug", "title", "year", "director", "synopsis", "published_at",
                                       "updated_at")},
         "categories": [c["name"] for c in m["categories"]]} for m in newest]
    assert ask("sitemap_files") == [{"kind": "movies", "file": 1}, {"kind": "people", "file": 1}]
    assert ask("sitemap_movies", file=1) == [
        {"slug": m["slug"], "updated": m["updated_at"].date()} for m in model.movies]
    assert [row["slug"] for row in ask("sitemap_people", file=1)] == [
        p["slug"] for p in sorted(model.people.values(), key=lambda p: p["id"])]
    assert ask("sitemap_movies", file=2) == ask("sitemap_people", file=2147483647) == []
    assert ask("site_texts") == []  # what has been set, of the texts that a page shows


def test_a_sitemap_file_holds_5000_addresses(pg):
    pg.create_database("sitemap", "plain")
    pg.migrate("sitemap", "plain")
    with psycopg.connect(pg.url("sitemap", "plain"), autocommit=True) as db:
        db.execute("INSERT INTO filmyfly.movies (slug, title, director) SELECT 'm' || i, 'M', 'D' || i FROM generate_series(1, 5001) i")
        ask = Statements(db)
        assert ask("sitemap_files") == [{"kind": kind, "file": file} for kind in ("movies", "people") for file in (1, 2)]
        for kind, first in (("movies", "m"), ("people", "d")):
            files = [[row["slug"] for row in ask(f"sitemap_{kind}", file=file)] for file in (1, 2)]
            assert (len(files[0]), len(files[1])) == (5000, 1) and set(files[0] + files[1]) == {f"{first}{i}" for i in range(1, 5002)}


def test_a_name_is_spelled_as_it_was_written_last(pg):
    pg.create_database("names", "plain")
    pg.migrate("names", "plain")
    with psycopg.connect(pg.url("names", "plain"), autocommit=True) as db:
        def people():
            return db.execute("SELECT slug, name, movies FROM filmyfly.people ORDER BY slug").fetchall()

        db.execute("INSERT INTO filmyfly.movies (slug, title, director)"
                   " VALUES ('a', 'A', 'jean rené'), ('b', 'B', NULL)")
        assert people() == [("jean-rene", "jean rené", 1)]
        db.execute("UPDATE filmyfly.movies SET director = 'Jean  René' WHERE slug = 'a'")
        assert people() == [("jean-rene", "Jean  René", 1)]
        db.execute("UPDATE filmyfly.movies SET actors = ARRAY['Jean-René', 'JEAN RENÉ'] WHERE slug = 'b'")
        assert people() == [("jean-rene", "JEAN RENÉ", 2), ("jean-rene-2", "Jean-René", 1)]
        db.execute("UPDATE filmyfly.movies SET published = false WHERE slug = 'b'")
        assert people() == [("jean-rene", "JEAN RENÉ", 1)]
        db.execute("UPDATE filmyfly.movies SET published = true, actors = ARRAY[repeat('七', 3000), ' ']"
                   " WHERE slug = 'b'")
        assert [row[2] for row in people()] == [1, 1]
        db.execute("DELETE FROM filmyfly.movies")
        assert people() == []
        with pytest.raises(errors.CheckViolation, match="keeps its id"):
            db.execute("INSERT INTO filmyfly.movies (slug, title) VALUES ('c', 'C')")
            db.execute("UPDATE filmyfly.movies SET id = 99")


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_many_writers_at_once(pg, isolation):
    """Several statements a transaction, in any order: nobody is a deadlock's victim, and every number is right."""
    name = "writers_" + isolation.split()[0]
    pg.create_database(name, "plain")
    pg.migrate(name, "plain")
    with psycopg.connect(pg.url(name, "plain"), autocommit=True) as db:
        fill(db, 4, 60)
    failures, refused = [], [0]

    def write(seed):
        rng = random.Random(seed)
        with psycopg.connect(pg.url(name, "plain")) as db:
            db.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {isolation.upper()}")
            db.commit()
            for n in range(25):
                try:
                    for _ in range(rng.randint(1, 4)):
                        movie, category, person = rng.randint(1, 60), rng.choice([1, 2, 3, 5, 6]), rng.choice(NAMES)
                        db.execute(*rng.choice([
                            ("UPDATE filmyfly.movies SET published = NOT published WHERE id %% 9 = %s", [movie % 9]),
                            ("UPDATE filmyfly.movies SET director = %s WHERE id = %s", [person, movie]),
                            ("UPDATE filmyfly.movies SET votes = 9, synopsis = %s WHERE id = %s", [person, movie]),
                            ("DELETE FROM filmyfly.movie_categories WHERE movie_id = %s", [movie]),
                            ("INSERT INTO filmyfly.movie_categories SELECT id, %s FROM filmyfly.movies WHERE id = %s"
                             " ON CONFLICT DO NOTHING", [category, movie]),
                            ("UPDATE filmyfly.categories SET sort_order = %s WHERE id = %s", [movie, category]),
                            ("INSERT INTO filmyfly.movies (slug, title, actors) VALUES (%s, 'X', %s)",
                             [f"x-{seed}-{n}-{rng.randrange(10 ** 9)}", [person, f"Only {seed} {n}"]]),
                        ]))
                    db.commit()
                except errors.SerializationFailure:
                    refused[0] += 1
                    db.rollback()
                except psycopg.Error as error:
                    failures.append(error)
                    db.rollback()

    writers = [threading.Thread(target=write, args=[seed]) for seed in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert refused[0] == 0 or isolation == "repeatable read"
    with psycopg.connect(pg.url(name, "plain")) as db:
        assert_kept(db)
