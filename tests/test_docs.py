"""The documentation tells the truth: pages are fresh, and every file, target, verb and option that it names exists."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from appliance.cli import app
from docs import generate

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
WRITTEN = [page for page in PAGES if page.name not in generate.PAGES and page.name != "CHANGELOG.md"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def called(path: Path) -> str:
    """Return a page's name for messages."""
    return path.relative_to(ROOT).as_posix()


def code(page: Path) -> list[str]:
    """Return the code of a page: spans between backticks and the lines of fenced blocks."""
    text = page.read_text("utf-8")
    fences = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", rest) + [line for fence in fences for line in fence.splitlines()]


def verbs(command: Any, path: str = "skerry") -> Iterator[tuple[str, set[str]]]:
    """Yield every verb (`skerry jobs list`) and group (`skerry jobs`) with its options."""
    yield path, {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
    for name, inner in getattr(command, "commands", {}).items():
        yield from verbs(inner, f"{path} {name}")


VERBS = dict(verbs(get_command(app)))


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_fresh(name: str) -> None:
    """Every verb, setting and error class is documented by pages made from the code."""
    assert (ROOT / "docs" / name).read_text("utf-8") == generate.PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("name", generate.PAGES)
def test_no_generated_page_shows_a_python_object(name: str) -> None:
    assert not re.search(r"<class '|<function|<object| at 0x", generate.PAGES[name]())


def test_every_setting_says_what_it_is() -> None:
    rows = [line for line in generate.settings().splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    assert [row for row in rows if row.endswith("|  |")] == []


@pytest.mark.parametrize("page", PAGES, ids=called)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", WRITTEN, ids=called)
def test_named_files_exist(page: Path) -> None:
    """Whatever looks like a path of the repository is one."""
    tops = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"demo"}
    for span in code(page):
        for word in re.findall(r"(?<![\w/.~])[\w.-]+/[\w./-]*[\w/]", span):
            if word.split("/")[0] in tops and not re.search(r"\b[A-Z]{3,}\b", word):  # not `docs/NAME.md`
                assert (ROOT / word).exists(), f"`{word}`"


@pytest.mark.parametrize("page", WRITTEN, ids=called)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for span in code(page):
        for target in re.findall(r"^(?:\$ )?make ([a-z][a-z-]*)", span):
            assert target in targets, f"make {target}"


def spoken(span: str) -> str | None:
    """Return the longest verb that a command line begins with: `skerry jobs list` of `skerry jobs list --json`."""
    words = span.split()
    while words and " ".join(words) not in VERBS:
        words.pop()
    return " ".join(words) or None


@pytest.mark.parametrize("page", WRITTEN, ids=called)
def test_named_verbs_and_options_exist(page: Path) -> None:
    for span in code(page):
        found = re.search(r"(?:^|[ /])(skerry(?: [^|;&#]*)?)", span)
        if not found or not re.match(r"skerry( [a-z-]|$)", found[1]):
            continue
        verb = spoken(found[1])
        assert verb, span
        rest = found[1].removeprefix(verb).split()
        assert verb != "skerry" or not rest or rest[0].startswith("-"), f"no verb in `{span}`"
        unknown = {word.split("=")[0] for word in rest if word.startswith("--")} - VERBS[verb]
        assert not unknown, f"{unknown} in `{span}`"


def test_contributing_says_why_each_dependency_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    wanted = PROJECT["dependencies"] + [one for extra in PROJECT["optional-dependencies"].values() for one in extra]
    names = {re.split(r"[\[<>=~ ]", one)[0] for one in wanted} - {"skerry"}
    assert [name for name in sorted(names) if f"| `{name}` |" not in text] == []


def test_contributing_pictures_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## Rooms")[1].split("\n## ")[0]
    rooms = {path.name for path in (ROOT / "appliance").glob("*.py")} - {"__init__.py", "__main__.py"}
    rooms |= {f"{path.parent.name}/" for path in (ROOT / "appliance").glob("*/__init__.py")}
    assert [room for room in sorted(rooms) if f"  {room}" not in text] == []


def test_every_extra_is_explained() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert [extra for extra in PROJECT["optional-dependencies"] if f"`{extra}`" not in text] == []
