"""The tables of labeling: tasks, what people and models answered, what waits for an answer, whose turn it is.

A person's work is only ever added to: a change or an undo is a new version of the same annotation. Saving is one transaction, durable when
it returns; saving the same again changes nothing, so that a client which heard no answer can ask again. No event stands for a
single label: the tables keep who, when and how long.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from appliance.errors import BusyError, InputError, NotFoundError, PolicyError, SettingsError
from appliance.schema import Annotation, Dataset, LabelName, LabelTask, QueueItem
from appliance.store import Store, check_name
from appliance.words import _

KINDS = ("single", "multi", "spans")
PEOPLE = ("human", "import", "studio")  # sources of a person's work
SUGGESTIONS = ("model", "rule")
STATES = ("submitted", "skipped", "flagged", "withdrawn")
LEASE_S = 120
ANSWERS = "answers.jsonl"  # of a data set labelled with several labels or spans: one line a record
_EVERYBODY = 1_000_000  # people a gold question waits for: it is asked of each
_PAGE_ROWS = 5_000
_CHUNK_ROWS = 500  # names in one IN (...)
_NOTE = "label note"
_DOUBTS = ("flagged", "disagreement", "skipped")  # what sends a record to a reviewer by itself

_tables = sa.MetaData()
_tasks = sa.Table(
    "label_tasks", _tables, sa.Column("project", sa.String), sa.Column("name", sa.String), sa.Column("dataset", sa.String), sa.Column("kind", sa.String),
    sa.Column("labels", sa.JSON), sa.Column("guidelines", sa.String), sa.Column("overlap", sa.Float), sa.Column("gold_share", sa.Float),
    sa.Column("created", sa.String), sa.Column("settings", sa.JSON),
)  # fmt: skip
_annotations = sa.Table(
    "annotations", _tables, sa.Column("number", sa.Integer, primary_key=True), sa.Column("id", sa.String), sa.Column("version", sa.Integer),
    sa.Column("project", sa.String), sa.Column("task", sa.String), sa.Column("record", sa.String), sa.Column("annotator", sa.String), sa.Column("source", sa.String),
    sa.Column("review", sa.Boolean), sa.Column("value", sa.JSON), sa.Column("state", sa.String), sa.Column("seconds", sa.Float), sa.Column("created", sa.String),
    sa.Column("note", sa.String), sa.Column("current", sa.Boolean),
)  # fmt: skip
_queue = sa.Table(
    "label_queue", _tables, sa.Column("project", sa.String), sa.Column("task", sa.String), sa.Column("record", sa.String), sa.Column("review", sa.Boolean),
    sa.Column("row", sa.Integer), sa.Column("batch", sa.Integer), sa.Column("place", sa.Integer), sa.Column("reason", sa.String), sa.Column("needed", sa.Integer),
    sa.Column("answers", sa.Integer), sa.Column("attempts", sa.Integer), sa.Column("closed", sa.Boolean), sa.Column("since", sa.Integer),
)  # fmt: skip
_leases = sa.Table(
    "label_leases", _tables, sa.Column("project", sa.String), sa.Column("task", sa.String), sa.Column("record", sa.String), sa.Column("review", sa.Boolean),
    sa.Column("person", sa.String), sa.Column("until", sa.Float),
)  # fmt: skip
_QUEUED = tuple(name for name in QueueItem.__dataclass_fields__ if name not in ("holder", "until"))

Answers = Mapping[str, Mapping[str, Any]]  # record -> value


# -- tasks -------------------------------------------------------------------------------------------------------------


def create_task(
    store: Store,
    name: str,
    dataset: Dataset,
    kind: str,
    labels: Iterable[LabelName],
    guidelines: str = "",
    overlap: float = 0.0,
    gold_share: float = 0.0,
    **settings: Any,
) -> LabelTask:
    """Make a labeling task over a data set. `settings` is any JSON that the loop, the page or the studio keeps with it.

    Raises `SettingsError` for a name, kind, share or label that cannot be, `PolicyError` for a raw data set or a name that is taken.
    """
    check_name(name)
    _check_task(dataset, kind, overlap, gold_share)
    chosen = _checked(tuple(labels))
    task = LabelTask(
        name, store.project, dataset.id, kind, chosen, guidelines, overlap, gold_share, store.now(), settings
    )
    with store.writing() as connection:
        if _task_row(connection, store, name) is not None:
            raise PolicyError(_("there is a labeling task `{task}` already; choose another name", task=name))
        connection.execute(_tasks.insert().values(**_task_values(task)))
    store.event("label-create", (dataset.id,), task=name, labels=len(chosen))
    return task


def new_label(name: str, **more: Any) -> LabelName:
    """Return a label with an id of its own."""
    return LabelName(uuid.uuid4().hex[:8], name.strip(), **more)


def tasks(store: Store) -> list[LabelTask]:
    """List the project's labeling tasks by name."""
    query = sa.select(_tasks).where(_tasks.c.project == store.project).order_by(_tasks.c.name)
    with store.reading() as connection:
        return [_task(dict(row)) for row in connection.execute(query).mappings()]


