"""Ports for what tests start, each given once among all test processes that run side by side.

A port that the kernel chose and that was closed again may be chosen by another test before it is bound; where both bind
with SO_REUSEPORT, as gateways do, each silently gets half of the other's visitors. These lie below the range from which
Linux takes the ports of outgoing connections (net.ipv4.ip_local_port_range)."""

import fcntl
import os
import socket
import tempfile

FIRST, COUNT = 18000, 14000
COUNTER = os.path.join(tempfile.gettempdir(), f"filmyfly-test-ports.{os.getuid()}")


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    """The next one that nobody has; it comes again after 14,000 others."""
    with open(COUNTER, "a+", encoding="ascii") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        counter.seek(0)
        last = int(counter.read() or 0)
        for step in range(1, COUNT):
            port = FIRST + (last + step) % COUNT
            if _is_free(port):
                counter.truncate(0)
                counter.write(str(port - FIRST))
                return port
    raise RuntimeError(f"no port from {FIRST} to {FIRST + COUNT - 1} is free")
