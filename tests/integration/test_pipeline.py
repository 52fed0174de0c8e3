"""Real pages through all four stages, and what a page costs: one question to a renderer, one to the database."""

import contextlib
import json
import signal
import statistics
import subprocess
import time

import httpx
import pytest

import client
from delay_proxy import DelayProxy
from load import Load, unique_targets
from pipeline import BIN


def asked_of_renderers(pipeline):
    return sum(instance.stats()["left.in.REQUEST"] for instance in pipeline["renderer"])


def test_pages_and_api_over_every_protocol(pipeline, slugs):
    pages = ["/", "/movies", "/movies?page=3", f"/movie/{slugs[0]}", f"/movie/{slugs[-1]}"]
    base = f"https://localhost:{pipeline.https[1]}"
    for options, version in (({"http2": True}, "HTTP/2"), ({"http1": True}, "HTTP/1.1")):
        with httpx.Client(verify=False, base_url=base, **options) as browser:
            for page in pages:
                answer = browser.get(page)
                assert (answer.status_code, answer.http_version) == (200, version)
                assert answer.text.rstrip().endswith("</html>") and answer.headers["content-type"].startswith(
                    "text/html"
                )
            assert len(browser.get("/api/v1/movies?per_page=10").json()["movies"]) == 10
            assert browser.get(f"/api/v1/movies/{slugs[0]}").json()
            assert browser.get("/movie/none").status_code == browser.get("/none").status_code == 404
    assert pipeline.get("/", tls=False).status == 200


def test_a_movie_page_shows_its_movie(pipeline, cluster):
    rows = cluster.psql(
        "SELECT slug, title FROM filmyfly.movies WHERE title ~ '^[A-Za-z ]+$' AND published "
        "ORDER BY votes DESC LIMIT 5",
        "filmyfly",
    ).splitlines()
    for slug, title in (row.split("|") for row in rows):
        assert f">{title}<" in pipeline.get(f"/movie/{slug}").text


def test_a_changed_row_is_on_the_next_page(pipeline, cluster, slugs):
    """Nothing is stored anywhere yet, so the next page is a new one."""
    target, title = f"/movie/{slugs[5]}", "Changed <by> & hand"
    before = (
        cluster.psql(f"SELECT title FROM filmyfly.movies WHERE slug = '{slugs[5]}'", "filmyfly")
        .strip("\n")
        .replace("'", "''")
    )
    cluster.psql(f"UPDATE filmyfly.movies SET title = '{title}' WHERE slug = '{slugs[5]}'", "filmyfly")
    try:
        page = pipeline.get(target).text
        assert "Changed &lt;by&gt; &amp; hand" in page and title not in page
    finally:
        cluster.psql(f"UPDATE filmyfly.movies SET title = '{before}' WHERE slug = '{slugs[5]}'", "filmyfly")


