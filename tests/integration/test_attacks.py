"""A gateway under attack by tests/attacks/attacker.py and by slowhttptest: what a client gets who behaves well meanwhile, what the attack
costs the gateway, and that all is at rest again afterwards.

The attacker runs on another processor than the gateway where there are two, and from other addresses than the good client, with the limits
of FILMYFLY_LIMIT_LOOPBACK. FILMYFLY_CLIENT_WAIT and FILMYFLY_SEND_WAIT are short, so that their ends are seen.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import load
from pipeline import Pipeline, REPO, sanitized, wait_until

ATTACKER = REPO / "tests" / "attacks" / "attacker.py"
PROCESSORS = sorted(os.sched_getaffinity(0))
WAIT = 2  # seconds: FILMYFLY_CLIENT_WAIT and FILMYFLY_SEND_WAIT here
RATE = 40  # requests a second of the good client
MEMORY = 200 << 20  # bytes of anonymous memory
SLOWER = 6 if sanitized() else 1  # what AddressSanitizer makes of times and sizes
ENV = {"FILMYFLY_LIMIT_LOOPBACK": "on", "FILMYFLY_CLIENT_WAIT": f"{WAIT}s", "FILMYFLY_SEND_WAIT": f"{WAIT}s",
       "FILMYFLY_CLIENT_MISSES": "100", "FILMYFLY_HTTP_MODE": "serve"}

# name: (microseconds of the gateway's CPU that a unit may cost, and a connection)
ATTACKS = {
    "rapid_reset": (60, 4000), "provoked_reset": (60, 4000), "continuation": (2, 4000), "header_bomb": (300, 6000), "header_memory": (400, 6000), "zero_window": (400, 6000),
    "tiny_window": (60, 4000), "slow_body": (200, 6000), "slow_frame": (200, 4000), "body_memory": (100, 40000), "ping_flood": (3, 4000),
    "ping_flood_unread": (3, 4000), "settings_flood": (5, 4000), "priority_flood": (3, 4000), "empty_data": (3, 4000),
    "window_flood": (3, 4000), "unknown_frames": (5, 4000), "handshakes": (100, 3000), "idle_connections": (400, 400),
    "idle_tls": (3000, 3000), "pipelining": (60, 4000), "unread_pipeline": (100, 4000), "misses": (500, 6000),
}
SHORT = ["rapid_reset", "header_memory", "zero_window", "body_memory", "ping_flood_unread", "unread_pipeline", "misses"]
MANY = {"header_memory": 100}  # connections; of others 8
SLOWHTTPTEST = {  # its modes: slow headers, slow bodies, ranges, slow reading
    "headers": ["-H", "-i", "1", "-x", "8"], "body": ["-B", "-i", "1", "-s", "8192", "-x", "8", "-t", "POST"],
    "range": ["-R", "-a", "10", "-b", "3000"], "read": ["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "10", "-k", "3"],
}


def pin(pid, processor):
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {processor})


class Site(Pipeline):
    def calm(self):
        """All stages stay on the first processor; the attacker gets the last."""
        for instance in self.all():
            pin(instance.pid, PROCESSORS[0])

    @property
    def gateway(self):
        return self["gateway"][0]

    def cpu(self):
        """Seconds."""
        return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{self.gateway.pid}/task").iterdir()) / 1e9

    def anonymous(self):
        return int(re.search(r"Anonymous: +(\d+)", Path(f"/proc/{self.gateway.pid}/smaps_rollup").read_text())[1]) << 10

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.gateway.pid}/fd"))

    def attack(self, name, seconds, source, connections=4):
        return [sys.executable, str(ATTACKER), name, str(self.http[1]), str(self.https[1]), str(seconds), "--from", source,
                "--connections", str(connections)]

    def slow(self, mode, seconds, connections):
        return ["slowhttptest", "-c", str(connections), "-r", str(connections), "-l", str(seconds), "-p", "2", *SLOWHTTPTEST[mode],
                "-u", f"http://127.0.0.1:{self.http[1]}/"]


def run_site(database_url, certificate, env):
    with Site(database_url, certificate, renderers=1, dbproxies=1, env={"FILMYFLY_CACHE_DIR": "cache"}, env_of={"gateway": env}) as site:
        site.calm()
        yield site


@pytest.fixture(scope="module", name="site")
def _site(database_url, certificate):
    yield from run_site(database_url, certificate, ENV)


@pytest.fixture(scope="module", name="open_site")
def _open_site(database_url, certificate):
    """Nobody is limited: slowhttptest has no address of its own, and would only meet the limit of connections."""
    yield from run_site(database_url, certificate, {**ENV, "FILMYFLY_LIMIT_LOOPBACK": "off"})


class Watch:
    """The greatest memory while something runs."""

    def __init__(self, site):
        self.site, self.memory = site, 0

    def during(self, process):
        while process.poll() is None:
            self.memory = max(self.memory, self.site.anonymous())
            time.sleep(0.05)


def right(_target, status, _headers, body):
    return None if status == 200 and body else f"status {status}"


def rest(site, descriptors, memory, attacker):
    """No connection, no descriptor, no memory, no work is left of the attack."""
    wait_until(lambda: site.gateway.stats()["connections"] == 0, WAIT * 3 + 10, f"the connections of {attacker} are gone")
    wait_until(lambda: site.descriptors() <= descriptors + 2, 5, f"the descriptors of {attacker} are gone")

    if not sanitized():  # which keeps what is freed for a while
        wait_until(lambda: site.anonymous() < memory + (24 << 20), 15, f"the memory of {attacker} is given back")

    def idle():
        before = site.cpu()
        time.sleep(0.3)
        return site.cpu() - before < 0.03 * SLOWER
    wait_until(idle, 10, f"the gateway is idle after {attacker}")


def endure(site, name, command, seconds, least):
    """The good client asks while the command runs; returns (report of the command's units, microseconds of CPU, greatest memory)."""
    wait_until(lambda: site.gateway.stats()["connections"] == 0, WAIT * 3 + 10, "the site is at rest")
    descriptors, memory, watch, cpu = site.descriptors(), site.anonymous(), Watch(site), site.cpu()
    targets = (f"/movies?page={1 + n % 3}" for n in range(10**9))
    good = load.Load(site.https, targets, rate=RATE, tls=True, http2=True, check=right, timeout=8).start()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, {PROCESSORS[-1]})) as process:
        watch.during(process)
        output = process.stdout.read()
    report = good.stop()
    cpu = (site.cpu() - cpu) * 1e6
    rest(site, descriptors, memory, name)
    served = 1 - len(report.failures) / max(1, report.sent)
    print(f"{name}: {seconds} s, {cpu / 1e6:.2f} s of CPU; good client: {served:.1%} of {report.sent} served, p99 "
          f"{report.percentile(99) * 1e3:.0f} ms; memory {watch.memory >> 20} MiB, then {site.anonymous() >> 20}")
    assert report.sent > RATE * report.seconds / 4 and served >= least, report.story() + "\n" + site.gateway.log()[-2000:]
    assert watch.memory < MEMORY * (3 if sanitized() else 1)
    assert site.gateway.restarts == 0
    return output, cpu


