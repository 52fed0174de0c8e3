#!/usr/bin/python3
"""CPU per uncached movie page, by stage, and the time to its first byte; beside another stack when one is given.

    tests/bench/uncached.py                                  FilmyFly alone, started by ./run in a directory of its own
    tests/bench/uncached.py --peer-url https://127.0.0.1:28443 --peer nginx=PIDFILE --peer node=PIDFILE --peer-database PIDFILE
    tests/bench/uncached.py --catalogue FILE                 the same and the movies of FILE (a JSON object a line), beside it; every kind of page
    tests/bench/uncached.py --million [--catalogue FILE]     that one, or the small one, made a million movies, likewise

Arms alternate, seven pairs; every figure is the median (least to greatest), every ratio is taken pair by pair, and beside it stands the spread of an
arm against itself (its odd runs over its even runs). Needs h2load and the release build.
"""
import argparse
import itertools
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(__file__))
import procs  # noqa: E402
from first_byte import first_byte  # noqa: E402

# Every kind of page. What is asked for stands in both catalogues, and is another one each time.
PAGES = {
    "home": "/?n={n}", "browse": "/movies?n={n}", "browse, filtered": "/movies?category=drama&decade=1990&sort=best&n={n}",
    "category": "/category/{category}?n={n}", "movie": "/movie/{movie}?n={n}", "person": "/person/{person}?n={n}",
    "search": "/search?q={words}&n={n}", "search, many found": "/search?q={common}&n={n}", "suggestions": "/suggest?q={begun}&n={n}",
    "404": "/movie/{movie}x?n={n}",
    "API, list": "/api/v1/movies?n={n}", "API, movie": "/api/v1/movies/{movie}?n={n}", "feed": "/feed.xml?n={n}",
}

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("FILMYFLY_BUILD_DIR", str(ROOT / "build/release"))


def pid_in(path):
    return int(pathlib.Path(path).read_text().split()[0])


