"""JSON Lines: one object a line (RFC 8259 inside, `\\n` between); FHIR NDJSON is told by its `resourceType`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from appliance.data.formats import fhir
from appliance.data.formats.lines import Lines
from appliance.data.formats.rows import Fault, IngestOptions, Row, require_columns
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["objects", "read"]

_ROWS_TO_SEE_ALL_KEYS = 1000
_KEYS_TO_SHOW = 100


def read(path: Path, name: str, options: IngestOptions, settings: IngestSettings) -> Iterator[Row | Fault]:
    """Read JSON Lines, streaming; numbers keep the digits they are written with.

    Faults: a line that is no JSON object, duplicate keys, NaN and Infinity, lone surrogates, nesting too deep for the parser, a wanted
    key that holds an object or a list, empty lines, a missing text key. Raises `InputError` when no object of the first 1,000 (or of
    the whole file) has a wanted key.
    """
    with Lines(path, name, settings, options.encoding) as lines:
        seen: dict[str, None] = {}
        unseen = set(options.wanted)
        for number, byte, item in objects(lines):
            if isinstance(item, str):
                yield Fault(number, byte, item)
            elif "resourceType" in item:
                if not seen:
                    require_columns(name, options, fhir.COLUMNS, text=False)
                    seen, unseen = dict.fromkeys(fhir.COLUMNS), set()
                yield fhir.row(number, byte, item)
            else:
                if unseen:
                    seen.update(dict.fromkeys(list(item)[:_KEYS_TO_SHOW]) if len(seen) < _KEYS_TO_SHOW else {})
                    unseen -= item.keys()
                    if number >= _ROWS_TO_SEE_ALL_KEYS:
                        require_columns(name, options, list(seen))
                yield _row(number, byte, item, options)
        if seen:
            require_columns(name, options, list(seen), text="resourceType" not in seen)


def _row(number: int, byte: int, item: Mapping[str, Any], options: IngestOptions) -> Row | Fault:
    fields: dict[str, str | None] = {}
    for column in options.wanted:
        value = item.get(column)
        if isinstance(value, dict | list):
            return Fault(number, byte, _("column `{column}` holds a list or an object, not text", column=column))
        fields[column] = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
    return Row(number, byte, fields[options.text_column], fields)


def objects(lines: Lines) -> Iterator[tuple[int, int, dict[str, Any] | str]]:
    """Yield (row, byte, object) for every line, or (row, byte, reason) for one that is no sound JSON object."""
    decoder = json.JSONDecoder(
        object_pairs_hook=_without_duplicates, parse_float=str, parse_int=str, parse_constant=_no_constant
    )
    for number, (byte, line) in enumerate(lines, start=1):
        if line is None:
            yield number, byte, _("row longer than `ingest.max_row_bytes` ({limit})", limit=lines.limit)
            continue
        try:
            item = decoder.decode(line.decode(lines.encoding))
        except UnicodeDecodeError as error:
            yield number, lines.fault_at(byte, error), _("not {encoding} here", encoding=lines.encoding)
        except json.JSONDecodeError as error:
            yield number, byte, _no_json(error, line)
        except _Unsound as error:
            yield number, byte, str(error)
        except RecursionError:
            yield number, byte, _("nested too deep")
        else:
            yield number, byte, item if isinstance(item, dict) else _("no JSON object; one object a line is expected")


class _Unsound(ValueError):
    """JSON that parsers read differently from each other."""


def _no_json(error: json.JSONDecodeError, line: bytes) -> str:
    if not line.strip():
        return _("empty line")
    return _("no JSON at character {character} of the line: {reason}", character=error.pos + 1, reason=error.msg)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) != len(pairs):
        raise _Unsound(_("a key stands twice in one object"))
    return item


def _no_constant(_name: str) -> Any:
    raise _Unsound(_("NaN or Infinity, which JSON does not have"))
