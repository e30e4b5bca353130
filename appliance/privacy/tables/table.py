"""What `skerry table` does: `roles` proposes what each column is, `report` tells who stands out, `anonymize` widens and hides until nobody does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import SettingsError
from appliance.files import write_durably
from appliance.privacy.detect import Scrubber
from appliance.privacy.policy import Policy, load
from appliance.privacy.scrub import scrub_cells
from appliance.privacy.tables.anonymity import anonymize as widen_and_hide
from appliance.privacy.tables.anonymity import measure
from appliance.privacy.tables.columns import read_table, write_table
from appliance.privacy.tables.page import write_table_report
from appliance.privacy.tables.roles import propose, read_roles, require_confirmed, written
from appliance.settings import ScrubSettings
from appliance.words import _

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["anonymize", "report", "roles"]

_HELD_BACK = "<HELD_BACK>"
_BATCH = 128


def roles(file: Path, out: Path, settings: ScrubSettings) -> dict[str, Any]:
    """Propose the role of each column and write them to `out`, which must not be there yet. Raises `SettingsError` when it is, and what reading raises."""
    if out.exists():
        raise SettingsError(_("`{file}` is there already; name another with `--out`", file=out))
    sheet = read_table(file)
    found = propose(sheet, Scrubber.from_settings("auto", settings, policy=_structured()))
    write_durably(out, written(found).encode())
    columns = [{"column": each.name, "role": each.role, "why": each.why} for each in found.columns]
    return {"roles": str(out), "rows": sheet.table.num_rows, "rejected": sheet.rejected, "columns": columns}


def report(file: Path, roles_file: Path, k: int | None = None, folder: Path | None = None) -> dict[str, Any]:
    """Measure a table as it is. `folder` is for the report as JSON and HTML."""
    sheet = read_table(file)
    known = read_roles(roles_file, sheet.columns, k)
    about = {"rejected": sheet.rejected, "wanted_k": known.k, "before": measure(sheet.table, known)}
    if folder:
        write_table_report(folder, about)
    return about


def anonymize(
    file: Path, roles_file: Path, out: Path, settings: ScrubSettings, k: int | None = None, folder: Path | None = None
) -> dict[str, Any]:
    """Write the k-anonymous table to `out` (its rows in the same order) and tell what it cost.

    Free text is scrubbed under the settings' policy; a text whose scrub fails becomes `<HELD_BACK>`. Raises `PolicyError` unless the roles were confirmed, and
    what reading, `measure` and writing raise.
    """
    if out.exists() and file.exists() and out.samefile(file):
        raise SettingsError(_("`--out` names the file that is read; name another"))
    sheet = read_table(file)
    known = read_roles(roles_file, sheet.columns, k)
    require_confirmed(known, roles_file)
    made = widen_and_hide(sheet.table, known)
    table = made.table
    for column in known.named("text"):
        table = table.set_column(
            table.column_names.index(column.name), column.name, _scrubbed(table[column.name], settings)
        )
    cells = table.num_rows * len(made.levels)
    about = {
        "rejected": sheet.rejected,
        "wanted_k": known.k,
        "before": measure(sheet.table, known),
        "after": measure(table, known),
        "levels": made.levels,
        "hidden_cells": made.hidden_cells,
        "hidden_share": round(made.hidden_cells / cells, 4),
    }
    write_table(table, out)
    if folder:
        write_table_report(folder, about)
    return {"out": str(out)} | about


def _scrubbed(cells: pa.ChunkedArray, settings: ScrubSettings) -> pa.Array:
    import pyarrow as pa

    scrubber = Scrubber.from_settings("auto", settings)
    return pa.array(_texts(cells.to_pylist(), scrubber), pa.string())


def _texts(cells: list[str], scrubber: Scrubber) -> Iterator[str]:
    for start in range(0, len(cells), _BATCH):
        for texts, _outcome in scrub_cells([[("", cell)] for cell in cells[start : start + _BATCH]], scrubber):
            yield texts[0] if texts else _HELD_BACK


def _structured() -> Policy:
    return load("structured-only")
