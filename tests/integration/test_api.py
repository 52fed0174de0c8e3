"""The API: every answer is as its description says, lists can be walked from page to page, errors are problems, and any site's script may read all of it."""

import json
from urllib.parse import urlsplit

import pytest

import client
import openapi

SITE = "https://localhost:8443"  # FILMYFLY_SITE where nothing is set
MOVIES, CATEGORIES, SEARCH = "/api/v1/movies", "/api/v1/categories", "/api/v1/search"


class Answer(client.Answer):
    def json(self):
        def unique(pairs):
            names = [name for name, _ in pairs]
            assert len(names) == len(set(names)), f"a name stands twice: {names}"
            return dict(pairs)

        return json.loads(self.body.decode("utf-8"), object_pairs_hook=unique)


@pytest.fixture(name="get")
def fixture_get(pipeline):
    def get(target, method="GET", headers=()):
        if "://" in target:
            assert target.startswith(SITE + "/api/v1/"), target
            target = target[len(SITE) :]
        answer = pipeline.get(target, method, headers=headers)
        answer = Answer(answer.status, answer.headers, answer.body)
        assert answer.lines("access-control-allow-origin") == [b"*"], (target, answer.status, answer.headers)
        return answer

    return get


@pytest.fixture(name="api")
def fixture_api(get):
    """Asks for an address of the API and returns what it says, which is held against the description."""
    description = get("/api/v1/openapi.json")
    assert description.status == 200 and description.line("content-type") == "application/json"
    document = description.json()

    def api(target, status=200):
        path = urlsplit(target).path
        path = "/api/v1/movies/{slug}" if path.startswith(MOVIES + "/") else path
        answer = get(target)
        assert answer.status == status, (target, answer.status, answer.text[:300])
        return openapi.check(document, path, answer)

    api.document = document
    return api


def test_the_description_describes_the_site_it_is_of(api):
    assert api.document["openapi"].startswith("3.1.")
    assert api.document["servers"] == [{"url": SITE}]
    names = [path["get"]["operationId"] for path in api.document["paths"].values()]
    assert len(names) == len(set(names)) == 5
    api("/api/v1/openapi.json")


def test_the_list_of_movies_is_walked_from_page_to_page(api, cluster):
    slugs = cluster.psql("SELECT slug FROM filmyfly.movies WHERE published ORDER BY coalesce(release_date, make_date(year, 1, 1), '0001-01-01') DESC, id DESC "
                         "LIMIT 25", "filmyfly").split()
    seen, target = [], f"{MOVIES}?per_page=10"
    for page in (1, 2, 3):
        answer = api(target)
        assert answer["page"] == page and answer["per_page"] == 10 and answer["total_is_exact"]
        assert answer["links"]["self"] == SITE + MOVIES + ("?per_page=10" if page == 1 else f"?page={page}&per_page=10")
        assert (answer["links"]["prev"] is None) == (page == 1)
        seen += [movie["slug"] for movie in answer["movies"]]
        target = answer["links"]["next"]
    assert seen[:25] == slugs
    assert answer["total"] == int(cluster.psql("SELECT count(*) FROM filmyfly.movies WHERE published", "filmyfly"))
    assert api(answer["links"]["prev"])["page"] == 2
    assert api(MOVIES)["per_page"] == 20
    api(f"{MOVIES}?per_page=100&page=100", 404)


@pytest.mark.parametrize("sort", ["newest", "oldest", "best", "title"])
def test_the_list_goes_on_by_key_to_its_end(api, sort):
    """Page by page and key by key show the same movies, each once."""
    by_page = api(f"{MOVIES}?category=horror&sort={sort}&per_page=60")
    by_key, target = [], f"{MOVIES}?category=horror&sort={sort}&per_page=50&after=%d" % by_page["movies"][9]["id"]
    while target:
        answer = api(target)
        assert answer["page"] is None and answer["links"]["prev"] is None
        by_key += answer["movies"]
        target = answer["links"]["next"]
        assert len(by_key) < 2000
    assert [movie["id"] for movie in by_key[:50]] == [movie["id"] for movie in by_page["movies"][10:]]
    ids = [movie["id"] for movie in by_key]
    assert len(ids) == len(set(ids))
    if by_page["total_is_exact"]:
        assert len(ids) == by_page["total"] - 10


@pytest.mark.parametrize("query, fits", [
    ("year=1999", lambda movie: movie["year"] == 1999),
    ("decade=1980", lambda movie: 1980 <= movie["year"] < 1990),
    ("certificate=PG-13", lambda movie: movie["certificate"] == "PG-13"),
    ("score=8", lambda movie: movie["score"] >= 8),
    ("category=drama&score=7&decade=1990", lambda movie: movie["score"] >= 7 and 1990 <= movie["year"] < 2000),
])
def test_a_filter_leaves_what_fits(api, query, fits):
    answer = api(f"{MOVIES}?{query}&per_page=100")
    assert answer["movies"] and all(fits(movie) for movie in answer["movies"])
    assert answer["total"] >= len(answer["movies"])


