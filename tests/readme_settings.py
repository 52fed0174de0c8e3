#!/usr/bin/python3
"""README's table of settings is what the programs' --help prints: readme_settings.py README.md BIN_DIRECTORY.

Prints the rows as they should be and fails when they differ.
"""
import pathlib
import re
import subprocess
import sys

STAGES = ["gateway", "cacher", "renderer", "dbproxy"]


def read_help(command):
    text = subprocess.run([command, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.findall(r"^  ([A-Z_]+)=(.*)\n      (.*)$", text, re.M)


def expected_rows(programs):
    settings = {}
    for who, command in programs:
        for variable, preset, sentence in read_help(command):
            row = settings.setdefault(variable, (preset, sentence, []))
            row[2].append(who)
    for variable, (preset, sentence, who) in settings.items():
        preset = f"`{preset}`" if preset else ""
        readers = "all stages" if set(STAGES) <= set(who) else ", ".join(who)
        yield f"| `{variable}` | {preset} | {readers} | {sentence} |"


def main():
    readme, bin_directory = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    programs = [("`./run`", readme.parent / "run")] + [(stage, bin_directory / f"filmyfly-{stage}") for stage in STAGES]
    expected = list(expected_rows(programs))
    found = re.findall(r"^\| `[A-Z_]+` \|.*\|$", readme.read_text(encoding="utf-8"), re.M)
    if found != expected:
        sys.exit("README.md's settings differ from --help. They should be:\n" + "\n".join(expected))
    print(f"{len(found)} settings agree")


if __name__ == "__main__":
    main()
