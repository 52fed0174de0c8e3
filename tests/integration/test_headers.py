"""What every answer says to browsers, whoever made it; and who may read the API from other sites."""

import re

import client
import pytest
from test_gateway import H2, Cacher, Gateway, short_folder

TABLE = {
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "content-security-policy": None,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "1; mode=block",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": None,
    "cross-origin-resource-policy": "same-origin",
}
CSS = "/static/site.0a1b2c3d.css"
HERE, THERE = "https://a.example", "https://b.example"
PREFLIGHT = ("access-control-request-method", "GET")


@pytest.fixture(scope="module", name="home")
def _home():
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module", name="site")
def _site(home):
    cacher = Cacher(home / "run")
    gateway = Gateway(home)
    gateway.cacher = cacher
    yield gateway
    gateway.stop()
    cacher.end()


def check_table(answer, tls=True, editors=False):
    for name, value in TABLE.items():
        lines = answer.lines(name)
        if name == "strict-transport-security" and not tls:
            assert lines == []
            continue
        assert len(lines) == 1, (name, answer.status, answer.headers)
        assert value is None or lines[0].decode() == value
    assert [line.decode() for line in answer.lines("cross-origin-opener-policy")] == ["same-origin"] * editors
    assert answer.lines("server") == [] and answer.lines("x-powered-by") == []


def respond(status, *lines):
    return lambda ticket: ticket.respond(status, list(lines), b"" if status in (204, 304) else b"x")


@pytest.mark.parametrize("kind, status", [
    ("page", 200), ("moved", 301), ("unchanged", 304), ("nothing", 204), ("missing", 404), ("method", 405), ("broken", 500), ("busy", 503),
    ("failed", 502), ("style", 200), ("style-unchanged", 304), ("style-part", 206), ("style-beyond", 416), ("style-missing", 404),
    ("style-method", 405), ("health", 200), ("path", 400), ("host", 421), ("body", 413), ("long", 414), ("fields", 431), ("trace", 501)])
def test_every_answer_has_the_table(site, kind, status):
    answers = site.cacher.answer
    answers["/page"] = respond(status, ("location", "/b"), ("etag", '"1"'))
    answers["/busy"] = lambda ticket: ticket.answer("BUSY", retry_after=7)
    answers["/failed"] = lambda ticket: ticket.fail("hangup", "a reason")
    etag = client.fetch(site.https, CSS, tls=True).line("etag")
    target, method, more = {
        "busy": ("/busy", "GET", {}), "failed": ("/failed", "GET", {}), "style": (CSS, "GET", {}), "health": ("/healthz", "GET", {}),
        "style-unchanged": (CSS, "GET", {"headers": [("if-none-match", etag)]}), "style-part": (CSS, "GET", {"headers": [("range", "bytes=0-9")]}),
        "style-beyond": (CSS, "GET", {"headers": [("range", "bytes=99999-")]}), "style-missing": ("/static/x", "GET", {}),
        "style-method": (CSS, "DELETE", {}), "path": ("/%00", "GET", {}), "body": ("/page", "POST", {"body": b"x" * 5000}),
        "long": ("/" + "x" * 8192, "GET", {}), "fields": ("/page", "GET", {"headers": [("x", "x" * 3900)] * 20}), "trace": ("/", "TRACE", {}),
    }.get(kind, ("/page", "GET", {}))
    host = "stranger.example" if kind == "host" else "localhost"
    for tls in (False, True):
        answer = client.fetch(site.https if tls else site.http, target, method, tls=tls, host=host, **more)
        assert answer.status == status
        check_table(answer, tls)
    if kind not in ("host", "long", "fields"):
        connection = H2(site.https)
        answer = connection.get(target, method=method, **more)
        assert answer.status == status
        check_table(answer)
        connection.close()


@pytest.mark.parametrize("target", ["/login", "/admin", "/admin/movies?x=/", "/%61dmin/movies", "/admin/missing"])
def test_nothing_that_opened_a_page_of_editors_has_a_hand_on_it(site, target):
    site.cacher.answer[target] = respond(404 if "missing" in target else 200)
    check_table(client.fetch(site.https, target, tls=True), editors=True)
    check_table(client.fetch(site.http, target), tls=False, editors=True)
    connection = H2(site.https)
    check_table(connection.get(target), editors=True)
    connection.close()


