"""What makes the cache right: when a change makes any statement give something else, at least one of the tags that the
statement gave before was marked, in the same transaction. Tried with random changes and every statement of queries/."""

import datetime
import random
import re

import psycopg
import pytest

from pg import REPO, Cluster

QUERIES = REPO / "dbproxy" / "queries"
NOT_OF_PAGES = {"changes_since"}
# Fay and the first category have several pages.
NAMES = [*["Fay"] * 8, "Ana Ré", "ANA RE", "Bo Li", "Çem Öz", "七人", "Dee Moe", "Eve Moe", "Gus Orr", "King Kong"]
TITLES = ["King Kong", "The King", "Émile", "emile", "Zoo II", "A Zoo", "Spider-Man", "九人", "Kong of Zoo", "Moe"]
DAY = datetime.date(1999, 1, 1)


@pytest.fixture(scope="module")
def pg():
    with Cluster() as cluster:
        yield cluster


class Catalogue:
    """The statements as dbproxy knows them: what they give, and the tags that go with it."""

    def __init__(self, db):
        self.db, self.statements = db, {}
        for path in sorted(QUERIES.glob("*.sql")):
            text = path.read_text()
            header = dict(re.findall(r"^-- (name|params|access|row-tags|param-tags|tags): (.*)$", text, re.M))
            if header.get("access") == "write" or header["name"] in NOT_OF_PAGES:
                continue
            params = [each.split() for each in header.get("params", "").split(",") if each]
            types = f"({', '.join(kind for _, kind in params)})" if params else ""
            db.execute(f"PREPARE s_{header['name']}{types} AS {text}")
            header["params"] = params
            self.statements[header["name"]] = header

    def run(self, name, values):
        given = ["NULL" if v is None else psycopg.sql.Literal(v).as_string(self.db) for v in values]
        cursor = self.db.execute(f"EXECUTE s_{name}" + (f"({', '.join(given)})" if given else ""))
        columns = [column.name for column in cursor.description]
        return [dict(zip(columns, row)) for row in cursor.fetchall()]

    def tags(self, name, values, rows):
        header = self.statements[name]
        tags = set(header.get("tags", "").split())
        for row in rows:
            tags |= expand(header.get("row-tags", ""), row)
        return tags | expand(header.get("param-tags", ""), dict(zip([p for p, _ in header["params"]], values)))

    def calls(self, rng, most):
        """Every statement, and its parameters: all that are worth asking for, or as many of them as wanted."""
        slugs = [s for row in self.db.execute("SELECT slug || old_slugs FROM filmyfly.movies") for s in row[0]]
        people = [row[0] for row in self.db.execute("SELECT slug FROM filmyfly.people")]
        categories = [row[0] for row in self.db.execute("SELECT slug FROM filmyfly.categories")]
        ids = [row[0] for row in self.db.execute("SELECT id FROM filmyfly.movies")]
        words = ["king", "kong", "zoo", "moe", "dee", "spiderman", "emile", "kin", "knig", "ana re", "九人", "king kong",
                 "fay gus", "2", "1999", "七", "the king", "nothing"]
        of = {
            "slug": slugs + [f"n{n}" for n in range(12)] * 4 + ["king-knog", "nothing"],
            "category": [None, None, *categories, "c1", "c9"], "decade": [None, None, None, 1990, 2000],
            "year": [None, None, None, 1999], "certificate": [None, None, None, "PG", "R"], "score": [None, None, None, 5, 8],
            "sort": [None, "newest", "oldest", "best", "title"], "page": [1, 2], "per_page": [5, 100],
            "after": [*[None] * len(ids), *ids], "q": words, "file": [1, 2], "n": [1],
        }
        places = {"category": [*categories, "c1", "c1", "c9"], "person": [*people, "fay", "fay", "ana-re", "nobody"]}
        movies = of["slug"]
        for name, header in self.statements.items():
            of["slug"] = places.get(name.split("_")[0], movies)
            for p, _ in header["params"]:
                assert p in of, f"parameter {p} of {name}: say here what it may be"
            seen = set()
            for _ in range(most if header["params"] else 1):
                values = tuple(rng.choice(of[p]) for p, _ in header["params"])
                if len(header["params"]) == 1 and len(seen) < len(of[header["params"][0][0]]):
                    values = (of[header["params"][0][0]][len(seen)], )
                if values not in seen:
                    seen.add(values)
                    yield name, values


def expand(patterns, values):
    found = set()
    for pattern in patterns.split():
        field = re.search(r"\{(\w+)\}", pattern)
        if field and values[field.group(1)] is not None:
            found.add(pattern.replace(field.group(0), str(values[field.group(1)])))
    return found


