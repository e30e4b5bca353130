"""The time series of a server: one row a minute, kept in the store in a ring.

The server knows no database, so it appends a line a minute to a file of the home; whoever opens the ring (`skerry monitor show`, `skerry work`,
the console) first takes the lines into the store. A line counts once, whatever crashes between the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.monitor import lines

if TYPE_CHECKING:
    from appliance.store import Store

__all__ = ["append", "overview", "read", "take_in"]

_FILE = "minutes.jsonl"
_MAX_BYTES = 32 * 1024**2  # some two weeks of minutes that nobody has taken in; then the older half goes


def folder(home: Path, project: str) -> Path:
    """Return where a project's monitoring keeps its files."""
    return home / "projects" / project / "monitor"


def append(home: Path, project: str, row: Mapping[str, Any], max_bytes: int = _MAX_BYTES) -> None:
    """Append one row (`minute`, `server`, `values`). Raises `OSError` when the disk does not take it."""
    line = json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()
    lines.append(folder(home, project) / _FILE, line, max_bytes)


def take_in(store: Store) -> int:
    """Move the rows that servers have appended into the store. Returns how many there were."""
    with lines.taken(folder(store.home, store.project) / _FILE) as appended:
        rows = [row for line in appended if (row := _row(line))]
        if rows:
            store.add_measurements(rows, store.settings.monitor.ring_minutes)
    return len(rows)


def _row(line: bytes) -> dict[str, Any] | None:
    # A line that a power cut has torn is left out: the next minute has come since.
    try:
        row = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(row, dict) and {"minute", "server", "values"} <= row.keys()
    return row if whole else None


def read(store: Store, minutes: int = 60) -> list[dict[str, Any]]:
    """Take in what is new and return the rows of the newest `minutes` minutes that have any, oldest first."""
    take_in(store)
    rows = store.measurements()
    wanted = set(sorted({row["minute"] for row in rows})[-minutes:])
    return [row for row in rows if row["minute"] in wanted]


def overview(store: Store, minutes: int = 60) -> list[dict[str, Any]]:
    """Return one line a release and minute, oldest first: what was asked, how long it took, and how the machine was."""
    return [
        {"minute": row["minute"], "release": name, **_asked(release), **_machine(row["values"])}
        for row in read(store, minutes)
        for name, release in row["values"]["releases"].items()
    ]


def _asked(release: Mapping[str, Any]) -> dict[str, Any]:
    names = ("requests", "failed", "texts")
    return {name: int(release[name]) for name in names} | {name: release[name] for name in ("p50_ms", "p99_ms")}


def _machine(values: Mapping[str, Any]) -> dict[str, Any]:
    shares = {name: round(values[name], 3) for name in ("cpu_share", "memory_share")}
    return {"queue_texts": int(values["queue_texts"])} | shares | {"alerts": values["alerts"]}
