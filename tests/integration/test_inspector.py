"""filmyfly, the tool that looks into the pipeline: each command against a pipeline under load, and against what an
operator meets on a bad day: dead and frozen instances, missing permission, no run directory, files that are not ours."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from load import Load, right_page, unique_targets
from pipeline import BIN, Pipeline, wait_until

FILMYFLY = str(BIN / "filmyfly")
STAGES = ("gateway", "cacher", "renderer", "dbproxy")
NOBODY = 65534


@pytest.fixture(scope="module")
def site(database_url, certificate, tmp_path_factory):
    """Two of each that may be two, with a store. Instances end here by being told to, so deaths are wanted."""
    store = tmp_path_factory.mktemp("store")
    with Pipeline(database_url, certificate, env={"FILMYFLY_CACHE_DIR": str(store)}, deaths=True) as made:
        yield made


@pytest.fixture
def filmyfly(site):
    """filmyfly(words…) runs the tool for that pipeline; it must end in time, and no sanitizer may complain."""

    def run(*words, run_dir=site.run_dir, timeout=60, program=FILMYFLY, **options):
        env = {"PATH": os.environ["PATH"], "FILMYFLY_RUN_DIR": str(run_dir), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [program, *words], capture_output=True, text=True, timeout=timeout, check=False, env=env, **options
        )
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture
def all_serve(site, filmyfly):
    wait_until(lambda: filmyfly("status", "--quiet").returncode == 0, 30, "all stages serve")


@pytest.fixture
def load(site, slugs, all_serve, rate):
    """Movie pages, every other one seen before; half of what other tests ask, since the tool needs the machine too."""
    targets = unique_targets([f"/movie/{slug}" for slug in slugs], f"{time.monotonic_ns()}-")
    mixed = (target for pair in zip(targets, (f"/movie/{slugs[n % 5]}" for n in range(10**9))) for target in pair)
    running = Load(site.https, mixed, rate / 2, tls=True, check=right_page).start()
    yield running
    running.stop()


def no_loss(load):
    report = load.stop()
    assert report.good(), report.story()


def of_instance(whole, stage, name):
    return next(i for i in whole["instances"] if (i["stage"], i["instance"]) == (stage, name))


def one_line(done):
    """What went wrong is one line."""
    assert done.stderr.count("\n") == 1 and len(done.stderr) < 500, done.stderr
    return done.stderr


# status


def test_status_tells_of_every_instance_of_a_pipeline_under_load(site, filmyfly, load):
    wait_until(lambda: load.report.answered > 50, 30, "pages are answered")
    done = filmyfly("status", "--json")
    whole = json.loads(done.stdout)
    assert (done.returncode, whole["health"], whole["problems"]) == (0, "good", []), done.stdout + done.stderr
    assert {(i["stage"], i["instance"]) for i in whole["instances"]} == {(i.stage, i.name) for i in site.all()}
    for instance in site.all():
        figures = of_instance(whole, instance.stage, instance.name)
        assert figures["state"] == "serving" and figures["pid"] == instance.pid
        assert figures["restarts"] == instance._lives - 1
        assert figures["memory"] > 1 << 20 and 0 <= figures["cpu"] < 4 and figures["uptime"] < 3600
        assert 0 <= figures["p50"] <= figures["p99"] < 60
    gateway = of_instance(whole, "gateway", "t1")
    assert gateway["requests_per_second"] > 1 and gateway["requests"] > 50 and gateway["p50"] > 0
    assert of_instance(whole, "cacher", "1")["credit"] > 0
    assert whole["cache"]["entries"] > 0 and 0 < whole["cache"]["bytes"] < whole["cache"]["limit"]
    assert all(0.1 < whole["cache"]["hit_rate"][span] < 0.9 for span in ("1m", "5m", "60m")), whole["cache"]
    assert whole["database"]["connections"] == 8 and whole["database"]["p99"] > 0
    system = whole["system"]
    assert system["processors"] == os.cpu_count() and 0 < system["memory"]["available"] <= system["memory"]["total"]
    assert system["disks"] and all(0 <= disk["available"] <= disk["total"] for disk in system["disks"])

    text = filmyfly("status")
    assert text.returncode == 0 and not text.stderr
    lines = text.stdout.splitlines()
    assert len([line for line in lines if " serving " in line]) == len(site.all())
    assert all(any(line.startswith(word) for line in lines) for word in ("INSTANCE", "cache", "database", "system"))


def test_status_of_one_stage_and_one_instance(filmyfly, all_serve):
    stage = json.loads(filmyfly("status", "renderer", "--json").stdout)
    assert {i["stage"] for i in stage["instances"]} == {"renderer"} and "system" not in stage
    one = filmyfly("status", "renderer/t2")
    assert one.returncode == 0 and one.stdout.count("renderer/") == 1
    gone = filmyfly("status", "renderer/t99")
    assert gone.returncode == 2 and "renderer/t99 does not serve" in one_line(gone)
    quiet = filmyfly("status", "cacher", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_a_killed_instance_is_dead_until_it_is_back(site, filmyfly, load):
    third = site.add("renderer", "third")
    wait_until(lambda: filmyfly("status", "renderer/third", "--quiet").returncode == 0, 30, "a third renderer serves")
    third._wanted = False  # nobody starts it again
    third.kill()
    third.join()
    site.instances["renderer"].remove(third)
    try:
        done = filmyfly("status")
        assert done.returncode == 1 and "renderer/third is dead" in one_line(done)
        assert f"process {third.pid}" in done.stderr and f"{site.run_dir}/renderer/third.*" in done.stderr
        assert filmyfly("status", "gateway", "--quiet").returncode == 0  # another stage is not to blame
        assert filmyfly("status", "renderer", "--quiet").returncode == 1
        assert not any("third" in line and " ready " in line for line in filmyfly("peers").stdout.splitlines())
    finally:
        for path in (site.run_dir / "renderer").glob("third.*"):  # as it says
            path.unlink()
    assert filmyfly("status", "--quiet").returncode == 0
    no_loss(load)


def test_a_frozen_instance_hangs_and_hears_nothing(site, filmyfly, load):
    renderer = site["renderer"][0]
    renderer.send(signal.SIGSTOP)
    try:
        wait_until(lambda: filmyfly("status", "renderer", "--quiet").returncode == 1, 20, "it is seen")
        done = filmyfly("status", "--json")
        problems = json.loads(done.stdout)["problems"]
        assert len(problems) == 1 and problems[0].startswith("renderer/t1 hangs: process")
        assert of_instance(json.loads(done.stdout), "renderer", "t1")["state"] == "hung"
        states = {(peer["from"], peer["to"]): peer["state"] for peer in json.loads(filmyfly("peers", "--json").stdout)}
        assert states[("cacher/1", "renderer/t1")] == "hung" and states[("cacher/1", "renderer/t2")] == "ready"
        told = filmyfly("restart", "renderer/t1")
        assert told.returncode == 1 and f"kill -9 {renderer.pid}" in one_line(told)
    finally:
        renderer.send(signal.SIGCONT)
    wait_until(lambda: filmyfly("status", "--quiet").returncode == 0, 20, "it goes on")
    no_loss(load)


# peers, config


def test_peers_are_all_hops(site, filmyfly, load):
    done = filmyfly("peers", "--json")
    rows = json.loads(done.stdout)
    hops = {(row["from"].split("/")[0], row["to"].split("/")[0]) for row in rows}
    assert hops == {("gateway", "cacher"), ("cacher", "renderer"), ("cacher", "changes"), ("renderer", "dbproxy")}
    pids = {str(instance): instance.pid for instance in site.all()}
    for row in rows:
        assert row["state"] == "ready" and row["protocol"] == 2 and row["credit"] > 0, row
        assert row["pid"] == pids[row["to"].replace("changes", "dbproxy")]
    assert len([row for row in rows if row["from"].startswith("renderer/")]) == 4
    assert filmyfly("peers", "cacher").stdout.count("\n") == 1 + 4
    no_loss(load)


def test_config_is_what_was_set_and_hides_secrets(site, filmyfly, load, cluster, certificate):
    everything = json.loads(filmyfly("config", "--json").stdout)
    assert set(everything) == {str(instance) for instance in site.all()}
    assert everything["cacher/1"]["FILMYFLY_CACHE_DIR"] == site.env["FILMYFLY_CACHE_DIR"]
    assert everything["gateway/t1"]["FILMYFLY_TLS_CERT"] == certificate.cert
    assert everything["dbproxy/t1"]["DATABASE_URL"] == "(hidden)"
    assert "DATABASE_URL" not in everything["renderer/t1"]
    text = filmyfly("config", "renderer").stdout
    assert text.startswith("# renderer/t1 renderer/t2\n") and "FILMYFLY_PAGE_TTL=30m\n" in text
    for path in site.run_dir.glob("*/*.config"):
        assert site.database_url not in path.read_text() and stat.S_IMODE(path.stat().st_mode) == 0o640
    no_loss(load)


# logs, tap


def test_logs_and_messages_are_shown_under_load(filmyfly, load):
    lines = filmyfly("logs", "--json").stdout.splitlines()
    assert {json.loads(line)["instance"].split("/")[0] for line in lines} == {"gateway", "cacher", "renderer", "dbproxy"}
    shown = filmyfly("tap", "--count", "200", "--json")
    assert shown.returncode == 0 and len(shown.stdout.splitlines()) == 200, shown.stderr
    assert {"REQUEST", "RESPONSE", "QUERY", "RESULT"} <= {json.loads(line)["type"] for line in shown.stdout.splitlines()}
    no_loss(load)


# purge


@pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])
@pytest.mark.parametrize("way", ["url", "prefix", "tag", "all"])
def test_purge(site, filmyfly, load, slugs, cluster, way, hard):
    slug = slugs[100 + 2 * ["url", "prefix", "tag", "all"].index(way) + hard]
    movie = cluster.psql(f"SELECT id FROM filmyfly.movies WHERE slug = '{slug}'", "filmyfly").strip()
    target, address = f"/movie/{slug}", f"https://localhost/movie/{slug}"
    words = {"url": [address], "prefix": ["--prefix", address[:-2]], "tag": ["--tag", f"movie:{movie}"], "all": ["--all"]}
    wait_until(lambda: site.get(target).line("x-cache-status") == "HIT", 20, "it is in the store")
    done = filmyfly("purge", *words[way], *(["--hard"] if hard else []), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["purged"], said["hard"], said["done"]) == (way, hard, way != "prefix")
    wait_until(lambda: site.get(target).line("x-cache-status") == "HIT", 20, "it is there anew")
    assert int(site.get(target).line("age") or 0) < 60
    text = filmyfly("purge", *words[way])
    assert text.returncode == 0 and text.stdout.count("\n") == 1
    no_loss(load)


def test_purge_refuses_what_it_does_not_understand(filmyfly, all_serve):
    for words in ([], ["https://a/", "--all"], ["--tag", "x", "--prefix", "https://a/"], ["nonsense"], ["--tag", ""]):
        done = filmyfly("purge", *words)
        assert done.returncode == 64 and one_line(done), words


def test_purge_without_a_cacher_says_so_at_once(site, filmyfly, tmp_path):
    (tmp_path / "cacher").mkdir()
    began = time.monotonic()
    done = filmyfly("purge", "--all", run_dir=tmp_path)
    assert done.returncode == 2 and f"{tmp_path}/cacher" in one_line(done) and time.monotonic() - began < 5


# restart, drain


def test_restart_replaces_all_one_after_the_other_and_loses_nothing(site, filmyfly, load):
    before = {str(instance): instance.pid for instance in site.all()}
    done = filmyfly("restart", "--json", timeout=250)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["instance"]: row["was"] for row in rows} == before
    assert {row["instance"]: row["pid"] for row in rows} == {str(instance): instance.pid for instance in site.all()}
    assert [row["instance"].split("/")[0] for row in rows] == sorted(
        (row["instance"].split("/")[0] for row in rows), key=lambda stage: -STAGES.index(stage)
    )
    # None was asked before the one before it served.
    seen = [text for _, text in site.events if "ended with status 75" in text]
    assert [text.split()[0] for text in seen[-len(rows) :]] == [row["instance"] for row in rows]
    assert filmyfly("status", "--quiet").returncode == 0
    no_loss(load)


def test_restart_stops_when_the_successor_does_not_serve(site, filmyfly, all_serve):
    # What cannot be restarted is said, and the ones behind it are left alone: a socket is in the way of its successor.
    before = {str(instance): instance.pid for instance in site["renderer"]}
    hidden = site.run_dir / "renderer" / "t1.inspect"
    hidden.rename(hidden.with_suffix(".away"))
    try:
        done = filmyfly("restart", "renderer")
        assert done.returncode == 1 and "renderer/t1.inspect is not there" in one_line(done)
        assert {str(instance): instance.pid for instance in site["renderer"]} == before
    finally:
        hidden.with_suffix(".away").rename(hidden)


def test_drain_takes_no_work_and_refuses_the_last(site, filmyfly, load):
    done = filmyfly("drain", "renderer/t1")
    assert done.returncode == 0, done.stderr
    answered = site["renderer"][0].stats()["left.out.RESPONSE"]
    whole = json.loads(filmyfly("status", "--json").stdout)
    assert whole["health"] == "good" and of_instance(whole, "renderer", "t1")["state"] == "drained"
    assert any("renderer/t1 is drained" in problem for problem in whole["problems"])
    refused = filmyfly("drain", "renderer/t2")
    assert refused.returncode == 1 and "--force" in one_line(refused)
    only = filmyfly("drain", "cacher/1")
    assert only.returncode == 1 and "--force" in one_line(only)
    sent = load.report.answered
    wait_until(lambda: load.report.answered > sent + 50, 30, "the other one does the work")
    assert site["renderer"][0].stats()["left.out.RESPONSE"] == answered
    again = filmyfly("restart", "renderer/t1")
    assert again.returncode == 0, again.stderr
    assert of_instance(json.loads(filmyfly("status", "--json").stdout), "renderer", "t1")["state"] == "serving"
    no_loss(load)


def test_drain_is_done_when_what_was_held_is_finished(site, filmyfly, slugs, all_serve):
    for dbproxy in site["dbproxy"]:
        dbproxy.send(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(8) as visitors:
            asked = [visitors.submit(site.get, f"/movie/{slugs[0]}?held={n}") for n in range(8)]
            wait_until(lambda: sum(renderer.stats()["left.held"] for renderer in site["renderer"]) == 8, 10, "they are held")
            busy = next(renderer for renderer in site["renderer"] if renderer.stats()["left.held"])
            drain = visitors.submit(filmyfly, "drain", str(busy))
            time.sleep(0.7)
            assert not drain.done() and busy.stats()["left.held"] > 0
            state = of_instance(json.loads(filmyfly("status", "--json").stdout), "renderer", busy.name)["state"]
            assert state == "serving", state
            for dbproxy in site["dbproxy"]:
                dbproxy.send(signal.SIGCONT)
            assert drain.result().returncode == 0, drain.result().stderr
            assert busy.stats()["left.held"] == 0
            assert [answer.result().status for answer in asked] == [200] * 8
    finally:
        for dbproxy in site["dbproxy"]:
            dbproxy.send(signal.SIGCONT)
    assert filmyfly("restart", str(busy)).returncode == 0


def test_drain_needs_an_instance_that_runs(filmyfly, all_serve):
    assert filmyfly("drain").returncode == 64
    assert filmyfly("drain", "renderer").returncode == 64
    assert filmyfly("drain", "renderer/t77").returncode == 2


# On a bad day


@pytest.mark.parametrize("command", ["status", "peers", "config", "purge", "restart", "drain", "tap", "logs"])
def test_without_a_run_directory_one_line_says_where_it_looked(filmyfly, tmp_path, command):
    words = {"purge": ["--all"], "drain": ["renderer/1"]}.get(command, [])
    for run_dir in (tmp_path / "nothing", tmp_path):
        done = filmyfly(command, *words, run_dir=run_dir)
        assert done.returncode == 2 and str(run_dir) in one_line(done) and not done.stdout, done


@pytest.mark.parametrize("command", ["status", "peers", "config", "purge", "restart", "tap", "logs"])
def test_without_permission_one_line_names_the_folder(site, filmyfly, all_serve, tmp_path_factory, command):
    words = ["--all"] if command == "purge" else []
    folder = site.run_dir / "renderer" if command != "purge" else site.run_dir / "cacher"
    if os.geteuid() == 0:
        program = tmp_path_factory.mktemp("bin") / "filmyfly"  # where nobody may enter, too
        shutil.copy(FILMYFLY, program)
        for parent in [program.parent, *program.parents, site.dir, site.run_dir]:
            if parent.owner() == "root" and str(parent).startswith("/tmp/"):
                parent.chmod(0o755)
        done = filmyfly(command, *words, program=str(program), user=NOBODY, group=NOBODY, extra_groups=[])
        folder = site.run_dir
    else:
        folder.chmod(0)
        try:
            done = filmyfly(command, *words)
        finally:
            folder.chmod(0o2750)
    assert done.returncode == 2 and f"{folder}/" in one_line(done) + "/" and "group" in done.stderr, done


def test_files_that_are_not_ours_hide_nothing_else(site, filmyfly, all_serve):
    folder = site.run_dir / "renderer"
    whole = (folder / "t1.stats").read_bytes()
    bad = {
        "cut.stats": whole[:1000],
        "foreign.stats": b"\x7fELF" + bytes(500000),
        "empty.stats": b"",
        "huge.stats": whole[:12] + b"\xff\xff\xff\xff" + whole[16:],
        "noise.stats": os.urandom(200000),
    }
    try:
        for name, content in bad.items():
            (folder / name).write_bytes(content)
        os.mkfifo(folder / "pipe.stats")
        (folder / "zero.stats").symlink_to("/dev/zero")
        (folder / "\x1b[2Jx.stats").write_bytes(whole)
        done = filmyfly("status", timeout=30)
        assert done.returncode == 1 and "\x1b" not in done.stdout + done.stderr
        for name in [*bad, "pipe.stats", "zero.stats"]:
            assert f"{folder}/{name} " in done.stderr, name
        assert done.stdout.count(" serving ") == len(site.all())
        assert filmyfly("peers").stdout.count(" ready ") > 8 and filmyfly("config").returncode == 0
    finally:
        for name in [*bad, "pipe.stats", "zero.stats", "\x1b[2Jx.stats"]:
            (folder / name).unlink(missing_ok=True)
    assert filmyfly("status", "--quiet").returncode == 0


# top


class Screen:
    """A terminal of 80×24 in which filmyfly top runs."""

    def __init__(self, run_dir, tmp_path, locale="C.UTF-8"):
        self.tmux = ["tmux", "-f", "/dev/null", "-S", str(tmp_path / "s")]
        self.errors = tmp_path / "stderr"
        command = f"LC_ALL={locale} FILMYFLY_RUN_DIR={run_dir} {FILMYFLY} top 2>{self.errors}; echo ended $?; sleep 60"
        self.run("-u", "new-session", "-d", "-x", "80", "-y", "24", command)

    def run(self, *words):
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "screen"}
        return subprocess.run([*self.tmux, *words], check=True, capture_output=True, text=True, env=env).stdout

    def lines(self):
        return self.run("capture-pane", "-p").split("\n")

    def text(self):
        return "\n".join(self.lines())

    def wait(self, *texts):
        return wait_until(lambda: all(text in self.text() for text in texts), 20, f"{texts} on\n{self.text()}")

    def close(self):
        self.run("kill-server")
        assert "Sanitizer" not in self.errors.read_text() and "runtime error" not in self.errors.read_text()


@pytest.fixture
def screen(site, tmp_path, all_serve):
    made = []

    def make(**options):
        made.append(Screen(site.run_dir, tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_top_shows_the_pipeline_and_obeys_keys(site, screen, load):
    top = screen()
    top.wait("requests/s", "hit rate", "gateway/t1", "renderer/t2", "good", "█")
    lines = top.lines()
    assert all(len(line) <= 80 for line in lines) and len([line for line in lines if " serving " in line]) == len(site.all())
    wait_until(lambda: any(re.match(r"\d\d:\d\d:\d\d (gateway|cacher|renderer|dbproxy)/t\d +\w", line) for line in top.lines()), 10, "lines of the log")
    top.run("send-keys", "3")
    top.wait("[3 renderer]")
    assert "gateway/t1 " not in top.text() and "renderer/t1" in top.text()
    top.run("send-keys", "Right")
    top.wait("[4 dbproxy]")
    top.run("send-keys", "Right")
    top.wait("[0 all]", "gateway/t1")
    top.run("send-keys", "Left")
    top.wait("[4 dbproxy]")
    top.run("send-keys", "0")
    top.run("resize-window", "-x", "130", "-y", "45")
    wait_until(lambda: max(len(line) for line in top.lines()) > 100 and "q quit" in top.lines()[44], 20, "it fits anew")
    top.run("resize-window", "-x", "30", "-y", "8")
    top.wait("too small")
    top.run("resize-window", "-x", "80", "-y", "24")
    top.wait("gateway/t1", "q quit")
    site.kill(site["renderer"][1])  # goes on over deaths
    top.wait("renderer/t2  serving")
    top.run("send-keys", "q")
    top.wait("ended 0")


def test_top_without_unicode_uses_letters(screen, load):
    top = screen(locale="C")
    top.wait("requests/s", "gateway/t1", "#")
    assert top.text().isascii()
    top.run("send-keys", "q")
    top.wait("ended 0")


def test_top_without_a_terminal(filmyfly, site, all_serve):
    done = filmyfly("top")
    assert done.returncode == 64 and "--json" in one_line(done)
    with subprocess.Popen(
        [FILMYFLY, "top", "--json", "--run-dir", str(site.run_dir)], stdout=subprocess.PIPE, text=True
    ) as lines:
        rows = [json.loads(lines.stdout.readline()) for _ in range(2)]
        lines.terminate()
    assert all(row["health"] == "good" and set(row) >= {"requests_per_second", "hit_rate", "p99", "cpu"} for row in rows)


# The table of commands


def test_help_the_man_page_and_completion_are_of_one_table(filmyfly):
    help_, page, completion = (filmyfly(word).stdout for word in ("--help", "--man", "--completion"))
    commands = [line.split()[0] for line in help_.split("Commands:\n")[1].split("\n\n")[0].splitlines()]
    assert {"status", "top", "logs", "tap", "peers", "config", "purge", "restart", "drain"} == set(commands)
    for command in commands:
        own = filmyfly(command, "--help").stdout
        options = {word for word in own.split("Options:")[1].split() if word.startswith("--")}
        assert f".SS {command}" in page and all(option.replace("-", "\\-") in page for option in options)
        typed = f"COMP_WORDS=(filmyfly {command} --); COMP_CWORD=2; _filmyfly; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        offered = subprocess.run(
            ["bash", "-c", completion + typed], capture_output=True, text=True, check=True
        ).stdout.split()
        assert set(offered) == {word for word in options if word in offered} and {"--json", "--run-dir"} <= set(offered)
    typed = "COMP_WORDS=(filmyfly st); COMP_CWORD=1; _filmyfly; printf '%s\\n' \"${COMPREPLY[@]}\""
    assert subprocess.run(["bash", "-c", completion + typed], capture_output=True, text=True, check=True).stdout == "status\n"


def test_wrong_words_are_named(filmyfly):
    for words, what in (
        (["frobnicate"], "frobnicate"),
        (["status", "--frobnicate"], "--frobnicate"),
        (["status", "render"], "render"),
        (["status", "a", "b"], '"'),
        (["purge", "--tag"], "--tag needs a value"),
        (["purge", "--all=yes"], "--all"),
    ):
        done = filmyfly(*words)
        assert done.returncode == 64 and what in one_line(done), words
