"""The tables of labeling: nothing that a person did is lost or counted twice, and suggestions are never labels."""

import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from appliance import annotations
from appliance.errors import BusyError, InputError, NotFoundError, PolicyError, SettingsError
from appliance.schema import Annotation, Dataset, LabelTask, QueueItem, Record
from appliance.store import Store

NOTE = "the patient's name stands in line 3"


def dataset(store: Store, rows: int = 10, stage: str = "scrubbed") -> Dataset:
    with store.draft("dataset", "notes", meta={"stage": stage}) as draft:
        store.write_records(draft, [Record(f"{row:032x}", f"text {row}") for row in range(rows)])
    made: Dataset = draft.artifact
    return made


def a_task(store: Store, rows: int = 10, kind: str = "single", **more: Any) -> LabelTask:
    labels = [annotations.new_label(name) for name in ("yes", "no", "other")]
    made = annotations.create_task(store, "triage", dataset(store, rows), kind, labels, **more)
    annotations.enqueue(store, made, [QueueItem("triage", f"{row:032x}", row, place=row) for row in range(rows)])
    return made


def answer(task: LabelTask, record: str, who: str, number: int = 0, **more: Any) -> Annotation:
    value = {"label": task.labels[number].id}
    identity = f"{abs(hash((record, who))):032x}"[-32:]
    return replace(Annotation(identity, task.name, record, who, "human", value), **more)


def give(store: Store, task: LabelTask, who: str, number: int = 0) -> Annotation:
    """Take the next record and answer it."""
    (item,) = annotations.lease_next(store, task.name, who, count=1)
    return annotations.save(store, answer(task, item.record, who, number))


def test_a_task_is_found_as_it_was_made() -> None:
    store = Store.open()
    made = a_task(store, guidelines="# Yes\nwhen it says so", overlap=0.2, gold_share=0.1, color="calm")
    assert annotations.task(store, "triage") == made
    assert [one.name for one in annotations.tasks(store)] == ["triage"]
    assert annotations.tasks(store.within("main")) == [made]
    assert made.settings == {"color": "calm"}
    assert [event.verb for event in store.events()][-1] == "label-create"


def test_a_task_of_another_project_is_not_seen() -> None:
    store = Store.open()
    a_task(store)
    other = Store.open(project="other")
    assert annotations.tasks(other) == []
    with pytest.raises(NotFoundError, match="none yet"):
        annotations.task(other, "triage")


def test_raw_records_are_not_labelled() -> None:
    store = Store.open()
    raw = replace(dataset(store), meta={"stage": "raw"})
    with pytest.raises(PolicyError, match="skerry scrub"):
        annotations.create_task(store, "t", raw, "single", [annotations.new_label("a")])


@pytest.mark.parametrize(
    ("kind", "names", "overlap", "match"),
    [
        ("ranking", ["a"], 0.0, "ranking"),
        ("single", [], 0.0, "label"),
        ("single", ["a", "A "], 0.0, "twice"),
        ("single", ["a", " "], 0.0, "empty"),
        ("single", ["a"], 1.5, r"1\.5"),
    ],
)
def test_a_task_that_cannot_be_is_refused(kind: str, names: list[str], overlap: float, match: str) -> None:
    store = Store.open()
    labels = [annotations.new_label(name) for name in names]
    with pytest.raises(SettingsError, match=match):
        annotations.create_task(store, "t", dataset(store), kind, labels, overlap=overlap)
    assert annotations.tasks(store) == []


def test_two_tasks_of_one_name_are_refused() -> None:
    store = Store.open()
    a_task(store)
    with pytest.raises(PolicyError, match="triage"):
        annotations.create_task(store, "triage", dataset(store), "single", [annotations.new_label("a")])


def test_records_come_in_their_order_and_never_twice() -> None:
    store = Store.open()
    task = a_task(store, rows=3)
    given = [give(store, task, "ann").record for _number in range(3)]
    assert given == [f"{row:032x}" for row in range(3)]
    assert annotations.lease_next(store, "triage", "ann") == []


def test_what_a_person_holds_comes_first_again_and_nobody_else_gets_it() -> None:
    store = Store.open()
    a_task(store, rows=5)
    first = annotations.lease_next(store, "triage", "ann", count=2)
    assert [item.record for item in annotations.lease_next(store, "triage", "ann", count=2)] == [item.record for item in first]  # fmt: skip
    others = annotations.lease_next(store, "triage", "bob", count=3)
    assert not {item.record for item in first} & {item.record for item in others}
    assert annotations.lease_next(store, "triage", "cyd") == []
    assert [item.holder for item in first] == ["ann", "ann"]


