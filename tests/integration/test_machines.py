"""What the site tells machines that read: sitemap, feed, robots.txt, and what pages say of themselves in JSON-LD and in their head."""

import datetime
import html
import json
import random
import re
import xml.etree.ElementTree as ElementTree

import pytest

SITE = "https://localhost:8443"  # FILMYFLY_SITE where nothing is set
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
ATOM = "{http://www.w3.org/2005/Atom}"
HOSTILE = "</script><b>&\"' ]]> \ufffe\uffff 東京 \U0001f600 <!--"


@pytest.fixture(name="get")
def fixture_get(pipeline):
    def get(target, status=200, kind=None, headers=()):
        if "://" in target:
            assert target.startswith(SITE + "/"), target
            target = target[len(SITE) :]
        answer = pipeline.get(target, headers=headers)
        assert answer.status == status, (target, answer.status, answer.text[:300])
        if kind:
            assert answer.line("content-type") == kind, (target, answer.headers)
        return answer

    return get


@pytest.fixture(name="hostile")
def fixture_hostile(cluster):
    """A movie whose texts would break out of anything that does not escape them."""
    cluster.psql("INSERT INTO filmyfly.movies (slug, title, year, director, actors, synopsis, score, votes) VALUES ('hostile-to-machines', "
                 f"$t${HOSTILE}$t$, 1999, $t${HOSTILE}$t$, ARRAY[$t$Actor {HOSTILE}$t$], $t${HOSTILE}$t$, 7.5, 3)", "filmyfly")
    yield "hostile-to-machines"
    cluster.psql("DELETE FROM filmyfly.movies WHERE slug = 'hostile-to-machines'", "filmyfly")


def sitemap_files(get):
    root = ElementTree.fromstring(get("/sitemap.xml", kind="application/xml").body)
    assert root.tag == MAP + "sitemapindex"
    return [loc.text for loc in root.iter(MAP + "loc")]


def urls_of(get, file):
    """[(address, lastmod or None)] of one file."""
    root = ElementTree.fromstring(get(file, kind="application/xml").body)
    assert root.tag == MAP + "urlset"
    found = [(url.findtext(MAP + "loc"), url.findtext(MAP + "lastmod")) for url in root.iter(MAP + "url")]
    assert 1 <= len(found) <= 5000
    assert all(address.startswith(SITE + "/") for address, _ in found)
    for _, date in found:
        assert date is None or datetime.date.fromisoformat(date)
    return found


def test_the_sitemap_lists_every_page_once(get, cluster):
    files = sitemap_files(get)
    assert len(files) == len(set(files)) and files[0] == SITE + "/sitemap/pages.xml"
    found = [url for file in files for url in urls_of(get, file)]
    addresses = [address for address, _ in found]
    assert len(addresses) == len(set(addresses))
    movies = cluster.psql("SELECT slug FROM filmyfly.movies WHERE published", "filmyfly").split()
    assert {a for a in addresses if "/movie/" in a} == {f"{SITE}/movie/{slug}" for slug in movies}
    assert all(date for address, date in found if "/movie/" in address)
    categories = cluster.psql("SELECT slug FROM filmyfly.categories WHERE movies > 0", "filmyfly").split()
    assert {a for a in addresses if "/category/" in a} == {f"{SITE}/category/{slug}" for slug in categories}
    people = cluster.psql("SELECT count(*) FROM filmyfly.people", "filmyfly").strip()
    assert sum("/person/" in a for a in addresses) == int(people)
    assert {SITE + "/", SITE + "/movies"} <= set(addresses)


def test_what_the_sitemap_lists_is_there_and_wants_to_be_found(get):
    """A sample of each file answers 200, under the very address, and does not say noindex."""
    pick = random.Random(7)
    for file in sitemap_files(get):
        addresses = [address for address, _ in urls_of(get, file)]
        for address in addresses if "pages" in file else pick.sample(addresses, min(12, len(addresses))):
            page = get(address)
            assert f'<link rel="canonical" href="{html.escape(address)}">' in page.text, address
            assert page.line("x-robots-tag") is None and 'name="robots"' not in page.text, address


def test_a_sitemap_file_that_would_be_empty_is_not_there(get):
    for name in ("movies-999999999", "people-999999", "movies-0", "movies-01", "movies-x", "movies-", "genres-1", "movies-1.xml"):
        get(f"/sitemap/{name}.xml", 404)


def test_the_feed_has_the_movies_published_last(get, cluster):
    root = ElementTree.fromstring(get("/feed.xml", kind="application/atom+xml").body)
    assert root.tag == ATOM + "feed"
    assert [len(root.findall(ATOM + name)) for name in ("id", "title", "updated", "author")] == [1, 1, 1, 1]
    links = {link.get("rel"): link.get("href") for link in root.findall(ATOM + "link")}
    assert links == {"self": SITE + "/feed.xml", "alternate": SITE + "/"}
    entries = root.findall(ATOM + "entry")
    assert len(entries) == 30
    times = []
    for entry in entries:
        assert [len(entry.findall(ATOM + name)) for name in ("id", "title", "updated", "published", "link")] == [1, 1, 1, 1, 1]
        assert re.fullmatch(r"tag:localhost,\d{4}-\d\d-\d\d:movie/\d+", entry.findtext(ATOM + "id"))
        times += [entry.findtext(ATOM + name) for name in ("updated", "published")]
    assert len({entry.findtext(ATOM + "id") for entry in entries}) == 30
    for text in times + [root.findtext(ATOM + "updated")]:
        assert datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).tzinfo
    assert root.findtext(ATOM + "updated") == max(times[::2])
    wanted = cluster.psql("SELECT slug FROM filmyfly.movies WHERE published ORDER BY published_at DESC, id DESC LIMIT 30", "filmyfly").split()
    assert [entry.find(ATOM + "link").get("href") for entry in entries] == [f"{SITE}/movie/{slug}" for slug in wanted]
    get(entries[0].find(ATOM + "link").get("href"))