def test_the_order_is_as_asked_for(api):
    oldest, newest, best, title = (api(f"{MOVIES}?category=comedy&sort={sort}&per_page=50")["movies"] for sort in ("oldest", "newest", "best", "title"))
    years = [movie["year"] for movie in oldest if movie["year"]]
    assert years == sorted(years)
    assert [movie["year"] for movie in newest if movie["year"]][0] > years[-1]
    scores = [movie["score"] for movie in best if movie["score"] is not None]
    assert scores == sorted(scores, reverse=True)
    assert title[0]["title"].lower() < title[-1]["title"].lower()


def test_a_list_without_a_movie_is_empty(api):
    answer = api(f"{MOVIES}?category=no-such-category")
    assert answer["movies"] == [] and answer["total"] == 0 and answer["links"]["next"] is None


@pytest.fixture(name="rich")
def fixture_rich(cluster):
    """A movie of which everything is known, and which had another address before."""
    cluster.psql("INSERT INTO filmyfly.movies (slug, title, original_title, release_date, runtime, certificate, director, actors, distributor, synopsis, score, "
                 "votes, critics, budget, gross_domestic, gross_worldwide, links, creative_type, source) VALUES ('rich-before', 'Rich', 'Riche', '1979-05-25', 117, "
                 "'R', 'Ridley Scott', '{Sigourney Weaver,\"Tom \\\"T\\\" Skerritt\"}', 'Fox', E'A line.\\nAnother.', 8.5, 10, 97, 1, 2, 3000000000, "
                 "'{\"wikipedia\": \"https://en.wikipedia.org/wiki/Alien_(film)\"}', 'Fiction', 'Original')", "filmyfly")
    cluster.psql("UPDATE filmyfly.movies SET slug = 'rich-of-the-api' WHERE slug = 'rich-before'", "filmyfly")
    cluster.psql("INSERT INTO filmyfly.movie_categories (movie_id, category_id) SELECT m.id, c.id FROM filmyfly.movies m, filmyfly.categories c "
                 "WHERE m.slug = 'rich-of-the-api' AND c.slug IN ('horror', 'drama')", "filmyfly")
    yield "rich-of-the-api"
    cluster.psql("DELETE FROM filmyfly.movies WHERE slug = 'rich-of-the-api'", "filmyfly")


def test_a_movie_is_told_whole(api, rich):
    answer = api(f"{MOVIES}/{rich}")
    movie = answer["movie"]
    assert isinstance(movie.pop("id"), int) and movie.pop("updated_at").endswith("Z")
    assert {category["slug"] for category in movie.pop("categories")} == {"horror", "drama"}
    assert movie == {
        "slug": rich, "title": "Rich", "original_title": "Riche", "release_date": "1979-05-25", "year": 1979, "runtime": 117, "certificate": "R",
        "director": {"slug": "ridley-scott", "name": "Ridley Scott"},
        "actors": [{"slug": "sigourney-weaver", "name": "Sigourney Weaver"}, {"slug": "tom-t-skerritt", "name": 'Tom "T" Skerritt'}],
        "distributor": "Fox", "synopsis": "A line.\nAnother.", "score": 8.5, "votes": 10, "critics": 97, "budget": 1, "gross_domestic": 2,
        "gross_worldwide": 3000000000, "external_links": {"wikipedia": "https://en.wikipedia.org/wiki/Alien_(film)"}, "creative_type": "Fiction",
        "source": "Original", "url": f"{SITE}/movie/{rich}", "poster": f"{SITE}/poster/{rich}.svg"}
    assert answer["links"] == {"self": f"{SITE}{MOVIES}/{rich}", "next": None, "prev": None}


def test_every_movie_of_a_page_is_as_described(api):
    for movie in api(f"{MOVIES}?per_page=15&sort=title")["movies"]:
        whole = api(f"{MOVIES}/{movie['slug']}")["movie"]
        assert {name: whole[name] for name in movie} == movie


def test_a_movie_that_moved_is_found_where_it_was(get, rich):
    answer = get(f"{MOVIES}/rich-before")
    assert answer.status == 301 and answer.line("location") == f"{MOVIES}/{rich}"


def test_categories_are_listed_with_their_movies(api):
    answer = api(CATEGORIES)
    assert len(answer["categories"]) > 5
    for category in answer["categories"][:3]:
        total = api(f"{MOVIES}?category={category['slug']}")
        assert (total["total"], total["total_is_exact"]) == ((category["movies"], True) if category["movies"] <= 1000 else (1000, False))


def test_search_finds_movies_and_people(api):
    answer = api(f"{SEARCH}?q=Alien")
    assert "Alien" in [movie["title"] for movie in answer["movies"]] and answer["q"] == "Alien" and answer["total"] >= 1
    person = api(f"{SEARCH}?q=spielberg")["people"][0]
    assert person["name"] == "Steven Spielberg" and person["url"] == f"{SITE}/person/{person['slug']}"
    seen, target = set(), f"{SEARCH}?q=the"
    for _ in range(3):
        answer = api(target)
        found = {movie["id"] for movie in answer["movies"]}
        assert found and not found & seen
        seen |= found
        target = answer["links"]["next"]
        if not target:
            break
    api(f"{SEARCH}?q=alien&page=99", 404)


