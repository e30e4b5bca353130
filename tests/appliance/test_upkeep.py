"""Upkeep: fsck finds every fault, prune and delete take only what nothing needs, erase is for good."""

import csv
import json
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from appliance.errors import IntegrityError, PolicyError, SettingsError
from appliance.pipeline import purge, scrub
from appliance.release.registry import promote
from appliance.schema import Dataset, Model, Record, Source
from appliance.store import Store
from appliance.upkeep import delete, fsck, prune, purge_expired, save, space


def line(store: Store) -> tuple[Dataset, Dataset]:
    """A raw set of six records of two subjects, and its scrubbed child."""

    def rows(keyed: bool) -> Iterator[Record]:
        for number in range(6):
            subject = f"p{number % 2}"
            if keyed:
                yield Record(str(number), f"<PERSON_1> {number}", "a", subject=store.hmac("subject", subject))
            else:
                yield Record(str(number), f"Jan Novak {number}", "a", subject=subject, source=Source("f.csv", number))

    with store.draft("dataset", "notes", meta={"stage": "raw"}) as draft:
        store.write_records(draft, rows(keyed=False))
    parent = draft.artifact
    with store.draft("dataset", "notes", parents=(parent.id,), meta={"stage": "scrubbed"}) as draft:
        store.write_records(draft, rows(keyed=True))
    return parent, draft.artifact


def model(store: Store, content: bytes = b"weights", parents: tuple[str, ...] = ()) -> Model:
    with store.draft("model", "triage", parents, {"format": "onnx"}) as draft:
        (draft.folder / "model.onnx").write_bytes(content)
    return draft.artifact


def test_a_sound_home_passes() -> None:
    store = Store.open()
    line(store)
    found = fsck(store, verify_data=True)
    assert (found["ok"], found["artifacts"], found["strays"]) == (True, 2, 0)