def a_movie(rng, n):
    day = DAY + datetime.timedelta(days=rng.randrange(0, 900, 50))
    dated = rng.choice(["day", "day", "year", "none"])
    return {
        "slug": f"m{n}", "title": rng.choice(TITLES), "original_title": rng.choice([None, None, "Zoo", "Kong"]),
        "release_date": day if dated == "day" else None, "year": None if dated == "none" else day.year,
        "certificate": rng.choice([None, "PG", "R"]), "director": rng.choice([None, *NAMES]),
        "actors": [rng.choice(NAMES) for _ in range(rng.randrange(4))], "score": rng.choice([None, 0, 5.5, 7, 8.2]),
        "votes": rng.choice([0, 7, 900]), "published": rng.random() < 0.8, "synopsis": rng.choice([None, "One.", "Two."]),
        "old_slugs": rng.choice([[], [], [f"o{n}"], [f"o{n}", f"m{n + 20}"]]),
        "runtime": rng.choice([None, 90]), "budget": rng.choice([None, 1]), "links": rng.choice(["{}", '{"a": "https://a.b/"}']),
        "published_at": datetime.datetime(2020, 1, rng.randint(1, 9), tzinfo=datetime.timezone.utc),
        "updated_at": datetime.datetime(2020, 2, rng.randint(1, 9), tzinfo=datetime.timezone.utc),
    }


def insert(db, movie):
    marks = ", ".join(f"%({name})s" for name in movie)
    return db.execute(f"INSERT INTO filmyfly.movies ({', '.join(movie)}) VALUES ({marks}) RETURNING id", movie).fetchone()[0]


def fill(db, rng, count):
    for n in range(1, 6):
        db.execute("INSERT INTO filmyfly.categories (slug, name, sort_order) VALUES (%s, %s, %s)", [f"c{n}", f"Category {n}", n % 2])
    for n in range(count):
        movie = insert(db, a_movie(rng, n))
        db.execute("INSERT INTO filmyfly.movie_categories SELECT %s, id FROM filmyfly.categories WHERE id = ANY (%s)",
                   [movie, rng.sample([1, 1, 1, 1, 2, 3, 4, 5], rng.choice([0, 1, 2, 2]))])


def some(rng, db, table, column="id"):
    found = [row[0] for row in db.execute(f"SELECT {column} FROM filmyfly.{table} ORDER BY 1")]
    return rng.choice(found) if found else 0


def update_a_movie(rng, db):
    movie = {**a_movie(rng, 0), "slug": f"n{rng.randrange(12)}"}
    which = rng.sample(sorted(set(movie) - {"updated_at"}), rng.choice([1, 1, 1, 2, 4]))
    if {"release_date", "year"} & set(which):
        which = sorted({*which, "release_date", "year"})
    db.execute(f"UPDATE filmyfly.movies SET {', '.join(f'{c} = %({c})s' for c in which)} WHERE id = %(id)s",
               {**{c: movie[c] for c in which}, "id": some(rng, db, "movies")})


def update_one_column(column):
    def change(rng, db):
        db.execute(f"UPDATE filmyfly.movies SET {column} = %s WHERE id = %s",
                   [{**a_movie(rng, 0), "slug": f"n{rng.randrange(12)}"}[column], some(rng, db, "movies")])
    change.__name__ = f"update_{column}"
    return change


def update_many(rng, db):
    db.execute(rng.choice([
        "UPDATE filmyfly.movies SET votes = votes + 1 WHERE id %% 3 = %s",
        "UPDATE filmyfly.movies SET published = NOT published WHERE id %% 7 = %s",
        "UPDATE filmyfly.movies SET release_date = release_date + 1 WHERE id %% 3 = %s AND extract(doy FROM release_date) < 360",
        "UPDATE filmyfly.movies SET synopsis = 'Three.' WHERE id %% 2 = %s",
        "UPDATE filmyfly.movies SET director = 'Fay', actors = '{Dee Moe,Gus Orr}' WHERE id %% 5 = %s",
        "UPDATE filmyfly.movies SET title = title WHERE id > %s",
    ]), [rng.randrange(3)])


def insert_a_movie(rng, db):
    movie = insert(db, {**a_movie(rng, rng.randrange(1000)), "slug": f"n{rng.randrange(12)}"})
    db.execute("INSERT INTO filmyfly.movie_categories SELECT %s, id FROM filmyfly.categories ORDER BY random() LIMIT %s",
               [movie, rng.randrange(3)])


def insert_many(rng, db):
    db.execute("INSERT INTO filmyfly.movies (slug, title, release_date) SELECT 'bulk-' || %s || '-' || i, 'Zoo ' || i,"
               " date '1999-01-01' + i FROM generate_series(1, 20) i", [rng.randrange(10**9)])


def delete_a_movie(rng, db):
    db.execute("DELETE FROM filmyfly.movies WHERE id = %s", [some(rng, db, "movies")])


