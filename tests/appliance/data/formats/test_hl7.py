"""HL7 v2: the text of observations and notes, one record a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.data.formats import hl7
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.settings import IngestSettings

ORU = [
    r"MSH|^~\&|LAB|HOSP|||20240105||ORU^R01|MSG7|P|2.5",
    "PID|1||7788^^^HOSP^MR~99||Smith^John",
    "OBR|1|||71020^Chest X-ray",
    r"OBX|1|FT|71020||Lungs clear.\.br\Heart \T\ vessels \H\normal\N\.~Second line||||||F",
    "OBX|2|NM|8867-4||72|/min",
    r"NTE|1||Seen by Dr \E\ Lee \XC3A9\.",
]
TEXT = "Lungs clear.\nHeart & vessels normal.\nSecond line\nSeen by Dr \\ Lee é."


def read(folder: Path, content: bytes, max_row_bytes: int = 4096) -> list[Row | Fault]:
    path = folder / "a.hl7"
    path.write_bytes(content)
    return list(hl7.read(path, path.name, IngestOptions("text"), IngestSettings(max_row_bytes=max_row_bytes)))


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_message_is_a_record_whatever_ends_its_segments(tmp_path: Path, end: bytes) -> None:
    (row,) = read(tmp_path, end.join(line.encode() for line in ORU) + end)
    assert row == Row(
        1, 0, TEXT, {"text": TEXT, "id": "MSG7", "subject": "7788", "type": "ORU^R01", "code": "Chest X-ray"}
    )


def test_messages_of_a_batch_and_of_the_wire_are_told_apart(tmp_path: Path) -> None:
    message = "\r".join(ORU).encode() + b"\r"
    items = read(
        tmp_path, b"FHS|^~\\&\rBHS|^~\\&\r" + message + b"\x0b" + message + b"\x1c\r" + message + b"BTS|3\rFTS|1\r"
    )
    assert [item.row for item in items if isinstance(item, Row)] == [1, 2, 3]
    start = len(b"FHS|^~\\&\rBHS|^~\\&\r")
    assert [item.byte for item in items] == [start, start + len(message) + 1, start + 2 * len(message) + 3]


def test_documents_in_gb18030_are_split_after_decoding(tmp_path: Path) -> None:
    """A GB18030 character may hold the byte of `|` or `^` (乗 is 81 5C, 亅 81 7C)."""
    lines = [*ORU[:3], "OBX|1|TX|1||亅乗患者出院"]
    (row,) = read(tmp_path, "\r".join(lines).encode("gb18030"))
    assert isinstance(row, Row) and row.text == "亅乗患者出院"


def test_the_message_names_its_own_separators(tmp_path: Path) -> None:
    (row,) = read(tmp_path, b"MSH$%*!#$A$B$$$1$$MDM%T02$M1\rPID$1$$42%x\rOBX$1$TX$1$$a !F! b*c\r")
    assert isinstance(row, Row)
    assert (row.text, row.fields["subject"], row.fields["type"]) == ("a $ b\nc", "42", "MDM%T02")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"MSH|^~\\&|A\rPID|1||7\r", "the message holds no text"),
        (b"PID|1||7\rOBX|1|TX|1||x\r", "no HL7 message"),
        (b"MSH|\r", "no HL7 message"),
        (b"MSH|^~\\&|A\r" + b"OBX|1|TX|1||xxxx\r" * 300, "message longer than"),
        (b"MSH|^~\\&|A\rOBX|1|TX|1||" + b"x" * 5000 + b"\rNTE|1||x\r", "message longer than"),
    ],
)
def test_a_message_that_cannot_be_read_is_a_fault_and_the_next_one_is_read(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    first, second = read(tmp_path, content + "\r".join(ORU).encode())
    assert isinstance(first, Fault) and (first.row, first.byte) == (1, 0) and first.reason.startswith(reason)
    assert isinstance(second, Row) and (second.row, second.byte) == (2, len(content))


def test_bytes_that_do_not_decode_are_named(tmp_path: Path) -> None:
    good = "MSH|^~\\&|A\rOBX|1|TX|1||é\r".encode()
    first, second = read(tmp_path, good + b"MSH|^~\\&|A\rOBX|1|TX|1||\xe9\r")
    assert isinstance(first, Row)
    assert second == Fault(2, len(good) + 23, "not utf-8 here")
