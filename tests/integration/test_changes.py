"""The log of changes as a cache reads it: from a real dbproxy's folder `changes`, whoever dies in between."""

import os
import random
import signal
import threading
import time
import types

import psycopg
import pytest

import wire
from dbproxies import Dbproxy, Share, batch_of, command, read_rows
from pg import REPO, Cluster
from test_dbproxy_links import Pooler

# The real statements and migrations.
SHARE = types.SimpleNamespace(path=REPO / "dbproxy")


@pytest.fixture(scope="module")
def pg():
    with Cluster() as cluster:
        cluster.create_database("filmyfly", "owner", "CREATEROLE")
        status, said = command(cluster.url("filmyfly", "owner"), SHARE, "--migrate")
        assert status == 0, said
        cluster.psql("INSERT INTO filmyfly.movies (slug, title) SELECT 'm' || i, 'M' FROM generate_series(1, 500) i;"
                     "TRUNCATE filmyfly.changes", "filmyfly")
        yield cluster


@pytest.fixture(scope="module")
def url(pg):
    return pg.url("filmyfly", "owner")


class Follower:
    """Follows the log as a cache does: it has one question under way, and a cursor."""

    def __init__(self, run_dir, seconds=3.0, cursor=None):
        self.left = wire.Left(run_dir, "changes", "cacher")
        self.seconds, self.cursor = seconds, cursor
        self.seen, self.answers, self.failures = [], 0, []
        self.asked = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.left.close()

    def ask(self, seconds=5.0, again=True):
        """One question: its changes."""
        answer = read_rows(self.left.ask("QUERY", seconds=seconds, again=again, batch=batch_of([("changes_since", self.cursor)]),
                                         trace="test"))
        return self.take(answer)

    def take(self, answer):
        if answer.type != "RESULT":
            self.failures.append(answer)
            return None
        rows = answer.rows[0]
        self.cursor, = [row["cursor"] for row in rows if row["cursor"]]
        changes = [(row["tag"], row["hard"]) for row in rows if row["tag"]]
        self.seen += changes
        self.answers += 1
        return changes

    def turn(self, wait=0.01):
        if not self.left.calls and time.monotonic() >= self.asked:
            self.asked = time.monotonic() + 0.01
            fields = {"deadline": wire.deadline_in(self.seconds), "batch": batch_of([("changes_since", self.cursor)]), "trace": ""}
            self.left.submit("QUERY", fields, lambda answer: self.take(read_rows(answer)))
        self.left.turn(wait=wait)

    def follow(self, until, seconds=10.0):
        end = time.monotonic() + seconds
        while not until(self):
            assert time.monotonic() < end, (self.seen[-20:], self.failures)
            self.turn()

    def tags(self):
        return [tag for tag, _ in self.seen]


@pytest.fixture
def dbproxy(url):
    with Dbproxy(url, SHARE) as process:
        process.wait_for(lambda: process.stats()["listener.works"] == 1)
        yield process


@pytest.fixture
def follower(dbproxy):
    with Follower(dbproxy.run_dir) as found:
        assert found.ask() == []
        yield found


def touch(connection, n, text):
    connection.execute("UPDATE filmyfly.movies SET synopsis = %s WHERE slug = %s", [text, f"m{n}"])


def movie_tag(connection, n):
    return "movie:" + str(connection.execute("SELECT id FROM filmyfly.movies WHERE slug = %s", [f"m{n}"]).fetchone()[0])


def write_at_random(url, seed, stop, committed):
    """Transactions of tags of their own, some of which are undone; what was committed is kept with its time."""
    rng = random.Random(seed)
    with psycopg.connect(url) as connection:
        n = 0
        while not stop.is_set():
            tags = []
            for _ in range(rng.randrange(1, 4)):
                tags.append(f"w{seed}:{n}")
                connection.execute("SELECT filmyfly.mark(ARRAY[%s])", [tags[-1]])
                n += 1
                time.sleep(rng.random() * 0.01)
            if rng.random() < 0.3:
                connection.rollback()
            else:
                connection.commit()
                committed.extend(tags)


