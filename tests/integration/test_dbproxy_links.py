"""dbproxy over what may lie between it and PostgreSQL: a transaction pooler (Debian's PgBouncer), and TLS that is verified."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import psycopg
import pytest

from dbproxies import Dbproxy, Share, check_one_snapshot, command
from pg import Cluster
from pooler import Pooler


@pytest.fixture(scope="module")
def pg():
    with Cluster() as cluster:
        cluster.psql("CREATE ROLE filmyfly_reader NOLOGIN")
        cluster.create_database("notes", owner="owner")
        cluster.psql("GRANT filmyfly_reader TO owner")
        yield cluster


@pytest.fixture(scope="module")
def share(tmp_path_factory):
    return Share(tmp_path_factory.mktemp("links") / "share")


@pytest.fixture(scope="module")
def pooler(pg):
    with Pooler(pg, 2) as process:
        yield process


def sessions(pooler):
    """What each of the pooler's sessions looks like to somebody else who borrows it."""
    looks = set()
    connections = [psycopg.connect(pooler.url, prepare_threshold=None) for _ in range(2)]
    for connection in connections:
        looks.add(connection.execute("""SELECT current_user, current_setting('transaction_isolation'),
            current_setting('transaction_read_only'), current_setting('default_transaction_read_only'),
            current_setting('statement_timeout'), current_setting('search_path'),
            (SELECT count(*) FROM pg_prepared_statements)""").fetchone())
    for connection in connections:
        connection.rollback()
        connection.close()
    return looks


@pytest.mark.parametrize("prepare", ["auto", "off"])
def test_a_transaction_pooler_changes_nothing(pooler, pg, share, prepare):
    with Dbproxy(pooler.url, share, FILMYFLY_DB_PREPARE=prepare) as dbproxy:
        if prepare == "auto":
            assert "a transaction pooler stands between" in dbproxy.log()
        assert dbproxy.rows(("session", ))[0] == [
            {"me": "filmyfly_reader", "isolation": "repeatable read", "read_only": "on", "timeout": "2s"}]
        assert dbproxy.rows(("session-write", ))[0] == [{"me": "owner", "isolation": "repeatable read", "read_only": "off"}]
        # An error undoes its own batch and no other, with many of them in flight.
        calls = [[("note", 1), ("broken", )] if i % 5 == 0 else [("note", i), ("note-list", 3)] for i in range(200)]
        answers = dbproxy.ask_many(calls, seconds=10)
        assert [a.type for a in answers] == ["FAILED" if i % 5 == 0 else "RESULT" for i in range(200)]
        answer = dbproxy.ask(("note-add", 2000, "a"), ("note-add", 2000, "b"))
        assert answer.type == "FAILED" and "23505" in answer.text
        assert dbproxy.rows(("note-add", 2000, "c"), ("note", 2000))[1] == [{"id": 2000, "text": "c", "n": 0}]
        pg.psql("DELETE FROM filmyfly.notes WHERE id = 2000", "notes")
        check_one_snapshot(dbproxy, pg.url("notes", "owner"))
        answer = dbproxy.ask(("sleep", 5))
        assert answer.cause == "deadline" and "57014" in answer.text
    assert sessions(pooler) == {("owner", "read committed", "off", "off", "0", '"$user", public', 0)}


def test_a_pooler_that_nobody_noticed_is_noticed_by_its_errors(pg, share):
    """Named statements asked for: they come to be missing in one session and double in another, and nothing fails."""
    with Pooler(pg, 3) as pooler, Dbproxy(pooler.url, share, FILMYFLY_DB_PREPARE="on") as dbproxy:
        for _ in range(20):
            answers = dbproxy.ask_many([[("note", i)] for i in range(1, 60)], seconds=10)
            assert {a.type for a in answers} == {"RESULT"}
            assert [a.rows[0][0]["id"] for a in answers] == list(range(1, 60))


def test_migrations_run_through_a_pooler(pg, share):
    pg.create_database("pooled", owner="owner")
    with Pooler(pg, 2, "pooled") as pooler:
        status, said = command(pooler.url, share, "--migrate")
        assert status == 0 and "applied 0001_notes.sql" in said, said
        assert command(pooler.url, share, "--migrate") == (0, "")


def test_a_prepared_plan_that_went_stale_is_replaced(pg, share):
    with Dbproxy(pg.url("notes", "owner"), share) as dbproxy:
        dbproxy.rows(("note", 500))
        pg.psql("ALTER TABLE filmyfly.notes ALTER COLUMN n TYPE numeric", "notes")
        try:
            assert dbproxy.rows(("note", 500))[0] == [{"id": 500, "text": "note 500", "n": 0.0}]
        finally:
            pg.psql("ALTER TABLE filmyfly.notes ALTER COLUMN n TYPE bigint", "notes")
        assert dbproxy.rows(("note", 500))[0] == [{"id": 500, "text": "note 500", "n": 0}]


