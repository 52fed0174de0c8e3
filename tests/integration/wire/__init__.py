"""The protocol between the stages in Python, written from proto/PROTOCOL.md alone.

Left asks a stage's instances, Right is an instance, read_stats reads an instance's counters.
"""

from .left import Left
from .messages import (
    BODY_MAX,
    HEAD_MAX,
    MARGIN,
    MESSAGES,
    NEWEST,
    OLDEST,
    BadMessage,
    Message,
    deadline_in,
    now,
    pack_head,
    unpack_head,
)
from .right import Right, Ticket
from .stats import read_stats

__all__ = [
    "BODY_MAX",
    "HEAD_MAX",
    "MARGIN",
    "MESSAGES",
    "NEWEST",
    "OLDEST",
    "BadMessage",
    "Left",
    "Message",
    "Right",
    "Ticket",
    "deadline_in",
    "now",
    "pack_head",
    "read_stats",
    "unpack_head",
]
