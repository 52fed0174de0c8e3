"""./run as its user meets it: start, look, kill, stop; twice side by side. The programs are those under test, the database its private one."""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from runner import REPO, Run, directory_for_run


@pytest.fixture
def runs():
    """runs(): another ./run; all are stopped and removed."""
    with contextlib.ExitStack() as stack:

        def make(name="var"):
            run = Run(f"{stack.enter_context(directory_for_run())}/{name}")
            stack.callback(run.stop)
            return run

        yield make


@pytest.fixture(scope="module")
def running():
    """One that runs, for tests that leave it so."""
    with directory_for_run() as directory:
        run = Run(f"{directory}/var")
        run.start()
        yield run
        run.stop()


def test_it_starts_serves_and_stops_and_the_second_time_has_its_data(runs):
    run = runs()
    assert run.http in run.start()
    status, page = run.get()
    assert status == 200 and "<!doctype html>" in page.lower()

    again = run("--no-build", "--no-install", "--detach")
    assert again.returncode == 1 and "already runs" in again.stdout

    looked = run("--status")
    assert looked.returncode == 0
    for name in ("gateway", "cacher", "renderer-1", "renderer-2", "dbproxy-1", "dbproxy-2", "postgres"):
        assert f"run: {name}: (pid " in looked.stdout, looked.stdout

    url = run("--database-url").stdout.strip()
    assert subprocess.run(["psql", url, "-XAtc", "select usesuper from pg_user where usename = current_user"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout == "f\n"
    run.stop()
    assert run.left_over() == []
    assert run("--status").returncode == 3

    assert "private PostgreSQL" not in run.start()
    assert run.get("/movies")[0] == 200


def test_only_dbproxy_is_told_where_the_database_is(running):
    run = running
    told = [path.parent.parent.name for path in (run.var / "service").rglob("env/DATABASE_URL")]
    assert sorted(told) == ["dbproxy-1", "dbproxy-2"]
    for service in ("gateway/stage", "cacher", "renderer-1"):
        assert b"DATABASE_URL" not in Path(f"/proc/{run.pid(service)}/environ").read_bytes()


def test_visitors_wait_for_a_gateway_that_was_killed(running):
    run = running
    for _ in range(3):
        run.kill("gateway/stage")
        assert run.get()[0] == 200


def test_ten_deaths_in_a_row_are_a_failed_stage(running):
    run = running
    failed = run.var / "service" / "renderer-1" / "failed"
    end = time.monotonic() + 60
    while not failed.exists():
        assert time.monotonic() < end
        run.kill("renderer-1")
        time.sleep(0.2)
    assert "ten deaths in a row" in run("--status").stdout
    assert "ten deaths in a row" in (run.var / "log" / "renderer-1" / "current").read_text(errors="replace")
    assert run.get()[0] == 200  # by the other one


def test_two_run_side_by_side_and_one_ends_without_the_other(runs):
    one, other = runs(), runs(name="with a space")
    one.start()
    other.start()
    assert one.get()[0] == other.get()[0] == 200
    one.stop()
    assert one.left_over() == []
    assert other.get()[0] == 200


def test_addresses_that_are_taken_are_said_at_once(runs):
    run = runs()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(run.http.split(":")[1])))
        taken.listen()
        done = run("--no-build", "--no-install", "--detach")
    assert done.returncode == 1
    assert "FILMYFLY_HTTP" in done.stdout and "Address already in use" in done.stdout
    assert run.left_over() == []


def test_in_the_foreground_an_interrupt_stops_everything(runs):
    run = runs()
    process = subprocess.Popen([str(REPO / "run"), "--no-build", "--no-install"], env=run.env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    said = []
    for line in process.stdout:
        said.append(line)
        if "Ctrl-C stops it" in line:
            break
    assert "serves" in "".join(said)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.wait(60) == 0
    assert "Stopped." in process.stdout.read()
    process.stdout.close()
    assert run.left_over() == []


def test_a_long_path_gets_its_sockets_elsewhere(runs):
    run = runs(name="a-directory-with-a-name/that-is-longer-than/what-a-unix-socket-may-have/when-all-is-counted-together")
    run.start()
    assert run.get()[0] == 200
    run.stop()
    name = hashlib.md5(os.fsencode(run.var)).hexdigest()[:8]
    elsewhere = Path(f"/tmp/filmyfly-{os.getuid()}-{name}")
    assert (elsewhere / "run").is_dir()
    shutil.rmtree(elsewhere)