def test_a_lease_that_ran_out_goes_to_another_and_late_work_is_kept() -> None:
    """The record is asked of somebody else, but whoever did the work all the same does not lose it."""
    store = Store.open()
    task = a_task(store, rows=1)
    (held,) = annotations.lease_next(store, "triage", "ann", seconds=-1)
    (taken,) = annotations.lease_next(store, "triage", "bob")
    assert taken.record == held.record
    annotations.save(store, answer(task, held.record, "bob"))
    annotations.save(store, answer(task, held.record, "ann"))
    assert len(list(annotations.answers(store, task))) == 2


def test_a_record_that_is_not_ones_own_is_refused() -> None:
    store = Store.open()
    task = a_task(store)
    with pytest.raises(BusyError, match="not yours"):
        annotations.save(store, answer(task, f"{1:032x}", "ann"))
    assert list(annotations.answers(store, task)) == []


def test_leases_are_renewed_and_given_back() -> None:
    store = Store.open()
    a_task(store, rows=1)
    annotations.lease_next(store, "triage", "ann")
    assert annotations.renew(store, "triage", "ann") == 1
    assert annotations.progress(store, "triage")["leased"] == 1
    assert annotations.give_back(store, "triage", "ann") == 1
    assert len(annotations.lease_next(store, "triage", "bob")) == 1
    with pytest.raises(BusyError, match="somebody else"):
        annotations.lease(store, "triage", "ann", f"{0:032x}")


def test_saving_the_same_again_changes_nothing() -> None:
    """A client that heard no answer asks again."""
    store = Store.open()
    task = a_task(store)
    saved = give(store, task, "ann")
    again = annotations.save(store, replace(saved, version=0))
    assert again == saved
    assert len(list(annotations.answers(store, task, history=True))) == 1


def test_a_change_is_a_new_version_and_a_stale_one_is_refused() -> None:
    store = Store.open()
    task = a_task(store)
    saved = give(store, task, "ann")
    changed = annotations.save(store, replace(saved, value={"label": task.labels[1].id}), expected_version=1)
    assert changed.version == 2
    with pytest.raises(BusyError, match="meanwhile"):
        annotations.save(store, replace(saved, value={"label": task.labels[2].id}), expected_version=1)
    assert [one.value for one in annotations.answers(store, task)] == [changed.value]
    assert len(list(annotations.answers(store, task, history=True))) == 2


def test_an_answer_belongs_to_who_gave_it() -> None:
    store = Store.open()
    task = a_task(store)
    saved = give(store, task, "ann")
    with pytest.raises(PolicyError, match="another person"):
        annotations.save(store, replace(saved, annotator="bob", value={"label": task.labels[1].id}), expected_version=1)
    with pytest.raises(PolicyError, match="another person"):
        annotations.withdraw(store, saved.id, "bob")


def test_a_second_answer_of_one_person_is_refused() -> None:
    store = Store.open()
    task = a_task(store, rows=1)
    saved = give(store, task, "ann")
    annotations.withdraw(store, saved.id, "ann")
    annotations.save(store, replace(saved, id="f" * 32))
    with pytest.raises(BusyError, match=r"not yours|already"):
        annotations.save(store, replace(saved, id="e" * 32))


def test_an_undo_is_kept_and_gives_the_record_back() -> None:
    store = Store.open()
    task = a_task(store, rows=1)
    saved = give(store, task, "ann")
    assert annotations.withdraw(store, saved.id, "ann").state == "withdrawn"
    assert annotations.withdraw(store, saved.id, "ann").version == 2
    assert list(annotations.answers(store, task)) == []
    assert [one.state for one in annotations.answers(store, task, states=annotations.STATES, history=True)] == ["submitted", "withdrawn"]  # fmt: skip
    assert [item.record for item in annotations.lease_next(store, "triage", "ann")] == [saved.record]
    assert annotations.lease_next(store, "triage", "bob") == []
    with pytest.raises(BusyError):
        annotations.save(store, replace(saved, version=0))


def test_overlap_asks_several_people_and_closes_when_they_have_answered() -> None:
    store = Store.open()
    task = a_task(store, rows=4, overlap=1.0)
    assert {give(store, task, "ann").record for _number in range(4)} == {give(store, task, "bob").record for _number in range(4)}  # fmt: skip
    assert all(item.closed and item.answers == 2 for item in annotations.queue(store, "triage"))
    assert annotations.lease_next(store, "triage", "cyd") == []


