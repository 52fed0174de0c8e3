"""A whole FilmyFly with a database of its own, at an address that its canonical links name.

    with Site(cluster, certificate, "site_crawl") as site:
        site.get("/movies")
"""

import os
import subprocess

import psycopg

from naughty import TEXTS
from pipeline import BIN, REPO, Pipeline

DEMO = REPO / "dbproxy" / "demo" / "movies.ndjson"
FIELDS = ("title", "original_title", "director", "actors", "synopsis", "distributor", "certificate", "creative_type", "source")
ABOUT = "FilmyFly is a catalogue of movies.\n\nThis is its second paragraph."


class PipelineOfSite(Pipeline):
    """Its processes know the address they are reached at."""

    def add(self, stage, name=None, **env):
        return super().add(stage, name, **{"FILMYFLY_SITE": f"https://localhost:{self.https[1]}", **env})


class Site:
    """demo: with the demo catalogue; fill: a function that gets a connection to the database before anything is served."""

    def __init__(self, cluster, certificate, name, demo=True, fill=None, **options):
        self.cluster, self.name = cluster, name
        self.database_url = cluster.url(name, "filmyfly")
        cluster.create_database(name, owner="filmyfly")
        self._dbproxy("--migrate")
        if demo:
            self._dbproxy("--load", str(DEMO))
        with psycopg.connect(self.database_url) as connection:
            for key, value in (("about", ABOUT), ("legal", "Who is responsible."), ("contact", "Write to us.")):
                connection.execute("INSERT INTO filmyfly.settings (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                                   (key, value))
            if fill:
                fill(connection)
        cluster.psql("VACUUM ANALYZE", name)
        self.pipeline = PipelineOfSite(self.database_url, certificate, **{"renderers": 1, "dbproxies": 1, **options})
        self.url = f"https://localhost:{self.pipeline.https[1]}"

    def _dbproxy(self, *arguments):
        done = subprocess.run([str(BIN / "filmyfly-dbproxy"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "DATABASE_URL": self.database_url}, timeout=300, check=False)
        assert done.returncode == 0, f"filmyfly-dbproxy {' '.join(arguments)}: {done.stdout[-2000:]}"

    def __enter__(self):
        self.pipeline.__enter__()
        return self

    def __exit__(self, *what):
        try:
            self.pipeline.__exit__(*what)
        finally:
            self.cluster.psql(f"DROP DATABASE {self.name} WITH (FORCE)")

    def get(self, target, **options):
        return self.pipeline.get(target, **options)

    def query(self, sql):
        """The rows of a statement, each a list of texts."""
        return [line.split("|") for line in self.cluster.psql(sql, self.name).splitlines()]

    def value(self, sql):
        return self.query(sql)[0][0]


def keep_naughty(connection):
    """A movie and a category for each naughty text, with it in every field that takes it. Returns how many fields did and did not.

    A check that a row breaks, or a character that the database cannot hold, is an answer; any other error is not.
    """
    kept = refused = 0
    for n, text in enumerate(TEXTS):
        movie, category = (connection.execute(sql, (f"naughty-{n}", f"Naughty {n}")).fetchone()[0] for sql in (
            "INSERT INTO filmyfly.movies (slug, title, release_date, score, votes) VALUES (%s, %s, '2001-02-03', 5.5, 10) RETURNING id",
            "INSERT INTO filmyfly.categories (slug, name) VALUES (%s, %s) RETURNING id"))
        connection.execute("INSERT INTO filmyfly.movie_categories (movie_id, category_id) VALUES (%s, %s)", (movie, category))
        fields = {field: [text, "Plain Name"] if field == "actors" else text for field in FIELDS}
        changes = [("UPDATE filmyfly.movies SET " + ", ".join(f"{field} = %s" for field in part) + " WHERE id = %s", [*part.values(), movie])
                   for part in ({f: v for f, v in fields.items() if f != "certificate"}, {"certificate": fields["certificate"]})]
        changes.append(("UPDATE filmyfly.categories SET name = %s WHERE id = %s", [text, category]))
        while changes:
            sql, values = changes.pop(0)
            try:
                with connection.transaction():
                    connection.execute(sql, values)
                kept += len(values) - 1
            except (psycopg.errors.CheckViolation, psycopg.errors.UniqueViolation, psycopg.DataError):
                if len(values) == 2:
                    refused += 1
                else:  # one of them at least; which?
                    changes += [(f"UPDATE filmyfly.movies SET {field} = %s WHERE id = %s", [fields[field], movie]) for field in FIELDS if field != "certificate"]
    return kept, refused
