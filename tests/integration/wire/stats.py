"""The file of an instance's counters (proto/counters.h)."""

import mmap
import struct

_HEAD = struct.Struct("=QIIQQ32s32s32s")
_COUNTER = struct.Struct("=40sIIQ64Q")


def read_stats(path):
    """{name: value}; of a histogram the number of its observations, and under "name/sum" their sum."""
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
