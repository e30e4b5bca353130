"""HTML: the text that a reader of the page sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.data.formats import html_page
from appliance.data.formats.html_page import page_text
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.settings import IngestSettings


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one\n two</p><p>three</p>", "one two\n\nthree"),
        ("a<br>b<b>c</b>d", "a\nbcd"),
        ("<ul><li>x<li>y</ul>", "x\ny"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a\tb\n\nc"),
        ("<pre>  keep\n   this</pre>", "  keep\n   this"),
        ("<script>var a = '<p>x</p>';</script><style>p{}</style><noscript>n</noscript>y", "y"),
        ("&lt;b&gt; &amp; &#19996;&nbsp;x", "<b> & 东\xa0x"),
        ("<head><title>t</title><p>no end of head", "no end of head"),
        ("a<!-- hidden -->b", "ab"),
        ("plain 1 < 2 text", "plain 1 < 2 text"),
        ("", ""),
    ],
)
def test_the_visible_text(html: str, text: str) -> None:
    assert page_text(html) == text


def read(folder: Path, content: bytes, **options: str) -> Row | Fault:
    path = folder / "a.html"
    path.write_bytes(content)
    (row,) = html_page.read(path, path.name, IngestOptions("text", **options), IngestSettings(max_row_bytes=2000))
    return row


def test_a_page_is_a_record_with_its_title(tmp_path: Path) -> None:
    row = read(tmp_path, b"<html><head><title> My  page </title></head><body><h1>Hi</h1></body></html>")
    assert row == Row(1, None, "Hi", {"text": "Hi", "folder": tmp_path.name, "title": "My  page"})


@pytest.mark.parametrize("encoding", ["gb2312", "utf-8", "utf-16", "big5", "windows-1252"])
def test_the_page_tells_its_encoding(tmp_path: Path, encoding: str) -> None:
    text = "café" if encoding == "windows-1252" else "中文"
    content = f'<html><head><meta charset="{encoding}"></head><body>{text}</body>'.encode(encoding)
    assert read(tmp_path, content)[2] == text


def test_a_page_that_declares_gb2312_but_is_utf8_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, '<meta charset="gb2312"><p>中文页'.encode())[2] == "中文页"


def test_a_page_in_no_known_encoding_or_too_long_is_a_fault(tmp_path: Path) -> None:
    assert read(tmp_path, b"<p>\xe9 \xff") == Fault(1, 3, "not utf-8 here")
    assert read(tmp_path, b"<p>\xe9\xff", encoding="ascii") == Fault(1, 3, "not ascii here")
    long = read(tmp_path, b"x" * 2001)
    assert isinstance(long, Fault) and "max_row_bytes" in long.reason
