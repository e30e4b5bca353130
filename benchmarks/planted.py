"""Rows of synthetic sentences with planted values and traps, the ways in which people hide a number, and how a finder is scored on them.

`chinese_numbers.py` and `world_numbers.py` bring the values and the sentences. Recall is leak-free: a value counts only when all its letters and
digits are masked, under whatever kind. A predicted span of a structured kind is right when at least half of its letters and digits lie in a value. A trap is
untouched when no span of any kind covers one of its digits (letters where it has none: the ISO of ISO 9001 is an organization).
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

Make = Callable[[Random], str]
Span = tuple[int, int, str]
Finder = Callable[[Sequence[str]], list[list[Span]]]
# Kinds that running text may hold beside the planted values: a name or a date in a sentence is no false alarm.
OPEN_KINDS = {"PERSON", "ORGANIZATION", "LOCATION", "ADDRESS", "DATE", "AGE", "NATIONALITY", "OTHER"}
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad"


@dataclass(frozen=True)
class Value:
    """A kind of number: its name here, the scrubber's kind, what makes one, its labels and its own sentences (`{}` is the value)."""

    name: str
    kind: str
    make: Make
    labels: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trap:
    """A number that is nobody's."""

    name: str
    make: Make
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Planted:
    """Where a value stands in a row, which kind of number it is, and how it is hidden (`plain` when it is not)."""

    start: int
    end: int
    kind: str
    name: str
    way: str


@dataclass(frozen=True)
class Row:
    """One text with its values and its traps."""

    text: str
    values: tuple[Planted, ...]
    traps: tuple[Planted, ...]


@dataclass(frozen=True)
class Words:
    """What a language puts around a value: forms with a label, first and last sentences, what joins two parts.

    `people` are first sentences that name a person or a day: not for traps.
    """

    forms: tuple[str, ...]
    leads: tuple[str, ...]
    people: tuple[str, ...]
    tails: tuple[str, ...]
    joints: tuple[str, ...]


def rows(
    count: int, hidden: bool, seed: int, values: Sequence[Value], traps: Sequence[Trap], words: Words
) -> list[Row]:
    """Return `count` rows with a value and `count` with a trap, in turn; every kind equally often. One row in five with a value has a second part."""
    random = Random(f"{seed} {hidden}")
    made = []
    for number in range(count):
        parts: list[Value | Trap] = [values[number % len(values)]]
        if random.random() < 0.2:
            parts.append(random.choice(values) if random.random() < 0.5 else random.choice(traps))
            random.shuffle(parts)
        made.append(_row(parts, hidden, random, words))
        made.append(_row([traps[number % len(traps)]], hidden, random, words))
    return made


def sentences(made: Sequence[Row]) -> list[tuple[str, list[Span], bool]]:
    """Return rows as (text, spans of (start, end, kind), holds traps alone)."""
    return [(row.text, [(each.start, each.end, each.kind) for each in row.values], not row.values) for row in made]


def _row(parts: Sequence[Value | Trap], hidden: bool, random: Random, words: Words) -> Row:
    personal = any(isinstance(part, Value) for part in parts)
    text = random.choice(words.leads + words.people if personal else words.leads)
    found: dict[bool, list[Planted]] = {True: [], False: []}
    for number, part in enumerate(parts):
        value = part.make(random)
        way, value = hide(value, random) if hidden else ("plain", value)
        before, after = _carrier(part, random, words).split("{}")
        text += (random.choice(words.joints) if number else "") + before
        kind = part.kind if isinstance(part, Value) else ""
        found[isinstance(part, Value)].append(Planted(len(text), len(text) + len(value), kind, part.name, way))
        text += value + after
    return Row(text + random.choice(words.tails), tuple(found[True]), tuple(found[False]))


def _carrier(part: Value | Trap, random: Random, words: Words) -> str:
    if isinstance(part, Trap) or not part.labels or (part.sentences and random.random() < 0.5):
        return random.choice(part.sentences)
    return random.choice(words.forms).replace("LABEL", random.choice(part.labels))


# -- how people hide a number -------------------------------------------------------------------------------------------


