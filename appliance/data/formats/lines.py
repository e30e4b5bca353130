"""Lines of a file as bytes, with their offsets, in constant memory; and which encoding they are in.

`str.splitlines` is never used: it also splits at U+2028, U+0085 and form feeds, which may stand inside a text.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from appliance.errors import InputError, SettingsError
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["Lines", "decode", "find_encoding"]

_SAMPLE_BYTES = 4 * 1024**2
_CHUNK_BYTES = 1024**2
_CONTINUATION = bytes(range(0x80, 0xC0))
_ASTRAL = bytes(range(0xF0, 0xF5))  # lead bytes of what takes two units in UTF-16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark starts with the same two bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SIGNATURES = (
    (b"PK\x03\x04", "ZIP (XLSX, DOCX)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "XLS, DOC"),
    (b"%PDF-", "PDF"),
    (b"PAR1", "Parquet"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x7fELF", "ELF"),
    (b"SQLite format 3\x00", "SQLite"),
)


def find_encoding(path: Path, name: str, given: str | None) -> tuple[str, int]:
    """Return (encoding, bytes of the byte-order mark) of a text file.

    A byte-order mark decides; else `given`; else UTF-8, strict; else GB18030 (which holds GBK and GB2312), strict. The sample is
    the first 4 MiB that hold anything but ASCII, judged line by line, so that one broken row does not turn a UTF-8 file into
    mojibake. Raises `InputError` for a file that is no text, and with line and byte where neither encoding fits;
    `SettingsError` for an encoding that Python lacks or that is no superset of ASCII.
    """
    with path.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
        _refuse_binary(head, name)
        for mark, encoding in _MARKS:
            if head.startswith(mark):
                return encoding, len(mark)
        if given:
            return _known(given), 0
        if head.count(0) * 10 > len(head) * 3:
            raise InputError(
                _("cannot read `{file}`: it is full of NUL bytes: a binary file, or UTF-16 without its mark; for the latter set `--encoding utf-16-le`", file=name)
            )  # fmt: skip
        line, start = 1, 0
        while head.isascii() and len(head) == _SAMPLE_BYTES:
            line, start = line + head.count(b"\n"), start + len(head)
            head = file.read(_SAMPLE_BYTES)
    return _judge(head, name, line, start), 0


def _refuse_binary(head: bytes, name: str) -> None:
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            raise InputError(
                _("cannot read `{file}`: its content is {kind}, not text; give it the ending of its kind, or export it again", file=name, kind=kind)
            )  # fmt: skip


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        ascii_stays = all(chr(code).encode(name) == bytes([code]) for code in range(128))
    except (LookupError, UnicodeError, TypeError):
        ascii_stays, name = False, ""
    if name.startswith(("utf-16-", "utf-32-")) or (ascii_stays and not name.startswith(("iso2022", "hz"))):
        return name
    raise SettingsError(
        _("encoding `{encoding}` cannot be read; set `--encoding` to one of utf-8, gb18030, big5, utf-16-le, utf-16-be, latin-1, cp1252", encoding=encoding)
    )  # fmt: skip


def _judge(sample: bytes, name: str, line: int, start: int) -> str:
    sample = sample.replace(b"\r\n", b" \n").replace(b"\r", b"\n")  # HL7 ends its lines with carriage returns
    good, fault = _fits(sample, "utf-8")
    bad = sum(not row.isascii() for row in sample.split(b"\n")) - good
    if fault is None or good >= max(bad, 1):  # a few broken rows in a UTF-8 file: they are rejected one by one
        return "utf-8"
    fault = _fits(sample, "gb18030")[1]
    if fault is None:
        return "gb18030"
    raise InputError(
        _(
            "cannot read `{file}` line {line} (byte {byte}): neither UTF-8 nor GB18030; name its encoding with `--encoding`",
            file=name, line=line + sample.count(b"\n", 0, fault), byte=start + fault,
        )
    )  # fmt: skip


def _fits(sample: bytes, encoding: str) -> tuple[int, int | None]:
    """Return how many non-ASCII lines decode, and the offset of the first byte that does not (None: all do)."""
    decoder = codecs.getincrementaldecoder(encoding)
    good, offset, fault = 0, 0, None
    rows = sample.split(b"\n")
    for number, row in enumerate(rows):
        if not row.isascii():
            try:
                # The sample may end in the middle of a character.
                decoder("strict").decode(row, final=number < len(rows) - 1)
                good += 1
            except UnicodeDecodeError as error:
                fault = offset + error.start if fault is None else fault
        offset += len(row) + 1
    return good, fault


def decode(content: bytes, declared: str | None = None) -> str:
    """Decode the whole content of a small file, strictly: by its mark, else UTF-8, the declared encoding, GB18030.

    UTF-8 comes before the declaration, since pages that declare GB2312 often are UTF-8, which hardly ever fits by chance; after it
    where all bytes are ASCII (ISO-2022-JP). A declared GB2312 or GBK is read as GB18030, their superset. Raises
    `UnicodeDecodeError` where nothing fits.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding)
    try:
        name = codecs.lookup(declared or "utf-8").name
    except LookupError:
        name = "utf-8"
    name = "gb18030" if name in ("gb2312", "gbk") else name
    for encoding in (name, "utf-8") if content.isascii() else ("utf-8", name, "gb18030"):
        try:
            return content.decode(encoding)
        except (LookupError, UnicodeError):  # a codec that is no text encoding is a LookupError
            continue
    return content.decode("utf-8")  # raises, with the offset