@pytest.mark.parametrize("fault", ["flip", "missing", "extra", "manifest"])
def test_each_fault_is_found_and_named(fault: str) -> None:
    store = Store.open()
    raw, _child = line(store)
    path = raw.folder / "records.parquet"
    if fault == "flip":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif fault == "missing":
        path.unlink()
    elif fault == "extra":
        (raw.folder / "sitecustomize.py").write_text("")
    else:
        manifest = json.loads((raw.folder / "manifest.json").read_text())
        manifest["files"][-1]["sha256"] = "0" * 64
        (raw.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(IntegrityError, match=raw.id[:12]):
        fsck(store)


def test_a_broken_chain_hides_no_other_fault() -> None:
    store = Store.open()
    raw, _child = line(store)
    (raw.folder / "records.parquet").unlink()
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE events SET verb = 'x'"))
    with pytest.raises(IntegrityError, match=rf"(?s)2 faults.*{raw.id[:12]}.*event 1"):
        fsck(store)


def test_a_key_that_does_not_fit_is_found_by_decoding() -> None:
    store = Store.open()
    raw, _child = line(store)
    store.keys.path.write_text("11" * 32)
    assert fsck(Store.open())["ok"]
    with pytest.raises(IntegrityError, match=rf"notes@{raw.id[:12]}.*key"):
        fsck(Store.open(), verify_data=True)


def test_the_same_model_under_another_name_stays() -> None:
    store = Store.open()
    first = model(store)
    with store.draft("model", "second", (), {"format": "onnx"}) as draft:
        (draft.folder / "model.onnx").write_bytes(b"weights")
    assert draft.artifact.id == first.id
    delete(store, "triage")
    assert store.model("second").folder.exists() and fsck(store)["ok"]
    delete(store, "second")
    assert not first.folder.exists()


def test_delete_is_refused_while_a_child_or_a_release_needs_it() -> None:
    store = Store.open()
    raw, child = line(store)
    with pytest.raises(PolicyError, match="children"):
        delete(store, raw.reference)
    served = model(store)
    promote(store, served, "triage")
    with pytest.raises(PolicyError, match="release"):
        delete(store, "triage")
    delete(store, child.reference)
    delete(store, raw.reference)
    assert store.artifacts("dataset") == []


def test_a_name_of_two_things_must_be_said_in_full() -> None:
    store = Store.open()
    _raw, child = line(store)
    with store.draft("model", "notes", meta={"format": "onnx"}) as draft:
        (draft.folder / "model.onnx").write_bytes(b"x")
    with pytest.raises(SettingsError, match=child.id[:12]):
        delete(store, "notes")
    assert delete(store, draft.artifact.reference)["deleted"] == draft.artifact.reference


def test_prune_shows_before_it_removes() -> None:
    store = Store.open()
    old, new = model(store, b"old"), model(store, b"new")
    stray = store.home / "artifacts" / "model" / "stray"
    stray.mkdir()
    (stray / "x").write_bytes(b"12345")
    assert "artifacts/model/stray" not in prune(store)["would_remove"]  # it may be a job's, about to be registered
    long_ago = time.time() - 2 * 3600
    os.utime(stray, (long_ago, long_ago))
    shown = prune(store)
    assert old.reference in shown["would_remove"] and stray.exists() and old.folder.exists()
    assert prune(store, yes=True)["removed"] == shown["would_remove"]
    assert not stray.exists() and not old.folder.exists() and new.folder.exists()
    assert fsck(store)["strays"] == 0


def test_prune_keeps_what_a_release_can_roll_back_to() -> None:
    store = Store.open()
    first, second, third = (model(store, content) for content in (b"1", b"2", b"3"))
    promote(store, first, "triage")
    promote(store, second, "triage")
    prune(store, yes=True)
    assert first.folder.exists() and second.folder.exists() and third.folder.exists()


def test_space_adds_up() -> None:
    store = Store.open()
    line(store)
    found = space(store)
    assert found["used_bytes"] == sum(use["bytes"] for use in found["uses"]) > 0
    assert {use["kind"] for use in found["uses"]} >= {"dataset", "store"}


def test_a_raw_set_is_not_saved_and_a_scrubbed_one_is(tmp_path: Path) -> None:
    store = Store.open()
    raw, child = line(store)
    with pytest.raises(PolicyError, match="raw"):
        save(store, raw.reference, tmp_path / "out.jsonl")
    assert save(store, child.reference, tmp_path / "out.jsonl")["count"] == 6
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["text"] == "<PERSON_1> 0"


def test_saved_cells_cannot_run_as_formulas(tmp_path: Path) -> None:
    """Excel and WPS run a cell that starts with = + - @, in full width too."""
    store = Store.open()
    with store.draft("dataset", "f", meta={"stage": "curated"}) as draft:
        store.write_records(
            draft, [Record(str(number), f"{lead}HYPERLINK()") for number, lead in enumerate("=+-@＝＋－＠\t")]
        )
    save(store, "f", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        assert all(row["text"].startswith("'") for row in csv.DictReader(file))


def test_a_model_is_saved_whole(tmp_path: Path) -> None:
    store = Store.open()
    model(store)
    save(store, "triage", tmp_path / "m.zip")
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        assert archive.read("model.onnx") == b"weights"


def test_a_raw_set_goes_when_its_time_is_over_and_it_was_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention: `store.raw_days`; what was made of it stays, and so does a set that nobody has scrubbed yet."""
    monkeypatch.setenv("SKERRY_STORE__RAW_DAYS", "30")
    store = Store.open()
    raw, child = line(store)
    with store.draft("dataset", "waiting", meta={"stage": "raw"}) as draft:
        store.write_records(draft, [Record("1", "Jan Novak", source=Source("f.csv", 1))])
    assert purge_expired(store) == []
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE artifacts SET created = '2020-01-01T00:00:00.000Z'"))
    assert prune(store)["would_remove"] == [raw.reference]
    assert purge_expired(store) == [raw.reference]
    assert {item.id for item in store.artifacts("dataset")} == {child.id, draft.artifact.id}
    assert not raw.folder.exists() and fsck(store, verify_data=True)["ok"]
    assert store.events()[-1].verb == "purge-raw"


def test_checkpoints_that_nobody_came_back_to_are_pruned() -> None:
    store = Store.open()
    verbs = ("train", "compress")
    old, new = ([store.scratch(verb, age) for verb in verbs] for age in ("old", "new"))
    for folder in old:
        os.utime(folder, (0, 0))
    assert prune(store, yes=True)["removed"] == ["work/train/old", "work/compress/old"]
    assert not any(folder.exists() for folder in old) and all(folder.exists() for folder in new)


def test_a_scrub_can_purge_the_raw_set_it_read_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKERRY_SCRUB__POLICY", "structured-only")
    store = Store.open()
    older, _child = line(store)
    with store.draft("dataset", "notes", meta={"stage": "raw"}) as draft:
        store.write_records(draft, [Record("9", "mail a@example.com", source=Source("f.csv", 1))])
    found = scrub(store, "notes", overrides={"scrub": {"purge_raw": True}})
    assert found["findings"] == {"EMAIL": 1}
    assert not draft.artifact.folder.exists() and older.folder.exists()
    assert store.events()[-1].verb == "purge-raw" and fsck(store, verify_data=True)["ok"]


def test_a_raw_set_with_records_held_back_is_not_purged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKERRY_SCRUB__POLICY", "structured-only")
    store = Store.open()
    raw, _child = line(store)
    assert purge(store, raw.reference, held_back=1) == {"purged": []} and raw.folder.exists()
    assert purge(store, raw.reference, held_back=0) == {"purged": [raw.reference]}
    assert purge(store, raw.reference, held_back=0) == {"purged": []}


def test_a_bare_name_is_scrubbed_from_its_raw_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKERRY_SCRUB__POLICY", "structured-only")
    store = Store.open()
    with store.draft("dataset", "mails", meta={"stage": "raw"}) as draft:
        store.write_records(draft, [Record("9", "mail a@example.com", source=Source("f.csv", 1))])
    for _time in range(2):
        assert scrub(store, "mails")["findings"] == {"EMAIL": 1}
    assert scrub(store, "mails", overrides={"scrub": {"purge_raw": True}})["purged"] == [draft.artifact.reference]