def test_every_change_is_seen_and_none_twice(url, follower):
    """Four writers at once, with rollbacks, while another transaction stays open: it is seen when it ends."""
    stop, committed = threading.Event(), []
    with psycopg.connect(url) as late:
        late.execute("SELECT filmyfly.mark(ARRAY['late:1'])")
        writers = [threading.Thread(target=write_at_random, args=(url, seed, stop, committed)) for seed in range(4)]
        for writer in writers:
            writer.start()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            follower.turn()
        assert "late:1" not in follower.tags() and len(follower.seen) > 50
        late.commit()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        follower.turn()
    stop.set()
    for writer in writers:
        writer.join()
    follower.follow(lambda f: set(committed) <= set(f.tags()))
    for _ in range(5):
        follower.turn(0.05)
    assert sorted(follower.tags()) == sorted([*committed, "late:1"]) and not follower.failures


def latencies(url, follower, count):
    """Seconds from a commit to its being seen."""
    taken = []
    with psycopg.connect(url, autocommit=True) as connection:
        for n in range(1, count + 1):
            tag = movie_tag(connection, n)
            follower.follow(lambda f: f.left.calls and not f.left.waiting)
            for _ in range(random.randrange(8)):
                follower.turn(0.02)
            follower.seen.clear()
            began = time.monotonic()
            touch(connection, n, f"text {time.monotonic()}")
            follower.follow(lambda f, tag=tag: tag in f.tags())
            taken.append(time.monotonic() - began)
    return sorted(taken)


def test_a_listener_tells_at_once(url, follower, dbproxy):
    looks = dbproxy.stats()["changes.looks"]
    taken = latencies(url, follower, 30)
    assert taken[15] < 0.1 and taken[-1] < 0.7, taken
    assert dbproxy.stats()["changes.looks"] - looks < 150


def test_nothing_is_asked_of_the_database_while_nothing_changes(follower, dbproxy):
    looks, end = dbproxy.stats()["changes.looks"], time.monotonic() + 4
    while time.monotonic() < end:
        follower.turn(0.05)
    assert dbproxy.stats()["changes.looks"] - looks <= 6
    assert follower.answers >= 2 and follower.seen == [] and not follower.failures


def test_behind_a_transaction_pooler_it_is_asked_for(pg, url):
    with Pooler(pg, 2, "filmyfly") as pooler, Dbproxy(pooler.url, SHARE) as dbproxy, Follower(dbproxy.run_dir) as follower:
        dbproxy.wait_for(lambda: "LISTEN means nothing there" in dbproxy.log())
        follower.ask()
        taken = latencies(url, follower, 8)
        assert taken[-1] < 0.9 and dbproxy.stats()["listener.works"] == 0, taken
        assert not follower.failures


def test_a_way_around_the_pooler(pg, url):
    with Pooler(pg, 2, "filmyfly") as pooler, Dbproxy(pooler.url, SHARE, DATABASE_LISTEN_URL=url) as dbproxy:
        dbproxy.wait_for(lambda: dbproxy.stats()["listener.works"] == 1)
        with Follower(dbproxy.run_dir) as follower:
            follower.ask()
            taken = latencies(url, follower, 10)
            assert taken[5] < 0.1, taken


def test_a_listener_that_was_cut_loses_nothing(pg, url, dbproxy, follower):
    for n in range(3):
        pg.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'listen%'")
        with psycopg.connect(url, autocommit=True) as connection:
            tag = movie_tag(connection, 50 + n)
            touch(connection, 50 + n, f"cut {time.monotonic()}")
        follower.follow(lambda f, tag=tag: tag in f.tags(), 1.5)
    dbproxy.wait_for(lambda: dbproxy.stats()["listener.works"] == 1)
    assert not follower.failures and "nobody tells of changes" in dbproxy.log()


def test_another_dbproxy_takes_over(url):
    """kill -9 of the one that has the question: the other is asked, with the same cursor."""
    with Dbproxy(url, SHARE) as other:
        one = Dbproxy(url, SHARE, run_dir=other.run_dir)
        try:
            with Follower(other.run_dir, seconds=20) as follower, psycopg.connect(url, autocommit=True) as connection:
                other.process.send_signal(signal.SIGSTOP)  # so that it is not this one
                follower.follow(lambda f: f.answers == 1)
                other.process.send_signal(signal.SIGCONT)
                follower.follow(lambda f: any(peer.held for peer in f.left.peers.values()) and len(f.left.peers) == 2)
                one.process.kill()
                tag = movie_tag(connection, 60)
                touch(connection, 60, f"taken over {time.monotonic()}")
                follower.follow(lambda f: tag in f.tags(), 3)
                assert not follower.failures
        finally:
            one.process.kill()
            one.process.wait(5)
            one.left.close()


