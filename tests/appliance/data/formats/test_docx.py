"""DOCX: the text of the body, tables in their place."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from appliance.data.formats import docx
from appliance.data.formats.rows import IngestOptions, Row
from appliance.errors import InputError
from appliance.settings import IngestSettings

pytest.importorskip("defusedxml")

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'


def saved(folder: Path, body: str, head: str = "", member: str = "word/document.xml") -> Path:
    path = folder / "a.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(
            member,
            f'<?xml version="1.0" encoding="UTF-8"?>{head}<w:document {W} {MC}><w:body>{body}</w:body></w:document>',
        )
    return path


def read(path: Path) -> str:
    (row,) = docx.read(path, path.name, IngestOptions("text"), IngestSettings())
    assert isinstance(row, Row) and row.fields == {"text": row.text, "folder": path.parent.name}
    return str(row.text)


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t xml:space='preserve'>{text}</w:t></w:r></w:p>"


def test_paragraphs_runs_breaks_and_tabs(tmp_path: Path) -> None:
    body = (
        paragraph("Dear ")
        + "<w:p><w:r><w:t>东</w:t></w:r><w:r><w:t>西</w:t><w:br/><w:t>a</w:t><w:tab/><w:t>b &amp; c</w:t></w:r></w:p>"
    )
    assert read(saved(tmp_path, body)) == "Dear \n东西\na\tb & c"


def test_a_table_stands_in_its_place(tmp_path: Path) -> None:
    row = f"<w:tr><w:tc>{paragraph('name')}</w:tc><w:tc>{paragraph('value')}</w:tc></w:tr>"
    assert (
        read(saved(tmp_path, paragraph("before") + f"<w:tbl>{row}</w:tbl>" + paragraph("after")))
        == "before\nname\n\tvalue\n\tafter"
    )


def test_deleted_text_and_the_second_copy_of_a_drawing_are_left_out(tmp_path: Path) -> None:
    body = (
        "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>"
        f"<mc:AlternateContent><mc:Choice>{paragraph('box')}</mc:Choice><mc:Fallback>{paragraph('box')}</mc:Fallback></mc:AlternateContent>"
    )
    assert read(saved(tmp_path, body)) == "new\nbox"


def test_a_document_of_a_word_processor_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("docx")
    document = library.Document()
    document.add_heading("Discharge letter", 1)
    document.add_paragraph("Seen on 5 January.")
    document.save(tmp_path / "b.docx")
    assert read(tmp_path / "b.docx") == "Discharge letter\nSeen on 5 January."


def test_entities_are_refused(tmp_path: Path) -> None:
    laughs = '<!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    with pytest.raises(InputError, match="no sound DOCX"):
        read(saved(tmp_path, paragraph("&b;"), laughs))
    outside = '<!DOCTYPE w [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    with pytest.raises(InputError, match="no sound DOCX"):
        read(saved(tmp_path, paragraph("&a;"), outside))


def test_what_is_no_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sound DOCX"):
        read(saved(tmp_path, "<w:p>"))
    with pytest.raises(InputError, match="no sound DOCX"):
        read(saved(tmp_path, "", member="other.xml"))
    damaged = saved(tmp_path, paragraph("a" * 5000))
    content = bytearray(damaged.read_bytes())
    content[content.index(b"word/document.xml") + 40] ^= 0xFF
    damaged.write_bytes(content)
    with pytest.raises(InputError, match="no sound DOCX"):
        read(damaged)
