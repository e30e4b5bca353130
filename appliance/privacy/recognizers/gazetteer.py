"""Lists of names (given names, surnames and cities in Latin script) and of words, in lower case. The sources stand in the files."""

from __future__ import annotations

import tomllib
import unicodedata
from functools import cache
from pathlib import Path

__all__ = ["cities", "given_names", "no_names", "surnames", "word_list"]

Names = tuple[frozenset[str], frozenset[str]]


@cache
def given_names() -> Names:
    """Return the given names that are nothing else, and those that are words or places too."""
    return _read("given_names.txt")


@cache
def surnames() -> Names:
    """Return the surnames that are nothing else, and those that are English words too."""
    return _read("surnames.txt")


@cache
def cities() -> Names:
    """Return the cities whose names are nothing else (without their accents, too), and those whose names are words, given names or surnames as well."""
    sure, unsure = (frozenset(city.replace("_", " ") for city in part) for part in _read("cities.txt"))
    return sure | (frozenset(map(_bare, sure)) - unsure), unsure


@cache
def no_names() -> frozenset[str]:
    """Return abbreviations, medicines and other words that models take for names."""
    lines = Path(__file__).with_name("no_names.txt").read_text("utf-8").splitlines()
    return frozenset(" ".join(line for line in lines if not line.startswith("#")).split())


def word_list(name: str) -> frozenset[str]:
    """Return a list of `word_lists.toml`."""
    return frozenset(_word_lists()[name].split())


@cache
def _word_lists() -> dict[str, str]:
    return tomllib.loads(Path(__file__).with_name("word_lists.toml").read_text("utf-8"))


def _read(name: str) -> Names:
    lines = [
        line for line in Path(__file__).with_name(name).read_text("utf-8").splitlines() if not line.startswith("#")
    ]
    middle = lines.index("-")
    return frozenset(" ".join(lines[:middle]).split()), frozenset(" ".join(lines[middle:]).split())


def _bare(name: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