def task(store: Store, name: str) -> LabelTask:
    """Find a labeling task. Raises `NotFoundError` naming those that are there."""
    with store.reading() as connection:
        row = _task_row(connection, store, name)
    if row is None:
        names = ", ".join(f"`{one.name}`" for one in tasks(store)) or _("none yet")
        raise NotFoundError(
            _("no labeling task `{task}` in project `{project}`; there are: {names}", task=name, project=store.project, names=names)
        )  # fmt: skip
    return _task(row)


def change_labels(
    store: Store, name: str, labels: Iterable[LabelName], seen: Iterable[LabelName] | None = None
) -> LabelTask:
    """Put `labels` in the place of a task's. None may be missing: one that is offered no more is merged (`into`) or `retired`.

    `seen` are the labels that the change was made from. Raises `BusyError` when they are others by now, `SettingsError` when one is missing or two on offer have the
    same name.
    """
    chosen = _checked(tuple(labels))
    with store.writing() as connection:
        row = _task_row(connection, store, name)
        if row and seen is not None and row["labels"] != _plain(seen):
            raise BusyError(
                _(
                    "the labels of task `{task}` were changed by somebody else meanwhile; give the command again",
                    task=name,
                )
            )
        before = {label["id"] for label in row["labels"]} if row else set()
        if missing := before - {label.id for label in chosen}:
            raise SettingsError(
                _("label `{label}` has annotations that would be lost; merge it or retire it", label=min(missing))
            )
        connection.execute(_tasks.update().where(*_at(_tasks, store, name)).values(labels=_plain(chosen)))
    store.event("label-change", task=name, labels=len(chosen))
    return task(store, name)


def _plain(labels: Iterable[LabelName]) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = json.loads(json.dumps([asdict(label) for label in labels]))
    return plain


def change_task(store: Store, name: str, **settings: Any) -> LabelTask:
    """Change a task's `guidelines`, `overlap` or `gold_share`; anything else is kept among its `settings`."""
    with store.writing() as connection:
        row = _task_row(connection, store, name)
        if row is not None:
            columns = {key: settings.pop(key) for key in ("guidelines", "overlap", "gold_share") if key in settings}
            _check_shares(columns.get("overlap", 0), columns.get("gold_share", 0))
            values = columns | {"settings": dict(row["settings"]) | settings}
            connection.execute(_tasks.update().where(*_at(_tasks, store, name)).values(**values))
    return task(store, name)


def resolved(task: LabelTask, label: str) -> LabelName:
    """Return what a label id stands for today: a merged label is the one that it was merged into. Raises `InputError` for an unknown id."""
    known = {one.id: one for one in task.labels}
    seen: set[str] = set()
    while label in known and known[label].into and label not in seen:
        seen.add(label)
        label = known[label].into
    if label not in known:
        raise InputError(_("task `{task}` has no label with the id `{label}`", task=task.name, label=label))
    return known[label]


def named(task: LabelTask, name: str) -> LabelName:
    """Find a label on offer by its name, Chinese name or id, whatever its case. Raises `InputError`."""
    wanted = name.strip().casefold()
    for label in task.choices:
        if wanted in (label.name.casefold(), label.chinese.casefold(), label.id):
            return label
    raise InputError(
        _("task `{task}` has no label `{label}`; see `skerry label show {task}`", task=task.name, label=name)
    )


def standing_for(task: LabelTask, name: str) -> LabelName | None:
    """Return the label that a name in the data set itself stands for today; None for a foreign name.

    The data set is older than any change: its name may be one that was split (then it is retired), merged or given up since.
    """
    split = [label for label in task.labels if label.retired and name in (label.name, *label.was)]
    now = [label for label in task.labels if name in (label.name, label.chinese, label.id)]
    once = [label for label in task.labels if name in label.was]
    found = next(iter((*split, *now, *once)), None)
    return resolved(task, found.id) if found else None


def _check_task(dataset: Dataset, kind: str, overlap: float, gold_share: float) -> None:
    if dataset.stage == "raw":
        raise PolicyError(
            _("`{dataset}` is raw: people label scrubbed records only; first run `skerry scrub {dataset}`", dataset=dataset.reference)
        )  # fmt: skip
    if kind not in KINDS:
        raise SettingsError(_("`{kind}` is no kind of labeling; choose single, multi or spans", kind=kind))
    _check_shares(overlap, gold_share)


def _check_shares(*shares: float) -> None:
    for share in shares:
        if not 0 <= share <= 1:
            raise SettingsError(_("`{value}` is no share; give a number from 0 to 1", value=share))


def _checked(labels: tuple[LabelName, ...]) -> tuple[LabelName, ...]:
    offered = [label.name.casefold() for label in labels if not label.into and not label.retired]
    twice = next((name for name in offered if offered.count(name) > 1), None)
    if not offered or not all(offered) or twice is not None:
        raise SettingsError(_("label `{label}` is empty or there twice; give each label one name", label=twice or ""))
    if len({label.id for label in labels}) < len(labels):
        raise SettingsError(_("two labels have the same id"))
    return labels


def _task_values(one: LabelTask) -> dict[str, Any]:
    values = asdict(one)
    return values | {"labels": list(values["labels"]), "settings": dict(one.settings)}


