"""Plain text: given directly, one line is one record; found in a folder, one file is one record.

That is what people have: a list of messages in one file, or a folder with a note a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from appliance.data.formats.lines import Lines, find_encoding
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["COLUMNS", "read", "read_whole"]

COLUMNS = ("text", "folder")


def read(path: Path, name: str, options: IngestOptions, settings: IngestSettings) -> Iterator[Row | Fault]:
    """Read a file of one record a line, streaming; line ends are no part of the text."""
    with Lines(path, name, settings, options.encoding) as lines:
        for number, (byte, line) in enumerate(lines, start=1):
            if line is None:
                yield Fault(number, byte, _("row longer than `ingest.max_row_bytes` ({limit})", limit=lines.limit))
                continue
            try:
                text = line.decode(lines.encoding).removesuffix("\n").removesuffix("\r")
            except UnicodeDecodeError as error:
                yield Fault(number, lines.fault_at(byte, error), _("not {encoding} here", encoding=lines.encoding))
            else:
                yield Row(number, byte, text, {"text": text, "folder": path.parent.name})


def read_whole(path: Path, name: str, options: IngestOptions, settings: IngestSettings) -> Iterator[Row | Fault]:
    """Read a file that is one record."""
    if path.stat().st_size > settings.max_row_bytes:
        yield Fault(1, 0, _("file longer than `ingest.max_row_bytes` ({limit})", limit=settings.max_row_bytes))
        return
    encoding, mark = find_encoding(path, name, options.encoding)
    try:
        text = path.read_bytes()[mark:].decode(encoding)
    except UnicodeDecodeError as error:
        yield Fault(1, mark + error.start, _("not {encoding} here", encoding=encoding))
    else:
        yield Row(1, 0, text, {"text": text, "folder": path.parent.name})
