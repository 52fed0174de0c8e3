"""Debian's chromium opens pages over HTTPS: the text is there, nothing is refused, and pictures are kept."""

import os
import shutil
import struct
import subprocess

import pytest

from pipeline import BUILD

CHROMIUM = shutil.which("chromium") or "chromium"  # packages.txt has it; where it is missing the tests say so
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--enable-logging=stderr",
]
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}


@pytest.fixture
def chromium(tmp_path):
    def run(url, *options):
        done = subprocess.run(
            [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path}/profile", *options, url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=90,
            check=False,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
        console = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "CONSOLE" in line]
        assert not console, f"{url}: " + "\n".join(console)
        return done.stdout.decode("utf-8", "replace")

    return run


def png_size(path):
    with open(path, "rb") as f:
        return struct.unpack(">II", f.read(24)[16:])


def test_a_movie_page_has_its_text(pipeline, chromium, cluster):
    slug, title, director = (
        cluster.psql(
            "SELECT slug, title, director FROM filmyfly.movies "
            "WHERE director IS NOT NULL AND title ~ '^[A-Za-z ]+$' AND published ORDER BY votes DESC LIMIT 1",
            "filmyfly",
        )
        .strip()
        .split("|")
    )
    dom = chromium(f"https://localhost:{pipeline.https[1]}/movie/{slug}", "--dump-dom")
    assert f"{title}</h1>" in dom and director in dom and "</html>" in dom
    assert '<link rel="stylesheet" href="/static/site.' in dom


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", ["home", "movies", "movie", "not-found"])
def test_screenshots(pipeline, chromium, cluster, page, size):
    slug = cluster.psql(
        "SELECT slug FROM filmyfly.movies WHERE published ORDER BY votes DESC LIMIT 1", "filmyfly"
    ).strip()
    target = {"home": "/", "movies": "/movies", "movie": f"/movie/{slug}", "not-found": "/movie/none"}[page]
    width, height = SIZES[size]
    folder = BUILD / "screenshots"
    folder.mkdir(exist_ok=True)
    path = folder / f"{page}-{size}.png"
    path.unlink(missing_ok=True)
    chromium(
        f"https://localhost:{pipeline.https[1]}{target}", f"--window-size={width},{height}", f"--screenshot={path}"
    )
    assert png_size(path) == (width, height)
    assert path.stat().st_size > 10000, "next to nothing was painted"
