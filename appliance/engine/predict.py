"""The answers to rows from a file, in their order and in constant memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from appliance.engine import Engine
from appliance.errors import HardwareError, InputError
from appliance.jobs import progress
from appliance.reasons import reason
from appliance.schema import Record, Rejected
from appliance.words import _

_BATCH_ROWS = 64


def predict_rows(
    engine: Engine, rows: Iterable[Record | Rejected], out: Path, min_score: float = 0.0
) -> dict[str, int | str]:
    """Answer each row in `out`, a JSON line each: `{"file", "row", "label", "score", "truncated"}`, or `{"file", "row", "error"}` for one that was rejected.

    `file` names the file (and sheet), `row` counts in it from 1, header excluded. `out` appears when all rows are done. Returns `read`, `rows` (answered),
    `rejected`, `abstained`, `truncated` and `out`; read = rows + rejected. Raises `InputError` when no row can be answered and what reading raises,
    `HardwareError` when `out` cannot be written.
    """
    unfinished = out.with_name(f".{out.name}.unfinished")
    counts = dict.fromkeys(("read", "rows", "rejected", "abstained", "truncated"), 0)
    try:
        with unfinished.open("w", encoding="utf-8") as target:
            for answer in _answers(engine, rows, min_score):
                _count(counts, answer)
                target.write(json.dumps(answer, ensure_ascii=False) + "\n")
            target.flush()
            os.fsync(target.fileno())
        if not counts["rows"]:
            raise InputError(
                _("no row could be answered: {count} rejected; `skerry ingest` lists why", count=counts["rejected"])
            )
        unfinished.replace(out)
    except OSError as error:
        raise HardwareError(
            _(
                "cannot write `{file}`: {error}; see that its folder is there and has room",
                file=out,
                error=reason(error),
            )
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return counts | {"out": str(out)}


def _count(counts: dict[str, int], answer: dict[str, Any]) -> None:
    counts["read"] += 1
    if "error" in answer:
        counts["rejected"] += 1
    else:
        counts["rows"] += 1
        counts["abstained"] += answer["label"] is None
        counts["truncated"] += answer["truncated"]


def _answers(engine: Engine, rows: Iterable[Record | Rejected], min_score: float) -> Iterator[dict[str, Any]]:
    waiting, done = iter(rows), 0
    while batch := list(islice(waiting, _BATCH_ROWS)):
        found = iter(engine.predict([row.text for row in batch if isinstance(row, Record)], min_score))
        for row in batch:
            if isinstance(row, Rejected):
                yield {"file": row.file, "row": row.row, "error": row.reason}
            else:
                one = next(found)
                place = {"file": row.source.file, "row": row.source.row} if row.source else {}
                yield place | {"label": one.label, "score": one.score, "truncated": one.truncated}
        done += len(batch)
        progress("predict", done)
