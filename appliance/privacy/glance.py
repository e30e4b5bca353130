"""One look at a text for all recognizers: which of them can find anything in it.

RE2 runs hundreds of expressions as one automaton, in time that grows with the text alone (Cox, *Regular Expression Matching in the Wild*, 2010), but has no
look-around and no back-references. So each expression of Python's `re` is loosened into one that matches wherever the first does, and somewhere more:
where a loosened expression does not match, its recognizer need not search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any, Generic, TypeVar

__all__ = ["Expression", "Glance", "loosened"]

Key = TypeVar("Key")
# An expression of Python's, or what gives expressions of RE2 that were loosened elsewhere.
Expression = re.Pattern[str] | Callable[[], Iterable[str]]

_MEMORY_BYTES = 16 * 1024**2  # of one automaton, whose states are made as texts ask for them
_MANY = 20  # repetitions that are counted; above them any number fits
_NO_MORE = [0]  # what an automaton finds in every text
_LAST = 0x10FFFF
_Ranges = list[tuple[int, int]]
_SPACE: _Ranges = [
    (0x09, 0x0D), (0x1C, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
]  # fmt: skip
_DIGIT: _Ranges = [(0x30, 0x39)]
_WORD: _Ranges = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
_OTHERS: _Ranges = [(0x80, _LAST)]  # which of them are letters or digits changes with the version of Unicode


def _complement(ranges: _Ranges) -> _Ranges:
    gaps, position = [], 0
    for start, end in sorted(ranges):
        if position < start:
            gaps.append((position, start - 1))
        position = max(position, end + 1)
    return gaps + ([(position, _LAST)] if position <= _LAST else [])


# What a category holds at least, and at most.
_CATEGORIES = {
    "CATEGORY_DIGIT": (_DIGIT, _DIGIT + _OTHERS),
    "CATEGORY_NOT_DIGIT": (_complement(_DIGIT + _OTHERS), _complement(_DIGIT)),
    "CATEGORY_SPACE": (_SPACE, _SPACE),
    "CATEGORY_NOT_SPACE": (_complement(_SPACE), _complement(_SPACE)),
    "CATEGORY_WORD": (_WORD, _WORD + _OTHERS),
    "CATEGORY_NOT_WORD": (_complement(_WORD + _OTHERS), _complement(_WORD)),
}
_NOTHING = r"[^\x00-\x{10ffff}]"


class Glance(Generic[Key]):
    """Tells which keys have an expression that can match in a text. Make one of families of such keys: each family is one automaton.

    Families whose expressions have little in common are better apart: an automaton has a state for each pair of what two of them wait for.
    """

    def __init__(
        self, families: Iterable[Mapping[Key, Sequence[Expression]]], memory_bytes: int = _MEMORY_BYTES
    ) -> None:
        self._automata = [_automaton(family, memory_bytes) for family in families]

    def __call__(self, text: str) -> set[Key]:
        """Return the keys with an expression that can match in `text`: all of them where half characters (surrogates) keep RE2 from reading it."""
        seen: set[Key] = set()
        try:
            content = text.encode()
        except UnicodeEncodeError:
            return seen.union(*(keys for _match, keys in self._automata))
        for match, keys in self._automata:
            found = match(content)
            if found != _NO_MORE:
                # The first expression, an empty one, matches every text: without it the automaton ran out of memory.
                seen.update([keys[place - 1] for place in found if place] if found and 0 in found else keys)
        return seen


def _automaton(
    family: Mapping[Key, Sequence[Expression]], memory_bytes: int
) -> tuple[Callable[[bytes], list[int] | None], list[Key]]:
    """Return what gives the places of the expressions that match, and the key at each place."""
    keys: list[Key] = []
    try:
        import re2
    except ModuleNotFoundError:  # an installation without the extra `privacy`: nothing is ruled out
        return (lambda _content: None), list(family)
    options = re2.Options()
    options.max_mem = memory_bytes
    options.log_errors = False
    automaton = re2.Set.SearchSet(options)
    automaton.Add("")
    for key, expressions in family.items():
        for expression in expressions:
            for source in (loosened(expression),) if isinstance(expression, re.Pattern) else expression():
                automaton.Add(source)
                keys.append(key)
    automaton.Compile()
    return automaton.Match, keys


@lru_cache(maxsize=4096)
def loosened(pattern: re.Pattern[str], left: bool = True, right: bool = True) -> str:
    """Return an expression of RE2 that matches in every text in which `pattern` does.

    Look-around stays where it is one character at an end of the expression that is free (`left`, `right`: nothing is to be put before or behind it);
    elsewhere it is dropped. A reference to a group becomes what the group matches.
    """
    parser = import_module("re._parser")
    return _Loosening().sequence(parser.parse(pattern.pattern, pattern.flags), pattern.flags, left, right)


class _Loosening:
    def __init__(self) -> None:
        self.groups: dict[int, str] = {}

    def sequence(self, nodes: Any, flags: int, left: bool = False, right: bool = False) -> str:
        nodes = [(str(operation), argument) for operation, argument in nodes]
        solid = [place for place, (operation, _argument) in enumerate(nodes) if operation not in _WIDTHLESS]
        first, last = (solid[0], solid[-1]) if solid else (len(nodes), -1)
        before = self._edge(nodes[:first], flags, -1) if left else ""
        behind = self._edge(nodes[last + 1 :], flags, 1) if right else ""
        pieces = [
            self.node(
                operation,
                argument,
                flags,
                left and not before and place == first,
                right and not behind and place == last,
            )
            for place, (operation, argument) in enumerate(nodes)
            if operation not in _WIDTHLESS
        ]
        return "".join([before, *pieces, behind])

    def _edge(self, nodes: list[tuple[str, Any]], flags: int, direction: int) -> str:
        """Return the first of the assertions `nodes` that can be written as characters."""
        for operation, argument in nodes:
            if operation == "AT" and str(argument) == "AT_END" and direction > 0 and not flags & re.MULTILINE:
                return r"\n?\z"
            if operation in ("ASSERT", "ASSERT_NOT") and argument[0] == direction:
                inside = list(argument[1])
                if operation == "ASSERT":
                    return self.sequence(inside, flags, direction < 0, direction > 0)
                if len(inside) == 1 and str(inside[0][0]) in ("IN", "LITERAL"):
                    others = _written(_complement(_ranges(str(inside[0][0]), inside[0][1], least=True)))
                    return rf"(?:\A|{others})" if direction < 0 else rf"(?:{others}|\z)"
        return ""

    def node(self, operation: str, argument: Any, flags: int, left: bool, right: bool) -> str:
        if operation in ("LITERAL", "NOT_LITERAL", "IN"):
            return _folded(_ranges(operation, argument), flags)
        if operation == "ANY":
            return "(?s:.)" if flags & re.DOTALL else r"[^\n]"
        if operation == "BRANCH":
            return "(?:" + "|".join(self.sequence(each, flags, left, right) for each in argument[1]) + ")"
        if operation == "SUBPATTERN":
            group, more, fewer, nodes = argument
            if group is not None:
                self.groups[group] = "(?:" + self.sequence(nodes, (flags | more) & ~fewer) + ")"
            return "(?:" + self.sequence(nodes, (flags | more) & ~fewer, left, right) + ")"
        if operation == "ATOMIC_GROUP":
            return "(?:" + self.sequence(argument, flags, left, right) + ")"
        if operation in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inside = argument
            return self._repeated(least, most, inside, flags, left or right)
        if operation == "GROUPREF":
            return self.groups[argument]
        raise ValueError(f"{operation} has no loosened form")

    def _repeated(self, least: int, most: int, nodes: Any, flags: int, edge: bool) -> str:
        inside = "(?:" + self.sequence(nodes, flags) + ")"
        least = min(least, _MANY)
        if edge:  # more of the same at an end of the expression tells nothing
            return f"{inside}{{{least}}}" if least else ""
        return f"{inside}{{{least},{most}}}" if most <= _MANY else f"{inside}{{{least},}}"


_WIDTHLESS = frozenset(["AT", "ASSERT", "ASSERT_NOT"])


def _ranges(operation: str, argument: Any, least: bool = False) -> _Ranges:
    """Return the characters of a class: all that it may match, or with `least` those that it matches whatever the flags."""
    if operation == "LITERAL":
        return [(argument, argument)]
    if operation == "NOT_LITERAL":
        return _complement([(argument, argument)])
    items = [(str(kind), value) for kind, value in argument]
    negated = items[0][0] == "NEGATE"
    ranges: _Ranges = []
    for kind, value in items[negated:]:
        if kind == "LITERAL":
            ranges.append((value, value))
        elif kind == "RANGE":
            ranges.append(value)
        else:
            ranges += _CATEGORIES[str(value)][not (least ^ negated)]
    return _complement(ranges) if negated else ranges


def _written(ranges: _Ranges) -> str:
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return re.escape(chr(ranges[0][0]))  # literals: RE2 factors what alternatives share
    return "[" + "".join(rf"\x{{{start:x}}}-\x{{{end:x}}}" for start, end in ranges) + "]" if ranges else _NOTHING


def _folded(ranges: _Ranges, flags: int) -> str:
    if not flags & re.IGNORECASE:
        return _written(ranges)
    if any(start <= ord(letter) <= end for start, end in ranges for letter in "iI"):
        ranges = [*ranges, (0x130, 0x131)]  # İ and ı, which Python takes for an i and RE2 does not
    return f"(?i:{_written(ranges)})"
