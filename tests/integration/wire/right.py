"""The right side of a hop: an instance in the registry.

It owns no thread: its owner polls its socket and calls turn(), at least every 20 ms.
"""

import fcntl
import os
import time

import zmq

from .messages import BODY_MAX, NEWEST, OLDEST, BadMessage, check, common_protocol, hello, now, pack_head, unpack_head


class Ticket:
    """The duty to answer one request."""

    def __init__(self, right, routing_id, protocol, message):
        self.right, self.routing_id, self.protocol, self.message = right, routing_id, protocol, message

    def answer(self, type_, body=b"", **fields):
        self.right.tickets.pop((self.routing_id, self.message.id), None)
        self.right.send(self.routing_id, pack_head(type_, self.message.id, fields, self.protocol), body)

    def respond(self, status, headers=(), body=b"", tags=()):
        self.answer("RESPONSE", body, status=status, headers=list(headers), tags=list(tags))

    def fail(self, cause, text=""):
        self.answer("FAILED", cause=cause, text=text)


class Right:
    """An instance of `stage`. on_request(ticket) is called from turn() for each REQUEST or QUERY."""

    def __init__(self, run_dir, stage, on_request, instance=None, credit=64, protocols=(OLDEST, NEWEST)):
        self.stage, self.on_request, self.credit, self.protocols = stage, on_request, credit, protocols
        self.folder = os.path.join(run_dir, stage)
        if not os.path.isdir(self.folder):
            os.makedirs(self.folder)
            os.chmod(self.folder, 0o2750)
        self.instance, self.lock = self._claim(instance)
        self.peers = {}  # routing id: protocol; those that said HELLO
        self.byes = set()
        self.tickets = {}  # (routing id, id): Ticket
        self.leaving = None
        self.dropped = 0
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.socket.setsockopt(zmq.LINGER, 1000)
        self.socket.setsockopt(zmq.MAXMSGSIZE, BODY_MAX)
        bound = os.path.join(self.folder, f".{self.instance}.{os.getpid()}")
        self.socket.bind(f"ipc://{bound}")
        os.chmod(bound, 0o770)
        self.path = os.path.join(self.folder, f"{self.instance}.sock")
        self.inode = os.stat(bound).st_ino
        os.rename(bound, self.path)

    def _claim(self, instance):
        for name in [instance] if instance else map(str, range(1, 65)):
            lock = open(os.path.join(self.folder, f"{name}.lock"), "a+", encoding="ascii")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            return name, lock
        raise RuntimeError(f"{self.stage}/{instance or '1 to 64'} is taken")

    def send(self, routing_id, head, body=b""):
        try:
            self.socket.send_multipart([routing_id, head, body], zmq.DONTWAIT)
        except zmq.ZMQError:
            self.dropped += 1  # the peer is gone

    def turn(self, wait=0.0):
        if wait:
            self.socket.poll(int(wait * 1000))
        while self.socket.poll(0):
            routing_id, *parts = self.socket.recv_multipart()
            try:
                check(len(parts) == 2, f"{len(parts)} parts")
                self._take(routing_id, unpack_head(*parts))
            except BadMessage:
                self.dropped += 1
        time_ = now()
        for key in [key for key, ticket in self.tickets.items() if ticket.message.deadline <= time_]:
            del self.tickets[key]

    def _take(self, routing_id, message):
        protocol = self.peers.get(routing_id, message.protocol)
        if message.type == "HELLO":
            self.peers[routing_id] = protocol = common_protocol(message, self.protocols)
            self.send(routing_id, hello(self.stage, self.instance, self.credit, self.protocols))
            if self.leaving:
                self.send(routing_id, pack_head("LEAVE", 0, {}, protocol))
        elif message.type == "PING":
            fields = {"credit": self.credit, "held": len(self.tickets)}
            self.send(routing_id, pack_head("PONG", message.id, fields, protocol))
        elif message.type == "BYE":
            self.byes.add(routing_id)
        else:
            check(message.type in ("REQUEST", "QUERY"), f"{message.type} is not for a right side")
            if message.deadline > now():
                ticket = Ticket(self, routing_id, protocol, message)
                self.tickets[routing_id, message.id] = ticket
                self.on_request(ticket)

    def withdraw(self):
        """The public name goes, if it is still ours, and the lock."""
        try:
            if os.stat(self.path).st_ino == self.inode:
                os.unlink(self.path)
        except FileNotFoundError:
            pass
        self.lock.close()

    def leave(self):
        if self.leaving:
            return
        self.leaving = time.monotonic()
        self.withdraw()
        for routing_id, protocol in self.peers.items():
            self.send(routing_id, pack_head("LEAVE", 0, {}, protocol))

    def left(self):
        """True when nothing keeps us: every peer said BYE, or a second passed, and all is answered."""
        if not self.leaving or self.tickets:
            return False
        return set(self.peers) <= self.byes or time.monotonic() - self.leaving > 1

    def close(self):
        if not self.leaving:
            self.withdraw()
        self.socket.close()
        self.context.term()
