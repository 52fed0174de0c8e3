"""The protocol between the stages in Python, written from proto/PROTOCOL.md alone: heads, a left side, a right side, and the counters' file.

Left asks a stage's instances, Right is an instance. Both own no thread: their owner polls their sockets and calls turn(), at least every 20 ms.
"""

import collections
import dataclasses
import fcntl
import mmap
import os
import random
import struct
import time

import msgpack
import zmq
import zmq.utils.monitor

OLDEST, NEWEST = 1, 2
HEAD_MAX = 262144
BODY_MAX = 4 << 20
U32, U64 = (1 << 32) - 1, (1 << 64) - 1

# name: (number, [(field, kind, limit, since)])
MESSAGES = {
    "HELLO": (1, [("stage", "text", 64, 1), ("instance", "text", 64, 1), ("oldest", "uint", 255, 1),
                  ("newest", "uint", 255, 1), ("credit", "uint", 1000000, 1), ("pid", "uint", U32, 1),
                  ("release", "text", 64, 1)]),
    "PING": (2, []),
    "PONG": (3, [("credit", "uint", 1000000, 1), ("held", "uint", U32, 1)]),
    "LEAVE": (4, []),
    "BYE": (5, []),
    "REQUEST": (6, [("deadline", "uint", U64, 1), ("method", "text", 64, 1), ("scheme", "text", 64, 1),
                    ("target", "text", 8192, 1), ("client", "text", 64, 1), ("headers", "headers", 128, 1),
                    ("trace", "text", 64, 2)]),
    "RESPONSE": (7, [("status", "uint", 999, 1), ("headers", "headers", 128, 1), ("tags", "tags", 512, 1)]),
    "QUERY": (8, [("deadline", "uint", U64, 1), ("batch", "batch", 16, 1), ("trace", "text", 64, 2)]),
    "RESULT": (9, [("tags", "tags", 512, 1)]),
    "BUSY": (10, [("retry_after", "uint", 3600, 1)]),
    "FAILED": (11, [("cause", "text", 64, 1), ("text", "text", 1024, 1)]),
    "REFUSED": (12, [("text", "text", 1024, 1)]),
}
NAMES = {number: name for name, (number, _) in MESSAGES.items()}
ANSWERS = ("RESPONSE", "RESULT", "BUSY", "FAILED", "REFUSED")

PING_EVERY, HUNG_AFTER, LOOK_EVERY, MARGIN = 0.2, 0.8, 0.2, 0.02


class BadMessage(ValueError):
    """A message that breaks a rule of the page."""


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def deadline_in(seconds):
    return now() + int(seconds * 1e9)


def text_bytes(value):
    """Texts are bytes; str is taken for convenience, a lone surrogate being the byte it stands for."""
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


@dataclasses.dataclass
class Message:
    type: str
    id: int
    fields: dict
    protocol: int = NEWEST
    body: bytes = b""

    def __getattr__(self, name):
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(name) from None

    def header(self, name):
        """The value of the first header line of that name, as text, or None."""
        values = self.header_lines(name)
        return values[0] if values else None

    def header_lines(self, name):
        return [value.decode("utf-8", "surrogateescape") for key, value in self.fields["headers"]
                if key.lower() == name.lower().encode()]


# Heads.

def _raw(value):
    """A text as msgpack str whatever its bytes are, which the library's own packing of str would refuse."""
    value, n = text_bytes(value), len(text_bytes(value))
    if n < 32:
        return bytes([0xA0 | n]) + value
    if n < 256:
        return bytes([0xD9, n]) + value
    return (struct.pack(">BH", 0xDA, n) if n < 65536 else struct.pack(">BI", 0xDB, n)) + value


def _array(items):
    n = len(items)
    return (bytes([0x90 | n]) if n < 16 else struct.pack(">BH", 0xDC, n)) + b"".join(items)


def _pack_field(kind, value):
    if kind == "uint":
        return msgpack.packb(value)
    if kind == "text":
        return _raw(value)
    if kind == "headers":
        return _array([_raw(text) for line in value for text in line])
    if kind == "tags":
        return _array([_raw(tag) for tag in value])
    return _array([_array([_raw(name), _array([b"\xc0" if p is None else _raw(p) for p in parameters])])
                   for name, parameters in value])


