"""Heads of messages: the table of proto/PROTOCOL.md, packing, and a reader that checks every rule of the page."""

import dataclasses
import os
import struct
import time

import msgpack

OLDEST, NEWEST = 1, 2
HEAD_MAX = 262144
BODY_MAX = 4 << 20
U32, U64 = (1 << 32) - 1, (1 << 64) - 1

# name: (number, [(field, kind, limit, since)])
MESSAGES = {
    "HELLO": (
        1,
        [
            ("stage", "text", 64, 1),
            ("instance", "text", 64, 1),
            ("oldest", "uint", 255, 1),
            ("newest", "uint", 255, 1),
            ("credit", "uint", 1000000, 1),
            ("pid", "uint", U32, 1),
            ("release", "text", 64, 1),
        ],
    ),
    "PING": (2, []),
    "PONG": (3, [("credit", "uint", 1000000, 1), ("held", "uint", U32, 1)]),
    "LEAVE": (4, []),
    "BYE": (5, []),
    "REQUEST": (
        6,
        [
            ("deadline", "uint", U64, 1),
            ("method", "text", 64, 1),
            ("scheme", "text", 64, 1),
            ("target", "text", 8192, 1),
            ("client", "text", 64, 1),
            ("headers", "headers", 128, 1),
            ("trace", "text", 64, 2),
        ],
    ),
    "RESPONSE": (7, [("status", "uint", 999, 1), ("headers", "headers", 128, 1), ("tags", "tags", 512, 1)]),
    "QUERY": (8, [("deadline", "uint", U64, 1), ("batch", "batch", 16, 1), ("trace", "text", 64, 2)]),
    "RESULT": (9, [("tags", "tags", 512, 1)]),
    "BUSY": (10, [("retry_after", "uint", 3600, 1)]),
    "FAILED": (11, [("cause", "text", 64, 1), ("text", "text", 1024, 1)]),
    "REFUSED": (12, [("text", "text", 1024, 1)]),
}
NAMES = {number: name for name, (number, _) in MESSAGES.items()}
ANSWERS = ("RESPONSE", "RESULT", "BUSY", "FAILED", "REFUSED")

MARGIN = 0.02  # seconds by which the right neighbour's deadline is earlier


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
        return [
            value.decode("utf-8", "surrogateescape")
            for key, value in self.fields["headers"]
            if key.lower() == name.lower().encode()
        ]


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
    return _array(
        [
            _array([_raw(name), _array([b"\xc0" if p is None else _raw(p) for p in parameters])])
            for name, parameters in value
        ]
    )


def pack_head(kind, id_, fields, protocol=NEWEST):
    """Packs without checking limits, so that tests can break them."""
    number, table = MESSAGES[kind]
    items = [msgpack.packb(protocol), msgpack.packb(number), msgpack.packb(id_)]
    items += [_pack_field(field_kind, fields[name]) for name, field_kind, _, since in table if since <= protocol]
    return _array(items)


def check(right, why):
    if not right:
        raise BadMessage(why)


def _take_uint(value, limit, what):
    check(isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= limit, f"{what}: {value!r}")
    return value


def _take_text(value, limit, what):
    check(isinstance(value, bytes) and len(value) <= limit, f"{what}: {value!r:.100}")
    return value


def _take_list(value, most, what):
    check(isinstance(value, list) and len(value) <= most, f"{what}: {value!r:.100}")
    return value


def _take_batch(value, limit):
    batch = []
    for call in _take_list(value, limit, "batch"):
        check(isinstance(call, list) and len(call) == 2, "statement of a batch")
        parameters = [
            None if p is None else _take_text(p, 65536, "parameter") for p in _take_list(call[1], 32, "parameters")
        ]
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
    check(len(lines) % 2 == 0, "a header name without a value")
    return [
        (_take_text(lines[i], 256, "header name"), _take_text(lines[i + 1], 65536, "header value"))
        for i in range(0, len(lines), 2)
    ]


def unpack_head(head, body=b""):
    """Reads a head, checking every rule of the page; BadMessage says which one is broken."""
    check(len(head) <= HEAD_MAX, "head too long")
    try:
        items = msgpack.unpackb(head, raw=True, strict_map_key=False)
    except Exception as error:
        raise BadMessage(f"not msgpack: {error}") from None
    check(isinstance(items, list) and len(items) >= 3, "no array of three or more")
    protocol, number = _take_uint(items[0], U64, "protocol"), _take_uint(items[1], U64, "type")
    check(OLDEST <= protocol <= NEWEST, f"protocol {protocol}")
    check(number in NAMES, f"type {number}")
    table = [row for row in MESSAGES[NAMES[number]][1] if row[3] <= protocol]
    check(len(items) == 3 + len(table), f"{NAMES[number]} with {len(items) - 3} fields")
    fields = {name: _take_field(name, kind, limit, value) for (name, kind, limit, _), value in zip(table, items[3:])}
    return Message(NAMES[number], _take_uint(items[2], U64, "id"), fields, protocol, body)


def hello(stage, instance, credit, protocols):
    fields = {
        "stage": stage,
        "instance": instance,
        "oldest": protocols[0],
        "newest": protocols[1],
        "credit": credit,
        "pid": os.getpid(),
        "release": "python",
    }
    return pack_head("HELLO", 0, fields, 1)


def common_protocol(message, protocols):
    """The protocol that both speak; BadMessage when there is none."""
    newest = min(message.newest, protocols[1])
    check(newest >= max(message.oldest, protocols[0]), "no protocol in common")
    return newest