def sh(*args, env=None, check=True):
    done = subprocess.run(args, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode:
        sys.exit(f"{' '.join(map(str, args))}: {done.stdout}")
    return done.stdout


class Arm:
    """A server: where it answers, which processes it is, which of them are the database."""

    def __init__(self, name, url, roots, database, slugs):
        self.name, self.url, self.roots, self.database, self.slugs = name, url, roots, database, slugs
        self.runs, self.first_bytes = [], []

    def cpu(self):
        figures = {name: sum(procs.cpu(pid) for pid in pids) for name, pids in self.roots.items()}
        figures["PostgreSQL"] = procs.cpu(self.database)
        return figures

    def load(self, requests, in_flight, serial):
        """One run of `requests` different addresses, each asked once; returns CPU ms per 1,000 requests by process group."""
        with tempfile.NamedTemporaryFile("w", suffix=".urls") as urls:
            for i in range(requests):
                urls.write(f"{self.url}/movie/{self.slugs[i % len(self.slugs)]}?n={serial}x{i}\n")
            urls.flush()
            before = self.cpu()
            text = sh("h2load", "-n", str(requests), "-c", "1", "-m", str(in_flight), "-t", "1", "-H", "accept-encoding: gzip",
                      "-i", urls.name)
            after = self.cpu()
        good = re.search(r"status codes: (\d+) 2xx", text)
        if not good or int(good.group(1)) != requests:
            sys.exit(f"{self.name}: not every page was answered 200:\n{text}")
        return {name: (after[name] - before[name]) * 1e6 / requests for name in after}

    def first_byte(self, count, turn, serial):
        """Milliseconds from the end of the handshake to the first byte, a new connection each."""
        slugs = [slug for slug in self.slugs if len(slug) < 80]
        return [first_byte(self.url, f"/movie/{slugs[(turn * count + i) % len(slugs)]}?f={serial}x{i}") for i in range(count)]


def asked_for(pipeline):
    """The movies, people and categories that PAGES ask for, one after the other."""
    movies = [line.split("|") for line in pipeline.psql("SELECT slug, left(title, 30) FROM filmyfly.movies WHERE published AND length(slug) < 60"
                                                        " ORDER BY md5(slug) LIMIT 500").split("\n")]
    people = pipeline.psql("SELECT slug FROM filmyfly.people WHERE movies > 0 AND length(slug) < 60 ORDER BY md5(slug) LIMIT 500").split("\n")
    categories = pipeline.psql("SELECT slug FROM filmyfly.categories WHERE movies > 0 ORDER BY movies DESC LIMIT 8").split("\n")
    common = pipeline.psql("SELECT word FROM filmyfly.search_words WHERE entries >= 24 AND word ~ '^[a-z]{3,}$' ORDER BY word").split("\n")
    for i in itertools.count():
        slug, title = movies[i % len(movies)]
        yield {"movie": slug, "person": people[i % len(people)], "category": categories[i % len(categories)],
               "words": urllib.parse.quote_plus(title)[:60].split("%")[0], "begun": urllib.parse.quote_plus(title[:4]),
               "common": common[i % len(common)]}


def measure_pages(arms, pipeline, options, serial):
    """Milliseconds to the first byte of every kind of page."""
    print(f"\nFirst byte after the handshake, ms, not cached: p50\n  {'':20}" + "".join(f"{arm.name:>18}" for arm in arms) + f"{'ratio':>9}")
    for name, pattern in PAGES.items():
        asked, found = list(itertools.islice(asked_for(pipeline), options.pairs * options.first_bytes)), [[] for _ in arms]
        for turn in range(options.pairs + 1):  # the first one asks for them all: what is timed comes from memory
            some = asked[(turn - 1) * options.first_bytes:turn * options.first_bytes] if turn else asked
            paths = [pattern.format(n=f"{serial}x{turn}y{i}", **values) for i, values in enumerate(some)]
            for arm, times in list(zip(arms, found))[::1 if turn % 2 else -1]:
                times += [first_byte(arm.url, path, 404 if name == "404" else 200) for path in paths][:None if turn else 0]
        middles = [quantile(times, 0.5) for times in found]
        print(f"  {name:20}" + "".join(f"{middle:18.2f}" for middle in middles) + f"{middles[-1] / middles[0]:9.2f}", flush=True)


def servers_cpu(run):
    return sum(value for name, value in run.items() if name != "PostgreSQL")


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def spread(values):
    return f"{statistics.median(values):8.1f} ({min(values):.1f}–{max(values):.1f})"


def report(arms):
    for arm in arms:
        print(f"\n{arm.name}: CPU ms per 1,000 uncached movie pages, median (least–greatest) of {len(arm.runs)} runs")
        for name in arm.runs[0]:
            print(f"  {name:12} {spread([run[name] for run in arm.runs])}")
        print(f"  {'servers':12} {spread([servers_cpu(run) for run in arm.runs])}   (all but PostgreSQL)")
        odd = [servers_cpu(run) for run in arm.runs[1::2]]
        even = [servers_cpu(run) for run in arm.runs[0::2]]
        if odd:
            print(f"  against itself: {statistics.median(odd) / statistics.median(even):.2f}")
        if arm.first_bytes:
            print(f"  first byte after the handshake, ms: p50 {quantile(arm.first_bytes, 0.5):.2f}  p99 {quantile(arm.first_bytes, 0.99):.2f}")
    if len(arms) == 2:
        one, other = arms
        print(f"\n{other.name} / {one.name}, pair by pair")
        print("  servers     ", spread([servers_cpu(b) / servers_cpu(a) for a, b in zip(one.runs, other.runs)]))
        print("  PostgreSQL  ", spread([b["PostgreSQL"] / a["PostgreSQL"] for a, b in zip(one.runs, other.runs)]))
        if one.first_bytes:
            print(f"\n{one.name} / {other.name}, first byte: p50 {quantile(one.first_bytes, 0.5) / quantile(other.first_bytes, 0.5):.2f}"
                  f"  p99 {quantile(one.first_bytes, 0.99) / quantile(other.first_bytes, 0.99):.2f}")


class Pipeline:
    """FilmyFly, started by ./run in a directory and on ports of its own."""

    def __init__(self, name, port, extra):
        self.folder = tempfile.TemporaryDirectory(prefix="ff-bench-", dir="/tmp")
        os.chmod(self.folder.name, 0o755)
        self.env = dict(os.environ, FILMYFLY_VAR_DIR=self.folder.name, FILMYFLY_HTTP=f"127.0.0.1:{port}",
                        FILMYFLY_HTTPS=f"127.0.0.1:{port + 1}", FILMYFLY_SITE=f"https://127.0.0.1:{port + 1}")
        self.env.pop("DATABASE_URL", None)
        self.name, self.url = name, f"https://127.0.0.1:{port + 1}"
        sh(str(ROOT / "run"), "--detach", *extra, env=self.env)
        self.database_url = sh(str(ROOT / "run"), "--database-url", env=self.env).strip().splitlines()[-1]

    def psql(self, sql):
        return sh("psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.database_url, "-c", sql).strip()

    def psql_file(self, path):
        return sh("psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.database_url, "-f", str(path))

    def load(self, path):
        text = sh(f"{BUILD}/bin/filmyfly-dbproxy", "--load", path, env=dict(self.env, DATABASE_URL=self.database_url))
        self.psql("VACUUM ANALYZE")
        return "".join(text.splitlines(keepends=True)[-2:])

    def arm(self):
        var = pathlib.Path(self.folder.name)
        roots = {}
        for stage in ("gateway", "cacher", "renderer", "dbproxy"):
            roots[stage] = [int(lock.read_text()) for lock in sorted((var / "run" / stage).glob("*.lock"))]
        slugs = self.psql("SELECT slug FROM filmyfly.movies WHERE published ORDER BY md5(slug) LIMIT 3000").split("\n")
        return Arm(self.name, self.url, roots, pid_in(var / "postgres" / "postmaster.pid"), slugs)

    def stop(self):
        sh(str(ROOT / "run"), "--stop", env=self.env, check=False)
        self.folder.cleanup()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--first-bytes", type=int, default=100, help="per run")
    parser.add_argument("--port", type=int, default=18080)
    parser.add_argument("--peer-url")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PIDFILE")
    parser.add_argument("--peer-database", metavar="PIDFILE")
    parser.add_argument("--peer-slugs", metavar="FILE", help="a movie's slug a line")
    parser.add_argument("--run", action="append", default=[], metavar="OPTION", help="an option of ./run, as --run=--no-build")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--catalogue", metavar="FILE")
    options = parser.parse_args()

    pipelines = [Pipeline("FilmyFly", options.port, options.run)]
    try:
        arms = [pipelines[0].arm()]
        if options.million or options.catalogue:
            large = Pipeline("a million movies" if options.million else "more movies", options.port + 2, options.run)
            pipelines.append(large)
            if options.catalogue:
                print(large.load(options.catalogue), end="")
            if options.million:
                print(large.psql_file(ROOT / "tests/bench/million.sql"), end="")
            arms.append(large.arm())
        elif options.peer_url:
            roots = {}
            for text in options.peer:
                name, path = text.split("=", 1)
                roots[name] = [pid_in(path)]
            slugs = pathlib.Path(options.peer_slugs).read_text().split() if options.peer_slugs else arms[0].slugs
            arms.append(Arm("the peer", options.peer_url, roots, pid_in(options.peer_database), slugs))
        serial = int(time.time())
        for arm in arms:  # warm: connections, plans, compiled code
            arm.load(options.requests, options.in_flight, f"{serial}w")
        for pair in range(options.pairs):
            for arm in arms if pair % 2 else arms[::-1]:
                arm.runs.append(arm.load(options.requests, options.in_flight, f"{serial}p{pair}"))
                if options.first_bytes:
                    arm.first_bytes += arm.first_byte(options.first_bytes, pair, f"{serial}p{pair}")
        report(arms)
        if len(pipelines) > 1:
            measure_pages(arms, pipelines[0], options, serial)
        for arm in arms:
            total = sum(procs.anonymous_memory(pid) for pids in arm.roots.values() for pid in pids)
            print(f"{arm.name}: anonymous memory of the servers {total / 1048576:.0f} MiB")
    finally:
        for pipeline in pipelines:
            pipeline.stop()


if __name__ == "__main__":
    main()
