"""Erasure: a person goes from every data set of a project, for good, and what may still hold them is named."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance import cli, jobs
from appliance.erase import erase, erase_again, erase_subjects, ledger
from appliance.errors import BusyError, InputError, IntegrityError, NotFoundError, PolicyError
from appliance.monitor.ring import folder as monitor_folder
from appliance.privacy import site_rules
from appliance.privacy.site_rules import SiteRule
from appliance.release.registry import promote
from appliance.schema import Dataset, Model, Record, Source
from appliance.store import Store
from appliance.upkeep import fsck, save


def raw_set(store: Store, name: str = "notes", text: str = "Jan Novak") -> Dataset:
    """Six raw records of the subjects p0 and p1."""

    def rows() -> Iterator[Record]:
        for number in range(6):
            yield Record(
                f"{name}{number}", f"{text} {number}", "a", subject=f"p{number % 2}", source=Source("f.csv", number)
            )

    with store.draft("dataset", name, meta={"stage": "raw"}) as draft:
        store.write_records(draft, rows())
    found: Dataset = draft.artifact
    return found


def scrubbed(store: Store, raw: Dataset) -> Dataset:
    with store.draft("dataset", raw.name, parents=(raw.id,), meta={"stage": "scrubbed"}) as draft:
        store.write_records(
            draft,
            (
                replace(record, text="<PERSON_1>", source=None, subject=store.hmac("subject", str(record.subject)))
                for record in store.records(raw)
            ),
        )
    found: Dataset = draft.artifact
    return found


def line(store: Store) -> tuple[Dataset, Dataset]:
    """A raw set of six records of two subjects, and its scrubbed child."""
    raw = raw_set(store)
    return raw, scrubbed(store, raw)


def model(store: Store, parents: tuple[str, ...] = ()) -> Model:
    with store.draft("model", "triage", parents, {"format": "onnx", "labels": ["a"]}) as draft:
        (draft.folder / "model.onnx").write_bytes(b"weights")
    found: Model = draft.artifact
    return found


def subjects_left(store: Store) -> set[str | None]:
    return {record.subject for item in store.artifacts("dataset") for record in store.records(item)}


def test_erased_sets_are_accepted_by_fsck_and_audit() -> None:
    store = Store.open()
    raw, child = line(store)
    assert erase(store, raw.reference) == {"erased": [raw.reference], "models_to_retrain": []}
    assert fsck(store, verify_data=True)["ok"] and store.audit()["ok"]
    assert store.dataset("notes").parents == (raw.id,) and store.dataset("notes").id == child.id


def test_without_yes_a_person_is_only_listed() -> None:
    store = Store.open()
    raw, child = line(store)
    trained = model(store, parents=(child.id,))
    found = erase_subjects(store, ["p1"])
    assert found["would_erase"] == [
        {"dataset": raw.reference, "rows": 3},
        {"dataset": child.reference, "rows": 3},
    ]
    assert found["models_to_retrain"] == [trained.reference]
    assert {item.id for item in store.artifacts("dataset")} == {raw.id, child.id} and not ledger(store).exists()


def test_a_subject_goes_from_every_version_of_every_data_set() -> None:
    """Also from a second raw set, and from a set whose parent is gone; the others' rows stay."""
    store = Store.open()
    raw, child = line(store)
    other = raw_set(store, "letters")
    orphan = scrubbed(store, raw_set(store, "forms"))
    erase(store, "forms@" + orphan.parents[0])
    erase_subjects(store, ["p1"], yes=True)
    assert subjects_left(store) == {"p0", store.hmac("subject", "p0")}
    assert sorted(item.rows for item in store.artifacts("dataset")) == [3, 3, 3, 3]
    for gone in (raw, child, other, orphan):
        assert not gone.folder.exists()
    assert fsck(store, verify_data=True)["ok"] and store.audit()["ok"]


def test_children_name_their_parents_and_count_anew() -> None:
    store = Store.open()
    raw, child = line(store)
    with store.draft("dataset", "notes", (child.id,), {"stage": "curated", "labels": {"a": 6}}) as draft:
        store.write_records(draft, (replace(record, split="train") for record in store.records(child)))
    erase_subjects(store, ["p1"], yes=True)
    new_raw, new_child, newest = store.artifacts("dataset")
    assert set(new_child.parents) == {child.id, new_raw.id} and raw.id in new_raw.parents
    assert (newest.stage, newest.rows, newest.meta["labels"]) == ("curated", 3, {"a": 3})