def change_categories_of(rng, db):
    movie = some(rng, db, "movies")
    db.execute("DELETE FROM filmyfly.movie_categories WHERE movie_id = %s AND random() < 0.5", [movie])
    db.execute("INSERT INTO filmyfly.movie_categories SELECT %s, id FROM filmyfly.categories WHERE random() < 0.3"
               " ON CONFLICT DO NOTHING", [movie])


def move_to_a_category(rng, db):
    db.execute("UPDATE filmyfly.movie_categories k SET category_id = c.id FROM (SELECT id FROM filmyfly.categories"
               " ORDER BY random() LIMIT 1) c WHERE movie_id = %s AND NOT EXISTS (SELECT FROM filmyfly.movie_categories o"
               " WHERE o.movie_id = k.movie_id AND o.category_id = c.id) AND category_id = (SELECT min(category_id) FROM"
               " filmyfly.movie_categories m WHERE m.movie_id = k.movie_id)", [some(rng, db, "movies")])


def change_a_category(rng, db):
    n = rng.randrange(100)
    db.execute(rng.choice([
        "UPDATE filmyfly.categories SET name = 'Named %s' WHERE id = %s" % (n, "%s"),
        "UPDATE filmyfly.categories SET slug = 'c%s' WHERE id = %s" % (n, "%s"),
        "UPDATE filmyfly.categories SET sort_order = 1 - sort_order WHERE id = %s",
        "DELETE FROM filmyfly.categories WHERE id = %s",
        "INSERT INTO filmyfly.categories (slug, name) VALUES ('c9', 'Nine%s')",
    ]), [some(rng, db, "categories")])


def change_settings(rng, db):
    db.execute(rng.choice([
        "INSERT INTO filmyfly.settings (key, value) VALUES ('about', %s) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
        "UPDATE filmyfly.settings SET value = %s WHERE key = 'tagline'",
        "DELETE FROM filmyfly.settings WHERE key = 'about' AND value <> %s",
    ]), [str(rng.randrange(3))])


def swap_slugs(rng, db):
    one, other = some(rng, db, "movies"), some(rng, db, "movies")
    db.execute("UPDATE filmyfly.movies SET slug = slug || '-x' WHERE id = %s", [one])
    db.execute("UPDATE filmyfly.movies SET slug = (SELECT old_slugs[cardinality(old_slugs)] FROM filmyfly.movies WHERE id = %s)"
               " WHERE id = %s", [one, other])


def replace_a_movie(rng, db):
    """Deleted, and another one at its address at once."""
    slug = some(rng, db, "movies", "slug")
    db.execute("DELETE FROM filmyfly.movies WHERE slug = %s", [slug])
    insert(db, {**a_movie(rng, 0), "slug": slug, "old_slugs": []})


CHANGES = [update_a_movie] * 3 + [update_one_column(c) for c in ("slug", "published", "director", "actors", "release_date",
                                                              "title", "synopsis", "published_at", "old_slugs", "votes")] + [
    update_many, insert_a_movie, insert_many, delete_a_movie, change_categories_of, move_to_a_category, change_a_category,
    change_settings, swap_slugs, replace_a_movie]


def marked(db):
    return dict(db.execute("SELECT tag, hard FROM filmyfly.changes WHERE xid = pg_current_xact_id()").fetchall())


def results(catalogue, calls):
    return {call: catalogue.run(*call) for call in calls}


def check(catalogue, before, gone, what):
    """`before` was given; the transaction has changed something since; `gone`: movies that left the view."""
    marks = marked(catalogue.db)
    assert all(len(tag.encode()) <= 160 for tag in marks)
    for call, rows in before.items():
        tags = catalogue.tags(*call, rows)
        if "everything" not in marks and not tags & set(marks):
            now = catalogue.run(*call)
            assert now == rows, f"{what}: {call} gave {rows}\nand gives {now}\nits tags {tags}\nmarked {sorted(marks)}"
        for movie in gone & {row.get("id") for row in rows} if "movie:{id}" in catalogue.statements[call[0]].get("row-tags", "") else ():
            hard = {tag for tag, is_hard in marks.items() if is_hard}
            assert hard & (tags | {"everything"}), f"{what}: {call} showed movie {movie}, which is gone; marked {marks}"


def published(db):
    return {row[0] for row in db.execute("SELECT id FROM filmyfly.movies WHERE published")}


def database(pg, name, seed, count):
    pg.create_database(name, "plain", "CREATEROLE")
    pg.migrate(name, "plain")
    db = psycopg.connect(pg.url(name, "plain"), prepare_threshold=None, options="-c jit=off -c statement_timeout=20s")
    fill(db, random.Random(seed), count)
    db.commit()
    db.autocommit = True
    catalogue = Catalogue(db)
    db.autocommit = False
    return db, catalogue


