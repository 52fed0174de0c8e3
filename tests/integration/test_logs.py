"""`filmyfly logs`: one ordered stream of what all instances logged, over deaths and restarts, and from hostile files."""

import json
import os
import pwd
import shutil
import struct
import time

import pytest

from origin import Origin
from pipeline import Pipeline, wait_until
from taps import Follower, filmyfly

HEAD, SLOT, SLOTS = 512, 512, 512
MAGIC, FORMAT = 0x46696C6D794C6F67, 1


@pytest.fixture(scope="module")
def small(certificate):
    """Gateway, cacher, and two renderers that know no database; killed in these tests."""
    made = Pipeline("", certificate, renderers=0, dbproxies=0, deaths=True)
    with Origin(made.run_dir), made:
        for _ in range(2):
            made.add("renderer")
        made.wait_published()
        yield made


def objects(run_dir, *arguments):
    return [json.loads(line) for line in filmyfly(run_dir, "logs", "--json", *arguments)[1].splitlines()]


# One stream.


def test_all_instances_are_in_one_ordered_stream(small):
    lines = objects(small.run_dir, "--lines", "all")
    assert {line["instance"] for line in lines} == {str(each) for each in small.all()}
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    text = filmyfly(small.run_dir, "logs", "--lines", "all")[1]
    same = [f"{o['time']} {o['instance']} {o['level']}: {o['text']}" for o in lines]
    assert [line for line in text.splitlines() if line in same] == same  # others were written meanwhile


def test_it_says_what_standard_error_says(small):
    """From an instance's name on; what comes before that has only its stage's name there."""
    for instance in small.all():
        written = [line for line in instance.log().splitlines() if f"Z {instance} " in line]
        kept = filmyfly(small.run_dir, "logs", str(instance), "--lines", "all")[1].splitlines()
        assert written and set(written) <= set(kept)


def test_lines_are_chosen(small):
    renderers = objects(small.run_dir, "renderer", "--lines", "all")
    assert {line["instance"] for line in renderers} == {"renderer/t1", "renderer/t2"}
    one = objects(small.run_dir, "renderer/t2", "--lines", "all")
    assert one == [line for line in renderers if line["instance"] == "renderer/t2"] and one
    assert objects(small.run_dir, "renderer/t2", "--lines", "1") == one[-1:]
    assert objects(small.run_dir, "--lines", "0") == []
    assert all(line["level"] in ("error", "warning") for line in objects(small.run_dir, "--level", "warning"))
    found = objects(small.run_dir, "cacher", "--grep", "renderers? (is|are) looked for", "--lines", "all")
    assert found and all("are looked for" in line["text"] for line in found)
    assert objects(small.run_dir, "--grep", "nobody says this") == []


def test_what_is_asked_wrongly_is_said(small, tmp_path):
    for wrong in (["--level", "loud"], ["--grep", "("], ["--lines", "-1"], ["--lines", "many"], ["nonsense"]):
        status, out, err = filmyfly(small.run_dir, "logs", *wrong, check=False)
        assert status == 64 and not out and err.count("\n") == 1
    status, out, err = filmyfly(tmp_path, "logs", check=False)
    assert status == 2 and err.count("\n") == 1 and str(tmp_path) in err


# Deaths, restarts, and who comes new.


def test_following_survives_deaths_and_hears_newcomers(small):
    renderer = small["renderer"][0]
    with Follower(small.run_dir, "logs", "-f", "--json", "--lines", "0") as logs:
        before = renderer.pid
        time.sleep(0.3)
        small.kill(renderer)
        wait_until(lambda: renderer.pid != before and renderer.socket_path().exists(), 20, "the renderer is back")
        logs.wait(lambda o: o["instance"] == "renderer/t1" and o["pid"] == renderer.pid, what="the next life's line")
        small.add("renderer", "late")
        logs.wait(lambda o: o["instance"] == "renderer/late", what="the newcomer's line")
        small["cacher"][0].restart()
        logs.wait(lambda o: o["instance"] == "cacher/1" and o["text"] == "left", what="the last words")
        logs.wait(lambda o: o["instance"] == "cacher/1" and "takes requests" in o["text"], what="the first words")
        wait_until(lambda: small["cacher"][0].socket_path().exists(), 20, "the cacher is back")
        seen = [(line["instance"], line["time"]) for line in logs.objects()]
    # What a newcomer wrote before it had a ring is older than what was printed meanwhile: order is of each instance.
    for name in {instance for instance, _ in seen}:
        times = [when for instance, when in seen if instance == name]
        assert times == sorted(times), f"the lines of {name} are in order"


def test_what_a_killed_instance_said_is_kept(small):
    renderer = small["renderer"][1]
    old, said = renderer.pid, objects(small.run_dir, str(renderer), "--lines", "all")
    small.kill(renderer)
    wait_until(lambda: renderer.pid != old and renderer.socket_path().exists(), 20, "the renderer is back")
    lines = wait_until(
        lambda: [o for o in [objects(small.run_dir, str(renderer), "--lines", "all")] if o[-1]["pid"] == renderer.pid],
        10,
        "the next life has logged",
    )[0]
    assert lines[: len(said)] == said and {line["pid"] for line in lines} >= {old, renderer.pid}


# Files that are not as they should be.


