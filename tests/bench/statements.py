#!/usr/bin/python3
"""What every read statement costs in PostgreSQL, in a small catalogue and in a large one, side by side.

    tests/bench/statements.py SMALL_URL LARGE_URL

Both are libpq URLs of FilmyFly databases, the second made a million movies by tests/bench/million.sql. For each statement, and for each page (its
statements together): the buffers touched and the milliseconds at both, and large over small. Each is run for many movies, categories and people drawn
at random (the same draw in every run, asked for once before; what visitors type, and addresses that lead nowhere, are the small catalogue's in both), prepared as dbproxy prepares it, as the role that pages are read as; the figures are
means of buffers and medians of time, the two catalogues taking turns.
"""
import argparse
import json
import pathlib
import random
import re
import statistics
import sys

import psycopg

QUERIES = pathlib.Path(__file__).resolve().parents[2] / "dbproxy" / "queries"
BROWSE = ("category", "decade", "year", "certificate", "score", "sort", "page", "after")

# What a visitor may ask /movies for; each is a line of its own.
FILTERS = {
    "all": {}, "all p100": {"page": 100}, "best": {"sort": "best"}, "title": {"sort": "title"}, "oldest": {"sort": "oldest"},
    "category": {"category": "drama"}, "category best": {"category": "drama", "sort": "best"}, "decade": {"decade": 1990},
    "decade best": {"decade": 1990, "sort": "best"}, "year title": {"year": 1999, "sort": "title"}, "certificate": {"certificate": "PG-13"},
    "score": {"score": 7}, "category decade": {"category": "comedy", "decade": 2000},
    "category certificate": {"category": "comedy", "certificate": "PG"},
    "category decade certificate score best": {"category": "drama", "decade": 2000, "certificate": "R", "score": 6, "sort": "best"},
    "rare: year 1940 title": {"year": 1940, "sort": "title"}, "rare: score 9 title": {"score": 9, "sort": "title"},
    "rare: NC-17 best": {"certificate": "NC-17", "sort": "best"},
    "rare: western 1990s G score 8": {"category": "western", "decade": 1990, "certificate": "G", "score": 8},
    "rare: action G score 8": {"category": "action", "certificate": "G", "score": 8},
}
PAGES = {
    "home": ["movies_newest", "movies_best", "home_shelves", "categories", "decades", "movies_count"],
    "movie": ["movie", "movie_related"],
    "category page": ["category", "category_page"],
    "person page": ["person", "person_movies"],
    "browse: all": ["movie_browse: all", "movie_browse_count: all", "categories", "decades", "certificates"],
    "browse: category decade": ["movie_browse: category decade", "movie_browse_count: category decade", "categories", "decades", "certificates"],
    "feed page": ["feed"],
    "search page": ["search", "search_people"],
    "404 page": ["movie", "movie_like"],
    "suggestions": ["suggest"],
    "search page, full": ["search: full", "search_people: full"],
    "suggestions, full": ["suggest: full"],
}
FULL = {"": {}, "full": {"full": True}}  # any title, which may find one movie; words that find a page full
TYPED = ("search", "search_people", "suggest", "movie_like")


def read_statements():
    found = {}
    for path in sorted(QUERIES.glob("*.sql")):
        text = path.read_text()
        declared = re.search(r"^-- params: (.*)$", text, re.M)
        if not re.search(r"^-- access: write$", text, re.M):
            found[path.stem] = (text, [tuple(each.split()) for each in declared.group(1).split(",")] if declared else [])
    return found


def literal(value):
    return "NULL" if value is None else str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