def test_compressed_and_plain_are_the_same_page(pipeline, slugs):
    target = f"/movie/{slugs[1]}"
    with httpx.Client(verify=False, base_url=f"https://localhost:{pipeline.https[1]}") as browser:
        packed = browser.get(target, headers={"accept-encoding": "gzip"})
        plain = browser.get(target, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert packed.text == plain.text and packed.headers["etag"] == plain.headers["etag"]
    again = pipeline.get(target, headers=[("if-none-match", plain.headers["etag"])])
    assert (again.status, again.body) == (304, b"")


def test_a_hundred_visitors_of_one_page_ask_the_renderer_once(pipeline, slugs, cluster):
    # A lock keeps the page waiting until all hundred are there.
    before = asked_of_renderers(pipeline)
    lock = subprocess.Popen(
        [
            f"{cluster.bin}/psql",
            "-X",
            "-q",
            cluster.url("filmyfly"),
            "-c",
            "BEGIN; LOCK TABLE filmyfly.movies IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1); COMMIT",
        ],
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    time.sleep(0.3)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(client.connect(pipeline.http)) for _ in range(100)]
        for connection in connections:
            connection.sendall(client.request_bytes("GET", f"/movie/{slugs[2]}?together"))
        answers = [client.read_answer(stack.enter_context(connection.makefile("rb"))) for connection in connections]
    lock.wait()
    assert [answer.status for answer in answers] == [200] * 100
    assert len({answer.body for answer in answers}) == 1
    assert asked_of_renderers(pipeline) - before == 1


def test_a_movie_page_waits_for_one_delay_of_the_database(new_pipeline, cluster, slugs):
    with DelayProxy(("127.0.0.1", cluster.port), 0.05) as proxy:
        url = f"postgresql://filmyfly@127.0.0.1:{proxy.port}/filmyfly"
        distant = new_pipeline(url=url, renderers=1, dbproxies=1)
        time.sleep(1)
        with client.connect(distant.http) as connection, connection.makefile("rb") as file:
            times, before = [], proxy.trips
            for slug in slugs[:30]:
                began = time.monotonic()
                connection.sendall(client.request_bytes("GET", f"/movie/{slug}"))
                assert client.read_answer(file).status == 200
                times.append(time.monotonic() - began)
        trips = proxy.trips - before
        print(
            f"30 pages: median {statistics.median(times) * 1e3:.1f} ms, least {min(times) * 1e3:.1f} ms, {trips} trips"
        )
        assert min(times) >= 0.05 and statistics.median(times) < 0.1
        assert trips <= 33
        # Many at once wait no longer: batches do not queue behind each other's delay.
        report = Load(distant.http, unique_targets([f"/movie/{slug}" for slug in slugs], "far"), rate=100).run(2)
        assert report.good() and report.percentile(50) < 0.1, report.story()


def test_load_is_counted_as_lost_when_it_is_lost(pipeline, slugs):
    """The client that judges all the others is judged: a gateway that goes without a word is seen."""
    gateway = pipeline["gateway"][0]
    load = Load(pipeline.http, unique_targets([f"/movie/{slug}" for slug in slugs], "lost"), rate=40, timeout=2).start()
    time.sleep(0.5)
    gateway.send(signal.SIGSTOP)
    time.sleep(0.3)
    pipeline.kill(gateway)
    time.sleep(1)
    report = load.stop()
    pipeline.wait_ready()
    assert not report.good() and report.failures, "requests that a killed gateway held were not missed"
    assert "after: gateway/t1 " in report.story(pipeline.events)


def test_another_page_than_asked_for_is_noticed(pipeline, slugs):
    load = Load(pipeline.http, iter([f"/movie/{slugs[0]}", "/movies"]), rate=50, check=lambda *_: "wrong").run(0.5)
    assert len(load.failures) == 2


@pytest.mark.parametrize("stage", ["gateway", "cacher", "renderer", "dbproxy"])
def test_help_version_and_check(stage, database_url, certificate):
    env = {"DATABASE_URL": database_url, "FILMYFLY_TLS_CERT": certificate.cert, "FILMYFLY_TLS_KEY": certificate.key}

    def said(option):
        done = subprocess.run(
            [str(BIN / f"filmyfly-{stage}"), option],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=20,
        )
        return done.returncode, done.stdout

    assert said("--help")[0] == 0 and "FILMYFLY_RUN_DIR" in said("--help")[1]
    assert said("--version") == (0, f"filmyfly-{stage} 0.1.0\n")
    assert said("--check") == (0, "configuration OK\n")
    env["FILMYFLY_DEADLINE"] = "soon"
    status, text = said("--check")
    assert status != 0 and "FILMYFLY_DEADLINE" in text and "soon" in text


def test_counters_can_be_read_by_anyone(pipeline, slugs):
    before = asked_of_renderers(pipeline)
    answers = [json.dumps(pipeline.get(f"/movie/{slug}?counted").status) for slug in slugs[:10]]
    assert answers == ["200"] * 10
    assert asked_of_renderers(pipeline) - before == 10
