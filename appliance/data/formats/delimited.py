"""CSV and TSV: RFC 4180, with the liberties that spreadsheets take.

Our own splitter finds the records in the bytes, so that every row has its exact offset and a quote that is never closed cannot
swallow the file; the fields of a record are then the work of the standard library's `csv`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from appliance.data.formats.lines import Lines
from appliance.data.formats.rows import Fault, IngestOptions, Row, require_columns
from appliance.errors import InputError
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["read"]

# None can be a byte inside a UTF-8 character or a GB18030 one (whose later bytes are 0x30-0x39 or 0x40 and up).
_DELIMITERS = (",", "\t", ";")


def read(path: Path, name: str, options: IngestOptions, settings: IngestSettings) -> Iterator[Row | Fault]:
    """Read a CSV or TSV file, streaming.

    The delimiter of a `.tsv` is the tab, else whichever of comma, tab and semicolon the header holds most of. Faults are rows with
    more or fewer fields than the header, empty lines, NUL bytes, bytes that are not in the file's encoding, and fields and rows over
    the limits. A quote that is not closed within `max_row_bytes`, or by the end of the file, makes its row a fault; the lines after it are
    read as rows of their own when nine of ten have as many fields as the header. Raises `InputError` for a missing column.
    """
    csv.field_size_limit(settings.max_field_bytes)
    with Lines(path, name, settings, options.encoding) as lines:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(lines, name, options.header_row)
        columns = _header(lines, delimiter, name, options.header_row)
        require_columns(name, options, columns)
        text_at, width = columns.index(options.text_column), len(columns)
        for number, (byte, record) in enumerate(_records(lines, delimiter, width), start=1):
            if isinstance(record, str):
                yield Fault(number, byte, record)
                continue
            try:
                line = record.decode(lines.encoding).rstrip("\r\n")
                fields = _fields(line, delimiter)
            except UnicodeDecodeError as error:
                yield Fault(number, lines.fault_at(byte, error), _("not {encoding} here", encoding=lines.encoding))
            except csv.Error as error:
                yield Fault(number, byte, _("no CSV: {error}", error=error))
            else:
                if len(fields) == width and "\0" not in line and line:
                    yield Row(number, byte, fields[text_at], dict(zip(columns, fields, strict=True)))
                else:
                    again = len(fields) != width and _give_back(lines, byte, record, delimiter, width)
                    yield Fault(number, byte, _fault(line, len(fields), width, again))


def _fields(line: str, delimiter: str) -> list[str]:
    if '"' not in line and "\r" not in line:
        return line.split(delimiter)  # five times as fast, and the same: a property test compares them
    return next(csv.reader((line,), delimiter=delimiter))


def _fault(line: str, fields: int, width: int, given_back: bool) -> str:
    if not line:
        return _("empty line")
    if "\0" in line:
        return _("NUL byte")
    reason = _("{fields} fields, but the header has {width}", fields=fields, width=width)
    spans = line.count("\n") + 1
    if given_back:
        return reason + _("; a quote opened here is not closed in its line, and the lines after it are read as rows")
    return reason + _("; the row spans {lines} lines: is a quote not closed?", lines=spans) if spans > 1 else reason


def _delimiter(lines: Lines, name: str, header_row: int) -> str:
    start, head = lines.byte, b""
    for byte, line in islice(lines, header_row):
        if line is None:
            raise InputError(
                _(
                    "cannot read the header of `{file}` (byte {byte}): {reason}",
                    file=name,
                    byte=byte,
                    reason=_too_long(lines),
                )
            )
        head, last = head + line, line.decode(lines.encoding, "replace")
    if not head:
        return ","
    lines.back(start, head)
    return max(_DELIMITERS, key=last.count)


def _too_long(lines: Lines) -> str:
    return _("row longer than `ingest.max_row_bytes` ({limit})", limit=lines.limit)


def _header(lines: Lines, delimiter: str, name: str, header_row: int) -> list[str]:
    records = list(islice(_records(lines, delimiter, 0), header_row))
    if len(records) < header_row:
        raise InputError(
            _("cannot read `{file}`: no header in row {row}; the file is empty or too short", file=name, row=header_row)
        )
    byte, record = records[-1]
    try:
        if isinstance(record, str):
            raise InputError(
                _("cannot read the header of `{file}` (byte {byte}): {reason}", file=name, byte=byte, reason=record)
            )
        return [column.strip() for column in _fields(record.decode(lines.encoding).rstrip("\r\n"), delimiter)]
    except (UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "reason", error)  # a decoding error's own text would show the bytes
        raise InputError(
            _("cannot read the header of `{file}` (byte {byte}): {reason}", file=name, byte=byte, reason=reason)
        ) from error


def _records(lines: Lines, delimiter: str, width: int) -> Iterator[tuple[int, bytes | str]]:
    """Join lines to records: (offset, bytes), or (offset, reason) for a fault. Each line is looked at once, so the time is linear."""
    mark = re.escape(delimiter).encode()
    quoted = b'[^"]*+(?:""[^"]*+)*+"[^%b]*+' % mark  # what follows an opening quote; `""` is a quote inside
    field = b'(?:"%b|[^%b"][^%b]*+|)' % (quoted, mark, mark)
    whole = re.compile(b"%b(?:%b%b)*+\\Z" % (field, mark, field)).match
    closing = re.compile(b"%b(?:%b%b)*+\\Z" % (quoted, mark, field)).match
    for byte, line in lines:
        if line is None:
            yield byte, _too_long(lines)
        elif b'"' not in line or whole(line):
            yield byte, line
        else:
            record, closed, too_long_at = bytearray(line), False, None
            for at, more in lines:
                if more is None:
                    too_long_at = at
                    break
                record += more
                closed = closing(more) is not None
                if closed or len(record) > lines.limit:
                    break
            if closed and len(record) <= lines.limit:
                yield byte, bytes(record)
            elif _give_back(lines, byte, bytes(record), delimiter, width, too_long_at):
                yield byte, _("a quote opened here is not closed; the lines after it are read as rows")
            else:
                spans = record.count(b"\n") + 1
                yield byte, _("a quote opened here is not closed within {lines} lines", lines=spans)


def _give_back(
    lines: Lines, byte: int, record: bytes, delimiter: str, width: int, too_long_at: int | None = None
) -> bool:
    """Put the lines after a record's first back, when they look like rows of the table rather than the rest of a long text.

    What is put back is bounded by about twice what was read, so that no file can make the reading quadratic.
    """
    first = record.find(b"\n") + 1
    after = record[first:].rstrip(b"\r\n").split(b"\n")
    rows = sum(line.count(delimiter.encode()) + 1 == width for line in after)
    if not first or first == len(record) or rows * 10 < len(after) * 9:
        return False
    if lines.given_back > 2 * (lines.byte + lines.limit):
        return False
    lines.back(byte + lines.width(record[:first]), record[first:], too_long_at)
    return True
