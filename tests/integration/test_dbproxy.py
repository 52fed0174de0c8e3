"""dbproxy against a real PostgreSQL: batches, snapshots, errors, deadlines, and what happens when the database goes away."""

import os
import signal
import threading
import time
from pathlib import Path

import psycopg
import pytest

from dbproxies import STATEMENTS, Dbproxy, Share, check_one_snapshot, command
from delay_proxy import DelayProxy
from pg import Cluster


@pytest.fixture(scope="module")
def pg():
    with Cluster() as cluster:
        cluster.psql("CREATE ROLE filmyfly_reader NOLOGIN")
        cluster.create_database("notes", owner="owner")
        cluster.psql("GRANT filmyfly_reader TO owner")
        yield cluster


@pytest.fixture(scope="module")
def share(tmp_path_factory):
    return Share(tmp_path_factory.mktemp("dbproxy") / "share")


@pytest.fixture(scope="module")
def url(pg):
    return pg.url("notes", "owner")


@pytest.fixture
def dbproxy(url, share):
    with Dbproxy(url, share) as process:
        yield process


@pytest.fixture
def clean_notes(pg):
    yield
    pg.psql("DELETE FROM filmyfly.notes WHERE id > 1000; UPDATE filmyfly.notes SET n = 0 WHERE n <> 0", "notes")


# Rows and tags.

def test_values_travel_in_their_types(dbproxy):
    calls = ("types", "Amélie “☃” 🎬", -5, 1 << 40, "true", "2.5", "1999-12-31", '{one,"two, \\"three\\"",NULL}')
    row, = dbproxy.rows(calls)[0]
    assert row == {
        "a": "Amélie “☃” 🎬", "b": -5, "c": 1 << 40, "d": True, "e": 2.5, "f": "1999-12-31", "g": ["one", 'two, "three"', None],
        "score": 7.5, "links": '{"a": 1}', "small": 3, "at": "2020-02-03 04:05:06+00", "nothing": None,
        "list": ["x", None, 'a "b", \\'],
    }
    assert list(dbproxy.rows(("types", *[None] * 7))[0][0].values())[:7] == [None] * 7


def test_a_batch_answers_each_statement_in_order(dbproxy):
    answer = dbproxy.ask(("note", 3), ("note-list", 4), ("note", 99999), ("note", 3))
    assert [len(rows) for rows in answer.rows] == [1, 4, 0, 1] == answer.counts
    assert answer.rows[0] == [{"id": 3, "text": "note 3", "n": 0}]
    assert sorted(answer.tags) == sorted({"notes", "note-id:3", "note-id:99999", *(f"note:{i}" for i in range(1, 5))})


def test_many_rows_keep_the_broad_tags_only(dbproxy):
    assert len(dbproxy.ask(("note-list", 128)).tags) == 129
    assert dbproxy.ask(("note-list", 129)).tags == ["notes"]
    # Rows that have nothing broader keep theirs, as far as a message carries them.
    assert len(dbproxy.ask(("note-ids", 300), ("note-list", 300)).tags) == 301
    answer = dbproxy.ask(("note-ids", 600))
    assert (answer.type, answer.cause) == ("FAILED", "internal") and "note-ids" in answer.text


def test_a_result_beyond_the_limit_is_a_failure_that_says_so(url, share):
    with Dbproxy(url, share, FILMYFLY_BODY_MAX="100K") as dbproxy:
        answer = dbproxy.ask(("wide", 101))
        assert (answer.type, answer.cause) == ("FAILED", "internal")
        assert "wide" in answer.text and "FILMYFLY_BODY_MAX" in answer.text
        assert len(dbproxy.rows(("wide", 99))[0][0]["x"]) == 99 * 1024


# What is refused.

@pytest.mark.parametrize("call, words", [
    (("drop-all", ), ['"drop-all"']),
    (("note\x1b[31m", ), ['"note?[31m"']),
    (("note", ), ["note", "1 parameters", "0 were given"]),
    (("note", 1, 2), ["note", "2 were given"]),
    (("note", "seven"), ["note", "id", "whole number"]),
    (("note", "2147483648"), ["note", "id"]),
    (("note", "1; DROP TABLE x"), ["note", "id"]),
    (("echo", "a\0b"), ["echo", "text", "UTF-8"]),
    (("types", b"\xff".decode("latin-1"), 1, 1, "yes", 1, None, None), ["types", "d", "true or false"]),
    (("types", None, None, None, None, "nan", None, None), ["types", "e", "number"]),
    (("types", None, None, None, None, None, "2023-02-29", None), ["types", "f", "YYYY-MM-DD"]),
    (("types", None, None, None, None, None, None, "{{a}}"), ["types", "g", "list"]),
])
def test_a_wrong_query_is_refused_by_name(dbproxy, call, words):
    answer = dbproxy.ask(("note", 1), call)
    assert answer.type == "REFUSED"
    assert all(word in answer.text for word in words), answer.text