def test_an_entry_keeps_its_id_when_its_movie_moves(get, cluster, hostile):
    def first():
        return ElementTree.fromstring(get("/feed.xml").body).find(ATOM + "entry")

    before = first()
    cluster.psql(f"UPDATE filmyfly.movies SET slug = 'moved-{hostile}' WHERE slug = '{hostile}'", "filmyfly")
    after = first()
    cluster.psql(f"UPDATE filmyfly.movies SET slug = '{hostile}' WHERE slug = 'moved-{hostile}'", "filmyfly")
    assert before.findtext(ATOM + "id") == after.findtext(ATOM + "id")
    assert after.find(ATOM + "link").get("href") == f"{SITE}/movie/moved-{hostile}"


def test_hostile_texts_are_text_in_the_feed(get, hostile):
    entry = ElementTree.fromstring(get("/feed.xml").body).find(ATOM + "entry")
    text = HOSTILE.replace("\ufffe", "").replace("\uffff", "")
    assert entry.find(ATOM + "link").get("href").endswith(hostile)
    assert entry.findtext(ATOM + "title") == f"{text} (1999)" and entry.findtext(ATOM + "summary") == text


def test_robots_are_told_where_to_look_and_where_not(get):
    lines = get("/robots.txt", kind="text/plain; charset=utf-8").text.splitlines()
    assert lines[0] == "User-agent: *"
    assert {"Disallow: /suggest", f"Sitemap: {SITE}/sitemap.xml"} <= set(lines)
    assert [line for line in lines if line.startswith("Disallow")] == ["Disallow: /suggest"]


def test_what_is_known_is_not_sent_again(get):
    for target in ("/sitemap.xml", "/sitemap/pages.xml", "/sitemap/movies-1.xml", "/feed.xml", "/robots.txt"):
        first = get(target)
        assert first.line("cdn-cache-control") == "max-age=1800, stale-while-revalidate=86400, stale-if-error=5184000"
        again = get(target, 304, headers=[("if-none-match", first.line("etag"))])
        assert again.body == b"" and again.line("etag") == first.line("etag")


def told(page):
    """What a page says of itself: its JSON-LD, the only script in it that runs nothing."""
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page.text, re.S)
    assert not re.search("[<>&\u2028\u2029]", text)
    return json.loads(text)


def test_pages_say_what_to_load_ahead_and_how_they_look_elsewhere(get):
    for target, title in [("/", None), ("/movie/alien", "Alien"), ("/movies", None), ("/category/horror", None)]:
        page = get(target)
        (rules,) = re.findall('"([^"]+)"', page.line("speculation-rules"))
        get(rules, kind="application/speculationrules+json")
        shown = dict(re.findall('<meta property="og:([a-z_:]+)" content="([^"]*)">', page.text))
        assert shown["url"] == SITE + target and shown["title"] and shown["description"] and shown["image"].startswith(SITE + "/")
        assert title is None or title in shown["title"]
    for target, status in [("/movie/no-such-movie", 404), ("/api/v1/movies/alien", 200), ("/feed.xml", 200)]:
        assert get(target, status).lines("speculation-rules") == []


def test_home_tells_machines_how_to_search(get):
    data = told(get("/"))
    assert data["@context"] == "https://schema.org" and data["@type"] == "WebSite" and data["url"] == SITE + "/"
    template = data["potentialAction"]["target"]["urlTemplate"]
    get(template.replace("{search_term_string}", "alien"))


def test_a_movie_tells_its_facts(get, cluster):
    slug, title, director, score, votes = cluster.psql(
        "SELECT slug, title, director, score, votes FROM filmyfly.movies WHERE published AND director IS NOT NULL AND votes > 0 AND runtime IS NOT NULL "
        "ORDER BY votes DESC LIMIT 1", "filmyfly").strip().split("|")
    data = told(get(f"/movie/{slug}"))
    assert (data["@type"], data["name"], data["url"], data["image"]) == ("Movie", title, f"{SITE}/movie/{slug}", f"{SITE}/poster/{slug}.svg")
    assert data["director"]["name"] == director and re.fullmatch(r"PT\d+M", data["duration"]) and data["genre"]
    rating = data["aggregateRating"]
    assert (rating["ratingValue"], rating["ratingCount"], rating["bestRating"]) == (float(score), int(votes), 10)
    assert get(data["image"]).line("content-type") == "image/svg+xml"
    person = told(get(data["director"]["url"]))
    assert (person["@type"], person["name"], person["url"]) == ("Person", director, data["director"]["url"])


def test_lists_tell_the_way_to_them(get):
    data = told(get("/category/horror"))
    assert data["@type"] == "BreadcrumbList"
    assert [(step["position"], step["item"]) for step in data["itemListElement"]] == [
        (1, SITE + "/"), (2, SITE + "/movies"), (3, SITE + "/category/horror")]
    assert len(told(get("/movies"))["itemListElement"]) == 2


def test_hostile_texts_stay_within_their_script(get, hostile):
    data = told(get(f"/movie/{hostile}"))
    assert data["name"] == data["director"]["name"] == HOSTILE and data["actor"][0]["name"] == "Actor " + HOSTILE
    assert told(get(data["director"]["url"]))["name"] == HOSTILE
