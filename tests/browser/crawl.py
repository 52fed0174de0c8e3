"""Walks every link of the site over HTTP/2, and notes what a visitor, a browser or a search engine would stumble over.

Bounded: `limit` addresses in all, the kinds of pages taking turns, so that a small walk has seen each; `limits` says more
for a kind. Complaints are kept by subject, each with the address and the page that led there.
"""

import asyncio
import collections
import json
import re
import urllib.parse
import xml.etree.ElementTree as ET

import httpx

from page import Page

ATOM = "{http://www.w3.org/2005/Atom}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
TYPES = {"html": "text/html; charset=utf-8", "svg": "image/svg+xml", "css": "text/css", "js": "text/javascript", "png": "image/png",
         "ico": "image/x-icon", "json": "application/json", "webmanifest": "application/manifest+json"}
XML_TYPES = {"feed": "application/atom+xml", "sitemap": "application/xml"}
ENCODING = {"accept-encoding": "gzip"}
JSON_LINKS = {"next", "previous", "prev", "first", "last", "self", "url", "href", "poster", "page"}


def kind_of(address):
    """Of an address without the site's part: the page type, and whether it is a later page or has filters."""
    path, _, query = address.partition("?")
    name = path.split("/")[1] or "home"
    if name in ("robots.txt", "feed.xml"):
        return name.partition(".")[0]
    if name in ("sitemap", "sitemap.xml"):
        return "sitemap"
    if name == "api":
        return "api page" if query else "api"
    if name == "movies" and re.search("page=|after=", query) and not re.search("(category|decade|year|certificate|score|sort)=", query):
        return "movies page"
    return f"{name} {'filter' if name == 'movies' else 'page'}" if query else name


class Seen:
    """One answer."""

    def __init__(self, address, source, answer):
        self.address, self.source, self.kind = address, source, kind_of(address)
        self.status, self.headers = answer.status_code, answer.headers
        self.version, self.wire, self.body = answer.http_version, answer.num_bytes_downloaded, answer.content
        self.type = answer.headers.get("content-type", "")
        self.page = None

    @property
    def saved(self):
        """The share of the body that gzip took away."""
        return 1 - self.wire / len(self.body) if self.body else 0


