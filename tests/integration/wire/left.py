"""The left side of a hop: asks a stage's instances.

It owns no thread: its owner polls its sockets and calls turn(), at least every 20 ms.
"""

import collections
import dataclasses
import os
import random
import time

import zmq
import zmq.utils.monitor

from .messages import (
    ANSWERS,
    MARGIN,
    NEWEST,
    OLDEST,
    U64,
    BadMessage,
    Message,
    check,
    common_protocol,
    deadline_in,
    hello,
    now,
    pack_head,
    unpack_head,
)

PING_EVERY, HUNG_AFTER, LOOK_EVERY = 0.2, 0.8, 0.2  # seconds


class _Peer:
    """One life of an instance."""

    def __init__(self, context, path, life):
        self.life, self.name = life, os.path.basename(path)[: -len(".sock")]
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
        self.dropped = 0  # messages that were bad or unknown

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
        return self.ask(
            "REQUEST",
            body,
            seconds,
            method in ("GET", "HEAD"),
            method=method,
            scheme="https",
            target=target,
            client="127.0.0.1",
            headers=[("host", "localhost"), *headers],
        )

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
                    if self.only in (None, entry.name[: -len(".sock")]):
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
                peer.send(hello(*self.own, 0, self.protocols))
            gone = gone or event == zmq.EVENT_DISCONNECTED
        while peer.socket.poll(0):
            parts = peer.socket.recv_multipart()
            try:
                check(len(parts) == 2, f"{len(parts)} parts")
                self._take(peer, unpack_head(*parts), time_)
            except BadMessage:
                self.dropped += 1
        if gone:
            self._lose(peer)

    def _take(self, peer, message, time_):
        peer.heard = time_
        if message.type == "HELLO":
            peer.protocol = common_protocol(message, self.protocols)
            peer.credit, peer.greeted = message.credit, True
        elif message.type == "PONG":
            peer.credit = message.credit
        elif message.type == "LEAVE":
            peer.leaving = True
            peer.send(pack_head("BYE", 0, {}, peer.protocol))
        else:
            check(message.type in ANSWERS, f"{message.type} is not for a left side")
            peer.held.discard(message.id)
            call = self.calls.pop(message.id, None)
            check(call, "unknown id")
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
                peer.send(hello(*self.own, 0, self.protocols))
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
