"""The schema keeps its promises, whoever writes: constraints, addresses, kept numbers, indexes, and who may read."""

import random

import psycopg
import pytest
from psycopg import errors

from pg import MIGRATIONS, Cluster

READABLE = {"movies", "categories", "movie_categories", "counters", "settings", "media", "changes", "cards", "facets",
            "shelves", "people", "movie_people", "search_entries", "search_words", "changes_gone"}


@pytest.fixture(scope="module")
def pg():
    with Cluster() as cluster:
        for role in ("anon", "authenticated", "service_role"):
            cluster.psql(f"CREATE ROLE {role}")
        yield cluster


def database(pg, name, owner="plain", role_options="", before=""):
    pg.create_database(name, owner, role_options)
    if before:
        pg.psql(before, name)
    pg.migrate(name, owner)
    return pg.url(name, owner)


@pytest.fixture(scope="module")
def url(pg):
    return database(pg, "catalogue")


@pytest.fixture
def db(url):
    """A connection whose changes are undone after the test."""
    with psycopg.connect(url) as connection:
        yield connection
        connection.rollback()


def insert(db, **values):
    values = {"slug": "a-movie", "title": "A Movie", **values}
    columns = ", ".join(values)
    marks = ", ".join(f"%({name})s" for name in values)
    return db.execute(f"INSERT INTO filmyfly.movies ({columns}) VALUES ({marks}) RETURNING id", values).fetchone()[0]


@pytest.mark.parametrize("values", [
    {"slug": ""}, {"slug": "A"}, {"slug": "a b"}, {"slug": "a--b"}, {"slug": "-a"}, {"slug": "a-"}, {"slug": "é"},
    {"slug": "a\n"}, {"slug": "a" * 121}, {"old_slugs": ["B"]}, {"old_slugs": ["a b"]}, {"old_slugs": [""]},
    {"old_slugs": [None]}, {"old_slugs": [f"s{n}" for n in range(51)]},
    {"title": ""}, {"title": "  "}, {"title": "t" * 301}, {"title": "a\tb"}, {"title": "a\nb"}, {"title": "a\u202eb"},
    {"title": "a\u0085b"}, {"original_title": ""}, {"year": 1869}, {"year": 2101}, {"release_date": "1869-05-01"},
    {"release_date": "infinity"}, {"release_date": "1999-05-01", "year": 1998}, {"runtime": 0}, {"runtime": 1001},
    {"certificate": "x" * 21}, {"director": ""}, {"director": "d" * 201}, {"actors": ["a", None]}, {"actors": [""]},
    {"actors": ["a\nb"]}, {"actors": ["a"] * 201}, {"synopsis": "s" * 10001}, {"synopsis": "a\x01"}, {"score": -0.1},
    {"score": 10.1}, {"votes": -1}, {"critics": 101}, {"critics": -1}, {"budget": -1}, {"gross_domestic": -1},
    {"gross_worldwide": -1}, {"links": "[]"}, {"links": '{"a": 1}'}, {"links": '{"a": ["https://x"]}'},
    {"links": '{"a": null}'}, {"links": '{"a": "javascript:alert(1)"}'}, {"links": '{"a": "https://x y"}'},
    {"links": '{"a": "https://x\\"y"}'}, {"links": '{"a": "https://x\\ny"}'}, {"poster": "javascript:alert(1)"},
    {"poster": "https://a b"}, {"poster": "../secret"}, {"poster": ""},
], ids=lambda values: "-".join(values))
def test_what_is_wrong_is_refused(db, values):
    with pytest.raises((errors.CheckViolation, errors.NumericValueOutOfRange)):
        insert(db, **values)


def test_what_is_right_is_taken(db):
    insert(db, slug="s" * 120, title="七人の侍 – “Seven” & 7 <b>", release_date="1954-04-26", runtime=1, score=10,
           votes=0, critics=0, budget=0, actors=["Toshirō Mifune"], old_slugs=["a", "b-2"], poster="posters/7.jpg",
           links='{"wikipedia": "https://en.wikipedia.org/wiki/Seven_Samurai?x=\'y\'"}', synopsis="One.\nTwo.")
    assert db.execute("SELECT year FROM filmyfly.movies").fetchone() == (1954,)


