"""PDF with text, PDF without (a scan), and pictures: read without a socket, from the models in the wheel."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from appliance.data.formats import pdf, scan
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.errors import InputError
from appliance.settings import IngestSettings

LINES = ("Patient seen on 2024-01-05", "Please call 555-0142 again")


def picture(size: tuple[int, int] = (740, 740)) -> Any:
    image_module = pytest.importorskip("PIL.Image")
    drawing = pytest.importorskip("PIL.ImageDraw")
    fonts = pytest.importorskip("PIL.ImageFont")
    image = image_module.new("RGB", size, "white")
    drawing.Draw(image).multiline_text(
        (30, 40), "\n".join(LINES), fill="black", font=fonts.load_default(40), spacing=30
    )
    return image


def read(module: Any, path: Path, **limits: int) -> list[Row | Fault]:
    return list(module.read(path, path.name, IngestOptions("text"), IngestSettings(**limits)))


@pytest.fixture
def canvas(tmp_path: Path) -> Any:
    pytest.importorskip("pypdfium2")
    return pytest.importorskip("reportlab.pdfgen.canvas").Canvas(str(tmp_path / "a.pdf"))


def test_the_text_of_all_pages_is_one_record(tmp_path: Path, canvas: Any) -> None:
    for page in ("first page", "second page"):
        canvas.drawString(72, 700, page)
        canvas.drawString(72, 680, "next line")
        canvas.showPage()
    canvas.showPage()
    canvas.save()
    (row,) = read(pdf, tmp_path / "a.pdf")
    assert isinstance(row, Row)
    assert row.text == "first page\nnext line\nsecond page\nnext line\n"
    assert row.fields["pages"] == "3"


def test_a_locked_or_damaged_file_is_refused(tmp_path: Path, canvas: Any) -> None:
    locked = type(canvas)(str(tmp_path / "b.pdf"), encrypt="secret")
    locked.drawString(72, 700, "x")
    locked.save()
    for name, content in (("b.pdf", None), ("c.pdf", b"%PDF-1.7 nothing"), ("d.pdf", b"")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"`{name}`: damaged, or locked"):
            read(pdf, tmp_path / name)


def test_a_page_without_text_and_a_picture_are_recognized(
    tmp_path: Path, canvas: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rapidocr")
    image = picture()
    image.save(tmp_path / "a.png")
    canvas.drawString(72, 800, "typed page")
    canvas.showPage()
    canvas.drawImage(str(tmp_path / "a.png"), 50, 500, width=296, height=296)
    canvas.save()
    (from_picture,) = read(scan, tmp_path / "a.png")
    assert str(from_picture[2]).split("\n") == list(LINES)
    (from_pdf,) = read(pdf, tmp_path / "a.pdf")
    assert str(from_pdf[2]).split("\n") == ["typed page", *LINES]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("side", [5_000, 11_000, 60_000])
def test_a_picture_bomb_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    pytest.importorskip("PIL")
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )
    with pytest.raises(InputError, match=r"`ingest.max_image_pixels`"):
        read(scan, tmp_path / "bomb.png", max_image_pixels=20_000_000)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("PIL")
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match="a damaged picture"):
        read(scan, tmp_path / "a.png")


def test_a_picture_that_is_cut_is_refused(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="a damaged picture"):
        read(scan, tmp_path / "a.png")
