"""Parquet: batches of columns become rows."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.data.formats import parquet
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.errors import InputError
from appliance.settings import IngestSettings

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def read(folder: Path, columns: dict[str, Any], **options: Any) -> list[Row | Fault]:
    path = folder / "a.parquet"
    pq.write_table(pa.table(columns), path)
    return list(parquet.read(path, path.name, IngestOptions("text", **options), IngestSettings()))


def test_columns_of_every_plain_kind_become_text(tmp_path: Path) -> None:
    columns = {
        "text": pa.array(["a", "东西"]).dictionary_encode(), "n": [1, 110101194912310000], "f": [1.0, None], "b": [True, None], "day": [datetime.date(2024, 1, 5)] * 2,
        "raw": pa.array([b"\xe4\xb8\x9c", None]),
    }  # fmt: skip
    items = read(tmp_path, columns, keep_columns=("n", "f", "b", "day", "raw"))
    assert [list(item.fields.values()) for item in items if isinstance(item, Row)] == [
        ["a", "1", "1", "true", "2024-01-05", "东"],
        ["东西", "110101194912310000", None, None, "2024-01-05", None],
    ]
    assert [item.row for item in items] == [1, 2]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1.1e17, 1.0], "lost digits"),
        ([b"\xe9", b"a"], "bytes that are no UTF-8"),
        ([["a"], None], "holds list, not text"),
    ],
)
def test_a_value_that_is_no_text_is_a_fault(tmp_path: Path, values: list[Any], reason: str) -> None:
    first, second = read(tmp_path, {"text": ["a", "b"], "x": values}, label_column="x")
    assert isinstance(first, Fault) and reason in first.reason and "`x`" in first.reason
    assert isinstance(second, Row)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column `text`; it has `note`"):
        read(tmp_path, {"note": ["a"]})


@pytest.mark.parametrize("damage", ["cut", "page", "text"])
def test_a_damaged_file_is_refused_with_the_row_it_was_read_to(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"row {number}" for number in range(2000)]})
    pq.write_table(table, path, row_group_size=500, write_page_checksum=True, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    if damage == "page":
        content[content.index(b"row 1200")] ^= 1
    path.write_bytes(b"text,label\n" if damage == "text" else content[:-10] if damage == "cut" else content)
    items = []
    with pytest.raises(InputError, match=f"`a.parquet` after row {1000 if damage == 'page' else 0}: damaged"):
        items.extend(parquet.read(path, path.name, IngestOptions("text"), IngestSettings()))
