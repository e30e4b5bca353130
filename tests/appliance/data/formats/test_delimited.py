"""CSV and TSV: every row or its fault, with the exact byte."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.data.formats import delimited
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.errors import InputError
from appliance.settings import IngestSettings

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def read(
    folder: Path, content: bytes | str, suffix: str = ".csv", limits: dict[str, int] | None = None, **options: Any
) -> list[Row | Fault]:
    path = folder / f"a{suffix}"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(delimited.read(path, path.name, IngestOptions("text", **options), IngestSettings(**limits or {})))


def texts(items: list[Row | Fault]) -> list[str | None]:
    return [item.text if isinstance(item, Row) else item.reason for item in items]


def test_rows_come_with_number_byte_and_fields(tmp_path: Path) -> None:
    items = read(tmp_path, 'text,label\r\n"a, ""b""\r\nc",x\r\n东西,\r\n')
    assert items == [
        Row(1, 12, 'a, "b"\r\nc', {"text": 'a, "b"\r\nc', "label": "x"}),
        Row(2, 29, "东西", {"text": "东西", "label": ""}),
    ]


@given(
    table=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    ending=st.sampled_from(["\n", "\r\n"]),
    form=st.sampled_from([("csv", ","), ("csv", ";"), ("tsv", "\t")]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
)
def test_what_was_written_is_read_back_at_its_byte(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[list[str]],
    quoting: Any,
    ending: str,
    form: tuple[str, str],
    encoding: str,
) -> None:
    assume(quoting == csv.QUOTE_ALL or not any("\r" in cell for row in table for cell in row))  # `csv` writes it bare
    pieces = []
    for row in [["text", "b", "c"], *table]:
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=form[1], quoting=quoting, lineterminator=ending).writerow(row)
        pieces.append(buffer.getvalue())
    content = "".join(pieces).encode(encoding)
    body = (
        encoding if encoding not in ("utf-8-sig", "utf-16") else {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}[encoding]
    )
    given_encoding = None if encoding.startswith("utf") else encoding
    items = read(tmp_path_factory.mktemp("round"), content, f".{form[0]}", encoding=given_encoding)
    assert [list(item.fields.values()) for item in items if isinstance(item, Row)] == table
    for item, piece in zip(items, pieces[1:], strict=True):
        assert item.byte is not None
        assert content[item.byte :].decode(body).startswith(piece)


@given(content=st.text(st.sampled_from('ab,"\n\r;é'), max_size=60))
def test_every_byte_belongs_to_a_row_or_a_fault(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    """Whatever the quotes do: nothing is skipped, nothing read twice, and each row is what `csv` makes of its bytes."""
    body = content.encode()
    items = read(tmp_path_factory.mktemp("any"), b"text,b\n" + body)
    starts = [item.byte for item in items]
    assert starts == sorted(set(starts)) and starts[:1] == [7][: len(items)]
    assert bool(items) == bool(body)
    for item, end in zip(items, [*starts[1:], len(body) + 7], strict=False):
        piece = (b"text,b\n" + body)[item.byte : end].decode()
        if isinstance(item, Row):
            assert list(item.fields.values()) == next(csv.reader([piece]))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("one\n", (7, "1 fields, but the header has 2")),
        ("one,two,three\n", (7, "3 fields, but the header has 2")),
        ("\n", (7, "empty line")),
        ("a\0b,c\n", (7, "NUL byte")),
        ("a\rb,c\n", (7, "no CSV")),
        (b"ok\xe4\xb8,c\n", (9, "not utf-8 here")),
    ],
)
def test_a_row_that_cannot_be_read_is_a_fault_and_the_next_one_is_read(
    tmp_path: Path, content: bytes | str, fault: tuple[int, str]
) -> None:
    body = content.encode() if isinstance(content, str) else content
    first, second = read(tmp_path, b"text,b\n" + body + "ü,next\n".encode())
    assert isinstance(first, Fault) and first.row == 1
    assert first.byte == fault[0] and first.reason.startswith(fault[1])
    assert isinstance(second, Row) and second.row == 2 and second.text == "ü"


def test_a_field_over_the_csv_default_is_taken_up_to_our_limit(tmp_path: Path) -> None:
    long = "x" * 200_000
    assert texts(read(tmp_path, f'text\n"{long}"\n{long}\n')) == [long, long]
    refused = read(tmp_path, f'text\n"{long}"\nb\n', limits={"max_field_bytes": 150_000})
    assert texts(refused) == ["no CSV: field larger than field limit (150000)", "b"]


def test_a_stray_quote_costs_one_row_when_rows_follow(tmp_path: Path) -> None:
    after = "".join(f"row {number},x\n" for number in range(50))
    items = read(tmp_path, 'text,b\nok,x\n"stray,x\n' + after)
    assert texts(items)[0] == "ok" and "not closed; the lines after it are read as rows" in str(texts(items)[1])
    assert texts(items)[2:] == [f"row {number}" for number in range(50)]
    assert items[2].byte == 21


def test_a_stray_quote_that_a_later_row_closes_costs_one_row(tmp_path: Path) -> None:
    after = "".join(f"row {number},x\n" for number in range(50))
    items = read(tmp_path, 'text,b\n"stray,x\n' + after + '"last, one",x\n')
    assert len(items) == 52
    assert isinstance(items[0], Fault) and texts(items)[1:] == [*(f"row {number}" for number in range(50)), "last, one"]


def test_a_long_text_whose_file_was_cut_is_one_fault_and_never_rows(tmp_path: Path) -> None:
    (item,) = read(tmp_path, 'text,b\n"a letter\nwith many lines\nand, more, commas\nthat was')
    assert isinstance(item, Fault) and "not closed within" in item.reason


def test_a_row_over_the_limit_is_refused_inside_quotes_too(tmp_path: Path) -> None:
    body = 'text,b\n"' + "x\n" * 2000 + '",y\n' + "z" * 2000 + ",y\nlast,y\n"
    items = read(tmp_path, body, limits={"max_row_bytes": 1024})
    assert isinstance(items[-1], Row) and items[-1].text == "last"
    assert all(isinstance(item, Fault) for item in items[:-1])


def test_lines_between_a_stray_quote_and_a_long_line_are_read(tmp_path: Path) -> None:
    body = 'text,b\n"stray,x\na,x\nb,x\n' + "z" * 2000 + "\nlast,y\n"
    items = read(tmp_path, body, limits={"max_row_bytes": 1024})
    assert [isinstance(item, Fault) for item in items] == [True, False, False, True, False]
    assert [item.byte for item in items] == [7, 16, 20, 24, 2025]


def test_quotes_that_never_close_take_linear_time(tmp_path: Path) -> None:
    began = time.perf_counter()
    items = read(tmp_path, "text,b\n" + 'x","y\n' * 100_000, limits={"max_row_bytes": 256 * 1024})
    assert time.perf_counter() - began < 20
    assert all(isinstance(item, Fault) for item in items)


def test_the_header_row_may_stand_lower(tmp_path: Path) -> None:
    items = read(tmp_path, "export of 2024\n\nlabel;text\nx;one, two\n", header_row=3)
    assert items == [Row(1, 27, "one, two", {"label": "x", "text": "one, two"})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no header in row 1"),
        ("note,label\nx,y\n", "no column `text`; it has `note`, `label`; name the right one with `--text-column`"),
        ('"text,label\nx,y\n', "cannot read the header"),
        ("x" * 2000 + "\n", "cannot read the header"),
        ("text\rone\rtwo", "cannot read the header"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, content, limits={"max_row_bytes": 1024})