def _task(row: Mapping[str, Any]) -> LabelTask:
    labels = tuple(LabelName(**label | {"was": tuple(label.get("was", ()))}) for label in row["labels"])
    return LabelTask(**dict(row) | {"labels": labels})


def _task_row(connection: sa.Connection, store: Store, name: str) -> dict[str, Any] | None:
    row = connection.execute(sa.select(_tasks).where(*_at(_tasks, store, name))).mappings().first()
    return dict(row) if row else None


def _at(table: sa.Table, store: Store, name: str) -> tuple[Any, Any]:
    return table.c.project == store.project, (table.c.name if table is _tasks else table.c.task) == name


def follow(store: Store, old: str, new: str, records: Sequence[str]) -> None:
    """Let the tasks about the data set `old` be about `new`, which holds `records` (ids, in their order) and no others.

    What was said about a record that is gone is removed with its place in the queue; other items get their new row.
    """
    with store.writing() as connection:
        for name in _tasks_about(connection, store, old):
            _remove(connection, store, name, frozenset(records))
            rows = [{"at": record, "now": row} for row, record in enumerate(records)]
            here = (*_at(_queue, store, name), _queue.c.record == sa.bindparam("at"))
            if rows:
                connection.execute(_queue.update().where(*here).values(row=sa.bindparam("now")), rows)
            connection.execute(_tasks.update().where(*_at(_tasks, store, name)).values(dataset=new))


def forget(store: Store, dataset: str) -> None:
    """Remove the tasks about a data set that is erased, with all that was said."""
    with store.writing() as connection:
        for name in _tasks_about(connection, store, dataset):
            _remove(connection, store, name, frozenset())
            connection.execute(_tasks.delete().where(*_at(_tasks, store, name)))


def _tasks_about(connection: sa.Connection, store: Store, dataset: str) -> list[str]:
    query = sa.select(_tasks.c.name).where(_tasks.c.project == store.project, _tasks.c.dataset == dataset)
    return list(connection.execute(query).scalars())


def _remove(connection: sa.Connection, store: Store, task: str, kept: frozenset[str]) -> None:
    for table in (_annotations, _queue, _leases):
        there = connection.execute(sa.select(table.c.record).where(*_at(table, store, task)).distinct()).scalars()
        for gone in [record for record in there if record not in kept]:
            connection.execute(table.delete().where(*_at(table, store, task), table.c.record == gone))


def copy_answers(old: Path, new: Path, records: frozenset[str]) -> None:
    """Copy the several labels or spans that lie beside a data set's records (`ANSWERS`), of these records only, where there are any."""
    if (old / ANSWERS).exists():
        lines = (old / ANSWERS).read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["record"] in records]
        (new / ANSWERS).write_bytes(b"".join(kept))


# -- the queue ---------------------------------------------------------------------------------------------------------


def enqueue(store: Store, task: LabelTask, items: Iterable[QueueItem], again: bool = False) -> int:
    """Let records wait for answers; returns how many are new. One that waits or was answered already stays as it is.

    With `again` it is asked anew, of those too who answered before. One with the reason `gold` is asked of everybody who has not answered it. A share `task.overlap` of the records, chosen by their ids, needs
    `overlap_people` (a setting of the task, 2) answers.
    """
    people, given = int(task.settings.get("overlap_people", 2)), list(items)
    with store.writing() as connection:
        last = connection.execute(sa.select(sa.func.max(_annotations.c.number))).scalar() or 0
        anew = [item for item in given if again or item.reason == "gold"]
        _each(connection, _queue.delete().where(*_bound(_queue, store, task.name)), [_key(item) for item in anew])
        before = connection.execute(sa.select(sa.func.count()).select_from(_queue)).scalar() or 0
        rows = [_queue_values(store, task, item, people) | {"since": last if again or item.reason == "gold" else 0} for item in given]  # fmt: skip
        _each(connection, _queue.insert().prefix_with("OR IGNORE"), rows)
        after = connection.execute(sa.select(sa.func.count()).select_from(_queue)).scalar() or 0
    return int(after - before)


def _each(connection: sa.Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)


def _bound(table: sa.Table, store: Store, task: str) -> tuple[Any, ...]:
    # the rows of one record, ordinary or for review: executed with many keys at once
    here = (table.c.record == sa.bindparam("at"), table.c.review == sa.bindparam("for_review"))
    return *_at(table, store, task), *here


def _key(one: QueueItem | Annotation) -> dict[str, Any]:
    return {"at": one.record, "for_review": one.review}


def _queue_values(store: Store, task: LabelTask, item: QueueItem, people: int) -> dict[str, Any]:
    overlaps = not item.review and _drawn(task.name, item.record) < task.overlap
    needed = max(item.needed, people) if overlaps else item.needed
    fresh = {"needed": _EVERYBODY if item.reason == "gold" else needed, "answers": 0, "attempts": 0, "closed": False}
    return {name: getattr(item, name) for name in _QUEUED} | fresh | {"project": store.project, "task": task.name}


def _drawn(task: str, record: str) -> float:
    # the same number in [0, 1) for the same record, whenever it is queued
    return int.from_bytes(hashlib.sha256(f"{task} {record}".encode()).digest()[:6], "big") / 2**48


