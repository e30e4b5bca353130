"""The answers to a file of texts, row by row, in constant memory."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from appliance.engine import Engine
from appliance.errors import HardwareError, InputError, NotFoundError
from appliance.jobs import progress
from appliance.schema import Prediction
from appliance.words import _

_BATCH_ROWS = 64
_LINE_BYTES = 16 * 1024**2


def predict_file(
    engine: Engine, path: Path, text_column: str, out: Path, min_score: float = 0.0
) -> dict[str, int | str]:
    """Answer each row of a CSV, TSV, JSONL or TXT file (UTF-8) in `out`: a JSON line `{"row", "label", "score", "truncated"}` each.

    `row` counts from 1, header excluded. `out` appears when all rows are answered. Returns `rows`, `abstained`, `truncated`
    and `out`. Raises `NotFoundError` for a file that cannot be opened, `InputError` naming the row that cannot be read,
    `HardwareError` when `out` cannot be written.
    """
    csv.field_size_limit(_LINE_BYTES)
    try:
        source = path.open("rb")
    except OSError as error:
        raise NotFoundError(_("cannot open `{file}`: {error}", file=path, error=error.strerror)) from error
    unfinished = out.with_name(f".{out.name}.unfinished")
    counts = dict.fromkeys(("rows", "abstained", "truncated"), 0)
    try:
        with source, unfinished.open("w", encoding="utf-8") as target:
            for prediction in _predictions(engine, _texts(source, path, text_column), path, min_score):
                counts["rows"] += 1
                counts["abstained"] += prediction.label is None
                counts["truncated"] += prediction.truncated
                answer = {"row": counts["rows"], "label": prediction.label, "score": prediction.score}
                target.write(json.dumps(answer | {"truncated": prediction.truncated}, ensure_ascii=False) + "\n")
            target.flush()
            os.fsync(target.fileno())
        unfinished.replace(out)
    except OSError as error:
        raise HardwareError(
            _(
                "cannot write `{file}`: {error}; see that its folder is there and has room",
                file=out,
                error=error.strerror,
            )
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return counts | {"out": str(out)}


def _predictions(engine: Engine, texts: Iterator[str], path: Path, min_score: float) -> Iterator[Prediction]:
    rows = 0
    while batch := list(islice(texts, _BATCH_ROWS)):
        try:
            yield from engine.predict(batch, min_score)
        except InputError as error:
            raise InputError(
                _(
                    "cannot answer `{file}` rows {first} to {last}: {error}",
                    file=path.name,
                    first=rows + 1,
                    last=rows + len(batch),
                    error=error,
                )
            ) from error
        rows += len(batch)
        progress("predict", rows)


def _texts(source: BinaryIO, path: Path, column: str) -> Iterator[str]:
    kind = path.suffix.lower()
    if kind == ".txt":
        return (line.rstrip("\r\n") for line in _lines(source, path))
    if kind in (".jsonl", ".ndjson"):
        return _from_jsonl(_lines(source, path), path, column)
    if kind in (".csv", ".tsv"):
        return _from_csv(_lines(source, path), path, column, "\t" if kind == ".tsv" else ",")
    raise InputError(_("cannot read `{file}`: only .csv, .tsv, .jsonl, .ndjson and .txt are answered", file=path.name))


def _lines(source: BinaryIO, path: Path) -> Iterator[str]:
    # Bytes, not text: `str.splitlines` would cut at U+2028 inside a row, and a limit keeps memory bounded.
    number = 0
    while line := source.readline(_LINE_BYTES + 1):
        number += 1
        if len(line) > _LINE_BYTES:
            raise InputError(
                _(
                    "cannot read `{file}` line {line}: longer than {limit} bytes",
                    file=path.name,
                    line=number,
                    limit=_LINE_BYTES,
                )
            )
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                _(
                    "cannot read `{file}` line {line}: it is not UTF-8; convert the file first",
                    file=path.name,
                    line=number,
                )
            ) from error


def _from_jsonl(lines: Iterator[str], path: Path, column: str) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                _("cannot read `{file}` line {line}: it is no JSON", file=path.name, line=number)
            ) from error
        if not isinstance(row, dict) or not isinstance(row.get(column), str):
            raise InputError(
                _(
                    "cannot read `{file}` line {line}: no text under `{column}`; name it with `--text-column`",
                    file=path.name,
                    line=number,
                    column=column,
                )
            )
        yield row[column]


def _from_csv(lines: Iterator[str], path: Path, column: str, delimiter: str) -> Iterator[str]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0
    try:
        header = next(reader, [])
        if column not in header:
            raise InputError(
                _(
                    "cannot read `{file}`: no column `{column}`; name it with `--text-column`",
                    file=path.name,
                    column=column,
                )
            )
        at = header.index(column)
        for number, row in enumerate(reader, start=1):
            if row and len(row) != len(header):
                raise InputError(
                    _(
                        "cannot read `{file}` row {row}: {found} fields, the header has {wanted}",
                        file=path.name,
                        row=number,
                        found=len(row),
                        wanted=len(header),
                    )
                )
            if row:  # a blank line is no row
                yield row[at]
    except csv.Error as error:
        raise InputError(
            _("cannot read `{file}` after row {row}: {error}", file=path.name, row=number, error=error)
        ) from error
