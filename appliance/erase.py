"""Erase a data set for good, or every record of a person from all data sets of a project, and tell what still holds them.

Right to erasure: GDPR art. 17, PIPL art. 47. A person is known by the value of the subject column; that value stands in raw sets, its HMAC in their
children, in the event and in the ledger. The ledger lies beside the key file, outside the home, so that a backup which is put back is
purged again of whoever was erased since.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import jobs
from appliance.annotations import copy_answers
from appliance.annotations import follow as follow_tasks
from appliance.annotations import forget as forget_tasks
from appliance.errors import BusyError, InputError, IntegrityError, NotFoundError
from appliance.files import write_durably
from appliance.jobs import progress
from appliance.monitor.follow import forget as forget_references
from appliance.privacy import site_rules
from appliance.privacy.review import follow
from appliance.privacy.scrub import HOW
from appliance.release import registry
from appliance.schema import Artifact, Dataset, Model, Record
from appliance.store import Store
from appliance.words import _

__all__ = ["erase", "erase_again", "erase_subjects", "ledger", "note"]

_SHORTEST_SEARCH = 2  # characters; a Chinese name has two


def erase(store: Store, reference: str) -> dict[str, Any]:
    """Erase a data set for good: its key, then its files; a tombstone stays. Its children stay: they are data sets of their own.

    Raises `NotFoundError`, and `BusyError` while a job runs.
    """
    _refuse_while_jobs_run(store)
    store.finish_burials()
    dataset = store.dataset(reference)
    models = [item.reference for item in descendants(store, dataset) if isinstance(item, Model)]
    note(store, datasets=[dataset.id])
    store.bury(dataset, "erase")
    forget_tasks(store, dataset.id)
    site_rules.follow(store, dataset.id, "", frozenset())
    _forget_work(store)
    return {"erased": [dataset.reference], "models_to_retrain": models}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whose records go: subjects by their HMAC, and records (random ids) that a search in the texts has found."""

    subjects: frozenset[str]
    records: frozenset[str]

    def holds(self, store: Store, dataset: Dataset, record: Record) -> bool:
        return record.id in self.records or _keyed(store, dataset, record) in self.subjects


def erase_subjects(store: Store, subjects: Sequence[str], search: bool = False, yes: bool = False) -> dict[str, Any]:
    """List what holds records of `subjects` (values of the subject column) in the project, or with `yes` erase them there.

    Every data set that holds one gets a version without, then the old ones become tombstones, raw sets last, so that the same command
    finishes what a crash cut short. With `search` records whose text holds the value go too: that is incomplete, since people are also written about in
    other words. Models are named, not changed: a model may have memorised what it saw, so retrain it. Other projects of the home that hold the subjects are listed, not
    changed: each is erased by its own command, by whoever answers for it.

    Raises `NotFoundError` when nobody of that name is there, `InputError` for an empty value or one too short to search for, `BusyError` while a job runs.
    """
    _check(subjects, search)
    if yes:
        _refuse_while_jobs_run(store)
        store.finish_burials()
    wanted = _wanted(store, subjects, search)
    holding, records = _holding(store, wanted)
    elsewhere = list(_elsewhere(store, subjects, search))
    if not holding and elsewhere:
        raise NotFoundError(
            _(
                "no record of that subject in project `{project}`, but in `{others}`; erase them there with `--project`",
                project=store.project,
                others=", ".join(each["project"] for each in elsewhere),
            )
        )
    if not holding:
        raise NotFoundError(
            _(
                "no record of that subject in project `{project}`; was it ingested with `--subject-column`? `--search` looks in the texts too",
                project=store.project,
            )
        )
    about = _about(store, holding) | {"other_projects": elsewhere}
    if not yes:
        return {"would_erase": about.pop("datasets"), **about}
    note(store, subjects=sorted(wanted.subjects), records=sorted(wanted.records))
    store.event("erase-subject", subjects=sorted(wanted.subjects))
    children = _purge(store, wanted, holding)
    site_rules.forget(store, records)
    return {"erased": about.pop("datasets"), "children": children, **about}


