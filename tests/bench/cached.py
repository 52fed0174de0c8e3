#!/usr/bin/python3
"""CPU per cached page, and the time to its first byte: FilmyFly beside the least that libh2o can do, beside nginx, and beside another stack.

    tests/bench/cached.py                                     what follows, one after the other
    tests/bench/cached.py hits first-byte store idle          only these

hits        the gateway's CPU per hit over TLS (HTTP/2 and HTTP/1.1; one page, and all movie pages), gzip, beside
            bare_h2o    the same headers and bytes from memory (tests/bench/bare_h2o.c)
            nginx gzip  proxy_cache, compressing each hit
            nginx       proxy_cache with compressed pages, and open_file_cache
            the peer    --peer-url and --peer-nginx PIDFILE: another stack's front
first-byte  milliseconds from the end of the handshake to the first byte, a connection each
store       a hit with 200,000 pages in the store: 100 of them, all alike, and as visitors like them (the page of rank n n times less than the first);
            beside them bare libh2o with as many in its memory
idle        an uncached page's time while pages are compressed behind the visitors' backs, beside the same without; and what that saves

Arms alternate, seven pairs; a figure is the median (least to greatest), a ratio is taken pair by pair, and an arm against itself is its odd runs
over its even runs. Needs h2load and nginx (--no-nginx: not), and the release build.
"""
import argparse
import http.client
import os
import pathlib
import random
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))
import procs  # noqa: E402
from first_byte import first_byte  # noqa: E402
from uncached import BUILD, Pipeline, pid_in, quantile, sh  # noqa: E402

LOOPS = len(os.sched_getaffinity(0))

NGINX = """
{user}
worker_processes {loops};
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; multi_accept on; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 10000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    open_file_cache max=20000 inactive=1h;
    open_file_cache_valid 1h;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    proxy_cache_path {folder}/cache levels=1:2 keys_zone=pages:50m max_size=1g inactive=1d use_temp_path=off;
    proxy_cache_key "$server_port$request_uri";
    proxy_cache pages;
    proxy_cache_valid 200 1d;
    proxy_ignore_headers Cache-Control Vary Expires;
    proxy_hide_header X-Cache-Status;
    add_header X-Cache-Status $upstream_cache_status;
    proxy_set_header Host {host};
    server {{
        listen 127.0.0.1:{port} ssl http2;
        location / {{ proxy_set_header Accept-Encoding gzip; proxy_pass {origin}; }}
    }}
    server {{
        listen 127.0.0.1:{port_fly} ssl http2;
        gzip on;
        gzip_comp_level 5;
        gzip_proxied any;
        location / {{ proxy_set_header Accept-Encoding ""; proxy_pass {origin}; }}
    }}
}}
"""


class Client:
    """One connection, one request after the other."""

    def __init__(self, url):
        host, port = url.split("//")[1].split(":")
        self.connection = http.client.HTTPSConnection(host, int(port), context=ssl._create_unverified_context(), timeout=30)

    def get(self, path, coding="gzip"):
        self.connection.request("GET", path, headers={"accept-encoding": coding})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{path} answered {answer.status}")
        return answer, body

    def is_hit(self, path):
        answer, _ = self.get(path)
        return answer.getheader("x-cache-status") == "HIT"


class Arm:
    def __init__(self, name, url, root, paths, share):
        self.name, self.url, self.root, self.paths = name, url, root, paths
        self.share = share  # of the requests: a slow server is asked for fewer
        self.runs, self.first_bytes = [], []

    def load(self, requests, connections, streams, paths, http1=False):
        """CPU µs per request of one run."""
        requests = int(requests * self.share)
        with tempfile.NamedTemporaryFile("w", suffix=".urls") as urls:
            urls.writelines(f"{self.url}{path}\n" for path in paths)
            urls.flush()
            command = ["h2load", "-n", str(requests), "-c", str(connections), "-t", "1", "-H", "accept-encoding: gzip", "-i", urls.name,
                       "--tls13-ciphers=TLS_AES_256_GCM_SHA384"]
            before = procs.cpu(self.root)
            text = sh(*command, *(["--h1"] if http1 else ["-m", str(streams)]))
            after = procs.cpu(self.root)
        good = re.search(r"status codes: (\d+) 2xx", text)
        if not good or int(good.group(1)) != requests:
            sys.exit(f"{self.name}: not every page was answered 200:\n{text}")
        self.wire = int(re.search(r"\((\d+)\) data", text).group(1)) / requests
        return (after - before) * 1e6 / requests

    def first_byte(self, count):
        return [first_byte(self.url, self.paths[i % len(self.paths)]) for i in range(count)]


