"""What the integration tests share: one PostgreSQL with the demo catalogue, one certificate, one pipeline.

FILMYFLY_BUILD_DIR: whose bin/ is tested (build/asan). FILMYFLY_RATE: requests a second. The full counts of kills and
frames are marked `long`: pytest -m long runs them.
"""

import os
import subprocess

import pytest

from pg import Cluster
from pipeline import BIN, REPO, Certificate, Pipeline, sanitized


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; -m long runs it")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.get_closest_marker("long") and "long" not in config.option.markexpr:
            item.add_marker(pytest.mark.skip(reason="long: -m long runs it"))


@pytest.fixture(scope="session")
def cluster():
    """PostgreSQL with the demo catalogue in the database filmyfly, owned by filmyfly, who may do nothing else."""
    with Cluster() as pg:
        pg.create_database("filmyfly", owner="filmyfly")
        env = {**os.environ, "DATABASE_URL": pg.url("filmyfly", "filmyfly"), "ASAN_OPTIONS": "quarantine_size_mb=8"}
        for arguments in (["--migrate"], ["--load", str(REPO / "dbproxy" / "demo" / "movies.ndjson"), "--if-empty"]):
            done = subprocess.run(
                [str(BIN / "filmyfly-dbproxy"), *arguments],
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, f"filmyfly-dbproxy {' '.join(arguments)}: {done.stdout[-2000:]}"
        pg.psql("VACUUM ANALYZE", "filmyfly")
        yield pg


@pytest.fixture(scope="session")
def database_url(cluster):
    return cluster.url("filmyfly", "filmyfly")


@pytest.fixture(scope="session")
def slugs(cluster):
    """Addresses of movies, many enough that none is asked for twice at the same time."""
    return cluster.psql("SELECT slug FROM filmyfly.movies WHERE published ORDER BY id LIMIT 1000", "filmyfly").split()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return Certificate.make(str(tmp_path_factory.mktemp("certificate")))


@pytest.fixture(scope="session")
def rate():
    """Requests a second that a pipeline under test is given."""
    return float(os.environ.get("FILMYFLY_RATE", 60 if sanitized() else 200))


@pytest.fixture(scope="session")
def shared_pipeline(database_url, certificate):
    with Pipeline(database_url, certificate) as pipeline:
        yield pipeline


@pytest.fixture
def pipeline(shared_pipeline, cluster):
    """Two of each that may be two; each test finds all of them ready."""
    if not cluster.pid():
        cluster.start()
    shared_pipeline.wait_published()
    shared_pipeline.wait_ready()
    yield shared_pipeline
    faults = shared_pipeline.faults()
    assert not faults, "\n".join(faults)


@pytest.fixture
def new_pipeline(database_url, certificate):
    """Makes pipelines of a test's own: new_pipeline(renderers=1, env_of={…}). They are closed and checked at its end."""
    made = []

    def make(url=database_url, **options):
        pipeline = Pipeline(url, certificate, **options)
        made.append(pipeline)
        return pipeline.__enter__()

    yield make
    for pipeline in made:
        pipeline.close()
