"""Files of answers: JSON lines as they are written, and the same as Parquet."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import IO, Any

from appliance.errors import ApplianceError, MissingPartError
from appliance.schema import Prediction
from appliance.words import _

_GROUP_ROWS = 10_000


def row_of(answer: Prediction, task: str, probabilities: bool = False) -> dict[str, Any]:
    """Return an answer as JSON has it: `spans` for the task `tag`, else `label` and `score`; `abstained` where there is no label."""
    if task == "tag":
        return {"spans": [asdict(span) for span in answer.spans], "truncated": answer.truncated}
    row: dict[str, Any] = {"label": answer.label, "score": answer.score, "truncated": answer.truncated}
    if answer.label is None:
        row["abstained"] = True
    return row | ({"probabilities": dict(answer.probabilities)} if probabilities else {})


def write_parquet(lines: Iterable[bytes], target: IO[bytes]) -> int:
    """Write JSON lines of answers as Parquet and return how many there were; memory holds one group of rows.

    Every line has the same columns there, null where it has no such field; `probabilities`, `spans` and `error` stay JSON text.
    Raises `MissingPartError` without pyarrow.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingPartError(
            _("Parquet needs the extra `data`: install `skerry[data]` from the wheelhouse, or write JSON lines")
        ) from error
    kinds = {
        "index": pa.int64(), "id": pa.string(), "file": pa.string(), "row": pa.int64(), "label": pa.string(), "score": pa.float64(),
        "truncated": pa.bool_(), "abstained": pa.bool_(), "version": pa.string(), "probabilities": pa.string(), "spans": pa.string(),
        "error": pa.string(),
    }  # fmt: skip
    schema = pa.schema(list(kinds.items()))
    done = 0
    waiting: Iterator[bytes] = iter(lines)
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        while group := [_flat(json.loads(line)) for line in islice(waiting, _GROUP_ROWS)]:
            columns = [pa.array([row.get(name) for row in group], kind) for name, kind in kinds.items()]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            done += len(group)
    return done


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        for key, value in row.items()
    }


def main() -> None:
    """Turn the JSON lines on standard input into Parquet on standard output; exits as the command line does."""
    try:
        write_parquet(sys.stdin.buffer, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except ApplianceError as error:
        sys.exit(error.exit_code)