@pytest.mark.parametrize("q", ["", "%20", "%00", "%ff%fe", "'%3B--", "%22", "(((", "%E2%80%AE", "%F0%9F%92%A9", "a" * 3000, "%25", "&page=1", "<script>alert(1)</script>".replace("<", "%3C")])
def test_a_search_for_anything_is_answered(api, q):
    answer = api(f"{SEARCH}?q={q}")
    assert len(answer["q"]) <= 200


def test_a_search_without_words_finds_nothing(api):
    answer = api(SEARCH)
    assert answer["q"] == "" and answer["movies"] == [] and answer["people"] == [] and answer["total"] == 0


@pytest.mark.parametrize("query", ["page=0", "page=101", "page=x", "per_page=101", "per_page=0", "sort=upwards", "decade=1995", "year=12", "score=11", "score=",
                                   "category=No%20Slug", "after=0", "after=-1", "after=99999999999999999999", "page=1&page=2", "page=%00", "certificate=" + "x" * 41])
def test_a_wrong_parameter_is_a_problem(api, query):
    if query == "score=":  # as forms send what is not filled in
        api(f"{MOVIES}?{query}")
        return
    problem = api(f"{MOVIES}?{query}", 400)
    name = query.partition("=")[0]
    assert problem["status"] == 400 and problem["title"] == "Bad Request" and problem["detail"].startswith(f"{name} is ")


def test_what_is_not_there_is_a_problem(get, api):
    assert api(f"{MOVIES}/no-such-movie-anywhere", 404)["status"] == 404
    for target in ("/api/", "/api/v1", "/api/v2/movies", "/api/v1/movies/", "/api/v1/movies/UPPER", "/api/v1/nonsense"):
        answer = get(target)
        assert answer.status == 404 and answer.line("content-type") == "application/problem+json", target
        assert answer.json()["title"] == "Not Found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_nothing_can_be_written(get, method):
    answer = get(MOVIES, method)
    assert answer.status == 405 and answer.line("allow") == "GET, HEAD, OPTIONS"
    assert answer.line("content-type") == "application/problem+json" and answer.json()["status"] == 405


def test_a_browser_may_ask_before_it_reads(get):
    for target in (MOVIES, f"{MOVIES}/alien", f"{MOVIES}?page=nonsense", CATEGORIES, SEARCH):
        answer = get(target, "OPTIONS", [("origin", "https://elsewhere.example"), ("access-control-request-method", "GET"),
                                         ("access-control-request-headers", "if-none-match")])
        assert answer.status == 204 and answer.body == b"" and answer.line("content-type") is None
        assert "GET" in answer.line("access-control-allow-methods") and answer.line("access-control-allow-headers") == "*"
        assert 0 < int(answer.line("access-control-max-age")) <= 3600


def test_an_answer_that_is_known_is_not_sent_again(get):
    for target in (MOVIES, f"{MOVIES}/alien", CATEGORIES, f"{SEARCH}?q=alien", "/api/v1/openapi.json"):
        first = get(target)
        again = get(target, headers=[("if-none-match", first.line("etag"))])
        assert again.status == 304 and again.body == b"" and again.line("etag") == first.line("etag")
        head = get(target, "HEAD")
        assert head.status == 200 and head.body == b"" and head.line("etag") == first.line("etag")
        assert first.line("cdn-cache-control") == "max-age=300, stale-while-revalidate=86400, stale-if-error=5184000"


def test_hostile_titles_are_text(api, cluster):
    title = "</script><b>&\\\"' 東京 \U0001f600 " + "x" * 200
    cluster.psql("INSERT INTO filmyfly.movies (slug, title, year, director) VALUES ('hostile-of-the-api', $t$" + title + "$t$, 1999, $t$" + title[:150] + "$t$)", "filmyfly")
    try:
        movie = api(f"{MOVIES}/hostile-of-the-api")["movie"]
        assert movie["title"] == title and movie["director"]["name"] == title[:150]
    finally:
        cluster.psql("DELETE FROM filmyfly.movies WHERE slug = 'hostile-of-the-api'", "filmyfly")


def test_when_nobody_is_there_the_problem_says_so(new_pipeline):
    with new_pipeline(renderers=0, dbproxies=0, cacher=False, env={"FILMYFLY_DEADLINE": "1s"}) as pipeline:
        answer = pipeline.get(MOVIES)
        answer = Answer(answer.status, answer.headers, answer.body)
        assert answer.status == 503 and answer.line("content-type") == "application/problem+json"
        assert answer.lines("access-control-allow-origin") == [b"*"] and int(answer.line("retry-after")) > 0
        assert answer.json()["status"] == 503 and answer.json()["type"] == "about:blank"
        page = pipeline.get("/movies")
        assert page.status == 503 and page.line("content-type") == "text/html; charset=utf-8" and page.line("access-control-allow-origin") is None
