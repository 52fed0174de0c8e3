"""A throw-away PostgreSQL cluster for tests: in a temporary directory, on a Unix socket and a free port of loopback.

    with Cluster() as pg:
        pg.create_database("movies", owner="plain")
        pg.migrate("movies", "plain")
        psycopg.connect(pg.url("movies", "plain"))

Everybody may log in without a password. When we are root the server runs as the user postgres, as it must.
"""

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from ports import free_port

REPO = Path(__file__).resolve().parents[2]
MIGRATIONS = REPO / "dbproxy" / "migrations"


def bin_dir():
    """The newest installed server; PG_BIN says otherwise."""
    if "PG_BIN" in os.environ:
        return os.environ["PG_BIN"]
    found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    if not found:
        raise RuntimeError("no PostgreSQL server under /usr/lib/postgresql: install the package postgresql")
    return os.path.dirname(max(found, key=lambda path: int(path.split("/")[-3])))


def _is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Cluster:
    def __init__(self, settings=None):
        self.bin = bin_dir()
        self.settings = settings or {}
        # A short path: a Unix socket's address holds about 100 bytes.
        self.dir = tempfile.mkdtemp(prefix="ffpg-", dir="/tmp")
        self.data = os.path.join(self.dir, "data")
        self.log = os.path.join(self.dir, "log")
        self.port = free_port()
        self._run_as = "postgres" if os.geteuid() == 0 else None
        if self._run_as:
            user = pwd.getpwnam(self._run_as)
            os.chown(self.dir, user.pw_uid, user.pw_gid)
        os.chmod(self.dir, 0o755)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.remove()

    def _tool(self, name, *args):
        command = [os.path.join(self.bin, name), *args]
        if self._run_as:
            command = ["runuser", "-u", self._run_as, "--", *command]
        done = subprocess.run(command, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{name} {' '.join(args)}: {done.stdout}")
        return done.stdout

    def start(self):
        """Makes the cluster at the first call, starts it, returns when it answers."""
        if not os.path.exists(self.data):
            self._tool("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "-E", "UTF8",
                       "--locale=C.UTF-8", "--no-sync")
        options = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.dir,
            "fsync": "off", "full_page_writes": "off", "max_connections": 60, "shared_buffers": "64MB",
            "timezone": "UTC", **self.settings,
        }
        flags = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        self._tool("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "60", "-o", flags, "start")

    def stop(self, mode="fast"):
        if self.pid():
            self._tool("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def restart(self):
        self.stop()
        self.start()

    def kill(self):
        """kill -9 of the server and of all its processes, as a power loss would; start() recovers."""
        pid = self.pid()
        if not pid:
            return
        os.kill(pid, signal.SIGSTOP)  # one that it forks after we looked would keep the next server from starting
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], stdout=subprocess.PIPE, text=True,
                                  check=False).stdout.split()
        killed = [pid, *map(int, children)]
        for each in killed:
            try:
                os.kill(each, signal.SIGKILL)
            except ProcessLookupError:
                pass
        while any(map(_is_running, killed)):
            time.sleep(0.01)
        # A dead process whose parent has not asked for its status yet still counts as the owner of these.
        for path in (os.path.join(self.data, "postmaster.pid"), os.path.join(self.dir, f".s.PGSQL.{self.port}.lock")):
            os.unlink(path)

    def remove(self):
        self.stop("immediate")
        shutil.rmtree(self.dir, ignore_errors=True)

    def pid(self):
        try:
            with open(os.path.join(self.data, "postmaster.pid"), encoding="ascii") as f:
                pid = int(f.readline())
            os.kill(pid, 0)
            return pid
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return None

    def url(self, dbname="postgres", user="postgres"):
        """A libpq URL over the Unix socket."""
        return f"postgresql://{user}@/{dbname}?host={self.dir}&port={self.port}"

    def tcp_url(self, dbname="postgres", user="postgres"):
        return f"postgresql://{user}@127.0.0.1:{self.port}/{dbname}"

    def psql(self, sql=None, dbname="postgres", user="postgres", files=(), single=False):
        """Runs SQL text or files, stops at the first error, returns what psql printed (unaligned, rows only)."""
        command = [os.path.join(self.bin, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        command += ["--single-transaction"] if single else []
        for name in files:
            command += ["-f", str(name)]
        if sql is not None:
            command += ["-c", sql]
        done = subprocess.run([*command, self.url(dbname, user)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=600, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr}")
        return done.stdout

    def create_database(self, name, owner="postgres", role_options=""):
        """A database and, unless it exists, its owner: one who may log in and nothing more."""
        if not self.psql(f"SELECT 1 FROM pg_roles WHERE rolname = '{owner}'"):
            self.psql(f"CREATE ROLE {owner} LOGIN {role_options}")
        self.psql(f"CREATE DATABASE {name} OWNER {owner}")

    def migrate(self, dbname, user="postgres"):
        """Applies the migrations in order, each in a transaction of its own."""
        for path in sorted(MIGRATIONS.glob("*.sql")):
            self.psql(dbname=dbname, user=user, files=[path], single=True)
