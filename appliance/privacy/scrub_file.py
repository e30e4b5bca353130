"""Scrub a file alone, without a home: CSV, TSV, JSON lines or plain text in, the same format and encoding out.

Every column is scrubbed, cell by cell, unless it is named to be kept: what a column holds is not known from its name. A cell outside the text
columns is read with its header ahead of it (`phone: 5551234`), which tells the recognizers what it is.

As in a data set, placeholders are numbered anew in each row and shared between its cells, surrogates, hashes and shifts are the same in all rows, and
the subject becomes a keyed hash: `<PERSON_` and 16 hex digits, one for each subject over all rows, whatever the policy and however it is written in texts.
"""

from __future__ import annotations

import codecs
import csv
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import IO, Any

from appliance.errors import InputError, SettingsError
from appliance.files import file_sha256, open_part
from appliance.jobs import progress
from appliance.keys import Keys
from appliance.privacy import vault
from appliance.privacy.detect import Language, Scrubber
from appliance.privacy.operators import Run, Writer, keyed_hash
from appliance.privacy.operators.value import Keyed
from appliance.privacy.policy import Policy
from appliance.privacy.recognizers import spacy_entities, tagger
from appliance.privacy.report import Tally, write_report
from appliance.privacy.scrub import Cell, Row, open_vault, require_policy, scrub_rows
from appliance.reasons import reason
from appliance.settings import ScrubSettings
from appliance.words import _

__all__ = ["delimiter_of", "encoding_of", "scrub_file", "whole_file"]

_PARAGRAPH = 2_000  # characters after which a blank line ends a piece of plain text
_LONGEST = 100_000  # characters after which the last end of a sentence does, or of a word
_SENTENCE = re.compile(r"[a-z]{3}[.!?]\s+|[。！？；\n]")
_WORDS = re.compile(r"(?<![0-9])\s+(?![0-9\s])|[，、]")
_BLANK = re.compile(r"\s+|[，、。！？；]")
_HALF = re.compile("[\ud800-\udfff]")  # of a character: JSON can hold it as an escape, no encoding can
_MARK = "<HELD_BACK>"


def scrub_file(
    path: Path,
    out: Path,
    settings: ScrubSettings,
    text_columns: Sequence[str] = (),
    keep_columns: Sequence[str] = (),
    language: Language = "auto",
    report: Path | None = None,
    spacy_folder: Path | None = None,
    subject_column: str | None = None,
) -> dict[str, Any]:
    """Write the scrubbed copy of `path` to `out` and return `{out, rows, held_back, findings, docs_per_s, policy, policy_digest, ...}`.

    Surrogates, hashes and shifts hang on `settings.key_file`; without one, on a random key that is gone afterwards (`random_key` tells so). Dates are
    shifted per value of `subject_column`, without one per row; the cells of that column become one keyed hash a subject (unless it is kept). `out` appears only when all went well. Rows that fail are left out and counted (plain text: `<HELD_BACK>` stands in their place).
    Raises `SettingsError` for a column that is not there and for `out` = `path`, `InputError` for a file that cannot be read.
    """
    work = _WORK.get(path.suffix.lower())
    if work is None:
        known = " ".join(sorted(_WORK))
        raise InputError(
            _(
                "cannot scrub `{file}` alone: known endings are {known}; bring other formats in with `skerry ingest`",
                file=path,
                known=known,
            )
        )
    if out.exists() and path.exists() and out.samefile(path):
        raise SettingsError(_("`--out` names the file that is read; name another"))
    encoding, policy = encoding_of(path), require_policy(settings)
    scrubber = Scrubber.from_settings(language, settings, spacy_folder, policy)
    key = _key(settings)
    run = Run(policy, key, _vault(policy, settings, path))
    tally, start = Tally(), time.monotonic()
    task = _Task(
        path,
        encoding,
        scrubber,
        settings.batch_rows,
        frozenset(text_columns),
        frozenset(keep_columns),
        tally,
        run,
        _Subjects(subject_column, Keyed(key)),
    )
    with whole_file(out, task.encoding) as target:
        work(task, target)
    rate = round((tally.rows + tally.held_back.total()) / max(time.monotonic() - start, 1e-9), 1)
    about = tally.as_dict() | run.as_dict() | {"docs_per_s": rate, "random_key": settings.key_file is None}
    about["taggers"] = scrubber.models()
    if report:
        hashes = {"sha256_in": file_sha256(path), "sha256_out": file_sha256(out)}
        write_report(report, about | run.for_report() | hashes)
    keyed = bool(run.operators.keys() & _KEYED) or subject_column is not None
    return {"out": str(out), **{key: about[key] for key in _TOLD}, "keyed": keyed}


