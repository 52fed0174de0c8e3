"""A renderer alone, between a left side and a stand-in dbproxy, both in Python: what its tests are made of.

The stand-in answers from canned rows, so that a test can say what the database holds, breaks, or withholds.
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

import wire
from pipeline import BAD_WORDS, BIN, wait_until

VOID = {"meta", "link", "img", "br", "hr", "input"}
MOVIE = {"id": 7, "slug": "alien", "title": "Alien", "original_title": None, "release_date": "1979-05-25", "year": 1979, "runtime": 117,
         "certificate": "R", "director": "Ridley Scott", "actors": ["Sigourney Weaver", "Tom Skerritt"], "distributor": "20th Century Fox",
         "synopsis": None, "score": 8.5, "votes": 180387, "critics": 97, "budget": 11000000, "gross_domestic": 80930630,
         "gross_worldwide": 203630630, "links": '{"wikipedia": "https://en.wikipedia.org/wiki/Alien_(film)"}', "creative_type": None,
         "source": "Original Screenplay", "category_pairs": ["science-fiction", "Science Fiction", "horror", "Horror"],
         "director_slug": "ridley-scott", "actor_pairs": ["sigourney-weaver", "Sigourney Weaver", "tom-skerritt", "Tom Skerritt"],
         "updated_at": "2024-02-29 23:59:07.5+00"}


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
            "categories": [{"slug": "horror", "name": "Horror", "movies": 12}, {"slug": "film-noir", "name": "Film-Noir", "movies": 7}],
            "decades": [{"decade": 1990, "movies": 40}, {"decade": 1970, "movies": 8}],
            "certificates": [{"certificate": "R", "movies": 30}, {"certificate": "Not Rated", "movies": 5}],
            "category": lambda slug: [{"slug": "horror", "name": "Horror & Terror", "movies": 12}] if slug == "horror" else [],
            "movie": lambda slug: {"alien": [MOVIE], "alien-1979": [MOVIE]}.get(slug, []),
            "movie_like": [card(5, title="Aliens")],
            "person": lambda slug: [{"slug": "ridley-scott", "name": "Ridley Scott", "movies": 3, "directed": 2, "acted": 1}] if slug == "ridley-scott" else [],
            "person_movies": [card(n, directed=n < 3, acted=n == 3) for n in range(1, 4)],
            "home_shelves": [{"category_slug": slug, "category_name": slug.title(), **card(n)} for slug in ("drama", "comedy") for n in range(6)],
            "movie_browse_count": [{"movies": 3}],
            "search": [card(n, total=3, corrected=None) for n in range(1, 4)],
            "search_people": [{"slug": "ridley-scott", "name": "Ridley Scott", "movies": 3}],
            "suggest": [{"kind": "movie", "slug": "alien", "title": "Alien", "year": 1979},
                        {"kind": "person", "slug": "alien-ant-farm", "title": "Alien Ant Farm", "year": None}],
            "site_texts": [{"key": "about", "value": "One line,\nand its second.\r\n\r\n \n<b>Two</b> & more\n\n"}, {"key": "contact", "value": "mail@example.org"}],
        }
        lists = ("movies_newest", "movies_best", "movie_browse", "category_page", "api_movies")
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
        self.batches.append([(name.decode(), [None if p is None else p.decode() for p in parameters]) for name, parameters in ticket.message.batch])
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


class Page(html.parser.HTMLParser):
    """Reads a page, and holds it against what every page promises: tags are closed in order, ids are unique, nothing is inline or foreign, no
    list is empty."""

    def __init__(self, answer):
        super().__init__()
        body = answer.body
        if answer.header("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.text, self.open, self.links, self.ids, self.tags, self.canonical, self.data = body.decode("utf-8"), [], [], [], [], None, ""
        assert self.text.startswith("<!doctype html>\n<html lang=\"en\">")
        self.feed(self.text)
        assert self.open == [], f"never closed: {self.open}"
        assert len(set(self.ids)) == len(self.ids)
        assert self.tags.count("h1") == 1 and self.tags.count("main") == 1 and self.tags.count("title") == 1
        assert "{{" not in self.text
        self.data = json.loads(self.data) if self.data else None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        assert tag != "style" and (tag != "script" or "src" in attrs or attrs.get("type") == "application/ld+json"), f"inline {tag}"
        assert not [name for name in attrs if name == "style" or name.startswith("on")], f"inline {attrs}"
        self.tags.append(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        if tag == "link" and attrs["rel"] == "canonical":
            self.canonical = attrs["href"]
        elif tag != "a":
            for name in ("href", "src"):
                assert attrs.get(name, "/").startswith("/") and not attrs.get(name, "/").startswith("//"), f"foreign {attrs}"
        if self.open and self.open[-1] in ("ul", "ol", "dl"):
            self.open[-1] += " with items"
        if tag not in VOID and tag not in ("rect", "path", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID and tag not in ("rect", "path", "circle"):
            last = self.open.pop()
            assert last.partition(" ")[0] == tag, f"</{tag}> closes {last}"
            assert last not in ("ul", "ol", "dl"), f"an empty {tag}"

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.data += data
