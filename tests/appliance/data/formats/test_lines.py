"""Lines of bytes with their offsets, and which encoding they are in."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.data.formats.lines import Lines, decode, find_encoding
from appliance.errors import InputError, SettingsError
from appliance.settings import IngestSettings

SETTINGS = IngestSettings(max_row_bytes=1024)
ZH = "这家外卖送得太慢了，菜都凉了"


def written(folder: Path, content: bytes) -> Path:
    path = folder / "a.txt"
    path.write_bytes(content)
    return path


def read(path: Path, encoding: str | None = None) -> list[tuple[int, bytes | None]]:
    with Lines(path, path.name, SETTINGS, encoding) as lines:
        return list(lines)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"plain", ("utf-8", 0)),
        (b"", ("utf-8", 0)),
        (ZH.encode(), ("utf-8", 0)),
        (ZH.encode("utf-8-sig"), ("utf-8", 3)),
        (ZH.encode("gb18030"), ("gb18030", 0)),
        ("𠮷是汉字".encode("gb18030"), ("gb18030", 0)),
        (b"\xff\xfe" + ZH.encode("utf-16-le"), ("utf-16-le", 2)),
        (b"\xfe\xff" + ZH.encode("utf-16-be"), ("utf-16-be", 2)),
        (b"\xff\xfe\x00\x00" + ZH.encode("utf-32-le"), ("utf-32-le", 4)),
    ],
)
def test_the_encoding_is_told_from_the_content(tmp_path: Path, content: bytes, expected: tuple[str, int]) -> None:
    assert find_encoding(written(tmp_path, content), "a.txt", None) == expected


def test_one_broken_row_does_not_turn_a_utf8_file_into_mojibake(tmp_path: Path) -> None:
    content = (ZH + "\n").encode() * 3 + b"caf\xe9\xe9\n"
    assert find_encoding(written(tmp_path, content), "a.txt", None)[0] == "utf-8"


def test_the_first_non_ascii_part_decides_however_late_it_comes(tmp_path: Path) -> None:
    content = b"ascii only\n" * 800_000 + ZH.encode("gb18030")
    assert find_encoding(written(tmp_path, content), "a.txt", None)[0] == "gb18030"


def test_a_file_in_neither_encoding_is_refused_with_line_and_byte(tmp_path: Path) -> None:
    path = written(tmp_path, b"one\r\ntwo\r\ncaf\xe9 au lait\r\n")
    with pytest.raises(InputError, match=r"`a.csv` line 3 \(byte 13\).*`--encoding`"):
        find_encoding(path, "a.csv", None)
    assert find_encoding(path, "a.csv", "latin-1")[0] == "iso8859-1"


@pytest.mark.parametrize("encoding", ["no-such", "utf-7", "hz", "iso2022_jp", "rot13", "utf-16"])
def test_an_encoding_that_cannot_be_split_at_its_bytes_is_refused(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(SettingsError, match="--encoding"):
        find_encoding(written(tmp_path, b"x"), "a.txt", encoding)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04rest", "XLSX"),
        (b"%PDF-1.7", "PDF"),
        (b"PAR1..", "Parquet"),
        (b"\x7fELF\x02", "ELF"),
        (b"\x00a" * 50, "NUL"),
    ],
)
def test_a_binary_file_is_named_for_what_it_is(tmp_path: Path, content: bytes, kind: str) -> None:
    with pytest.raises(InputError, match=kind):
        find_encoding(written(tmp_path, content), "a.csv", None)


def test_only_the_newline_ends_a_line(tmp_path: Path) -> None:
    content = "a\u2028b\x0bc\x0cd\x85e\x1cf\n\ng".encode()
    assert read(written(tmp_path, content)) == [(0, content[:-2]), (len(content) - 2, b"\n"), (len(content) - 1, b"g")]


def test_a_line_over_the_limit_is_named_and_the_next_ones_come(tmp_path: Path) -> None:
    path = written(tmp_path, b"a\n" + b"x" * 5000 + b"\nb\n" + b"y" * 1025)
    assert read(path) == [(0, b"a\n"), (2, None), (5003, b"b\n"), (5005, None)]


def test_a_huge_line_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.write(b"first\n" + b"x" * 4 * 1024**2)
        file.truncate(100 * 1024**2)  # sparse: the rest of one line
        file.seek(0, 2)
        file.write(b"\nlast\n")
    tracemalloc.start()
    lines = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [line for _byte, line in lines] == [b"first\n", None, b"last\n"]
    assert peak < 32 * 1024**2


# a UTF-16 file that begins with NUL cannot be told from UTF-32: both begin with FF FE 00 00
@given(
    rows=st.lists(
        st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), max_size=30), max_size=12
    ),
    encoding=st.sampled_from(["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]),
)
def test_wide_encodings_keep_the_offsets_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], encoding: str
) -> None:
    content = ("\ufeff" + "".join(row + "\n" for row in rows)).encode(encoding)
    found = read(written(tmp_path_factory.mktemp("wide"), content))
    assert [line and line.decode()[:-1] for _byte, line in found] == rows
    for (byte, _line), row in zip(found, rows, strict=True):
        assert content[byte:].decode(encoding).startswith(row + "\n")


def test_half_a_character_at_the_end_of_utf16_spoils_its_row_only(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xff\xfe" + "ab\ncd".encode("utf-16-le") + b"\x00")
    (first, second) = read(path)
    assert first == (2, b"ab\n")
    assert second[1] is not None
    with pytest.raises(UnicodeDecodeError):
        second[1].decode()


def test_lines_that_are_put_back_come_again_before_the_rest(tmp_path: Path) -> None:
    path = written(tmp_path, b"a\nb\nc\n" + b"x" * 2000 + b"\nd\n")
    with Lines(path, "a", SETTINGS) as lines:
        taken = [next(lines) for _ in range(4)]
        assert taken[-1] == (6, None)
        lines.back(2, b"b\nc\n", too_long_at=6)
        assert list(lines) == [(2, b"b\n"), (4, b"c\n"), (6, None), (2007, b"d\n")]


@pytest.mark.parametrize(
    ("content", "declared", "text"),
    [
        (ZH.encode("gb18030"), "gb2312", ZH),
        (ZH.encode(), "gb2312", ZH),
        (b"caf\xe9", "iso-8859-1", "café"),
        (b"plain", "no-such-charset", "plain"),
        (b"plain", "rot13", "plain"),
        (ZH.encode("utf-16"), "utf-8", ZH),
    ],
)
def test_a_small_file_is_decoded_by_mark_then_declaration_then_trial(content: bytes, declared: str, text: str) -> None:
    assert decode(content, declared) == text


def test_what_nothing_decodes_is_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        decode(b"\xe9 \xff")