def test_a_crash_before_the_answer_loses_nothing(url):
    """A change is seen, and its dbproxy dies before it is told: the next one tells it."""
    dbproxy = Dbproxy(url, SHARE, FILMYFLY_FAULT="dbproxy-changes-before-reply:kill")
    with Follower(dbproxy.run_dir) as follower, psycopg.connect(url, autocommit=True) as connection:
        try:
            follower.cursor = connection.execute("SELECT filmyfly.changes_log() || ' ' || pg_current_snapshot()").fetchone()[0]
            tag = movie_tag(connection, 65)
            touch(connection, 65, f"crash {time.monotonic()}")
            assert follower.ask(seconds=2, again=False) is None and follower.failures[0].cause == "unknown"
            assert dbproxy.process.wait(5) == -signal.SIGKILL
            with Dbproxy(url, SHARE, run_dir=dbproxy.run_dir):
                assert follower.ask() == [(tag, False)]
        finally:
            dbproxy.left.close()


def test_much_at_once_is_everything(url, pg):
    """Of 30,000 rows in a statement, and of as many statements in a transaction: no answer is long."""
    with Dbproxy(url, SHARE) as dbproxy, Follower(dbproxy.run_dir, seconds=20) as follower:
        follower.ask()
        pg.psql("INSERT INTO filmyfly.movies (slug, title) SELECT 'bulk-' || i, 'M' FROM generate_series(1, 30000) i", "filmyfly")
        follower.follow(lambda f: f.seen, 30)
        assert ("everything", False) in follower.seen and len(follower.seen) < 20
        follower.seen.clear()
        with psycopg.connect(url) as connection:
            connection.execute("DO $$ BEGIN FOR i IN 1..7000 LOOP PERFORM filmyfly.mark(ARRAY['one:' || i], i = 9); END LOOP; END $$")
            connection.commit()
        follower.follow(lambda f: f.seen)
        assert follower.seen == [("everything", True)]
        follower.seen.clear()
        pg.psql("DELETE FROM filmyfly.movies WHERE slug LIKE 'bulk-%'", "filmyfly")
        follower.follow(lambda f: f.seen, 30)
        assert ("everything", True) in follower.seen and len(follower.seen) < 20
        assert not follower.failures


def test_truncate_takes_everything_away(url, follower):
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE filmyfly.movie_categories")
        connection.commit()
    follower.follow(lambda f: f.seen)
    assert ("everything", True) in follower.seen


def test_a_foreign_or_damaged_cursor_makes_everything_stale(follower, pg):
    good = follower.cursor
    log, _, snapshot = good.partition(" ")
    xmax = int(snapshot.split(":")[1])
    for bad in (f"{log}9 {snapshot}", f"{log} {xmax + 1000}:{xmax + 1000}:", f"{log} 9:1:", f"{log} x", "nonsense", log, " ", "'"):
        follower.cursor = bad
        assert follower.ask(seconds=2) == [("everything", True)], bad
    follower.cursor = good
    assert follower.ask(seconds=0.6) == []
    # The log of another database of the same cluster is another log.
    pg.create_database("another", "owner")
    assert command(pg.url("another", "owner"), SHARE, "--migrate")[0] == 0
    with Dbproxy(pg.url("another", "owner"), SHARE) as other, Follower(other.run_dir, cursor=good) as reader:
        assert reader.ask(seconds=2) == [("everything", True)]
        assert reader.ask(seconds=0.6) == []


def test_the_log_is_trimmed_and_who_was_away_longer_begins_anew(url, pg):
    def rows():
        return int(pg.psql("SELECT count(*) FROM filmyfly.changes", "filmyfly"))

    with Dbproxy(url, SHARE, FILMYFLY_CHANGES_KEPT="2s") as dbproxy, Follower(dbproxy.run_dir) as away:
        away.ask()
        with psycopg.connect(url, autocommit=True) as connection, Follower(dbproxy.run_dir) as present:
            present.ask()
            with psycopg.connect(url) as opened:  # while it is open, what it could not see stays
                opened.execute("SELECT pg_current_xact_id()")
                touch(connection, 70, f"trim {time.monotonic()}")
                tag = movie_tag(connection, 70)
                end = time.monotonic() + 4
                while time.monotonic() < end:
                    dbproxy.left.turn(0.05)
                    present.turn()
                assert rows() > 0
            dbproxy.wait_for(lambda: rows() == 0, 8)
            # Its cursor is of when the transaction was open: nobody can say by it what was trimmed.
            present.follow(lambda f: tag in f.tags() and not f.left.calls)
            assert present.ask(seconds=0.6) in ([], [("everything", True)])
            assert present.ask(seconds=0.6) == []
        # What was trimmed may have been taken away.
        assert away.ask(seconds=2) == [("everything", True)]
        assert away.ask(seconds=0.6) == []


