#!/usr/bin/python3
"""What the browser tests use from npm (axe-core, html-validate, lighthouse), in the directory browser/ of the build.

tools.py BUILD puts there what package-lock.json names; it does nothing when that is there already.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Tools:
    def __init__(self, build):
        self.directory = Path(build) / "browser"
        self.installed = self.directory / "installed.json"  # the lockfile of what is there

    def up_to_date(self):
        try:
            return self.installed.read_bytes() == (HERE / "package-lock.json").read_bytes()
        except FileNotFoundError:
            return False

    def install(self):
        if self.up_to_date():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self.installed.unlink(missing_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, self.directory)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=570, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} in {self.directory}: {done.stdout[-3000:]}")
        shutil.copy(HERE / "package-lock.json", self.installed)

    def path(self, *parts):
        """Of a file under node_modules."""
        if not self.up_to_date():
            raise RuntimeError(f"the browser tests' tools are not installed: {HERE}/tools.py {self.directory.parent}")
        return self.directory.joinpath("node_modules", *parts)

    def run(self, name, *arguments, timeout=570, **options):
        """A program of node_modules/.bin, run by the node on the PATH."""
        command = ["node", str(self.path(".bin", name).resolve()), *map(str, arguments)]
        return subprocess.run(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout, check=False,
                              env={**os.environ, **options.get("env", {})})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("tools.py BUILD: install what the browser tests use from npm")
    try:
        Tools(sys.argv[1]).install()
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        sys.exit(f"tools.py: {error}")
