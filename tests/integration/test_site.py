"""The public site from outside, over HTTP/2: every link leads somewhere, every page is valid, light and of this site alone, and no text
that the database or a visitor brings is ever more than text.

Valid HTML is judged by html-validate and not by Debian's tidy: tidy 5.6 is of 2017, takes <search>, loading="lazy" and <div> in <dl> for
errors, and mends <div> in <ul> without a word.
"""

import collections
import json
import re
import ssl
import sys
import unicodedata
import urllib.parse
import xml.etree.ElementTree as ET

import httpx
import pytest

import client
from pipeline import BUILD, REPO, wait_until

sys.path.insert(0, str(REPO / "tests" / "browser"))
from crawl import ATOM, Crawl  # noqa: E402
from naughty import ESCAPED, RUN, TEXTS  # noqa: E402
from page import Page  # noqa: E402
from site_under_test import Site, keep_naughty  # noqa: E402
from tools import HERE, Tools  # noqa: E402

KINDS = {"home", "movies", "movies page", "movies filter", "category", "category page", "movie", "person", "search", "about", "legal", "poster", "static",
         "sitemap", "feed", "robots", "api", "api page"}
KB = 1024
TWO_PACKETS = 2 * 1400


def few(complaints, most=12):
    """A list as a message that can be read."""
    return f"{len(complaints)} complaints:\n" + "\n".join(complaints[:most])


@pytest.fixture(scope="module", name="site")
def fixture_site(cluster, certificate):
    with Site(cluster, certificate, "site_crawled") as site:
        yield site
        faults = site.pipeline.faults()
        assert not faults, "\n".join(faults)


@pytest.fixture(scope="module", name="crawl")
def fixture_crawl(site):
    crawl = Crawl(site.url, 1500).run()
    crawl.judge_sitemap()
    return crawl


@pytest.fixture(scope="module", name="browser")
def fixture_browser():
    with httpx.Client(http2=True, verify=False, timeout=20) as client:
        yield client


# The walk.

def test_every_link_leads_somewhere(crawl):
    assert not crawl.complaints["links"], few(crawl.complaints["links"])
    kinds = {seen.kind for seen in crawl.seen.values()}
    assert kinds >= KINDS, f"no link leads to {sorted(KINDS - kinds)}; {len(crawl.seen)} addresses of {sorted(kinds)}"
    assert len(crawl.seen) == crawl.limit


