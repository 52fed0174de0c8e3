"""The systemd units: quick checks of what is installed, and (long) a machine that boots them."""

import ast
import collections
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from machine import Machine, make_database
from pipeline import BUILD, REPO

STAGES = ("gateway", "cacher", "renderer@1", "renderer@2", "dbproxy@1", "dbproxy@2")
PREFIX = "/usr/local"


# What is installed.


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The root of an installation, and its units as if it were their real place."""
    root = tmp_path_factory.mktemp("installed")
    subprocess.run(["cmake", "--install", str(BUILD)], env={**os.environ, "DESTDIR": str(root)}, stdout=subprocess.DEVNULL, check=True)
    units = tmp_path_factory.mktemp("units")
    for file in (root / PREFIX[1:] / "lib/systemd/system").iterdir():
        (units / file.name).write_text(file.read_text().replace(PREFIX, f"{root}{PREFIX}"))
    return root, units


def analyze(units, *arguments):
    """All that systemd-analyze says: for an unknown key it warns, and ends with 0 all the same."""
    done = subprocess.run(["systemd-analyze", *arguments], env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def test_the_units_verify_in_silence(installed):
    _, units = installed
    names = sorted(str(file) for file in units.iterdir())
    assert len(names) == 9
    assert analyze(units, "verify", *names) == (0, "")


def test_each_unit_is_exposed_little(installed):
    _, units = installed
    sandbox = (REPO / "deploy/systemd/sandbox.in").read_text()
    offline = int(analyze(units, "--version")[1].split()[1]) >= 250  # Ubuntu 22.04's is older
    for file in sorted(units.glob("*.service")):
        assert sandbox in file.read_text(), file.name
        if not offline:
            continue
        status, text = analyze(units, "security", "--offline=yes", "--threshold=15", str(file))
        assert status == 0, f"{file.name}: {text[-300:]}"
        assert float(re.search(r"exposure level for \S+: ([0-9.]+)", text)[1]) <= 1.5, file.name


def test_an_installation_has_all_that_its_units_name(installed):
    root, _ = installed
    named = set()
    for directory in ("systemd/system", "tmpfiles.d", "sysusers.d"):
        for file in (root / PREFIX[1:] / "lib" / directory).iterdir():
            named.update(re.findall(rf"{PREFIX}/[^\s]+", file.read_text()))
            assert "@SHARE@" not in file.read_text() and "@BIN@" not in file.read_text(), file
    assert len(named) >= 7, named
    for path in named:
        assert Path(f"{root}{path}").is_file(), path
    assert not (root / "etc").exists(), "the machine's settings are nobody's to overwrite"


# The rule of ten deaths.


class Lives:
    """Lives of a stage as systemd makes them, with supervise around each."""

    def __init__(self, installed, directory):
        self.program = installed[0] / PREFIX[1:] / "libexec/filmyfly/supervise"
        self.env = {**os.environ, "RUNTIME_DIRECTORY": str(directory)}
        self.directory = directory

    def supervise(self, *words, result="exit-code"):
        return subprocess.run([str(self.program), *words], env={**self.env, "SERVICE_RESULT": result, "EXIT_STATUS": "1"},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def live(self, ready=False, seconds=0, result="exit-code"):
        """Returns the status of the start: that of the stage, or 70."""
        status = self.supervise("start", "sh", "-c", "exit 3").returncode
        if status == 70:
            return status
        started = self.directory / "started"
        started.write_text(f"{int(started.read_text()) - seconds}\n")
        if ready:
            assert self.supervise("ready").returncode == 0
        assert self.supervise("ended", result=result).returncode == 0
        return status


@pytest.fixture
def lives(installed, tmp_path):
    return Lives(installed, tmp_path)


def test_ten_deaths_in_a_row_are_a_failed_stage(lives):
    assert [lives.live() for _ in range(11)] == [3] * 10 + [70]
    assert "ten deaths in a row" in lives.supervise("start", "true").stdout


def test_a_stage_that_was_ready_but_for_a_moment_only_has_died(lives):
    assert [lives.live(ready=True, seconds=3) for _ in range(11)] == [3] * 10 + [70]


def test_a_stage_that_is_long_in_getting_ready_has_died(lives):
    assert [lives.live(seconds=60) for _ in range(11)] == [3] * 10 + [70]


@pytest.mark.parametrize("life", [{"ready": True, "seconds": 6}, {"result": "success"}])
def test_a_good_life_begins_the_count_anew(lives, life):
    assert [lives.live() for _ in range(9)] == [3] * 9
    assert lives.live(**life) == 3
    assert [lives.live() for _ in range(11)] == [3] * 10 + [70]


# A machine.


@pytest.fixture(scope="module")
def machine():
    assert os.geteuid() == 0, "booting a machine needs root"
    where = BUILD / "machine"
    with Machine(where) as booted:
        booted.run("systemd-sysusers")
        booted.run("systemd-tmpfiles", "--create")
        make_database(booted)
        with open(booted.root / "etc/filmyfly/filmyfly.env", "a", encoding="utf-8") as settings:
            settings.write("FILMYFLY_SITE=https://localhost\n")
        booted.run("systemctl", "enable", "--now", "filmyfly.target")
        booted.run("runuser", "-u", "filmyfly-dbproxy", "--", "env", "DATABASE_URL=postgresql:///filmyfly",
                   "filmyfly-dbproxy", "--load", f"{PREFIX}/share/filmyfly/demo/movies.ndjson")
        yield booted


def service(stage):
    return f"filmyfly-{stage}.service"


def all_serve(machine):
    return all(machine.show(service(stage), "StatusText") == "serving" for stage in STAGES) and machine.get("/movies")[0] == 200


def override(machine, unit, *lines):
    """A drop-in for a unit; without lines: none any more."""
    directory = f"/run/systemd/system/{unit}.d"
    text = "\n".join(["[Service]", *lines])
    if lines:
        machine.run("sh", "-c", 'mkdir -p "$0" && printf "%s\n" "$1" >"$0/test.conf"', directory, text)
    else:
        machine.run("rm", "-r", directory)
    machine.run("systemctl", "daemon-reload")


def finish(load):
    story = load.communicate(timeout=300)[0]
    assert "; 0 failed" in story, story
    return story


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_movies_over_https_as_soon_as_it_is_started(machine):
    machine.wait(lambda: all_serve(machine), 60, "all stages serving")
    assert machine.get("/")[0] == 200
    assert machine.get("/")[1]["x-cache-status"] == "hit"
    assert machine.get("/movies", scheme="http")[0] in (301, 308)
    assert machine.show("filmyfly.target", "ActiveState") == "active"
    assert machine.run("filmyfly", "status", "--run-dir", "/run/filmyfly")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_comes_back(machine, stage):
    machine.wait(lambda: all_serve(machine), 60, "all stages serving")
    load = machine.load("localhost:443", "/movies", "/", "--tls", "--http2", "--rate", "20", "--seconds", "5") if stage != "gateway" else None
    before = machine.pid(service(stage))
    machine.run("kill", "-9", before)
    machine.wait(lambda: machine.pid(service(stage)) not in (0, before) and all_serve(machine), 30, f"{stage} again")
    if load:
        finish(load)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_stage_that_hangs_is_ended_and_comes_back(machine):
    before = machine.pid(service("renderer@1"))
    machine.run("kill", "-STOP", before)
    machine.wait(lambda: machine.pid(service("renderer@1")) not in (0, before) and all_serve(machine), 60, "a fresh renderer")
    assert "watchdog" in machine.journal(service("renderer@1")).lower()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_gateway_is_restarted_twenty_times_under_load_and_nobody_is_refused(machine):
    machine.wait(lambda: all_serve(machine), 60, "all stages serving")
    load = machine.load("localhost:443", "/movies", "/", "--tls", "--http2", "--rate", "30", "--seconds", "100")
    knockers = [machine.knock(scheme) for scheme in ("https", "https", "http")]
    for _ in range(20):
        machine.run("systemctl", "restart", service("gateway"))
        time.sleep(0.5)
    assert load.poll() is None, "the load ended before the restarts did"
    answers = [answer for knocker in knockers for answer in machine.stop_knocking(knocker)]
    came = collections.Counter(answers)
    assert came["000 7"] == 0, f"refused: {came}"
    # Who connects and does not ask within a second of the gateway's leaving is closed, as any idle connection is.
    assert came["200 0"] + came["301 0"] >= 0.99 * len(answers) and len(answers) > 40, came
    finish(load)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_stage_that_grows_too_large_leaves_gracefully_and_comes_back(machine):
    machine.wait(lambda: all_serve(machine), 60, "all stages serving")
    load = machine.load("localhost:443", "/movies", "/", "--tls", "--http2", "--rate", "20", "--seconds", "8")
    override(machine, service("renderer@2"), "Environment=FILMYFLY_MEMORY_MAX=1M")
    machine.run("systemctl", "restart", "--no-block", service("renderer@2"))
    machine.wait(lambda: int(machine.show(service("renderer@2"), "NRestarts")) >= 2, 30, "restarts")
    override(machine, service("renderer@2"))
    finish(load)
    text = machine.journal(service("renderer@2"))
    assert "more than the 1 MiB of FILMYFLY_MEMORY_MAX" in text and "status=75" in text
    machine.run("systemctl", "restart", service("renderer@2"))
    machine.wait(lambda: all_serve(machine), 60, "all stages serving")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ten_bad_starts_are_a_failed_stage_and_cached_pages_are_served(machine):
    machine.wait(lambda: all_serve(machine), 60, "all stages serving")
    renderers = [service("renderer@1"), service("renderer@2")]
    for unit in renderers:
        override(machine, unit, "Environment=FILMYFLY_SHARE_DIR=/nonexistent")
        machine.run("systemctl", "restart", "--no-block", unit)
    for unit in renderers:
        machine.wait(lambda unit=unit: machine.show(unit, "ActiveState") == "failed", 60, f"{unit} failed")
        assert machine.show(unit, "NRestarts") == "10", "ten lives, and the one that was refused"
        assert machine.journal(unit).count("ten deaths in a row") == 1
    assert machine.get("/movies")[:2][0] == 200
    assert machine.get("/search?q=nobodyaskedthis")[0] == 503
    for unit in renderers:
        override(machine, unit)
    machine.run("systemctl", "restart", "filmyfly.target")
    machine.wait(lambda: all_serve(machine), 60, "all stages serving")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_failed_gateway_closes_its_addresses_until_it_is_started_again(machine):
    machine.wait(lambda: all_serve(machine), 60, "all stages serving")
    override(machine, service("gateway"), "Environment=FILMYFLY_TLS_CERT=/nonexistent")
    machine.run("systemctl", "restart", "--no-block", service("gateway"))
    machine.wait(lambda: machine.show(service("gateway"), "ActiveState") == "failed", 60, "the gateway failed")
    machine.wait(lambda: machine.show("filmyfly-gateway.socket", "ActiveState") == "inactive", 10, "the socket closed")
    began = time.monotonic()
    assert machine.get("/movies")[0] == 0 and time.monotonic() - began < 5, "refused, not kept waiting"
    assert machine.show(service("gateway"), "ActiveState") == "failed"
    override(machine, service("gateway"))
    machine.run("systemctl", "restart", "filmyfly.target")
    machine.wait(lambda: all_serve(machine), 60, "all stages serving")
    assert machine.show("filmyfly-gateway-failed.target", "ActiveState") == "inactive"


PROBED = {  # unit: what it may do of all that the probe tries
    "cacher": {"write cacher", "enter cacher", "enter renderer", "enter changes", "write store"},
    "renderer@7": {"write renderer", "enter renderer", "enter dbproxy"},
    "dbproxy@7": {"write dbproxy", "enter dbproxy", "write changes", "enter changes", "network", "visitors", "DATABASE_URL"},
    "gateway": {"write gateway", "enter gateway", "enter cacher", "read key"},
}


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("stage", PROBED)
def test_a_stage_that_was_taken_over_can_do_little(machine, stage):
    machine.wait(lambda: all_serve(machine), 60, "all stages serving")
    probe = machine.root / "usr/local/bin/sandbox_probe.py"
    shutil.copy(Path(__file__).with_name("sandbox_probe.py"), probe)
    unit = machine.run("systemctl", "cat", service(stage))
    unit = re.sub(r"(?m)^(Type|ExecStart|ExecStartPost|ExecStopPost|ExecReload|Sockets|OnFailure|Wants|After|PartOf|Restart|RuntimeDirectory\w*|WatchdogSec)=.*\n", "", unit)
    unit = unit.replace("[Service]\n", f"[Service]\nType=oneshot\nExecStart=/usr/bin/python3 {PREFIX}/bin/sandbox_probe.py\n")
    name = f"probe-{stage}.service"
    machine.run("sh", "-c", 'mkdir -p /run/systemd/system && printf "%s\n" "$1" >"/run/systemd/system/$0"', name, unit)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", name)
    tried = ast.literal_eval(next(line for line in machine.journal(name).splitlines() if line.startswith("{")))
    assert tried.pop("400 MB") == "done"
    assert tried.pop("1 GB") == "MemoryError"
    assert {what for what, came in tried.items() if came in ("done", True)} == PROBED[stage], tried
    if "network" not in PROBED[stage]:
        assert tried["network"] in ("EAFNOSUPPORT", "EPERM", "EACCES"), tried
    assert tried["write /usr"] in ("EROFS", "EACCES") and tried["set-user-id"] in ("EPERM", "EACCES"), tried
