"""Our Left against our Right: the two halves of wire agree, in both protocols, before they judge the C stages."""

import threading

import pytest

import wire


class Instance:
    """A Right in a thread of its own."""

    def __init__(self, run_dir, on_request, **options):
        self.right = wire.Right(run_dir, "renderer", on_request, **options)
        self.stop, self.leave = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._loop)
        self.thread.start()

    def _loop(self):
        while not self.stop.is_set() and not self.right.left():
            self.right.turn(0.01)
            if self.leave.is_set():
                self.right.leave()
        self.right.close()

    def end(self):
        self.stop.set()
        self.thread.join()


def echo(ticket):
    ticket.respond(200, ticket.message.headers, ticket.message.body)


@pytest.mark.parametrize("protocols", [(1, 1), (1, 2)])
def test_request_and_answer_pass_whole(tmp_path, protocols):
    instance = Instance(str(tmp_path), echo, protocols=protocols)
    left = wire.Left(str(tmp_path), "renderer")
    headers = [(b"X-A", b"1"), (b"x-a", b"\xff\xfe"), (b"X-A", b"")]
    try:
        answer = left.get("/raw%zz?x", headers=headers, body=b"\0body")
        assert (answer.type, answer.status, answer.body) == ("RESPONSE", 200, b"\0body")
        assert answer.headers == [(b"host", b"localhost"), *headers]
        assert answer.protocol == protocols[1]
    finally:
        left.close()
        instance.end()


def test_a_dead_instances_requests_go_to_another(tmp_path):
    first = Instance(str(tmp_path), lambda ticket: None)  # answers nothing
    left = wire.Left(str(tmp_path), "renderer")
    answers = []
    left.submit(
        "REQUEST",
        {
            "deadline": wire.deadline_in(5),
            "method": "GET",
            "scheme": "http",
            "target": "/",
            "client": "",
            "headers": [],
            "trace": "",
        },
        answers.append,
    )
    while not first.right.tickets:
        left.turn(0.01)
    first.end()
    second = Instance(str(tmp_path), echo)
    try:
        while not answers:
            left.turn(0.01)
        assert answers[0].status == 200
    finally:
        left.close()
        second.end()


def test_leaving_is_told_and_answered_with_bye(tmp_path):
    instance = Instance(str(tmp_path), echo)
    left = wire.Left(str(tmp_path), "renderer")
    try:
        assert left.get("/").status == 200
        instance.leave.set()
        while instance.thread.is_alive():
            left.turn(0.01)
        assert instance.right.byes
        assert left.get("/", seconds=0.3).cause == "deadline"
    finally:
        left.close()
        instance.end()


def test_messages_that_break_a_rule_are_refused():
    good = wire.pack_head("HELLO", 0, dict(stage="a", instance="b", oldest=1, newest=2, credit=1, pid=1, release=""), 1)
    assert wire.unpack_head(good).stage == "a"
    for bad in (
        good[:-1],
        good + b"\0",
        b"",
        b"\x93\x03\x01\x00",
        b"\xdd\xff\xff\xff\xff",
        good.replace(b"\xa1a", b"\x01"),
    ):
        with pytest.raises(wire.BadMessage):
            wire.unpack_head(bad)