def queue(store: Store, task: str, batch: int | None = None, review: bool | None = None) -> list[QueueItem]:
    """List the items of a task in their order, with how many people have answered each."""
    wanted = [*_at(_queue, store, task)]
    wanted += [_queue.c.batch == batch] if batch is not None else []
    wanted += [_queue.c.review == review] if review is not None else []
    query = sa.select(*(_queue.c[name] for name in _QUEUED)).where(*wanted)
    with store.reading() as connection:
        rows = connection.execute(query.order_by(_queue.c.batch, _queue.c.place, _queue.c.record)).mappings()
        return [QueueItem(**row) for row in rows]


def row_of(store: Store, task: str, record: str) -> int | None:
    """Return the row of a record that was queued, else None."""
    query = sa.select(_queue.c.row).where(*_at(_queue, store, task), _queue.c.record == record).limit(1)
    with store.reading() as connection:
        return connection.execute(query).scalar()


def lease_next(
    store: Store, task: str, person: str, count: int = 2, reviewer: bool = False, seconds: float = LEASE_S
) -> list[QueueItem]:
    """Give `person` the next `count` records for `seconds`: first those they hold already, never one they have answered.

    A reviewer gets what waits for review first. A gold question comes as soon as the person's share of them is below `gold_share`.
    """
    with store.writing() as connection:
        found = _task_row(connection, store, task)
        held = _held(connection, store, task, person, reviewer)[:count]
        for pick in (
            *([_waiting(store, task, person, review=True)] if reviewer else []),
            *([_gold(store, task, person)] if found and _gold_is_due(connection, store, found, person) else []),
            _waiting(store, task, person, review=False),
        ):
            room = count - len(held)
            if room > 0:
                known = {(item.record, item.review) for item in held}
                rows = connection.execute(pick.limit(count + len(held))).mappings()
                new = [QueueItem(**row) for row in rows if (row["record"], row["review"]) not in known]
                held += new[: 1 if new and new[0].reason == "gold" else room]
        until = time.time() + seconds
        for item in held:
            _hold(connection, store, item, person, until)
    return [replace(item, holder=person, until=until) for item in held]


def lease(
    store: Store, task: str, person: str, record: str, review: bool = False, seconds: float = LEASE_S
) -> QueueItem:
    """Give `person` this record, for an undo or a reviewer's choice. Raises `NotFoundError`, and `BusyError` while others hold it."""
    here = _item_at(store, task, record, review)
    with store.writing() as connection:
        row = connection.execute(sa.select(*(_queue.c[name] for name in _QUEUED)).where(*here)).mappings().first()
        if row is None:
            raise NotFoundError(_("this record does not wait for an answer in task `{task}`", task=task))
        item = QueueItem(**row)
        others = connection.execute(sa.select(sa.func.count()).where(*_live(store, task, record, review, person)))
        if int(others.scalar() or 0) >= item.needed:
            raise BusyError(_("somebody else is at this record; take the next one"))
        until = time.time() + seconds
        _hold(connection, store, item, person, until)
    return replace(item, holder=person, until=until)


def renew(store: Store, task: str, person: str, seconds: float = LEASE_S) -> int:
    """Keep what the person holds for another `seconds`; returns how many records."""
    mine = (*_at(_leases, store, task), _leases.c.person == person, _leases.c.until > time.time())
    with store.writing() as connection:
        return connection.execute(_leases.update().where(*mine).values(until=time.time() + seconds)).rowcount


def give_back(store: Store, task: str, person: str) -> int:
    """Let others have what the person holds; returns how many records."""
    with store.writing() as connection:
        mine = (*_at(_leases, store, task), _leases.c.person == person)
        return connection.execute(_leases.delete().where(*mine)).rowcount


def _item_at(store: Store, task: str, record: str, review: bool) -> tuple[Any, ...]:
    return *_at(_queue, store, task), _queue.c.record == record, _queue.c.review == review


def _live(store: Store, task: str, record: Any, review: Any, person: str) -> tuple[Any, ...]:
    same = (*_at(_leases, store, task), _leases.c.record == record, _leases.c.review == review)
    return *same, _leases.c.until > time.time(), _leases.c.person != person


def _answered(store: Store, task: str, person: str) -> Any:
    mine = sa.select(_annotations.c.number).where(
        *_at(_annotations, store, task), _annotations.c.record == _queue.c.record, _annotations.c.review == _queue.c.review,
        # not by the index of the person, who may have answered thousands: a record has few answers
        sa.func.ifnull(_annotations.c.annotator, "") == person, _annotations.c.current, _annotations.c.state != "withdrawn",
        _annotations.c.source.in_(PEOPLE), sa.or_(_annotations.c.number > _queue.c.since, _queue.c.reason == "gold"),
    )  # fmt: skip
    return sa.exists(mine.correlate(_queue))


def _open(store: Store, task: str, person: str) -> sa.Select[Any]:
    return sa.select(*(_queue.c[name] for name in _QUEUED)).where(
        *_at(_queue, store, task), ~_queue.c.closed, ~_answered(store, task, person)
    )