def ring(lines, head=None):
    """A file as log_ring.h has it; lines: (time, level, bytes)."""
    slots = bytearray(SLOT * SLOTS)
    for number, (when, level, text) in enumerate(lines):
        slot = struct.pack("<QQIHH480s", 2 * number + 2, when, 77, level, len(text), text)
        slots[SLOT * number : SLOT * number + len(slot)] = slot
    head = head or struct.pack("<QIIIIQ", MAGIC, FORMAT, SLOTS, SLOT, 0, len(lines))
    return head.ljust(HEAD, b"\0") + bytes(slots)


@pytest.fixture
def run_dir(tmp_path):
    os.chmod(tmp_path, 0o755)
    (tmp_path / "renderer").mkdir()
    return tmp_path


def put(run_dir, name, data):
    path = run_dir / "renderer" / f"{name}.log"
    path.write_bytes(data)
    return path


def test_nothing_in_a_file_plays_with_the_terminal(run_dir):
    evil = [
        "red \x1b[31m",
        "title \x1b]0;owned\x07",
        "c1 \u009b31m",
        "turned \u202e\u2066",
        "two\nlines\r",
        "\u2028separated",
        "nul \0 del \x7f",
    ]
    raw = [b"not utf-8 \xff\xfe\xc0\x80\xed\xa0\x80", b"cut off \xe2\x82"]
    good = "é – 漢字 🎬"
    put(run_dir, "1", ring([(n, 2, text) for n, text in enumerate([t.encode() for t in evil] + raw + [good.encode()])]))
    text = filmyfly(run_dir, "logs")[1]
    assert len(text.splitlines()) == len(text.split("\n")) - 1 == len(evil) + len(raw) + 1
    assert all(c == "\n" or c.isprintable() for c in text) and good in text
    lines = objects(run_dir)
    assert lines[0]["text"] == "red ?[31m" and lines[2]["text"] == "c1 ?31m" and lines[-1]["text"] == good


def test_foreign_and_broken_files_are_named_and_left_out(run_dir):
    put(run_dir, "good", ring([(10**18, 2, b"well")]))
    put(run_dir, "short", ring([])[:100])
    put(run_dir, "foreign", b"# a text\n" * 100)
    put(run_dir, "next", ring([(1, 2, b"of another release")], struct.pack("<QIIIIQ", MAGIC, FORMAT + 1, SLOTS, SLOT, 0, 1)))
    put(run_dir, "cut", ring([(10**18, 2, b"half")])[: HEAD + 100])
    put(run_dir, "lies", ring([(10**18, 999, b"lies")], struct.pack("<QIIIIQ", MAGIC, FORMAT, SLOTS, SLOT, 0, 2**64 - 1)))
    (run_dir / "renderer" / "pipe.log").symlink_to("/dev/zero")
    os.mkfifo(run_dir / "renderer" / "fifo.log")
    status, out, err = filmyfly(run_dir, "logs", "--lines", "all")
    assert "renderer/good info: well" in out
    for name in ("short", "foreign", "next", "pipe", "fifo"):
        assert len([line for line in err.splitlines() if f"renderer/{name}.log" in line]) == 1, err
    assert "of another release" not in out and status == 0


def test_what_may_not_be_read_is_named_and_the_rest_is_shown(run_dir):
    put(run_dir, "open", ring([(1, 2, b"may be read")])).chmod(0o644)
    put(run_dir, "closed", ring([(1, 2, b"may not")])).chmod(0o600)
    hidden = run_dir / "cacher"
    hidden.mkdir(0o700)
    if os.geteuid() != 0:
        put(run_dir, "closed", b"").chmod(0)
        hidden.chmod(0)
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    for folder in (run_dir, *run_dir.parents):
        if user is not None and str(folder).startswith("/tmp/pytest"):
            folder.chmod(folder.stat().st_mode | 0o055)
    program = run_dir / "filmyfly"
    shutil.copy(os.path.join(os.environ.get("FILMYFLY_BUILD_DIR", ""), "bin", "filmyfly"), program)
    status, out, err = filmyfly(run_dir, "logs", user=user, program=str(program))
    assert "renderer/open info: may be read" in out and "may not" not in out and status == 0
    closed = [line for line in err.splitlines() if "renderer/closed.log" in line]
    folder = [line for line in err.splitlines() if str(hidden) in line]
    assert len(closed) == 1 and "Permission denied" in closed[0]
    assert len(folder) == 1 and "Permission denied" in folder[0]


def test_lines_that_were_overwritten_unread_are_told(run_dir):
    """A writer that fills the ring faster than it is read."""
    path = put(run_dir, "1", ring([(n, 2, b"line %d" % n) for n in range(5)]))
    with Follower(run_dir, "logs", "--follow", "--json", "--lines", "all") as logs:
        logs.wait(lambda o: o["text"] == "line 4")
        slots = b"".join(
            struct.pack("<QQIHH480s", 2 * n + 2, n, 77, 2, 8, b"overrun!").ljust(SLOT, b"\0") for n in range(1024, 1536)
        )
        with open(path, "r+b") as file:
            file.seek(HEAD)
            file.write(slots)
            file.seek(24)
            file.write(struct.pack("<Q", 1536))
        logs.wait(lambda o: o["text"] == "overrun!")
        wait_until(lambda: any("1019 lines of renderer/1 were overwritten" in line for line in logs.complaints), 10, "the loss is told")
