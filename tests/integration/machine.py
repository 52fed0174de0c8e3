"""A whole Debian machine for tests, booted with systemd in a container (systemd-nspawn), with FilmyFly installed as the
README says. Needs root and Debian's archive; debootstrap, systemd-container and iproute2 are in packages.txt.

    with Machine(where) as machine:
        machine.run("systemctl", "start", "filmyfly.target")
        machine.get("/movies")

The network is a namespace with nothing but a loopback, which the test enters. By hand:

    python3 tests/integration/machine.py DIRECTORY        boots one, installs FilmyFly and says how to look at it
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PACKAGES = (
    "systemd,systemd-sysv,dbus,libpam-systemd,postgresql,openssl,procps,iproute2,python3-minimal,"
    "libh2o-evloop0.13,libssl3,libzmq5,libczmq4,libmsgpackc2,libpq5,libjansson4,zlib1g,liblmdb0,libbrotli1,libncursesw6"
)


def shell(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


def make_base(where):
    """A Debian 12 with what FilmyFly needs to run, made once."""
    base = where / "base"
    if not (where / "base.done").exists():
        if base.exists():
            shutil.rmtree(base)
        shell("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", base)
        (where / "base.done").touch()
    return base


def build(where):
    """The programs as a user builds them: sanitizers need more address space than a unit allows."""
    tree = where / "build"
    shell("cmake", "-S", REPO, "-B", tree, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DFILMYFLY_TESTS=OFF")
    shell("cmake", "--build", tree)
    return tree


def install(tree, root):
    shell("cmake", "--install", tree, env={**os.environ, "DESTDIR": str(root)})


class Machine:
    def __init__(self, where, name="filmyfly-test"):
        self.where, self.name = Path(where), f"{name}-{os.getpid()}"
        self.root = self.where / self.name
        self.process = self.leader = None

    # ---- life

    def __enter__(self):
        self.where.mkdir(parents=True, exist_ok=True)
        base, tree = make_base(self.where), build(self.where)
        upper, work = self.where / f"{self.name}.upper", self.where / f"{self.name}.work"
        for directory in (self.root, upper, work):
            directory.mkdir()
        shell("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={base},upperdir={upper},workdir={work}", self.root)
        try:
            shell("ip", "netns", "add", self.name)
            shell("ip", "-n", self.name, "link", "set", "lo", "up")
            (self.root / "etc" / "hostname").write_text("machine\n")
            (self.root / "etc" / "machine-id").write_text("")
            self.prepare(tree)
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def prepare(self, tree):
        install(tree, self.root)

    def boot(self):
        self.console = open(self.where / f"{self.name}.console", "wb")
        self.process = subprocess.Popen(
            [*self.in_network(), "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit",
             "--console=pipe", "--directory", str(self.root), "--machine", self.name],
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=subprocess.STDOUT)
        self.wait(lambda: self.find_leader() and self.ask("systemctl", "is-system-running").strip() in ("running", "degraded"),
                  180, "the machine's boot")

    def find_leader(self):
        """Process 1 of the machine: the child of nspawn."""
        if self.process.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended:\n{Path(self.console.name).read_text()[-3000:]}")
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in pids:
            if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                self.leader = pid
                return True
        return False

    def __exit__(self, *exception):
        if self.process:
            if self.leader and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)  # nspawn asks the machine to power off
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.console.close()
        subprocess.run(["ip", "netns", "delete", self.name], check=False)
        subprocess.run(["umount", "-l", str(self.root)], check=False)
        for end in ("", ".upper", ".work", ".console"):
            path = self.where / f"{self.name}{end}"
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    # ---- inside

    def command(self, *words):
        return ["nsenter", "--target", self.leader, "--all", "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG=C.UTF-8", *map(str, words)]

    def run(self, *words, seconds=120):
        return shell(*self.command(*words), timeout=seconds)

    def ask(self, *words, seconds=120):
        """What it says, whatever its exit status."""
        done = subprocess.run(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=seconds, check=False)
        return done.stdout

    def show(self, unit, name):
        return self.ask("systemctl", "show", "--value", "--property", name, unit).strip()

    def pid(self, unit):
        return int(self.show(unit, "MainPID"))

    def journal(self, unit):
        return self.ask("journalctl", "--no-pager", "--output=cat", "--unit", unit)

    # ---- from the network

    def in_network(self):
        """Before a command. (`ip netns exec` would hide /sys/fs/cgroup.)"""
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def get(self, target, seconds=10, scheme="https", headers=()):
        """(status, headers in lower case, body) by curl from the machine's network; status 0: no answer."""
        marks = [word for header in headers for word in ("-H", header)]
        done = subprocess.run(
            [*self.in_network(), "curl", "-sk", "-m", str(seconds), "-D", "/dev/stderr", *marks,
             "-w", "\n%{http_code}", f"{scheme}://localhost{target}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        body, _, status = done.stdout.rpartition(b"\n")
        lines = dict(line.lower().split(": ", 1) for line in done.stderr.decode().splitlines() if ": " in line)
        return int(status or 0), lines, body

    def load(self, *options):
        """tests/integration/load.py from the machine's network, running."""
        return subprocess.Popen([*self.in_network(), sys.executable, str(Path(__file__).with_name("load.py")), *options],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def knock(self, scheme):
        """curl over and over, a connection of its own each time, until stop_knocking."""
        line = '%{http_code} %{exitcode}\\n'
        return subprocess.Popen(
            [*self.in_network(), "sh", "-c", f"while :; do curl -sk -m 60 -o /dev/null -w '{line}' {scheme}://localhost/movies; done"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)

    @staticmethod
    def stop_knocking(knocker):
        """What came, a line "STATUS EXIT" each; the last may have been cut off."""
        os.killpg(knocker.pid, signal.SIGTERM)
        return knocker.communicate()[0].splitlines()[:-1]

    # ---- waiting

    def wait(self, true, seconds, what):
        end = time.monotonic() + seconds
        while not (value := true()):
            assert time.monotonic() < end, f"{what}: not within {seconds} s"
            time.sleep(0.1)
        return value


def make_database(machine):
    machine.run("runuser", "-u", "postgres", "--", "createuser", "filmyfly-dbproxy")
    machine.run("runuser", "-u", "postgres", "--", "createdb", "-O", "filmyfly-dbproxy", "filmyfly")


def main():
    with Machine(sys.argv[1]) as machine:
        print(json.dumps({"netns": machine.name, "leader": machine.leader, "root": str(machine.root)}))
        print(f"nsenter --target {machine.leader} --all    Ctrl-C ends it")
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
