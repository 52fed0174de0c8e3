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

from bare import BareRoot
from pg import Cluster
from ports import free_port
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


class Working:
    """./run --dev over a copy of the sources, of a developer who works on it."""

    def __init__(self, directory):
        self.sources, self.run = Path(directory) / "sources", Run(f"{directory}/var")
        shutil.copytree(REPO, self.sources, symlinks=True, ignore=shutil.ignore_patterns(".git", "build", "var", ".env"))
        env = {**self.run.env, "FILMYFLY_BUILD_DIR": f"{directory}/build"}
        self.said = Path(directory) / "said"
        with open(self.said, "w", encoding="utf-8") as said:
            self.process = subprocess.Popen([str(self.sources / "run"), "--dev", "--no-install", "--preset", "debug"], env=env,
                                            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)

    def wait(self, true, what, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if true():
                    return
            time.sleep(0.2)
        raise AssertionError(f"{what}: not within {seconds} s; it said:\n{self.said.read_text('utf-8')[-3000:]}")

    def edit(self, name, old, new):
        path = self.sources / name
        text = path.read_text("utf-8")
        assert old in text, name
        path.write_text(text.replace(old, new, 1), "utf-8")

    def pids(self):
        return {name: self.run.pid(name) for name in ("gateway/stage", "cacher", "renderer-1", "renderer-2", "dbproxy-1", "dbproxy-2")}

    def replaces(self, *wanted):
        """Waits until these services, and no others, are other processes than before; the page is there again."""
        before = self.before
        self.wait(lambda: {name for name, pid in self.pids().items() if pid and pid != before[name]} == set(wanted), f"only {wanted} began anew")
        self.wait(lambda: self.run.get()[0] == 200, "a page")
        self.before = self.pids()

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_what_a_developer_edits_is_seen_and_only_its_stage_begins_anew():
    with directory_for_run() as directory, contextlib.closing(Working(directory)) as work:
        work.wait(lambda: "Ctrl-C stops it" in work.said.read_text("utf-8"), "it serves", 600)
        work.before = work.pids()

        work.edit("renderer/views/home.mustache", "What shall we watch?", "What did we watch?")
        work.wait(lambda: "What did we watch?" in work.run.get()[1], "the new words", 10)
        work.edit("renderer/views/home.mustache", "{{/content}}", "{{/contents}}")
        work.wait(lambda: "home.mustache:" in work.said.read_text("utf-8") + "".join(
            log.read_text("utf-8") for log in work.run.var.glob("log/renderer-*/current")), "the fault's place", 10)
        assert "What did we watch?" in work.run.get()[1]  # the last good one
        work.edit("renderer/views/home.mustache", "{{/contents}}", "{{/content}}")
        assert work.pids() == work.before

        work.edit("gateway/static/site.css", "/* FilmyFly's one stylesheet.", "/* FilmyFly's only stylesheet.")
        work.replaces("gateway/stage", "renderer-1", "renderer-2")

        work.edit("cacher/cacher.c", "Stands between", "Stands right between")
        work.replaces("cacher")

        work.edit("dbproxy/queries/movie.sql", "-- access: read", "-- An edited line.\n-- access: read")
        work.replaces("dbproxy-1", "dbproxy-2")

        work.edit("cacher/cacher.c", "int main(", "int mai(")
        work.wait(lambda: "what ran before goes on" in work.said.read_text("utf-8"), "the build failed")
        assert work.run.get()[0] == 200 and work.pids() == work.before
        work.edit("cacher/cacher.c", "int mai(", "int main(")
        work.edit("cacher/cacher.c", "Stands right between", "Stands between")
        work.replaces("cacher")
        work.close()
        assert work.process.returncode == 0 and work.run.left_over() == []


def test_a_database_of_ones_own(runs):
    """./run makes the tables, and invents no movies."""
    with Cluster() as pg:
        pg.create_database("own", owner="owner")
        run = runs()
        run.env["DATABASE_URL"] = pg.url("own", "owner")
        run.start()
        assert run.get("/movies")[0] == 200
        assert run("--database-url").stdout.strip() == run.env["DATABASE_URL"]
        assert not (run.var / "postgres").exists()
        assert pg.psql("SELECT count(*) FROM filmyfly.movies", "own") == "0\n"
        run.stop()


# A new machine.


@pytest.fixture(scope="module")
def bare_root():
    assert os.geteuid() == 0, "making a root needs root"
    with BareRoot() as root:
        yield root


def serve(root, user, directory):
    """./run --detach in the clone, its pages looked at over HTTP/2, ./run --stop."""
    http, https = (f"127.0.0.1:{free_port()}" for _ in range(2))
    (root.root / directory[1:] / ".env").write_text(f"FILMYFLY_HTTP={http}\nFILMYFLY_HTTPS={https}\n")
    began = time.monotonic()
    process = root.start(user, f"cd {directory} && ./run --detach && echo up && read line && ./run --stop && echo down")
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if line == "up\n":
                break
        assert said[-1:] == ["up\n"], "".join(said)
        print(f"{user}: the first page {time.monotonic() - began:.0f} s after ./run in {directory}")
        for path, words in (("/", "</html>"), ("/movies", "</html>"), ("/movie/king-kong-1933", "King Kong"),
                            ("/api/v1/movies", '"slug"')):
            answer = subprocess.run(["curl", "-sk", "--http2", "-w", "\n%{http_version} %{http_code}", f"https://{https}{path}"],
                                    stdout=subprocess.PIPE, text=True, check=True, timeout=30).stdout
            assert answer.endswith("\n2 200") and words in answer, answer[-300:]
        rest, _ = process.communicate("\n", timeout=60)
        assert process.returncode == 0 and rest.endswith("down\n"), rest
    finally:
        process.kill()
        process.wait()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_bare_root(bare_root):
    """A user who may install nothing is told what to install; root installs it; then the user needs nobody."""
    bare_root.clone("/home/visitor/filmyfly", "visitor")
    said = bare_root.run("visitor", "cd filmyfly && ./run", status=1)
    assert "Install them as root, then start again:" in said and "apt-get install -y --no-install-recommends gcc " in said
    bare_root.clone("/root/filmyfly")
    serve(bare_root, "root", "/root/filmyfly")
    serve(bare_root, "visitor", "/home/visitor/filmyfly")
