"""Write the generated pages: `python docs/generate.py`, or `make docs`. A test holds them against the code.

`verbs.md` comes from the command line, `settings.md` from the settings, `errors.md` from the error tree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["SKERRY_LANG"] = "en"  # the pages are English, whoever writes them

HERE = Path(__file__).parent
NOTE = "<!-- made by `make docs`: change the code, not this page -->\n"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return a Markdown table."""
    cells = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


def commands(command: Any, name: str = "") -> Iterator[str]:
    """Yield the path of every verb: `train`, `jobs list`."""
    for inner, sub in getattr(command, "commands", {}).items():
        path = f"{name} {inner}".strip()
        yield from commands(sub, path) if getattr(sub, "commands", None) else [path]


def verbs() -> str:
    """Every verb with its arguments and options, as `--help` prints them."""
    from typer.main import get_command
    from typer.testing import CliRunner

    from appliance.cli import app

    lines = [
        NOTE,
        "# Verbs",
        "",
        "Results stand on stdout (`--json`: one object), progress and messages on stderr. Exit codes: [errors.md](errors.md).",
        "",
    ]
    for path in commands(get_command(app)):
        shown = CliRunner().invoke(app, [*path.split(), "--help"], prog_name="skerry", terminal_width=100)
        assert shown.exit_code == 0, shown.output
        lines += [
            f"## skerry {path}",
            "",
            "```text",
            *(line.rstrip() for line in shown.output.strip().splitlines()),
            "```",
            "",
        ]
    for name, text in bundle_verbs():
        lines += [f"## skerry-bundle {name}", "", "```text", *(line.rstrip() for line in text.strip().splitlines())]
        lines += ["```", ""]
    return "\n".join(lines)


def bundle_verbs() -> Iterator[tuple[str, str]]:
    """Yield each verb of `skerry-bundle` with its help; `bundle.pyz` on a sealed machine has those of the sealed side."""
    from bundle.cli import parser

    os.environ["COLUMNS"] = "100"
    [choices] = (action.choices for action in parser()._actions if isinstance(action.choices, dict))
    yield from ((name, verb.format_help()) for name, verb in choices.items())


def settings() -> str:
    """Every setting with its default, unit and meaning."""
    from appliance.settings import Settings, describe

    lines = [
        NOTE,
        "# Settings",
        "",
        "`skerry.toml` in the home folder (`SKERRY_HOME`) is the one settings file; a variable `SKERRY_SECTION__KEY` outranks it,",
        "an option of the command line outranks both. `skerry settings` prints each with its value and where that came from.",
        "An unknown key is an error that names the nearest right one.",
        "",
    ]
    rows = describe(Settings.model_construct(), Path("/nowhere"))
    for section in Settings.model_fields:
        lines += [f"## `[{section}]`", ""]
        mine = [row for row in rows if row["key"].startswith(f"{section}.")]
        cells = [
            (f"`{row['key'].split('.')[1]}`", f"`{row['default']}`", row["unit"], row["description"]) for row in mine
        ]
        lines += [*table(("key", "default", "unit or choices", "what"), cells), ""]
    return "\n".join(lines)


def errors() -> str:
    """Every error class with its exit code and HTTP status."""
    from appliance import errors as tree

    classes = sorted((getattr(tree, name) for name in tree.__all__), key=lambda one: (one.exit_code, one.__name__))
    rows = [
        (f"`{one.__name__}`", str(one.exit_code), str(one.http_status), (one.__doc__ or "").strip()) for one in classes
    ]
    lines = [
        NOTE,
        "# Errors",
        "",
        "A message says what failed, which value, and what to do next; it never carries record text. On the command line the",
        "class decides the exit code; over HTTP the status of an RFC 9457 problem. 0 means done, 2 also a wrong usage, and a",
        "traceback (exit 1) is a bug: please report it.",
        "",
        *table(("class", "exit code", "HTTP status", "meaning"), rows),
        "",
    ]
    return "\n".join(lines)


PAGES = {"verbs.md": verbs, "settings.md": settings, "errors.md": errors}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