def test_what_may_still_hold_the_person_is_named(tmp_path: Path) -> None:
    store = Store.open()
    _raw, child = line(store)
    trained = model(store, parents=(child.id,))
    promote(store, trained, "triage", "live", 0.0)
    save(store, child.reference, tmp_path / "notes.jsonl")
    store.event("egress", (trained.id,), kind="model")
    store.event("egress", (child.id,), kind="labels")
    store.within("other").event("backup")
    found = erase_subjects(store.within("main"), ["p1"])
    assert [copy["verb"] for copy in found["copies_outside"]] == ["save", "egress"]
    assert found["releases"] == ["triage"]


def test_a_search_finds_a_person_in_other_peoples_records() -> None:
    store = Store.open()
    raw_set(store, "notes", "please call ＪＡＮ Novak")
    raw_set(store, "letters", "nothing here")
    with pytest.raises(NotFoundError):
        erase_subjects(store, ["Jan Novak"], yes=True)
    erase_subjects(store, ["Jan Novak"], search=True, yes=True)
    assert [(item.name, item.rows) for item in store.artifacts("dataset")] == [("letters", 6), ("notes", 0)]
    with pytest.raises(InputError, match="fewer than 2"):
        erase_subjects(store, ["e"], search=True)


def test_an_erasure_that_was_cut_short_is_finished_by_the_same_command(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open()
    raw, child = line(store)

    def crash(artifact: Dataset, *_more: object, **_details: object) -> None:
        if artifact.id == raw.id:
            raise KeyboardInterrupt
        Store.bury(store, artifact, "erase")

    with monkeypatch.context() as patch:
        patch.setattr(store, "bury", crash)
        with pytest.raises(KeyboardInterrupt):
            erase_subjects(store, ["p1"], yes=True)
    assert raw.folder.exists() and not child.folder.exists()
    erase_subjects(store, ["p1"], yes=True)
    assert subjects_left(store) == {"p0", store.hmac("subject", "p0")} and fsck(store, verify_data=True)["ok"]


def test_event_and_ledger_know_the_person_by_hmac_only() -> None:
    store = Store.open()
    line(store)
    erase_subjects(store, ["p1"], yes=True)
    event = next(event for event in store.events() if event.verb == "erase-subject")
    assert event.details["subjects"] == [store.hmac("subject", "p1")]
    assert json.loads(ledger(store).read_text())["subjects"] == [store.hmac("subject", "p1")]
    assert ledger(store).stat().st_mode & 0o077 == 0 and not ledger(store).is_relative_to(store.home)


def test_who_comes_back_with_a_backup_is_erased_again() -> None:
    store = Store.open()
    line(store)
    erase_subjects(store, ["p1"], yes=True)
    raw_set(store, "back", "Jan Novak")
    assert erase_again(store) == {"known": 1, "erased": {"main": 3}, "erased_sets": []}
    assert "p1" not in subjects_left(store) and erase_again(store)["erased"] == {}


def test_half_a_line_of_the_ledger_is_an_erasure_that_had_not_begun() -> None:
    store = Store.open()
    line(store)
    erase_subjects(store, ["p1"], yes=True)
    with ledger(store).open("a") as file:
        file.write('{"time": "2026')
    assert erase_again(store)["known"] == 1
    erase_subjects(store, ["p0"], yes=True)
    assert erase_again(store)["known"] == 2
    ledger(store).write_text("no json\n")
    with pytest.raises(IntegrityError, match="damaged"):
        erase_again(store)


def test_a_kill_behind_the_tombstone_leaves_nothing_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next command that opens the home takes the key and the files of the raw set away."""
    store = Store.open()
    raw, _child = line(store)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_remove", lambda *_arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.bury(raw, "erase")
    assert raw.folder.exists()
    assert fsck(Store.open())["ok"] and not raw.folder.exists()


def test_the_rest_of_an_erased_set_is_no_part_of_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open()
    _raw, child = line(store)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_remove", lambda *_arguments: None)
        store.bury(child, "erase")
    (child.folder / "records.parquet").unlink()
    again = scrubbed(store, store.artifacts("dataset")[0])
    assert again.id == child.id and fsck(store, verify_data=True)["ok"]


def test_rules_learnt_from_a_persons_record_go_with_them() -> None:
    store = Store.open()
    line(store)
    for record, words in (("notes1", "Jan Novak"), ("notes0", "Someone Else")):
        site_rules.add(store, SiteRule(words, "PERSON", "gone", record))
    erase_subjects(store, ["p1"], yes=True)
    assert [rule.words for rule in site_rules.load(store)] == ["Someone Else"]


def test_what_drift_was_measured_against_goes_too() -> None:
    """The first texts that a release was asked may have been that person's; they lie sealed as vectors."""
    store = Store.open()
    line(store)
    reference = monitor_folder(store.home, store.project) / "drift" / f"triage.{'a' * 12}.sealed"
    reference.parent.mkdir(parents=True)
    reference.write_bytes(b"sealed")
    erase_subjects(store, ["p1"], yes=True)
    assert not reference.exists()


def test_checkpoints_and_jobs_cut_short_go_with_the_data() -> None:
    store = Store.open()
    raw, _child = line(store)
    scratch = [store.scratch(verb, "abc") for verb in ("train", "compress")]
    with pytest.raises(NotFoundError):
        jobs.run(store, "curate", "appliance.pipeline:curate", {"dataset": "none", "overrides": {}})
    (identity,) = (row["id"] for row in store.jobs())
    erase(store, raw.reference)
    assert not any(folder.exists() for folder in scratch) and store.job(identity)["state"] == "void"
    with pytest.raises(PolicyError, match="erased"):
        jobs.resume(store, identity)
    with pytest.raises(NotFoundError):
        jobs.run(store, "curate", "appliance.pipeline:curate", {"dataset": "none", "overrides": {}})
    assert len(store.jobs()) == 2  # a fresh one


def test_a_job_that_only_waits_still_waits() -> None:
    store = Store.open()
    raw, _child = line(store)
    jobs.run(store, "curate", "appliance.pipeline:curate", {"dataset": "other", "overrides": {}}, background=True)
    erase(store, raw.reference)
    assert [row["state"] for row in store.jobs()] == ["queued"]


def test_nothing_is_erased_under_a_running_job(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open()
    raw, _child = line(store)
    store.add_job("abc", "train", "f", "r", "running")
    store.update_job("abc", owner=f"{os.getpid()}:{jobs._started(os.getpid())}")
    with pytest.raises(BusyError, match="abc"):
        erase(store, raw.reference)
    with pytest.raises(BusyError, match="abc"):
        erase_subjects(store, ["p1"], yes=True)
    assert raw.folder.exists()


def test_the_person_is_read_from_a_file_or_standard_input_and_never_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.open()
    line(store)
    monkeypatch.setattr(sys, "stdin", io.StringIO("p1\n"))
    monkeypatch.setattr(sys, "argv", ["skerry", "erase", "--subject-file", "-", "--yes", "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    assert ended.value.code == 0, shown.err
    assert len(json.loads(shown.out)["erased"]) == 2 and "p1" not in subjects_left(store)


def test_a_person_is_not_erased_by_erasing_a_whole_data_set() -> None:
    store = Store.open()
    raw, _child = line(store)
    for more in (["--subject-file", "-"], ["--yes"]):
        done = subprocess.run(
            [sys.executable, "-m", "appliance.cli", "erase", "notes", *more],
            capture_output=True, text=True, input="", check=False,
        )  # fmt: skip
        assert done.returncode == 2 and "erased whole" in done.stderr
    assert raw.folder.exists()


def test_an_unknown_subject_changes_nothing() -> None:
    store = Store.open()
    raw, child = line(store)
    with pytest.raises(NotFoundError):
        erase_subjects(store, ["nobody"], yes=True)
    with pytest.raises(InputError):
        erase_subjects(store, [" "], yes=True)
    assert {item.id for item in store.artifacts("dataset")} == {raw.id, child.id}


def test_other_projects_that_hold_the_person_are_named_and_left_alone() -> None:
    store = Store.open()
    line(store)
    other, third = Store.open(project="other"), Store.open(project="third")
    raw_set(other, "letters")
    raw_set(third, "mails", "nobody")
    told = erase_subjects(store, ["p1"], yes=True)["other_projects"]
    assert told == [{"project": name, "datasets": 1, "rows": 3} for name in ("other", "third")]
    assert subjects_left(other) == {"p0", "p1"}
    with pytest.raises(NotFoundError, match="`other, third`"):
        erase_subjects(store, ["p1"])
    assert [each["project"] for each in erase_subjects(store, ["Jan Novak"], search=True)["other_projects"]] == [
        "other"
    ]
