"""What a process can do: run in a stage's place under its systemd unit, prints what came of each attempt as a Python
dictionary. It makes do with Debian's python3-minimal."""

import errno
import os
import socket

SHARE = "/usr/local/share/filmyfly"


def outcome(attempt):
    try:
        attempt()
        return "done"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except MemoryError:
        return "MemoryError"


def write(path):
    with open(path, "w", encoding="utf-8"):
        pass


def connect(address):
    with socket.create_connection(address, 3):
        pass


def main():
    print({
        "network": outcome(lambda: connect(("127.0.0.1", 5432))),
        "visitors": outcome(lambda: connect(("127.0.0.1", 443))),
        "write /etc": outcome(lambda: write("/etc/probe")),
        "write /usr": outcome(lambda: write(f"{SHARE}/probe")),
        "write /var/lib": outcome(lambda: write("/var/lib/probe")),
        "write store": outcome(lambda: write("/var/cache/filmyfly/probe")),
        **{f"enter {stage}": outcome(lambda stage=stage: os.listdir(f"/run/filmyfly/{stage}"))
           for stage in ("gateway", "cacher", "renderer", "dbproxy", "changes")},
        **{f"write {stage}": outcome(lambda stage=stage: write(f"/run/filmyfly/{stage}/probe"))
           for stage in ("gateway", "cacher", "renderer", "dbproxy", "changes")},
        "read key": outcome(lambda: os.open("/etc/filmyfly/tls/key.pem", os.O_RDONLY)),
        "read database.env": outcome(lambda: os.open("/etc/filmyfly/database.env", os.O_RDONLY)),
        "DATABASE_URL": "DATABASE_URL" in os.environ,
        "read home": outcome(lambda: os.listdir("/root")),
        "become root": outcome(lambda: os.setuid(0)),
        "chroot": outcome(lambda: os.chroot("/")),
        "set-user-id": outcome(lambda: os.chmod("/tmp", 0o4777)),
        "400 MB": outcome(lambda: bytearray(400 << 20)),
        "1 GB": outcome(lambda: bytearray(1 << 30)),
    })


if __name__ == "__main__":
    main()
