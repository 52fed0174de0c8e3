"""Port 80: visitors are sent to HTTPS, certificate authorities find their challenges, and a certificate from one is taken up."""

import contextlib
import os

import pytest

import client
from authority import Authority
from test_gateway import Cacher, Gateway, short_folder, wait_until
from test_headers import check_table

CHALLENGE = "/.well-known/acme-challenge/"
SITE = "https://films.example:8443"


@pytest.fixture(name="own")
def _own():
    """A folder for gateways of the test's own."""
    with short_folder() as folder:
        yield folder


@pytest.fixture(name="site", scope="module")
def _site():
    """A gateway that redirects, for tests that leave it as it was."""
    with short_folder() as folder:
        (folder / "acme" / CHALLENGE[1:]).mkdir(parents=True)
        cacher = Cacher(folder / "run")
        gateway = Gateway(folder, http_mode="redirect", site=SITE, acme_dir=folder / "acme")
        gateway.cacher, gateway.folder = cacher, folder / "acme" / CHALLENGE[1:]
        yield gateway
        gateway.stop()
        cacher.end()


def location(gateway, target, method="GET", **options):
    answer = client.fetch(gateway.http, target, method, **options)
    return answer.status, answer.line("location")


# The redirect.


@pytest.mark.parametrize("target", ["/", "/movie/x?a=b&c=%20%C3%A4", "/search?q=1//2", "/static/site.0a1b2c3d.css", "/?", "/favicon.ico"])
def test_visitors_are_sent_to_the_same_page_by_https(site, target):
    assert location(site, target, host="films.example") == (301, f"https://films.example:8443{target}")
    assert location(site, target, "HEAD", host="films.example:8080") == (301, f"https://films.example:8443{target}")
    assert location(site, target, "POST", host="films.example", body=b"x=1") == (308, f"https://films.example:8443{target}")


def test_the_redirect_has_the_lines_of_every_answer(site):
    check_table(client.fetch(site.http, "/a", host="films.example"), tls=False)


def test_the_host_that_was_asked_for_stays(site):
    assert location(site, "/a", host="localhost:80") == (301, "https://localhost:8443/a")
    assert location(site, "/a", host="[::1]:80") == (301, "https://[::1]:8443/a")
    assert location(site, "http://films.example:80/a") == (301, "https://films.example:8443/a")
    with client.connect(site.http) as connection:
        connection.sendall(b"GET /a HTTP/1.0\r\n\r\n")
        with connection.makefile("rb") as file:
            assert client.read_answer(file).line("location") == "https://films.example:8443/a"


def test_a_redirect_is_not_kept_for_ever_and_what_looks_after_the_machine_is_answered(site):
    assert client.fetch(site.http, "/").line("cache-control") == "max-age=3600"
    assert client.fetch(site.http, "/healthz").status == 200
    assert client.fetch(site.http, "/readyz").status == 200
    assert len(site.cacher.messages("/readyz")) == 1
    assert client.fetch(site.https, "/page", tls=True).body == b"page /page"
    assert [message.scheme for message in site.cacher.messages("/page")] == ["https"]


def test_the_standard_port_is_left_out(own):
    gateway = Gateway(own, http_mode="redirect", site="https://films.example")
    assert location(gateway, "/a?b", host="films.example") == (301, "https://films.example/a?b")
    gateway.stop()


@pytest.mark.parametrize("settings", [{}, {"http_mode": "serve", "site": SITE}, {"site": "http://localhost"}, {"https": ""}])
def test_where_only_this_machine_can_come_pages_are_served(own, settings):
    cacher, gateway = Cacher(own / "run"), Gateway(own, **settings)
    assert client.fetch(gateway.http, "/page").body == b"page /page"
    gateway.stop()
    cacher.end()


# Challenges.


def challenge(site, name, **options):
    return client.fetch(site.http, CHALLENGE + name, host="films.example", **options)


def test_a_challenge_is_answered_from_the_folder(site):
    name = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA"
    (site.folder / name).write_text(name + ".thumbprint")
    answer = challenge(site, name)
    assert (answer.status, answer.text) == (200, name + ".thumbprint")
    assert answer.line("content-type") == "application/octet-stream" and answer.line("cache-control") == "no-store"
    assert challenge(site, name + "?from=ca").status == 200
    assert challenge(site, name, method="HEAD").line("content-length") == str(len(name) + 11)
    assert challenge(site, name, method="POST", body=b"x").status == 405
    assert client.fetch(site.https, CHALLENGE + name, tls=True).text == name + ".thumbprint"


def test_nothing_else_comes_out_of_the_folder(site):
    outside = site.folder.parent / "secret"
    outside.write_text("secret")
    (site.folder / "file.txt").write_text("secret")
    (site.folder / "large").write_text("secret" * 1000)
    (site.folder / "folder").mkdir()
    (site.folder / "folder" / "inner").write_text("secret")
    (site.folder / "link").symlink_to(outside)
    os.mkfifo(site.folder / "pipe")
    for name in ("", "nothing", "file.txt", "large", "folder", "folder/inner", "link", "pipe", ".", "..", "../secret", "%2e%2e/secret",
                 "..%2fsecret", "a" * 129, "%00", "a%00b", "secret%2f"):
        answer = challenge(site, name)
        assert answer.status in (400, 404) and b"secret" not in answer.body, name
    assert not site.cacher.messages(CHALLENGE)


def test_without_a_folder_a_challenge_is_an_address_like_others(own):
    cacher, gateway = Cacher(own / "run"), Gateway(own)
    assert client.fetch(gateway.http, CHALLENGE + "x").body == f"page {CHALLENGE}x".encode()
    gateway.stop()
    cacher.end()


# A whole life of a certificate.


def test_a_certificate_from_an_authority_is_taken_up_and_renewed(own):
    (own / "acme").mkdir()
    gateway = Gateway(own, http_mode="redirect", site=SITE, acme_dir=own / "acme")
    live = own / "letsencrypt" / "live" / "films.example"
    with Authority(own, gateway.http[1]) as authority:
        print(authority.certbot("certonly", "--webroot", "-w", own / "acme", "-d", "films.example"))
        for mine, theirs in (("key.pem", "privkey.pem"), ("cert.pem", "fullchain.pem")):
            (own / "link").symlink_to(live / theirs)
            os.rename(own / "link", own / mine)

        def serial():
            with contextlib.suppress(OSError):
                return authority.serial_of(gateway.https, "films.example")
            return None

        wait_until(serial, 20)
        first = serial()
        print(authority.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew"))
        wait_until(lambda: serial() not in (None, first), 20)
    assert "the certificate stays as it is" not in gateway.text(), gateway.text()
    gateway.stop()