def pack_head(kind, id_, fields, protocol=NEWEST):
    """Packs without checking limits, so that tests can break them."""
    number, table = MESSAGES[kind]
    items = [msgpack.packb(protocol), msgpack.packb(number), msgpack.packb(id_)]
    items += [_pack_field(field_kind, fields[name]) for name, field_kind, _, since in table if since <= protocol]
    return _array(items)


def _check(right, why):
    if not right:
        raise BadMessage(why)


def _take_uint(value, limit, what):
    _check(isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= limit, f"{what}: {value!r}")
    return value


def _take_text(value, limit, what):
    _check(isinstance(value, bytes) and len(value) <= limit, f"{what}: {value!r:.100}")
    return value


def _take_list(value, most, what):
    _check(isinstance(value, list) and len(value) <= most, f"{what}: {value!r:.100}")
    return value


def _take_batch(value, limit):
    batch = []
    for call in _take_list(value, limit, "batch"):
        _check(isinstance(call, list) and len(call) == 2, "statement of a batch")
        parameters = [None if p is None else _take_text(p, 65536, "parameter")
                      for p in _take_list(call[1], 32, "parameters")]
        batch.append((_take_text(call[0], 64, "statement"), parameters))
    return batch


def _take_field(name, kind, limit, value):
    if kind == "uint":
        return _take_uint(value, limit, name)
    if kind == "text":
        return _take_text(value, limit, name).decode("utf-8", "surrogateescape")
    if kind == "tags":
        return [_take_text(tag, 160, name) for tag in _take_list(value, limit, name)]
    if kind == "batch":
        return _take_batch(value, limit)
    lines = _take_list(value, 2 * limit, name)
    _check(len(lines) % 2 == 0, "a header name without a value")
    return [(_take_text(lines[i], 256, "header name"), _take_text(lines[i + 1], 65536, "header value"))
            for i in range(0, len(lines), 2)]


def unpack_head(head, body=b""):
    """Reads a head, checking every rule of the page; BadMessage says which one is broken."""
    _check(len(head) <= HEAD_MAX, "head too long")
    try:
        items = msgpack.unpackb(head, raw=True, strict_map_key=False)
    except Exception as error:
        raise BadMessage(f"not msgpack: {error}") from None
    _check(isinstance(items, list) and len(items) >= 3, "no array of three or more")
    protocol, number = _take_uint(items[0], U64, "protocol"), _take_uint(items[1], U64, "type")
    _check(OLDEST <= protocol <= NEWEST, f"protocol {protocol}")
    _check(number in NAMES, f"type {number}")
    table = [row for row in MESSAGES[NAMES[number]][1] if row[3] <= protocol]
    _check(len(items) == 3 + len(table), f"{NAMES[number]} with {len(items) - 3} fields")
    fields = {name: _take_field(name, kind, limit, value)
              for (name, kind, limit, _), value in zip(table, items[3:])}
    return Message(NAMES[number], _take_uint(items[2], U64, "id"), fields, protocol, body)


def _hello(stage, instance, credit, protocols):
    fields = {"stage": stage, "instance": instance, "oldest": protocols[0], "newest": protocols[1],
              "credit": credit, "pid": os.getpid(), "release": "python"}
    return pack_head("HELLO", 0, fields, 1)


def _common(message, protocols):
    """The protocol that both speak; BadMessage when there is none."""
    newest = min(message.newest, protocols[1])
    _check(newest >= max(message.oldest, protocols[0]), "no protocol in common")
    return newest


# The left side.

class _Peer:
    """One life of an instance."""

    def __init__(self, context, path, life):
        self.life, self.name = life, os.path.basename(path)[:-len(".sock")]
        self.connected = self.greeted = self.leaving = False
        self.protocol, self.credit, self.heard = OLDEST, 0, 0.0
        self.held = set()
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RECONNECT_IVL, -1)
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self.socket.connect(f"ipc://{path}")

    def close(self):
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(0)

    def send(self, head, body=b""):
        try:
            self.socket.send_multipart([head, body], zmq.DONTWAIT)
        except zmq.Again:
            pass  # its connection is just breaking: what is in flight is sent again at its death

    def takes_work(self, time_):
        return self.greeted and not self.leaving and len(self.held) < self.credit and time_ - self.heard < HUNG_AFTER


@dataclasses.dataclass
class _Call:
    type: str
    fields: dict
    body: bytes
    done: object
    again: bool
    deaths: int = 0
    sent: int = 0
    peers: set = dataclasses.field(default_factory=set)