def test_about_the_share_asked_for_overlaps_and_always_the_same_records() -> None:
    store = Store.open()
    task = a_task(store, rows=400, overlap=0.25)
    several = {item.record for item in annotations.queue(store, "triage") if item.needed == 2}
    assert 60 < len(several) < 140
    items = [QueueItem("triage", f"{row:032x}", row) for row in range(400)]
    annotations.enqueue(store, task, items, again=True)
    assert {item.record for item in annotations.queue(store, "triage") if item.needed == 2} == several


def test_a_skip_asks_somebody_else_and_a_flag_closes() -> None:
    store = Store.open()
    task = a_task(store, rows=2)
    (item,) = annotations.lease_next(store, "triage", "ann", count=1)
    annotations.save(store, answer(task, item.record, "ann", state="skipped", value={}))
    assert [one.record for one in annotations.lease_next(store, "triage", "bob", count=1)] == [item.record]
    annotations.save(store, answer(task, item.record, "bob", state="flagged", value={}, note=NOTE))
    first = annotations.queue(store, "triage")[0]
    assert (first.closed, first.answers, first.attempts) == (True, 0, 2)
    assert [one.note for one in annotations.answers(store, task, states=("flagged",))] == [NOTE]


def test_a_note_is_sealed_in_the_tables_and_out_of_sight() -> None:
    store = Store.open()
    task = a_task(store)
    (item,) = annotations.lease_next(store, "triage", "ann", count=1)
    saved = annotations.save(store, answer(task, item.record, "ann", note=NOTE))
    assert NOTE not in repr(saved)
    with store.reading() as connection:
        assert NOTE not in str(connection.execute(sa.text("SELECT * FROM annotations")).all())
    assert not any(NOTE.encode() in path.read_bytes() for path in store.home.rglob("*") if path.is_file())


def test_a_gold_question_comes_to_everybody_at_its_share() -> None:
    store = Store.open()
    task = a_task(store, rows=40, gold_share=0.25)
    golden = [QueueItem("triage", f"{row:032x}", row, reason="gold") for row in (37, 38, 39)]
    annotations.enqueue(store, task, golden, again=True)
    for who in ("ann", "bob"):
        met = [give(store, task, who).record for _number in range(8)]
        assert sum(record in {item.record for item in golden} for record in met) == 2


def test_review_items_go_to_reviewers_only_and_first() -> None:
    store = Store.open()
    task = a_task(store, rows=3)
    saved = give(store, task, "ann")
    annotations.enqueue(store, task, [QueueItem("triage", saved.record, 0, reason="disagreement", review=True)])
    assert all(not item.review for item in annotations.lease_next(store, "triage", "bob", count=1))
    (item,) = annotations.lease_next(store, "triage", "rev", count=1, reviewer=True)
    assert (item.record, item.review) == (saved.record, True)
    annotations.save(store, answer(task, saved.record, "rev", 1, review=True))
    assert [item.review for item in annotations.lease_next(store, "triage", "rev", reviewer=True)] == [False]
    assert annotations.progress(store, "triage")["review"] == 0


def test_a_record_asked_again_is_asked_of_the_same_person_too() -> None:
    store = Store.open()
    task = a_task(store, rows=1)
    old = give(store, task, "ann")
    item = QueueItem("triage", old.record, 0, reason="split")
    assert annotations.enqueue(store, task, [item]) == 0
    assert annotations.lease_next(store, "triage", "ann") == []
    assert annotations.enqueue(store, task, [item], again=True) == 1
    (again,) = annotations.lease_next(store, "triage", "ann")
    annotations.save(store, replace(answer(task, again.record, "ann", 2), id="d" * 32))
    assert [one.id for one in annotations.answers(store, task)] == ["d" * 32]
    assert len(list(annotations.answers(store, task, history=True))) == 2


def test_answers_from_outside_come_in_once_however_often_they_are_given() -> None:
    store = Store.open()
    task = a_task(store)
    given = [answer(task, f"{row:032x}", "ann", source="studio") for row in range(4)]
    assert annotations.put(store, task, given) == {"new": 4, "changed": 0, "same": 0}
    assert annotations.put(store, task, given) == {"new": 0, "changed": 0, "same": 4}
    gone = replace(given[0], state="withdrawn")
    assert annotations.put(store, task, [gone, *given[1:]]) == {"new": 0, "changed": 1, "same": 3}
    assert len(list(annotations.answers(store, task))) == 3
    assert [item.closed for item in annotations.queue(store, "triage")][:4] == [False, True, True, True]