def erase_again(store: Store) -> dict[str, Any]:
    """Erase whoever and whatever the ledger names and a restored backup brought back, in every project.

    Returns `known` (entries of the ledger), `erased` (rows by project) and `erased_sets`. Raises `IntegrityError` for a ledger that cannot be read.
    """
    erased: dict[str, int] = {}
    sets: list[str] = []
    known = _entries(store)
    for project in store.projects():
        entries, here = [entry for entry in known if entry["project"] == project], store.within(project)
        wanted = _Wanted(frozenset(_all(entries, "subjects")), frozenset(_all(entries, "records")))
        gone = frozenset(_all(entries, "datasets"))
        for dataset in [item for item in here.artifacts("dataset") if item.id in gone]:
            here.bury(dataset, "erase")
            forget_tasks(here, dataset.id)
            sets.append(dataset.reference)
        holding, records = _holding(here, wanted) if entries else ({}, set())
        if holding:
            _purge(here, wanted, holding)
            site_rules.forget(here, records)
            erased[project] = sum(rows for _dataset, rows in holding.values())
    return {"known": len(known), "erased": erased, "erased_sets": sets}


def _all(entries: list[dict[str, Any]], what: str) -> Iterator[str]:
    return (one for entry in entries for one in entry.get(what, ()))


def ledger(store: Store) -> Path:
    """Return the file that names, by HMAC and random ids, who was erased: beside the key file, outside the home."""
    return store.keys.path.with_suffix(".erased")


def _entries(store: Store) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in _whole_lines(ledger(store)).splitlines()]
    except ValueError as error:
        raise IntegrityError(_("`{path}` is damaged; put back a copy of it", path=ledger(store))) from error


def _whole_lines(path: Path) -> bytes:
    # A power cut may leave half a line at the end: of an erasure that had not begun.
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def note(store: Store, **what: list[str]) -> None:
    """Write into the ledger what is about to go (`subjects` by HMAC, `records`, `datasets` by id), so that no backup brings it back."""
    entry = {"time": store.now(), "project": store.project, **what}
    write_durably(ledger(store), _whole_lines(ledger(store)) + json.dumps(entry).encode() + b"\n")


def _check(subjects: Sequence[str], search: bool) -> None:
    if not subjects or not all(subject.strip() for subject in subjects):
        raise InputError(_("name a subject: one value of the subject column a line"))
    if search and any(len(subject.strip()) < _SHORTEST_SEARCH for subject in subjects):
        raise InputError(
            _("a value of fewer than {fewest} characters is in every text; erase it without `--search`", fewest=_SHORTEST_SEARCH)
        )  # fmt: skip


def _refuse_while_jobs_run(store: Store) -> None:
    running = jobs.running(store)
    if running:
        raise BusyError(
            _("job `{job}` is running and may hold what goes; wait for it, or `skerry jobs cancel {job}`", job=running[0])
        )  # fmt: skip


def _keyed(store: Store, dataset: Dataset, record: Record) -> str | None:
    plain = dataset.stage == "raw" and record.subject is not None
    return store.hmac("subject", str(record.subject)) if plain else record.subject


def _wanted(store: Store, subjects: Sequence[str], search: bool) -> _Wanted:
    keyed = frozenset(store.hmac("subject", subject.strip()) for subject in subjects)
    found = frozenset(_search(store, subjects)) if search else frozenset()
    return _Wanted(keyed, found)


def _search(store: Store, subjects: Sequence[str]) -> Iterator[str]:
    """Yield the ids of records whose text holds one of the values, whatever its width and case."""
    from appliance.privacy.normalise import normalise

    values = [normalise(subject.strip()).text.casefold() for subject in subjects]
    for dataset in store.artifacts("dataset"):
        for number, record in enumerate(store.records(dataset)):
            if number % 1000 == 0:
                progress("search", number, dataset.rows)
            text = normalise(record.text).text.casefold()
            if any(value in text for value in values):
                yield record.id


def _holding(store: Store, wanted: _Wanted) -> tuple[dict[str, tuple[Dataset, int]], set[str]]:
    """Return the data sets with rows that go (oldest first: parents stand before their children), and the ids of those rows."""
    found: dict[str, tuple[Dataset, int]] = {}
    records: set[str] = set()
    for dataset in store.artifacts("dataset"):
        here = [record.id for record in store.records(dataset) if wanted.holds(store, dataset, record)]
        records.update(here)
        if here:
            found[dataset.id] = (dataset, len(here))
    return found, records


def _about(store: Store, holding: dict[str, tuple[Dataset, int]]) -> dict[str, Any]:
    line = {item.id: item for dataset, _rows in holding.values() for item in (dataset, *_line(store, dataset))}
    models = [item for item in line.values() if isinstance(item, Model) and "erased" not in item.meta]
    ids = {model.id for model in models}
    releases = [
        release.name for release in registry.releases(store.home, store.project) if ids.intersection(release.versions)
    ]
    return {
        "datasets": [{"dataset": dataset.reference, "rows": rows} for dataset, rows in holding.values()],
        "models_to_retrain": [model.reference for model in models],
        "releases": releases,
        "copies_outside": list(_copies(store, set(line))),
    }