def test_a_pager_leads_to_every_page(crawl, site):
    slug, movies = site.query("SELECT slug, movies FROM filmyfly.categories ORDER BY movies LIMIT 1 OFFSET 5")[0]
    pages = {f"/category/{slug}"} | {f"/category/{slug}?page={n}" for n in range(2, -(-int(movies) // 36) + 1)}
    walk = Crawl(site.url, 200, {"movie": 0, "poster": 0, "static": 0, "movies filter": 0, "movies": 0, "movies page": 0, "person": 0, "api": 0}).run(
        [f"/category/{slug}"])
    found = {seen.address for seen in walk.pages() if seen.address.startswith(f"/category/{slug}") and "?" not in seen.address.replace("?page=", "")}
    assert found == pages
    shown = [link for page in pages for link in set(walk.seen[page].page.hrefs) if link and link.startswith("/movie/")]
    assert len(shown) == len(set(shown)) == int(movies)


@pytest.mark.parametrize("subject", ["outside", "canonical", "head", "inline", "types", "images", "json", "xml", "sitemap"])
def test_no_page_has_a_fault(crawl, subject):
    assert not crawl.complaints[subject], few(crawl.complaints[subject])


def test_links_of_a_movie_to_the_outside_say_so(browser, site):
    slug = site.value("SELECT slug FROM filmyfly.movies ORDER BY votes DESC LIMIT 1")
    site.cluster.psql("""UPDATE filmyfly.movies SET links = '{"wikipedia": "https://en.wikipedia.org/wiki/X?a=1&b=2"}' """
                      f"WHERE slug = '{slug}'", site.name)

    def outside():
        return [link for link in Page(browser.get(f"{site.url}/movie/{slug}").text).links if not link.address.startswith(("/", "#"))]

    links = wait_until(outside, 10, "the page has the link")
    assert [link.address for link in links] == ["https://en.wikipedia.org/wiki/X?a=1&b=2"] and "external" in links[0].rel


def validate(folder, pages):
    """What html-validate says of pages, as lines."""
    names = {}
    for n, seen in enumerate(pages):
        path = folder / f"{n}.html"
        path.write_bytes(seen.body)
        names[str(path)] = seen.address
    done = Tools(BUILD).run("html-validate", "--formatter", "json", "--config", HERE / "htmlvalidate.json", str(folder / "*.html"))
    assert done.stdout, done.stderr
    return [f"{names[result['filePath']]}:{message['line']}: {message['message']} ({message['ruleId']})"
            for result in json.loads(done.stdout) for message in result["messages"]]


def of_each_kind(crawl, most):
    by_kind = collections.defaultdict(list)
    for seen in crawl.pages():
        by_kind[seen.kind].append(seen)
    return [seen for pages in by_kind.values() for seen in pages[:most]]


def test_html_is_valid(crawl, tmp_path):
    complaints = validate(tmp_path, of_each_kind(crawl, 15))
    assert not complaints, few(complaints)


def test_pages_of_errors_are_valid_and_stay_out_of_search_engines(browser, site, tmp_path):
    for n, (target, status) in enumerate((("/movie/no-such-movie", 404), ("/category/none", 404), ("/person/nobody-at-all", 404), ("/nothing", 404),
                                          ("/movies?page=0", 400), ("/movies?page=x", 400), ("/movies?score=high", 400))):
        answer = browser.get(site.url + target)
        page = Page(answer.text)
        assert answer.status_code == status, f"{target}: {answer.status_code}"
        assert page.noindex and not page.canonical and not page.inline, target
        (tmp_path / f"{n}.html").write_text(answer.text, "utf-8")
    done = Tools(BUILD).run("html-validate", "--config", HERE / "htmlvalidate.json", str(tmp_path / "*.html"))
    assert done.returncode == 0, done.stdout


def test_an_address_that_fits_nothing_is_a_kind_page(browser, site):
    answer = browser.get(f"{site.url}/movies?category=horror&year=1921&certificate=G&score=9")
    assert answer.status_code == 200 and Page(answer.text).noindex and "/movies" in {link.address for link in Page(answer.text).links}


def test_gzip_makes_pages_70_per_cent_smaller(crawl):
    """But for those that are small already: no compressor takes 70 % of 3,000 bytes, and what two packets hold arrives at once."""
    pages = [seen for seen in crawl.seen.values() if seen.page or seen.kind in ("feed", "sitemap")]
    fat = [f"{seen.address}: {len(seen.body)} bytes, {seen.wire} on the wire, {seen.saved:.1%} smaller"
           for seen in sorted(pages, key=lambda seen: seen.saved) if seen.saved < 0.7 and seen.wire > TWO_PACKETS]
    assert not fat, few(fat)
    assert all(seen.headers.get("content-encoding") == "gzip" for seen in pages if len(seen.body) > KB)
    assert sum(seen.wire for seen in pages) <= 0.3 * sum(len(seen.body) for seen in pages)


def wire_size(browser, address):
    answer = browser.get(address, headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200, address
    return answer.num_bytes_downloaded


def test_home_is_light(browser, site):
    answer = browser.get(f"{site.url}/", headers={"accept-encoding": "gzip"})
    page, html = Page(answer.text), answer.num_bytes_downloaded
    sizes = {address: wire_size(browser, site.url + address) for address in sorted(set(page.assets))}
    first = html + sum(size for address, size in sizes.items() if address.partition("?")[0].endswith(".css"))
    assert first <= 14 * KB, f"HTML and CSS of home: {first} bytes on the wire, HTML {html}"
    most = sorted(sizes.items(), key=lambda item: -item[1])[:5]
    assert html + sum(sizes.values()) <= 60 * KB, f"all of home: {html + sum(sizes.values())} bytes in {1 + len(sizes)} answers; the largest: {most}"


def test_feeds_tell_what_the_catalogue_holds(browser, site):
    feed = ET.fromstring(browser.get(f"{site.url}/feed.xml").content)
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 30 and len({entry.findtext(f"{ATOM}id") for entry in entries}) == 30
    for entry in (feed, *entries):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", entry.findtext(f"{ATOM}updated")), "updated, RFC 4287 3.3"
        assert entry.findtext(f"{ATOM}title") and entry.findtext(f"{ATOM}id")


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_the_whole_site_can_be_walked(site, tmp_path):
    crawl = Crawl(site.url, 100000, {"movies filter": 3000, "api page": 1000}).run()
    crawl.judge_sitemap()
    assert not any(crawl.complaints.values()), "\n".join(f"{subject}: {few(complaints)}" for subject, complaints in crawl.complaints.items() if complaints)
    published = int(site.value("SELECT count(*) FROM filmyfly.movies WHERE published"))
    assert len(crawl.addresses("movie")) == published
    assert sum(address.startswith("/movie/") for address in crawl.in_sitemap) == published
    complaints = validate(tmp_path, of_each_kind(crawl, 1500))
    assert not complaints, few(complaints)


# Texts that would break out.

@pytest.fixture(scope="module", name="naughty")
def fixture_naughty(cluster, certificate):
    counts = []
    with Site(cluster, certificate, "site_naughty", demo=False, fill=lambda connection: counts.append(keep_naughty(connection))) as site:
        site.kept, site.refused = counts[0]
        yield site
        faults = site.pipeline.faults()
        assert not faults, "\n".join(faults)


def plain(text):
    """As a browser shows it: runs of white space are one."""
    return " ".join(text.split())


def test_naughty_rows_are_kept_or_refused(naughty):
    """Every field and every text was tried; what a page cannot show as a line of text never gets in."""
    assert naughty.kept > 600 and naughty.refused > 100
    assert naughty.value("SELECT count(*) FROM filmyfly.movies WHERE title ~ '[\\u0001-\\u001f\\u202e]'") == "0"


def test_naughty_titles_are_text_on_every_page(naughty, tmp_path):
    """The pages of movies and people, lists, pictures, feeds, JSON: all valid, and each title reads as it is."""
    crawl = Crawl(naughty.url, 3000, {"movies filter": 60, "api page": 40}).run(["/", "/robots.txt", "/api/v1/movies?per_page=100", "/api/v1/movies?per_page=100&page=2"])
    found = {subject: complaints for subject, complaints in crawl.complaints.items() if complaints and subject != "head"}
    assert not found, "\n".join(f"{subject}: {few(complaints)}" for subject, complaints in found.items())
    with_psycopg = {slug: title for slug, title in naughty_titles(naughty)}
    for slug, title in with_psycopg.items():
        seen = crawl.seen.get(f"/movie/{slug}")
        assert seen, f"no link leads to /movie/{slug}"
        assert plain(seen.page.h1) == plain(title), slug
        assert plain(title) in plain(seen.page.title), slug
        for data in seen.page.json_ld():
            assert title in json.dumps(data, ensure_ascii=False) or title in strings_of(data), f"{slug}: {data}"
    complaints = validate(tmp_path, of_each_kind(crawl, 40))
    assert not complaints, few(complaints)


def naughty_titles(site):
    """(slug, title), as JSON because a title may hold what separates psql's columns."""
    rows = site.cluster.psql("SELECT json_agg(json_build_array(slug, title)) FROM filmyfly.movies WHERE title NOT LIKE 'Naughty %'", site.name)
    return json.loads(rows)


def strings_of(value):
    if isinstance(value, dict):
        return [text for inner in value.values() for text in strings_of(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in strings_of(inner)]
    return [value]


TARGETS = ["/search?q=", "/search?page=2&q=", "/suggest?q=", "/api/v1/search?q=", "/movies?category=", "/movies?decade=", "/movies?year=", "/movies?certificate=",
           "/movies?score=", "/movies?sort=", "/movies?page=", "/movies?after=", "/movies?", "/category/", "/movie/", "/person/", "/api/v1/movies/",
           "/api/v1/movies?category=", "/api/v1/movies?per_page=", "/static/", "/sitemap/", "/"]
AROUND = [("/poster/", ".svg"), ("/sitemap/movies-", ".xml"), ("/category/", "?page=2")]


class Asker:
    """Asks byte for byte over one connection, as long as the other side keeps it."""

    def __init__(self, site):
        self.site, self.connection = site, None

    def get(self, target):
        for again in (True, False):
            if not self.connection:
                self.connection = client.connect(self.site.pipeline.https, tls=True)
                self.file = self.connection.makefile("rb")
            try:
                self.connection.sendall(client.request_bytes("GET", target))
                answer = client.read_answer(self.file)
            except (ConnectionError, ssl.SSLError):
                self.close()
                if not again:
                    raise
                continue
            if (answer.line("connection") or "").lower() == "close":
                self.close()
            return answer

    def close(self):
        if self.connection:
            self.file.close()
            self.connection.close()
            self.connection = None


@pytest.fixture(scope="module", name="asker")
def fixture_asker(naughty):
    asker = Asker(naughty)
    yield asker
    asker.close()


def ask(asker, target):
    """The answer; its form is checked: no error of ours, and what it says it is."""
    site, answer = asker.site, asker.get(target)
    short = target if len(target) < 200 else f"{target[:200]}… ({len(target)})"
    assert answer.status in (200, 301, 302, 304, 308, 400, 404, 405, 414, 431), f"{short}: {answer.status} {answer.body[:300]}"
    kind = answer.line("content-type") or ""
    assert b"evil.invalid" not in (answer.line("location") or "").encode(), f"{short} leads to {answer.line('location')}"
    assert not answer.lines("set-cookie"), short
    if kind.startswith("text/html"):
        page = Page(answer.body.decode("utf-8"))
        assert not page.inline, f"{short}: {page.inline}"
        assert page.tags.get("h1") == 1 and page.tags.get("main") == 1, short
        assert all(link.address.startswith(("/", "#", site.url)) for link in page.links if "external" not in link.rel), short
        assert all(asset.startswith(("/", site.url)) and not asset.startswith("//") for asset in page.assets), short
        page.json_ld()
        return answer, page
    if "json" in kind:
        json.loads(answer.body)
    elif "xml" in kind:
        ET.fromstring(answer.body)
    else:
        assert kind.startswith("text/plain") or not answer.body, f"{short}: {kind} {answer.body[:200]}"
        assert RUN.encode() not in answer.body or "text/plain" in kind, short
    return answer, None


@pytest.mark.parametrize("target", TARGETS + [before + "…" + after for before, after in AROUND])
def test_a_naughty_address_is_answered_or_refused(asker, target):
    before, _, after = target.partition("…")
    for escaped in [urllib.parse.quote(text.encode("utf-8", "surrogatepass"), safe="") for text in TEXTS] + ESCAPED:
        ask(asker, before + escaped + after)


def test_what_was_searched_for_is_shown_as_text(asker):
    """In the field, and wherever else the page repeats it."""
    for text in TEXTS:
        words = plain(text)
        if len(text) > 150 or not words or any(unicodedata.category(letter) in ("Cc", "Cf", "Cn", "Co", "Zl", "Zp") for letter in text):
            continue
        answer, page = ask(asker, "/search?q=" + urllib.parse.quote(text, safe=""))
        assert answer.status == 200, f"{text!r}: {answer.status}"
        fields = re.findall(r'<input[^>]*name="q"[^>]*>', page.source)
        assert fields, "no search field"
        value = Field(fields[0]).value
        assert plain(value) == words, f"{text!r} stands in the field as {value!r}"


class Field:
    """The value of an <input>, read by the parser of pages."""

    def __init__(self, source):
        values = []
        page = Page("")
        page.handle_starttag = lambda tag, attrs: values.append(dict(attrs).get("value") or "")
        page.feed(source)
        self.value = values[0]
