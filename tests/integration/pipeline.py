"""A whole FilmyFly for tests: real processes in a run directory of their own, restarted when they die.

    with Pipeline(database_url, certificate) as pipeline:
        pipeline.get("/movies")
        pipeline["renderer"][0].kill()

Supervises as runit does: a process that lived for a second is restarted at once, another after the rest of that
second; the listening sockets outlive the gateway. At the end every process must leave with status 0 on SIGTERM, and no
log may hold a sanitizer's report or a socket that was not closed.
"""

import dataclasses
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import client
import wire
from ports import free_port

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("FILMYFLY_BUILD_DIR", REPO / "build" / "asan"))
BIN = BUILD / "bin"
HIGH_FD = 100  # the gateway gets its sockets from descriptor 3 on; here they stay out of the way
BAD_WORDS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: ThreadSanitizer",
    "runtime error:",
    "dangling '",
    "Assertion",
)
BAD_FRAME = re.compile(r"(?<!/evil) sent a bad ")  # what each stage logs of a message that it drops


def sanitized():
    return b"__asan_init" in (BIN / "filmyfly-gateway").read_bytes()


def wait_until(true, seconds, what):
    end = time.monotonic() + seconds
    while not (value := true()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.01)
    return value


class Instance:
    """One supervised process. restarts counts the deaths that nobody asked for by stop() or restart()."""

    def __init__(self, pipeline, stage, name, command, env):
        self.pipeline, self.stage, self.name = pipeline, stage, name
        self.command, self.env = command, env
        self.log_path = pipeline.dir / f"{stage}-{name}.log"
        self.restarts, self.statuses = 0, []  # statuses: of those who were asked to leave
        self.deaths = []  # (time, status) of those who were not
        self.process = None
        self._wanted, self._asked = True, False
        self._started = threading.Condition()
        self._lives = 0
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()
        self.wait_life(1)

    def __str__(self):
        return f"{self.stage}/{self.name}"

    def _supervise(self):
        while self._wanted:
            began = time.monotonic()
            with open(self.log_path, "ab") as log:
                process = self.pipeline.spawn(self, log)
            with self._started:
                self.process = process
                self._lives += 1
                self._started.notify_all()
            if not self._wanted:  # asked to leave between two lives
                self._asked = True
                self.send(signal.SIGTERM)
            status = process.wait()
            asked, self._asked = self._asked, False
            self.pipeline.event(f"{self} ended with status {status}" + (", asked to" if asked else ""))
            if asked and status == -signal.SIGTERM and time.monotonic() - began < 1:
                continue  # asked before it could hear
            if asked:
                self.statuses.append(status)
            else:
                self.restarts += 1
                self.deaths.append((time.time(), status))
                if self._wanted:
                    time.sleep(max(0.0, began + 1 - time.monotonic()))

    def wait_life(self, number, seconds=10):
        with self._started:
            if not self._started.wait_for(lambda: self._lives >= number, seconds):
                raise TimeoutError(f"{self} did not start")

    @property
    def pid(self):
        return self.process.pid

    def send(self, number):
        self.pipeline.event(f"{self} gets {signal.Signals(number).name}")
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def kill(self):
        self.send(signal.SIGKILL)

    def leave(self, number=signal.SIGTERM):
        """Asks the process to go, and ends its supervision."""
        self._wanted, self._asked = False, True
        self.send(number)

    def join(self, seconds=40):
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.kill()
            self._thread.join()
            raise TimeoutError(
                f"{self} did not leave within {seconds} s of SIGTERM; the end of its log:\n{self.log()[-2000:]}"
            )

    def restart(self, seconds=40, **env):
        """A planned restart, with other settings if need be; returns when the successor runs."""
        self.env = {**self.env, **env}
        life, self._asked = self._lives + 1, True
        self.send(signal.SIGTERM)
        self.wait_life(life, seconds)

    def socket_path(self):
        return self.pipeline.run_dir / self.stage / f"{self.name}.sock"

    def stats(self):
        return wire.read_stats(self.pipeline.run_dir / self.stage / f"{self.name}.stats")

    def log(self):
        return self.log_path.read_text("utf-8", "replace")

    def rss(self):
        """Bytes in memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text("ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise ProcessLookupError(f"{self} is gone")


@dataclasses.dataclass
class Certificate:
    cert: str
    key: str

    @classmethod
    def make(cls, folder):
        cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "60",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout",
                key,
                "-out",
                cert,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return cls(cert, key)


class Listeners:
    """Sockets as a supervisor holds them: open while the gateway comes and goes."""

    def __init__(self, loops=2):
        self.sockets = []
        self.http, self.https = self._open(loops), self._open(loops)
        self.names = ["http"] * loops + ["https"] * loops

    def _open(self, loops):
        port = free_port()
        for _ in range(loops):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(1024)
            high = fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, HIGH_FD)
            listener.close()
            self.sockets.append(high)
        return "127.0.0.1", port

    def command(self, program):
        """A shell puts the descriptors where the receiver looks for them; its own number becomes the program's."""
        moves = " ".join(f"{3 + i}<&{fd}" for i, fd in enumerate(self.sockets))
        closes = " ".join(f"{fd}<&-" for fd in self.sockets)
        return [
            "bash",
            "-c",
            f"exec {moves} {closes}; LISTEN_PID=$$ LISTEN_FDS={len(self.sockets)} "
            f'LISTEN_FDNAMES={":".join(self.names)} exec "$0"',
            program,
        ]

    def close(self):
        for fd in self.sockets:
            os.close(fd)


