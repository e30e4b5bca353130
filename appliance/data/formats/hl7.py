"""HL7 v2 (ANSI/HL7 2.x, chapters 2 and 7): the text of observations (ORU, OBX-5), documents (MDM, OBX-5) and notes (NTE-3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from appliance.data.formats.lines import Lines
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["COLUMNS", "read"]

COLUMNS = ("text", "id", "subject", "type", "code")
# Segments end with CR (2.5.1); VT and FS frame messages on the wire (MLLP, HL7 Transport Specification 1). All become line ends: same length.
_LINE_ENDS = bytes(0x0A if code in (0x0B, 0x0D, 0x1C) else code for code in range(256))
_TEXT_TYPES = ("TX", "FT", "ST", "")


def read(path: Path, name: str, options: IngestOptions, settings: IngestSettings) -> Iterator[Row | Fault]:
    """Read a file of messages, one record each, streaming; `subject` is PID-3, `id` MSH-10, `type` MSH-9, `code` OBR-4's name.

    Faults: a message without text, one over the limit, bytes that are not in the file's encoding, content before the first MSH.
    """
    with Lines(path, name, settings, options.encoding, translate=_LINE_ENDS) as lines:
        for number, (byte, message) in enumerate(_messages(lines), start=1):
            if isinstance(message, str):
                yield Fault(number, byte, message)
                continue
            try:
                yield _row(number, byte, message.decode(lines.encoding))
            except UnicodeDecodeError as error:
                yield Fault(number, lines.fault_at(byte, error), _("not {encoding} here", encoding=lines.encoding))


def _messages(lines: Lines) -> Iterator[tuple[int, bytes | str]]:
    start, message, fault = 0, bytearray(), ""
    for byte, line in lines:
        if line is not None and line[:3] in (b"FHS", b"BHS", b"BTS", b"FTS"):  # the envelope of a batch
            continue
        if line is not None and line.startswith(b"MSH") and (message or fault):
            yield start, fault or bytes(message)
            start, message, fault = byte, bytearray(), ""
        if line is None or len(message) + len(line) > lines.limit:
            fault = _("message longer than `ingest.max_row_bytes` ({limit})", limit=lines.limit)
            message.clear()
        elif line.strip() and not fault:
            start = start if message else byte
            message += line
    if message or fault:
        yield start, fault or bytes(message)


def _row(number: int, byte: int, message: str) -> Row | Fault:
    if not message.startswith("MSH") or len(message) < 9:
        return Fault(number, byte, _("no HL7 message: it does not begin with MSH"))
    field, component, repetition, escape, subcomponent = list(message[3:8])
    fields: dict[str, str | None] = dict.fromkeys(COLUMNS)
    pieces = []
    for segment in message.split("\n"):
        values = segment.split(field)
        if values[0] == "MSH":
            fields["type"], fields["id"] = _at(values, 8), _at(values, 9)
        elif values[0] == "PID":
            fields["subject"] = _at(values, 3).split(repetition)[0].split(component)[0]
        elif values[0] == "OBR" and not fields["code"]:
            parts = _at(values, 4).split(component)
            fields["code"] = parts[1] if len(parts) > 1 else parts[0]
        elif values[0] == "OBX" and _at(values, 2) in _TEXT_TYPES:
            pieces.append(_at(values, 5))
        elif values[0] == "NTE":
            pieces.append(_at(values, 3))
    signs = {"F": field, "S": component, "R": repetition, "E": escape, "T": subcomponent, ".br": "\n", ".sp": "\n"}
    written = [_unescape(line, escape, signs) for piece in pieces for line in piece.split(repetition) if line]
    if not written:
        return Fault(number, byte, _("the message holds no text (OBX-5 of type TX, FT or ST, NTE-3)"))
    fields["text"] = "\n".join(written)
    return Row(number, byte, fields["text"], fields)


def _at(values: list[str], index: int) -> str:
    return values[index] if index < len(values) else ""


def _unescape(text: str, escape: str, signs: dict[str, str]) -> str:
    """Resolve the escapes of chapter 2.7; highlighting (`H`, `N`) and other formatting is dropped, `Xhh` becomes its UTF-8 text."""
    if escape not in text:
        return text

    def sign(match: re.Match[str]) -> str:
        name = match[1]
        if name in signs:
            return signs[name]
        if name[0] == "X" and re.fullmatch("([0-9A-Fa-f]{2})+", name[1:]):
            return bytes.fromhex(name[1:]).decode("utf-8", "replace").replace("\r", "\n")
        return ""

    mark = re.escape(escape)
    return re.sub(f"{mark}([^{mark}\n]{{1,40}}){mark}", sign, text)