def test_an_empty_batch_is_refused(dbproxy):
    assert dbproxy.ask().type == "REFUSED"


def test_a_statement_that_postgresql_refuses_fails_alone(dbproxy):
    assert "statement broken (broken.sql) cannot be prepared" in dbproxy.log()
    answers = dbproxy.ask_many([[("note", 1)], [("broken", )], [("note", 2)], [("note", 1), ("broken", )]])
    assert [a.type for a in answers] == ["RESULT", "FAILED", "RESULT", "FAILED"]
    assert answers[1].cause == "internal" and "statement broken" in answers[1].text and "42P01" in answers[1].text


# Transactions.

def test_reads_are_read_only_repeatable_and_of_the_reader(dbproxy):
    assert dbproxy.rows(("session", ))[0] == [
        {"me": "filmyfly_reader", "isolation": "repeatable read", "read_only": "on", "timeout": "2s"}]
    assert dbproxy.rows(("session-write", ))[0] == [{"me": "owner", "isolation": "repeatable read", "read_only": "off"}]
    # Ten times that of a short one, but no longer than anybody waits.
    assert dbproxy.rows(("session-long", ))[0] == [{"timeout": "5s"}]
    answer = dbproxy.ask(("note-add-secretly", 5000))
    assert answer.cause == "internal" and ("25006" in answer.text or "42501" in answer.text)
    assert "42501" in dbproxy.ask(("secrets", )).text


@pytest.mark.usefixtures("clean_notes")
def test_a_batch_sees_one_snapshot(dbproxy, url):
    check_one_snapshot(dbproxy, url)


@pytest.mark.usefixtures("clean_notes")
def test_a_writing_batch_is_done_whole_or_not_at_all(dbproxy):
    read, added, changed, read_again = dbproxy.rows(("note-sum", ), ("note-add", 2000, "new"), ("note-count-up", 2000), ("note", 2000))
    assert (read, added, changed) == ([{"sum": 0}], [{"id": 2000}], [])
    assert read_again == [{"id": 2000, "text": "new", "n": 1}]
    assert dbproxy.ask(("note-count-up", 2000)).counts == [1]

    answer = dbproxy.ask(("note-add", 2001, "new"), ("note-add", 2000, "double"), ("note-add", 2002, "never run"))
    assert (answer.type, answer.cause) == ("FAILED", "internal") and "23505" in answer.text
    # Refused only at the very end, when PostgreSQL commits.
    answer = dbproxy.ask(("note-add", 2003, "new"), ("note-orphan", 2004))
    assert (answer.type, answer.cause) == ("FAILED", "internal") and "23503" in answer.text
    assert [len(rows) for rows in dbproxy.rows(*(("note", i) for i in range(2000, 2005)))] == [1, 0, 0, 0, 0]


@pytest.mark.usefixtures("clean_notes")
def test_writers_in_each_others_way_try_again(url, share):
    """Two dbproxies count the same row up: under REPEATABLE READ one of them is undone by PostgreSQL, and sent again."""
    with Dbproxy(url, share) as one, Dbproxy(url, share, run_dir=one.run_dir) as two:
        one.wait_for(lambda: len([p for p in one.left.peers.values() if p.greeted]) == 2)
        answers = one.ask_many([[("note-count-up", 7), ("sleep-write", 0.005)] for _ in range(60)])
        done = [a for a in answers if a.type == "RESULT"]
        assert all("40001" in a.text for a in answers if a.type == "FAILED")
        assert len(done) > 30
        assert one.rows(("note", 7))[0][0]["n"] == len(done)
        assert two.process.poll() is None


# Time.

