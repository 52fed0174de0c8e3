"""After an upgrade the pages of the release before are made anew: they name static files and show a look of the past."""

import shutil

import pytest

from pipeline import BUILD, wait_until


def state_of(pipeline, target):
    answer = pipeline.get(target, tls=False)
    assert answer.status == 200
    return answer.line("x-cache-status")


@pytest.fixture(name="share")
def fixture_share(tmp_path):
    return shutil.copytree(BUILD / "share" / "filmyfly", tmp_path / "share", symlinks=False)


def restart(pipeline, stage):
    for instance in pipeline[stage]:
        instance.restart()
    pipeline.wait_published()
    pipeline.wait_ready()


def test_other_views_make_every_stored_page_stale(new_pipeline, slugs, share):
    pipeline = new_pipeline(env={"FILMYFLY_CACHE_DIR": "cache", "FILMYFLY_SHARE_DIR": str(share)})
    target = "/movie/" + slugs[0]
    wait_until(lambda: "follows the changes" in pipeline["cacher"][0].log(), 10, "the cacher follows the changes: it makes anew what it stored before")
    wait_until(lambda: state_of(pipeline, target) == "HIT", 10, "the page is in the store")

    restart(pipeline, "cacher")  # the same release
    assert state_of(pipeline, target) == "HIT"

    view = share / "views" / "movie.mustache"
    view.write_text(view.read_text().replace("</article>", "<p>Another look</p></article>"))
    restart(pipeline, "renderer")
    assert "Another look" not in pipeline.get(target, tls=False).text, "nobody told the cacher yet"
    restart(pipeline, "cacher")
    wait_until(lambda: "Another look" in pipeline.get(target, tls=False).text, 10, "the page has the new look")
    wait_until(lambda: state_of(pipeline, target) == "HIT", 10, "and is in the store again")

    restart(pipeline, "cacher")
    assert state_of(pipeline, target) == "HIT", "the change is remembered"