def _waiting(store: Store, task: str, person: str, review: bool) -> sa.Select[Any]:
    others = sa.select(sa.func.count()).where(*_live(store, task, _queue.c.record, _queue.c.review, person))
    free = _queue.c.answers + others.correlate(_queue).scalar_subquery() < _queue.c.needed
    wanted = _open(store, task, person).where(_queue.c.review == review, _queue.c.reason != "gold", free)
    return wanted.order_by(_queue.c.batch, _queue.c.place)


def _gold(store: Store, task: str, person: str) -> sa.Select[Any]:
    # each person meets the gold questions in the same order: that of their ids, which is random
    return _open(store, task, person).where(_queue.c.reason == "gold").order_by(_queue.c.record)


def _held(connection: sa.Connection, store: Store, task: str, person: str, reviewer: bool) -> list[QueueItem]:
    live = (*_at(_leases, store, task), _leases.c.person == person, _leases.c.until > time.time())
    mine = connection.execute(sa.select(_leases.c.record, _leases.c.review).where(*live)).all()
    query = _open(store, task, person).where(_queue.c.record.in_([record for record, _review in mine]))
    query = query if reviewer else query.where(~_queue.c.review)
    rows = connection.execute(query.order_by(_queue.c.review.desc(), _queue.c.batch, _queue.c.place)).mappings()
    held = {(record, bool(review)) for record, review in mine}
    return [QueueItem(**row) for row in rows if (row["record"], row["review"]) in held]


def _gold_is_due(connection: sa.Connection, store: Store, task: Mapping[str, Any], person: str) -> bool:
    if not task["gold_share"]:
        return False
    mine = sa.select(_annotations.c.record).where(
        *_at(_annotations, store, task["name"]), _annotations.c.annotator == person, _annotations.c.current, ~_annotations.c.review,
    )  # fmt: skip
    gold = sa.select(_queue.c.record).where(*_at(_queue, store, task["name"]), _queue.c.reason == "gold")
    everything, golden = (
        connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar() or 0
        for query in (mine, mine.where(_annotations.c.record.in_(gold)))
    )
    return bool(golden < task["gold_share"] * (everything + 1))


def _hold(connection: sa.Connection, store: Store, item: QueueItem, person: str, until: float) -> None:
    key = {"project": store.project, "task": item.task, "record": item.record, "review": item.review, "person": person}
    connection.execute(_leases.insert().prefix_with("OR REPLACE").values(**key, until=until))


# -- answers -----------------------------------------------------------------------------------------------------------


def save(store: Store, annotation: Annotation, expected_version: int = 0) -> Annotation:
    """Save a person's answer, or the next version of one; returns it as it stands in the store.

    `expected_version` is the version that the person saw, 0 for a new answer. Saving the same again changes nothing. A new answer of the
    source `human` needs a lease, live or run out: whoever has done the work does not lose it. Raises `BusyError` when somebody changed the
    answer meanwhile or it is not the person's turn, `InputError` for a value that does not fit the task, `PolicyError` for
    another person's answer, `NotFoundError` for an unknown task.
    """
    asked = task(store, annotation.task)
    _check(asked, annotation, PEOPLE)
    with store.writing() as connection:
        last = _last(connection, store, annotation.id)
        if last and last.version == expected_version + 1 and _same(last, annotation):
            return last
        if (last.version if last else 0) != expected_version:
            raise BusyError(_("this answer was changed meanwhile; look at it again, then save"))
        if last is None and annotation.source == "human":
            _check_turn(connection, store, annotation)
        if last and (last.annotator, last.record) != (annotation.annotator, annotation.record):
            raise PolicyError(_("this answer is another person's"))
        saved = replace(annotation, version=expected_version + 1, created=store.now())
        _add(connection, store, annotation.task, [saved])
        return saved


def withdraw(store: Store, identity: str, annotator: str) -> Annotation:
    """Undo an answer: a `withdrawn` version is added, and the record is the person's again. Raises `NotFoundError`, `PolicyError`."""
    with store.writing() as connection:
        last = _last(connection, store, identity)
        if last is None:
            raise NotFoundError(_("there is no answer `{identity}`", identity=identity))
        if last.annotator != annotator:
            raise PolicyError(_("this answer is another person's"))
        if last.state == "withdrawn":
            return last
        undone = replace(last, version=last.version + 1, state="withdrawn", created=store.now())
        _add(connection, store, last.task, [undone])
        item = QueueItem(last.task, last.record, 0, review=last.review)
        _hold(connection, store, item, annotator, time.time() + LEASE_S)
        return undone


def put(store: Store, task: LabelTask, answers: Iterable[Annotation]) -> dict[str, int]:
    """Take in people's answers from a file or from Label Studio, all or none: `{"new", "changed", "same"}`.

    One that is known by its id and differs becomes its next version; `created` is kept where it is given. Raises `InputError` for a value that does not fit the task.
    """
    counts = {"new": 0, "changed": 0, "same": 0}
    with store.writing() as connection:
        for chunk in _chunks(answers):
            known = _newest(connection, store, [one.id for one in chunk])
            made = []
            for answer in chunk:
                _check(task, answer, PEOPLE)
                last = known.get(answer.id)
                fate = "new" if last is None else "same" if _same(last, answer) else "changed"
                counts[fate] += 1
                if fate != "same":
                    version = last.version + 1 if last else 1
                    made.append(replace(answer, version=version, created=answer.created or store.now()))
            _add(connection, store, task.name, made)
    return counts


