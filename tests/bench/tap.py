#!/usr/bin/env python3
"""What the tap costs while nobody looks on: instructions of proto/frame.c and messages.c for each message, counted by callgrind.

    tests/bench/tap.py [--messages 2000]

The same program twice, with the tap and without it (-DFILMYFLY_NO_TAP); only the instructions of these two
files' own functions are counted, since what libzmq does for a message varies. With a watcher attached is printed too. The exit
status is 1 when the tap costs anything.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
SOURCES = ("buffer", "counters", "frame", "log", "log_ring", "messages", "reader")
BODIES = (0, 6000)


def build(folder, name, *flags):
    program = folder / name
    libraries = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libzmq", "msgpack"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.split()
    subprocess.run(
        [
            *("gcc", "-std=gnu17", "-O2", "-g", "-D_GNU_SOURCE", '-DFILMYFLY_RELEASE="bench"', *flags),
            f"-I{REPO / 'proto'}",
            str(REPO / "tests" / "bench" / "tap.c"),
            *(str(REPO / "proto" / f"{source}.c") for source in SOURCES),
            *("-o", str(program), *libraries, "-lpthread"),
        ],
        check=True,
    )
    return program


def count(folder, program, messages, body, *more):
    """Instructions of all messages."""
    out = folder / "callgrind.out"
    subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", str(program), str(messages), str(body), *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    text = subprocess.run(
        ["callgrind_annotate", "--threshold=100", "--show-percs=no", str(out)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    found = re.findall(r"^\s*([\d,]+)\s+\S*(?:frame|messages)\.c:\S+", text, re.M)
    return sum(int(number.replace(",", "")) for number in found)


def a_message(folder, program, messages, body, *more):
    """The start costs too: the difference of two runs is what messages cost."""
    whole = count(folder, program, 2 * messages, body, *more) - count(folder, program, messages, body, *more)
    return whole / messages


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--messages", type=int, default=2000)
    messages = parser.parse_args().messages
    dearer = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with_tap, without = build(folder, "with"), build(folder, "without", "-DFILMYFLY_NO_TAP")
        print("instructions to write and read one message:")
        print("body bytes   without the tap   with it, nobody attached   with a watcher")
        for body in BODIES:
            figures = (
                a_message(folder, without, messages, body),
                a_message(folder, with_tap, messages, body),
                a_message(folder, with_tap, messages, body, "watched"),
            )
            dearer |= figures[1] > figures[0]
            print("{:10d}   {:15.1f}   {:24.1f}   {:14.1f}".format(body, *figures))
    return 1 if dearer else 0


if __name__ == "__main__":
    sys.exit(main())
