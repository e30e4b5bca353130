"""E-mail: the subject and the body."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

from appliance.data.formats import eml
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.settings import IngestSettings


def read(folder: Path, content: bytes) -> Row | Fault:
    path = folder / "a.eml"
    path.write_bytes(content)
    (row,) = eml.read(path, path.name, IngestOptions("text"), IngestSettings(max_row_bytes=10_000))
    return row


def test_subject_and_plain_body_are_the_text(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"], message["Date"] = (
        "退款 please",
        "a@example.org",
        "b@example.org",
        "Fri, 5 Jan 2024 10:00:00 +0000",
    )
    message.set_content("第一行\nsecond line\n")
    message.add_alternative("<p>other</p>", subtype="html")
    message.add_attachment(b"secret", maintype="application", subtype="pdf", filename="x.pdf")
    row = read(tmp_path, message.as_bytes())
    assert isinstance(row, Row)
    assert row.text == "退款 please\n\n第一行\nsecond line\n"
    assert row.fields["from"] == "a@example.org" and row.fields["subject"] == "退款 please"


def test_a_body_of_html_only_becomes_its_text(tmp_path: Path) -> None:
    assert read(tmp_path, b"Subject: s\r\nContent-Type: text/html\r\n\r\n<p>one</p><script>x</script>")[2] == "s\n\none"


def test_gbk_that_calls_itself_gb2312_is_read(tmp_path: Path) -> None:
    head = b"Content-Type: text/plain; charset=gb2312\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    assert read(tmp_path, head + "镕基、喆".encode("gbk"))[2] == "镕基、喆"


def test_a_body_without_text_and_one_that_does_not_decode(tmp_path: Path) -> None:
    assert read(tmp_path, b"Content-Type: image/png\r\n\r\nxxxx")[2] == ""
    assert read(
        tmp_path, b"Subject: s\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe9 \xff"
    ) == Fault(1, None, "the body is in no known encoding")


def test_a_message_over_the_limit_is_a_fault(tmp_path: Path) -> None:
    row = read(tmp_path, b"Subject: s\r\n\r\n" + b"x" * 10_000)
    assert isinstance(row, Fault) and "max_row_bytes" in row.reason
