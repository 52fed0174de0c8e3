"""An origin whose answers a test decides: the Python side of a renderer, in a thread of the test's own process.

    with Origin(pipeline.run_dir) as origin:
        origin.pages["/a"] = Page(headers=[("cache-control", "max-age=60")])
        origin.pages["/b"] = [Page(body=b"first"), FAILED, Page(body=b"and from then on")]
        origin.pages["/c"] = lambda message: Page(body=message.target.encode())
        …
        assert origin.count("/a") == 1 and origin.asked["/a"][0].header("cookie") is None

A target is matched as it arrives, with its query; without an answer of its own it is 404 and not to be stored.
"""

import collections
import dataclasses
import itertools
import threading
import time

import zmq

import wire


@dataclasses.dataclass
class Page:
    status: int = 200
    headers: list = dataclasses.field(default_factory=list)  # lines in order; repeated ones are sent so
    body: bytes = b"page\n"
    delay: float = 0.0  # seconds
    tags: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Failed:
    """No answer of the origin: FAILED with that cause."""

    cause: str = "hangup"
    delay: float = 0.0


FAILED = Failed()
HANG = object()  # never answered


def cached(body=b"page\n", control="max-age=60", *lines, **more):
    """A page with that Cache-Control."""
    return Page(body=body, headers=[("cache-control", control), *lines], **more)


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


class Origin:
    """credit: requests that it takes at once."""

    def __init__(self, run_dir, instance="origin", credit=4096):
        self.run_dir, self.instance, self.credit = str(run_dir), instance, credit
        self.pages = {"/py/status/200": Page()}
        self.asked = collections.defaultdict(list)  # target: messages, in order
        self.at_once = collections.Counter()  # target: the most that were waiting for an answer together
        self._waiting = collections.Counter()
        self._late = []  # (when, number, ticket, answer)
        self._number = itertools.count()
        self._end = threading.Event()
        self._thread = None
        self._error = None

    def start(self):
        ready = threading.Event()
        self._end.clear()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError(f"the origin did not start: {self._error}")
        return self

    def stop(self):
        """Goes at once, like one that died: what it holds is not answered."""
        self._end.set()
        self._thread.join(10)
        if self._error:
            raise self._error

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def count(self, target):
        return len(self.asked[target])

    def _run(self, ready):
        try:
            right = wire.Right(self.run_dir, "renderer", self._on_request, self.instance, self.credit)
            ready.set()
            while not self._end.is_set():
                soonest = min((late[0] for late in self._late), default=1e18) - time.monotonic()
                zmq.select([right.socket], [], [], min(max(soonest, 0), 0.02))
                right.turn()
                due = sorted(late for late in self._late if late[0] <= time.monotonic())
                self._late = [late for late in self._late if late not in due]
                for _, _, ticket, answer in due:
                    self._answer(ticket, answer)
            self._late = []
            right.close()
        except Exception as error:
            self._error = error

    def _page(self, message):
        page = self.pages.get(message.target)
        if isinstance(page, list):
            page = page.pop(0) if len(page) > 1 else page[0]
        if callable(page):
            page = page(message)
        return page or Page(404, [("cache-control", "no-store")], b"no such page\n")

    def _on_request(self, ticket):
        target = ticket.message.target
        self.asked[target].append(ticket.message)
        page = self._page(ticket.message)
        self._waiting[target] += 1
        self.at_once[target] = max(self.at_once[target], self._waiting[target])
        if page is HANG:
            return
        if page.delay:
            self._late.append((time.monotonic() + page.delay, next(self._number), ticket, page))
        else:
            self._answer(ticket, page)

    def _answer(self, ticket, page):
        self._waiting[ticket.message.target] -= 1
        if isinstance(page, Failed):
            ticket.fail(page.cause, "the test wants it")
            return
        lines = [(to_bytes(name), to_bytes(value)) for name, value in page.headers]
        ticket.respond(page.status, lines, page.body, page.tags)