def _elsewhere(store: Store, subjects: Sequence[str], search: bool) -> Iterator[dict[str, Any]]:
    """Yield the other projects of this home that hold the subjects, with the rows in their data sets: each is erased by its own command."""
    for project in store.projects():
        there = store.within(project)
        if project != store.project:
            holding, _records = _holding(there, _wanted(there, subjects, search))
            if holding:
                yield {
                    "project": project,
                    "datasets": len(holding),
                    "rows": sum(rows for _one, rows in holding.values()),
                }


def _copies(store: Store, line: set[str]) -> Iterator[dict[str, Any]]:
    """Yield what was carried out of the home and may still hold the records: files saved, serve-only exports, models that left the network, backups."""
    said = {"export": ("format", "serve-only"), "egress": ("kind", "model")}
    for event in store.events():
        what, wanted = said.get(event.verb, ("", ""))
        carried = event.verb in ("save", "label-export") or (event.verb in said and event.details.get(what) == wanted)
        if event.verb == "backup" or (carried and line & set(event.artifacts)):
            yield {"verb": event.verb, "time": event.time, "artifacts": [item[:12] for item in event.artifacts]}


def _purge(store: Store, wanted: _Wanted, holding: dict[str, tuple[Dataset, int]]) -> list[str]:
    """Write each data set again without the records, then bury the old ones, the raw ones last. Returns the new ones."""
    renamed: dict[str, str] = {}
    children = []
    for old in store.artifacts("dataset"):
        if old.id in holding or (old.stage != "raw" and renamed.keys() & set(old.parents)):
            child = _without(store, old, wanted, renamed)
            renamed[old.id] = child.id
            children.append(child.reference)
    for old, rows in reversed(holding.values()):
        store.bury(old, "erase", rows=rows)
    _forget_work(store)
    return children


def _without(store: Store, old: Dataset, wanted: _Wanted, renamed: dict[str, str]) -> Dataset:
    counts: dict[str, Counter[str]] = {"labels": Counter(), "splits": Counter(), "languages": Counter()}
    kept_ids: list[str] = []

    def kept() -> Iterator[Record]:
        for record in store.records(old):
            if not wanted.holds(store, old, record):
                for name, value in zip(counts, (record.label, record.split, record.language), strict=True):
                    counts[name].update([value] if value is not None else [])
                kept_ids.append(record.id)
                yield record

    parents = (old.id, *(renamed.get(parent, parent) for parent in old.parents))
    taken_in = {"taken_in": old.meta.get("taken_in", old.created)}  # what `store.raw_days` counts from
    with store.draft("dataset", old.name, parents, dict(old.meta) | taken_in) as draft:
        draft.verb = "erase"
        if (old.folder / HOW).exists():
            shutil.copyfile(old.folder / HOW, draft.folder / HOW)
        rows = store.write_records(draft, kept())
        copy_answers(old.folder, draft.folder, frozenset(kept_ids))
        draft.meta |= {name: dict(sorted(counter.items())) for name, counter in counts.items() if name in old.meta}
        if old.stage == "raw":
            rejected = store.write_rejected(draft, store.rejected(old))
            draft.meta |= {"read": rows + rejected} if "read" in old.meta else {}
    written: Dataset = draft.artifact
    if old.stage == "raw":
        follow(store, old, written)
    else:
        follow_tasks(store, old.id, written.id, kept_ids)
    return written


def _forget_work(store: Store) -> None:
    """Drop checkpoints, half-made smaller models, the cache of labeling and the references of drift (they hold embeddings of texts) and jobs that were cut
    short: their inputs are gone."""
    for work in ("train", "compress", "label"):
        store.clear_scratch(work)
    forget_references(store.home, store.project)
    jobs.void_unfinished(store)


def descendants(store: Store, root: Artifact) -> list[Artifact]:
    """List all that was made of `root` and is still there, also by way of what is erased by now."""
    return [item for item in _line(store, root) if "erased" not in item.meta]


def _line(store: Store, root: Artifact) -> list[Artifact]:
    everything = store.artifacts(erased=True)
    found: dict[tuple[str, str], Artifact] = {}
    waiting = [root.id]
    while waiting:
        parent = waiting.pop(0)
        for child in everything:
            if parent in child.parents and (child.name, child.id) not in found:
                found[child.name, child.id] = child
                waiting.append(child.id)
    return list(found.values())
