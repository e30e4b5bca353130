"""Take personal data out of records: `scrub_records` over plain records, `scrub` over a data set, `scrub_file` over a file.

Fail closed: a record whose scrub fails in any way, or whose scrubbed text still holds an identity number, card, telephone number and the like,
is held back and counted; its text goes nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from appliance.errors import Interrupted
from appliance.jobs import progress
from appliance.privacy.detect import Scrubber
from appliance.privacy.operators import Run, Writer
from appliance.privacy.report import Tally, write_report
from appliance.schema import Dataset, Finding, Record
from appliance.settings import ScrubSettings
from appliance.store import Store

__all__ = ["Cell", "HeldBack", "scrub", "scrub_cells", "scrub_records"]

Cell = tuple[str, str]


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A record that does not go on. `reason` is `failed` (a recognizer raised) or `leftover` (something strong is still there)."""

    id: str
    reason: str


def scrub_records(
    records: Iterable[Record],
    scrubber: Scrubber,
    settings: ScrubSettings,
    tally: Tally | None = None,
    run: Run | None = None,
) -> Iterator[Record | HeldBack]:
    """Yield each record with its text scrubbed and its source gone, or `HeldBack`, in order. `tally` counts along.

    `run` holds the policy and its key; without one every finding becomes a placeholder.
    """
    tally = tally if tally is not None else Tally()
    run = run or Run.alone()
    waiting = iter(records)
    while batch := list(islice(waiting, settings.batch_rows)):
        writers = [Writer(run, record.subject or record.id) for record in batch]
        cells = scrub_cells([[("", record.text)] for record in batch], scrubber, writers)
        for record, (text, outcome) in zip(batch, cells, strict=True):
            if isinstance(outcome, str):
                tally.held_back[outcome] += 1
                yield HeldBack(record.id, outcome)
            else:
                tally.add(outcome)
                tally.languages[record.language] += 1
                tally.labels.update([record.label] if record.label is not None else [])
                tally.splits.update([record.split] if record.split is not None else [])
                yield replace(record, text=text[0], source=None)


def scrub_cells(
    rows: Sequence[Sequence[Cell]], scrubber: Scrubber, writers: Sequence[Writer] = ()
) -> Iterator[tuple[list[str], list[Finding] | str]]:
    """Yield for each row of cells its scrubbed texts and findings, or no texts and the reason it is held back.

    A cell is (label, text): the label tells what the text is (`phone`) and is not part of the answer; it is empty for running text. The cells of a row
    share their writer. `writers` has one a row (the same one for all where they are one record); without, placeholders are written.

    The second look reads each text with a placeholder wherever an operator wrote: a surrogate telephone number is no leftover, all else is.
    """
    writers = writers or [Writer(run) for run in [Run.alone()] for _row in rows]
    for row, writer, findings in zip(rows, writers, _find_all(rows, scrubber), strict=True):
        try:
            if findings is None:
                yield [], "failed"
                continue
            written = [writer.write(text, spans) for (_label, text), spans in zip(row, findings, strict=True)]
            left = any(
                scrubber.leftovers(_read(label, each.shown)) for (label, _text), each in zip(row, written, strict=True)
            )
        except Exception:  # whatever it is: without the second look the text does not go on
            yield [], "failed"
            continue
        yield (
            ([], "leftover")
            if left
            else ([each.text for each in written], [span for spans in findings for span in spans])
        )


def _read(label: str, text: str) -> str:
    return f"{label}: {text}" if label else text


def _find_all(rows: Sequence[Sequence[Cell]], scrubber: Scrubber) -> list[list[list[Finding]] | None]:
    """Find in all rows at once; when that fails, row by row, so that only the guilty ones are lost."""
    try:
        flat = iter(scrubber.find([_read(label, text) for row in rows for label, text in row]))
        return [[_behind(label, next(flat)) for label, _text in row] for row in rows]
    except Interrupted:
        raise
    except Exception:
        return [_find_all([row], scrubber)[0] for row in rows] if len(rows) > 1 else [None]


def _behind(label: str, findings: list[Finding]) -> list[Finding]:
    """Return the findings with offsets in the text behind the label; what lies in the label is dropped."""
    shift = len(_read(label, ""))
    return [
        replace(each, start=max(0, each.start - shift), end=each.end - shift) for each in findings if each.end > shift
    ]


def scrub(
    store: Store, dataset: Dataset, settings: ScrubSettings, name: str | None = None, report: Path | None = None
) -> Dataset:
    """Write the scrubbed child of `dataset`: same random ids, no source, group and subject keyed. It keeps the parent's name unless `name` is given.

    `meta` counts rows, held_back, findings (per kind), languages, labels, splits and docs_per_s. `report` is a folder for the report.
    """
    scrubber = Scrubber.from_settings("auto", settings, spacy_folder=None)
    tally, start = Tally(), time.monotonic()
    keyed = _keyed(store, dataset)
    with store.draft("dataset", name or dataset.name, parents=(dataset.id,), meta={"stage": "scrubbed"}) as draft:
        draft.verb = "scrub"
        records = map(keyed, _watched(store.records(dataset), dataset.rows))
        scrubbed = scrub_records(records, scrubber, settings, tally)
        store.write_records(draft, (record for record in scrubbed if isinstance(record, Record)))
        draft.meta |= _meta(tally, time.monotonic() - start)
    if report:
        write_report(
            report, {**tally.as_dict(), "dataset": draft.artifact.reference, "docs_per_s": draft.meta["docs_per_s"]}
        )
    child: Dataset = draft.artifact
    return child


def _watched(records: Iterable[Record], total: int) -> Iterator[Record]:
    for done, record in enumerate(records):
        if done % 100 == 0:
            progress("scrub", done, total)
        yield record


def _keyed(store: Store, dataset: Dataset) -> Callable[[Record], Record]:
    """Return what turns the personal values beside a raw record's text into keyed hashes; children have them already."""
    if dataset.stage != "raw":
        return lambda record: record

    def key(purpose: str, value: str | None) -> str | None:
        return None if value is None else store.hmac(purpose, value)

    return lambda record: replace(
        record,
        group=key("group", record.group),
        subject=key("subject", record.subject),
        source_key=key("source", record.source.id if record.source else None),
    )


def _meta(tally: Tally, seconds: float) -> dict[str, Any]:
    counts = {"labels": tally.labels, "splits": tally.splits, "languages": tally.languages}
    return {
        **{name: dict(sorted(counter.items())) for name, counter in counts.items()},
        "held_back": tally.held_back.total(),
        "findings": dict(tally.kinds.most_common()),
        "docs_per_s": round((tally.rows + tally.held_back.total()) / max(seconds, 1e-9), 1),
    }
