"""A certificate authority for tests: pebble, which asks the gateway under test, and certbot in front of it.

    with Authority(folder, http_port) as authority:
        authority.certbot("certonly", "--webroot", "-w", folder / "acme", "-d", "films.example")

Every name is 127.0.0.1 for it. The certificates that it makes are to be trusted by way of authority.root.
"""

import json
import os
import ssl
import subprocess
import urllib.request

import client
from pipeline import wait_until
from ports import free_port


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Authority:
    def __init__(self, folder, http_port):
        self.folder = folder / "authority"
        self.folder.mkdir()
        self.port, self.management, self.dns, self.dns_management = (free_port() for _ in range(4))
        self.http_port, self.processes = http_port, []
        self.root = self.folder / "root.pem"  # of what it issues
        self.ca = self.folder / "ca.pem"  # of its own address

    def _make_certificate(self):
        key, request, cert, names = (self.folder / f"pebble.{end}" for end in ("key", "csr", "pem", "names"))
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test CA", "-keyout", self.folder / "ca.key",
                "-out", self.ca)
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", request)
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", names, "-out", cert)
        return cert, key

    def _start(self, *command):
        with open(self.folder / f"{command[0]}.log", "wb") as log:
            env = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
            self.processes.append(subprocess.Popen(list(map(str, command)), env=env, stdout=log, stderr=log))

    def log(self, program="pebble"):
        return (self.folder / f"{program}.log").read_text("utf-8", "replace")

    def _fetch_root(self):
        context = ssl.create_default_context(cafile=str(self.ca))
        try:
            with urllib.request.urlopen(f"https://localhost:{self.management}/roots/0", timeout=5, context=context) as answer:
                self.root.write_bytes(answer.read())
                return True
        except OSError:
            return False

    def __enter__(self):
        cert, key = self._make_certificate()
        settings = self.folder / "pebble.json"
        settings.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(cert), "privateKey": str(key), "httpPort": self.http_port, "tlsPort": 1,
            "certificateValidityPeriod": 90 * 86400, "ocspResponderURL": "http://ocsp.films.example/", "externalAccountBindingRequired": False}}))
        self._start("pebble-challtestsrv", "-dns01", f"127.0.0.1:{self.dns}", "-management", f"127.0.0.1:{self.dns_management}",
                    "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "")
        self._start("pebble", "-config", settings, "-dnsserver", f"127.0.0.1:{self.dns}")
        try:
            wait_until(self._fetch_root, 30, "pebble gives its root")
        except TimeoutError as error:
            self.__exit__()
            raise TimeoutError(f"{error}\n{self.log()}\n{self.log('pebble-challtestsrv')}") from None
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def certbot(self, *arguments):
        """Its configuration lies in folder/live and so on; what it says is returned, and a failure is raised."""
        folder = self.folder.parent / "letsencrypt"
        command = ["certbot", *arguments, "--non-interactive", "--agree-tos", "--email", "tester@films.example", "--no-eff-email",
                   "--server", f"https://localhost:{self.port}/dir", "--config-dir", folder, "--work-dir", folder / "work",
                   "--logs-dir", folder / "logs"]
        done = subprocess.run(list(map(str, command)), env={**os.environ, "REQUESTS_CA_BUNDLE": str(self.ca)}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{self.log()[-3000:]}"
        return done.stdout

    def serial_of(self, address, name):
        """Of the certificate that is served there under the name; OSError when this authority did not make it."""
        context = ssl.create_default_context(cafile=str(self.root))
        with client.connect(address) as plain, context.wrap_socket(plain, server_hostname=name) as tls:
            return tls.getpeercert()["serialNumber"]
