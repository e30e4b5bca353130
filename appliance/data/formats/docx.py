"""DOCX (ECMA-376, WordprocessingML): the text of the body, tables in their place."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.errors import InputError
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["COLUMNS", "read"]

COLUMNS = ("text", "folder")
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT_W = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_ENDS = {"p": "\n", "br": "\n", "cr": "\n", "tab": "\t", "tc": "\t"}


def read(path: Path, name: str, _options: IngestOptions, _settings: IngestSettings) -> Iterator[Row | Fault]:
    """Read a document as one record: one line a paragraph, cells after tabs. Deleted text, headers, footnotes and comments are left out.

    Raises `InputError` for a damaged file; XML entities are refused.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException

    try:
        with zipfile.ZipFile(path) as archive, archive.open("word/document.xml") as file:
            text = "".join(_pieces(file)).strip("\n")
    except (
        KeyError,
        ParseError,
        DefusedXmlException,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
    ) as error:
        raise InputError(_("cannot read `{file}`: it is no sound {kind} file", file=name, kind="DOCX")) from error
    yield Row(1, None, text, {"text": text, "folder": path.parent.name})


def _pieces(file: Any) -> Iterator[str]:
    from defusedxml.ElementTree import iterparse

    skipped = 0  # inside a Fallback, which repeats the text of a newer drawing
    for event, element in iterparse(file, events=("start", "end")):
        if element.tag == _FALLBACK:
            skipped += 1 if event == "start" else -1
        elif event == "end" and not skipped:
            tag = element.tag.removeprefix(_W).removeprefix(_STRICT_W)
            yield (element.text or "") if tag == "t" else _ENDS.get(tag, "")
        if event == "end":
            element.clear()