def test_a_batch_of_prepared_plans_that_went_stale(pg, tmp_path):
    names = [f"n{i}" for i in range(4)]
    share = Share(tmp_path / "share", {name: ("", "SELECT n FROM filmyfly.notes WHERE id = 500") for name in names})
    with Dbproxy(pg.url("notes", "owner"), share) as dbproxy:
        pg.psql("ALTER TABLE filmyfly.notes ALTER COLUMN n TYPE numeric", "notes")
        try:
            assert dbproxy.rows(*((name, ) for name in names)) == [[{"n": 0.0}]] * 4
        finally:
            pg.psql("ALTER TABLE filmyfly.notes ALTER COLUMN n TYPE bigint", "notes")


# TLS.

def make_certificates(folder):
    """A CA, and a server certificate for localhost signed by it; and another CA that signed nothing."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for name in ("ca", "other"):
        openssl("req", "-x509", *curve, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "2", "-subj", f"/CN={name}")
    openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "ext").write_text("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.crt",
            "-days", "2", "-extfile", "ext")


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    make_certificates(folder)
    with Cluster() as cluster:
        for name in ("server.crt", "server.key"):
            path = os.path.join(cluster.dir, name)
            with open(path, "wb") as f:
                f.write((folder / name).read_bytes())
            if os.geteuid() == 0:
                st = os.stat(cluster.dir)
                os.chown(path, st.st_uid, st.st_gid)
            os.chmod(path, 0o600)
        cluster.stop()
        cluster.settings.update({"ssl": "on", "ssl_cert_file": f"{cluster.dir}/server.crt",
                                 "ssl_key_file": f"{cluster.dir}/server.key"})
        cluster.start()
        cluster.psql("CREATE ROLE filmyfly_reader NOLOGIN")
        cluster.create_database("notes", owner="owner")
        yield cluster, folder


def test_verify_full_holds(tls, share):
    cluster, folder = tls
    url = "postgresql://owner@{}:{}/notes?sslmode=verify-full&sslrootcert={}"
    with Dbproxy(url.format("localhost", cluster.port, folder / "ca.crt"), share) as dbproxy:
        assert dbproxy.rows(("note", 1))
        assert "t" == cluster.psql("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                                   "WHERE application_name = 'filmyfly-dbproxy'").strip()
        # Answers of many TLS records, and many answers at once.
        assert len(dbproxy.rows(("wide", 3000))[0][0]["x"]) == 3000 * 1024
        answers = dbproxy.ask_many([[("wide", 20), ("note", i)] for i in range(1, 200)], seconds=10)
        assert {a.type for a in answers} == {"RESULT"}

    # The certificate is for localhost, not for the address; another CA signed nothing here; of two addresses each has its reason.
    two = "postgresql://owner@127.0.0.2:{1},localhost:{1}/notes?sslmode=verify-full&sslrootcert={2}"
    for where, host, authority in ((url, "127.0.0.1", "ca.crt"), (url, "localhost", "other.crt"), (two, "", "other.crt")):
        with Dbproxy(where.format(host, cluster.port, folder / authority), share, wait=False) as dbproxy:
            dbproxy.wait_for(lambda dbproxy=dbproxy: "certificate" in dbproxy.log(), 20)
            assert "the start waits for the database" in dbproxy.log() and "ready" not in dbproxy.log()


class Mute:
    """Takes connections as PostgreSQL does, and then says nothing any more."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.taken = self.listener.getsockname()[1], []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.taken.append(connection)
            with contextlib.suppress(OSError):  # it may be gone already
                while len(connection.recv(4096)) == 8:  # SSLRequest, GSSENCRequest
                    connection.sendall(b"N")
                connection.sendall(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")

    def close(self):
        for each in (self.listener, *self.taken):
            each.close()


def test_who_takes_connections_and_says_nothing_does_not_hold_up_the_start(pg, share):
    with contextlib.closing(Mute()) as mute:
        with Dbproxy(f"postgresql://owner@127.0.0.1:{mute.port},127.0.0.1:{pg.port}/notes", share, wait=False) as dbproxy:
            assert dbproxy.rows(("note", 1), seconds=20)
        with Dbproxy(f"postgresql://owner@127.0.0.1:{mute.port}/notes", share, wait=False) as dbproxy:
            before = len(mute.taken)
            dbproxy.wait_for(lambda: "it does not answer" in dbproxy.log() and len(mute.taken) > before + 1, 20)
            began = time.monotonic()
            dbproxy.process.send_signal(signal.SIGTERM)
            dbproxy.process.wait(5)
            assert time.monotonic() - began < 2