class Catalogue:
    """A database: its statements prepared on one connection, and values to ask for."""

    def __init__(self, url, statements, count, typed=None):
        self.typed = typed or self
        self.db = psycopg.connect(url, autocommit=True)
        self.db.execute("SET search_path = pg_catalog; SET jit = off; SET max_parallel_workers_per_gather = 0")
        rng = random.Random(1)
        last = self.db.execute("SELECT max(id) FROM filmyfly.movies").fetchone()[0]
        self.movies = [self.draw("SELECT id, slug, title FROM filmyfly.movies WHERE id >= %s AND published ORDER BY id LIMIT 1", rng.randint(1, last))
                       for _ in range(count)]
        last = self.db.execute("SELECT max(id) FROM filmyfly.people").fetchone()[0]
        self.people = [self.draw("SELECT slug, name FROM filmyfly.people WHERE id >= %s ORDER BY id LIMIT 1", rng.randint(1, last))
                       for _ in range(count)]
        self.categories = [row[0] for row in self.db.execute("SELECT slug FROM filmyfly.categories WHERE movies > 0 ORDER BY movies DESC LIMIT 8")]
        self.words = [row[0] for row in self.db.execute("SELECT word FROM filmyfly.search_words WHERE entries >= 24 AND word ~ '^[a-z]{4,}$'"
                                                        " ORDER BY md5(word) LIMIT %s", [count])]
        if self.db.execute("SELECT FROM pg_roles WHERE rolname = 'filmyfly_reader'").fetchone():
            self.db.execute("SET ROLE filmyfly_reader")
        self.movies_total = self.db.execute("SELECT value FROM filmyfly.counters WHERE name = 'movies'").fetchone()[0]
        for name, (text, params) in statements.items():
            types = f"({', '.join(kind for _, kind in params)})" if params else ""
            self.db.execute(f"PREPARE s_{name}{types} AS {text}")

    def draw(self, sql, start):
        return self.db.execute(sql, [start]).fetchone() or self.db.execute(sql, [1]).fetchone()

    def arguments(self, name, params, extra, i):
        source = self.typed if name in TYPED else self
        movie, person = source.movies[i % len(source.movies)], source.people[i % len(source.people)]
        values = {"page": 1, "file": 1, "per_page": 36, "q": person[1] if name == "search_people" else movie[2], **extra}
        if "full" in extra:
            values["q"] = source.words[i % len(source.words)]
        if name.startswith("person"):
            values["slug"] = person[0]
        elif name.startswith("category"):
            values["slug"] = self.categories[i % len(self.categories)]
        else:
            values["slug"] = movie[1]
        if name == "suggest":
            values["q"] = values["q"][:5]
        if name == "movie_like":
            values["slug"] = values["slug"][:-1]
        return [values.get(param) for param, _ in params]

    def run(self, name, params, extra, i):
        """Buffers, milliseconds, rows."""
        values = self.arguments(name, params, extra, i)
        call = f"s_{name}" + (f"({', '.join(map(literal, values))})" if values else "")
        told = self.db.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE {call}").fetchone()[0]
        told = (told if isinstance(told, list) else json.loads(told))[0]
        plan = told["Plan"]
        buffers = sum(plan.get(f"{kind} {what} Blocks", 0) for kind in ("Shared", "Temp") for what in ("Hit", "Read"))
        return buffers, told["Execution Time"], plan["Actual Rows"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("small")
    parser.add_argument("large")
    parser.add_argument("--count", type=int, default=60, help="runs of each statement (60)")
    parser.add_argument("--only", default="", help="only the lines in which this stands")
    options = parser.parse_args()

    statements = read_statements()
    small = Catalogue(options.small, statements, options.count)
    arms = [small, Catalogue(options.large, statements, options.count, small)]
    lines = []
    for name, (_, params) in statements.items():
        filters = FILTERS if name in ("movie_browse", "movie_browse_count") else FULL if name in TYPED[:3] else {"": {}}
        lines += [(f"{name}: {title}" if title else name, name, params, extra) for title, extra in filters.items()]
    lines = [line for line in lines if options.only in line[0]]

    print(f"{'':52}{'buffers':>22}{'':9}{'ms':>20}{'':9}{'rows':>14}")
    print(f"{'movies':52}{arms[0].movies_total:>11}{arms[1].movies_total:>11}{'ratio':>9}"
          f"{'small':>10}{'large':>10}{'ratio':>9}{'small':>7}{'large':>7}")
    costs = {}

    def show(title, cost, rows=None):
        (b0, t0), (b1, t1) = cost
        print(f"{title:52}{b0:11.1f}{b1:11.1f}{b1 / max(b0, 1):9.2f}{t0:10.3f}{t1:10.3f}{t1 / max(t0, 0.001):9.2f}"
              + (f"{rows[0]:7.0f}{rows[1]:7.0f}" if rows else ""))

    for title, name, params, extra in lines:
        runs = [[], []]
        for i in range(-max(8, options.count), options.count):  # the first round settles the plan and fills the caches
            for arm, found in zip(arms, runs):
                one = arm.run(name, params, extra, i % options.count)
                if i >= 0:
                    found.append(one)
        costs[title] = [(statistics.mean(b for b, _, _ in found), statistics.median(t for _, t, _ in found)) for found in runs]
        show(title, costs[title], [statistics.mean(r for _, _, r in found) for found in runs])
    print()
    for page, parts in PAGES.items():
        if all(part in costs for part in parts):
            show("page " + page, [tuple(sum(costs[part][arm][k] for part in parts) for k in (0, 1)) for arm in (0, 1)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