def test_year_follows_a_changed_release_date(db):
    movie = insert(db, release_date="1999-05-01")
    db.execute("UPDATE filmyfly.movies SET release_date = '2001-01-01' WHERE id = %s", [movie])
    assert db.execute("SELECT year FROM filmyfly.movies").fetchone() == (2001,)
    with pytest.raises(errors.CheckViolation):
        db.execute("UPDATE filmyfly.movies SET year = 1980 WHERE id = %s", [movie])


def test_updated_at_moves_only_with_a_change(db):
    movie = insert(db, updated_at="2000-01-01", created_at="2000-01-01")
    stamps = "SELECT updated_at > '2001-01-01', created_at > '2001-01-01' FROM filmyfly.movies"
    db.execute("UPDATE filmyfly.movies SET votes = votes WHERE id = %s", [movie])
    assert db.execute(stamps).fetchone() == (False, False)
    db.execute("UPDATE filmyfly.movies SET votes = 7, created_at = now() WHERE id = %s", [movie])
    assert db.execute(stamps).fetchone() == (True, False)


def test_old_addresses_lead_to_whoever_had_them_last(db):
    def slugs():
        return dict(db.execute("SELECT id, old_slugs FROM filmyfly.movies").fetchall())

    def rename(movie, slug):
        db.execute("UPDATE filmyfly.movies SET slug = %s WHERE id = %s", [slug, movie])

    first = insert(db, slug="one")
    rename(first, "two")
    rename(first, "three")
    assert slugs()[first] == ["one", "two"]
    rename(first, "one")  # back again: an address that is in use is no old one
    assert slugs()[first] == ["two", "three"]
    second = insert(db, slug="two")  # takes the address: the first is no longer found under it
    assert slugs() == {first: ["three"], second: []}
    rename(second, "other")
    rename(first, "two")
    assert slugs() == {first: ["three", "one"], second: []}
    rename(first, "last")
    assert slugs()[first] == ["three", "one", "two"]
    for n in range(60):
        rename(first, f"n{n}")
    assert slugs()[first] == [f"n{n}" for n in range(9, 59)]


@pytest.mark.parametrize("title,slug", [
    ("King Kong", "king-kong"), ("Aimée & Jaguar", "aimee-and-jaguar"), ("Pirate's Cove", "pirates-cove"),
    ("Alien³", "alien3"), ("The Naked Gun 2½", "the-naked-gun-2-1-2"),
    ("Łódź Straße Ærø Œuvre", "lodz-strasse-aero-oeuvre"),
    ("300", "300"), ("七人の侍", ""), (" -- ", ""), ("x" * 99 + " yz", "x" * 99), ("ÉÀÎ", "eai"),
])
def test_slugs_of_titles(db, title, slug):
    assert db.execute("SELECT filmyfly.slug_of(%s)", [title]).fetchone()[0] == slug


