"""Files from outside become records: streamed, checked, every row either taken in or listed with its reason."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from appliance.data.formats.apart import Apart
from appliance.data.formats.archive import check_archive
from appliance.data.formats.rows import Fault, IngestOptions, Row, require_columns
from appliance.errors import InputError, MissingPartError, NotFoundError, SettingsError
from appliance.jobs import progress
from appliance.reasons import reason
from appliance.schema import Dataset, Record, Rejected, Source
from appliance.settings import IngestSettings
from appliance.store import Store
from appliance.words import _

__all__ = ["FORMATS", "IngestOptions", "ingest", "language_of", "read_files"]

_SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}
_LABEL_CHARACTERS = 200
_PROGRESS_ROWS = 5_000
_HAN = re.compile(
    "[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]+"
)  # Unicode 16 blocks, CJK ideographs
_NO_LETTERS = re.compile(r"[\W\d_]+")
_HAN_SHARE = 0.2


class Format(NamedTuple):
    """How a kind of file is read: its module and function; in a process of its own?; a document is one record, so that its faults are a
    rejected row and never end the ingest; the modules it needs and the extra that brings them; whether it is zipped."""

    module: str
    apart: bool = True
    document: bool = True
    needs: tuple[str, ...] = ()
    extra: str = "documents"
    zipped: bool = False
    function: str = "read"


_DELIMITED = Format("delimited", apart=False, document=False)
_JSONL = Format("jsonl", apart=False, document=False)
_XLS = Format("xlsx", document=False, needs=("python_calamine",), extra="data")
_XLSX = _XLS._replace(zipped=True)
_HTML = Format("html_page")
_SCAN = Format("scan", needs=("rapidocr", "onnxruntime"))
_NOTE = Format("txt", apart=False, function="read_whole")
FORMATS = {
    ".csv": _DELIMITED,
    ".tsv": _DELIMITED,
    ".jsonl": _JSONL,
    ".ndjson": _JSONL,
    ".json": _JSONL,
    ".parquet": Format("parquet", document=False, needs=("pyarrow",), extra="data"),
    ".xlsx": _XLSX,
    ".xlsm": _XLSX,
    ".xls": _XLS,
    ".txt": Format("txt", apart=False, document=False),
    ".docx": Format("docx", needs=("defusedxml",), zipped=True),
    ".html": _HTML,
    ".htm": _HTML,
    ".eml": Format("eml"),
    ".pdf": Format("pdf", needs=("pypdfium2",)),
    ".hl7": Format("hl7", apart=False, document=False),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"), _SCAN),
}


class _Found(NamedTuple):
    path: Path
    name: str  # as it is shown and kept: relative to the folder that was given
    in_folder: bool


def ingest(store: Store, files: Iterable[Path], options: IngestOptions, settings: IngestSettings, name: str) -> Dataset:
    """Take files in as the raw data set `name`, encrypted by the store; rejected rows stand beside the records.

    Raises `InputError` when a table cannot be read, a column is missing, no row could be taken in, or more than `max_rejected_rows` rows
    or `max_labels` labels come; then nothing is stored.
    """
    tally = _Tally(settings)
    # closed at once on an error, so that no parser's process outlives it
    with (
        closing(read_files(files, options, settings)) as items,
        store.draft("dataset", name, meta={"stage": "raw"}) as draft,
    ):
        draft.verb = "ingest"
        rows = store.write_records(draft, tally.taken(items))
        if rows == 0:
            raise InputError(tally.nothing())
        store.write_rejected(draft, tally.rejected)
        draft.meta |= {
            "read": rows + len(tally.rejected),
            "rows": rows,
            "rejected": len(tally.rejected),
            "languages": dict(tally.languages),
            "labels": dict(sorted(tally.labels.items())),
            "splits": dict(tally.splits),
            "subjects": options.subject_column is not None,
        }
    artifact: Dataset = draft.artifact
    return artifact


@dataclass
class _Tally:
    """Counts the records that pass and keeps what was rejected."""

    settings: IngestSettings
    rejected: list[Rejected] = field(default_factory=list)
    languages: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)

    def taken(self, items: Iterable[Record | Rejected]) -> Iterator[Record]:
        """Yield the records of `items`; count them; report progress."""
        for done, item in enumerate(items, start=1):
            if done % _PROGRESS_ROWS == 0:
                progress("ingest", done, None, rejected=len(self.rejected))
            if isinstance(item, Rejected):
                self._reject(item)
                continue
            self.languages[item.language] += 1
            if item.label is not None:
                self._label(item.label)
            if item.split is not None:
                self.splits[item.split] += 1
            yield item

    def _reject(self, item: Rejected) -> None:
        if len(self.rejected) >= self.settings.max_rejected_rows:
            raise InputError(
                _("over {limit} rows were rejected (`ingest.max_rejected_rows`); the first: {reason}", limit=self.settings.max_rejected_rows, reason=self.first_reason())
            )  # fmt: skip
        self.rejected.append(item)

    def _label(self, label: str) -> None:
        self.labels[label] += 1
        if len(self.labels) > self.settings.max_labels:
            raise InputError(
                _(
                    "over {limit} different labels (`ingest.max_labels`): is `--label-column` the right column?",
                    limit=self.settings.max_labels,
                )
            )

    def first_reason(self) -> str:
        """Return why, and where, the first row was rejected."""
        first = self.rejected[0]
        return _("`{file}` row {row}: {reason}", file=first.file, row=first.row, reason=first.reason)

    def nothing(self) -> str:
        """Return why there is no record at all."""
        if not self.rejected:
            return _("the files hold no rows")
        return _(
            "no row could be taken in: {count} rejected; the first: {reason}",
            count=len(self.rejected),
            reason=self.first_reason(),
        )


def read_files(files: Iterable[Path], options: IngestOptions, settings: IngestSettings) -> Generator[Record | Rejected]:
    """Yield every row of the files, folders and their sub-folders (in sorted order) as a record or as a rejected row, streaming.

    A `.txt` that is given directly is one record a line; one in a folder is one record. In a folder, files of unknown kind and links are listed as
    rejected (row 0) and hidden files are passed over. The text is not altered; labels, splits, ids, groups and subjects lose the white space
    around them. Raises `NotFoundError`, `InputError` for a table that
    cannot be read or lacks a column, `MissingPartError`, `SettingsError` for options that make no sense.
    """
    _check(options)
    ids = _random_ids()
    with Apart() as apart:
        for found in _find(files):
            for item in _items(found, options, settings, apart):
                file = f"{found.name} [{item.part}]" if item.part else found.name
                if isinstance(item, Row):
                    outcome = _record(item, file, options, settings.max_field_bytes, ids)
                    yield outcome if isinstance(outcome, Record) else Rejected(file, item.row, item.byte, outcome)
                else:
                    yield Rejected(file, item.row, item.byte, item.reason)


def _check(options: IngestOptions) -> None:
    if options.language not in ("en", "zh", "auto"):
        raise SettingsError(
            _("language `{language}` is not known; set `--language` to en, zh or auto", language=options.language)
        )
    if options.header_row < 1 or not options.text_column:
        raise SettingsError(_("`--header-row` counts from 1, and `--text-column` names a column"))


def _find(files: Iterable[Path]) -> Iterator[_Found]:
    for path in files:
        if path.is_dir():
            yield from _walk(path)
        elif path.is_file():
            yield _Found(path, _shown(path.name), in_folder=False)
        elif path.exists():
            raise InputError(_("cannot read `{file}`: neither a regular file nor a folder", file=_shown(path.name)))
        else:
            raise NotFoundError(_("there is no file `{file}`", file=_shown(str(path))))


def _walk(folder: Path) -> Iterator[_Found]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith((".", "~$")):  # `~$` is the lock file of an open document
                path = Path(parent, name)
                yield _Found(path, _shown(str(path.relative_to(folder))), in_folder=True)


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")  # a file name may hold any bytes


def _items(found: _Found, options: IngestOptions, settings: IngestSettings, apart: Apart) -> Iterator[Row | Fault]:
    suffix = found.path.suffix.lower()
    form = _NOTE if found.in_folder and suffix == ".txt" else FORMATS.get(suffix)
    if form is None or (found.path.is_symlink() and found.in_folder) or not found.path.is_file():
        why = (
            _("unknown kind of file; known: {kinds}", kinds=" ".join(FORMATS))
            if form is None
            else _("a link or no regular file")
        )
        if not found.in_folder:
            raise InputError(_("cannot read `{file}`: {reason}", file=found.name, reason=why))
        yield Fault(0, None, why)
        return
    _require(form, suffix)
    module = importlib.import_module(f"appliance.data.formats.{form.module}")
    if hasattr(module, "COLUMNS"):  # a format without columns of its own has one text, which answers to any text column
        require_columns(found.name, options, module.COLUMNS, text=False)
    try:
        if found.path.stat().st_size > settings.max_file_bytes:
            raise InputError(
                _(
                    "cannot read `{file}`: over `ingest.max_file_bytes` ({limit})",
                    file=found.name,
                    limit=settings.max_file_bytes,
                )
            )
        if form.zipped:
            check_archive(found.path, found.name, settings)
        if form.apart:
            yield from apart.read(module.__name__, found.path, found.name, options, settings)
        else:
            yield from getattr(module, form.function)(found.path, found.name, options, settings)
    except InputError as error:
        if not form.document:
            raise
        yield Fault(0, None, str(error))
    except OSError as error:
        raise InputError(_("cannot read `{file}`: {reason}", file=found.name, reason=reason(error))) from error


def _require(form: Format, suffix: str) -> None:
    for module in form.needs:
        if importlib.util.find_spec(module) is None:
            raise MissingPartError(
                _(
                    "`ingest` of {kind} needs the extra `{extra}`: install `skerry[{extra}]` from the wheelhouse",
                    kind=suffix[1:].upper(),
                    extra=form.extra,
                )
            )


class _Refused(ValueError):
    """Why one row is not taken in."""


def _record(row: Row, file: str, options: IngestOptions, max_bytes: int, ids: Iterator[str]) -> Record | str:
    """Return the record of one row, or the reason why there is none."""
    text, fields = row.text, row.fields
    if not text or text.isspace():
        return _("the text is empty")
    try:
        _check_value(text, max_bytes)
        kept = {column: fields[column] or "" for column in options.keep_columns}
        for value in kept.values():
            _check_value(value, max_bytes)
        known = {role: _value(fields[column], max_bytes) for role, column in options.roles}
    except _Refused as refusal:
        return str(refusal)
    label, split = known.get("label"), known.get("split")
    if label is not None and len(label) > _LABEL_CHARACTERS:
        return _("label of over {limit} characters", limit=_LABEL_CHARACTERS)
    if split is not None:
        split = _SPLITS.get(split.lower())
        if split is None:
            return _("the split is none of train, validation (valid, dev), test")
    language = language_of(text) if options.language == "auto" else options.language
    source = Source(file, row.row, known.get("id"), kept)
    return Record(next(ids), text, label, split, known.get("group"), known.get("subject"), language, None, source)


def _value(value: str | None, max_bytes: int) -> str | None:
    if not value:
        return None
    _check_value(value, max_bytes)
    return value.strip() or None


def _check_value(value: str, max_bytes: int) -> None:
    if "\0" in value:
        raise _Refused(_("NUL character"))
    if value.isascii():
        size = len(value)
    else:
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise _Refused(_("half a surrogate pair, which is no character")) from None
    if size > max_bytes:
        raise _Refused(_("field longer than `ingest.max_field_bytes` ({limit})", limit=max_bytes))


def language_of(text: str) -> str:
    """Return `zh` when over a fifth of the text's letters are Han characters, else `en`."""
    if text.isascii():
        return "en"
    letters = len(_NO_LETTERS.sub("", text))
    han = len(text) - len(_HAN.sub("", text))
    return "zh" if han > _HAN_SHARE * letters else "en"


def _random_ids() -> Iterator[str]:
    while True:
        block = os.urandom(16 * 1024).hex()  # one call to the kernel for 1,024 ids
        for start in range(0, len(block), 32):
            yield block[start : start + 32]