class Left:
    """Asks the instances of `stage`. done(message) is called once for each call, from turn()."""

    def __init__(self, run_dir, stage, own_stage="gateway", own_instance="test", protocols=(OLDEST, NEWEST), only=None):
        self.folder, self.only = os.path.join(run_dir, stage), only
        self.own, self.protocols = (own_stage, own_instance), protocols
        self.context = zmq.Context()
        self.poller = zmq.Poller()
        self.peers, self.calls = {}, {}
        self.waiting = collections.deque()
        self.next_id = random.getrandbits(63) + 1
        self.looked = self.pinged = 0.0
        self.again = 64.0  # re-sends that may still be made
        self.dropped = 0   # messages that were bad or unknown

    def close(self):
        for peer in self.peers.values():
            peer.close()
        self.peers = {}
        self.context.term()

    def sockets(self):
        return [socket for peer in self.peers.values() for socket in (peer.socket, peer.monitor)]

    def submit(self, type_, fields, done, body=b"", again=True):
        """The deadline in fields is ours; the neighbour is told one 20 ms earlier."""
        id_ = self.next_id
        self.next_id = self.next_id % U64 + 1
        self.calls[id_] = _Call(type_, fields, body, done, again)
        self.waiting.append(id_)
        self.again = min(self.again + 0.1, 64.0)
        return id_

    def ask(self, type_, body=b"", seconds=5.0, again=True, **fields):
        """Asks and waits for the answer, which may be a FAILED of our own."""
        answers = []
        fields.setdefault("deadline", deadline_in(seconds))
        fields.setdefault("trace", "")
        self.submit(type_, fields, answers.append, body, again)
        while not answers:
            self.turn(wait=0.02)
        return answers[0]

    def get(self, target, seconds=5.0, method="GET", headers=(), body=b""):
        return self.ask("REQUEST", body, seconds, method in ("GET", "HEAD"), method=method, scheme="https", target=target,
                        client="127.0.0.1", headers=[("host", "localhost"), *headers])

    def turn(self, wait=0.0):
        """Receives, sends, counts time; waits at most that many seconds for something to happen."""
        sockets = self.sockets()
        if wait and sockets:
            zmq.select(sockets, [], [], wait)
        elif wait:
            time.sleep(wait)
        time_ = time.monotonic()
        if time_ - self.looked >= LOOK_EVERY:
            self.looked = time_
            self._look()
        for peer in list(self.peers.values()):
            self._listen(peer, time_)
        if time_ - self.pinged >= PING_EVERY:
            self.pinged = time_
            self._ping(time_)
        self._expire()
        self._dispatch(time_)

    def _look(self):
        listed = {}
        try:
            for entry in os.scandir(self.folder):
                if entry.name.endswith(".sock") and not entry.name.startswith("."):
                    if self.only in (None, entry.name[:-len(".sock")]):
                        st = entry.stat(follow_symlinks=False)
                        listed[(entry.name, st.st_ino, st.st_mtime_ns)] = entry.path
        except FileNotFoundError:
            pass
        for life, path in listed.items():
            if life not in self.peers:
                self.peers[life] = _Peer(self.context, path, life)
        for life, peer in list(self.peers.items()):
            if life not in listed and not peer.greeted:
                self._lose(peer)
            elif life not in listed:
                peer.leaving = True

    def _listen(self, peer, time_):
        gone = False
        while peer.monitor.poll(0):
            event = zmq.utils.monitor.recv_monitor_message(peer.monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                peer.connected = True
                peer.send(_hello(*self.own, 0, self.protocols))
            gone = gone or event == zmq.EVENT_DISCONNECTED
        while peer.socket.poll(0):
            parts = peer.socket.recv_multipart()
            try:
                _check(len(parts) == 2, f"{len(parts)} parts")
                self._take(peer, unpack_head(*parts), time_)
            except BadMessage:
                self.dropped += 1
        if gone:
            self._lose(peer)

    def _take(self, peer, message, time_):
        peer.heard = time_
        if message.type == "HELLO":
            peer.protocol = _common(message, self.protocols)
            peer.credit, peer.greeted = message.credit, True
        elif message.type == "PONG":
            peer.credit = message.credit
        elif message.type == "LEAVE":
            peer.leaving = True
            peer.send(pack_head("BYE", 0, {}, peer.protocol))
        else:
            _check(message.type in ANSWERS, f"{message.type} is not for a left side")
            peer.held.discard(message.id)
            call = self.calls.pop(message.id, None)
            _check(call, "unknown id")
            call.done(message)

    def _lose(self, peer):
        """Its connection is gone: what it held is sent to another, unless another has it already."""
        peer.close()
        del self.peers[peer.life]
        for id_ in sorted(peer.held, reverse=True):
            call = self.calls.get(id_)
            if not call:
                continue
            call.peers.discard(peer.life)
            call.deaths += 1
            if call.deaths >= 3:
                self._fail(id_, "poison")
            elif not call.again:
                self._fail(id_, "unknown")
            elif not call.peers:
                self._send_again(id_)

    def _send_again(self, id_):
        if self.again < 1:
            self._fail(id_, "unavailable")
            return
        self.again -= 1
        self.waiting.appendleft(id_)

    def _ping(self, time_):
        for peer in list(self.peers.values()):
            if peer.connected and not peer.greeted:
                peer.send(_hello(*self.own, 0, self.protocols))
            if not peer.greeted:
                continue
            peer.send(pack_head("PING", 0, {}, peer.protocol))
            if time_ - peer.heard >= HUNG_AFTER and not peer.leaving:
                for id_ in sorted(peer.held):
                    call = self.calls.get(id_)
                    if call and call.again and call.peers == {peer.life}:
                        call.peers.clear()  # its late answer still counts
                        self._send_again(id_)

    def _expire(self):
        time_ = now()
        for id_ in [id_ for id_, call in self.calls.items() if call.fields["deadline"] <= time_]:
            self._fail(id_, "deadline")

    def _fail(self, id_, cause):
        call = self.calls.pop(id_)
        call.done(Message("FAILED", id_, {"cause": cause, "text": "said by the left side itself"}))

    def _dispatch(self, time_):
        while self.waiting:
            able = [peer for peer in self.peers.values() if peer.takes_work(time_)]
            if not able:
                return
            id_ = self.waiting.popleft()
            call = self.calls.get(id_)
            if not call:
                continue
            peer = min(able, key=lambda each: len(each.held))
            fields = {**call.fields, "deadline": call.fields["deadline"] - int(MARGIN * 1e9)}
            peer.held.add(id_)
            call.peers.add(peer.life)
            peer.send(pack_head(call.type, id_, fields, peer.protocol), call.body)


# The right side.

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
        self.peers = {}    # routing id: protocol; those that said HELLO
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
            # pylint: disable=consider-using-with
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
                _check(len(parts) == 2, f"{len(parts)} parts")
                self._take(routing_id, unpack_head(*parts))
            except BadMessage:
                self.dropped += 1
        time_ = now()
        for key in [key for key, ticket in self.tickets.items() if ticket.message.deadline <= time_]:
            del self.tickets[key]

    def _take(self, routing_id, message):
        protocol = self.peers.get(routing_id, message.protocol)
        if message.type == "HELLO":
            self.peers[routing_id] = protocol = _common(message, self.protocols)
            self.send(routing_id, _hello(self.stage, self.instance, self.credit, self.protocols))
            if self.leaving:
                self.send(routing_id, pack_head("LEAVE", 0, {}, protocol))
        elif message.type == "PING":
            fields = {"credit": self.credit, "held": len(self.tickets)}
            self.send(routing_id, pack_head("PONG", message.id, fields, protocol))
        elif message.type == "BYE":
            self.byes.add(routing_id)
        else:
            _check(message.type in ("REQUEST", "QUERY"), f"{message.type} is not for a right side")
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


# The counters' file (proto/counters.h).

_HEAD = struct.Struct("=QIIQQ32s32s32s")
_COUNTER = struct.Struct("=40sIIQ64Q")


def read_stats(path):
    """{name: value} of an instance's counters; of a histogram the number of its observations, and under "name/sum" their sum."""
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
        magic, format_, n = _HEAD.unpack_from(m)[:3]
        if magic != 0x46696C6D79466C79 or format_ != 1:
            raise ValueError(f"{path} is no counters' file of format 1")
        values = {}
        for i in range(n):
            name, kind, _, value, *bins = _COUNTER.unpack_from(m, _HEAD.size + i * _COUNTER.size)
            name = name.split(b"\0")[0].decode()
            values[name] = sum(bins) if kind == 3 else value
            if kind == 3:
                values[name + "/sum"] = value
        return values
