"""A real filmyfly-dbproxy with statements and migrations of a test's own, and a left side that asks it."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import msgpack
import psycopg

import wire
from pipeline import BAD_WORDS, BIN

MIGRATION = """
CREATE TABLE filmyfly.notes (
    id int PRIMARY KEY, text text NOT NULL, n bigint NOT NULL DEFAULT 0,
    parent int REFERENCES filmyfly.notes DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO filmyfly.notes (id, text) SELECT i, 'note ' || i FROM generate_series(1, 1000) i;
CREATE TABLE filmyfly.secrets (word text);
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'filmyfly_reader') THEN
        GRANT USAGE ON SCHEMA filmyfly TO filmyfly_reader;
        GRANT SELECT ON filmyfly.notes TO filmyfly_reader;
    END IF;
END $$;
"""

STATEMENTS = {
    "note": ("params: id int\nrow-tags: note:{id}\nparam-tags: note-id:{id}\ntags: notes",
             "SELECT id, text, n FROM filmyfly.notes WHERE id = $1"),
    "note-list": ("params: most int\nrow-tags: note:{id}\ntags: notes",
                  "SELECT id, text FROM filmyfly.notes ORDER BY id LIMIT $1"),
    "note-ids": ("params: most int\nrow-tags: note:{id}", "SELECT id FROM filmyfly.notes ORDER BY id LIMIT $1"),
    "note-sum": ("", "SELECT sum(n)::bigint AS sum FROM filmyfly.notes"),
    "note-add": ("access: write\nparams: id int, text text",
                 "INSERT INTO filmyfly.notes (id, text) VALUES ($1, $2) RETURNING id"),
    "note-count-up": ("access: write\nparams: id int", "UPDATE filmyfly.notes SET n = n + 1 WHERE id = $1"),
    "note-orphan": ("access: write\nparams: id int",
                    "INSERT INTO filmyfly.notes (id, text, parent) VALUES ($1, '', -1)"),
    "note-add-secretly": ("params: id int", "INSERT INTO filmyfly.notes (id, text) VALUES ($1, 'sly')"),
    "secrets": ("", "SELECT word FROM filmyfly.secrets"),
    "sleep": ("params: seconds float", "SELECT pg_sleep($1)::text AS slept"),
    "sleep-long": ("lane: long\nparams: seconds float", "SELECT pg_sleep($1)::text AS slept"),
    "sleep-write": ("access: write\nparams: seconds float", "SELECT pg_sleep($1)::text AS slept"),
    "session": ("", """SELECT current_user::text AS me, current_setting('transaction_isolation') AS isolation,
        current_setting('transaction_read_only') AS read_only, current_setting('statement_timeout') AS timeout"""),
    "session-long": ("lane: long", "SELECT current_setting('statement_timeout') AS timeout"),
    "read-only-now": ("access: write", "SELECT set_config('transaction_read_only', 'on', true) AS on"),
    "prepared": ("", "SELECT count(*) FROM pg_prepared_statements WHERE name = 'note'"),
    "session-write": ("access: write", """SELECT current_user::text AS me,
        current_setting('transaction_isolation') AS isolation, current_setting('transaction_read_only') AS read_only"""),
    "types": ("params: a text, b int, c bigint, d bool, e float, f date, g text[]", """SELECT $1 AS a, $2 AS b, $3 AS c,
        $4 AS d, $5 AS e, $6 AS f, $7 AS g, 7.5::numeric(3, 1) AS score, '{"a": 1}'::jsonb AS links, 3::smallint AS small,
        timestamptz '2020-02-03 04:05:06+00' AS at, NULL::text AS nothing, ARRAY['x', NULL, 'a "b", \\'] AS list"""),
    "echo": ("params: text text", "SELECT $1 AS text"),
    "broken": ("", "SELECT nothing FROM filmyfly.not_there"),
    "wide": ("params: kilobytes int", "SELECT repeat('x', $1 * 1024) AS x"),
}


def write_statement(folder, name, header, sql):
    lines = "".join(f"-- {line}\n" for line in header.split("\n") if line)
    (folder / f"{name}.sql").write_text(f"-- name: {name}\n{lines}{sql};\n")


class Share:
    """A share directory: queries/ and migrations/."""

    def __init__(self, path, statements=None, migration=MIGRATION):
        self.path = Path(path)
        self.queries, self.migrations = self.path / "queries", self.path / "migrations"
        self.queries.mkdir(parents=True)
        self.migrations.mkdir()
        for name, (header, sql) in (STATEMENTS if statements is None else statements).items():
            write_statement(self.queries, name, header, sql)
        if migration:
            (self.migrations / "0001_notes.sql").write_text(migration)


def environment(url, share, **settings):
    return {**os.environ, "DATABASE_URL": url, "FILMYFLY_SHARE_DIR": str(share.path), **settings}


def command(url, share, *arguments, **settings):
    """Runs filmyfly-dbproxy with those arguments to its end: (status, what it said)."""
    done = subprocess.run([str(BIN / "filmyfly-dbproxy"), *arguments], env=environment(url, share, **settings),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          check=False)
    return done.returncode, done.stdout


class Dbproxy:
    """One process and one left side. At the end it must leave with status 0, and its log must be free of sanitizers' reports."""

    def __init__(self, url, share, wait=True, run_dir=None, **settings):
        self.own_dir = None if run_dir else tempfile.mkdtemp(prefix="ffdb-", dir="/tmp")
        self.run_dir = run_dir or self.own_dir
        self.log_path = tempfile.mktemp(prefix="dbproxy-", suffix=".log", dir=self.run_dir)
        settings.setdefault("FILMYFLY_CREDIT", "2000")
        env = environment(url, share, FILMYFLY_RUN_DIR=self.run_dir, **settings)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([str(BIN / "filmyfly-dbproxy")], env=env, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        self.left = wire.Left(self.run_dir, "dbproxy", "renderer")
        if wait:
            self.wait_for(lambda: "ready: " in self.log(), 20)
            self.wait_for(lambda: self.stats()["database.connections"] == int(settings.get("FILMYFLY_DB_CONNECTIONS", 4)), 10)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            status = self.stop()
        finally:
            self.left.close()
            log = self.log()
            if kind:
                print(log)
            if self.own_dir:
                shutil.rmtree(self.own_dir, ignore_errors=True)
        if not kind:
            assert status == 0, f"status {status}:\n{log}"
            assert not [word for word in BAD_WORDS if word in log], log

    def log(self):
        return Path(self.log_path).read_text(errors="replace")

    def wait_for(self, true, seconds=5.0):
        end = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None or time.monotonic() > end, self.log()
            assert time.monotonic() < end, f"not within {seconds} s:\n{self.log()}"
            self.left.turn(wait=0.02)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + 15
        while self.process.poll() is None and time.monotonic() < end:
            self.left.turn(wait=0.02)  # says BYE
        if self.process.poll() is None:
            self.process.kill()
        return self.process.wait(5)

    def ask(self, *calls, seconds=5.0, again=True):
        """calls: ("name", parameter…). The answer as it came; a RESULT's rows are in .rows, one list of dicts a statement."""
        return read_rows(self.left.ask("QUERY", seconds=seconds, again=again, batch=batch_of(calls), trace="test"))

    def rows(self, *calls, seconds=5.0):
        answer = self.ask(*calls, seconds=seconds)
        assert answer.type == "RESULT", f"{answer.type} {answer.fields}\n{self.log()}"
        return answer.rows

    def submit(self, done, *calls, seconds=5.0, again=True):
        fields = {"deadline": wire.deadline_in(seconds), "batch": batch_of(calls), "trace": "test"}
        self.left.submit("QUERY", fields, lambda answer: done(read_rows(answer)), again=again)

    def ask_many(self, batches, seconds=5.0, again=True):
        """Asks all of them at once: the answers in the order of the batches."""
        answers = [None] * len(batches)

        def keep(i):
            return lambda answer: answers.__setitem__(i, answer)

        for i, calls in enumerate(batches):
            self.submit(keep(i), *calls, seconds=seconds, again=again)
        self.wait_for(lambda: None not in answers, seconds + 1)
        return answers

    def stats(self):
        instance = self.log().split("dbproxy/", 1)[1].split(" ", 1)[0]
        return wire.read_stats(os.path.join(self.run_dir, "dbproxy", f"{instance}.stats"))


def batch_of(calls):
    return [(call[0], [None if p is None else str(p) for p in call[1:]]) for call in calls]


def read_rows(answer):
    if answer.type == "RESULT":
        body = msgpack.unpackb(answer.body)
        answer.fields["rows"] = [[dict(zip(columns, row)) for row in rows] for columns, rows, _ in body]
        answer.fields["tags"] = [tag.decode() for tag in answer.tags]
        answer.fields["counts"] = [count for _, _, count in body]
    return answer


def check_one_snapshot(dbproxy, url):
    """Each commit of the writer adds 1 to two rows: no batch may see an odd sum, or two sums."""
    stop = threading.Event()

    def write():
        with psycopg.connect(url, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute("UPDATE filmyfly.notes SET n = n + 1 WHERE id IN (1, 2)")

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    try:
        for _ in range(40):
            first, _, second, third = dbproxy.rows(("note-sum", ), ("sleep", 0.01), ("note-sum", ), ("note", 1))
            assert first == second and first[0]["sum"] == 2 * third[0]["n"]
            seen.add(first[0]["sum"])
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 20