def test_what_the_library_refuses_by_itself_has_it_too(site):
    for head, status in [(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: wonders\r\n\r\n", 417),
                         (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", 413),
                         (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
                         (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
                         (b"GET / HTTP/1.1\r\n\x01\r\n\r\n", 400), (b"nonsense\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00", 400)]:
        with client.connect(site.http) as connection:
            connection.sendall(head)
            answer = client.read_answer(connection.makefile("rb"))
            assert (answer.status, answer.line("connection")) == (status, "close"), head
            assert answer.line("content-type") == "text/html; charset=utf-8"
            check_table(answer, tls=False)


def test_the_policy_allows_nothing_inline_and_nobody_elsewhere(site):
    policy = client.fetch(site.https, "/healthz", tls=True).line("content-security-policy")
    assert "unsafe" not in policy and "*" not in policy and "http" not in policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == rules["form-action"] == "'self'"


def test_an_origins_own_policy_does_not_pass(site):
    lines = [(name, "origin") for name in [*TABLE, "cross-origin-opener-policy"]] + [("Server", "secret/1.0"), ("x-powered-by", "secret"), ("X-Frame-Options", "ALLOWALL"),
                                                    ("Access-Control-Allow-Origin", "https://evil.example"), ("x-mine", "1")]
    site.cacher.answer["/own"] = respond(200, *lines)
    answer = client.fetch(site.https, "/own", tls=True)
    check_table(answer)
    assert answer.lines("access-control-allow-origin") == [] and answer.line("x-mine") == "1"


def test_strict_transport_security_can_be_set(home):
    for value, line in [("0", None), ("1h", "max-age=3600; includeSubDomains")]:
        gateway = Gateway(home, hsts=value)
        answer = client.fetch(gateway.https, "/healthz", tls=True)
        assert answer.line("strict-transport-security") == line and answer.line("x-frame-options") == "DENY"
        gateway.stop()


# Other sites.

def test_anybodys_script_may_read_the_api_but_not_with_credentials(site):
    for headers in ([], [("origin", HERE)], [("origin", "null")]):
        answer = client.fetch(site.https, "/api/v1/x", tls=True, headers=headers)
        assert answer.lines("access-control-allow-origin") == [b"*"] and answer.lines("access-control-allow-credentials") == []
        assert answer.lines("vary") == []
    for target in ("/", "/apis", "/static/x", "/api"):
        answer = client.fetch(site.https, target, tls=True, headers=[("origin", HERE)])
        assert not [name for name, _ in answer.headers if name.startswith(b"access-control")]


def test_errors_can_be_read_too(site):
    for target, status in [("/api/%00", 400), ("/api/" + "x" * 8190, 414)]:
        answer = client.fetch(site.https, target, tls=True)
        assert (answer.status, answer.line("content-type")) == (status, "application/problem+json")
        assert answer.lines("access-control-allow-origin") == [b"*"]


def test_a_preflight_reaches_nobody(site):
    before = len(site.cacher.seen)
    answer = client.fetch(site.https, "/api/v1/x", "OPTIONS", tls=True,
                          headers=[("origin", HERE), PREFLIGHT, ("access-control-request-headers", "if-none-match")])
    assert (answer.status, answer.body, answer.lines("access-control-allow-origin")) == (204, b"", [b"*"])
    assert answer.line("access-control-allow-methods") == "GET, HEAD" and answer.line("access-control-allow-headers") == "*"
    assert 0 < int(answer.line("access-control-max-age")) <= 7200
    check_table(answer)
    assert len(site.cacher.seen) == before
    for headers in ([], [("origin", HERE)], [PREFLIGHT]):  # a question about the resource, not a preflight
        client.fetch(site.https, "/api/v1/asked", "OPTIONS", tls=True, headers=headers)
    client.fetch(site.https, "/other", "OPTIONS", tls=True, headers=[("origin", HERE), PREFLIGHT])
    assert len(site.cacher.messages("/api/v1/asked")) == 3 and len(site.cacher.messages("/other")) == 1


def test_a_list_of_origins(home):
    gateway = Gateway(home, cors_origins=f"{HERE} https://c.example")
    try:
        for origin, allowed in [(HERE, HERE), ("https://c.example", "https://c.example"), (THERE, None), (HERE + ".evil.example", None),
                                ("null", None), (None, None)]:
            headers = [("origin", origin)] if origin else []
            answer = client.fetch(gateway.https, "/api/%00", tls=True, headers=headers)
            assert (answer.line("access-control-allow-origin"), answer.lines("vary")) == (allowed, [b"origin"])
            assert answer.lines("access-control-allow-credentials") == []
            if origin:
                answer = client.fetch(gateway.https, "/api/v1/x", "OPTIONS", tls=True, headers=[*headers, PREFLIGHT])
                assert (answer.status, answer.line("access-control-allow-origin"), answer.lines("vary")) == (204, allowed, [b"origin"])
                assert (answer.line("access-control-allow-methods") is None) == (allowed is None)
    finally:
        gateway.stop()
    gateway = Gateway(home, cors_origins="")
    answer = client.fetch(gateway.https, "/api/%00", tls=True, headers=[("origin", HERE)])
    assert not [name for name, _ in answer.headers if name.startswith(b"access-control")] and answer.lines("vary") == []
    gateway.stop()


@pytest.mark.parametrize("setting, value", [("CORS_ORIGINS", "films.example"), ("CORS_ORIGINS", "https://films.example/"),
                                            ("HOSTS", "https://films.example"), ("HOSTS", "films.example:443")])
def test_a_list_that_is_wrong_is_said_at_the_start(home, setting, value):
    with pytest.raises(AssertionError, match=re.escape(f'FILMYFLY_{setting} has "{value}"')):
        Gateway(home, **{setting.lower(): value})


# Behind the cache.

def test_pages_from_the_store_have_the_table_once(new_pipeline, tmp_path):
    with new_pipeline(renderers=1, dbproxies=1, env={"FILMYFLY_CACHE_DIR": str(tmp_path)}) as pipeline:
        for target in ("/movies", "/api/v1/categories"):
            first = pipeline.get(target)
            for headers in ([], [("if-none-match", first.line("etag"))], [("range", "bytes=0-9")]):
                for _ in range(200):
                    answer = pipeline.get(target, headers=headers)
                    if answer.line("x-cache-status") == "HIT":
                        break
                assert answer.line("x-cache-status") == "HIT" and answer.status in (200, 206, 304)
                check_table(answer)
                assert answer.lines("access-control-allow-origin") == ([b"*"] if "/api/" in target else [])
