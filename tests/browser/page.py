"""One HTML page, read with Python's own parser: its text, its links, and what it must not have."""

import dataclasses
import html.parser
import json

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# Attributes that make a browser fetch something, and those that lead somewhere.
FETCHED = {("img", "src"), ("script", "src"), ("source", "src"), ("video", "src"), ("video", "poster"), ("audio", "src"), ("iframe", "src"),
           ("embed", "src"), ("object", "data"), ("input", "src"), ("use", "href"), ("image", "href")}
LED_TO = {("a", "href"), ("area", "href"), ("form", "action"), ("button", "formaction")}
LINK_FETCHED = {"stylesheet", "icon", "apple-touch-icon", "preload", "modulepreload", "manifest", "prefetch"}


@dataclasses.dataclass
class Link:
    tag: str
    address: str
    rel: tuple


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.links, self.assets, self.canonical, self.alternates = [], [], [], []
        self.ids, self.tags, self.inline, self.scripts, self.images = set(), {}, [], [], []
        self.doubled, self.lang, self.title, self.h1, self.meta = [], None, "", "", {}
        self.data = []  # texts of <script type="application/ld+json">
        self.text = ""  # what a visitor may read
        self._open = []
        self.source = text
        self.feed(text)
        self.close()

    @property
    def noindex(self):
        return "noindex" in self.meta.get("robots", "")

    def json_ld(self):
        """Each parsed; ValueError when one is not JSON."""
        return [json.loads(text) for text in self.data]

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if tag == "html":
            self.lang = values.get("lang")
        if "id" in values:
            if values["id"] in self.ids:
                self.doubled.append(values["id"])
            self.ids.add(values["id"])
        self.inline += [f"<{tag} {name}>" for name in values if name == "style" or name.startswith("on")]
        if tag == "style":
            self.inline.append("<style>")
        rel = tuple(values.get("rel", "").lower().split())
        for name, value in values.items():
            if (tag, name) in LED_TO:
                self.links.append(Link(tag, value, rel))
            elif (tag, name) in FETCHED:
                self.assets.append(value)
            elif name in ("srcset", "imagesrcset"):
                self.assets += [part.split()[0] for part in value.split(",") if part.strip()]
        if tag == "link" and "canonical" in rel:
            self.canonical.append(values.get("href", ""))
        elif tag == "link" and "alternate" in rel:
            self.alternates.append(values.get("href", ""))
        elif tag == "link" and LINK_FETCHED & set(rel):
            self.assets.append(values.get("href", ""))
        if tag == "meta":
            name = values.get("name", values.get("property", ""))
            if not (name in self.meta and values.get("media")):
                self.meta[name] = values.get("content", "")
        if tag == "img":
            self.images.append(values)
        if tag == "script":
            kind = values.get("type", "")
            if "src" in values:
                self.scripts.append(values["src"])
            elif kind not in ("application/ld+json",):
                self.inline.append(f"<script type={kind!r}>")
            if kind == "application/ld+json":
                self.data.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        inside = self._open[-1] if self._open else ""
        if inside == "script":
            if self.data:
                self.data[-1] += data
        elif inside == "title" and "svg" not in self._open:
            self.title += data
        elif inside != "style":
            self.text += data
            if "h1" in self._open:
                self.h1 += data
