"""A Docker of a test's own: its dockerd has its data in a temporary directory and its networks in a network namespace.

    with Docker() as docker:
        docker.build("filmyfly", REPO, "docker/Dockerfile")
        with docker.network():
            docker("run", …)

No registry is asked: debootstrap makes the base image. Building needs the machine's network, so it is done by a first
dockerd without networks of its own; inside of network() a second one serves the same images with real bridges, and the
calling thread (with the threads and processes that it starts) is in its network namespace, where the published ports are.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from pipeline import wait_until

CLONE_NEWNET = 0x40000000
BASE = "debian:bookworm-slim"


def program(name):
    """Debian's, also where the PATH has another one, or no sbin."""
    found = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin:" + os.environ["PATH"])
    assert found, f"{name} is not installed; ./test installs what packages.txt names"
    return found


def enter_network(fd):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Docker:
    def __init__(self):
        assert os.getuid() == 0, "these tests run a dockerd of their own, which only root may: run ./test as root"
        self.dir = Path(tempfile.mkdtemp(prefix="ff-docker-", dir="/var/tmp"))  # overlayfs does not go on a tmpfs
        self.daemon = None
        self.env = {
            "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
            "HOME": str(self.dir),
            "DOCKER_HOST": f"unix://{self.dir}/sock",
            "DOCKER_BUILDKIT": "0",
        }

    def __enter__(self):
        try:
            self._make_base()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._stop()
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if line.split()[1].startswith(f"{self.dir}/"):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not self.dir.exists(), f"{self.dir} could not be removed"

    def _start(self, *options, inside=()):
        command = [*inside, program("dockerd"), "-H", self.env["DOCKER_HOST"], "--pidfile", self.dir / "pid"]
        command += ["--data-root", self.dir / "data", "--exec-root", self.dir / "exec", *options]
        with open(self.dir / "log", "ab") as log:
            self.daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, start_new_session=True
            )
        wait_until(self._answers, 60, "dockerd")

    def _answers(self):
        if self.daemon.poll() is not None:
            raise RuntimeError("dockerd ended: " + (self.dir / "log").read_text()[-2000:])
        done = subprocess.run(
            [program("docker"), "version"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
        return done.returncode == 0

    def _stop(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)  # ends the containers and its containerd too
            self.daemon.wait(120)
        self.daemon = None

    def run(self, command, timeout=120, check=True):
        done = subprocess.run(
            [str(word) for word in command],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout[-4000:]}"
        return done

    def __call__(self, *words, **options):
        return self.run([program("docker"), *words], **options).stdout

    @contextlib.contextmanager
    def _building(self):
        self._start("--iptables=false", "--bridge=none")
        try:
            yield
        finally:
            self._stop()

    def _make_base(self):
        root = self.dir / "base"
        self.run([program("debootstrap"), "--variant=minbase", "bookworm", root], timeout=1200)
        self.run(["sh", "-c", f"rm -rf {root}/var/cache/apt/archives/*.deb {root}/var/lib/apt/lists/*"])
        with self._building():
            self.run(["sh", "-c", f"tar -C {root} -c . | {program('docker')} import - {BASE}"], timeout=300)
        shutil.rmtree(root)

    def build(self, image, context, dockerfile="Dockerfile", target=None):
        words = ["build", "--network=host", "-t", image, "-f", context / dockerfile]
        with self._building():
            self(*words, *(["--target", target] if target else []), context, timeout=1800)

    @contextlib.contextmanager
    def network(self):
        """Serves with networks; ends every container afterwards."""
        up = 'ip link set lo up && exec "$@"'
        self._start(inside=["unshare", "--net", "sh", "-c", up, "sh"])
        ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        theirs = os.open(f"/proc/{self.daemon.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter_network(theirs)
            yield
        finally:
            enter_network(ours)
            os.close(ours)
            os.close(theirs)
            self._stop()


class Compose:
    """A project: what docker-compose does with these files and settings."""

    def __init__(self, docker, folder, *files, **settings):
        self.docker, self.folder, self.files = docker, folder, files
        settings["COMPOSE_PROJECT_NAME"] = "filmyfly"
        self.env_file = docker.dir / "env"
        self.env_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def __call__(self, *words, **options):
        files = [word for name in self.files for word in ("-f", self.folder / name)]
        command = [program("docker-compose"), "--ansi", "never", "--env-file", self.env_file, *files, *words]
        return self.docker.run(command, **{"timeout": 600, **options}).stdout

    def names(self, service=None):
        """Containers that run."""
        which = [f"label=com.docker.compose.service={service}"] if service else []
        filters = [word for each in ["label=com.docker.compose.project", *which] for word in ("--filter", each)]
        return sorted(self.docker("ps", "--format", "{{.Names}}", *filters).split())

    def look(self, name):
        return json.loads(self.docker("inspect", name))[0]

    def health(self, service):
        return [self.look(name)["State"].get("Health", {}).get("Status") for name in self.names(service)]

    def wait_healthy(self, service, count=1, seconds=120):
        wait_until(lambda: self.health(service) == ["healthy"] * count, seconds, f"{count} healthy {service}")

    def kill(self, service, number=1):
        """Ends the container's process as a crash does; Docker would not restart what `docker kill` ended."""
        name = f"filmyfly_{service}_{number}"
        pid = self.look(name)["State"]["Pid"]
        assert pid > 0, f"{name} does not run"
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_back(self, service, before, seconds=60, number=1):
        """Until it runs again, as another process."""
        name = f"filmyfly_{service}_{number}"
        wait_until(lambda: self.look(name)["State"]["Pid"] not in (0, before), seconds, f"another life of {name}")

    def inside(self, service, script, number=1):
        """(exit status, output) of a bash script in the running container, as its user."""
        command = [program("docker"), "exec", f"filmyfly_{service}_{number}", "bash", "-c", script]
        done = self.docker.run(command, check=False)
        return done.returncode, done.stdout.strip()

    def sql(self, statement):
        return self.docker("exec", "filmyfly_postgres_1", "psql", "-XqAtU", "postgres", "filmyfly", "-c", statement).strip()