def test_a_batch_is_one_round_trip(pg, share):
    with DelayProxy(("127.0.0.1", pg.port), 0.3) as far, \
            Dbproxy(f"postgresql://owner@127.0.0.1:{far.port}/notes", share) as dbproxy:
        dbproxy.rows(("note", 1))
        trips, began = far.trips, time.monotonic()
        dbproxy.rows(("note", 1), ("note-list", 10), ("note", 2), ("note-sum", ))
        took = time.monotonic() - began
        assert far.trips == trips + 1
        assert 0.3 <= took < 0.6  # of trips of 0.3 s, one
        # Sixteen deep on each connection: a hundred batches do not wait for each other's delays.
        began = time.monotonic()
        assert all(a.type == "RESULT" for a in dbproxy.ask_many([[("note", 1)]] * 100))
        assert time.monotonic() - began < 3


def test_a_slow_statement_is_cut_off_and_its_connection_goes_on(url, share):
    with Dbproxy(url, share, FILMYFLY_DB_TIMEOUT="300ms") as dbproxy:
        answer = dbproxy.ask(("note", 1), ("sleep", 3))
        assert (answer.type, answer.cause) == ("FAILED", "deadline") and "statement sleep" in answer.text
        assert dbproxy.rows(("note", 1), seconds=1)
        assert dbproxy.rows(("sleep-long", 0.6))
        assert dbproxy.stats()["database.reconnects"] == 0


def test_a_batch_may_take_what_its_statements_may(url, share):
    """Its results come with its end, and silence until then is none of a dead connection."""
    with Dbproxy(url, share, FILMYFLY_DB_TIMEOUT="1s") as dbproxy:
        assert dbproxy.rows(*[("sleep", 0.9)] * 4, seconds=10)
        assert dbproxy.stats()["database.reconnects"] == 0


def test_work_that_nobody_waits_for_is_not_done(dbproxy):
    """On the only connection for long statements: what was sent there is done, what waited for it is dropped."""
    answers = []
    for _ in range(20):
        dbproxy.submit(answers.append, ("sleep-long", 0.4), seconds=1)
    dbproxy.wait_for(lambda: len(answers) == 20, 3)
    assert dbproxy.rows(("sleep-long", 0.1), seconds=2)


def test_long_statements_do_not_hold_up_short_ones(dbproxy):
    slow = []
    for _ in range(20):
        dbproxy.submit(slow.append, ("sleep-long", 0.1), seconds=10)
    began = time.monotonic()
    for _ in range(20):
        dbproxy.rows(("note", 1))
    assert time.monotonic() - began < 1 and len(slow) < 20
    dbproxy.wait_for(lambda: len(slow) == 20, 10)
    assert {a.type for a in slow} == {"RESULT"}


def test_long_statements_hold_half_of_the_credit(url, share):
    """More of them are told at once that there is no room, and the rest of the credit is for short ones."""
    with Dbproxy(url, share, FILMYFLY_CREDIT="20") as dbproxy:
        slow = []
        for _ in range(200):
            dbproxy.submit(slow.append, ("sleep-long", 0.2), seconds=10)
        began = time.monotonic()
        dbproxy.wait_for(lambda: len(slow) > 150, 5)
        assert {(a.type, a.cause) for a in slow if a.type != "RESULT"} == {("FAILED", "unavailable")}
        for _ in range(20):
            dbproxy.rows(("note", 1))
        assert time.monotonic() - began < 1
        dbproxy.wait_for(lambda: len(slow) == 200, 10)
        assert 10 <= sum(a.type == "RESULT" for a in slow) <= 20


def test_a_thousand_batches_in_flight(dbproxy):
    # Each is sent once: on a slow machine the heartbeat waits behind them, and the left side would begin to send them again.
    answers = dbproxy.ask_many([[("note", i), ("note-list", 3)] for i in range(1, 1001)], seconds=20, again=False)
    assert [(a.type, a.fields.get("text")) for a in answers if a.type != "RESULT"] == []
    assert [a.rows[0][0]["id"] for a in answers] == list(range(1, 1001))
    assert dbproxy.stats()["database.round_trip.ns"] >= 1000


def test_beyond_the_queue_it_is_busy(url, share):
    with Dbproxy(url, share, FILMYFLY_QUEUE="50") as dbproxy:
        answers = dbproxy.ask_many([[("sleep", 0.02)]] * 120, seconds=10)
        kinds = [a.type for a in answers]
        assert kinds.count("RESULT") >= 50 and kinds.count("BUSY") >= 20
        assert kinds.count("RESULT") + kinds.count("BUSY") == 120


def test_nothing_is_answered_after_its_deadline(dbproxy):
    answers = dbproxy.ask_many([[("sleep", 0.4)]] * 40, seconds=1)
    assert {a.type for a in answers} == {"RESULT", "FAILED"}
    assert {a.cause for a in answers if a.type == "FAILED"} == {"deadline"}
    dbproxy.wait_for(lambda: dbproxy.stats()["left.held"] == 0, 1)


