#!/usr/bin/python3
"""
Takes every page of a running site as a phone and as a desktop see it, light and dark:

    tests/screenshots.py https://localhost:8443 FOLDER [--only home,movie] [--full]

It needs Debian's chromium, chromium-driver and python3-selenium. The site may be any that runs, with any catalogue: the
pages of a movie, a person and a category are found by following the site's own links. --full takes the whole page
instead of the first screen. A message in the browser's console is an error.
"""

import argparse
import base64
import pathlib
import sys
import urllib.parse

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

SIZES = {"phone": (390, 844, 2), "desktop": (1280, 900, 1)}
SCHEMES = ("light", "dark")


def open_browser():
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--ignore-certificate-errors",
        "--hide-scrollbars",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


def first_link(browser, pattern):
    """The address of the first link whose path begins so, or None."""
    links = browser.find_elements(By.CSS_SELECTOR, f'main a[href^="{pattern}"]')
    return urllib.parse.urlsplit(links[0].get_attribute("href")).path if links else None


def find_pages(browser, site):
    """Every kind of page: its name and address."""
    pages = {"home": "/", "movies": "/movies", "filtered": "/movies?decade=2000&score=8&sort=best"}
    browser.get(site + "/movies?sort=best")
    pages["movie"] = first_link(browser, "/movie/")
    pages["missing"] = "/movie/" + pages["movie"].split("/")[-1][:-1] + "x"
    browser.get(site + pages["movie"])
    pages["category"] = first_link(browser, "/category/")
    pages["person"] = first_link(browser, "/person/")
    title = browser.find_element(By.TAG_NAME, "h1").text
    longest = max(title.split(), key=len)
    pages |= {
        "search": "/search?q=" + urllib.parse.quote(longest),
        "search-nothing": "/search?q=qqqqqqqqxzz",
        "search-empty": "/search",
        "nothing": "/movies?decade=1900&score=9",
        "about": "/about",
        "legal": "/legal",
        "wrong": "/movies?page=none",
    }
    return {name: address for name, address in pages.items() if address}


def complain(browser, address):
    """Prints what the console says; the answer 404 or 400 of a page that should be one is no fault."""
    said = [entry["message"] for entry in browser.get_log("browser")]
    bad = [message for message in said if "the server responded with a status of 4" not in message]
    for message in bad:
        print(f"{address}: {message}", file=sys.stderr)
    return len(bad)


def emulate(browser, size, scheme, height=None):
    width, usual, scale = SIZES[size]
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height or usual, "deviceScaleFactor": scale, "mobile": size == "phone"},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )


def grow(browser, size, scheme):
    """A window as high as the page. What is out of sight is not laid out and its height a guess, so: twice."""
    for _ in range(2):
        height = browser.execute_script("return document.documentElement.scrollHeight")
        emulate(browser, size, scheme, height)
        browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        emulate(browser, size, scheme)
    emulate(browser, size, scheme, browser.execute_script("return document.documentElement.scrollHeight"))


def wait_for_images(browser):
    """Until every image in sight is there."""
    WebDriverWait(browser, 20).until(
        lambda b: b.execute_script(
            "return [...document.images].every(image => image.complete ||"
            " (({top, left}) => top > innerHeight || left > innerWidth)(image.getBoundingClientRect()))"
        )
    )


def take(browser, path):
    path.write_bytes(base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("site")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    browser = open_browser()
    faults = 0
    try:
        pages = find_pages(browser, options.site.rstrip("/"))
        browser.get_log("browser")
        for name in options.only.split(",") if options.only else pages:
            for size in SIZES:
                for scheme in SCHEMES:
                    emulate(browser, size, scheme)
                    browser.get(options.site.rstrip("/") + pages[name])
                    if options.full:
                        grow(browser, size, scheme)
                    wait_for_images(browser)
                    take(browser, options.folder / f"{name}-{size}-{scheme}.png")
            faults += complain(browser, pages[name])
    finally:
        browser.quit()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
