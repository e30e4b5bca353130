"""The answers to rows from a file, in their order and in constant memory; what was answered before a stop is not answered again."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any

from appliance.engine import Engine
from appliance.engine.answers import row_of, write_parquet
from appliance.errors import BusyError, HardwareError, InputError, NotFoundError
from appliance.files import open_part
from appliance.jobs import progress
from appliance.reasons import reason
from appliance.schema import Record, Rejected
from appliance.words import _

_BATCH_ROWS = 64


def predict_rows(
    engine: Engine,
    rows: Iterable[Record | Rejected],
    out: Path,
    min_score: float = 0.0,
    work: str = "",
    time_limit_s: float | None = None,
) -> dict[str, int | str | bool]:
    """Answer each row in `out`, a JSON line each: `{"file", "row", "label", "score", "truncated"}`, or `{"file", "row", "error"}` for one that was rejected.

    `file` names the file (and sheet), `row` counts in it from 1, header excluded. A name that ends in `.parquet` gets Parquet with the same columns.
    `out` appears when all rows are done, or `time_limit_s` has passed: then `complete` is False and it holds the rows so far. What was answered lies
    in a hidden file beside it until all is, and the same call with the same `work` (what tells this model and these rows from others) goes on there.
    Returns `read`, `rows` (answered), `rejected`, `abstained`, `truncated`, `complete` and `out`; read = rows + rejected. Raises `InputError` when no row can be
    answered and what reading raises, `HardwareError` when `out` cannot be written, `BusyError` while another process answers the same.
    """
    until = None if time_limit_s is None else time.monotonic() + time_limit_s
    path = out.with_name(f".{out.name}.{work}.unfinished")
    try:
        with _open_unfinished(path, out) as unfinished:
            counts = _counts(unfinished)
            complete = _answer_rest(engine, rows, unfinished, counts, min_score, until)
            if complete and not counts["rows"]:
                raise InputError(
                    _("no row could be answered: {count} rejected; `skerry ingest` lists why", count=counts["rejected"])
                )
            _publish(unfinished, out)
            if complete:
                path.unlink()
    except OSError as error:
        raise HardwareError(
            _(
                "cannot write `{file}`: {error}; see that its folder is there and has room",
                file=out,
                error=reason(error),
            )
        ) from error
    except (InputError, NotFoundError):  # the rows themselves: there is nothing to go on with
        path.unlink(missing_ok=True)
        raise
    return {**counts, "complete": complete, "out": str(out)}


def _open_unfinished(path: Path, out: Path) -> IO[bytes]:
    """Open the hidden file that the answers go to; those of other work that nobody is at go."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise BusyError(_("`{file}` is being written by another process", file=out)) from error
    for other in out.parent.glob(f".{glob.escape(out.name)}.*.unfinished"):
        if other != path:
            with suppress(OSError), other.open("rb") as left:
                fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                other.unlink()
    return os.fdopen(handle, "r+b")


def _counts(unfinished: IO[bytes]) -> dict[str, int]:
    """Count the whole lines, cut off the rest and stand behind them."""
    counts = dict.fromkeys(("read", "rows", "rejected", "abstained", "truncated"), 0)
    whole = 0
    unfinished.seek(0)
    for line in unfinished:
        if not line.endswith(b"\n"):
            break
        _count(counts, json.loads(line))
        whole += len(line)
    unfinished.truncate(whole)
    unfinished.seek(whole)
    return counts


def _count(counts: dict[str, int], answer: dict[str, Any]) -> None:
    counts["read"] += 1
    if "error" in answer:
        counts["rejected"] += 1
    else:
        counts["rows"] += 1
        counts["abstained"] += "abstained" in answer
        counts["truncated"] += answer["truncated"]


def _answer_rest(
    engine: Engine,
    rows: Iterable[Record | Rejected],
    unfinished: IO[bytes],
    counts: dict[str, int],
    min_score: float,
    until: float | None,
) -> bool:
    """Answer the rows behind those that are answered already, some of them whatever the time; returns whether all are."""
    waiting = islice(rows, counts["read"], None)
    while batch := list(islice(waiting, _BATCH_ROWS)):
        for answer in _answers(engine, batch, min_score):
            _count(counts, answer)
            unfinished.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
        unfinished.flush()
        progress("predict", counts["read"])
        if until is not None and time.monotonic() > until:
            return next(waiting, None) is None
    return True


def _answers(engine: Engine, batch: list[Record | Rejected], min_score: float) -> Iterator[dict[str, Any]]:
    found = iter(engine.predict([row.text for row in batch if isinstance(row, Record)], min_score))
    for row in batch:
        if isinstance(row, Rejected):
            yield {"file": row.file, "row": row.row, "error": row.reason}
        else:
            place = {"file": row.source.file, "row": row.source.row} if row.source else {}
            yield place | row_of(next(found), engine.plan.task)


def _publish(unfinished: IO[bytes], out: Path) -> None:
    unfinished.seek(0)
    part, handle = open_part(out)
    try:
        with os.fdopen(handle, "wb") as target:
            if out.suffix == ".parquet":
                write_parquet(unfinished, target)
            else:
                shutil.copyfileobj(unfinished, target)
            target.flush()
            os.fsync(target.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