def run_changes(pg, seed, rounds, count, calls):
    db, catalogue = database(pg, f"marks{seed}", seed, count)
    rng = random.Random(seed)
    done = 0
    with db:
        for n in range(rounds):
            asked = list(catalogue.calls(rng, 60))
            asked = rng.sample(asked, min(calls, len(asked)))
            asked += [("category_page", ("c1", 2, None)), ("person_movies", ("fay", 2))]  # what only their order changes
            before, were = results(catalogue, asked), published(db)
            chosen = [rng.choice(CHANGES) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
            what = f"seed {seed}, round {n}, {[change.__name__ for change in chosen]}"
            try:
                for change in chosen:
                    change(rng, db)
                    done += 1
            except psycopg.errors.IntegrityError:
                db.rollback()  # the random values did not fit
                continue
            check(catalogue, before, were - published(db), what)
            db.commit()
    assert done > rounds / 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_change_marks_what_it_changes(pg, seed):
    run_changes(pg, seed, 40, 110, 200)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 30))
def test_many_changes_mark_what_they_change(pg, seed):
    run_changes(pg, seed, 300, 20 * (seed - 8), 500)


BULK = [
    "UPDATE filmyfly.movies SET votes = votes + 1",
    "UPDATE filmyfly.movies SET published = false WHERE id % 2 = 0",
    "UPDATE filmyfly.movies SET published = NOT published",
    "UPDATE filmyfly.movies SET release_date = date '2001-01-01' + (id % 300)::int, year = 2001",
    "DELETE FROM filmyfly.movies WHERE id > 10",
    "UPDATE filmyfly.movie_categories SET category_id = 2 WHERE category_id = 1 AND movie_id > 100",
    "DELETE FROM filmyfly.categories WHERE id = 1",
    "UPDATE filmyfly.categories SET name = name || '!'",
    "TRUNCATE filmyfly.movie_categories",
    "TRUNCATE filmyfly.categories CASCADE",
    "TRUNCATE filmyfly.movies CASCADE",
    "TRUNCATE filmyfly.settings",
]


def test_much_at_once_folds(pg):
    db, catalogue = database(pg, "bulk", 5, 40)
    rng = random.Random(5)
    with db:
        before, were = results(catalogue, catalogue.calls(rng, 3)), published(db)
        db.execute("INSERT INTO filmyfly.movies (slug, title, release_date, director) SELECT 'bulk-' || i, 'Zoo ' || i,"
                   " date '1999-01-01' + i % 1000, 'Fay' FROM generate_series(1, 3000) i")
        db.execute("INSERT INTO filmyfly.movie_categories SELECT id, 1 FROM filmyfly.movies WHERE slug LIKE 'bulk-%'")
        check(catalogue, before, were - published(db), "insert")
        assert marked(db)["everything"] is False and len(marked(db)) <= 20
        db.commit()
        for sql in BULK:
            before, were = results(catalogue, catalogue.calls(rng, 3)), published(db)
            db.execute(sql)
            check(catalogue, before, were - published(db), sql)
            assert len(marked(db)) <= 5010
            db.rollback()


def test_what_a_change_does_not_touch_is_not_marked(pg):
    db, _ = database(pg, "little", 6, 40)

    def marks(sql, *values):
        db.execute(sql, values)
        found = marked(db)
        db.rollback()
        return found

    with db:
        movie = db.execute("SELECT id FROM filmyfly.movies WHERE published AND updated_at >= now() - interval '9 years'"
                           " ORDER BY id LIMIT 1").fetchone()[0]
        db.execute("UPDATE filmyfly.movies SET runtime = 1 WHERE id = %s", [movie])  # today in the sitemap
        hidden = db.execute("INSERT INTO filmyfly.movies (slug, title, published) VALUES ('x', 'X', false) RETURNING id").fetchone()[0]
        db.commit()
        one = f"movie:{movie}"
        assert marks("UPDATE filmyfly.movies SET synopsis = 'New.' WHERE id = %s", movie) == {one: False}
        assert marks("UPDATE filmyfly.movies SET title = 'New' WHERE id = %s", movie) == {one: False, "movies": False}
        assert marks("UPDATE filmyfly.movies SET synopsis = synopsis, title = title") == {}
        assert marks("UPDATE filmyfly.movies SET title = 'New', slug = 'new' WHERE id = %s", hidden) == {}
        assert marks("DELETE FROM filmyfly.movies WHERE id = %s", hidden) == {}
        assert marks("UPDATE filmyfly.settings SET value = value") == {}
        assert marks("UPDATE filmyfly.categories SET name = name") == {}
        assert marks("UPDATE filmyfly.categories SET sort_order = 7 WHERE slug = 'c1'") == {"category:c1": False, "categories": False}
