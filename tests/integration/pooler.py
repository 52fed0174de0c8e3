"""Debian's PgBouncer before a cluster of a test."""

import os
import signal
import subprocess
import time

import psycopg

from ports import free_port


class Pooler:
    """PgBouncer in transaction mode, with fewer connections to PostgreSQL than its clients have to it."""

    def __init__(self, pg, size, dbname="notes"):
        self.port = free_port()
        self.path = os.path.join(pg.dir, f"pgbouncer-{self.port}.ini")
        # One user for all: auth_type any logs in as the database line says.
        with open(self.path, "w", encoding="ascii") as f:
            f.write(f"[databases]\n* = host={pg.dir} port={pg.port} user=owner\n[pgbouncer]\n"
                    f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = any\n"
                    f"pool_mode = transaction\ndefault_pool_size = {size}\nserver_reset_query =\n"
                    f"logfile = {pg.dir}/pgbouncer-{self.port}.log\n")
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        os.chmod(pg.dir, 0o777)
        self.process = subprocess.Popen([*as_postgres, "/usr/sbin/pgbouncer", "-q", self.path], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.url = f"postgresql://owner@127.0.0.1:{self.port}/{dbname}"
        for _ in range(200):
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise RuntimeError("pgbouncer does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
