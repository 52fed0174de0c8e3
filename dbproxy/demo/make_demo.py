#!/usr/bin/env python3
"""Makes movies.ndjson, the demo catalogue, from the movies.json of the npm package vega-datasets 3.2.1.

    make_demo.py movies.json[.xz] > movies.ndjson

The same input gives the same bytes. README.md states the rules; each function below is one of them.
"""

import datetime
import json
import lzma
import re
import sys
from collections import Counter

CATEGORY_OF_GENRE = {
    "Thriller/Suspense": "Thriller",
    "Concert/Performance": "Concert",
}
CATEGORY_OF_CREATIVE_TYPE = {
    "Fantasy": "Fantasy",
    "Factual": "Documentary",
    "Historical Fiction": "Historical",
    "Kids Fiction": "Family",
    "Science Fiction": "Science Fiction",
    "Super Hero": "Superhero",
}
NO_VALUE = {
    "certificate": {"Open"},
    "creative_type": {"Multiple Creative Types"},
    "distributor": {"Distributor Unknown"},
}
# Released on the last day of the year, or known to belong to it: the rule about 31 December is wrong for these.
DATE_AS_WRITTEN = {"Duel in the Sun", "The Deer Hunter", "Witchboard"}
# 31 December 1969 is what a program makes of "no date".
DATE_UNKNOWN = {"Barney's Version", "Drei"}


def repair_text(value):
    """Accented letters were read as Mac Roman where they were Latin-1; quotes are doubled; spaces are."""
    if value is None:
        return None
    text = str(value)
    if not text.isascii():
        try:
            text = text.encode("mac_roman").decode("latin-1")
            text = text.replace("\x85", "…")
        except UnicodeEncodeError:
            pass  # not from Mac Roman: right as it is
    return " ".join(text.replace('""', '"').split())


def repair_title(value):
    """'Barbarians, The' is 'The Barbarians'; a year or a kind of release in brackets is no part of the title."""
    title = repair_text(value)
    if not title:
        return None
    title = re.sub(r" \((\d{4}|IMAX|[A-Z]\w+ Release)\)$", "", title)
    return re.sub(r"^(.*), (The|A|An)$", r"\2 \1", title)


def release(title, text):
    """(date or None, year or None) of a text such as 'Jun 12 1998'."""
    try:
        date = datetime.datetime.strptime(text or "", "%b %d %Y").date()
    except ValueError:
        return None, None
    if date.year > 2012:  # the data ends in 2011, so a later year was a slip of two digits: 2046 was 1946
        date = date.replace(year=date.year - 100)
    if title in DATE_UNKNOWN and date == datetime.date(1969, 12, 31):
        return None, None
    if date.year < 1995 and title not in DATE_AS_WRITTEN:
        if (date.month, date.day) == (12, 31):
            return None, date.year + 1
        if (date.month, date.day) == (1, 1):
            return None, date.year
    return date.isoformat(), date.year


def categories(row):
    genre = row["Major Genre"]
    names = [CATEGORY_OF_GENRE.get(genre, genre), CATEGORY_OF_CREATIVE_TYPE.get(row["Creative Type"])]
    return sorted({name for name in names if name})


def convert(row, rating_of_one):
    title = repair_title(row["Title"])
    date, year = release(title, row["Release Date"])
    movie = {
        "title": title,
        "release_date": date,
        "year": None if date else year,
        "runtime": row["Running Time min"],
        "certificate": row["MPAA Rating"],
        "director": repair_text(row["Director"]),
        "distributor": repair_text(row["Distributor"]),
        "categories": categories(row),
        "creative_type": row["Creative Type"],
        "source": row["Source"],
        "score": row["IMDB Rating"] if rating_of_one else None,
        "votes": row["IMDB Votes"] if rating_of_one else None,
        "critics": row["Rotten Tomatoes Rating"],
        "budget": row["Production Budget"],
        "gross_domestic": row["US Gross"],
        "gross_worldwide": row["Worldwide Gross"],
    }
    for name, none in NO_VALUE.items():
        if movie[name] in none:
            movie[name] = None
    # No value, an empty list, and 0 votes or dollars all say "not known"; 0 of 100 critics is a verdict.
    return (title, year), {name: value for name, value in movie.items() if value or value == 0 and name == "critics"}


def main():
    path = sys.argv[1]
    with (lzma.open if path.endswith(".xz") else open)(path, "rb") as f:
        rows = json.load(f)

    ratings = Counter((row["IMDB Rating"], row["IMDB Votes"]) for row in rows if (row["IMDB Votes"] or 0) > 1000)
    movies = {}
    left_out = Counter()
    for row in rows:
        (title, year), movie = convert(row, ratings[row["IMDB Rating"], row["IMDB Votes"]] <= 1)
        if not title:
            left_out["without a title"] += 1
        elif (title.lower(), year) in movies:
            left_out["the same title and year again"] += 1
        else:
            movies[title.lower(), year] = movie

    for _, movie in sorted(movies.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
        print(json.dumps(movie, ensure_ascii=False, separators=(",", ":")))
    reasons = "".join(f"; {n} {why}" for why, n in sorted(left_out.items()))
    print(f"{len(movies)} movies of {len(rows)} rows{reasons}", file=sys.stderr)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    main()