def test_two_answers_of_one_person_in_the_studio_both_stay() -> None:
    store = Store.open()
    task = a_task(store)
    first, second = (replace(answer(task, "0" * 32, "ann", source="studio"), id=letter * 32) for letter in "ab")
    annotations.put(store, task, [first, second])
    annotations.put(store, task, [replace(second, state="withdrawn")])
    assert [one.id for one in annotations.answers(store, task)] == [first.id]


def test_of_many_answers_none_comes_in_when_one_does_not_fit() -> None:
    store = Store.open()
    task = a_task(store)
    bad = answer(task, "1" * 32, "ann", source="import", value={"label": "nowhere"})
    with pytest.raises(InputError, match="nowhere"):
        annotations.put(store, task, [answer(task, "0" * 32, "ann", source="import"), bad])
    assert list(annotations.answers(store, task)) == []


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("single", {}),
        ("single", {"labels": []}),
        ("multi", {"labels": "yes"}),
        ("multi", {"labels": [None]}),
        ("spans", {"spans": [{"start": 3, "end": 3, "label": "x"}]}),
        ("spans", {"spans": [{"start": -1, "end": 3, "label": "x"}]}),
        ("spans", {"spans": [{"start": 0.5, "end": 3, "label": "x"}]}),
        ("spans", {"spans": [[1, 2, "x"]]}),
    ],
)
def test_a_value_of_another_shape_is_refused(kind: str, value: dict[str, object]) -> None:
    store = Store.open()
    task = a_task(store, kind=kind)
    with pytest.raises(InputError):
        annotations.put(store, task, [answer(task, "0" * 32, "ann", source="import", value=value)])


def test_suggestions_are_no_labels_and_new_ones_take_the_place_of_old_ones() -> None:
    store = Store.open()
    task = a_task(store)
    yes, no = ({"label": label.id, "score": 0.9} for label in task.labels[:2])
    assert annotations.suggest(store, task, "model", "m@1", {"0" * 32: yes, f"{1:032x}": yes}) == 2
    annotations.suggest(store, task, "rule", "keywords", {"0" * 32: yes})
    annotations.suggest(store, task, "model", "m@2", {"0" * 32: no})
    assert list(annotations.answers(store, task)) == []
    there = {(one.record[-1], one.annotator): one.value for one in annotations.answers(store, task, sources=annotations.SUGGESTIONS)}  # fmt: skip
    assert there == {("1", "m@1"): yes, ("0", "keywords"): yes, ("0", "m@2"): no}
    assert annotations.progress(store, "triage")["submitted"] == 0
    with pytest.raises(InputError):
        annotations.suggest(store, task, "human", "ann", {"0" * 32: yes})


def test_labels_change_their_names_and_none_is_lost() -> None:
    store = Store.open()
    task = a_task(store)
    saved = give(store, task, "ann")
    yes, no, other = task.labels
    renamed = annotations.change_labels(store, "triage", [replace(yes, name="oui", chinese="是"), no, other])
    assert annotations.named(renamed, "是") == annotations.named(renamed, "OUI") == renamed.labels[0]
    assert next(annotations.answers(store, renamed)).value == saved.value
    with pytest.raises(SettingsError, match="lost"):
        annotations.change_labels(store, "triage", [yes, no])


def test_a_merged_label_reads_as_the_one_it_went_into() -> None:
    store = Store.open()
    task = a_task(store)
    give(store, task, "ann")
    yes, no, other = task.labels
    merged = annotations.change_labels(store, "triage", [replace(yes, into=no.id), replace(no, into=other.id), other])
    assert next(annotations.answers(store, merged)).value == {"label": other.id}
    assert merged.choices == (other,)


def test_progress_counts_people_and_batches() -> None:
    store = Store.open()
    task = a_task(store, rows=4)
    give(store, task, "ann")
    (item,) = annotations.lease_next(store, "triage", "bob", count=1)
    annotations.save(store, answer(task, item.record, "bob", state="skipped", value={}, seconds=3.0))
    counted = annotations.progress(store, "triage")
    assert {key: counted[key] for key in ("queued", "closed", "open", "submitted", "skipped")} == {"queued": 4, "closed": 1, "open": 3, "submitted": 1, "skipped": 1}  # fmt: skip
    assert counted["batches"] == [{"batch": 0, "items": 4, "closed": 1, "attempted": 2}]
    assert [(one["annotator"], one["submitted"], one["median_s"]) for one in counted["people"]] == [("ann", 1, None), ("bob", 0, 3.0)]  # fmt: skip