class _Mapped(io.RawIOBase):
    """A file whose chunks pass through `change(chunk, is_last)` on their way."""

    def __init__(self, file: BinaryIO, change: Callable[[bytes, bool], bytes]) -> None:
        self._file, self._change, self._ready = file, change, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            chunk = self._file.read(_CHUNK_BYTES)
            self._ready = self._change(chunk, not chunk)
            if not chunk:
                break
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def _spoil(error: UnicodeError) -> tuple[str, int]:
    # Half a surrogate pair instead of what does not decode: it is no UTF-8, so that its row, and no other, is rejected.
    return "\udfff", error.end  # type: ignore[attr-defined]


codecs.register_error("skerry.spoil", _spoil)


def _to_utf8(encoding: str) -> Callable[[bytes, bool], bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("skerry.spoil")
    return lambda chunk, last: decoder.decode(chunk, last).encode("utf-8", "surrogatepass")


class Lines(Iterator[tuple[int, bytes | None]]):
    """The lines of a text file as (byte offset in the file, bytes with the line end); None for a line over `limit` bytes.

    The bytes are in `encoding`; UTF-16 and UTF-32 are handed on as UTF-8, with the offsets of the file. `translate` is a table of 256
    bytes applied first (HL7 ends its lines with carriage returns). Memory: one line.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        settings: IngestSettings,
        encoding: str | None = None,
        translate: bytes | None = None,
    ) -> None:
        found, self.byte = find_encoding(path, name, encoding)
        self.limit = settings.max_row_bytes
        self.given_back = 0
        self.encoding, self._wide = (found, "") if not found.startswith(("utf-16", "utf-32")) else ("utf-8", found)
        file = path.open("rb")
        file.seek(self.byte)
        if self._wide:
            self._file: BinaryIO = io.BufferedReader(_Mapped(file, _to_utf8(self._wide)), _CHUNK_BYTES)
        elif translate:
            self._file = io.BufferedReader(_Mapped(file, lambda chunk, _last: chunk.translate(translate)), _CHUNK_BYTES)
        else:
            self._file = file
        self._stack: list[tuple[BinaryIO, int | None, int]] = [(self._file, None, 0)]

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def __next__(self) -> tuple[int, bytes | None]:
        while True:
            source, too_long_at, after = self._stack[-1]
            line = source.readline(self.limit + 1)
            if line:
                break
            if len(self._stack) == 1:
                raise StopIteration
            self._stack.pop()
            if too_long_at is not None:
                self.byte = after
                return too_long_at, None
        byte = self.byte
        self.byte += self.width(line)
        if len(line) > self.limit:
            while not line.endswith(b"\n"):
                line = source.readline(_CHUNK_BYTES)
                if not line:
                    break
                self.byte += self.width(line)
            return byte, None
        return byte, line

    def width(self, utf8: bytes) -> int:
        """Return how many bytes of the file these bytes of lines were."""
        if not self._wide:
            return len(utf8)
        points = len(
            utf8.translate(None, _CONTINUATION)
        )  # counted without decoding: a piece may end inside a character
        if self._wide.startswith("utf-32"):
            return 4 * points
        return 2 * (points + len(utf8) - len(utf8.translate(None, _ASTRAL)))

    def fault_at(self, byte: int, error: UnicodeDecodeError) -> int:
        """Return the offset in the file of a byte that does not decode, in a line that starts at `byte`."""
        return byte if self._wide else byte + error.start

    def back(self, byte: int, lines: bytes, too_long_at: int | None = None) -> None:
        """Put whole lines back: `byte` is the offset of the first; `too_long_at` that of an over-long line that followed them."""
        self.given_back += len(lines)
        self._stack.append((io.BytesIO(lines), too_long_at, self.byte))
        self.byte = byte