def test_rows_of_a_time_to_come_are_not_told_again_and_again(url, follower):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO filmyfly.changes (xid, tag) VALUES ('999999999', 'restored:1')")
        assert follower.ask(seconds=0.6) == []
        connection.execute("DELETE FROM filmyfly.changes WHERE tag = 'restored:1'")
        assert follower.ask(seconds=0.6) == []


def test_a_log_that_was_restored_into_a_younger_cluster(pg):
    """It speaks of transactions that this cluster has not come to: cursors hold all the same, and its rows go by their age,
    portion after portion."""
    pg.create_database("restored", "owner")
    url = pg.url("restored", "owner")
    assert command(url, SHARE, "--migrate")[0] == 0
    pg.psql("INSERT INTO filmyfly.movies (slug, title) VALUES ('m1', 'M'); TRUNCATE filmyfly.changes;"
            "UPDATE filmyfly.changes_gone SET xid = '999999999999';"
            "INSERT INTO filmyfly.changes (xid, tag, at) SELECT (999999900000 + i)::text::xid8, 'restored:' || i,"
            " now() - interval '1 hour' FROM generate_series(1, 65000) i", "restored")
    with Dbproxy(url, SHARE, FILMYFLY_CHANGES_KEPT="72s") as dbproxy, Follower(dbproxy.run_dir) as follower, \
            psycopg.connect(url, autocommit=True) as connection:  # trimmed every 3 s
        began = time.monotonic()
        assert follower.ask() == []
        first = follower.cursor
        assert follower.ask(seconds=0.6) == []
        touch(connection, 1, "of here")
        assert follower.ask() == [(movie_tag(connection, 1), False)]

        def left():
            return connection.execute("SELECT count(*) FROM filmyfly.changes WHERE tag LIKE 'restored:%'").fetchone()[0]

        dbproxy.wait_for(lambda: left() == 0, 8)
        assert time.monotonic() - began < 8
        assert follower.ask(seconds=0.6) == []
        # What is deleted of this cluster's own counts again.
        connection.execute("DELETE FROM filmyfly.changes")
        assert connection.execute("SELECT xid < pg_snapshot_xmax(pg_current_snapshot()) FROM filmyfly.changes_gone").fetchone()[0]
        assert follower.ask(seconds=0.6) == []
        follower.cursor = first
        assert follower.ask(seconds=2) == [("everything", True)]
        assert follower.ask(seconds=0.6) == []


def test_nothing_else_can_be_asked_there(dbproxy, follower):
    for calls in ([("movies_count", )], [("changes_since", follower.cursor), ("movies_count", )], [],
                  [("changes_since", None), ("changes_since", None)], [("changes_trim", 0)], [("changes_since", )]):
        answer = follower.left.ask("QUERY", seconds=2, batch=batch_of(calls), trace="test")
        assert answer.type == "REFUSED", calls
    assert dbproxy.rows(("movies_count", ))


def test_leaving_answers_who_waits(url):
    with Dbproxy(url, SHARE) as dbproxy, Follower(dbproxy.run_dir, seconds=20) as follower:
        follower.ask()
        follower.follow(lambda f: f.left.calls and not f.left.waiting)
        dbproxy.wait_for(lambda: dbproxy.stats()["changes.waiting"] == 1 or follower.turn())
        before = follower.answers
        dbproxy.process.send_signal(signal.SIGTERM)
        follower.follow(lambda f: f.answers > before, 3)
        end = time.monotonic() + 5
        while dbproxy.process.poll() is None and time.monotonic() < end:
            follower.left.turn(0.02)
            dbproxy.left.turn(0.0)
        assert dbproxy.process.returncode == 0


def test_a_catalogue_without_the_statements_has_no_folder(pg, tmp_path):
    pg.create_database("notes", "owner")
    with Dbproxy(pg.url("notes", "owner"), Share(tmp_path / "share")) as dbproxy:
        assert dbproxy.rows(("note", 1))
        assert not os.path.exists(os.path.join(dbproxy.run_dir, "changes"))
