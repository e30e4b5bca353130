"""Workbooks: sheets, headers, merged cells, and numbers that lost their digits."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.data.formats import xlsx
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.errors import InputError
from appliance.settings import IngestSettings

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("python_calamine")


def saved(folder: Path, sheets: dict[str, list[list[Any]]], merged: tuple[str, ...] = ()) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    for span in merged:
        book.worksheets[0].merge_cells(span)
    path = folder / "a.xlsx"
    book.save(path)
    return path


def read(path: Path, **options: Any) -> list[Row | Fault]:
    return list(xlsx.read(path, path.name, IngestOptions("text", **options), IngestSettings()))


def test_cells_become_text(tmp_path: Path) -> None:
    rows = [
        ["text", "n", "when", "phone", "ok"],
        ["东西\nline", 1.5, datetime.date(2024, 1, 5), 13800138000, True],
        ["b", None, None, None, None],
    ]
    items = read(saved(tmp_path, {"one": rows}), keep_columns=("n", "when", "phone", "ok"))
    assert items[0] == Row(
        1,
        None,
        "东西\nline",
        {"text": "东西\nline", "n": "1.5", "when": "2024-01-05", "phone": "13800138000", "ok": "true"},
    )
    assert items[1] == Row(2, None, "b", {"text": "b", "n": None, "when": None, "phone": None, "ok": None})


@pytest.mark.parametrize("number", [110101194912310000, 123456789012, 1e-9, "1.10101194912310E+17"])
@pytest.mark.parametrize("option", ["id_column", "label_column", "subject_column", "group_column", "keep_columns"])
def test_a_number_that_lost_digits_refuses_its_row_and_says_how_to_mend_it(
    tmp_path: Path, number: Any, option: str
) -> None:
    path = saved(tmp_path, {"one": [["text", "card"], ["a", number], ["b", "110101194912310000"]]})
    first, second = read(path, **{option: ("card",) if option == "keep_columns" else "card"})
    assert isinstance(first, Fault) and first.row == 1
    assert "column `card`" in first.reason and "as Text" in first.reason
    assert isinstance(second, Row) and second.fields["card"] == "110101194912310000"


def test_such_a_number_in_the_text_column_counts_and_in_an_unused_one_does_not(tmp_path: Path) -> None:
    path = saved(tmp_path, {"one": [["text", "card"], [110101194912310000, "x"], ["b", 110101194912310000]]})
    assert [type(item) for item in read(path)] == [Fault, Row]


def test_merged_cells_are_filled_down_and_across(tmp_path: Path) -> None:
    rows = [["text", "label", "ward"], ["a", "x", "w"], ["b"], ["c"], ["d", "y"], ["e", None, "v"]]
    items = read(saved(tmp_path, {"one": rows}, ("B2:B4", "B5:C5")), label_column="label", keep_columns=("ward",))
    assert [list(item.fields.values()) for item in items if isinstance(item, Row)] == [
        ["a", "x", "w"], ["b", "x", None], ["c", "x", None], ["d", "y", "y"], ["e", None, "v"],
    ]  # fmt: skip


def test_a_header_merged_over_two_rows_is_found(tmp_path: Path) -> None:
    path = saved(tmp_path, {"one": [["text", "label"], [None, None], ["a", "x"]]}, ("A1:A2", "B1:B2"))
    assert read(path, label_column="label", header_row=2) == [Row(1, None, "a", {"text": "a", "label": "x"})]


def test_the_header_may_stand_lower_and_further_right(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        {
            "one": [
                [],
                ["", "", "Report of the ward"],
                ["", "", "label", "text"],
                ["", "", "x", "a"],
                [],
                ["", "", "y", "b"],
            ]
        },
    )
    items = read(path, label_column="label", header_row=3)
    assert items == [
        Row(1, None, "a", {"text": "a", "label": "x"}),
        Fault(2, None, "empty row"),
        Row(3, None, "b", {"text": "b", "label": "y"}),
    ]


def test_all_sheets_with_the_column_are_read_and_the_others_listed(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        {"one": [["text"], ["a"]], "notes": [["remark"], ["b"]], "empty": [], "two": [["x", "text"], ["y", "c"]]},
    )
    items = read(path)
    assert [(item.part, item.row, isinstance(item, Row)) for item in items] == [
        ("one", 1, True),
        ("notes", 0, False),
        ("empty", 0, False),
        ("two", 1, True),
    ]
    assert isinstance(items[1], Fault) and "no column `text`; it has `remark`" in items[1].reason
    assert read(path, sheet="all") == items


def test_one_sheet_is_read_by_name(tmp_path: Path) -> None:
    path = saved(tmp_path, {"one": [["text"], ["a"]], "two": [["text"], ["b"]]})
    assert [item[2] for item in read(path, sheet="two")] == ["b"]
    with pytest.raises(InputError, match="no sheet `three`; it has `one`, `two`; name one with `--sheet`"):
        read(path, sheet="three")


@pytest.mark.parametrize(
    ("sheets", "message"),
    [
        ({"one": [["note"], ["a"]]}, "no column `text`; it has `note`"),
        ({"one": []}, "no header in row 1"),
        ({"one": [["note"]], "two": [["remark"]]}, "no column `text`; it has `note`"),
    ],
)
def test_a_workbook_without_the_column_is_refused(
    tmp_path: Path, sheets: dict[str, list[list[Any]]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(saved(tmp_path, sheets))


def test_a_damaged_workbook_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, {"one": [["text"], ["a"]]})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="no sound XLSX file"):
        read(path)
    old = tmp_path / "a.xls"
    old.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600)
    with pytest.raises(InputError, match=r"`a.xls`"):
        read(old)