# What triggers keep, and what a look into the movies gives: each row of one is a row of the other.
KEPT = {
    "cards": ("""
        SELECT movie_id, list, rank, released, year, score, slug, title, certificate FROM filmyfly.cards""", """
        SELECT m.id, l.list, ((coalesce(m.score, -0.1) * 10 + 1) * 16777216)::integer + m.votes,
            coalesce(m.release_date, make_date(m.year, 1, 1), '0001-01-01'), m.year, m.score, m.slug, m.title,
            m.certificate
        FROM filmyfly.movies m, LATERAL (SELECT 0 AS list
            UNION ALL SELECT category_id FROM filmyfly.movie_categories WHERE movie_id = m.id) l
        WHERE m.published"""),
    "facets": ("SELECT * FROM filmyfly.facets WHERE movies > 0", """
        SELECT l.list, coalesce(m.year, 0), coalesce(m.certificate, ''), coalesce(floor(m.score), -1), count(*)
        FROM filmyfly.movies m, LATERAL (SELECT 0 AS list
            UNION ALL SELECT category_id FROM filmyfly.movie_categories WHERE movie_id = m.id) l
        WHERE m.published GROUP BY 1, 2, 3, 4"""),
    "counters": ("SELECT name, value FROM filmyfly.counters WHERE value > 0", """
        SELECT 'movies', count(*) FROM filmyfly.movies WHERE published HAVING count(*) > 0
        UNION ALL SELECT 'decade:' || year / 10 * 10, count(*) FROM filmyfly.movies
            WHERE published AND year IS NOT NULL GROUP BY 1
        UNION ALL SELECT 'certificate:' || certificate, count(*) FROM filmyfly.movies
            WHERE published AND certificate IS NOT NULL GROUP BY 1"""),
    "categories": ("SELECT id, movies FROM filmyfly.categories", """
        SELECT c.id, (SELECT count(*) FROM filmyfly.movie_categories mc JOIN filmyfly.movies m ON m.id = mc.movie_id
            WHERE mc.category_id = c.id AND m.published) FROM filmyfly.categories c"""),
    "shelves": ("SELECT list, jsonb_path_query_array(cards, '$[*].id') FROM filmyfly.shelves WHERE cards <> '[]'", """
        SELECT mc.category_id, to_jsonb((array_agg(m.id ORDER BY m.score DESC NULLS LAST, m.votes DESC, m.id DESC))[:6])
        FROM filmyfly.movie_categories mc JOIN filmyfly.movies m ON m.id = mc.movie_id
        WHERE m.published GROUP BY 1"""),
    "movie_people": ("""
        SELECT mp.movie_id, p.key, mp.directed, mp.billing, mp.released, mp.year, mp.score, mp.slug, mp.title
        FROM filmyfly.movie_people mp JOIN filmyfly.people p ON p.id = mp.person_id AND p.slug = mp.person_slug""", """
        SELECT m.id, key, bool_or(directed), min(place),
            coalesce(m.release_date, make_date(m.year, 1, 1), '0001-01-01'), m.year, m.score, m.slug, m.title
        FROM filmyfly.movies m, LATERAL (
            SELECT filmyfly.person_key(m.director) AS key, true AS directed, NULL::bigint AS place
            UNION ALL SELECT filmyfly.person_key(name), false, place
                FROM unnest(m.actors) WITH ORDINALITY a (name, place)) c
        WHERE m.published AND key <> '' GROUP BY m.id, key"""),
    "people": ("SELECT key, movies, directed, acted FROM filmyfly.people", """
        SELECT p.key, count(*), count(*) FILTER (WHERE mp.directed), count(mp.billing)
        FROM filmyfly.movie_people mp JOIN filmyfly.people p ON p.id = person_id GROUP BY 1"""),
    "spelling of people": ("SELECT id FROM filmyfly.people", "SELECT id FROM filmyfly.people"
                           " WHERE key = filmyfly.person_key(name) AND regexp_replace(slug, '-[0-9]+$', '')"
                           " = coalesce(nullif(regexp_replace(filmyfly.slug_of(name), '-[0-9]+$', ''), ''),"
                           " 'person-' || left(md5(key), 8))"),
    "old slugs": ("SELECT slug FROM filmyfly.movies WHERE slug IN (SELECT unnest(old_slugs) FROM filmyfly.movies)",
                  "SELECT '' WHERE false"),
}


def assert_kept(db):
    for what, (kept, counted) in KEPT.items():
        wrong = db.execute(f"(SELECT 'kept', * FROM (({kept}) EXCEPT ALL ({counted})) k) UNION ALL"
                           f" (SELECT 'right', * FROM (({counted}) EXCEPT ALL ({kept})) k) LIMIT 6").fetchall()
        assert not wrong, (what, wrong)


