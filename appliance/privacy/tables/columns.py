"""A table in memory as columns of strings: CSV, TSV, JSON lines, Parquet and XLSX in; CSV, TSV, JSON lines and Parquet out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cells import LostDigits, filled_rows, sheet_text
from appliance.errors import InputError, MissingPartError, NotFoundError, SettingsError
from appliance.files import open_part
from appliance.privacy.scrub_file import encoding_of
from appliance.words import _

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Sheet", "read_table", "write_table"]

READ = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xls")
WRITTEN = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True)
class Sheet:
    """A table of string columns without nulls, and how many rows of the file could not be read into it."""

    table: pa.Table
    rejected: int

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self.table.column_names)


def read_table(path: Path) -> Sheet:
    """Read a table. Rows with another number of fields than the header, or with a number whose digits a sheet has lost, are rejected and counted; empty cells are empty strings, merged ones hold their value each.

    Raises `NotFoundError`, `InputError` for what is no table or has two columns of one name, `MissingPartError` without the extra `data`.
    """
    if not path.is_file():
        raise NotFoundError(_("there is no file `{file}`", file=path))
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingPartError(_("tables need the extra `data`: install `skerry[data]` from the wheelhouse")) from error
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(
            _("cannot read `{file}` as a table; known endings are {known}", file=path, known=" ".join(READ))
        )
    try:
        found = read(path)
        if len(set(found.columns)) < len(found.columns) or not found.columns:
            raise InputError(_("cannot read `{file}`: each column needs a name of its own", file=path))
        table = _strings(found.table)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeError, OSError) as error:
        # the library's own message may quote a cell
        raise InputError(
            _("cannot read `{file}` as a table: {error}", file=path, error=type(error).__name__)
        ) from error
    return Sheet(table, found.rejected)


def _strings(table: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pa.table({name: pc.fill_null(table[name].cast(pa.string()), "") for name in table.column_names})


def _delimited(path: Path, delimiter: str) -> Sheet:
    from pyarrow import csv

    rejected = 0

    def skip(_row: Any) -> str:
        nonlocal rejected
        rejected += 1
        return "skip"

    read = csv.ReadOptions(encoding=encoding_of(path), use_threads=False)
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip)
    with csv.open_csv(path, read, parse) as opened:
        names = opened.schema.names
    rejected = 0
    import pyarrow as pa

    convert = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    table = csv.read_csv(path, read, parse, convert)
    return Sheet(table, rejected)


def _lines(path: Path) -> Sheet:
    import pyarrow as pa

    rows, rejected = [], 0
    with path.open(encoding=encoding_of(path)) as file:
        for line in file:
            row = _object(line)
            if row is not None:
                rows.append(row)
            elif line.strip():
                rejected += 1
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Sheet(pa.table({name: [_cell(row.get(name)) for row in rows] for name in names}), rejected)


def _object(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parquet(path: Path) -> Sheet:
    from pyarrow import parquet

    return Sheet(parquet.read_table(path), 0)


def _workbook(path: Path) -> Sheet:
    import pyarrow as pa
    import python_calamine

    try:
        with python_calamine.CalamineWorkbook.from_path(path) as workbook:
            rows = list(filled_rows(workbook.get_sheet_by_index(0)))
    except python_calamine.CalamineError as error:
        raise InputError(_("cannot read `{file}`: it is no sound {kind} file", file=path, kind="XLSX")) from error
    header = [str(name) for name in rows[0]] if rows else []
    cells = [row for row in map(_texts, rows[1:]) if row is not None]
    columns = [[row[at] for row in cells] for at in range(len(header))]
    return Sheet(pa.table(columns, names=header), len(rows[1:]) - len(cells))


def _texts(row: list[Any]) -> list[str] | None:
    """Return a row's cells as texts, None where a number has lost its digits: it would stand there as another one."""
    try:
        return [sheet_text(value) or "" for value in row]
    except LostDigits:
        return None


_READERS = {
    ".csv": lambda path: _delimited(path, ","),
    ".tsv": lambda path: _delimited(path, "\t"),
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".parquet": _parquet,
    ".xlsx": _workbook,
    ".xls": _workbook,
}


def write_table(table: pa.Table, out: Path) -> None:
    """Write a table to `out`, which appears whole or not at all, readable by its owner only. Raises `SettingsError` for an unknown ending."""
    suffix = out.suffix.lower()
    if suffix not in WRITTEN:
        raise SettingsError(_("cannot write `{file}`; known endings are {known}", file=out, known=" ".join(WRITTEN)))
    part, descriptor = open_part(out)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  the descriptor carries the mode
            _write(table, file, suffix)
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _write(table: pa.Table, file: Any, suffix: str) -> None:
    if suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(table, file)
    elif suffix in (".csv", ".tsv"):
        from pyarrow import csv

        csv.write_csv(table, file, csv.WriteOptions(delimiter="\t" if suffix == ".tsv" else ","))
    else:
        for row in _rows(table):
            file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()