def test_many_people_at_once_lose_and_double_nothing() -> None:
    """Eight people label 120 records through stores of their own; each sends every answer twice."""
    task = a_task(Store.open(), rows=120)
    faults: list[Exception] = []

    def work(who: str) -> None:
        store = Store.open()
        try:
            while items := annotations.lease_next(store, "triage", who, count=3):
                for item in items:
                    made = replace(answer(task, item.record, who), id=f"{item.row:016x}{who:0>16}")
                    annotations.save(store, made)
                    annotations.save(store, made)
        except Exception as error:
            faults.append(error)

    people = [threading.Thread(target=work, args=(f"{number}",)) for number in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert faults == []
    counted = Counter(one.record for one in annotations.answers(Store.open(), task))
    assert counted == Counter(f"{row:032x}" for row in range(120))


def test_a_large_queue_gives_the_next_record_by_its_index() -> None:
    """What is asked for with every answer does not read the whole table."""
    store = Store.open()
    a_task(store, rows=50)
    picks = [annotations._waiting(store, "triage", "ann", review=False), annotations._gold(store, "triage", "ann")]
    with store.reading() as connection:
        for pick in picks:
            written = str(pick.limit(2).compile(store.engine, compile_kwargs={"literal_binds": True}))
            plan = [row[-1] for row in connection.execute(sa.text("EXPLAIN QUERY PLAN " + written)).all()]
            assert not any(step.startswith("SCAN") for step in plan), plan


def test_the_tally_counts_as_the_progress_does() -> None:
    store = Store.open()
    task = a_task(store)
    for _each in range(3):
        give(store, task, "ann")
    annotations.withdraw(store, give(store, task, "ann").id, "ann")
    give(store, task, "bob")
    annotations.enqueue(store, task, [QueueItem("triage", f"{1:032x}", 1, review=True)])
    annotations.enqueue(store, task, [QueueItem("triage", f"{9:032x}", 9, reason="gold")], again=True)
    counts = annotations.progress(store, "triage")
    tally = annotations.tally(store, "triage", "ann")
    assert tally == {key: counts[key] for key in ("queued", "open", "review")} | {"mine": 3}
    assert annotations.tally(store, "triage", "nobody")["mine"] == 0


def test_the_next_record_comes_as_fast_however_many_were_answered() -> None:
    """The rows that SQLite looks at for a lease do not grow with the work that is done."""
    store = Store.open()
    task = a_task(store, rows=400)
    steps = []

    def count(connection: object, _record: object) -> None:
        connection.set_progress_handler(lambda: steps.append(1), 100)  # type: ignore[attr-defined]

    def looked_at() -> int:
        steps.clear()
        annotations.lease_next(store, "triage", "ann", 4)
        return len(steps)

    sa.event.listen(store.engine, "checkout", lambda connection, record, _proxy: count(connection, record))
    first = looked_at()
    for _each in range(300):
        give(store, task, "ann")
    assert looked_at() < 2 * first + 20


def test_an_answer_that_is_changed_while_all_are_read_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotations, "_PAGE_ROWS", 2)
    store = Store.open()
    task = a_task(store, rows=5)
    annotations.put(store, task, [answer(task, f"{row:032x}", "ann", source="import") for row in range(5)])
    read = []
    for one in annotations.answers(store, task):
        read.append((one.id, one.version))
        if len(read) == 2:
            annotations.put(store, task, [answer(task, f"{0:032x}", "ann", 1, source="import")])
    assert len({identity for identity, _version in read}) == len(read) == 5
    assert {version for _identity, version in read} == {1}
    assert sorted(one.version for one in annotations.answers(store, task)) == [1, 1, 1, 1, 2]


def test_a_person_counts_once_also_where_an_answer_of_theirs_is_imported() -> None:
    """The newest of one's answers counts towards the two people who are wanted, and nobody disagrees with oneself."""
    store = Store.open()
    task = a_task(store, rows=1, overlap=1.0)
    give(store, task, "ann")
    annotations.put(store, task, [answer(task, f"{0:032x}", "ann", 1, source="import", id="a" * 32)])
    [item] = annotations.queue(store, "triage")
    assert (item.needed, item.answers, item.closed, item.review) == (2, 1, False, False)
    give(store, task, "bob", 1)
    [item] = annotations.queue(store, "triage")
    assert (item.answers, item.closed) == (2, True)