_KEYED = frozenset(("surrogate", "hmac", "date-shift"))
_TOLD = (
    "rows",
    "held_back",
    "findings",
    "docs_per_s",
    "policy",
    "policy_digest",
    "taggers",
    "fallbacks",
    "collisions",
    "random_key",
)


def _key(settings: ScrubSettings) -> bytes:
    return Keys(settings.key_file).derive("operators") if settings.key_file else secrets.token_bytes(32)


def _vault(policy: Policy, settings: ScrubSettings, path: Path) -> vault.Vault | None:
    return open_vault(policy, settings, bytes.fromhex(file_sha256(path))[: vault.SET_BYTES])


@dataclass(frozen=True)
class _Subjects:
    """The column with whom a row is about, and what stands there in place of each: the same in every row."""

    column: str | None
    keyed: Keyed

    def of(self, value: Any) -> str:
        """Return the subject that a cell names, empty for none: white space around it does not count, as in `skerry ingest`."""
        return str(value).strip() if value is not None and not isinstance(value, dict | list) else ""

    def written(self, subject: str) -> str:
        return keyed_hash.written("PERSON", self.keyed.digest("subject", subject)) if subject else ""


@dataclass(frozen=True)
class _Task:
    path: Path
    encoding: str
    scrubber: Scrubber
    batch: int
    text_columns: frozenset[str]
    keep_columns: frozenset[str]
    tally: Tally
    run: Run
    subjects: _Subjects

    def is_text(self, column: str) -> bool:
        return column in self.text_columns or (not self.text_columns and column.lower() == "text")

    def is_personal(self, name: str) -> bool:
        return _is_personal(self.scrubber, name)

    def check(self, columns: Iterable[str]) -> None:
        named = self.text_columns | self.keep_columns | ({self.subjects.column} if self.subjects.column else set())
        missing = sorted(named - set(columns))
        told = [name for name in columns if not self.is_personal(name)]
        if missing and told:
            raise SettingsError(
                _(
                    "`{file}` has no column `{column}`; it has: {columns}",
                    file=self.path,
                    column=missing[0],
                    columns=", ".join(f"`{name}`" for name in told),
                )
            )
        if missing:
            raise SettingsError(
                _(
                    "`{file}` has no column `{column}`: its first row holds data, no names of columns; put a row of names ahead",
                    file=self.path,
                    column=missing[0],
                )
            )

    def is_data(self, first: list[str]) -> bool:
        """Tell whether the first row of a table is no header: it holds what only data hold, or, unless it has the columns asked for, a number or name."""
        if any(map(self.scrubber.leftovers, first)):
            return True
        named = self.text_columns | self.keep_columns
        named |= {self.subjects.column} if self.subjects.column else set()
        if named and named <= set(first):
            return False
        return any(cell.strip().replace(".", "", 1).isdigit() or self.is_personal(cell) for cell in first)


_WHOLE = frozenset(("LOCATION", "NATIONALITY", "ORGANIZATION"))  # `US State` names a column, `Boston` is data


@lru_cache(4096)
def _is_personal(scrubber: Scrubber, name: str) -> bool:
    """Tell whether the name of a column holds personal data, or cannot be read.

    The English model takes capitalised words without a sentence (`Credit Score`) for names; in small letters it takes full names alone.
    """
    try:
        given, small = scrubber.find([name, name.lower()])
    except Exception:  # whatever it is: a name that nobody could read is not written
        return True
    if any(each.kind == "PERSON" and " " in name.lower()[each.start : each.end] for each in small):
        return True
    whole = len(name.strip())
    return any(
        not each.rule.startswith((spacy_entities.RULE, tagger.RULE))
        and (each.kind not in _WHOLE or each.end - each.start == whole)
        for each in given
    )


def encoding_of(path: Path) -> str:
    """Return the file's encoding: by its byte-order mark, else UTF-8 or GB18030, whichever decodes all of it."""
    try:
        with path.open("rb") as source:
            head = source.read(4)
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        for encoding in ("utf-8", "gb18030"):
            if _decodes(path, encoding):
                return encoding
    except OSError as error:
        raise InputError(_("cannot read `{file}`: {error}", file=path, error=reason(error))) from error
    raise InputError(_("`{file}` is no text in UTF-8, UTF-16 or GB18030; save it as UTF-8", file=path))


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as source:
        try:
            for chunk in iter(lambda: source.read(1 << 20), b""):
                if "\0" in decoder.decode(chunk):
                    return False
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