def hide(value: str, random: Random) -> tuple[str, str]:
    """Return (way, value) as keyboards, forms, scans and careful writers leave it: wide, spaced, dotted, with characters that cannot be seen."""
    ways: dict[str, Callable[[str, Random], str]] = {
        "full width": lambda value, _random: "".join(map(wide, value)),
        "zero width": zero_width,
        "mixed": mixed,
    }
    if "@" in value:
        ways["wide @"] = lambda value, random: value.replace("@", "＠").replace(".", random.choice(".．。"))
    compact = value.replace("-", "").replace(" ", "")
    if compact.isascii() and compact.isalnum() and 8 <= len(compact) <= 24 and sum(map(str.isdigit, compact)) > 5:
        ways |= {"spaced": grouped(" "), "dotted": grouped(random.choice(".·")), "dashed": grouped("-")}
        ways |= {"every place spaced": lambda value, _random: " ".join(value)}
    way = random.choice(list(ways))
    return way, ways[way](value, random)


def wide(character: str) -> str:
    """Return the full-width form of an ASCII character (Unicode block FF00)."""
    return chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character


def zero_width(value: str, random: Random) -> str:
    """Return the value with one to three characters in it that have no width."""
    for _each in range(random.randint(1, 3)):
        place = random.randint(1, max(1, len(value) - 1))
        value = value[:place] + random.choice(ZERO_WIDTH) + value[place:]
    return value


def mixed(value: str, random: Random) -> str:
    """Return the value with some of its characters full width, and perhaps one that has no width."""
    value = "".join(wide(each) if random.random() < 0.4 else each for each in value)
    return zero_width(value, random) if random.random() < 0.3 else value


def grouped(mark: str) -> Callable[[str, Random], str]:
    """Return what writes a number in groups with `mark` between them: in its own groups, else 3-4-4 for eleven places, 6-8-4 for eighteen, threes or fours."""

    def group(value: str, random: Random) -> str:
        own = [len(piece) for piece in value.replace("-", " ").split()]
        plain = value.replace("-", "").replace(" ", "")
        usual = {9: (3,) * 3, 11: (3, 4, 4), 18: random.choice(((6, 8, 4), (6, 4, 4, 4), (3, 3, 4, 4, 4)))}
        pieces, place = [], 0
        for size in own if len(own) > 1 else usual.get(len(plain), (4,) * 12):
            pieces.append(plain[place : place + size])
            place += size
        return mark.join(piece for piece in pieces if piece)

    return group


# -- makers -------------------------------------------------------------------------------------------------------------


def digits(count: int, first: str = "123456789") -> Make:
    """Return what makes `count` digits."""
    return lambda random: random.choice(first) + "".join(random.choices("0123456789", k=count - 1))


def pattern(form: str) -> Make:
    """Return what fills a form: 0 = a digit, 9 = a digit but 0, A = a capital but I and O, a = a small letter, X = a capital or a digit; the rest stands."""
    alphabet = {"0": "0123456789", "9": "123456789", "A": "ABCDEFGHJKLMNPQRSTUVWXYZ", "a": "abcdefghjkmnpqrstuvwxyz"}
    alphabet["X"] = alphabet["A"] + alphabet["9"]
    return lambda random: "".join(random.choice(alphabet.get(letter, letter)) for letter in form)


def either(*makes: Make) -> Make:
    """Return what takes one of the makers."""
    return lambda random: random.choice(makes)(random)


def luhn(body: str) -> str:
    """Return `body` with its check digit (ISO/IEC 7812-1 annex B: every second digit from the right is doubled)."""
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(body)))
    return body + str(-total % 10)


def iban(country: str, account: str) -> str:
    """Return an IBAN: two digits that make the number, led round and with letters as 10..35, 1 modulo 97 (ISO 13616, ISO/IEC 7064)."""
    number = int("".join(str(int(letter, 36)) for letter in account + country + "00"))
    return f"{country}{98 - number % 97:02d}{account}"


