#!/usr/bin/python3
"""A second renderer, in another language, written from proto/PROTOCOL.md alone: movie pages, and pages for tests.

    python_renderer.py --run-dir DIR [--instance NAME] [--protocol 1]
"""

import argparse
import html
import itertools
import json
import os
import signal
import sys
import time
import urllib.parse

import msgpack
import zmq

import wire

TEXT, HTML = (b"content-type", b"text/plain; charset=utf-8"), (b"content-type", b"text/html; charset=utf-8")


class Renderer:
    def __init__(self, run_dir, instance, protocols):
        self.right = wire.Right(run_dir, "renderer", self.on_request, instance, protocols=protocols)
        self.dbproxies = wire.Left(run_dir, "dbproxy", "renderer", self.right.instance, protocols)
        self.name = f"python-{os.getpid()}"
        self.cookies = itertools.count(1)
        self.asked = {}  # target: how often it was asked for in this life
        self.late = []  # (when, ticket, function)
        self.leaving = False
        self.pages = {
            "cookie": self.cookie,
            "echo": self.echo,
            "status": self.status,
            "slow": self.slow,
            "vary": self.vary,
            "private": self.private,
            "large": self.large,
            "headers": self.headers,
            "hangup": self.hangup,
            "never": self.never,
            "asked": self.how_often,
            "die": self.die,
        }

    def loop(self):
        while not self.right.left():
            soonest = min((late[0] for late in self.late), default=1e18) - time.monotonic()
            zmq.select([self.right.socket, *self.dbproxies.sockets()], [], [], min(max(soonest, 0), 0.02))
            self.dbproxies.turn()
            self.right.turn()
            due = [late for late in self.late if late[0] <= time.monotonic()]
            self.late = [late for late in self.late if late not in due]
            for _, ticket, answer in due:
                answer(ticket)
            if self.leaving:
                self.right.leave()
        self.dbproxies.close()
        self.right.close()

    def leave(self, *_):
        self.leaving = True

    def on_request(self, ticket):
        target = ticket.message.target
        self.asked[target] = self.asked.get(target, 0) + 1
        path, _, query = target.partition("?")
        words = path.split("/")[1:]
        ticket.query = dict(urllib.parse.parse_qsl(query))
        ticket.words = words
        if len(words) >= 2 and words[0] == "py" and words[1] in self.pages:
            self.pages[words[1]](ticket)
        elif len(words) == 2 and words[0] == "movie":
            self.movie(ticket, words[1])
        else:
            self.answer(ticket, 404, b"no such page\n")

    def answer(self, ticket, status, body, *lines, tags=()):
        headers = [line for line in lines if line[0] != b"content-type"]
        kind = next((line for line in lines if line[0] == b"content-type"), TEXT)
        ticket.respond(status, [kind, (b"x-renderer", self.name.encode()), *headers], body, tags)

    def later(self, ticket, milliseconds, function):
        self.late.append((time.monotonic() + milliseconds / 1000, ticket, function))

    # Pages of the catalogue.

    def movie(self, ticket, slug):
        def on_rows(message):
            if message.type != "RESULT":
                why = message.fields.get("text", message.type)
                ticket.respond(503, [TEXT, (b"retry-after", b"1")], f"no rows: {why}\n".encode())
                return
            (columns, rows, _), *_ = msgpack.unpackb(message.body, raw=False)
            if not rows:
                self.answer(ticket, 404, b"no such movie\n", tags=message.tags)
                return
            row = dict(zip(columns, rows[0]))
            title = html.escape(str(row["title"]))
            link = html.escape(f"/movie/{slug}")
            facts = "".join(
                f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>" for name, value in row.items()
            )
            page = (
                f"<!doctype html><html lang=en><title>{title}</title><link rel=canonical href={link}><h1>{title}</h1>"
                f"<dl>{facts}</dl></html>\n"
            )
            self.answer(ticket, 200, page.encode(), HTML, tags=message.tags)

        fields = {
            "deadline": ticket.message.deadline - int(wire.MARGIN * 1e9),
            "batch": [("movie", [slug])],
            "trace": ticket.message.fields.get("trace", ""),
        }
        self.dbproxies.submit("QUERY", fields, on_rows)

    # Pages for tests.

    def cookie(self, ticket):
        value = f"{self.name}-{next(self.cookies)}"
        line = (b"set-cookie", f"visitor={value}; Path=/".encode())
        self.later(
            ticket, 100, lambda late: self.answer(late, 200, value.encode(), line, (b"cache-control", b"max-age=60"))
        )

    def echo(self, ticket):
        """All that came, as JSON; bytes that are no UTF-8 as surrogates."""
        message = ticket.message
        told = {name: value for name, value in message.fields.items() if name not in ("headers", "deadline")}
        told["headers"] = [[part.decode("utf-8", "surrogateescape") for part in line] for line in message.headers]
        told["body"] = message.body.hex()
        told["protocol"] = message.protocol
        told["left"] = (message.deadline - wire.now()) / 1e9
        self.answer(ticket, 200, json.dumps(told).encode(), (b"content-type", b"application/json"))

    def status(self, ticket):
        self.answer(ticket, int(ticket.words[2]), b"status\n")

    def slow(self, ticket):
        asked = str(self.asked[ticket.message.target]).encode()
        self.later(
            ticket,
            int(ticket.query.get("ms", 300)),
            lambda late: self.answer(late, 200, b"slow\n", (b"x-asked", asked), (b"cache-control", b"max-age=60")),
        )

    def vary(self, ticket):
        said = (ticket.message.header("x-flavour") or "plain").encode()
        self.later(
            ticket,
            200,
            lambda late: self.answer(late, 200, said, (b"vary", b"X-Flavour"), (b"cache-control", b"max-age=60")),
        )

    def private(self, ticket):
        body = f"{next(self.cookies)}".encode()
        self.later(ticket, 200, lambda late: self.answer(late, 200, body, (b"cache-control", b"private")))

    def large(self, ticket):
        self.answer(
            ticket, 200, (b"0123456789abcdef" * (int(ticket.query["bytes"]) // 16 + 1))[: int(ticket.query["bytes"])]
        )

    def headers(self, ticket):
        self.answer(
            ticket,
            200,
            b"headers\n",
            (b"x-twice", b"one"),
            (b"x-other", b"a  b\tc"),
            (b"x-twice", b'two, "three"'),
            (b"X-Capitals", b"kept"),
            (b"x-bytes", b"\xe9\xff"),
            (b"x-empty", b""),
            (b"link", b"</a>; rel=x"),
            (b"link", b"</b>; rel=y"),
        )

    def hangup(self, ticket):
        ticket.fail("hangup", "the test wants it")

    def never(self, ticket):
        """Keeps its ticket until the deadline is over."""

    def how_often(self, ticket):
        self.answer(
            ticket, 200, str(self.asked.get(ticket.query["target"], 0)).encode(), (b"cache-control", b"no-store")
        )

    def die(self, _ticket):
        os.abort()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--run-dir", default=os.environ.get("FILMYFLY_RUN_DIR", "var/run"))
    parser.add_argument("--instance", default=os.environ.get("FILMYFLY_INSTANCE"))
    parser.add_argument("--protocol", type=int, default=wire.NEWEST, help="the newest that it says it speaks")
    options = parser.parse_args()
    renderer = Renderer(options.run_dir, options.instance or None, (wire.OLDEST, options.protocol))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, renderer.leave)
    print(f"renderer/{renderer.right.instance} takes requests", file=sys.stderr, flush=True)
    renderer.loop()


if __name__ == "__main__":
    main()