@contextmanager
def whole_file(out: Path, encoding: str) -> Iterator[IO[str]]:
    """Open a file beside `out` that only its owner reads, and put it in the place of `out` when the block ends well."""
    try:
        part, descriptor = open_part(out)
    except OSError as error:
        raise SettingsError(_("cannot write `{file}`: {error}", file=out, error=reason(error))) from error
    try:
        with open(descriptor, "w", encoding=encoding, newline="") as target:  # noqa: PTH123  the descriptor carries the mode
            yield target
            target.flush()
            os.fsync(target.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _scrub_rows(
    task: _Task, rows: Iterable[_Row], writer: Writer | None = None
) -> Iterator[tuple[_Row, list[str] | None]]:
    """Yield each row with its scrubbed cells, or None when it is held back. A row without a subject is one of its own."""
    numbered = (
        Row(row.cells, writer or Writer(task.run, row.subject or f"row {number}"), row)
        for number, row in enumerate(rows, 1)
    )
    for row, texts, outcome in scrub_rows(numbered, task.scrubber, task.batch):
        if isinstance(outcome, str):
            task.tally.held_back[outcome] += 1
        else:
            task.tally.add(outcome)
        done = task.tally.rows + task.tally.held_back.total()
        if done % task.batch == 0:
            progress("scrub", done)
        yield row.item, None if isinstance(outcome, str) else texts


@dataclass(frozen=True)
class _Row:
    """What is scrubbed of a row (`cells`), how the row is put together again from the scrubbed texts, and whom it is about."""

    cells: list[Cell]
    rebuild: Callable[[list[str]], Any]
    subject: str = field(default="", repr=False)


# -- CSV and TSV -----------------------------------------------------------------------------------------------------


def _table(task: _Task, target: IO[str]) -> None:
    csv.field_size_limit(sys.maxsize)
    with task.path.open(encoding=task.encoding, newline="") as source:
        delimiter = delimiter_of(task.path, source.readline())
        source.seek(0)
        lines = csv.reader(source, delimiter=delimiter, strict=True)
        writer = csv.writer(target, delimiter=delimiter)
        try:
            first = next(lines, [])
            header = [] if task.is_data(first) else first
            task.check(header)
            if header:
                writer.writerow(header)
            rows = chain([] if header else [first], lines)
            for _row, cells in _scrub_rows(task, (_table_row(task, header, row) for row in rows if row)):
                if cells is not None:
                    writer.writerow(_row.rebuild(cells))
        except csv.Error as error:
            raise InputError(
                _("cannot read `{file}` line {line}: {error}", file=task.path, line=lines.line_num, error=reason(error))
            ) from error


def delimiter_of(path: Path, first_line: str) -> str:
    """Return what separates the cells of a table: a tab in `.tsv`, else the mark that its first line has most of."""
    return "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first_line.count)


def _table_row(task: _Task, header: list[str], row: list[str]) -> _Row:
    names = header + [""] * (len(row) - len(header))
    kept = task.keep_columns | ({task.subjects.column} if task.subjects.column else set())
    scrubbed = [index for index, name in enumerate(names[: len(row)]) if name not in kept or not name]
    places = [place for place, name in enumerate(names[: len(row)]) if name and name == task.subjects.column]
    subject = task.subjects.of(row[places[0]]) if places else ""
    cells = [("" if task.is_text(names[index]) else names[index], row[index]) for index in scrubbed]

    def rebuild(texts: list[str]) -> list[str]:
        new = dict(zip(scrubbed, texts, strict=True))
        if task.subjects.column not in task.keep_columns:
            new |= {place: task.subjects.written(task.subjects.of(row[place])) for place in places}
        return [new.get(index, cell) for index, cell in enumerate(row)]

    return _Row(cells, rebuild, subject)


# -- JSON lines ------------------------------------------------------------------------------------------------------


def _json_lines(task: _Task, target: IO[str]) -> None:
    with task.path.open(encoding=task.encoding, newline="\n") as source:
        for _row, texts in _scrub_rows(task, _objects(task, source)):
            if texts is not None:
                line = json.dumps(_row.rebuild(texts), ensure_ascii=False)
                target.write(_HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", line) + "\n")


def _objects(task: _Task, source: IO[str]) -> Iterator[_Row]:
    named = task.text_columns | task.keep_columns or task.subjects.column
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                _("cannot read `{file}` line {line}: {error}", file=task.path, line=number, error=reason(error))
            ) from error
        if named and number == 1 and isinstance(value, dict):
            task.check(value)
        if any(map(task.is_personal, _keys(task, value))):
            task.tally.held_back["leftover"] += 1
            continue
        leaves: list[_Leaf] = []
        whole = {"": value}
        _collect(task, whole, "", "", leaves)
        subject = _taken_out(task, value, leaves)
        yield _Row([leaf.cell for leaf in leaves], _rebuilder(whole, leaves), subject)


def _taken_out(task: _Task, value: Any, leaves: list[_Leaf]) -> str:
    """Return whom a row is about, and put what stands for them in its place, so that no recognizer reads it; a list or an object is no subject."""
    column = task.subjects.column
    subject = task.subjects.of(value.get(column)) if column and isinstance(value, dict) else ""
    if subject and column not in task.keep_columns:
        value[column] = task.subjects.written(subject)
        leaves[:] = [leaf for leaf in leaves if leaf.parent is not value or leaf.key != column]
    return subject


@dataclass(frozen=True)
class _Leaf:
    """A string or number somewhere in a JSON value: its place, and the cell it is read as."""

    parent: Any
    key: Any
    cell: Cell


def _keys(task: _Task, value: Any) -> Iterator[str]:
    """Yield every key in a JSON value, outside of the columns that are kept."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            yield from inner
            waiting += [each for key, each in inner.items() if inner is not value or key not in task.keep_columns]
        elif isinstance(inner, list):
            waiting += inner


def _collect(task: _Task, parent: Any, key: Any, name: str, leaves: list[_Leaf]) -> None:
    value = parent[key]
    if isinstance(value, dict):
        for inner in value:
            if not name and inner in task.keep_columns:
                continue
            _collect(task, value, inner, str(inner), leaves)
    elif isinstance(value, list):
        for index in range(len(value)):
            _collect(task, value, index, name, leaves)
    elif isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        leaves.append(_Leaf(parent, key, ("" if task.is_text(name) else name, str(value))))


def _rebuilder(whole: dict[str, Any], leaves: list[_Leaf]) -> Callable[[list[str]], Any]:
    def rebuild(texts: list[str]) -> Any:
        for leaf, text in zip(leaves, texts, strict=True):
            if text != leaf.cell[1]:  # an untouched number stays a number
                leaf.parent[leaf.key] = text
        return whole[""]

    return rebuild


# -- plain text ------------------------------------------------------------------------------------------------------


def _plain_text(task: _Task, target: IO[str]) -> None:
    """One file is one record: a value has one placeholder throughout."""
    writer = Writer(task.run, "file")
    with task.path.open(encoding=task.encoding, newline="") as source:
        rows = (_Row([("", piece)], lambda texts: texts[0]) for piece in _pieces(task, source))
        for _row, texts in _scrub_rows(task, rows, writer):
            target.write(f"{_MARK}\n" if texts is None else texts[0])


def _pieces(task: _Task, source: IO[str]) -> Iterator[str]:
    """Yield the text in pieces that no value straddles: a run of characters too long to be cut between words is held back."""
    held, lost = "", False
    while line := source.readline(_LONGEST):
        if lost and (mark := _BLANK.search(line)):
            line, lost = line[mark.start() :], False
        held += "" if lost else line
        if len(held) >= _PARAGRAPH and not line.strip():
            yield held
            held = ""
        elif len(held) >= _LONGEST:
            cut = _cut(held)
            lost = not cut
            task.tally.held_back["failed"] += lost
            yield held[:cut] if cut else f"{_MARK}\n"
            held = held[cut:] if cut else ""
    yield held


def _cut(text: str) -> int:
    """Return where to end a piece, 0 for nowhere: behind its last sentence, else between two words, between numbers last."""
    ends = (max((match.end() for match in end.finditer(text)), default=0) for end in (_SENTENCE, _WORDS, _BLANK))
    return next(filter(None, ends), 0)


_WORK: dict[str, Callable[[_Task, IO[str]], None]] = {
    ".csv": _table,
    ".tsv": _table,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".txt": _plain_text,
}