class Crawl:
    def __init__(self, site, limit, limits=None):
        self.site, self.limit, self.limits = site, limit, limits or {}
        self.seen = {}  # address → Seen
        self.complaints = collections.defaultdict(list)
        self.in_sitemap = {}
        self._queues, self._known, self._turn = {}, set(), 0
        self._count = collections.Counter()

    def complain(self, subject, seen, text):
        self.complaints[subject].append(f"{seen.address} (from {seen.source}): {text}")

    def pages(self, kind=None):
        return [seen for seen in self.seen.values() if seen.page and kind in (None, seen.kind)]

    def addresses(self, kind):
        return [seen for seen in self.seen.values() if seen.kind == kind]

    # The walk.

    def add(self, address, source):
        address = address.partition("#")[0]
        if address not in self._known:
            self._known.add(address)
            self._queues.setdefault(kind_of(address), collections.deque()).append((address, source))

    def _next(self):
        kinds = [kind for kind, queue in self._queues.items() if queue and self._count[kind] < self.limits.get(kind, self.limit)]
        if not kinds or sum(self._count.values()) >= self.limit:
            return None
        kind = min(kinds, key=lambda kind: self._count[kind])
        self._count[kind] += 1
        return self._queues[kind].popleft()

    def run(self, seeds=("/", "/robots.txt"), at_once=4):
        async def worker(client, busy):
            while True:
                found = self._next()
                if found:
                    busy.add(found)
                    try:
                        answer = await client.get(self.site + found[0], headers=ENCODING)
                        self.take(Seen(*found, answer))
                    finally:
                        busy.discard(found)
                elif busy:
                    await asyncio.sleep(0.002)  # another's answer may have links
                else:
                    return

        async def walk():
            busy = set()
            async with httpx.AsyncClient(http2=True, verify=False, timeout=20) as client:
                await asyncio.gather(*(worker(client, busy) for _ in range(at_once)))

        for seed in seeds:
            self.add(seed, "the start")
        asyncio.run(walk())
        return self

    # One answer.

    def take(self, seen):
        self.seen[seen.address] = seen
        if seen.version != "HTTP/2":
            self.complain("links", seen, f"answered over {seen.version}")
        if seen.status != 200:
            self.complain("links", seen, f"{seen.status} {seen.headers.get('location', '')}".strip())
            return
        if b"\0" in seen.body and "image/png" not in seen.type:
            self.complain("types", seen, "a NUL in the body")
        if seen.type.startswith("text/html"):
            self.take_html(seen)
        elif "json" in seen.type:
            self.take_json(seen)
        elif "xml" in seen.type:
            self.take_xml(seen)
        elif seen.kind == "robots":
            for line in seen.body.decode().splitlines():
                name, _, value = line.partition(":")
                if name.strip().lower() == "sitemap":
                    self.follow(seen, value.strip(), "links")
        self.check_type(seen)

    def follow(self, seen, address, subject):
        """An address of the site, in a page or a file of it, is walked too; returns it without the site's part."""
        whole = urllib.parse.urljoin(self.site + seen.address, address)
        if not whole.startswith(self.site + "/"):
            self.complain(subject, seen, f"leads outside: {address}")
            return None
        local = whole[len(self.site):]
        self.add(local, seen.address)
        return local

    def check_type(self, seen):
        path = seen.address.partition("?")[0]
        suffix = path.rpartition(".")[2] if "." in path.rpartition("/")[2] else "html"
        wanted = XML_TYPES.get(seen.kind) or ("application/json" if seen.kind.startswith(("api", "suggest")) else TYPES.get(suffix))
        if suffix == "txt":
            wanted = "text/plain"
        elif "speculation" in path:
            wanted = "application/speculationrules+json"
        if not wanted or not seen.type.lower().startswith(wanted):
            self.complain("types", seen, f"has the type {seen.type}, expected {wanted}")

    def take_html(self, seen):
        page = seen.page = Page(seen.body.decode("utf-8"))
        page.hrefs = []  # where its links lead on the site
        for link in page.links:
            if "external" in link.rel and seen.kind == "movie" and link.address.startswith(("https://", "http://")):
                continue
            local = self.follow(seen, link.address, "outside")
            page.hrefs.append(local)
            if local == seen.address.partition("#")[0] and link.address.startswith("#") and link.address[1:] not in page.ids:
                self.complain("links", seen, f"{link.address} is nowhere in it")
        for address in page.assets + page.alternates:
            self.follow(seen, address, "outside")
        if "speculation-rules" in seen.headers:
            for address in seen.headers["speculation-rules"].split(","):
                self.follow(seen, address.strip().strip('"'), "outside")
        self.check_head(seen, page)
        for what in page.inline:
            self.complain("inline", seen, what)
        for image in page.images:
            if "alt" not in image or not image.get("width", "").isdigit() or not image.get("height", "").isdigit():
                self.complain("images", seen, f"an img without alt, width or height: {image}")
        try:
            page.json_ld()
        except ValueError as error:
            self.complain("json", seen, f"its JSON-LD is none: {error}")

    def check_head(self, seen, page):
        if page.lang != "en":
            self.complain("head", seen, f"lang is {page.lang!r}")
        if not page.title.strip():
            self.complain("head", seen, "has no title")
        if not 20 <= len(page.meta.get("description", "")) <= 400 and not page.noindex:
            self.complain("head", seen, f"its description is {page.meta.get('description', '')!r}")
        for name, number in (("h1", 1), ("main", 1), ("title", 1)):
            if page.tags.get(name, 0) - (page.tags.get("svg", 0) if name == "title" else 0) > number or not page.tags.get(name):
                self.complain("head", seen, f"has {page.tags.get(name, 0)} of {name}")
        if page.doubled:
            self.complain("head", seen, f"ids twice: {page.doubled}")
        if page.noindex:
            if len(page.canonical) > 1:
                self.complain("canonical", seen, f"{len(page.canonical)} canonical links")
        elif len(page.canonical) != 1:
            self.complain("canonical", seen, f"{len(page.canonical)} canonical links")
        for canonical in page.canonical:
            if not canonical.startswith(self.site + "/"):
                self.complain("canonical", seen, f"its canonical link is {canonical}")
            else:
                self.add(canonical[len(self.site):], seen.address)

    def take_json(self, seen):
        def walk(value, key):
            if isinstance(value, dict):
                for name, inner in value.items():
                    walk(inner, name)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner, key)
            elif key in JSON_LINKS and isinstance(value, str) and value.startswith(("/", self.site + "/")):
                self.follow(seen, value, "links")

        try:
            value = json.loads(seen.body)
        except ValueError as error:
            self.complain("json", seen, str(error))
            return
        if "openapi" in seen.address:
            self.take_openapi(seen, value)
        else:
            walk(value, "")

    def take_openapi(self, seen, value):
        """The addresses that it describes and that need nothing filled in."""
        for path, item in value["paths"].items():
            parameters = item.get("parameters", []) + item.get("get", {}).get("parameters", [])
            if "{" not in path and "get" in item and not any(parameter.get("required") for parameter in parameters):
                self.follow(seen, path, "links")

    def take_xml(self, seen):
        try:
            root = ET.fromstring(seen.body)
        except ET.ParseError as error:
            self.complain("xml", seen, str(error))
            return
        if seen.kind == "sitemap":
            for loc in root.iter(f"{MAP}loc"):
                local = self.follow(seen, (loc.text or "").strip(), "outside")
                if local and root.tag == f"{MAP}urlset":
                    self.in_sitemap.setdefault(local, []).append(seen.address)
        elif root.tag == f"{ATOM}feed":
            for link in root.iter(f"{ATOM}link"):
                self.follow(seen, link.get("href", ""), "outside")
        elif "svg" in seen.type:
            for element in root.iter():
                name = element.tag.rpartition("}")[2]
                if name in ("script", "foreignObject", "image", "a") or any(
                        key.startswith("on") or key.endswith("href") and not value.startswith("#") for key, value in element.attrib.items()):
                    self.complain("inline", seen, f"a picture with <{name} {element.attrib}>")

    # Afterwards.

    def judge_sitemap(self):
        for address, files in self.in_sitemap.items():
            seen = self.seen.get(address)
            if len(files) > 1:
                self.complaints["sitemap"].append(f"{address} is in {files}")
            if not seen or seen.status != 200:
                continue
            if seen.page and seen.page.noindex:
                self.complain("sitemap", seen, "is in the sitemap and says noindex")
            if seen.page and seen.page.canonical != [self.site + address]:
                self.complain("sitemap", seen, f"is in the sitemap and its canonical link is {seen.page.canonical}")
        for seen in self.pages():
            if seen.page.canonical == [self.site + seen.address] and not seen.page.noindex and "?" not in seen.address \
                    and seen.kind != "search" and seen.address not in self.in_sitemap:
                self.complain("sitemap", seen, "may be indexed and is in no sitemap")
