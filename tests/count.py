#!/usr/bin/python3
"""Counts the single cases in logs of ctest (Testing/Temporary/LastTest.log): cmocka's, pytest's, and one for any other program.

Prints "N passed, N failed". A program that fails without a failed case of its own (it crashed, or ran out of time) is one failure.
"""
import re
import sys


def count_cases(text, succeeded):
    planned = re.search(r"^\[==========\] (?:\S+: )?Running (\d+) test", text, re.M)
    summary = re.search(r"^=+ ((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s.* =+$", text, re.M)
    if planned:
        passed = len(re.findall(r"^\[ +OK \]", text, re.M))
        failed = int(planned[1]) - passed
    elif summary:
        numbers = {word.rstrip("s"): int(n) for n, word in re.findall(r"(\d+) ([a-z]+)", summary[1])}
        passed, failed = numbers.get("passed", 0), numbers.get("failed", 0) + numbers.get("error", 0)
    else:
        passed, failed = int(succeeded), 0
    return passed, failed or int(not succeeded)


def main():
    tests = []
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8", errors="replace") as log:
            tests += re.split(r"^\d+/\d+ Testing: ", log.read(), flags=re.M)[1:]
    counts = [count_cases(text, re.search(r"^Test Passed\.$", text, re.M) is not None) for text in tests]
    print(f"{sum(c[0] for c in counts)} passed, {sum(c[1] for c in counts)} failed")


if __name__ == "__main__":
    main()