# The database goes away.

def test_reads_survive_a_restart_of_postgresql(pg, dbproxy):
    answers, sent = [], 0
    restart = threading.Thread(target=pg.restart)
    restart.start()
    while restart.is_alive() or sent < 200:
        dbproxy.submit(answers.append, ("note", 1 + sent % 1000), seconds=10)
        sent += 1
        dbproxy.left.turn(wait=0.01)
    restart.join()
    began = time.monotonic()
    dbproxy.wait_for(lambda: len(answers) == sent, 10)
    assert time.monotonic() - began < 2
    assert {a.type for a in answers} == {"RESULT"}
    assert dbproxy.stats()["database.reconnects"] >= 3


def test_a_read_in_flight_is_sent_again_and_a_write_is_not(pg, dbproxy):
    answers = {}
    for name in ("sleep", "sleep-long", "sleep-write"):
        dbproxy.submit(lambda answer, name=name: answers.__setitem__(name, answer), (name, 1), seconds=8)
    dbproxy.wait_for(lambda: pg.psql("SELECT count(*) FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND state = 'active' "
                                     "AND pid <> pg_backend_pid()").strip() == "3")
    pg.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND pid <> pg_backend_pid()")
    dbproxy.wait_for(lambda: len(answers) == 3, 8)
    assert (answers["sleep"].type, answers["sleep-long"].type) == ("RESULT", "RESULT")
    assert (answers["sleep-write"].type, answers["sleep-write"].cause) == ("FAILED", "unknown")


def test_a_read_that_loses_its_connection_each_time_is_given_up(pg, dbproxy):
    answers = []
    dbproxy.submit(answers.append, ("sleep", 1.5), seconds=20)
    end = time.monotonic() + 15
    while not answers and time.monotonic() < end:
        pg.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND state = 'active' "
                "AND pid <> pg_backend_pid()")
        dbproxy.left.turn(wait=0.02)
    assert (answers[0].type, answers[0].cause) == ("FAILED", "unavailable")


def test_a_connection_that_dies_at_once_is_not_made_again_and_again(pg, url, share):
    with Dbproxy(url, share) as dbproxy:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            pg.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'filmyfly-dbproxy'")
            dbproxy.left.turn(wait=0.01)
        assert dbproxy.stats()["database.reconnects"] < 40
        assert dbproxy.rows(("note", 1))


def test_what_a_lock_kept_from_being_prepared_is_prepared_later(url, share):
    with psycopg.connect(url) as other:
        other.execute("LOCK filmyfly.notes")
        with Dbproxy(url, share, wait=False, FILMYFLY_DB_TIMEOUT="300ms") as dbproxy:
            dbproxy.wait_for(lambda: "statement timeout" in dbproxy.log())
            other.rollback()
            assert dbproxy.rows(("note", 1))
            dbproxy.wait_for(lambda: dbproxy.stats()["database.connections"] == 4)
            assert {row["count"] for _ in range(8) for row in dbproxy.rows(("prepared", ))[0]} == {1}


@pytest.mark.usefixtures("clean_notes")
def test_a_server_that_takes_no_writes_is_left(dbproxy):
    answer = dbproxy.ask(("read-only-now", ), ("note-add", 4000, "refused"))
    assert answer.type == "FAILED" and "25006" in answer.text
    dbproxy.wait_for(lambda: dbproxy.stats()["database.reconnects"] == 1)
    assert dbproxy.rows(("note-add", 4000, "done"))
    # A statement that only says that it reads is no reason.
    assert dbproxy.ask(("note-add-secretly", 5000)).type == "FAILED"
    assert dbproxy.stats()["database.reconnects"] == 1