def _chunks(answers: Iterable[Annotation]) -> Iterator[list[Annotation]]:
    # a few hundred at a time, and no two of them about the same record: the later one must see the earlier
    chunk: dict[str, Annotation] = {}
    ids: set[str] = set()
    for answer in answers:
        if len(chunk) >= _CHUNK_ROWS or answer.record in chunk or answer.id in ids:
            yield list(chunk.values())
            chunk, ids = {}, set()
        chunk[answer.record] = answer
        ids.add(answer.id)
    if chunk:
        yield list(chunk.values())


def suggest(store: Store, task: LabelTask, source: str, annotator: str, values: Answers) -> int:
    """Put what a model or a rule proposes for records in the place of what this source proposed for them before; returns how many.

    `source` is `model` or `rule`, `annotator` names which. Suggestions are no labels: nothing counts them as a person's answer.
    """
    rows = [_values(store, _suggestion(task, record, source, annotator, value)) for record, value in values.items()]
    same = [*_at(_annotations, store, task.name), _annotations.c.source == source]
    same += [_annotations.c.annotator == annotator] if source == "rule" else []
    with store.writing() as connection:
        for begin in range(0, len(rows), _PAGE_ROWS):
            page = rows[begin : begin + _PAGE_ROWS]
            for here in range(0, len(page), 500):
                records = [row["record"] for row in page[here : here + 500]]
                connection.execute(_annotations.delete().where(*same, _annotations.c.record.in_(records)))
            connection.execute(_annotations.insert(), page)
    return len(rows)


def _suggestion(task: LabelTask, record: str, source: str, annotator: str, value: Mapping[str, Any]) -> Annotation:
    made = Annotation(uuid.uuid4().hex, task.name, record, annotator, source, value, version=1)
    _check(task, made, SUGGESTIONS)
    return made


def answers(
    store: Store,
    task: LabelTask,
    record: str | None = None,
    sources: Collection[str] = PEOPLE,
    annotator: str | None = None,
    states: Collection[str] = ("submitted", "skipped", "flagged"),
    history: bool = False,
) -> Iterator[Annotation]:
    """Stream a task's answers, oldest first, each in its newest version (with `history` in all of them), merged labels resolved.

    Suggestions come with `sources=SUGGESTIONS`.
    """
    wanted = [
        *_at(_annotations, store, task.name),
        _annotations.c.source.in_(sources),
        _annotations.c.state.in_(states),
    ]
    wanted += [] if history else [_annotations.c.current]
    wanted += [_annotations.c.record == record] if record is not None else []
    wanted += [_annotations.c.annotator == annotator] if annotator is not None else []
    seen = 0
    with store.reading() as connection:
        connection.exec_driver_sql("BEGIN")  # all pages see the same state: what is changed meanwhile is not met twice
        while True:
            query = sa.select(_annotations).where(*wanted, _annotations.c.number > seen).order_by(_annotations.c.number)
            rows = connection.execute(query.limit(_PAGE_ROWS)).mappings().all()
            for row in rows:
                yield _resolved(task, _annotation(store, dict(row)))
            if len(rows) < _PAGE_ROWS:
                return
            seen = rows[-1]["number"]


def gold_answers(store: Store, task: LabelTask) -> list[Annotation]:
    """List what people answered to gold questions since these were made: their skips too, but no reviewer's answer."""
    gold = sa.and_(_queue.c.project == _annotations.c.project, _queue.c.task == _annotations.c.task, _queue.c.record == _annotations.c.record)  # fmt: skip
    query = sa.select(_annotations).join(_queue, sa.and_(gold, ~_queue.c.review, _queue.c.reason == "gold"))
    wanted = [_annotations.c.current, ~_annotations.c.review, _annotations.c.number > _queue.c.since]
    wanted += [_annotations.c.source.in_(PEOPLE), _annotations.c.state.in_(("submitted", "skipped"))]
    with store.reading() as connection:
        rows = connection.execute(query.where(*_at(_annotations, store, task.name), *wanted)).mappings().all()
    return [_resolved(task, _annotation(store, dict(row))) for row in rows]


def progress(store: Store, task: str) -> dict[str, Any]:
    """Count a task's work: items `queued`, `closed`, `open`, waiting for `review`, under a live lease (`leased`), answers by state, by person, by batch."""
    everything, now = queue(store, task), time.time()
    mine = (*_at(_annotations, store, task), _annotations.c.current, _annotations.c.source.in_(PEOPLE))
    columns = (_annotations.c.annotator, _annotations.c.state, _annotations.c.seconds)
    with store.reading() as connection:
        rows = connection.execute(sa.select(*columns).where(*mine)).all()
        leased = sa.select(sa.func.count()).where(*_at(_leases, store, task), _leases.c.until > now)
        held = int(connection.execute(leased).scalar() or 0)
    ordinary = [item for item in everything if not item.review]
    states = {state: sum(row.state == state for row in rows) for state in STATES}
    return {
        "task": task,
        "queued": len(ordinary),
        "closed": sum(item.closed for item in ordinary),
        "open": sum(not item.closed and item.reason != "gold" for item in ordinary),
        "review": sum(item.review and not item.closed for item in everything),
        "leased": held,
        **states,
        "people": _people(rows),
        "batches": _batches(ordinary),
    }