def spread(values):
    return f"{statistics.median(values):8.2f} ({min(values):.2f}–{max(values):.2f})"


def report(title, arms):
    print(f"\n{title}\n  {'':12} {'CPU µs per hit':>24} {'bytes':>8} {'itself':>7}   times the first, pair by pair")
    for arm in arms:
        itself = statistics.median(arm.runs[1::2]) / statistics.median(arm.runs[0::2]) if len(arm.runs) > 1 else 1
        print(f"  {arm.name:12} {spread(arm.runs):>24} {arm.wire:8.0f} {itself:7.2f}   "
              f"{spread([b / a for a, b in zip(arms[0].runs, arm.runs)])}")
    for arm in arms:
        if arm.name == "bare_h2o":
            print(f"  {arms[0].name} / bare_h2o: {spread([a / b for a, b in zip(arms[0].runs, arm.runs)])}")
    sys.stdout.flush()


def alternate(arms, pairs, run):
    for arm in arms:
        arm.runs = []
        run(arm)
    for pair in range(pairs):
        for arm in arms if pair % 2 else arms[::-1]:
            arm.runs.append(run(arm))


class FilmyFly(Pipeline):
    def __init__(self, port, extra, size="1G"):
        os.environ["FILMYFLY_CACHE_SIZE"] = size
        super().__init__("FilmyFly", port, extra)
        self.var = pathlib.Path(self.folder.name)
        self.gateway, self.cacher = (self.pid(stage) for stage in ("gateway", "cacher"))
        rows = self.psql("SELECT slug FROM filmyfly.movies WHERE published ORDER BY md5(slug)")
        self.paths = [f"/movie/{slug}" for slug in rows.split("\n")]

    def pid(self, stage):
        return int(next((self.var / "run" / stage).glob("*.lock")).read_text())

    def memory(self):
        return "anonymous memory: " + ", ".join(
            f"{stage} {procs.anonymous_memory(pid) / 1048576:.1f} MiB" for stage, pid in (("gateway", self.gateway), ("cacher", self.cacher)))

    def settle(self, paths, seconds):
        """Reads pages until each has been compressed as well as it will be, so that all arms send the same bytes all the time."""
        client, end, missing, quiet = Client(self.url), time.time() + seconds, list(paths), 0
        while missing and time.time() < end and quiet < 10:  # some come out no smaller, and stay as they are
            before = len(missing)
            missing = [path for path in missing if client.get(path, "br")[0].getheader("content-encoding") != "br"]
            quiet = quiet + 1 if len(missing) == before else 0
            time.sleep(0.5)
        if missing:
            print(f"{len(missing)} of {len(paths)} pages were not yet compressed again when the measurement began")


def start_bare(pipeline, port, folder, paths):
    """bare_h2o with FilmyFly's own answers: one of each movie's, for every path that differs in its query only."""
    client, made = Client(pipeline.url), {}
    with open(folder / "list", "w") as listed:
        for path in paths:
            page = path.split("?")[0]
            if page not in made:
                answer, body = client.get(path)
                head = "".join(f"{name}: {value}\r\n" for name, value in answer.getheaders())
                made[page] = folder / f"{len(made)}.response"
                made[page].write_bytes(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)
            listed.write(f"{path} {made[page]}\n")
    with open(folder / "list") as listed:
        bare = subprocess.Popen([f"{BUILD}/bin/bare_h2o", str(port), pipeline.var / "tls/cert.pem", pipeline.var / "tls/key.pem", str(LOOPS)],
                                stdin=listed)
    while True:  # it listens when it has read them all
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return bare
        except ConnectionRefusedError:
            if bare.poll() is not None:
                sys.exit("bare_h2o ended")
            time.sleep(0.1)


