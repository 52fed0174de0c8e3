"""Malformed and mutated messages, from a seed: what a broken or hostile neighbour could send."""

import random
import struct

import wire

HEADERS = [(b"host", b"localhost"), (b"accept-encoding", b"gzip"), (b"x-a", b""), (b"x-a", b"\xff")]
FIELDS = {
    "HELLO": {"stage": "renderer", "instance": "evil", "oldest": 1, "newest": 2, "credit": 2, "pid": 1, "release": "0"},
    "PONG": {"credit": 2, "held": 0},
    "REQUEST": {
        "method": "GET",
        "scheme": "https",
        "target": "/none",
        "client": "::1",
        "headers": HEADERS,
        "trace": "t",
    },
    "RESPONSE": {"status": 200, "headers": HEADERS[1:], "tags": ["movie:1"]},
    "QUERY": {"batch": [("movie", ["x"]), ("movie_related", [None]), ("none", [])], "trace": "t"},
    "RESULT": {"tags": ["movies"]},
    "BUSY": {"retry_after": 1},
    "FAILED": {"cause": "hangup", "text": "evil"},
    "REFUSED": {"text": "evil"},
}
ROWS = b"\x91\x93\x91\xa2id\x91\x91\x01\x01"
NUMBERS = (0, 1, 127, 128, 255, 65535, 65536, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


class Frames:
    """next() is the parts of one message. ids: of requests that are open, so that mutated answers find them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.ids = []

    def _good(self):
        """(head, body) that breaks no rule, but may be in the wrong place."""
        pick = self.random
        kind = pick.choice(list(wire.MESSAGES))
        fields = dict(FIELDS.get(kind, {}))
        if "deadline" in [row[0] for row in wire.MESSAGES[kind][1]]:
            fields["deadline"] = pick.choice([wire.deadline_in(0.3), 0, (1 << 64) - 1, wire.deadline_in(-1)])
        if kind == "RESPONSE":
            fields["status"] = pick.choice([0, 99, 100, 101, 204, 304, 200, 500, 999])
        id_ = pick.choice(self.ids) if self.ids and pick.random() < 0.7 else pick.choice(NUMBERS)
        body = ROWS if kind == "RESULT" else pick.randbytes(pick.choice([0, 0, 5, 2000]))
        return wire.pack_head(kind, id_, fields, pick.choice([1, 2])), body

    def _mutate(self, data):
        pick, data = self.random, bytearray(data)
        for _ in range(pick.choice([1, 1, 1, 2, 5])):
            at = pick.randrange(len(data) + 1)
            how = pick.randrange(8)
            if how == 0 and data:
                data[at - 1] ^= 1 << pick.randrange(8)
            elif how == 1:
                data[at : at + 1] = bytes([pick.randrange(256)])
            elif how == 2:
                data = data[:at]
            elif how == 3:
                data[at:at] = pick.randbytes(pick.randrange(1, 9))
            elif how == 4:  # a length that was never sent
                data[at:at] = bytes([pick.choice([0xDB, 0xDD, 0xDF, 0xC6, 0xC9])]) + struct.pack(
                    ">I", pick.choice(NUMBERS[:8])
                )
            elif how == 5:  # a number of any size in the place of a byte
                data[at : at + 1] = struct.pack(">BQ", 0xCF, pick.choice(NUMBERS))
            elif how == 6:
                del data[at : at + pick.randrange(1, 9)]
            else:
                data[at:at] = data[: pick.randrange(40)]
        return bytes(data)

    def next(self):
        pick = self.random
        head, body = self._good()
        kind = pick.random()
        if kind < 0.08:
            return [head, body]
        if kind < 0.82:
            return [self._mutate(head), body]
        if kind < 0.88:
            return [head, self._mutate(body)]
        return pick.choice(
            [
                lambda: [pick.randbytes(pick.randrange(300)), body],
                lambda: [head],
                lambda: [head, body, b"third"],
                lambda: [b"", b""],
                lambda: [b"\x91" * pick.randrange(1, 20000), b""],  # nested without an end
                lambda: [b"\x81" * 500 + head, b""],
                lambda: [b"\xdd\xff\xff\xff\xff" * 40, b""],  # arrays of 4 G items
                lambda: [head + b"\x00", body],
                lambda: [
                    wire.pack_head(
                        "REQUEST",
                        1,
                        {
                            **FIELDS["REQUEST"],
                            "deadline": wire.deadline_in(0.3),
                            "headers": [(b"x", b"y")] * pick.choice([128, 129, 500]),
                        },
                    ),
                    b"",
                ],
                lambda: [
                    wire.pack_head(
                        "RESPONSE",
                        1,
                        {"status": 200, "headers": [(b"x", b"v" * pick.choice([65536, 65537]))], "tags": []},
                    ),
                    b"",
                ],
                lambda: [b"\xc4" + bytes([200]) + b"x" * 200, b""],
                lambda: [b"\x93\x02\x06\x01" + b"\0" * pick.choice([1, 262140, 262141]), b""],
            ]
        )()


def is_good(parts):
    """Whether the page lets a receiver take it, by our own reading of the page."""
    try:
        if len(parts) != 2:
            return False
        wire.unpack_head(*parts)
        return True
    except wire.BadMessage:
        return False