def tally(store: Store, task: str, person: str) -> dict[str, int]:
    """Count what a page shows while people work: items `queued`, `open` and waiting for `review`, and the person's own answers (`mine`)."""
    count, review, closed = sa.func.count(), _queue.c.review, _queue.c.closed
    waiting = (count.filter(~review), count.filter(~review, ~closed, _queue.c.reason != "gold"), count.filter(review, ~closed))  # fmt: skip
    theirs = (*_at(_annotations, store, task), _annotations.c.annotator == person, _annotations.c.current)
    given = (_annotations.c.state != "withdrawn", _annotations.c.source.in_(PEOPLE))
    with store.reading() as connection:
        queued, still, reviews = connection.execute(sa.select(*waiting).where(*_at(_queue, store, task))).one()
        mine = connection.execute(sa.select(count).where(*theirs, *given)).scalar() or 0
    return {"queued": queued, "open": still, "review": reviews, "mine": mine}


def _people(rows: Iterable[Any]) -> list[dict[str, Any]]:
    by: dict[str, list[Any]] = {}
    for row in rows:
        by.setdefault(row.annotator, []).append(row)
    return [
        {"annotator": name}
        | {state: sum(row.state == state for row in theirs) for state in STATES}
        | {"median_s": _median([row.seconds for row in theirs if row.seconds is not None])}
        for name, theirs in sorted(by.items())
    ]


def _batches(items: Iterable[QueueItem]) -> list[dict[str, Any]]:
    found: dict[int, list[QueueItem]] = {}
    for item in items:
        if item.reason != "gold":
            found.setdefault(item.batch, []).append(item)
    return [
        {"batch": batch, "items": len(there), "closed": sum(item.closed for item in there), "attempted": sum(item.attempts >= item.needed for item in there)}
        for batch, there in sorted(found.items())
    ]  # fmt: skip


def _median(seconds: list[float]) -> float | None:
    return round(statistics.median(seconds), 2) if seconds else None


def _check(task: LabelTask, answer: Annotation, sources: Collection[str]) -> None:
    if answer.source not in sources or answer.state not in STATES or not answer.annotator.strip():
        raise InputError(_("an answer has the source `{source}` and the state `{state}`, which do not fit", source=answer.source, state=answer.state))  # fmt: skip
    if answer.state == "submitted" or answer.value:
        for label in labels_of(task, answer.value):
            resolved(task, label)


def labels_of(task: LabelTask, value: Mapping[str, Any]) -> list[str]:
    """Return the label ids that a value names: one, several, or one a span. Raises `InputError` when it is no value of the task's kind."""
    try:
        if task.kind == "single":
            found = [value["label"]]
        elif task.kind == "multi":
            found = list(value["labels"])
        else:
            spans = [(one["start"], one["end"], one["label"]) for one in value["spans"]]
            fit = all(type(start) is int and type(end) is int and 0 <= start < end for start, end, _label in spans)
            found = [label for _start, _end, label in spans] if fit else [None]
        if all(isinstance(label, str) for label in found):
            return found
    except (KeyError, TypeError):
        pass
    raise InputError(_("an answer of task `{task}` is no value of the kind `{kind}`", task=task.name, kind=task.kind))