def run_attack(site, name, seconds, source, least, connections=4):
    output, cpu = endure(site, f"{name} from {source}", site.attack(name, seconds, source, connections), seconds, least)
    done = json.loads(output.splitlines()[-1])
    unit, connection = ATTACKS[name]
    print(f"  {done['units']} units on {done['connections']} connections: {cpu / max(1, done['units']):.1f} µs of CPU a unit, "
          f"{cpu / max(1, done['connections']):.0f} µs a connection, the good client's included")
    budget = unit * done["units"] + connection * done["connections"] + RATE * seconds * 2000 + seconds * 20000
    assert done["units"] > 0 and cpu <= budget * SLOWER


@pytest.mark.parametrize("name", SHORT)
def test_an_attack_does_not_keep_others_from_being_served(site, name):
    run_attack(site, name, 1, "127.0.66.6", 0.9)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("source", ["127.0.66.6", "many"])
@pytest.mark.parametrize("name", ATTACKS)
def test_a_long_attack(site, name, source):
    run_attack(site, name, 20, source, 0.95, MANY.get(name, 8))


@pytest.mark.parametrize("mode", ["headers"])
def test_slowhttptest(site, mode):
    endure(site, f"slowhttptest {mode}", site.slow(mode, 2, 200), 2, 0.9)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", SLOWHTTPTEST)
def test_slowhttptest_long(open_site, mode):
    endure(open_site, f"slowhttptest {mode}", open_site.slow(mode, 30, 4000), 30, 0.95)
