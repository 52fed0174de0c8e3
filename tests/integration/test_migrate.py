"""Migrations: in order, once, whoever else is at it, and never silently different."""

import subprocess
import time

import psycopg
import pytest

from dbproxies import BIN, Share, command, environment
from pg import Cluster, REPO


@pytest.fixture(scope="module")
def pg():
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def url(pg, request):
    """An empty database of a plain owner's."""
    name = f"m{abs(hash(request.node.name))}"
    pg.create_database(name, owner="plain")
    return pg.url(name, "plain")


@pytest.fixture
def share(tmp_path):
    share = Share(tmp_path / "share", {"one": ("", "SELECT 1 AS one")}, migration=None)
    for i in range(1, 6):
        (share.migrations / f"000{i}_step.sql").write_text(
            f"CREATE TABLE filmyfly.step{i} ();\nDO $$ BEGIN PERFORM pg_sleep(0.05); END $$;\n")
    return share


def tables(pg, url):
    name = url.split("/")[3].split("?")[0]
    return pg.psql("SELECT relname FROM pg_class WHERE relnamespace = 'filmyfly'::regnamespace AND relkind = 'r' ORDER BY 1",
                   name).split()


ALL = ["migrations", *(f"step{i}" for i in range(1, 6))]


def test_each_is_applied_once(pg, url, share):
    status, said = command(url, share, "--migrate")
    assert status == 0 and said.count("applied ") == 5, said
    assert tables(pg, url) == ALL
    status, said = command(url, share, "--migrate")
    assert (status, said) == (0, "")


def test_several_migrators_at_once(pg, url, share):
    started = [subprocess.Popen([str(BIN / "filmyfly-dbproxy"), "--migrate"], env=environment(url, share), text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(4)]
    said = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4, said
    assert "".join(said).count("applied ") == 5
    assert tables(pg, url) == ALL


@pytest.mark.parametrize("change, words", [
    (lambda folder: (folder / "0002_step.sql").write_text("SELECT 1;"), "0002_step.sql was applied to this database and was changed"),
    (lambda folder: (folder / "0003_step.sql").unlink(), "0003_step.sql was applied to this database and is missing"),
    (lambda folder: (folder / "0001_before.sql").write_text("SELECT 1;"), "0001_before.sql comes before"),
])
def test_what_was_applied_stays_as_it_was(url, share, change, words):
    assert command(url, share, "--migrate")[0] == 0
    change(share.migrations)
    status, said = command(url, share, "--migrate")
    assert status == 1 and words in said
    # Nor does the stage start.
    done = subprocess.run([str(BIN / "filmyfly-dbproxy")], env=environment(url, share, FILMYFLY_RUN_DIR=str(share.path)[:50]),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and words in done.stderr


@pytest.mark.parametrize("text, words", [
    ("CREATE TABLE filmyfly.kept ();\n-- ☃\nSELECT nonsense;\n", "0006_bad.sql:3: column \"nonsense\" does not exist"),
    ("CREATE TABLE filmyfly.kept ();\nCOMMIT;\n", "0006_bad.sql ends its transaction itself"),
    ("COMMIT;\nSELECT nonsense;\n", "0006_bad.sql:2: column \"nonsense\" does not exist; it ended its transaction itself"),
    ("COMMIT;\nBEGIN;\nCREATE TABLE filmyfly.kept ();\n", "0006_bad.sql ends its transaction itself"),
])
def test_a_wrong_one_is_named_and_undone(pg, url, share, text, words):
    (share.migrations / "0006_bad.sql").write_text(text)
    status, said = command(url, share, "--migrate")
    assert status == 1 and words in said, said
    if "COMMIT" not in text:
        assert tables(pg, url) == ALL


def start(url, share):
    return subprocess.Popen([str(BIN / "filmyfly-dbproxy"), "--migrate"], env=environment(url, share), text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_readers_get_through_while_it_waits_for_a_lock(url, share):
    assert command(url, share, "--migrate")[0] == 0
    (share.migrations / "0006_step.sql").write_text("ALTER TABLE filmyfly.step1 ADD COLUMN n int;")
    waits = []
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as reader:
        holder.execute("SELECT FROM filmyfly.step1")
        reader.execute("SET statement_timeout = '5s'")
        migrator, began = start(url, share), time.monotonic()
        while time.monotonic() - began < 6:
            asked = time.monotonic()
            reader.execute("SELECT FROM filmyfly.step1")
            waits.append(time.monotonic() - asked)
            time.sleep(0.02)
        assert migrator.poll() is None
        holder.rollback()
        said = migrator.communicate(timeout=20)[0]
        assert migrator.returncode == 0 and "applied 0006_step.sql" in said, said
        reader.execute("SELECT n FROM filmyfly.step1")
    assert 1 < max(waits) < 3.5, max(waits)


def test_a_deadlock_is_tried_again(pg, url, share):
    assert command(url, share, "--migrate")[0] == 0
    (share.migrations / "0006_step.sql").write_text(
        "ALTER TABLE filmyfly.step2 ADD COLUMN n int;\nALTER TABLE filmyfly.step1 ADD COLUMN n int;\n")
    with psycopg.connect(url) as holder:
        holder.execute("SELECT FROM filmyfly.step1")
        migrator = start(url, share)
        while pg.psql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "":
            assert migrator.poll() is None
        holder.execute("SELECT FROM filmyfly.step2")  # who waited first finds the circle first
        holder.rollback()
        said = migrator.communicate(timeout=20)[0]
        assert migrator.returncode == 0 and "deadlock" in said and "applied 0006_step.sql" in said, said


def test_no_database_is_said_at_once(pg, share):
    status, said = command("postgresql://plain@127.0.0.1:1/none", share, "--migrate")
    assert status == 1 and "no connection to the database" in said


def test_the_projects_own_migrations(pg, url):
    class Real:
        path = REPO / "dbproxy"
    status, said = command(url, Real, "--migrate")
    assert status == 0, said
    assert {"movies", "categories", "migrations"} <= set(tables(pg, url))
    assert command(url, Real, "--check") == (0, "configuration OK\n")
