"""What every format hands to `ingest`: rows and faults; and the questions they all answer alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from appliance.errors import InputError
from appliance.words import _

__all__ = ["Fault", "IngestOptions", "Row", "require_columns"]

_SHOWN_COLUMNS = 30
_PERSONAL = re.compile(r"\d{5}|@|.{41}", re.DOTALL)
_FLAGS = {
    "text_column": "--text-column",
    "label_column": "--label-column",
    "id_column": "--id-column",
    "split_column": "--split-column",
    "group_column": "--group-column",
    "subject_column": "--subject-column",
}


@dataclass(frozen=True)
class IngestOptions:
    """Which columns to take and how to read the files.

    `keep_columns` stay with the raw set. `language` is `en`, `zh` or `auto` (told for each record). `sheet` names one sheet of a workbook
    (None or `all`: all of them); `header_row` counts from 1; `encoding` overrides what the file's first bytes tell.
    """

    text_column: str
    label_column: str | None = None
    id_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    subject_column: str | None = None
    keep_columns: tuple[str, ...] = ()
    language: str = "auto"
    sheet: str | None = None
    header_row: int = 1
    encoding: str | None = None

    @cached_property
    def roles(self) -> tuple[tuple[str, str], ...]:
        """What is known about a text (`label`, `id`, `split`, `group`, `subject`) and the column that tells it, where one was named."""
        named = ((role, getattr(self, f"{role}_column")) for role in ("label", "id", "split", "group", "subject"))
        return tuple((role, column) for role, column in named if column)

    @property
    def wanted(self) -> dict[str, str]:
        """The wanted columns, each with the command-line option that names it."""
        wanted: dict[str, str] = {}
        for field, flag in _FLAGS.items():
            column = getattr(self, field)
            if column:
                wanted.setdefault(column, flag)
        return wanted | {column: "--keep-column" for column in self.keep_columns if column not in wanted}


class Row(NamedTuple):
    """One row as a format read it: the text and all wanted columns by name, each a string or None.

    `row` counts from 1, `byte` is where the row starts; `part` is the sheet, where a file has several.
    """

    row: int
    byte: int | None
    text: str | None
    fields: Mapping[str, str | None]
    part: str = ""


class Fault(NamedTuple):
    """One row that a format could not read."""

    row: int
    byte: int | None
    reason: str
    part: str = ""


def require_columns(name: str, options: IngestOptions, there: Sequence[str], text: bool = True) -> None:
    """Check that the file `name` has every wanted column, once. `text=False`: the format has one text and no text column.

    Raises `InputError` naming the first that is missing, the columns that are there and the option to set. A name that looks
    like personal data (the header may be a row of data) is not repeated.
    """
    for column, flag in options.wanted.items():
        if not text and flag == "--text-column":
            continue
        if column not in there:
            raise InputError(
                _(
                    "cannot read `{file}`: no column `{column}`; it has {columns}; name the right one with `{flag}`",
                    file=name, column=column, columns=_shown(there), flag=flag,
                )
            )  # fmt: skip
        if list(there).count(column) > 1:
            raise InputError(
                _(
                    "cannot read `{file}`: two columns are called `{column}`; rename one of them",
                    file=name,
                    column=column,
                )
            )


def _shown(names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(f"`{name}`" if name and not _PERSONAL.search(name) else "…" for name in listed[:_SHOWN_COLUMNS])
    more = len(listed) - _SHOWN_COLUMNS
    return shown + (_(" and {count} more", count=more) if more > 0 else "") if listed else _("no columns")