class Servers:
    """What stands beside: bare_h2o with FilmyFly's own answers, and nginx with FilmyFly behind it."""

    def __init__(self, pipeline, port):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ff-bench-other-", dir="/tmp"))
        self.folder.chmod(0o755)
        certificate, key = pipeline.var / "tls/cert.pem", pipeline.var / "tls/key.pem"
        (self.folder / "nginx.conf").write_text(NGINX.format(
            user="user www-data;" if os.geteuid() == 0 else "", loops=LOOPS, folder=self.folder, certificate=certificate, key=key, port=port + 1,
            port_fly=port + 2, host=pipeline.url.split("//")[1], origin=pipeline.url))
        self.nginx = None
        sh("nginx", "-q", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"))
        self.nginx = pid_in(self.folder / "nginx.pid")
        self.bare = start_bare(pipeline, port, self.folder, pipeline.paths)
        self.arms = [Arm("bare_h2o", f"https://127.0.0.1:{port}", self.bare.pid, pipeline.paths, 1),
                     Arm("nginx", f"https://127.0.0.1:{port + 1}", self.nginx, pipeline.paths, 0.3),
                     Arm("nginx gzip", f"https://127.0.0.1:{port + 2}", self.nginx, pipeline.paths, 0.1)]

    def stop(self):
        self.bare.terminate()
        self.bare.wait()
        os.kill(self.nginx, 15)
        shutil.rmtree(self.folder, ignore_errors=True)


def peer_arm(options, paths):
    slugs = pathlib.Path(options.peer_slugs).read_text().split() if options.peer_slugs else []
    return Arm("the peer", options.peer_url, pid_in(options.peer_nginx), [f"/movie/{slug}" for slug in slugs] or paths, 0.1)


def measure_hits(options, arms, first_bytes):
    page = {arm: arm.paths[:1] for arm in arms}
    for arm in arms:  # warm
        client = Client(arm.url)
        for path in arm.paths:
            client.get(path)
    n, c, m = options.requests, options.connections, options.streams
    if "hits" in options.parts:
        alternate(arms, options.pairs, lambda arm: arm.load(n, c, m, page[arm]))
        report(f"One page, HTTP/2, {c} connections × {m} streams", arms)
        alternate(arms, options.pairs, lambda arm: arm.load(n, c, 1, page[arm], http1=True))
        report(f"One page, HTTP/1.1, {c} connections", arms)
        alternate(arms, options.pairs, lambda arm: arm.load(n, 1, c * m, random.sample(arm.paths, len(arm.paths))))
        report(f"{len(arms[0].paths)} movie pages in random order, HTTP/2, 1 connection × {c * m} streams", arms)
    if "first-byte" in options.parts:
        for pair in range(options.pairs):
            for arm in first_bytes if pair % 2 else first_bytes[::-1]:
                arm.first_bytes += arm.first_byte(options.first_bytes)
        print("\nFirst byte after the handshake, ms")
        for arm in first_bytes:
            ratio = [quantile(first_bytes[0].first_bytes, q) / quantile(arm.first_bytes, q) for q in (0.5, 0.99)]
            print(f"  {arm.name:12} p50 {quantile(arm.first_bytes, 0.5):.2f}  p99 {quantile(arm.first_bytes, 0.99):.2f}"
                  f"   FilmyFly / it: p50 {ratio[0]:.2f}  p99 {ratio[1]:.2f}")


def measure_store(options):
    """The pages are real ones, made by asking for each under another query."""
    pipeline, bare = FilmyFly(options.port, options.run, size="4G"), None
    folder = tempfile.TemporaryDirectory(prefix="ff-bench-bare-", dir="/tmp")
    try:
        paths = [f"{pipeline.paths[i % len(pipeline.paths)]}?n={i}" for i in range(options.pages)]
        arm = Arm(f"{len(paths):,}", pipeline.url, pipeline.gateway, paths, 1)
        few = Arm("100", pipeline.url, pipeline.gateway, paths[:100], 1)
        for start in list(range(0, len(paths), 10000)) * 2:  # made, then read once: the map is mapped, the hour of use written
            arm.load(len(paths[start:start + 10000]), 1, 64, paths[start:start + 10000])
        client = Client(pipeline.url)
        kept = sum(client.is_hit(path) for path in random.sample(paths, 500))
        pipeline.settle(few.paths, options.settle)
        n = min(options.requests, 20000)
        liked = Arm("as liked", pipeline.url, pipeline.gateway, paths, 1)
        bare = start_bare(pipeline, options.port + 2, pathlib.Path(folder.name), paths)
        url = f"https://127.0.0.1:{options.port + 2}"
        bare_few, bare_all = (Arm(f"bare {one.name}", url, bare.pid, one.paths, 1) for one in (few, arm))
        weights = [1 / (rank + 1) for rank in range(len(paths))]
        arms = [few, arm, liked, bare_few, bare_all]
        alternate(arms, options.pairs, lambda a: a.load(
            n, 1, 64, random.choices(paths, weights, k=n) if a is liked else random.sample(a.paths, min(n, len(a.paths)))))
        data = os.stat(pipeline.var / "cache/store.v2/data.mdb").st_blocks * 512
        report(f"{len(paths)} pages stored ({kept} of 500 found, {data >> 20} MiB) beside 100 of them, 1 connection × 64 streams", arms)
        print(f"  bare_h2o with as many pages in its memory / with 100: {spread([a / b for a, b in zip(bare_all.runs, bare_few.runs)])}")
        print("  " + pipeline.memory())
    finally:
        if bare:
            bare.terminate()
            bare.wait()
        pipeline.stop()
        folder.cleanup()


def measure_idle(options, pipeline):
    """Pages that are read again are compressed; meanwhile others are asked for that are not stored."""
    client, serial = Client(pipeline.url), f"{time.time():.0f}"
    counts, found = {"idle": 0, "busy": 0}, {"idle": [], "busy": []}
    for turn in range(options.pairs * 2):
        what = ("idle", "busy", "busy", "idle")[turn % 4]
        pages = [f"{pipeline.paths[i]}?c={serial}{f'x{turn}' if what == 'busy' else ''}" for i in range(60)]
        if turn == 0:
            pipeline.settle(pages, options.settle)
            sizes = {coding: sum(len(client.get(path, coding)[1]) for path in pages) for coding in ("gzip", "br")}
        for path in pages * 2:
            client.get(path)
        time.sleep(0.05)
        before, start = procs.cpu(pipeline.cacher), time.time()
        for i in range(100):
            path = f"{pipeline.paths[100 + i]}?i={serial}x{turn}"
            began = time.perf_counter()
            client.get(path)
            found[what].append((time.perf_counter() - began) * 1000)
            time.sleep(0.002)
        counts[what] += (procs.cpu(pipeline.cacher) - before) / (time.time() - start)
        if what == "busy":
            pipeline.settle(pages, 30)
    print("\nAn uncached page's time at the client, ms, one after the other")
    for what, values in found.items():
        print(f"  compressor {what}: p50 {quantile(values, 0.5):.2f}  p90 {quantile(values, 0.9):.2f}  p99 {quantile(values, 0.99):.2f}"
              f"  mean {statistics.mean(values):.2f}   (cacher: {counts[what] / options.pairs * 100:.0f} % of a processor)")
    print("  busy - idle: " + "  ".join(
        f"p{q * 100:.0f} {quantile(found['busy'], q) - quantile(found['idle'], q):+.2f}" for q in (0.5, 0.9, 0.99)))
    print(f"  {len(pages)} movie pages afterwards: {sizes['br']} bytes with brotli, {sizes['gzip']} with gzip: "
          f"{1 - sizes['br'] / sizes['gzip']:.1%} smaller")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["hits", "first-byte", "store", "idle"])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--requests", type=int, default=50000, help="per run; nginx is asked for fewer")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--first-bytes", type=int, default=100, help="per run")
    parser.add_argument("--pages", type=int, default=200000, help="in the large store")
    parser.add_argument("--settle", type=int, default=600, help="seconds to wait until pages are compressed")
    parser.add_argument("--movies", type=int, default=100000, help="use so many movie pages")
    parser.add_argument("--port", type=int, default=18230, help="and the next four")
    parser.add_argument("--no-nginx", action="store_true")
    parser.add_argument("--peer-url")
    parser.add_argument("--peer-nginx", metavar="PIDFILE")
    parser.add_argument("--peer-slugs", metavar="FILE", help="a movie's slug a line")
    parser.add_argument("--run", action="append", default=[], metavar="OPTION", help="an option of ./run, as --run=--no-build")
    options = parser.parse_args()
    if {"hits", "first-byte", "store"} & set(options.parts):
        sh("cmake", "--build", BUILD, "--target", "bare_h2o")

    if {"hits", "first-byte", "idle"} & set(options.parts):
        pipeline, servers = FilmyFly(options.port, options.run), None
        try:
            pipeline.paths = pipeline.paths[:options.movies]
            if {"hits", "first-byte"} & set(options.parts):
                client = Client(pipeline.url)
                for path in pipeline.paths:
                    client.get(path)
                pipeline.settle(pipeline.paths, options.settle)
                servers = Servers(pipeline, options.port + 2)
                own = Arm("FilmyFly", pipeline.url, pipeline.gateway, pipeline.paths, 1)
                arms = [own, *(arm for arm in servers.arms if not (options.no_nginx and arm.name.startswith("nginx")))]
                first_bytes = [own, arms[1]]
                if options.peer_url:
                    arms.append(peer_arm(options, pipeline.paths))
                    first_bytes.append(arms[-1])
                measure_hits(options, arms, first_bytes)
                print("\n" + pipeline.memory())
            if "idle" in options.parts:
                measure_idle(options, pipeline)
        finally:
            if servers:
                servers.stop()
            pipeline.stop()
    if "store" in options.parts:
        measure_store(options)


if __name__ == "__main__":
    main()
