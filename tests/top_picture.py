#!/usr/bin/python3
"""
Takes the picture of `filmyfly top` that the README shows, from a pipeline that runs:

    tests/top_picture.py FILMYFLY RUN_DIR HTTPS_HOST:PORT docs/top.png [--seconds 75] [--rate 120]

FILMYFLY is the program. It visits the pages that the site's own listings lead to, at a rate that swings, for as long as
the graphs need to fill, in a tmux of its own, and photographs what stands there with chromium. It needs tmux, chromium,
chromium-driver, python3-selenium and python3-h2.
"""

import argparse
import html
import math
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent / "integration"))
import client
from load import Load
from screenshots import open_browser

WIDTH, HEIGHT = 100, 34
COLOURS = {31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#8b949e", 35: "#d2a8ff", 36: "#79c0ff"}
STYLE = """
body { margin: 0; background: #0d1117; display: inline-block; }
pre { margin: 0; padding: 14px 16px; color: #e6edf3; font: 15px/17px "DejaVu Sans Mono", monospace; }
"""


def find_pages(address):
    """Addresses of movies, from the first pages of the list."""
    found = []
    for page in range(1, 41):
        text = client.fetch(address, f"/movies?page={page}", tls=True).text
        found += re.findall(r'href="(/movie/[^"]+)"', text)
    return list(dict.fromkeys(found))


def visit(address, pages, seconds, rate):
    """Pages read often and pages read seldom, in waves."""
    end, n = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0:
        wave = 0.65 + 0.35 * math.sin((seconds - left) / 6)
        targets = [pages[int(random.paretovariate(0.35)) % len(pages)] for _ in range(int(rate * 3))]
        report = Load(address, targets, rate * wave, tls=True, http2=True).run(2)
        n += report.answered
    return n


def to_html(screen):
    """What `tmux capture-pane -e` prints: text and SGR sequences."""
    bold, reverse, colour, out = False, False, None, []
    for part in re.split(r"(\x1b\[[0-9;]*m)", screen):
        match = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if not match:
            style = f"color:{colour or '#e6edf3'};" + ("font-weight:bold;" if bold else "")
            if reverse:
                style = f"background:{colour or '#c9d1d9'};color:#0d1117;" + ("font-weight:bold;" if bold else "")
            out.append(f'<span style="{style}">{html.escape(part)}</span>' if part else "")
            continue
        for code in (int(c or 0) for c in match[1].split(";")):
            if code == 0:
                bold, reverse, colour = False, False, None
            elif code == 1:
                bold = True
            elif code in (7, 27):
                reverse = code == 7
            elif code in COLOURS:
                colour = COLOURS[code]
            elif code == 39:
                colour = None
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style><body><pre>{"".join(out)}</pre>'


def photograph(page, path):
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8") as file:
        file.write(page)
        file.flush()
        browser = open_browser()
        try:
            browser.get(f"file://{file.name}")
            browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": 1400, "height": 900, "deviceScaleFactor": 1, "mobile": False},
            )
            browser.find_element("tag name", "pre").screenshot(path)
        finally:
            browser.quit()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("filmyfly")
    parser.add_argument("run_dir")
    parser.add_argument("address")
    parser.add_argument("picture")
    parser.add_argument("--seconds", type=float, default=75)
    parser.add_argument("--rate", type=float, default=120)
    options = parser.parse_args()
    host, port = options.address.rsplit(":", 1)
    address = (host, int(port))

    with tempfile.TemporaryDirectory() as folder:
        tmux = ["tmux", "-f", "/dev/null", "-S", f"{folder}/s", "-u"]
        command = f"LC_ALL=C.UTF-8 {options.filmyfly} top --run-dir {options.run_dir}"
        size = ["-x", str(WIDTH), "-y", str(HEIGHT)]
        subprocess.run([*tmux, "new-session", "-d", *size, command], check=True)
        try:
            answered = visit(address, find_pages(address), options.seconds, options.rate)
            screen = subprocess.run(
                [*tmux, "capture-pane", "-e", "-p"], check=True, stdout=subprocess.PIPE, text=True
            ).stdout
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)
    photograph(to_html(screen.rstrip("\n")), options.picture)
    print(f"{options.picture}: after {answered} pages")


if __name__ == "__main__":
    main()