def vin(start: str, random: Random) -> str:
    """Return a vehicle's number, place 9 the check digit (ISO 3779; 49 CFR 565.15: weights 8..2, 10, 0, 9..2 modulo 11, 10 is X)."""
    worth = dict(zip("0123456789ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "012345678912345678123457923456789"), strict=True))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    body = start + "".join(random.choices(letters, k=8 - len(start))) + "0"
    body += random.choice("ABCDEFGHJKLMNPRSTVWXY123456789") + random.choice("ABCDEFGHKLNPS")
    body += f"{random.randint(1, 899999):06d}"
    rest = sum(worth[letter] * weight for letter, weight in zip(body, weights, strict=True)) % 11
    return body[:8] + ("X" if rest == 10 else str(rest)) + body[9:]


def spoiled(make: Make) -> Make:
    """Return what makes the same number with another last digit: its check digit does not fit."""

    def wrong(random: Random) -> str:
        number = make(random)
        place = max(place for place, character in enumerate(number) if character.isdigit())
        other = random.choice([digit for digit in "0123456789" if digit != number[place]])
        return number[:place] + other + number[place + 1 :]

    return wrong


# -- scores -------------------------------------------------------------------------------------------------------------


def evaluate(made: Sequence[Row], finder: Finder) -> dict[str, dict[str, tuple[int, int]]]:
    """Return (right, all) of: recall by number and by way, precision by predicted kind, untouched traps by name."""
    names = ("recall", "recall by way", "precision", "traps untouched")
    tables: dict[str, dict[str, list[int]]] = {name: defaultdict(lambda: [0, 0]) for name in names}
    recall, ways, precision, traps = tables.values()
    for row, found in zip(made, finder([row.text for row in made]), strict=True):
        masked, gold = _cover(row.text, found), _cover(row.text, [(each.start, each.end, "") for each in row.values])
        for each in row.values:
            whole = all(masked[place] for place in _letters(row.text, each.start, each.end))
            for table, key in ((recall, each.name), (ways, each.way)):
                table[key][0] += whole
                table[key][1] += 1
        for each in row.traps:
            places = _letters(row.text, each.start, each.end)
            digits_only = [place for place in places if row.text[place].isdigit()]
            traps[each.name][0] += not any(masked[place] for place in digits_only or places)
            traps[each.name][1] += 1
        for start, end, kind in found:
            letters = _letters(row.text, start, end)
            if kind not in OPEN_KINDS and letters:
                precision[kind][0] += 2 * sum(gold[place] for place in letters) >= len(letters)
                precision[kind][1] += 1
    return {name: {key: (right, total) for key, (right, total) in table.items()} for name, table in tables.items()}


def _cover(text: str, spans: Sequence[Span]) -> bytearray:
    covered = bytearray(len(text))
    for start, end, _kind in spans:
        covered[start:end] = b"\1" * (end - start)
    return covered


def _letters(text: str, start: int, end: int) -> list[int]:
    return [place for place in range(start, end) if text[place].isalnum()]


def share(table: dict[str, tuple[int, int]]) -> float:
    """Return the share over all rows of a table."""
    return sum(right for right, _total in table.values()) / max(sum(total for _right, total in table.values()), 1)


def main(name: str, make: Callable[[int, bool, int], list[Row]]) -> None:
    """Run Skerry's scrubber on the plain and the hidden rows of a set and print the shares, then the weak kinds (or, with --json, everything)."""
    from appliance.privacy import Scrubber

    parser = argparse.ArgumentParser(description=name)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--below", type=float, default=1.01, help="print only the keys whose share is below this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--show", metavar="KEY", help="print the rows with a missed value or touched trap of this name")
    arguments = parser.parse_args()
    scrubber = Scrubber.from_settings("auto")

    def finder(texts: Sequence[str]) -> list[list[Span]]:
        return [[(each.start, each.end, each.kind) for each in found] for found in scrubber.find(texts)]

    for hidden in (False, True):
        made = make(arguments.rows, hidden, arguments.seed)
        if arguments.show:
            _show(made, finder, arguments.show)
            continue
        scores = evaluate(made, finder)
        if arguments.json:
            print(json.dumps({"set": name, "hidden": hidden, **scores}, ensure_ascii=False))
            continue
        print(
            f"\n{name}{', hidden' if hidden else ''}: " + ", ".join(f"{key} {share(scores[key]):.3f}" for key in scores)
        )
        for key, table in scores.items():
            for each, (right, total) in sorted(table.items(), key=lambda item: item[1][0] / item[1][1]):
                if right / total < arguments.below:
                    print(f"  {key:16} {each:36} {right / total:6.3f}  {right}/{total}")


def _show(made: Sequence[Row], finder: Finder, name: str) -> None:
    for row in made:
        if any(each.name == name for each in row.values + row.traps):
            scores = evaluate([row], finder)
            for table in ("recall", "traps untouched"):
                right, total = scores[table].get(name, (0, 0))
                if right < total:
                    print(table, repr(row.text), finder([row.text])[0])
