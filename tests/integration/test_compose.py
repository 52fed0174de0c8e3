"""docker/: the files say what they should (quick), and a real Docker does what they say (long).

The long tests need root: they run a dockerd of their own, in a network namespace of its own (containers.py).
"""

import asyncio
import functools
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import time

import pytest
import yaml

import client
import containers
from load import Load, right_page, unique_targets
from pipeline import BIN, REPO, wait_until

FOLDER = REPO / "docker"
STAGES = ("gateway", "cacher", "renderer", "dbproxy")
OURS = (*STAGES, "pause", "migrate", "certificate", "filmyfly")
# Settings that the image answers by itself, or that have no meaning in containers.
NOT_HANDED_ON = {
    "FILMYFLY_RUN_DIR",
    "FILMYFLY_SHARE_DIR",
    "FILMYFLY_VIEWS_DIR",
    "FILMYFLY_INSTANCE",
    "FILMYFLY_DEV",
    "FILMYFLY_ACME_DIR",
    "DATABASE_LISTEN_URL",
}


@functools.lru_cache
def config(*files, settings=""):
    """What docker-compose makes of the files, with these lines in .env."""
    with tempfile.NamedTemporaryFile("w", suffix=".env") as env_file:
        env_file.write(settings)
        env_file.flush()
        command = ["docker-compose", "--project-directory", FOLDER, "--env-file", env_file.name]
        for name in files:
            command += ["-f", FOLDER / name]
        done = subprocess.run(
            [*command, "config"],
            env={"PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return yaml.safe_load(done.stdout)


@pytest.fixture(scope="module")
def services():
    return config("compose.yaml")["services"]


def settings_of(stage):
    """The settings that its --help names."""
    done = subprocess.run(
        [BIN / f"filmyfly-{stage}", "--help"], stdout=subprocess.PIPE, text=True, timeout=30, check=True
    )
    return set(re.findall(r"^  ([A-Z_]+)=", done.stdout, re.M))


def test_the_files_are_well_formed():
    done = subprocess.run(
        ["yamllint", "-s", "-d", "{extends: default, rules: {line-length: {max: 140}, document-start: disable}}", FOLDER],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    config("compose.yaml", "compose.dev.yaml", settings=(FOLDER / ".env.example").read_text())
    for name in ("compose.yaml", "compose.dev.yaml"):
        assert not re.search("^version:", (FOLDER / name).read_text(), re.M), "Compose v2 warns of it"


def test_every_setting_of_a_stage_can_be_made_in_compose_and_no_other_stage_gets_it(services):
    for stage in STAGES:
        given, known = set(services[stage]["environment"]), settings_of(stage)
        missing = known - NOT_HANDED_ON - given
        assert not missing, f"docker/compose.yaml does not hand {sorted(missing)} to {stage}: add a line to its environment"
        assert given <= known, f"docker/compose.yaml hands {sorted(given - known)} to {stage}, which does not read it"
    told = config("compose.yaml", settings="FILMYFLY_CREDIT=77\n")["services"]
    assert all(told[stage]["environment"]["FILMYFLY_CREDIT"] == "77" for stage in STAGES if stage != "gateway")


def test_the_example_of_settings_names_what_compose_reads():
    named = set(re.findall(r"^#?([A-Z_]+)=", (FOLDER / ".env.example").read_text(), re.M))
    text = "".join((FOLDER / name).read_text() for name in ("compose.yaml", "compose.dev.yaml"))
    asked = set(re.findall(r"\$\{([A-Z_]+)", text))
    assert asked <= named
    handed_on = set(re.findall(r"^ +(FILMYFLY_[A-Z_]+):", text, re.M))
    assert named <= asked | handed_on | {"COMPOSE_PROJECT_NAME"}


def test_each_container_may_do_no_more_than_it_must(services):
    assert set(services) == {*OURS, "postgres"}
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged") and not service.get("cap_add"), name
        assert ("ports" in service) == (name == "gateway"), name
        if name in ("gateway",):
            assert list(service["networks"]) == ["public"]
        elif name in ("dbproxy", "migrate", "postgres"):
            assert list(service["networks"]) == ["database"]
        else:
            assert service["network_mode"] == "none", name
        knows = any("DATABASE" in key for key in service.get("environment", {}))
        assert knows == (name in ("dbproxy", "migrate", "postgres")), name
        key = any("/etc/filmyfly/tls" in volume for volume in service.get("volumes", []))
        assert key == (name in ("gateway", "certificate")), name
    users = [services[stage]["user"] for stage in STAGES]
    assert users == list(STAGES)
    assert config("compose.yaml")["networks"]["database"]["internal"] is True
    assert services["gateway"]["pid"] == services["cacher"]["pid"] == "service:pause"


def test_everything_waits_for_what_it_needs(services):
    def waits(service):
        return {name: each["condition"] for name, each in services[service]["depends_on"].items()}

    healthy, done = "service_healthy", "service_completed_successfully"
    assert waits("migrate") == {"postgres": healthy}
    assert waits("dbproxy") == {"migrate": done}
    assert waits("renderer") == {"dbproxy": healthy}
    assert waits("cacher") == {"renderer": healthy, "pause": "service_started"}
    assert waits("gateway") == {"cacher": healthy, "certificate": done, "pause": "service_started"}
    for stage in STAGES:
        assert services[stage]["healthcheck"]["test"] == ["CMD", "filmyfly", "status", stage, "--quiet"]


# ---- the real thing


def long(test):
    """The first one builds images: ten minutes on a slow machine."""
    return pytest.mark.long(pytest.mark.timeout(3600)(test))


HTTPS = ("127.0.0.1", 8443)
TLS = {"tls": True, "http2": True}
# Longer than Docker needs to start a container on a busy machine: a visitor may wait, and must get his page.
# To the gateway, whoever comes from this machine is one client: Docker's bridge.
PATIENCE = {
    "FILMYFLY_DEADLINE": "30s",
    "FILMYFLY_CLIENT_CONNECTIONS": "0",
    "FILMYFLY_CLIENT_CONNECTS": "0",
    "FILMYFLY_CLIENT_MISSES": "0",
    "FILMYFLY_CLIENT_ASKING": "0",
}


class PatientLoad(Load):
    """Tries again while nobody listens, as a person does who reloads: what was never asked is not lost. One tries for all."""

    def __init__(self, *positional, **named):
        super().__init__(*positional, **named)
        self._door = asyncio.Lock()

    async def _connection(self):
        end = time.monotonic() + 60
        async with self._door:
            while True:
                try:
                    return await super()._connection()
                except OSError:  # refused, or accepted by Docker's proxy for nobody
                    if time.monotonic() > end:
                        raise
                await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def docker():
    """Both images built."""
    with containers.Docker() as docker:
        docker.build("postgres:15-bookworm", REPO / "tests/integration/postgres_image")
        docker.build("filmyfly", REPO, "docker/Dockerfile")
        yield docker


@pytest.fixture(scope="module")
def compose(docker):
    """Up and healthy, as the files are."""
    with docker.network():
        compose = containers.Compose(docker, FOLDER, "compose.yaml", **PATIENCE)
        compose("up", "-d")
        compose.wait_healthy("gateway")
        yield compose
        compose("down", "--volumes")
        assert compose.docker("ps", "-aq") == ""
        assert compose.docker("volume", "ls", "-q") == ""


@pytest.fixture
def paths(compose):
    """Pages of movies, of which the first 40 are in the store."""
    slugs = compose.sql("select slug from filmyfly.movies where published order by id limit 400").split()
    found = [f"/movie/{slug}" for slug in slugs]
    for path in found[:40]:
        assert client.fetch(HTTPS, path, tls=True, timeout=60).status == 200
    return found


def cached(paths):
    return itertools.cycle(paths[:40])


def hit(target, status, headers, body):
    state = headers.get(b"x-cache-status")
    return right_page(target, status, headers, body) or (None if state == b"HIT" else f"X-Cache-Status: {state}")


def page_or_told_to_wait(target, status, headers, body):
    if status == 503 and headers.get(b"retry-after"):
        return None
    return right_page(target, status, headers, body)


def loads(paths, kind=Load, made=right_page):
    """Visitors of pages that are kept, and of pages that must be made."""
    stamp = f"{time.time_ns()}-"
    return [
        kind(HTTPS, cached(paths), 40, check=hit, timeout=60, **TLS).start(),
        kind(HTTPS, unique_targets(paths[40:], stamp), 20, check=made, timeout=60, **TLS).start(),
    ]


@long
def test_it_comes_up_healthy_and_serves_its_pages(compose, paths):
    for service in (*STAGES, "postgres"):
        assert set(compose.health(service)) == {"healthy"}, service
    assert len(compose.names("renderer")) == len(compose.names("dbproxy")) == 2
    assert compose.sql("select count(*) from filmyfly.movies") == "3199"
    assert compose.sql("select rolsuper from pg_roles where rolname = 'filmyfly'") == "f"
    answer = client.fetch(HTTPS, paths[0], tls=True)
    assert answer.status == 200 and answer.line("x-cache-status") == "HIT"
    assert client.fetch(HTTPS, paths[300], tls=True).line("x-cache-status") == "MISS"
    status = compose("run", "--rm", "filmyfly", "status", check=False)
    for name in ("gateway/1", "cacher/1", "renderer/2", "dbproxy/2"):
        assert name in status, status


@long
def test_nothing_but_the_gateway_is_reached_and_nobody_gets_further_than_its_neighbour(compose):
    database = compose.look("filmyfly_postgres_1")["NetworkSettings"]["Networks"]["filmyfly_database"]["IPAddress"]
    front = compose.look("filmyfly_gateway_1")["NetworkSettings"]["Networks"]["filmyfly_public"]["IPAddress"]

    def connect(service, host, port):
        return compose.inside(service, f"timeout 5 bash -c '</dev/tcp/{host}/{port}'")

    assert connect("dbproxy", database, 5432)[0] == 0
    for service in ("cacher", "renderer", "pause"):
        assert compose.inside(service, "ls /sys/class/net")[1] == "lo"
        for host, port in ((database, 5432), (front, 8443), ("192.0.2.1", 443)):
            status, said = connect(service, host, port)
            assert status != 0 and "Network is unreachable" in said, (service, host, said)
    for service in ("dbproxy", "postgres"):  # neither out, nor to the gateway
        for host, port in ((front, 8443), ("192.0.2.1", 443)):
            assert connect(service, host, port)[0] != 0, (service, host)
    assert connect("gateway", database, 5432)[0] != 0
    assert "could not be found" in str(compose.inside("gateway", "getent hosts postgres || echo could not be found"))

    published = [name for name in compose.names() if compose.look(name)["NetworkSettings"]["Ports"].values()]
    assert [name for name in published if any(compose.look(name)["NetworkSettings"]["Ports"].values())] == [
        "filmyfly_gateway_1"
    ]
    enters = {
        "gateway": {"gateway", "cacher"},
        "cacher": {"cacher", "renderer", "changes"},
        "renderer": {"renderer", "dbproxy"},
        "dbproxy": {"dbproxy", "changes"},
    }
    for service, may in enters.items():
        told = compose.inside(service, "cd /run/filmyfly && for f in *; do ls $f >/dev/null 2>&1 && echo $f; done")[1]
        assert set(told.split()) == may, service
    for service in ("renderer", "dbproxy"):
        assert compose.inside(service, "ls /var/cache/filmyfly")[0] != 0


@long
def test_no_container_can_change_its_system_or_become_more(compose):
    for service in (*STAGES, "pause", "postgres"):
        status, said = compose.inside(service, "echo x >/usr/local/bin/x")
        assert status != 0 and "Read-only file system" in said, said
        proc = compose.inside(service, "id -u; grep -E '^(CapPrm|CapEff|CapBnd|NoNewPrivs):' /proc/self/status")[1].split()
        assert proc[0] != "0"
        assert proc[1:] == ["CapPrm:", "0" * 16, "CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1"], proc
    assert compose.inside("gateway", "test -w /etc/filmyfly/tls/key.pem")[0] != 0
    assert compose.inside("gateway", "touch /var/cache/filmyfly/x")[0] != 0  # it reads the store
    environment = "tr '\\0' '\\n' </proc/1/environ 2>/dev/null; env"
    for service in ("gateway", "cacher", "renderer"):
        assert "postgresql://" not in compose.inside(service, environment)[1]
    # gateway and cacher see each other, and not into each other
    pid = compose.inside("gateway", "grep -l filmyfly-cacher /proc/[0-9]*/comm | cut -d/ -f3")[1]
    assert pid.isdigit() and compose.inside("gateway", f"cat /proc/{pid}/environ")[0] != 0


@long
def test_renderers_are_scaled_under_load_and_back_and_nobody_notices(compose, paths):
    running = loads(paths)
    compose("up", "-d", "--no-recreate", "--scale", "renderer=4")
    compose.wait_healthy("renderer", 4)
    wait_until(lambda: "renderer/4 takes work" in compose("logs", "cacher"), 30, "work for the fourth renderer")
    time.sleep(2)
    compose("up", "-d", "--no-recreate", "--scale", "renderer=2")
    assert len(compose.names("renderer")) == 2
    for report in [load.stop() for load in running]:
        assert report.good(), report.story()


def kill_under_load(compose, paths, service, made):
    running = loads(paths, made=made)
    time.sleep(1)
    began = time.time()
    compose.wait_back(service, compose.kill(service))
    took = time.time() - began
    time.sleep(3)
    for report in [load.stop() for load in running]:
        print(f"{service}, back after {took:.1f} s: {report.story()}")
        assert report.good(), f"{service}: {report.story()}"
    compose.wait_healthy(service, len(compose.names(service)))


@long
@pytest.mark.parametrize("service", ["renderer", "dbproxy", "cacher"])
def test_a_container_that_is_killed_comes_back_and_no_page_is_lost(compose, paths, service):
    kill_under_load(compose, paths, service, right_page)


@long
def test_a_killed_database_comes_back_and_only_pages_that_need_it_wait(compose, paths):
    """Its recovery may take longer than a visitor's longest wait; then he is told to come again."""
    kill_under_load(compose, paths, "postgres", page_or_told_to_wait)
    wait_until(lambda: client.fetch(HTTPS, paths[60] + "?n=back", tls=True, timeout=60).status == 200, 120, "a new page")


@long
@pytest.mark.parametrize("service", ["gateway", "pause"])  # pause takes gateway and cacher with it
def test_a_gateway_that_is_killed_loses_only_what_was_in_flight(compose, paths, service):
    running = loads(paths, PatientLoad)
    time.sleep(1)
    before = compose.look("filmyfly_gateway_1")["State"]["Pid"]
    compose.kill(service)
    killed = time.time()
    compose.wait_back("gateway", before)
    took = time.time() - killed
    time.sleep(5)
    for report in [load.stop() for load in running]:
        print(f"{service}, gateway back after {took:.1f} s: {report.story()}")
        assert report.sent > 100
        for failure in report.failures:  # asked before it died, or while its connections ended
            assert failure.at < killed + 1 and "ConnectionError" in failure.what, report.story()
    for each in ("gateway", "cacher"):
        compose.wait_healthy(each)


@long
def test_down_and_up_keep_the_data_and_the_pages(compose, paths):
    slug = paths[5].split("/")[-1]
    compose.sql(f"update filmyfly.movies set title = 'Kept over a night' where slug = '{slug}'")

    def changed():
        answer = client.fetch(HTTPS, paths[5], tls=True)
        return "Kept over a night" in answer.text and answer.line("x-cache-status") == "HIT"

    wait_until(changed, 30, "the changed page in the store")
    compose("down")
    assert compose.docker("ps", "-aq") == ""
    compose("up", "-d")
    compose.wait_healthy("gateway")
    for path in paths[:40]:
        answer = client.fetch(HTTPS, path, tls=True)
        assert answer.status == 200 and answer.line("x-cache-status") == "HIT", (path, answer.headers)
    assert "Kept over a night" in client.fetch(HTTPS, paths[5], tls=True).text
    assert client.fetch(HTTPS, paths[200] + "?n=after", tls=True).status == 200


@long
def test_with_the_second_file_what_is_edited_is_built_and_served(docker, compose, tmp_path):
    compose("down", "--volumes")
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("build", "var", ".git", "__pycache__", ".cache")
    shutil.copytree(REPO, source, ignore=ignored, symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", tmp_path], check=True)
    dev = containers.Compose(docker, source / "docker", "compose.yaml", "compose.dev.yaml", **PATIENCE)
    dev("up", "-d", timeout=1800)
    dev.wait_healthy("gateway")
    try:
        template = source / "renderer" / "views" / "home.mustache"
        template.write_text(template.read_text().replace("<h1", "<p>fresh from the editor</p>\n<h1", 1))

        def served():
            return "fresh from the editor" in client.fetch(HTTPS, f"/?n={time.time_ns()}", tls=True).text

        wait_until(served, 60, "the edited template")
        before = {each: dev.look(f"filmyfly_{each}_1")["State"]["Pid"] for each in STAGES}
        code = source / "renderer" / "renderer.c"
        code.write_text(code.read_text() + "\nconst char edited[] = \"edited\";\n")
        wait_until(lambda: "Restarting renderer" in dev("logs", "builder"), 300, "the restart of the renderers")
        dev.wait_back("renderer", before["renderer"])
        dev.wait_back("renderer", 0, number=2)
        assert served()
        assert all(dev.look(f"filmyfly_{each}_1")["State"]["Pid"] == before[each] for each in ("gateway", "cacher", "dbproxy"))
    finally:
        dev("down", "--volumes")
