#!/usr/bin/python3
"""What the edge adds to a cached page: the gateway's CPU per hit with limits and access log off and on, over HTTP/2 and TLS.

    tests/bench/guards.py
    tests/bench/guards.py --before PROGRAM       an older filmyfly-gateway as another arm
    tests/bench/guards.py --instructions         instructions per hit instead, counted by valgrind: the same on a busy machine

FilmyFly is started by ./run; the arms are gateways of their own beside its store, all given the same page. Arms alternate, seven pairs; a figure
is the median (least to greatest), a ratio is taken pair by pair, and an arm against itself is its odd runs over its even runs. Needs h2load (and
valgrind), and the release build.
"""
import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cached import Arm, Client, FilmyFly, alternate, report  # noqa: E402
from uncached import ROOT, sh  # noqa: E402

ARMS = {
    "plain": {},
    "limits": {"FILMYFLY_LIMIT_LOOPBACK": "on", "FILMYFLY_CLIENT_CONNECTIONS": "100000"},
    "access log": {"FILMYFLY_ACCESS_LOG": "on"},
    "both": {"FILMYFLY_LIMIT_LOOPBACK": "on", "FILMYFLY_CLIENT_CONNECTIONS": "100000", "FILMYFLY_ACCESS_LOG": "on"},
}


class Gateway:
    def __init__(self, pipeline, name, program, port, settings, under=()):
        var = pipeline.var
        env = {**os.environ, "FILMYFLY_RUN_DIR": str((var / "run").resolve()), "FILMYFLY_CACHE_DIR": str(var / "cache"), "FILMYFLY_HTTP": "",
               "FILMYFLY_HTTPS": f"127.0.0.1:{port}", "FILMYFLY_TLS_CERT": str(var / "tls/cert.pem"), "FILMYFLY_LOOPS": "1",
               "FILMYFLY_TLS_KEY": str(var / "tls/key.pem"), "FILMYFLY_INSTANCE": f"bench{port}", "FILMYFLY_SITE": pipeline.url, **settings}
        if pathlib.Path(program).resolve().parent.name == "bin":
            env["FILMYFLY_SHARE_DIR"] = str(pathlib.Path(pipeline.build) / "share/filmyfly")
        self.url, self.errors = f"https://127.0.0.1:{port}", pipeline.var / f"bench{port}.log"
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen([*under, program], env=env, stdout=subprocess.DEVNULL, stderr=errors)
        self.arm = Arm(name, self.url, self.process.pid, pipeline.paths[:1], 1)
        for _ in range(600):
            try:
                if Client(self.url).is_hit(self.arm.paths[0]):
                    return
            except OSError:
                pass
            if self.process.poll() is not None:
                sys.exit(self.errors.read_text())
            time.sleep(0.1)
        sys.exit(f"{name} gives no hit:\n{self.errors.read_text()}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return self.errors.read_text()


def programs(options, build):
    for name, settings in ARMS.items():
        yield name, f"{build}/bin/filmyfly-gateway", settings
    if options.before:
        yield "before", options.before, {}


def measure_cpu(options, pipeline):
    gateways = [Gateway(pipeline, name, program, options.port + 2 + n, settings)
                for n, (name, program, settings) in enumerate(programs(options, pipeline.build))]
    try:
        arms = [gateway.arm for gateway in gateways]
        for http1 in (False, True):
            streams = 1 if http1 else 10
            alternate(arms, options.pairs, lambda arm: arm.load(options.requests, 16, streams, arm.paths, http1=http1))
            report(f"One page, {'HTTP/1.1' if http1 else 'HTTP/2'}, 16 connections × {streams}", arms)
    finally:
        for gateway in gateways:
            gateway.stop()


def measure_instructions(options, pipeline):
    print(f"\n  {'':12} instructions per hit, HTTP/2, 16 connections × 10 streams")
    first = None
    for name, program, settings in programs(options, pipeline.build):
        counts = []
        for requests in (options.few, 2 * options.few):
            gateway = Gateway(pipeline, name, program, options.port + 2, settings, ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"])
            sh("h2load", "-n", str(requests), "-c", "16", "-m", "10", "-t", "1", "-H", "accept-encoding: gzip", f"{gateway.url}{gateway.arm.paths[0]}")
            counts.append(int(re.search(r"Collected : (\d+)", gateway.stop())[1]))
        per_hit = (counts[1] - counts[0]) / options.few
        first = first or per_hit
        print(f"  {name:12} {per_hit:10.0f}   {per_hit / first:.3f} times the first")
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="PROGRAM")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--requests", type=int, default=50000, help="per run")
    parser.add_argument("--few", type=int, default=4000, help="requests whose instructions are counted")
    parser.add_argument("--port", type=int, default=18260, help="and the next six")
    parser.add_argument("--run", action="append", default=[], metavar="OPTION", help="an option of ./run, as --run=--no-build")
    options = parser.parse_args()
    pipeline = FilmyFly(options.port, options.run)
    pipeline.build = os.environ.get("FILMYFLY_BUILD_DIR", str(ROOT / "build/release"))
    try:
        client = Client(pipeline.url)
        client.get(pipeline.paths[0])
        pipeline.settle(pipeline.paths[:1], 30)
        (measure_instructions if options.instructions else measure_cpu)(options, pipeline)
    finally:
        pipeline.stop()


if __name__ == "__main__":
    main()
