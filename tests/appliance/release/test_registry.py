"""Releases: promote, roll back, what is refused, and what a crash leaves."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from appliance.errors import IntegrityError, NotFoundError, PolicyError, SettingsError
from appliance.release.registry import promote, read_pointers, releases, releases_folder, rollback, verify
from appliance.store import Store
from tests.tiny_onnx import add_model


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


def test_promote_points_at_the_model_and_writes_its_event(store: Store) -> None:
    model = add_model(store)
    release = promote(store, model, "triage", min_score=0.25)
    assert (release.version, release.stage, release.previous, release.min_score) == (model.id, "live", (), 0.25)
    assert releases(store.home, "main") == [release]
    event = store.events()[-1]
    assert (event.verb, event.artifacts, event.details["release"]) == ("promote", (model.id,), "triage")


def test_promote_again_changes_nothing(store: Store) -> None:
    """A recipe that was killed behind this step does it again."""
    model = add_model(store)
    first = promote(store, model, "triage")
    events = len(store.events())
    assert promote(store, model, "triage") == first
    assert len(store.events()) == events


def test_the_pointer_names_the_version_where_the_model_lies(store: Store) -> None:
    model = add_model(store)
    promote(store, model, "triage")
    (pointer,) = read_pointers(store.home, "main")
    assert verify(store.home, pointer.target) == model.folder
    path = releases_folder(store.home, "main") / "triage.json"
    assert path.stat().st_mode & 0o777 == 0o600
    content = json.loads(path.read_text())
    assert {
        "name",
        "project",
        "version",
        "stage",
        "changed",
        "min_score",
        "folder",
        "manifest_sha256",
        "history",
    } <= set(content)


def test_rollback_goes_back_one_version_at_a_time(store: Store) -> None:
    first, second, third = (add_model(store, seed=seed) for seed in range(3))
    for model, min_score in ((first, 0.1), (second, 0.2), (third, 0.3)):
        promote(store, model, "triage", min_score=min_score)
    back = rollback(store, "triage")
    assert (back.version, back.previous, back.min_score) == (second.id, (first.id,), 0.2)
    assert rollback(store, "triage").version == first.id
    assert [event.verb for event in store.events()][-2:] == ["rollback", "rollback"]
    with pytest.raises(NotFoundError, match="no earlier version"):
        rollback(store, "triage")
    assert releases(store.home, "main")[0].version == first.id


def test_only_the_last_versions_are_kept_to_go_back_to(store: Store) -> None:
    models = [add_model(store, seed=seed) for seed in range(2)]
    for turn in range(14):
        promote(store, models[turn % 2], "triage")
    assert len(releases(store.home, "main")[0].previous) == 10


def test_a_torch_model_is_refused_with_the_line_to_run(store: Store) -> None:
    with store.draft("model", "triage", meta={"format": "torch"}) as draft:
        (draft.folder / "model.json").write_text("{}")
    with pytest.raises(PolicyError, match=r"skerry export triage@[0-9a-f]{12} --format onnx-int8"):
        promote(store, draft.artifact, "triage")


@pytest.mark.parametrize(
    ("name", "to", "min_score", "told"),
    [("../x", "live", 0.0, "cannot be a name"), ("x", "shadow", 0.0, "`live`"), ("x", "live", 1.5, "from 0 to 1")],
)
def test_bad_arguments_are_refused(store: Store, name: str, to: str, min_score: float, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        promote(store, add_model(store), name, to, min_score)
    assert releases(store.home, "main") == []


def test_rollback_of_an_unknown_release_names_the_known_ones(store: Store) -> None:
    promote(store, add_model(store), "triage")
    with pytest.raises(NotFoundError, match="`triage`"):
        rollback(store, "other")
    with pytest.raises(SettingsError):
        rollback(store, "../triage")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json", "model.json"])
def test_a_changed_file_is_found_before_the_pointer_turns(store: Store, file: str) -> None:
    good, bad = add_model(store, seed=0), add_model(store, seed=1)
    promote(store, good, "triage")
    flip_a_bit(bad.folder / file)
    with pytest.raises(IntegrityError, match=file):
        promote(store, bad, "triage")
    assert releases(store.home, "main")[0].version == good.id


def test_the_pointer_pins_the_manifest_too(store: Store) -> None:
    """Who changes a file and its hash in the manifest is found out as well."""
    model = add_model(store)
    promote(store, model, "triage")
    flip_a_bit(model.folder / "manifest.json")
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        verify(store.home, read_pointers(store.home, "main")[0].target)


def test_rollback_to_a_missing_model_leaves_the_release_as_it_is(store: Store) -> None:
    first, second = (add_model(store, seed=seed) for seed in range(2))
    promote(store, first, "triage")
    promote(store, second, "triage")
    (first.folder / "model.onnx").unlink()
    with pytest.raises(IntegrityError):
        rollback(store, "triage")
    assert releases(store.home, "main")[0].version == second.id


def test_a_linked_file_is_no_model(store: Store, tmp_path: Path) -> None:
    model = add_model(store)
    outside = tmp_path / "outside.onnx"
    (model.folder / "model.onnx").rename(outside)
    (model.folder / "model.onnx").symlink_to(outside)
    with pytest.raises(IntegrityError):
        promote(store, model, "triage")


def test_files_beside_the_content_may_change(store: Store) -> None:
    with store.draft("model", "carded", meta={"format": "onnx"}) as draft:
        (draft.folder / "model.json").write_text("{}")
        (draft.folder / "card.md").write_text("old")
        draft.beside.add("card.md")
    (draft.artifact.folder / "card.md").write_text("new")
    assert promote(store, draft.artifact, "carded").version == draft.artifact.id


def test_a_damaged_pointer_is_told_by_its_path(store: Store) -> None:
    promote(store, add_model(store), "triage")
    path = releases_folder(store.home, "main") / "triage.json"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(IntegrityError, match=r"triage\.json"):
        releases(store.home, "main")


def test_a_leftover_of_a_crash_is_no_release(store: Store) -> None:
    """A write that was cut off leaves a temporary file; the pointer is the old one."""
    promote(store, add_model(store), "triage")
    (releases_folder(store.home, "main") / ".triage.json.0123").write_text("{")
    assert [release.name for release in releases(store.home, "main")] == ["triage"]


def test_releases_of_another_project_are_not_listed(store: Store) -> None:
    promote(store, add_model(store), "triage")
    assert releases(store.home, "ward") == []


def test_people_who_promote_at_once_lose_no_history(store: Store) -> None:
    models = [add_model(store, seed=seed) for seed in range(4)]
    threads = [threading.Thread(target=promote, args=(store, model, "triage")) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (release,) = releases(store.home, "main")
    assert {release.version, *release.previous} == {model.id for model in models}
