"""Every message that a person reads is there in English and in Chinese."""

from __future__ import annotations

import ast
import gettext
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

from appliance import errors, words
from appliance.settings import descriptions
from docs.catalogue import CATALOGUES

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    path for folders in CATALOGUES.values() for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))
]
TEMPLATES = [path for folder in ("appliance", "labeling") for path in sorted((ROOT / folder).rglob("templates/*.html"))]


def called(path: Path) -> str:
    """Return a source file's name for messages."""
    return path.relative_to(ROOT).as_posix()


def calls(path: Path) -> Iterator[ast.Call]:
    """Yield the `_(...)` and `both(...)` calls of a source file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("_", "both")
            and node.args
        ):
            yield node


def said(path: Path) -> Iterator[tuple[int, object, set[str]]]:
    """Yield line, message and names of the values of each `_(...)` of a template; the message is None where it is no plain string."""
    for call in Environment(autoescape=True).parse(path.read_text("utf-8")).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "_":
            first = call.args[0] if len(call.args) == 1 else None
            yield call.lineno, first.value if isinstance(first, nodes.Const) else None, {one.key for one in call.kwargs}


def places(message: str) -> set[str]:
    """Return the `{names}` of a message."""
    return {name for _text, name, _format, _conversion in string.Formatter().parse(message) if name is not None}


@cache
def messages() -> dict[str, bool]:
    """Return every message of the source; True where values are filled in."""
    found = dict.fromkeys(descriptions(), False)
    for path in SOURCES:
        for call in calls(path):
            if isinstance(call.args[0], ast.Constant):
                found[call.args[0].value] = found.get(call.args[0].value, False) or bool(call.keywords)
    for path in TEMPLATES:
        for _line, message, given in said(path):
            found[str(message)] = found.get(str(message), False) or bool(given)
    return found


@cache
def chinese() -> dict[str, str]:
    """Return the Chinese catalogues, message by message."""
    found: dict[str, str] = {}
    for catalogue in CATALOGUES:
        with catalogue.with_suffix(".po").open("rb") as file:
            found |= {str(one.id): str(one.string) for one in read_po(file, locale="zh") if one.id}
    return found


def unsound(path: Path) -> Iterator[str]:
    """Yield the messages of a file that cannot be extracted or whose `{places}` and values differ."""
    for call in calls(path):
        message, where = call.args[0], f"{called(path)}:{call.lineno}"
        given = {keyword.arg for keyword in call.keywords}
        if not (isinstance(message, ast.Constant) and isinstance(message.value, str)):
            yield f"{where}: no plain string"
        elif given and None not in given and places(message.value) != given:
            yield f"{where}: places and values differ"
        elif not given and re.search(r"\{[a-z_]+\}", message.value):
            yield f"{where}: a place without a value"


def test_messages_are_plain_strings_with_all_their_values() -> None:
    assert [fault for path in SOURCES for fault in unsound(path)] == []


def test_templates_speak_in_plain_strings_with_all_their_values() -> None:
    assert TEMPLATES
    faults = [
        f"{called(path)}:{line}"
        for path in TEMPLATES
        for line, message, given in said(path)
        if not isinstance(message, str) or places(message) != given
    ]
    assert faults == []


def test_errors_are_raised_with_translatable_messages() -> None:
    bare = [
        f"{called(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args
        if ast.unparse(node.exc.func).split(".")[-1] in errors.__all__
        if isinstance(node.exc.args[0], ast.Constant | ast.JoinedStr)
    ]
    assert bare == []


def test_every_message_has_a_chinese_translation() -> None:
    missing = [message for message in messages() if not chinese().get(message)]
    assert not missing, (
        f"{len(missing)} of {len(messages())} messages are missing; run `make words` and translate: {missing}"
    )


def test_no_translation_outlives_its_message() -> None:
    assert sorted(set(chinese()) - set(messages())) == []


def test_places_agree_in_both_languages() -> None:
    for message, filled in messages().items():
        if filled:
            assert places(message) == places(chinese().get(message, "")), message
        assert message.count("`") == chinese().get(message, "").count("`"), message


def test_chinese_is_chinese() -> None:
    """A translation holds Han characters, unless it is nothing but code."""
    for message, translated in chinese().items():
        prose = re.sub(r"`[^`]*`|\{[^}]*\}", "", message)
        assert re.search(r"[\u4e00-\u9fff]", translated) or not re.search(r"[A-Za-z]{4,}", prose), message


def test_the_compiled_catalogue_is_fresh() -> None:
    compiled: dict[str, str] = {}
    for catalogue in CATALOGUES:
        with catalogue.with_suffix(".mo").open("rb") as file:
            compiled |= vars(gettext.GNUTranslations(file))["_catalog"]
    stale = [message for message in messages() if compiled.get(message) != chinese().get(message)]
    assert stale == [], "run `make words`"


def test_a_chinese_reader_is_answered_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    message, words_in_english = "there is no file `{file}`", "there is no file `a`"
    monkeypatch.setenv("SKERRY_LANG", "zh_CN.UTF-8")
    assert words._(message, file="a") == chinese()[message].format(file="a") != words_in_english
    monkeypatch.setenv("SKERRY_LANG", "en")
    assert words._(message, file="a") == words_in_english