class Pipeline:
    """env: settings for all; env_of: {stage: settings}; deaths: that processes die by themselves is wanted."""

    def __init__(
        self,
        database_url,
        certificate,
        renderers=2,
        dbproxies=2,
        pythons=0,
        cacher=True,
        gateway=True,
        env=None,
        env_of=None,
        deaths=False,
        bad_frames=False,
    ):
        self.dir = Path(tempfile.mkdtemp(prefix="fft-", dir="/tmp"))
        self.run_dir = self.dir / "run"
        self.run_dir.mkdir()
        self.database_url, self.certificate = database_url, certificate
        self.env, self.env_of, self.deaths = env or {}, env_of or {}, deaths
        self.bad_frames = bad_frames  # are wanted
        self.events = []
        self.killed = set()  # instances that a test killed
        self._closed = False
        self.instances = {stage: [] for stage in ("dbproxy", "renderer", "cacher", "gateway")}
        self.listeners = Listeners()
        self.http, self.https = self.listeners.http, self.listeners.https
        for stage, n in (("dbproxy", dbproxies), ("renderer", renderers), ("cacher", cacher), ("gateway", gateway)):
            for _ in range(n):
                self.add(stage)
        for _ in range(pythons):
            self.add_python()

    def __enter__(self):
        try:
            if self.instances["gateway"] and self.instances["cacher"]:
                self.wait_ready()
            else:
                self.wait_published()
        except BaseException:
            self.close(check=False)
            raise
        return self

    def __exit__(self, kind, *_):
        self.close(check=kind is None)

    def __getitem__(self, stage):
        return self.instances[stage]

    def all(self):
        return [instance for instances in self.instances.values() for instance in instances]

    def event(self, text):
        self.events.append((time.time(), text))

    # Processes.

    def add(self, stage, name=None, **env):
        program = BIN / f"filmyfly-{stage}"
        if not program.exists():
            raise FileNotFoundError(f"{program} is not built; FILMYFLY_BUILD_DIR says whose bin/ is tested")
        return self._add(stage, name, [str(program)], {**self.env, **self.env_of.get(stage, {}), **env})

    def add_python(self, name=None, *arguments):
        program = REPO / "tests" / "integration" / "python_renderer.py"
        return self._add("renderer", name, [sys.executable, str(program), *arguments], self.env)

    def _add(self, stage, name, command, env):
        name = name or ("1" if stage == "cacher" else f"t{len(self.instances[stage]) + 1}")
        instance = Instance(self, stage, name, command, env)
        self.instances[stage].append(instance)
        return instance

    def remove(self, instance, seconds=40):
        """Asks it to leave, waits, forgets it; returns its status."""
        instance.leave()
        instance.join(seconds)
        self.instances[instance.stage].remove(instance)
        self._check_instance(instance)
        return instance.statuses[-1]

    def spawn(self, instance, log):
        env = {
            "PATH": os.environ["PATH"],
            "FILMYFLY_RUN_DIR": str(self.run_dir),
            "FILMYFLY_INSTANCE": instance.name,
            "ASAN_OPTIONS": "quarantine_size_mb=8:detect_stack_use_after_return=0:exitcode=99",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command, fds = instance.command, ()
        if instance.stage == "dbproxy":
            env["DATABASE_URL"] = self.database_url
        if instance.stage == "gateway":
            env.update(FILMYFLY_TLS_CERT=self.certificate.cert, FILMYFLY_TLS_KEY=self.certificate.key)
            command, fds = self.listeners.command(command[0]), self.listeners.sockets
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**env, **instance.env},
            pass_fds=fds,
            cwd=self.dir,
        )

    # Asking.

    def get(self, target, method="GET", tls=True, **options):
        return client.fetch(self.https if tls else self.http, target, method, tls=tls, **options)

    def wait_published(self, seconds=30):
        for instance in self.all():
            if instance.stage != "gateway":
                wait_until(
                    instance.socket_path().exists, seconds, f"{instance} is ready; its log:\n{instance.log()[-1000:]}"
                )

    def wait_ready(self, target="/readyz", seconds=30):
        """Until the whole pipeline answers."""
        if not self.instances["renderer"] or not any("python" not in i.command[0] for i in self.instances["renderer"]):
            target = "/py/status/200"

        def answers():
            try:
                return self.get(target, timeout=6).status == 200
            except OSError:
                return False

        try:
            wait_until(answers, seconds, f"{target} is answered with 200")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.logs()}") from None

    def logs(self, most=1500):
        return "\n".join(f"--- {instance}\n{instance.log()[-most:]}" for instance in self.all())

    # The end.

    def kill(self, instance):
        self.killed.add(str(instance))
        instance.kill()

    def faults(self):
        """What went wrong so far that no request would show."""
        found = []
        for path in sorted(self.dir.glob("*.log")):
            lines = path.read_text("utf-8", "replace").splitlines()
            for n, line in enumerate(lines):
                bad_frame = not self.bad_frames and BAD_FRAME.search(line)
                if bad_frame or any(word in line for word in BAD_WORDS):
                    found.append(f"{path.name}: " + "\n    ".join(lines[n : n + 25]))
                    break
        return found

    def _check_instance(self, instance):
        if not self.deaths:
            bad = [
                death for death in instance.deaths if not (death[1] == -signal.SIGKILL and str(instance) in self.killed)
            ]
            assert (
                not bad
            ), f"{instance} died by itself, status {bad[0][1]}; the end of its log:\n{instance.log()[-3000:]}"
        assert not any(instance.statuses), f"{instance} left with status {instance.statuses}:\n{instance.log()[-3000:]}"

    def close(self, check=True):
        if self._closed:
            return
        self._closed, left = True, []
        for instance in self.all():
            instance.leave()
        for instance in self.all():
            try:
                instance.join(20)
            except TimeoutError as error:
                left.append(str(error))
        self.listeners.close()
        faults = self.faults()
        if check:
            assert not left, "\n".join(left)
            assert not faults, "\n".join(faults)
            for instance in self.all():
                self._check_instance(instance)
        if os.environ.get("FILMYFLY_KEEP") != "1":
            shutil.rmtree(self.dir, ignore_errors=True)