@pytest.mark.parametrize("seed", range(6))
def test_kept_numbers_are_right_after_random_changes(db, seed):
    rng = random.Random(seed)

    def movies():
        return rng.choice(["id % 7 = 3", "published", "NOT published", "id % 2 = 0", "year IS NULL", "votes < 300",
                           "id = (SELECT max(id) FROM filmyfly.movies)", "true"])

    def person():
        return rng.choice(["'Ana Ré'", "'ANA RE'", "'ana  ré'", "'Ana-Re'", "'Bo'", "'七'", "'八'", "'Bo 2'"])

    def step():
        where = movies()
        certificate = rng.choice(["NULL", "'PG'", "'R'"])
        n, m = rng.randrange(1, 30), rng.randrange(1000)
        return rng.choice([
            f"INSERT INTO filmyfly.movies (slug, title, published, release_date, votes, director, actors, certificate)"
            f" SELECT 'm{rng.randrange(10 ** 9)}-' || i, 'M', i % 3 <> 0, '1990-01-01'::date + i * {m}, i * {m},"
            f" {person()}, ARRAY[{person()}, {person()}, 'Actor ' || i, {person()}], {certificate}"
            f" FROM generate_series(1, {n}) i",
            f"INSERT INTO filmyfly.movie_categories (movie_id, category_id) SELECT m.id, c.id"
            f" FROM filmyfly.movies m, filmyfly.categories c WHERE (m.id + c.id) % {n} = 0"
            f" AND m.id IN (SELECT id FROM filmyfly.movies WHERE {movies()}) ON CONFLICT DO NOTHING",
            f"INSERT INTO filmyfly.movie_categories (movie_id, category_id)"
            f" SELECT m.id, c.id FROM filmyfly.movies m, filmyfly.categories c WHERE m.id % {n} = 1"
            f" ON CONFLICT (movie_id, category_id) DO UPDATE SET category_id = EXCLUDED.category_id",
            f"UPDATE filmyfly.movies SET director = {person()} WHERE {where}",
            f"UPDATE filmyfly.movies SET actors = ARRAY[{person()}, {person()}], published = id % 3 = 1 WHERE {where}",
            f"UPDATE filmyfly.movies SET certificate = 'C' || id % 3, title = 'T' || id, votes = {m} WHERE {where}",
            f"UPDATE filmyfly.movies SET published = NOT published WHERE {where}",
            f"UPDATE filmyfly.movies SET score = {m % 10}, votes = {m}, release_date = NULL WHERE {where}",
            f"UPDATE filmyfly.movies SET release_date = '2001-02-03', year = 2001 WHERE {where}",
            f"UPDATE filmyfly.movies SET slug = 'r{rng.randrange(10 ** 9)}-' || id WHERE {where}",
            f"UPDATE filmyfly.movie_categories SET category_id = {rng.randrange(1, 6)} WHERE movie_id % 5 = {n % 5}"
            f" AND movie_id NOT IN (SELECT movie_id FROM filmyfly.movie_categories GROUP BY 1 HAVING count(*) > 1)",
            f"DELETE FROM filmyfly.movie_categories WHERE movie_id % 5 = {n % 5}",
            f"DELETE FROM filmyfly.movies WHERE id % 11 = {n % 11}",
            f"INSERT INTO filmyfly.categories (slug, name) VALUES ('x{m}', 'X{m}') ON CONFLICT DO NOTHING",
            f"DELETE FROM filmyfly.categories WHERE slug = 'x{m}'",
            "TRUNCATE filmyfly.movie_categories" if m < 100 else "SELECT 1",
            "TRUNCATE filmyfly.movies CASCADE" if m < 30 else "SELECT 1",
        ])

    for n in range(1, 6):
        db.execute("INSERT INTO filmyfly.categories (id, slug, name) VALUES (%s, %s, %s)", [n, f"c{n}", f"C{n}"])
    for _ in range(120):
        statement = step()
        db.execute(statement)
        try:
            assert_kept(db)
        except AssertionError as wrong:
            raise AssertionError(f"after {statement}") from wrong


def test_unpublishing_and_giving_a_category_wait_for_each_other(url):
    with psycopg.connect(url) as one, psycopg.connect(url) as two:
        one.execute("INSERT INTO filmyfly.movies (id, slug, title) VALUES (900, 'race', 'Race')")
        one.execute("INSERT INTO filmyfly.categories (id, slug, name) VALUES (900, 'race', 'Race')")
        one.commit()
        try:
            one.execute("UPDATE filmyfly.movies SET published = false WHERE id = 900")
            two.execute("SET lock_timeout = '300ms'")
            two.commit()
            with pytest.raises(errors.LockNotAvailable):
                two.execute("INSERT INTO filmyfly.movie_categories (movie_id, category_id) VALUES (900, 900)")
            two.rollback()
            one.commit()
            two.execute("INSERT INTO filmyfly.movie_categories (movie_id, category_id) VALUES (900, 900)")
            two.commit()
            assert_kept(one)
            assert one.execute("SELECT count(*) FROM filmyfly.cards WHERE list = 900").fetchone() == (0,)
        finally:
            one.rollback()
            one.execute("DELETE FROM filmyfly.movies WHERE id = 900")
            one.execute("DELETE FROM filmyfly.categories WHERE id = 900")
            one.commit()


