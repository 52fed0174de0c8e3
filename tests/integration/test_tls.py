"""TLS as the gateway speaks it: versions and suites, two kinds of certificates, sessions that are resumed, certificates that are replaced."""

import contextlib
import json
import os
import signal
import ssl
import subprocess
import threading
import time
import xml.etree.ElementTree

import pytest

import client
from authority import Authority
from test_gateway import H2, PROGRAM, Cacher, Gateway, certificate_of, short_folder, wait_until

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
RSA = ["-newkey", "rsa:2048"]


def make_pair(folder, name, kind=EC, days=90):
    """folder/name.pem and folder/name.key, each replaced as a whole."""
    for command in (["req", "-new", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout", folder / "new.key"],
                    ["x509", "-req", "-in", folder / "new.csr", "-signkey", folder / "new.key", "-days", str(days)]):
        out = folder / ("new.csr" if command[0] == "req" else "new.pem")
        subprocess.run(["openssl", *command, "-out", out], check=True, capture_output=True)
    os.rename(folder / "new.key", folder / f"{name}.key")
    os.rename(folder / "new.pem", folder / f"{name}.pem")


@pytest.fixture(name="own")
def _own():
    """A folder for gateways of the test's own."""
    with short_folder() as folder:
        yield folder


def context(version=None, ciphers=None):
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if version:
        made.minimum_version = made.maximum_version = version
    if ciphers:
        made.set_ciphers(ciphers)
    return made


@contextlib.contextmanager
def connection(address, made, session=None):
    with client.connect(address) as plain:
        with made.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
            yield tls


def ask(tls, path="/healthz"):
    tls.sendall(client.request_bytes("GET", path))
    with tls.makefile("rb") as file:
        return client.read_answer(file)


def scan(address):
    """sslscan's view: {version: [ciphers, the preferred one first]}, and the versions that are on."""
    done = subprocess.run(["sslscan", "--no-colour", "--no-check-certificate", "--no-groups", "--no-heartbleed",
                           "--xml=-", f"{address[0]}:{address[1]}"], stdout=subprocess.PIPE, timeout=120, check=True)
    root = xml.etree.ElementTree.fromstring(done.stdout)
    on = {f"{each.get('type')}v{each.get('version')}" for each in root.iter("protocol") if each.get("enabled") == "1"}
    ciphers = {}
    for each in root.iter("cipher"):
        ciphers.setdefault(each.get("sslversion"), []).append(each.get("cipher"))
    return on, ciphers


# Versions, suites, certificates.


def test_a_scanner_finds_only_modern_versions_and_suites(own):
    make_pair(own, "ec")
    make_pair(own, "rsa", RSA)
    gateway = Gateway(own, tls_cert=f"{own}/ec.pem,{own}/rsa.pem", tls_key=f"{own}/ec.key,{own}/rsa.key")
    on, ciphers = scan(gateway.https)
    assert on == {"tlsv1.2", "tlsv1.3"}
    assert ciphers["TLSv1.3"][0] == "TLS_AES_256_GCM_SHA384"
    assert ciphers["TLSv1.2"][0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    assert all(name.startswith("ECDHE-") and ("GCM" in name or "POLY1305" in name) for name in ciphers["TLSv1.2"])
    assert len(ciphers["TLSv1.2"]) == 6
    gateway.stop()


def test_the_server_chooses_aes_256(own):
    gateway = Gateway(own)
    weak_first = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384"
    with connection(gateway.https, context(ssl.TLSVersion.TLSv1_2, weak_first)) as tls:
        assert tls.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    with connection(gateway.https, context(ssl.TLSVersion.TLSv1_3)) as tls:
        assert tls.cipher()[0] == "TLS_AES_256_GCM_SHA384"
    old = context(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError), connection(gateway.https, old):
        pass
    gateway.stop()


def test_each_client_gets_the_kind_of_certificate_that_it_can_read(own):
    make_pair(own, "ec")
    make_pair(own, "rsa", RSA)
    gateway = Gateway(own, tls_cert=f"{own}/ec.pem,{own}/rsa.pem", tls_key=f"{own}/ec.key,{own}/rsa.key")
    for kind, name in (("ECDSA", "ec"), ("RSA", "rsa")):
        with connection(gateway.https, context(ssl.TLSVersion.TLSv1_2, f"ECDHE-{kind}-AES256-GCM-SHA384")) as tls:
            assert tls.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert((own / f"{name}.pem").read_text())
            assert ask(tls).status == 200
    gateway.stop()


# --check.


def check(folder, cert, key):
    env = {"PATH": os.environ["PATH"], "FILMYFLY_SHARE_DIR": str(folder / "share"),
           "FILMYFLY_TLS_CERT": ",".join(str(folder / name) for name in cert.split(",")),
           "FILMYFLY_TLS_KEY": ",".join(str(folder / name) for name in key.split(","))}
    done = subprocess.run([PROGRAM, "--check"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=30, check=False)
    return done.returncode, done.stdout.replace(str(folder) + "/", "")


def test_check_proves_that_certificates_and_keys_belong_together(own):
    for name, kind in (("ec", EC), ("ec2", EC), ("rsa", RSA)):
        make_pair(own, name, kind)
    assert check(own, "ec.pem", "ec.key") == (0, "configuration OK\n")
    assert check(own, "rsa.pem,ec.pem", "rsa.key,ec.key") == (0, "configuration OK\n")
    for cert, key, words in [
        ("ec.pem", "ec2.key", "FILMYFLY_TLS_KEY ec2.key cannot be used with the certificate ec.pem"),
        ("ec.pem,rsa.pem", "ec.key,ec2.key", "FILMYFLY_TLS_KEY ec2.key cannot be used with the certificate rsa.pem"),
        ("ec.pem,rsa.pem", "ec.key", "as many keys as certificates"),
        ("ec.pem,rsa.pem,ec2.pem", "ec.key,rsa.key,ec2.key", "at most 2 of each"),
        ("ec.pem,ec2.pem", "ec.key,ec2.key", "keys of the same kind"),
        ("ec.key", "ec.key", "FILMYFLY_TLS_CERT ec.key cannot be loaded"),
    ]:
        status, text = check(own, cert, key)
        assert status == 1 and words in text, text


def test_who_has_less_than_14_days_is_warned(own):
    make_pair(own, "long", days=15)
    make_pair(own, "short", days=13)
    make_pair(own, "over", days=0)
    assert check(own, "long.pem", "long.key") == (0, "configuration OK\n")
    status, text = check(own, "short.pem", "short.key")
    assert status == 0 and "short.pem expires on " in text and " days; renew it" in text, text
    wait_until(lambda: "over.pem has expired on " in check(own, "over.pem", "over.key")[1])
    gateway = Gateway(own, tls_cert=own / "short.pem", tls_key=own / "short.key")
    wait_until(lambda: "short.pem expires on " in gateway.text())
    gateway.stop()


# Sessions.


def get_session(address, made):
    with connection(address, made) as tls:
        assert ask(tls).status == 200
        return tls.session


def is_resumed(address, made, session):
    with connection(address, made, session) as tls:
        assert ask(tls).status == 200
        return tls.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_session_is_resumed_in_every_loop_and_after_a_new_certificate_and_a_restart(own, version):
    made = context(version)
    gateway = Gateway(own)
    session = get_session(gateway.https, made)
    assert session.has_ticket
    assert all(is_resumed(gateway.https, made, session) for _ in range(8))  # of two loops
    make_pair(own, "cert")
    os.rename(own / "cert.key", own / "key.pem")
    before = certificate_of(gateway.https)
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: all(certificate_of(gateway.https) != before for _ in range(8)))
    assert is_resumed(gateway.https, made, session)
    other = Gateway(own, instance="other")
    assert is_resumed(other.https, made, session)
    gateway.stop()
    gateway = Gateway(own)
    assert is_resumed(gateway.https, made, session)
    assert not is_resumed(gateway.https, made, None)
    gateway.stop()
    other.stop()


KEY = 8 + 16 + 32 + 32  # of the file: when it was made, name, secrets


def grow_old(path, seconds):
    """The keys of the file as if they had been made so much earlier."""
    data = bytearray(path.read_bytes())
    for at in range(8, len(data), KEY):
        born = int.from_bytes(data[at : at + 8], "little")
        data[at : at + 8] = max(born - seconds, 0).to_bytes(8, "little")
    fresh = path.with_suffix(".test")
    fresh.write_bytes(data)
    os.rename(fresh, path)


def newest(path):
    return path.read_bytes()[16:32]


def test_ticket_keys_rotate_for_all_gateways_and_the_oldest_is_forgotten(own):
    made = context(ssl.TLSVersion.TLSv1_2)
    first, second = Gateway(own), Gateway(own, instance="second")
    keys = own / "run" / "gateway" / "ticket-keys"
    assert keys.stat().st_mode & 0o777 == 0o600
    session = get_session(first.https, made)
    for resumed in (True, True, False):
        before = newest(keys)
        grow_old(keys, 3601)
        wait_until(lambda: newest(keys) != before)
        wait_until(lambda: is_resumed(first.https, made, session) == resumed)
        wait_until(lambda: is_resumed(second.https, made, session) == resumed)
        time.sleep(1.1)  # whoever wrote last has been read by the other
        fresh = get_session(first.https, made)
        assert is_resumed(second.https, made, fresh)
    keys.write_bytes(b"nonsense")
    assert is_resumed(first.https, made, fresh)
    first.stop()
    second.stop()


def test_who_used_a_ticket_gets_another(own):
    """Of TLS 1.3 a ticket is for one use."""
    gateway, made = Gateway(own), context(ssl.TLSVersion.TLSv1_3)
    sessions = [get_session(gateway.https, made)]
    for _ in range(4):
        with connection(gateway.https, made, sessions[-1]) as tls:
            assert ask(tls).status == 200 and tls.session_reused
            sessions.append(tls.session)
    assert len({session.id for session in sessions}) == len(sessions)
    gateway.stop()


def test_drafts_of_http2_are_not_spoken(own):
    gateway, made = Gateway(own), context()
    made.set_alpn_protocols(["h2-16", "h2-14", "http/1.1"])
    with connection(gateway.https, made) as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"
    gateway.stop()


# What a scanner says.


@pytest.mark.long
@pytest.mark.timeout(3200)
def test_testssl_finds_nothing_above_low(own):
    """BREACH excepted: any compression raises it."""
    (own / "acme").mkdir()
    gateway = Gateway(own, site="https://films.example", acme_dir=own / "acme")
    cacher, report, live = Cacher(own / "run"), own / "testssl.json", own / "letsencrypt" / "live" / "films.example"
    with Authority(own, gateway.http[1]) as authority:
        for kind in ("ecdsa", "rsa"):
            authority.certbot("certonly", "--webroot", "-w", own / "acme", "-d", "films.example", "--cert-name", kind,
                              "--key-type", kind)
        gateway.stop()
        both = [live.parent / kind for kind in ("ecdsa", "rsa")]
        gateway = Gateway(own, site="https://films.example", tls_cert=",".join(f"{each}/fullchain.pem" for each in both),
                          tls_key=",".join(f"{each}/privkey.pem" for each in both))
        subprocess.run(["testssl", "-p", "-s", "-f", "-P", "-S", "-h", "-U", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "min", "--ip", "127.0.0.1",
                        "--add-ca", authority.root, "--jsonfile", report, f"https://films.example:{gateway.https[1]}/"],
                       timeout=3000, check=False)
    found = json.loads(report.read_text())
    above = [each for each in found if each["severity"] in ("MEDIUM", "HIGH", "CRITICAL") and each["id"] != "BREACH"]
    print("\n".join(f"{each['severity']} {each['id']}: {each['finding']}" for each in found
                    if each["severity"] not in ("OK", "INFO")))
    assert len(found) > 100 and above == []
    trusted = [each["severity"] for each in found if each["id"].startswith("cert_chain_of_trust")]
    assert trusted == ["OK", "OK"]
    gateway.stop()
    cacher.end()


# Certificates that change.


class Visitors(threading.Thread):
    """Each visit is a new connection, by HTTP/1.1 and HTTP/2 in turn: a handshake and two requests."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.visits, self.failures, self.stop = address, 0, [], threading.Event()

    def run(self):
        while not self.stop.is_set():
            try:
                if self.visits % 2:
                    site = H2(self.address)
                    statuses = [site.get("/healthz").status, site.get("/static/site.0a1b2c3d.css").status]
                    site.close()
                else:
                    with connection(self.address, client.TLS) as tls:
                        statuses = [ask(tls).status, ask(tls, "/static/site.0a1b2c3d.css").status]
                if statuses != [200, 200]:
                    self.failures.append(statuses)
            except Exception as error:
                self.failures.append(repr(error))
            self.visits += 1


@pytest.mark.parametrize("times", [6, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_certificates_change_under_load_and_nobody_notices(own, times):
    gateway = Gateway(own)
    current = certificate_of(gateway.https)
    visitors = [Visitors(gateway.https) for _ in range(4)]
    for each in visitors:
        each.start()
    for n in range(times):
        if n % 3 == 0:  # one that does not fit its key: the old one stays
            (own / "cert.pem").write_text((own / "cert.pem").read_text().replace("A", "B", 40))
            refused = gateway.text().count("the certificate stays as it is")
            gateway.process.send_signal(signal.SIGHUP)
            wait_until(lambda: gateway.text().count("the certificate stays as it is") > refused, 20)
            assert all(certificate_of(gateway.https) == current for _ in range(4))
        make_pair(own, "fresh", RSA if n % 2 else EC)
        current = ssl.PEM_cert_to_DER_cert((own / "fresh.pem").read_text())
        os.rename(own / "fresh.key", own / "key.pem")
        os.rename(own / "fresh.pem", own / "cert.pem")
        if n % 5:  # otherwise it is found by itself
            gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: all(certificate_of(gateway.https) == current for _ in range(8)), 20)  # in both loops
    for each in visitors:
        each.stop.set()
    for each in visitors:
        each.join(30)
    print(f"{sum(each.visits for each in visitors)} visits, {times} certificates")
    assert [failure for each in visitors for failure in each.failures] == []
    assert all(each.visits > times for each in visitors)
    gateway.stop()
