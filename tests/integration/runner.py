"""./run with a var directory and addresses of its own, running the programs under test."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from ports import free_port

REPO = Path(__file__).resolve().parents[2]
BUILD = os.environ.get("FILMYFLY_BUILD_DIR", str(REPO / "build" / "asan"))


class Run:
    """A ./run with a var directory and addresses of its own."""

    def __init__(self, var):
        self.var = Path(var)
        self.http, self.https = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FILMYFLY_") and name != "DATABASE_URL"}
        self.env = {**kept, "FILMYFLY_BUILD_DIR": BUILD, "FILMYFLY_VAR_DIR": str(var), "FILMYFLY_HTTP": self.http,
                    "FILMYFLY_HTTPS": self.https, "FILMYFLY_START_WAIT": "120"}

    def __call__(self, *options, timeout=200):
        return subprocess.run([str(REPO / "run"), *options], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)

    def start(self):
        done = self("--no-build", "--no-install", "--detach")
        assert done.returncode == 0, done.stdout
        return done.stdout

    def get(self, path="/"):
        with urllib.request.urlopen(f"http://{self.http}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()

    def pid(self, service):
        return int((self.var / "service" / service / "supervise" / "pid").read_text() or 0)

    def kill(self, service):
        pid = self.pid(service)
        if pid:
            os.kill(pid, signal.SIGKILL)

    def stop(self):
        if self("--status").returncode == 0:
            done = self("--stop")
            assert done.returncode == 0, done.stdout

    def left_over(self):
        """Processes of the var directory that live."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes() + bytes((process / "cwd").readlink()) + b"\0"
            except OSError:
                continue
            if os.fsencode(self.var) + b"/" in words:
                found.append(words)
        return found


@contextlib.contextmanager
def directory_for_run():
    directory = tempfile.mkdtemp(prefix="ff-run-", dir="/tmp")
    os.chmod(directory, 0o755)
    yield directory
    shutil.rmtree(directory)
