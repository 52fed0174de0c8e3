"""What still works when something is dead: cached pages, fresh and expired, under load, with any stage killed; and the
store through restarts, a power loss, a second cacher, a deleted folder, a full disk.

A clock set back is no test of this file: ages are told by CLOCK_BOOTTIME, which nobody can set; the unit tests of
lifetimes set the wall clock back and forth, and those of the verdict show a page of the future taken as stale.
"""

import collections
import itertools
import random
import re
import resource
import shutil
import signal
import subprocess
import threading
import time

import psycopg
import pytest

import client
import wire
from load import Load, right_page, unique_targets
from origin import Origin, cached
from pipeline import BIN, Pipeline, sanitized, wait_until

FEW_OR_FULL = [3, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
PAGES = 60
STAGES = ("dbproxy", "renderer", "cacher")


def words_of(pipeline, targets):
    return [pipeline.get(target, tls=False).line("x-cache-status") for target in targets]


def fill(pipeline, targets):
    """Until each of them is in the store, fresh or not."""
    for target in targets:
        assert pipeline.get(target, tls=False).status == 200
    wait_until(
        lambda: all(
            pipeline.get(target, tls=False, headers=[("cache-control", "only-if-cached, max-stale")]).status == 200
            for target in targets
        ),
        5,
        "all pages are in the store",
    )


def end(pipeline, instance):
    """kill -9, and nobody starts it again."""
    instance._wanted = False
    pipeline.kill(instance)
    instance.join()


class Cached:
    """A pipeline whose store has pages that are fresh and pages that have expired."""

    def __init__(self, make, slugs, **options):
        # Pages expire after a second, what the API says after five minutes.
        env = {"FILMYFLY_CACHE_DIR": "cache", "FILMYFLY_PAGE_TTL": "1s", "FILMYFLY_WRITE_DEADLINE": "5s"}
        self.pipeline = make(env=env, **options)
        self.expired = [f"/movie/{slug}" for slug in slugs[:PAGES]]
        self.fresh = [f"/api/v1/movies/{slug}" for slug in slugs[:PAGES]]
        self.targets = [target for pair in zip(self.expired, self.fresh) for target in pair]
        fill(self.pipeline, self.targets)
        time.sleep(1.1)

    def start_load(self, rate):
        return Load(self.pipeline.http, itertools.cycle(self.targets), rate, check=right_or_json).start()


def right_or_json(target, status, headers, body):
    if not target.startswith("/api/"):
        return right_page(target, status, headers, body)
    return None if status == 200 and body else f"status {status}, {body[:120]!r}"


@pytest.fixture
def make_cached(new_pipeline, slugs):
    return lambda **options: Cached(new_pipeline, slugs, **options)


def no_loss(made, load):
    report = load.stop()
    print(report.story(made.pipeline.events))
    assert report.good(), report.story(made.pipeline.events)
    return report


DEAD = {
    "a renderer": lambda pipeline: pipeline["renderer"][:1],
    "a dbproxy": lambda pipeline: pipeline["dbproxy"][:1],
    "every renderer": lambda pipeline: pipeline["renderer"],
    "every dbproxy": lambda pipeline: pipeline["dbproxy"],
    "the cacher": lambda pipeline: pipeline["cacher"],
    "everything but the gateway": lambda pipeline: [each for stage in STAGES for each in pipeline[stage]],
}


@pytest.mark.parametrize("which", DEAD.values(), ids=DEAD.keys())
def test_cached_pages_are_answered_when_something_is_dead(make_cached, rate, which):
    made = make_cached()
    load = made.start_load(rate)
    time.sleep(0.3)
    for instance in which(made.pipeline):
        end(made.pipeline, instance)
    time.sleep(3)
    report = no_loss(made, load)
    # And by then nobody waits any more: it is known who is dead.
    began = time.monotonic()
    answers = [made.pipeline.get(target, tls=False) for target in made.targets]
    took = time.monotonic() - began
    assert {answer.status for answer in answers} == {200}
    assert took < 5, f"{len(answers)} pages took {took:.1f} s"
    assert report.statuses == {200: report.sent}


def test_what_is_not_cached_waits_and_is_503_when_everything_is_dead(make_cached):
    made = make_cached()
    for stage in STAGES:
        for instance in made.pipeline[stage]:
            end(made.pipeline, instance)
    began = time.monotonic()
    answer = made.pipeline.get("/movies?page=7", tls=False)
    assert answer.status == 503 and answer.line("retry-after").isdigit() and time.monotonic() - began < 5.5
    assert made.pipeline.get("/login", "POST", body=b"x", timeout=40).status == 503


def test_cached_pages_are_answered_without_postgresql(make_cached, cluster, rate):
    made = make_cached()
    load = made.start_load(rate)
    time.sleep(0.3)
    cluster.stop()
    try:
        time.sleep(3)
        no_loss(made, load)
        assert {made.pipeline.get(target, tls=False).status for target in made.targets} == {200}
    finally:
        cluster.start()


class Editor:
    """Changes a movie that visitors look at every 50 ms, as an editor's hand in psql does, and puts all back at the end."""

    def __init__(self, url, slugs):
        self.url, self.slugs, self.changes = url, slugs, 0
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with psycopg.connect(self.url, autocommit=True) as db:
            before = db.execute("SELECT runtime, slug FROM filmyfly.movies WHERE slug = ANY(%s)", [self.slugs]).fetchall()
            while not self.end.wait(0.05):
                slug = self.slugs[self.changes % len(self.slugs)]
                db.execute("UPDATE filmyfly.movies SET runtime = coalesce(runtime, 90) %% 300 + 1 WHERE slug = %s", [slug])
                self.changes += 1
            for row in before:
                db.execute("UPDATE filmyfly.movies SET runtime = %s WHERE slug = %s", row)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join(20)


@pytest.mark.parametrize("times", FEW_OR_FULL)
@pytest.mark.parametrize("stage", STAGES)
def test_kills_are_not_felt_by_readers_of_cached_pages(make_cached, database_url, slugs, rate, stage, times):
    made = make_cached()
    load = made.start_load(rate / 2)
    # Beside them pages that were never asked for.
    misses = unique_targets([f"/movie/{slug}" for slug in slugs[PAGES:]], "miss-")
    beside = Load(made.pipeline.http, misses, rate / 4, check=lambda *_: None).start()
    with Editor(database_url, slugs[:PAGES]) as editor:
        for _ in range(times):
            for instance in made.pipeline[stage]:
                made.pipeline.kill(instance)
                time.sleep(1.2)
    beside.stop()
    no_loss(made, load)
    assert editor.changes > 10 * times


@pytest.mark.parametrize("times", FEW_OR_FULL)
def test_a_killed_gateway_loses_only_what_was_in_flight(make_cached, rate, times):
    made = make_cached()
    load = made.start_load(rate)
    for _ in range(times):
        made.pipeline.kill(made.pipeline["gateway"][0])
        time.sleep(1.2)
    report = load.stop()
    story = report.story(made.pipeline.events)
    print(story)
    assert set(report.statuses) == {200}, story
    assert all(
        "closed before the answer" in each.what or "reset" in each.what.lower() for each in report.failures
    ), story
    assert len(report.failures) <= 4 * times, story


def test_a_frozen_cacher_is_not_felt_for_long(make_cached, rate):
    made = make_cached()
    load = made.start_load(rate)
    made.pipeline["cacher"][0].send(signal.SIGSTOP)
    try:
        time.sleep(2)
        began = time.monotonic()
        assert set(words_of(made.pipeline, made.expired)) <= {"STALE", "UPDATING"}
        assert time.monotonic() - began < 3
    finally:
        made.pipeline["cacher"][0].send(signal.SIGCONT)
    time.sleep(0.5)
    no_loss(made, load)


# ---- The store through the lives of its cacher


def test_a_restart_of_everything_is_warm_at_once(new_pipeline, slugs):
    pipeline = new_pipeline(env={"FILMYFLY_CACHE_DIR": "cache"})
    targets = [f"/movie/{slug}" for slug in slugs[:PAGES]]
    fill(pipeline, targets)
    bodies = [pipeline.get(target, tls=False).body for target in targets]
    for stage in ("renderer", "dbproxy", "cacher"):
        for instance in pipeline[stage]:
            instance.restart()
    gateway = pipeline["gateway"][0]
    gateway.restart()
    began = time.monotonic()
    first = pipeline.get(targets[0], tls=False)
    took = time.monotonic() - began
    print(f"the first hit {took * 1e3:.0f} ms after the start of the gateway's process")
    assert first.line("x-cache-status") == "HIT"
    assert took < (5 if sanitized() else 0.2)
    answers = [pipeline.get(target, tls=False) for target in targets]
    assert {answer.line("x-cache-status") for answer in answers} == {"HIT"}
    assert [answer.body for answer in answers] == bodies


class Rig:
    """A pipeline with a scripted origin, whose cacher and gateway the test starts itself."""

    def __init__(self, certificate, **env):
        env = {"FILMYFLY_CACHE_DIR": "cache", "FILMYFLY_DEADLINE": "2s", **env}
        self.pipeline = Pipeline("", certificate, renderers=0, dbproxies=0, env=env)
        self.origin = Origin(self.pipeline.run_dir).start()
        self.origin.pages = {f"/p{n}": cached(b"%d" % n, "max-age=600") for n in range(10000)}
        self.origin.pages["/py/status/200"] = cached(b"", "no-store")
        self.pipeline.__enter__()
        self.folder = self.pipeline.dir / "cache"
        self.store = self.folder / "store.v2"

    def get(self, target):
        return self.pipeline.get(target, tls=False)

    def word(self, target):
        return self.get(target).line("x-cache-status")

    def wait_hit(self, target="/p0"):
        wait_until(lambda: self.word(target) == "HIT", 10, "a hit")


@pytest.fixture
def rig(certificate):
    made = []

    def make(**env):
        made.append(Rig(certificate, **env))
        return made[-1]

    yield make
    for each in made:
        each.pipeline.close()
        each.origin.stop()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_the_store_outlives_its_cacher(rig, how):
    made = rig()
    for n in range(100):
        made.get(f"/p{n}")
    made.wait_hit("/p99")
    cacher = made.pipeline["cacher"][0]
    if how == "SIGTERM":
        cacher.restart()
    else:
        made.pipeline.kill(cacher)
        cacher.wait_life(2)
    assert {made.word(f"/p{n}") for n in range(100)} == {"HIT"}
    wait_until(lambda: made.get("/p500").status == 200, 5, "the cacher is back")
    made.wait_hit("/p500")
    assert {made.word(f"/p{n}") for n in range(100)} == {"HIT"}
    assert "starts empty" not in cacher.log()


def stop_and_change_marker(made, change):
    for stage in ("cacher", "gateway"):
        made.pipeline.remove(made.pipeline[stage][0])
    marker = made.store / "marker"
    marker.write_text(change(marker.read_text("ascii")), "ascii")


OTHER_BOOT = "11111111-2222-3333-4444-555555555555"
FOREIGN = {
    "power loss": lambda text: text.splitlines()[0] + f"\n{OTHER_BOOT}\n",
    "another format": lambda text: "filmyfly-store 0\n" + text.splitlines()[1] + "\n",
    "an empty marker": lambda text: "",
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_store_that_cannot_be_trusted_starts_empty(rig, change):
    made = rig()
    made.wait_hit()
    made.origin.pages["/p0"] = cached(b"new", "max-age=600")
    stop_and_change_marker(made, change)
    # A gateway alone does not open it.
    made.pipeline.add("gateway", "t9")
    time.sleep(0.5)
    assert made.get("/p0").status == 503
    made.pipeline.add("cacher")
    answer = wait_until(lambda: (a := made.get("/p0")).status == 200 and a, 5, "the cacher answers")
    assert answer.line("x-cache-status") == "MISS" and answer.body == b"new"
    made.wait_hit()
    if change is FOREIGN["power loss"]:
        assert "starts empty" in made.pipeline["cacher"][0].log()


def test_a_second_cacher_of_the_same_store_names_the_owner(rig):
    made = rig()
    made.wait_hit()
    run_dir = made.pipeline.dir / "other"
    run_dir.mkdir()
    done = subprocess.run(
        [str(BIN / "filmyfly-cacher")],
        env={"FILMYFLY_RUN_DIR": str(run_dir), "FILMYFLY_CACHE_DIR": str(made.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=20,
        check=False,
    )
    owner = made.pipeline["cacher"][0].pid
    assert done.returncode != 0 and f"process {owner}" in done.stdout, done
    assert made.word("/p0") == "HIT"


@pytest.mark.parametrize("what", ["the store's folder", "the whole directory", "the file"])
def test_a_store_deleted_while_running_is_made_anew(rig, what):
    made = rig()
    made.wait_hit()
    if what == "the file":
        (made.store / "data.mdb").unlink()
    else:
        shutil.rmtree(made.store if "folder" in what else made.folder)
    end_ = time.monotonic() + 4
    while time.monotonic() < end_:
        assert made.get("/p0").status == 200
        time.sleep(0.02)
    assert (made.store / "data.mdb").exists()
    made.wait_hit("/p1")
    made.wait_hit("/p0")
    assert "taken away" in made.pipeline["cacher"][0].log()


def test_a_full_disk_stores_nothing_and_serves_on(rig):
    """A limit of the size of files stands in for the disk."""
    made = rig()
    made.wait_hit()
    cacher = made.pipeline["cacher"][0]
    cacher.command = ["bash", "-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\"", cacher.command[0]]
    cacher.restart()
    wait_until(lambda: made.get("/p1").status == 200, 5, "the cacher is back")
    for n in range(200):
        made.origin.pages[f"/large{n}"] = cached(bytes([n]) * 20000, "max-age=600")
        answer = made.get(f"/large{n}")
        assert answer.status == 200 and answer.body == bytes([n]) * 20000
    assert made.word("/p0") == "HIT", "what the store had is served"
    assert re.search(r"stores nothing now", cacher.log()), cacher.log()[-2000:]
    again = [made.get(f"/large{n}") for n in range(200)]
    assert all(answer.body == bytes([n]) * 20000 for n, answer in enumerate(again))
    assert cacher.restarts == 0
    # There is room again.
    cacher.command = cacher.command[-1:]
    cacher.restart()
    wait_until(lambda: made.get("/large199").status == 200, 5, "the cacher is back")
    made.wait_hit("/large199")


def test_a_change_that_cannot_be_recorded_is_not_served_as_fresh(rig):
    """The disk takes nothing at all: gateways see it by a marker that is put aside, and ask the cacher, who knows."""
    made = rig()
    cacher = made.pipeline["cacher"][0]
    cacher.command = ["bash", "-c", "trap '' XFSZ; exec \"$0\"", cacher.command[0]]
    cacher.restart()
    made.wait_hit()
    made.wait_hit("/p1")
    resource.prlimit(cacher.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    made.origin.pages["/p0"] = cached(b"new", "max-age=600")
    left = wire.Left(made.pipeline.run_dir, "cacher", "gateway")
    answer = left.ask("REQUEST", seconds=10, method="POST", scheme="cacher", target="/purge/all", headers=[], client="", trace="")
    left.close()
    assert answer.status == 500, "who purges is told that it is not done"
    wait_until(lambda: {made.get("/p0").body for _ in range(20)} == {b"new"}, 5, "the new page, from each loop")
    assert {made.get("/p0").body for _ in range(200)} == {b"new"}
    assert not (made.store / "marker").exists()
    resource.prlimit(cacher.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    made.wait_hit("/p1")
    made.wait_hit("/p0")
    assert made.get("/p0").body == b"new" and (made.store / "marker").exists()
    assert cacher.restarts == 0


# ---- Room


@pytest.mark.parametrize("junk", ["/movies?x={}", "/movie/none-{}"], ids=["queries", "addresses of no page"])
def test_junk_cannot_push_out_what_is_used(rig, junk):
    """Anybody can make up addresses. 20 MB of them go through a store of 8 MB, whose pages stay."""
    made = rig(FILMYFLY_CACHE_SIZE="8M")
    body = bytes(range(256)) * 15
    good = [f"/good{n}" for n in range(100)] + [f"/search?q={n}" for n in range(100)]
    made.origin.pages.update({target: cached(body, "max-age=600") for target in good})
    for _ in range(2):  # a page with a query is used when it is read again
        for target in good:
            made.get(target)
    made.wait_hit(good[-1])
    time.sleep(0.1)
    connection = client.connect(made.pipeline.http)
    with connection, connection.makefile("rb") as file:
        for n in range(5000):
            status = 200 if "?" in junk else 404
            made.origin.pages[junk.format(n)] = cached(body, "max-age=600", status=status)
            connection.sendall(client.request_bytes("GET", junk.format(n)))
            assert client.read_answer(file).status == status
    words = [made.word(target) for target in good]
    assert words == ["HIT"] * len(good), f"{words.count('MISS')} of {len(good)} pages were pushed out by junk"
    stats = made.pipeline["cacher"][0].stats()
    assert stats["store.bytes"] <= 8 << 20 and (made.store / "data.mdb").stat().st_size <= 8 << 20


@pytest.mark.parametrize(
    "limit, through",
    [(16 << 20, 40 << 20), pytest.param(1 << 30, 2 << 30, marks=[pytest.mark.long, pytest.mark.timeout(1800)])],
)
def test_the_limit_holds_and_the_store_is_warm_after_a_restart(rig, limit, through):
    """Twice the limit goes through and more: never more than the limit on the disk. All were used in the same hour, so which
    of them stay is open; those that do are right, and hits at once."""
    made = rig(FILMYFLY_CACHE_SIZE=str(limit))
    data, rng = made.store / "data.mdb", random.Random(1)
    stuff = rng.randbytes(1 << 20)
    cacher, newest, most, n = made.pipeline["cacher"][0], collections.deque(maxlen=100), 0, 0
    rss = cacher.rss()
    with client.connect(made.pipeline.http) as connection, connection.makefile("rb") as file:
        while through > 0:
            size = rng.choice([1500, 6000, 20000, 60000, 200000])
            at = rng.randrange(len(stuff) - size)
            target, body = f"/much/{n}", stuff[at : at + size]
            made.origin.pages[target] = cached(body, "max-age=600")
            connection.sendall(client.request_bytes("GET", target))
            assert client.read_answer(file).body == body
            del made.origin.pages[target]
            newest.append((target, body))
            through, n = through - size, n + 1
            if n % 50 == 0:
                most = max(most, data.stat().st_size)
    assert max(most, data.stat().st_size, cacher.stats()["store.bytes"]) <= limit
    # The map counts as far as it was touched, but nothing else grows.
    grown = cacher.rss() - rss - limit
    assert grown < 32 << 20, f"{grown >> 20} MiB more than the store"
    there = [(target, body) for target, body in newest if made.get(target).status == 200]
    assert len(there) > len(newest) / 10
    # Full, and read whole: the store's pages are no memory of the stages, of which FILMYFLY_MEMORY_MAX allows less than the larger limit.
    gateway = made.pipeline["gateway"][0]
    with client.connect(made.pipeline.http) as connection, connection.makefile("rb") as file:
        for number in range(n):
            connection.sendall(client.request_bytes("GET", f"/much/{number}"))
            client.read_answer(file)
    assert gateway.rss() > limit * 0.8
    time.sleep(2)  # memory is looked at each second
    assert gateway.restarts == cacher.restarts == 0 and gateway.stats()["process.anonymous"] < 500 << 20
    gateway.restart()
    cacher.restart()
    began = time.monotonic()
    first = made.get(there[-1][0])
    took = time.monotonic() - began
    print(f"{n} pages, {most >> 20} MiB on the disk; the first hit {took * 1e3:.0f} ms after the restart of everything")
    assert first.line("x-cache-status") == "HIT" and took < (5 if sanitized() else 0.2)
    assert all(made.get(target).body == body for target, body in there)
    assert cacher.restarts == 0