def test_a_plan_made_for_one_row_serves_many(db):
    """On one connection, whose triggers keep their plans: quadratic work would take hours here."""
    db.execute("INSERT INTO filmyfly.categories (id, slug, name) VALUES (1, 'c', 'C')")
    for n in range(8):
        insert(db, slug=f"one-{n}")
        db.execute("UPDATE filmyfly.movies SET votes = votes + 1 WHERE slug = %s", [f"one-{n}"])
    db.execute("SET LOCAL statement_timeout = '60s'")
    db.execute("INSERT INTO filmyfly.movies (slug, title) SELECT 'm-' || n, 'M' FROM generate_series(1, 20000) n")
    db.execute("INSERT INTO filmyfly.movie_categories (movie_id, category_id) SELECT id, 1 FROM filmyfly.movies")
    db.execute("UPDATE filmyfly.movies SET published = false")
    assert_kept(db)


PAGES = {
    "movies_at_slug": "SELECT id FROM filmyfly.movies WHERE slug = 'm-77'",
    "movies_old_slugs": "SELECT slug FROM filmyfly.movies WHERE old_slugs @> ARRAY['old-77']",
    "movies_published_at": "SELECT slug FROM filmyfly.movies WHERE published"
                           " ORDER BY published_at DESC, id DESC LIMIT 24",
    "cards_newest": "SELECT slug, title, year, score FROM filmyfly.cards WHERE list = 1"
                    " ORDER BY released DESC, movie_id DESC LIMIT 24 OFFSET 240",
    "cards_best": "SELECT slug, title, year, score FROM filmyfly.cards WHERE list = 1"
                  " ORDER BY rank DESC, movie_id DESC LIMIT 24 OFFSET 240",
    "cards_title": "SELECT slug, title, year, score FROM filmyfly.cards WHERE list = 0"
                   ' ORDER BY filmyfly.title_key(title) COLLATE "C", movie_id LIMIT 24',
    "cards_certificate": "SELECT slug FROM filmyfly.cards WHERE list = 0 AND certificate = 'R'",
    "movie_people_newest": "SELECT slug, title, year, score, directed, billing FROM filmyfly.movie_people"
                           " WHERE person_id = 7 ORDER BY released DESC, movie_id DESC LIMIT 24",
}


@pytest.fixture(scope="module")
def big(pg):
    url = database(pg, "big")
    with psycopg.connect(url) as db:
        db.execute("""
            INSERT INTO filmyfly.movies (slug, title, release_date, score, votes, director, old_slugs, certificate)
            SELECT 'm-' || n, 'Title word' || n, '1980-01-01'::date + n % 12000, n % 100 / 10.0, n, 'D ' || n % 100,
                ARRAY['old-' || n], CASE WHEN n % 500 = 0 THEN 'R' ELSE 'PG' END FROM generate_series(1, 20000) n""")
        db.execute("INSERT INTO filmyfly.categories (id, slug, name) SELECT n, 'c' || n, 'C' || n"
                   " FROM generate_series(1, 5) n")
        db.execute("INSERT INTO filmyfly.movie_categories (movie_id, category_id)"
                   " SELECT id, 1 + id % 5 FROM filmyfly.movies")
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("VACUUM (ANALYZE)")
    return url


@pytest.mark.parametrize("index", PAGES)
def test_every_list_is_an_index_scan(big, index):
    with psycopg.connect(big) as db:
        plan = "\n".join(row[0] for row in db.execute("EXPLAIN (COSTS OFF) " + PAGES[index]))
    assert f" {index}" in plan and "Seq Scan" not in plan and "Sort" not in plan, plan
    if "slug, title, year, score" in PAGES[index]:
        assert "Index Only Scan" in plan, plan


def visible(url, role):
    """The tables of ours that a role may read, and the functions it may call."""
    with psycopg.connect(url) as db:
        tables = {row[0] for row in db.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'filmyfly'::regnamespace AND relkind IN ('r', 'S')"
            " AND has_table_privilege(%s, oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')", [role])}
        functions = {row for row in db.execute(
            "SELECT proname, provolatile FROM pg_proc WHERE pronamespace = 'filmyfly'::regnamespace"
            " AND has_function_privilege(%s, oid, 'EXECUTE')", [role])}
        schema = db.execute("SELECT has_schema_privilege(%s, 'filmyfly', 'USAGE, CREATE')", [role]).fetchone()[0]
    return tables, functions, schema


