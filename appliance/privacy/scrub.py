"""Take personal data out of records: `scrub_records` over plain records, `scrub` over a data set, `scrub_file` over a file.

Fail closed: a record whose scrub fails in any way, or whose scrubbed text still holds an identity number, card, telephone number and the like,
is held back and counted; its text goes nowhere.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from appliance.errors import SettingsError
from appliance.jobs import progress
from appliance.privacy import site_rules, vault
from appliance.privacy.detect import Scrubber
from appliance.privacy.operators import Run, Writer
from appliance.privacy.policy import Policy, load
from appliance.privacy.report import Tally, write_report
from appliance.privacy.workers import find_all
from appliance.schema import Dataset, Finding, Record
from appliance.settings import ScrubSettings
from appliance.store import Store
from appliance.words import _

__all__ = [
    "HOW",
    "Cell",
    "HeldBack",
    "Row",
    "open_vault",
    "require_policy",
    "scrub",
    "scrub_cells",
    "scrub_records",
    "scrub_rows",
]

Cell = tuple[str, str]
HOW = "scrub.json"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A record that does not go on. `reason` is `failed` (a recognizer raised) or `leftover` (something strong is still there)."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """What is scrubbed together: its cells (label, text), who writes it, and what it is a part of (`item`, handed through)."""

    cells: Sequence[Cell]
    writer: Writer
    item: Any = None


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
    rows = (Row([("", record.text)], Writer(run, record.subject or record.id), record) for record in records)
    for row, texts, outcome in scrub_rows(rows, scrubber, settings.batch_rows):
        record: Record = row.item
        if isinstance(outcome, str):
            tally.held_back[outcome] += 1
            yield HeldBack(record.id, outcome)
        else:
            tally.add(outcome)
            tally.languages[record.language] += 1
            tally.labels.update([record.label] if record.label is not None else [])
            tally.splits.update([record.split] if record.split is not None else [])
            yield replace(record, text=texts[0], source=None)


def scrub_cells(rows: Sequence[Sequence[Cell]], scrubber: Scrubber) -> Iterator[tuple[list[str], list[Finding] | str]]:
    """Yield for each row of cells its texts with placeholders and its findings, or no texts and the reason it is held back."""
    run = Run.alone()
    written = scrub_rows((Row(cells, Writer(run)) for cells in rows), scrubber, max(1, len(rows)))
    return ((texts, outcome) for _row, texts, outcome in written)


def scrub_rows(
    rows: Iterable[Row], scrubber: Scrubber, batch_rows: int
) -> Iterator[tuple[Row, list[str], list[Finding] | str]]:
    """Yield each row, in order, with its scrubbed texts and findings, or with no texts and the reason it is held back (`failed`, `leftover`).

    A cell is (label, text): the label tells what the text is (`phone`) and is not part of the answer; it is empty for running text. Large inputs are read
    by several processes (`workers`), `batch_rows` rows at once.
    """
    taken: deque[list[Row]] = deque()

    def batches() -> Iterator[list[str]]:
        waiting = iter(rows)
        while batch := list(islice(waiting, batch_rows)):
            taken.append(batch)
            yield [_read(label, text) for row in batch for label, text in row.cells]

    for found in find_all(batches(), scrubber):
        each = iter(found)
        for row in taken.popleft():
            yield row, *_write(row, [next(each) for _cell in row.cells], scrubber)


def _write(row: Row, found: list[list[Finding] | None], scrubber: Scrubber) -> tuple[list[str], list[Finding] | str]:
    """Write a row, then look again: each text is read with a placeholder wherever an operator wrote, so that a surrogate telephone number is no
    leftover and all else is.
    """
    findings = [
        _behind(label, spans) for (label, _text), spans in zip(row.cells, found, strict=True) if spans is not None
    ]
    if len(findings) < len(row.cells):
        return [], "failed"
    try:
        row.writer.leave_room(text for _label, text in row.cells)
        written = [row.writer.write(text, spans) for (_label, text), spans in zip(row.cells, findings, strict=True)]
        looks = (_read(label, each.shown) for (label, _text), each in zip(row.cells, written, strict=True))
        if any(map(scrubber.leftovers, looks)):
            return [], "leftover"
    except Exception:  # whatever it is: without the second look the text does not go on
        return [], "failed"
    for each in written:
        row.writer.run.shapes.see(each.shown)
    return [each.text for each in written], [span for spans in findings for span in spans]


def _read(label: str, text: str) -> str:
    return f"{label}: {text}" if label else text


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

    `meta` counts rows, held_back, findings (per kind), languages, labels, splits and docs_per_s, and names the policy and its digest. `report` is a folder
    for the report. Surrogates, hashes and shifts hang on a key of the project, so they are the same in all its sets. The id hangs on the policy and the site's
    taggers, too (`how`). Raises `SettingsError` for a policy
    that is wrong, or that seals values when `settings.vault` does not name two key files.
    """
    policy = require_policy(settings)
    scrubber = Scrubber.from_settings("auto", settings, policy=policy, rules=site_rules.load(store))
    sealed = open_vault(policy, settings, bytes.fromhex(dataset.id)[: vault.SET_BYTES], store.home)
    run = Run(policy, store.keys.derive(f"operators {store.project}"), sealed)
    tally, start = Tally(), time.monotonic()
    keyed = _keyed(store, dataset)
    taggers = scrubber.models()
    with store.draft("dataset", name or dataset.name, parents=(dataset.id,), meta={"stage": "scrubbed"}) as draft:
        draft.verb = "scrub"
        (draft.folder / HOW).write_bytes(how(policy, taggers))
        records = map(keyed, _watched(store.records(dataset), dataset.rows))
        scrubbed = scrub_records(records, scrubber, settings, tally, run)
        store.write_records(draft, (record for record in scrubbed if isinstance(record, Record)))
        draft.meta |= _meta(tally, time.monotonic() - start) | run.as_dict() | {"taggers": taggers}
    if report:
        about = {"dataset": draft.artifact.reference, "docs_per_s": draft.meta["docs_per_s"]}
        about |= {"sha256_in": dataset.id, "sha256_out": draft.artifact.id}
        write_report(report, tally.as_dict() | run.as_dict() | run.for_report() | about | {"taggers": taggers})
    child: Dataset = draft.artifact
    return child


def how(policy: Policy, taggers: list[dict[str, str]]) -> bytes:
    """Return what the file `scrub.json` of a scrubbed set holds: the digests of the policy and of the site's taggers.

    It counts in the set's id: records scrubbed in another way are another data set, even where the same was found.
    """
    about = {"policy_digest": policy.digest, "taggers": sorted(each["sha256"] for each in taggers)}
    return json.dumps(about, sort_keys=True).encode()


def require_policy(settings: ScrubSettings) -> Policy:
    """Read the policy that the settings name. Raises `SettingsError` where it is wrong, or seals values and no two key files are named."""
    policy = load(settings.policy)
    if _seals(policy) and not settings.vault:
        raise SettingsError(
            _("policy `{policy}` seals values: give two people's key files, `--vault A --vault B`", policy=policy.name)
        )
    return policy


def open_vault(policy: Policy, settings: ScrubSettings, dataset: bytes, home: Path | None = None) -> vault.Vault | None:
    """Return the vault of a data set where the policy seals anything, else None."""
    return vault.Vault.of(vault.shares(settings.vault, home), dataset) if _seals(policy) else None


def _seals(policy: Policy) -> bool:
    return any(policy.operator(kind).operator == "vault" for kind in policy.kinds)


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
