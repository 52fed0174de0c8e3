"""A visitor: Debian's chromium, driven by selenium. Finds things as a person does, by what is written on them and by their role.

Nothing sleeps: what must happen is waited for.
"""

import contextlib
import json
import os
import shutil
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PHONE, DESKTOP = (390, 844), (1280, 900)
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--ignore-certificate-errors", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-features=BackForwardCache,Prerender2", "--disable-extensions", "--hide-scrollbars"]
INTRUDERS = """
const found = [];
if (document.documentElement.dataset.ran) found.push("a script of a text ran");
for (const e of document.querySelectorAll("*")) {
    for (const a of e.attributes) if (/^on/i.test(a.name) || a.name === "style" || /^(href|src|action|formaction)$/i.test(a.name) && /^\\s*(javascript|data):/i.test(a.value))
        found.push(e.tagName + " " + a.name);
    if (/^(iframe|object|embed|base|style)$/i.test(e.tagName)) found.push(e.tagName);
    if (e.tagName === "SCRIPT" && !e.src && e.type !== "application/ld+json") found.push("SCRIPT " + e.text);
    if (e.tagName === "META" && e.httpEquiv) found.push("META " + e.httpEquiv);
}
return found;
"""


def program(name, *others):
    for each in (name, *others):
        if shutil.which(each):
            return shutil.which(each)
    raise RuntimeError(f"{name} is not installed; packages.txt names what the tests need")


class Visitor:
    """url: of the site that is visited, without a path; it may change."""

    def __init__(self, url):
        self.url = url
        self.expected = []  # what the console may say in this test
        self.home = tempfile.mkdtemp(prefix="fft-chromium-", dir="/tmp")
        options = webdriver.ChromeOptions()
        options.binary_location = program("chromium", "chromium-browser")
        for flag in (*FLAGS, f"--user-data-dir={self.home}/profile"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        options.set_capability("unhandledPromptBehavior", "dismiss and notify")
        self.driver = webdriver.Chrome(service=Service(program("chromedriver"), env={**os.environ, "HOME": self.home}), options=options)
        self.driver.set_page_load_timeout(30)

    def close(self):
        with contextlib.suppress(WebDriverException):
            self.driver.quit()
        shutil.rmtree(self.home, ignore_errors=True)

    # Settings of the browser.

    def be(self, size=PHONE, dark=False, scripts=True, reduced_motion=False, media=""):
        tell = self.driver.execute_cdp_cmd
        tell("Emulation.setDeviceMetricsOverride", {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600})
        tell("Emulation.setEmulatedMedia", {"media": media, "features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                                                                           {"name": "prefers-reduced-motion", "value": "reduce" if reduced_motion else ""}]})
        tell("Emulation.setScriptExecutionDisabled", {"value": not scripts})

    # Going.

    def open(self, path):
        self.driver.get(self.url + path)

    @property
    def path(self):
        return self.driver.current_url.removeprefix(self.url)

    def wait(self, true, what, seconds=10):
        end = time.monotonic() + seconds
        while True:
            try:
                value = true()
                if value:
                    return value
            except (NoSuchElementException, StaleElementReferenceException):
                pass  # the page changed meanwhile
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not within {seconds} s, at {self.path}; the page says:\n{self.text()[:1500]}")
            time.sleep(0.02)

    def leaving(self, act):
        """Does something that leads to another page, and waits until that one is there."""
        before, old = self.driver.current_url, self.driver.find_element(By.TAG_NAME, "html").id
        act()
        self.wait(lambda: self.driver.current_url != before or self.driver.find_element(By.TAG_NAME, "html").id != old, f"another page than {before}")
        self.wait(lambda: self.driver.execute_script("return document.readyState") == "complete", "the page is complete")

    # Finding.

    def text(self):
        return self.driver.find_element(By.TAG_NAME, "body").text

    def main(self):
        return self.driver.find_element(By.CSS_SELECTOR, "main")

    def heading(self):
        return self.driver.find_element(By.CSS_SELECTOR, "h1").text

    def links(self, prefix, inside=None):
        return (inside or self.main()).find_elements(By.CSS_SELECTOR, f'a[href^="{prefix}"]')

    def named(self, selector, name):
        """The shown elements of a selector whose accessible name begins so."""
        return [e for e in self.driver.find_elements(By.CSS_SELECTOR, selector) if e.accessible_name.lower().startswith(name.lower()) and e.is_displayed()]

    def follow(self, element):
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        self.leaving(element.click)

    def go(self, words):
        """Follows the link with this name."""
        found = [e for e in self.driver.find_elements(By.XPATH, f'//a[contains(normalize-space(), "{words}")]') if e.accessible_name == words]
        assert found, f"no link says {words!r} at {self.path}:\n{self.text()[:1500]}"
        self.follow(found[0])

    def search_field(self):
        found = [e for e in self.driver.find_elements(By.CSS_SELECTOR, 'input[name="q"]') if e.is_displayed()]
        assert found, f"no search field is shown at {self.path}"
        return found[0]

    # Keys.

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    @property
    def focused(self):
        return self.driver.switch_to.active_element

    def tab_to(self, true, what, most=120):
        """Presses Tab until the focused element is the wanted one."""
        for _ in range(most):
            self.press(Keys.TAB)
            element = self.focused
            if true(element):
                return element
        raise AssertionError(f"{most} times Tab do not lead to {what} at {self.path}")

    # What went wrong.

    def take_faults(self):
        """Foreign requests and lines in the console since the last call."""
        faults = []
        for entry in self.driver.get_log("browser"):
            # Chromium says so, as of an error, when a page is shown before its transition could begin.
            if "Transition was" not in entry["message"] and not any(text in entry["message"] for text in self.expected):
                faults.append(f"console: {entry['message']}")
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                address = message["params"]["request"]["url"]
                if not address.startswith((self.url + "/", "data:", "blob:", "chrome", "about:")):
                    faults.append(f"asked for {address}")
        return faults

    def intruders(self):
        return self.driver.execute_script(INTRUDERS)