def parts(value: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    """Return what an answer says as a set: `{(label,)}`, one a label, or `(start, end, label)` a span; empty for an empty answer."""
    if "spans" in value:
        return {(span["start"], span["end"], span["label"]) for span in value["spans"]}
    return {(label,) for label in value.get("labels", [value["label"]] if "label" in value else [])}


def _check_turn(connection: sa.Connection, store: Store, answer: Annotation) -> None:
    same = (*_at(_leases, store, answer.task), _leases.c.record == answer.record, _leases.c.review == answer.review)
    mine = sa.select(_leases.c.until).where(*same, _leases.c.person == answer.annotator)
    if connection.execute(mine).first() is None:
        raise BusyError(_("this record is not yours to answer now; take the next one"))
    here = (
        *_item_at(store, answer.task, answer.record, answer.review),
        _answered(store, answer.task, answer.annotator),
    )
    if connection.execute(sa.select(_queue.c.record).where(*here)).first() is not None:
        raise BusyError(_("you have answered this record already; change that answer"))


def _last(connection: sa.Connection, store: Store, identity: str) -> Annotation | None:
    return _newest(connection, store, [identity]).get(identity)


def _newest(connection: sa.Connection, store: Store, ids: list[str]) -> dict[str, Annotation]:
    query = sa.select(_annotations).where(_annotations.c.id.in_(ids), _annotations.c.project == store.project)
    rows = connection.execute(query.order_by(_annotations.c.version)).mappings().all()
    return {row["id"]: _annotation(store, dict(row)) for row in rows}


def _same(there: Annotation, given: Annotation) -> bool:
    return all(getattr(there, name) == getattr(given, name) for name in ("task", "record", "annotator", "value", "state", "note", "review"))  # fmt: skip


def _add(connection: sa.Connection, store: Store, task: str, made: list[Annotation]) -> None:
    """Write answers, each about a record of its own."""
    here = (*_bound(_annotations, store, task), _annotations.c.current)
    retire = _annotations.update().values(current=False)
    changed = [_key(one) | {"known": one.id} for one in made if one.version > 1]
    _each(connection, retire.where(*here, _annotations.c.id == sa.bindparam("known")), changed)
    # a person has one answer to a record: the newest, also where it was asked for again under another id
    only = [_key(one) | {"who": one.annotator, "how": one.source} for one in made if one.source != "studio" and one.state != "withdrawn"]  # fmt: skip
    theirs = (_annotations.c.annotator == sa.bindparam("who"), _annotations.c.source == sa.bindparam("how"))
    _each(connection, retire.where(*here, *theirs), only)
    _each(connection, _annotations.insert(), [_values(store, one) for one in made])
    done = _leases.delete().where(*_bound(_leases, store, task), _leases.c.person == sa.bindparam("who"))
    _each(connection, done, [_key(one) | {"who": one.annotator} for one in made])
    _count(connection, store, task, {(one.record, one.review) for one in made})


def _count(connection: sa.Connection, store: Store, task: str, touched: set[tuple[str, bool]]) -> None:
    """Bring the items of these records up to what was answered, and ask a reviewer where people are done and in doubt."""
    records = {record for record, _review in touched}
    found = connection.execute(sa.select(_queue).where(*_at(_queue, store, task), _queue.c.record.in_(records)))
    items = {(row["record"], row["review"]): dict(row) for row in found.mappings()}
    columns = (_annotations.c.record, _annotations.c.review, _annotations.c.annotator, _annotations.c.state, _annotations.c.value, _annotations.c.number)  # fmt: skip
    given = sa.select(*columns).where(
        *_at(_annotations, store, task), _annotations.c.record.in_({record for record, _review in items}), _annotations.c.current,
        _annotations.c.source.in_(PEOPLE), _annotations.c.state != "withdrawn",
    )  # fmt: skip
    said: dict[tuple[str, bool], dict[str, Any]] = {}  # of each person the newest answer
    for row in connection.execute(given.order_by(_annotations.c.number)).all() if items else ():
        said.setdefault((row.record, row.review), {})[row.annotator] = row
    changed: list[dict[str, Any]] = []
    doubts: list[dict[str, Any]] = []
    settled: list[dict[str, Any]] = []
    for key in touched & items.keys():
        item = items[key]
        rows = [row for row in said.get(key, {}).values() if row.number > item["since"]]
        states = [row.state for row in rows]
        closed = states.count("submitted") >= item["needed"] or "flagged" in states or states.count("skipped") > 1
        changed.append(dict(zip(("at", "for_review"), key, strict=True)) | {"a": states.count("submitted"), "t": len(states), "c": closed})  # fmt: skip
        if not key[1] and item["reason"] != "gold":
            reason = _doubt(states, [row.value for row in rows if row.state == "submitted"]) if closed else ""
            (doubts if reason else settled).append(item | {"reason": reason})
    values: dict[str, Any] = {
        name: sa.bindparam(short) for name, short in (("answers", "a"), ("attempts", "t"), ("closed", "c"))
    }
    _each(connection, _queue.update().where(*_bound(_queue, store, task)).values(values), changed)
    fresh = {"review": True, "needed": 1, "answers": 0, "attempts": 0, "closed": False, "since": 0}
    _each(connection, _queue.insert().prefix_with("OR IGNORE"), [item | fresh for item in doubts])
    # where people have come to agree by themselves, no reviewer is asked any more
    waiting = (~_queue.c.closed, sa.or_(*(_queue.c.reason == doubt for doubt in _DOUBTS)))
    over = _queue.delete().where(*_bound(_queue, store, task), *waiting)
    _each(connection, over, [{"at": item["record"], "for_review": True} for item in settled])


def _doubt(states: list[str], said: list[Mapping[str, Any]]) -> str:
    # why a reviewer should look at a record that people are done with; empty when nothing is wrong with it
    if "flagged" in states:
        return "flagged"
    if any(parts(one) != parts(said[0]) for one in said):
        return "disagreement"
    return "" if said else "skipped"


def _values(store: Store, one: Annotation) -> dict[str, Any]:
    note = store.keys.seal(_NOTE, one.note.encode()) if one.note else ""
    more = {"project": store.project, "note": note, "current": True, "created": one.created or store.now()}
    return asdict(one) | {"value": dict(one.value)} | more


def _annotation(store: Store, row: Mapping[str, Any]) -> Annotation:
    values = {name: row[name] for name in Annotation.__dataclass_fields__}
    return Annotation(**values | {"note": store.keys.open(_NOTE, row["note"]).decode() if row["note"] else ""})


def _resolved(task: LabelTask, one: Annotation) -> Annotation:
    if not any(label.into for label in task.labels) or not one.value:
        return one
    value = dict(one.value)
    if "label" in value:
        value["label"] = resolved(task, value["label"]).id
    if "labels" in value:
        value["labels"] = list(dict.fromkeys(resolved(task, label).id for label in value["labels"]))
    if "spans" in value:
        value["spans"] = [span | {"label": resolved(task, span["label"]).id} for span in value["spans"]]
    return replace(one, value=value)