@pytest.mark.parametrize("role", ["public", "anon", "authenticated", "service_role"])
def test_others_see_nothing_of_ours(pg, role):
    """Also where the owner's default privileges hand everything out, as Supabase's do for the schema public."""
    name = f"generous_{role}"
    url = database(pg, name, f"owner_{role}", before="""
        CREATE SCHEMA elsewhere;
        ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON TABLES TO anon;""")
    with psycopg.connect(url) as db:  # the next migrator has them as its own
        db.execute("DROP SCHEMA filmyfly CASCADE")
        for kind in ("TABLES", "SEQUENCES", "FUNCTIONS", "SCHEMAS"):
            db.execute(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {kind} TO anon, authenticated, service_role, PUBLIC")
    pg.migrate(name, f"owner_{role}")
    assert visible(url, role) == (set(), set(), False)


def test_reader_sees_what_pages_need_and_changes_nothing(pg):
    url = database(pg, "with_roles", "maker", "CREATEROLE")
    tables, functions, schema = visible(url, "filmyfly_reader")
    assert (tables, schema) == (READABLE, True)
    assert {"fold", "slug_of", "browse"} <= {name for name, _ in functions}
    assert [name for name, kind in functions if kind == "v"] == []  # none that could change anything
    with psycopg.connect(url) as db:
        db.execute("INSERT INTO filmyfly.movies (slug, title) VALUES ('a', 'A')")
        db.execute("SET LOCAL ROLE filmyfly_reader")
        assert db.execute("SELECT slug FROM filmyfly.movies").fetchall() == [("a",)]
        for statement in ("SELECT FROM filmyfly.users", "SELECT FROM filmyfly.sessions", "SELECT FROM filmyfly.logs",
                          "UPDATE filmyfly.movies SET votes = 1", "DELETE FROM filmyfly.settings",
                          "INSERT INTO filmyfly.changes (tag) VALUES ('x')", "TRUNCATE filmyfly.media"):
            with pytest.raises(errors.InsufficientPrivilege), db.transaction():
                db.execute(statement)


def test_plain_owner_goes_without_a_reader_when_there_is_none():
    with Cluster() as pg:
        url = database(pg, "alone")
        with psycopg.connect(url) as db:
            assert db.execute("SELECT rolname FROM pg_roles WHERE rolname = 'filmyfly_reader'").fetchall() == []
            db.execute("INSERT INTO filmyfly.movies (slug, title) VALUES ('a', 'A')")
            assert_kept(db)


def test_foreign_tables_of_the_same_names_stay_untouched(pg):
    schema = (MIGRATIONS / "0001_schema.sql").read_text()
    names = [part.split(" ")[0] for part in schema.split("CREATE TABLE filmyfly.")[1:]]
    assert "movies" in names and "changes" in names
    foreign = "".join(f"CREATE TABLE public.{name} (theirs text); INSERT INTO public.{name} VALUES ('x');"
                      for name in names)
    url = database(pg, "shared", before=foreign + """
        CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz';
        CREATE FUNCTION public.lower(character varying) RETURNS text LANGUAGE sql AS 'SELECT NULL';
        CREATE FUNCTION public.count_movies(bigint) RETURNS void LANGUAGE sql AS 'SELECT 1 / 0';
        GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
        ALTER DATABASE shared SET search_path = public, pg_catalog""")
    with psycopg.connect(url) as db:
        movie = insert(db)
        db.execute("INSERT INTO filmyfly.categories (id, slug, name) VALUES (1, 'c', 'C')")
        db.execute("INSERT INTO filmyfly.movie_categories (movie_id, category_id) VALUES (%s, 1)", [movie])
        db.execute("UPDATE filmyfly.movies SET slug = 'other', published = false")
        db.execute("UPDATE filmyfly.settings SET value = 'x' WHERE key = 'footer'")
        assert_kept(db)
        for name in names:
            assert db.execute(f"SELECT theirs FROM public.{name}").fetchall() == [("x",)]


def test_another_encoding_is_refused_in_plain_words(pg, url):
    pg.psql("CREATE DATABASE latin OWNER plain ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(RuntimeError, match="FilmyFly needs UTF8"):
        pg.migrate("latin", "plain")


def test_slug_index_does_not_depend_on_the_locale(db):
    assert db.execute("SELECT collname FROM pg_index JOIN pg_collation c ON c.oid = indcollation[0]"
                      " WHERE indexrelid = 'filmyfly.movies_slug_key'::regclass").fetchone() == ("C",)
