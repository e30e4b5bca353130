"""Workbooks (XLSX, XLSM and the old XLS), read by `python-calamine`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from appliance.cells import LostDigits, filled_rows, sheet_text
from appliance.data.formats.rows import Fault, IngestOptions, Row, require_columns
from appliance.errors import InputError
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["read"]


def read(path: Path, name: str, options: IngestOptions, _settings: IngestSettings) -> Iterator[Row | Fault]:
    """Read the rows of one sheet (`sheet`), or of every sheet that has the text column; other sheets are listed as faults (row 0).

    Merged cells are filled with their value. A row is a fault when a wanted cell holds a number of 12 digits or more or in scientific
    form. Raises `InputError` for a damaged or locked workbook, a missing sheet, and a missing column.
    """
    import python_calamine

    try:
        with python_calamine.CalamineWorkbook.from_path(path) as workbook:
            yield from _sheets(workbook, name, options)
    except python_calamine.PasswordError as error:
        raise InputError(
            _("cannot read `{file}`: it is locked with a password; save it without one", file=name)
        ) from error
    except (python_calamine.CalamineError, OSError) as error:
        raise InputError(_("cannot read `{file}`: it is no sound {kind} file", file=name, kind="XLSX")) from error


def _sheets(workbook: Any, name: str, options: IngestOptions) -> Iterator[Row | Fault]:
    names = _chosen(workbook, name, options.sheet)
    found, failure = False, None
    for sheet_name in names:
        part = sheet_name if len(names) > 1 else ""
        rows = filled_rows(workbook.get_sheet_by_name(sheet_name))
        try:
            columns = _header(rows, options.header_row, name)
            require_columns(name, options, columns)
        except InputError as error:
            failure = failure or error
            yield Fault(0, None, str(error), part)
        else:
            found = True
            yield from _rows(rows, columns, options, part)
    if not found:
        raise failure or InputError(_("cannot read `{file}`: it has no sheet with cells", file=name))


def _chosen(workbook: Any, name: str, wanted: str | None) -> list[str]:
    from python_calamine import SheetTypeEnum

    names = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    if wanted in (None, "all"):
        return names
    if wanted not in names:
        there = ", ".join(f"`{sheet}`" for sheet in names)
        raise InputError(
            _(
                "cannot read `{file}`: no sheet `{sheet}`; it has {sheets}; name one with `--sheet`",
                file=name,
                sheet=wanted,
                sheets=there,
            )
        )
    return [str(wanted)]


def _header(rows: Iterator[list[Any]], header_row: int, name: str) -> list[str]:
    for cells in islice(rows, header_row - 1, header_row):
        return [str(cell).strip() for cell in cells]
    raise InputError(
        _("cannot read `{file}`: no header in row {row}; the file is empty or too short", file=name, row=header_row)
    )


def _rows(
    rows: Iterator[list[Any]], columns: Sequence[str], options: IngestOptions, part: str
) -> Iterator[Row | Fault]:
    places = [(column, columns.index(column)) for column in options.wanted]
    for number, cells in enumerate(rows, start=1):
        fields: dict[str, str | None] = {}
        try:
            for column, place in places:
                fields[column] = sheet_text(cells[place])
        except LostDigits:
            yield Fault(number, None, _lost_digits(column), part)
        else:
            text = fields[options.text_column]
            yield Row(number, None, text, fields, part) if any(cells) else Fault(number, None, _("empty row"), part)


def _lost_digits(column: str) -> str:
    return _(
        "column `{column}`: a number of 12 digits or more, or in scientific form, whose digits a sheet does not keep; format the column as Text in the spreadsheet "
        "program, enter the values again from their source, save, and ingest again",
        column=column,
    )
