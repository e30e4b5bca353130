"""PDF: the text that it carries; a page without any is a scan and is read as a picture."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.data.formats.scan import recognize
from appliance.errors import InputError
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["COLUMNS", "read"]

COLUMNS = ("text", "folder", "pages")
_POINTS_PER_INCH = 72
_SCAN_DOTS_PER_INCH = 200
_LONGEST_SIDE = 4000  # pixels; a page may claim to be 200 inches long


def read(path: Path, name: str, _options: IngestOptions, settings: IngestSettings) -> Iterator[Row | Fault]:
    """Read a document as one record, its pages in order. Raises `InputError` for a damaged or locked file."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise InputError(_("cannot read `{file}`: damaged, or locked with a password", file=name)) from error
    pages: list[str] = []
    size = 0
    with document:
        for number in range(len(document)):
            try:
                pages.append(_page_text(document[number]))
            except pypdfium2.PdfiumError:
                yield Fault(1, None, _("page {page} is damaged", page=number + 1))
                return
            except ModuleNotFoundError:
                yield Fault(
                    1, None, _("page {page} is a scan; that needs `rapidocr` of the extra `documents`", page=number + 1)
                )
                return
            size += len(pages[-1])
            if size > settings.max_field_bytes:
                break  # `ingest` refuses the text for its length
    text = "\n".join(pages)
    yield Row(1, None, text, {"text": text, "folder": path.parent.name, "pages": str(len(pages))})


def _page_text(page: Any) -> str:
    written: str = page.get_textpage().get_text_bounded()
    # pdfium writes line ends as CR LF and a hyphen at a line's end as U+FFFE or U+0002.
    written = written.replace("\r\n", "\n").replace("\ufffe", "-").replace("\x02", "-").replace("\0", "")
    if written.strip() or not _has_picture(page):
        return written
    if importlib.util.find_spec("rapidocr") is None:
        raise ModuleNotFoundError("rapidocr")
    scale = min(_SCAN_DOTS_PER_INCH / _POINTS_PER_INCH, _LONGEST_SIDE / max(*page.get_size(), 1))
    return recognize(page.render(scale=scale).to_pil().convert("RGB"))


def _has_picture(page: Any) -> bool:
    return any(True for _object in page.get_objects(max_depth=3))  # an empty page has nothing to recognize