def test_a_frozen_database_is_noticed(pg, url, share):
    """SIGSTOP of the server's processes for one connection: silence beyond what a statement may take ends it."""
    with Dbproxy(url, share, FILMYFLY_DB_TIMEOUT="200ms") as dbproxy:
        dbproxy.rows(("note", 1))
        pids = [int(p) for p in pg.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'filmyfly-dbproxy'").split()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert dbproxy.rows(("note", 1), seconds=8)
            assert "nothing was heard" in dbproxy.log()
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


def test_the_start_waits_for_the_database(pg, url, share):
    pg.stop()
    try:
        with Dbproxy(url, share, wait=False) as dbproxy:
            dbproxy.wait_for(lambda: "the start waits for the database" in dbproxy.log())
            assert not os.path.exists(os.path.join(dbproxy.run_dir, "dbproxy", "1.sock"))
            pg.start()
            assert dbproxy.rows(("note", 1), seconds=10)
    finally:
        if not pg.pid():
            pg.start()


def test_leaving_finishes_what_is_held(url, share):
    with Dbproxy(url, share) as dbproxy:
        answers = []
        for _ in range(5):
            dbproxy.submit(answers.append, ("sleep", 0.3))
        dbproxy.wait_for(lambda: dbproxy.stats()["left.held"] == 5)
        assert dbproxy.stop() == 0
        assert [a.type for a in answers] == ["RESULT"] * 5


@pytest.mark.usefixtures("clean_notes")
def test_a_crash_between_commit_and_reply_leaves_a_write_unknown(pg, url, share):
    with Dbproxy(url, share) as probe:
        with open(f"/proc/{probe.process.pid}/exe", "rb") as program:
            assert b"FILMYFLY_FAULT" in program.read(), "a build without fault points: use the preset asan, tsan or debug"
    dbproxy = Dbproxy(url, share, FILMYFLY_FAULT="dbproxy-after-commit-before-reply@note-add:kill")
    try:
        answer = dbproxy.ask(("note-add", 3000, "committed"), again=False)
        assert (answer.type, answer.cause) == ("FAILED", "unknown")
        assert dbproxy.process.wait(5) == -signal.SIGKILL
        assert pg.psql("SELECT text FROM filmyfly.notes WHERE id = 3000", "notes").strip() == "committed"
    finally:
        dbproxy.stop()
        dbproxy.left.close()


# Getting there.

def test_names_are_looked_up(pg, share):
    with Dbproxy(f"postgresql://owner@localhost:{pg.port}/notes", share) as dbproxy:
        assert dbproxy.rows(("note", 1))


def test_several_hosts_are_tried_in_turn(pg, share):
    hosts = f"127.0.0.1:1,localhost:{pg.port}"
    with Dbproxy(f"postgresql://owner@{hosts}/notes", share) as dbproxy:
        assert dbproxy.rows(("note", 1))


def test_of_several_hosts_one_that_takes_writes(pg, share):
    with Cluster() as standby:
        standby.create_database("notes", owner="owner")
        standby.settings["default_transaction_read_only"] = "on"
        standby.restart()
        hosts = f"127.0.0.1:{standby.port},127.0.0.1:{pg.port}"
        with Dbproxy(f"postgresql://owner@{hosts}/notes", share, wait=False) as dbproxy:
            assert dbproxy.rows(("note", 1), seconds=10)


def test_a_slow_look_up_does_not_hold_up_the_loop(share, pg):
    """Its heartbeat goes on: the left side would call it hung after 800 ms."""
    url = f"postgresql://owner@localhost:{pg.port}/notes"
    with Dbproxy(url, share, FILMYFLY_FAULT="dbproxy-look-up@localhost:sleep2000") as dbproxy:
        threads = Path(f"/proc/{dbproxy.process.pid}/task")
        before = len(list(threads.iterdir()))
        pg.stop()
        try:  # what was looked up at the start is good for a while
            dbproxy.wait_for(lambda: len(list(threads.iterdir())) > before, 15)
            while len(list(threads.iterdir())) > before:
                dbproxy.left.turn(wait=0.05)
                assert all(time.monotonic() - peer.heard < 0.8 for peer in dbproxy.left.peers.values())
        finally:
            pg.start()
        assert dbproxy.rows(("note", 1))


def test_check_says_what_is_wrong_and_shows_no_password(url, share, tmp_path):
    assert command(url, share, "--check") == (0, "configuration OK\n")
    for bad in ("postgresql://me:hunter2@host:port:1/x?nonsense=1", "hunter2", "postgresql://me:hunter2%zz@host/x"):
        status, said = command(bad, share, "--check")
        assert status == 1 and "DATABASE_URL" in said and "hunter2" not in said
    wrong = Share(tmp_path / "wrong", {**STATEMENTS, "bad": ("params: a int\nspeed: fast", "SELECT $1")})
    status, said = command(url, wrong, "--check")
    assert status == 1 and 'bad.sql:3: unknown header "speed"' in said
    status, said = command(url, share, "--check", FILMYFLY_DB_PREPARE="maybe")
    assert status == 1 and "FILMYFLY_DB_PREPARE" in said
