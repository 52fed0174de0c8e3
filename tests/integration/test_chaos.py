"""No stage's death is felt: kills, freezes, restarts and upgrades under a fixed rate of uncached pages.

A lost request is told with its target, what came instead, and what had happened just before.
"""

import itertools
import signal
import subprocess
import threading
import time

import psycopg
import pytest

from delay_proxy import DelayProxy
from load import Load, right_page, unique_targets
from pipeline import BIN, Pipeline

FEW_OR_FULL = [3, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
APART = 2.0  # seconds between two kills


@pytest.fixture
def start_load(slugs, rate):
    """start_load(pipeline, …) sends movie pages, each with a query of its own, over TLS and HTTP/1.1."""
    loads = []

    def start(pipeline, check=right_page, factor=1.0, **options):
        targets = unique_targets([f"/movie/{slug}" for slug in slugs], f"{time.monotonic_ns()}-")
        options = {"tls": True, **options}
        address = pipeline.https if options["tls"] else pipeline.http
        loads.append(Load(address, targets, rate * factor, check=check, **options).start())
        return loads[-1]

    yield start
    for load in loads:
        load.stop()


def no_loss(pipeline, load, retried=0):
    report = load.stop()
    story = report.story(pipeline.events)
    print(story)
    assert report.good() and report.retried <= retried, story
    return report


def kill_each(pipeline, stage, times):
    """Kills the stage's instances, two seconds apart, `times` of each; returns how many restarts were seen."""
    before = sum(instance.restarts for instance in pipeline[stage])
    for _ in range(times):
        for instance in pipeline[stage]:
            pipeline.kill(instance)
            time.sleep(APART)
    return sum(instance.restarts for instance in pipeline[stage]) - before


@pytest.fixture(scope="module")
def distant_pipeline(cluster, certificate):
    """With 50 ms to the database some pages are always in flight, so that each kill hits them."""
    with DelayProxy(("127.0.0.1", cluster.port), 0.05) as proxy:
        with Pipeline(f"postgresql://filmyfly@127.0.0.1:{proxy.port}/filmyfly", certificate) as made:
            yield made


def sent_again(pipeline, stage):
    """How many requests the left neighbours of the stage sent a second time."""
    left = {"renderer": "cacher", "dbproxy": "renderer", "cacher": "gateway"}[stage]
    return sum(instance.stats()["right.sent-again"] for instance in pipeline[left])


@pytest.mark.parametrize("times", FEW_OR_FULL)
@pytest.mark.parametrize("stage", ["renderer", "dbproxy", "cacher"])
def test_kills_lose_no_page(distant_pipeline, start_load, stage, times):
    before = sent_again(distant_pipeline, stage)
    load = start_load(distant_pipeline)
    time.sleep(0.5)
    restarts = kill_each(distant_pipeline, stage, times)
    no_loss(distant_pipeline, load)
    again = sent_again(distant_pipeline, stage) - before
    print(f"{restarts} restarts of {stage} seen, {again} requests were sent again")
    assert restarts == times * len(distant_pipeline[stage])
    assert again >= restarts / 2, "the kills hit nearly nothing"


def test_kills_lose_no_page_over_http2(distant_pipeline, start_load):
    load = start_load(distant_pipeline, http2=True, connections=4)
    time.sleep(0.5)
    for stage in ("renderer", "dbproxy", "cacher"):
        distant_pipeline.kill(distant_pipeline[stage][0])
        time.sleep(APART)
    no_loss(distant_pipeline, load)


def test_all_renderers_and_dbproxies_may_die_at_once(pipeline, start_load):
    load = start_load(pipeline)
    time.sleep(1)
    for stage in ("renderer", "dbproxy"):
        for instance in pipeline[stage]:
            pipeline.kill(instance)
        time.sleep(APART)
    no_loss(pipeline, load)


def or_unavailable(target, status, headers, body):
    """A whole page, or 503 that says when to come again."""
    if status == 503 and headers.get(b"retry-after", b"").isdigit():
        return None
    return right_page(target, status, headers, body)


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_postgresql_restarts_under_load(pipeline, cluster, start_load, how):
    load = start_load(pipeline, or_unavailable)
    time.sleep(1)
    pipeline.event(f"PostgreSQL: {how}")
    if how == "kill":
        cluster.kill()
        time.sleep(1)
        cluster.start()
    else:
        cluster.restart()
    pipeline.event("PostgreSQL is back")
    time.sleep(2)
    well = start_load(pipeline)
    time.sleep(2)
    report = no_loss(pipeline, well)
    assert report.percentile(99) < 0.5, report.story(pipeline.events)
    print(f"{no_loss(pipeline, load).statuses[503]} answers were 503; two seconds after its return all was well")


def test_postgresql_away_for_long_gives_503_in_time(pipeline, cluster):
    cluster.stop()
    try:
        began = time.monotonic()
        answer = pipeline.get(f"/movie/nothing?{began}")
        assert answer.status == 503 and answer.line("retry-after").isdigit() and time.monotonic() - began < 5.5, answer
    finally:
        cluster.start()
    pipeline.wait_ready(seconds=2)


@pytest.mark.parametrize("stage", ["renderer", "dbproxy"])
def test_a_frozen_instance_is_left_alone(pipeline, start_load, stage):
    frozen = pipeline[stage][0]
    load = start_load(pipeline)
    time.sleep(1)
    before = sent_again(pipeline, stage)
    frozen.send(signal.SIGSTOP)
    try:
        time.sleep(7)  # longer than anybody waits
    finally:
        frozen.send(signal.SIGCONT)
    time.sleep(1)
    report = no_loss(pipeline, load)
    assert report.percentile(99) < 1.5, report.story(pipeline.events)
    assert sent_again(pipeline, stage) > before, "the frozen one had nothing to do"


def test_a_third_renderer_works_within_a_second(pipeline, start_load):
    load = start_load(pipeline)
    time.sleep(0.5)
    began = time.monotonic()
    third = pipeline.add("renderer", "third")

    def pages():
        try:
            return third.stats().get("left.out.RESPONSE", 0)
        except (FileNotFoundError, ValueError):
            return 0

    while not pages():
        assert time.monotonic() - began < 10, third.log()
        time.sleep(0.01)
    took = time.monotonic() - began
    print(f"its first page {took:.2f} s after its start")
    time.sleep(1)
    assert pipeline.remove(third) == 0
    no_loss(pipeline, load)
    assert took < 1, f"a third renderer sent its first page {took:.2f} s after its start"


def test_sigterm_of_one_loses_nothing(distant_pipeline, start_load):
    """What it has it answers itself: nothing is sent a second time."""
    load = start_load(distant_pipeline)
    for stage in ("renderer", "dbproxy"):
        time.sleep(0.5)
        extra = distant_pipeline.add(stage, "extra")
        time.sleep(1)
        before = sent_again(distant_pipeline, stage)
        assert distant_pipeline.remove(extra) == 0
        assert sent_again(distant_pipeline, stage) == before
    no_loss(distant_pipeline, load)


def test_slow_searches_hold_up_no_page(pipeline, cluster, database_url, start_load):
    """Many more of them than all credit together, while none of them gets on."""

    def search_page(target, status, headers, body):
        return None if status in (200, 503, 504) else f"status {status}"

    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE filmyfly.search_words")
        searches = Load(pipeline.https, (f"/search?q=word{n}" for n in itertools.count()), rate=100, tls=True,
                        http2=True, connections=20, check=search_page).start()
        time.sleep(2)
        load = start_load(pipeline)
        time.sleep(4)
        report = no_loss(pipeline, load)
    assert report.percentile(99) < 1, report.story(pipeline.events)
    told = no_loss(pipeline, searches).statuses
    assert told[503] > 200, told


def restart_all(pipeline, **env):
    for stage in ("dbproxy", "renderer", "cacher", "gateway"):
        for instance in pipeline[stage]:
            instance.restart(**env)
            time.sleep(1)


@pytest.mark.parametrize(
    "protocol", [{"tls": True}, {"tls": False}, {"http2": True, "connections": 4}], ids=["https", "http", "http2"]
)
def test_a_rolling_restart_loses_nothing(pipeline, start_load, protocol):
    load = start_load(pipeline, **protocol)
    time.sleep(0.5)
    restart_all(pipeline)
    # What the gateway's leaving connections had not looked at may be sent again by the client; nothing else.
    no_loss(pipeline, load, retried=5)


@pytest.mark.parametrize(
    "old", [("dbproxy", "cacher"), ("renderer", "gateway"), ("dbproxy", "renderer", "cacher", "gateway")], ids="+".join
)
def test_an_upgrade_from_the_release_before_loses_nothing(new_pipeline, start_load, old):
    mixed = new_pipeline(env_of={stage: {"FILMYFLY_PROTOCOL": "1"} for stage in old})
    load = start_load(mixed)
    time.sleep(1)
    restart_all(mixed, FILMYFLY_PROTOCOL="2")
    no_loss(mixed, load, retried=5)
    spoken = [line for line in mixed["gateway"][0].log().splitlines() if "takes work" in line]
    assert "protocol 1," in spoken[0] and "protocol 2," in spoken[-1], spoken


def test_a_page_that_kills_its_renderer_harms_no_other(new_pipeline, start_load, slugs):
    deadly = f"/movie/{slugs[0]}"
    own = new_pipeline(deaths=True, env_of={"renderer": {"FILMYFLY_FAULT": f"render-started@{deadly}:abort"}})
    load = start_load(own, factor=0.5)  # its targets have a query string, so the fault is not meant
    time.sleep(1)
    statuses = []

    def ask(times):
        for _ in range(times):
            statuses.append(own.get(deadly, timeout=20).status)

    threads = [threading.Thread(target=ask, args=(25,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    no_loss(own, load)
    deaths = sum(instance.restarts for instance in own["renderer"])
    print(f"{deaths} renderers died")
    assert statuses == [500] * 100
    assert deaths <= 3
    assert deadly in own["cacher"][0].log(), "the cacher's log does not name the page"


def test_a_dead_gateway_refuses_nobody(pipeline, slugs):
    gateway = pipeline["gateway"][0]
    for n in range(3):
        pipeline.kill(gateway)
        assert pipeline.get(f"/movie/{slugs[n]}?after-death").status == 200
        time.sleep(1)
    pipeline.wait_ready()


def test_a_second_cacher_refuses_to_start_and_names_the_owner(pipeline):
    owner = pipeline["cacher"][0]
    done = subprocess.run(
        [str(BIN / "filmyfly-cacher")],
        env={"FILMYFLY_RUN_DIR": str(pipeline.run_dir)},
        timeout=20,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode != 0 and f"process {owner.pid}" in done.stdout, done
    assert pipeline.get("/readyz").status == 200
