"""Static files: compressed by the build, kept by browsers for good, in parts for who asks."""

import gzip
import hashlib
import subprocess

import client
import pytest
from test_gateway import BUILD, Gateway, short_folder

STATIC = BUILD / "share" / "filmyfly" / "static"
MANIFEST = dict(line.split() for line in (STATIC / "manifest.txt").read_text().splitlines())
TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml", "png": "image/png"}


@pytest.fixture(scope="module", name="site")
def _site():
    with short_folder() as home:
        gateway = Gateway(home, share_dir=BUILD / "share" / "filmyfly")
        yield gateway
        gateway.stop()


def get(site, plain, method="GET", **headers):
    lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return client.fetch(site.https, f"/static/{MANIFEST[plain]}", method, headers=lines, tls=True)


def test_the_build_made_names_and_codings():
    assert MANIFEST
    for plain, name in MANIFEST.items():
        content = (STATIC / name).read_bytes()
        assert name.split(".")[-2] == hashlib.sha256(content).hexdigest()[:8], name
        if plain.endswith((".css", ".js", ".svg", ".json")):
            assert gzip.decompress((STATIC / f"{name}.gz").read_bytes()) == content
            done = subprocess.run(["brotli", "--decompress", "--stdout", STATIC / f"{name}.br"], capture_output=True, check=True)
            assert done.stdout == content
        else:
            assert not (STATIC / f"{name}.gz").exists()


@pytest.mark.parametrize("plain", sorted(MANIFEST))
def test_each_file_in_each_coding(site, plain):
    content = (STATIC / MANIFEST[plain]).read_bytes()
    compressed = (STATIC / (MANIFEST[plain] + ".gz")).exists()
    etags = set()
    for accept, coding in [(None, None), ("gzip", "gzip"), ("br", "br"), ("gzip, br", "br"), ("br;q=0, gzip", "gzip"), ("gzip;q=0", None),
                           ("identity", None), ("", None), ("deflate, GZIP;q=0.5", "gzip")]:
        answer = get(site, plain, **({} if accept is None else {"accept_encoding": accept}))
        coding = coding if compressed else None
        ending = {None: "", "gzip": ".gz", "br": ".br"}[coding]
        assert (answer.status, answer.line("content-encoding")) == (200, coding), accept
        assert answer.body == (content if not ending else (STATIC / (MANIFEST[plain] + ending)).read_bytes())
        assert answer.line("cache-control") == "public, max-age=31536000, immutable"
        assert answer.line("vary") == ("accept-encoding" if compressed else None)
        assert answer.line("content-type") == TYPES.get(plain.split(".")[-1], answer.line("content-type"))
        assert answer.line("etag").startswith('"') and answer.line("last-modified").endswith(" GMT")
        etags.add((answer.line("etag"), coding))
    assert len({etag for etag, _ in etags}) == len(etags) == (3 if compressed else 1)  # strong ones are of one coding's bytes


def test_a_page_of_another_release_finds_the_files_of_now(site):
    name = MANIFEST["site.css"]
    digits = name.split(".")[1]
    answer = client.fetch(site.https, "/static/" + name.replace(digits, "0123abcd"), "GET", tls=True)
    assert (answer.status, answer.line("cache-control")) == (200, "no-cache")
    assert answer.body == (STATIC / name).read_bytes()
    for other in ("site.css", "site.0123abc.css", "site.0123abcde.css", "site.0123abcg.css", "site.0123abcd.js.css", "sitf.0123abcd.css", "site."):
        assert client.fetch(site.https, "/static/" + other, "GET", tls=True).status == 404, other


def test_who_has_it_already_is_told_so(site):
    first = get(site, "site.css", accept_encoding="br")
    for headers in ({"if_none_match": first.line("etag")}, {"if_none_match": f'"x", W/{first.line("etag")}'}, {"if_none_match": "*"},
                    {"if_modified_since": first.line("last-modified")}):
        again = get(site, "site.css", accept_encoding="br", **headers)
        assert (again.status, again.body, again.line("etag")) == (304, b"", first.line("etag"))
        assert again.line("cache-control") == first.line("cache-control") and again.line("content-encoding") is None
    for headers in ({"if_none_match": '"x"'}, {"if_none_match": '"x"', "if_modified_since": first.line("last-modified")},
                    {"if_modified_since": "Thu, 01 Jan 1970 00:00:00 GMT"}, {"if_none_match": get(site, "site.css").line("etag")}):
        assert get(site, "site.css", accept_encoding="br", **headers).status == 200


def test_parts(site):
    content, n = (STATIC / MANIFEST["share.png"]).read_bytes(), (STATIC / MANIFEST["share.png"]).stat().st_size
    for wish, part in [("bytes=0-0", content[:1]), ("bytes=5-9", content[5:10]), (f"bytes={n - 1}-", content[-1:]), ("bytes=-3", content[-3:]),
                       ("bytes=0-", content), (f"bytes=10-{n + 50}", content[10:]), (f"bytes=-{n + 50}", content), ("BYTES= 1-2", content[1:3])]:
        answer = get(site, "share.png", range=wish)
        first = content.index(part) if len(part) > 3 else {"bytes=0-0": 0, f"bytes={n - 1}-": n - 1, "bytes=-3": n - 3, "BYTES= 1-2": 1}[wish]
        assert (answer.status, answer.body) == (206, part), wish
        assert answer.line("content-range") == f"bytes {first}-{first + len(part) - 1}/{n}"
        assert answer.line("content-length") == str(len(part)) and answer.line("accept-ranges") == "bytes"
    for wish in (f"bytes={n}-", "bytes=-0", "bytes=99999999999999999999-"):
        answer = get(site, "share.png", range=wish)
        assert (answer.status, answer.body, answer.line("content-range")) == (416, b"", f"bytes */{n}"), wish
    for wish in ("bytes=2-1", "bytes=a-b", "bytes=", "bytes=-", "bytes=1", "lines=1-2", "bytes=0-1,3-4", "bytes=1-2x", ""):
        answer = get(site, "share.png", range=wish)
        assert (answer.status, answer.body) == (200, content), wish
    head = get(site, "share.png", "HEAD", range="bytes=0-0")
    assert (head.status, head.line("content-length")) == (200, str(n))


def test_a_part_is_of_the_plain_bytes(site):
    answer = get(site, "site.css", accept_encoding="br, gzip", range="bytes=3-12")
    assert (answer.status, answer.line("content-encoding")) == (206, None)
    assert answer.body == (STATIC / MANIFEST["site.css"]).read_bytes()[3:13]
    assert answer.line("etag") == get(site, "site.css").line("etag")


def test_a_part_only_of_what_the_client_has(site):
    plain, coded = get(site, "site.css"), get(site, "site.css", accept_encoding="gzip")
    for value, status in [(plain.line("etag"), 206), (coded.line("etag"), 200), ("W/" + plain.line("etag"), 200), ('"x"', 200),
                          (plain.line("last-modified"), 200), ("Thu, 01 Jan 1970 00:00:00 GMT", 200)]:  # a date is that of each coding
        assert get(site, "site.css", range="bytes=0-3", if_range=value).status == status, value
