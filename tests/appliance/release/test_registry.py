"""Releases: promote, roll back, what is refused, and what a crash leaves."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from appliance.api_keys import add_key
from appliance.approvals import approve
from appliance.errors import HardwareError, IntegrityError, NotFoundError, PolicyError, SettingsError
from appliance.release.registry import (
    advance,
    approval_of,
    end_canary,
    go_live,
    promote,
    read_pointers,
    releases,
    releases_folder,
    rollback,
    verify,
)
from appliance.schema import Model
from appliance.spool import Spool
from appliance.store import Store
from tests.tiny_onnx import LABELS, add_model


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
    back = rollback(store, "triage").release
    assert (back.version, back.previous, back.min_score) == (second.id, (first.id,), 0.2)
    assert rollback(store, "triage").release.version == first.id
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
    [
        ("../x", "live", 0.0, "cannot be a name"),
        ("x", "blue", 0.0, "shadow, canary or live"),
        ("x", "live", 1.5, "from 0 to 1"),
    ],
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


# -- canary and shadow ---------------------------------------------------------------------------------------------------


def models(store: Store, count: int) -> list[Model]:
    return [add_model(store, seed=seed) for seed in range(count)]


def test_trials_stand_beside_the_live_version(store: Store) -> None:
    live, canary, shadow = models(store, 3)
    promote(store, live, "triage")
    promote(store, canary, "triage", "canary", percent=10)
    release = promote(store, shadow, "triage", "shadow")
    assert (release.version, release.canary, release.percent, release.shadow) == (live.id, canary.id, 10, shadow.id)
    assert set(release.versions) == {live.id, canary.id, shadow.id}
    event = store.events()[-2]
    assert (event.verb, event.details["stage"], event.details["percent"]) == ("promote", "canary", 10)


def test_an_older_skerry_reads_the_live_version_of_a_new_pointer(store: Store) -> None:
    """What it knows stands where it was, and says nothing of the trials."""
    live, canary = models(store, 2)
    promote(store, live, "triage", min_score=0.2, min_scores={LABELS[0]: 0.9})
    promote(store, canary, "triage", "canary")
    content = json.loads((releases_folder(store.home, "main") / "triage.json").read_text())
    old = {"name", "project", "stage", "version", "folder", "manifest_sha256", "min_score", "changed", "history"}
    assert old < set(content)
    assert (content["version"], content["stage"]) == (live.id, "live")
    assert content["min_score"] == 0.9  # the strictest limit: it abstains too often rather than too seldom


def test_a_pointer_of_an_older_skerry_is_read(store: Store) -> None:
    (live,) = models(store, 1)
    promote(store, live, "triage")
    path = releases_folder(store.home, "main") / "triage.json"
    content = json.loads(path.read_text())
    assert "stages" not in content and "min_scores" not in content
    (pointer,) = read_pointers(store.home, "main")
    assert (pointer.canary, pointer.percent, pointer.shadow, pointer.target.min_scores) == (None, 0, None, {})


def test_limits_of_single_labels_come_back_as_they_were_given(store: Store) -> None:
    (live,) = models(store, 1)
    release = promote(store, live, "triage", min_score=0.2, min_scores={LABELS[0]: 0.9, LABELS[1]: 0.1})
    assert releases(store.home, "main") == [release]
    assert (release.min_score, release.min_scores) == (0.2, {LABELS[0]: 0.9, LABELS[1]: 0.1})
    with pytest.raises(SettingsError, match="`other`"):
        promote(store, live, "triage", min_scores={"other": 0.5})
    with pytest.raises(SettingsError, match="from 0 to 1"):
        promote(store, live, "triage", min_scores={LABELS[0]: 1.5})


def test_a_trial_needs_a_live_version_and_another_model(store: Store) -> None:
    live, other = models(store, 2)
    with pytest.raises(NotFoundError, match="--to live"):
        promote(store, other, "triage", "canary")
    promote(store, live, "triage")
    with pytest.raises(PolicyError, match="live version"):
        promote(store, live, "triage", "canary")
    assert releases(store.home, "main")[0].canary is None


def test_a_canary_that_goes_live_leaves_its_predecessor_to_go_back_to(store: Store) -> None:
    live, canary = models(store, 2)
    promote(store, live, "triage")
    promote(store, canary, "triage", "canary", min_scores={LABELS[0]: 0.7})
    assert go_live(store, "triage", canary.id, requests=400)
    (release,) = releases(store.home, "main")
    assert (release.version, release.previous, release.canary) == (canary.id, (live.id,), None)
    assert release.min_scores == {LABELS[0]: 0.7}
    assert store.events()[-1].details == {"release": "triage", "stage": "live", "requests": 400}
    assert rollback(store, "triage").release.version == live.id


def test_promoting_the_canary_by_hand_is_the_same(store: Store) -> None:
    live, canary = models(store, 2)
    promote(store, live, "triage")
    promote(store, canary, "triage", "canary")
    release = promote(store, canary, "triage")
    assert (release.version, release.previous, release.canary, release.percent) == (canary.id, (live.id,), None, 0)


def test_a_shadow_that_becomes_a_canary_is_a_shadow_no_more(store: Store) -> None:
    live, trial = models(store, 2)
    promote(store, live, "triage")
    promote(store, trial, "triage", "shadow")
    release = promote(store, trial, "triage", "canary")
    assert (release.canary, release.shadow) == (trial.id, None)


def test_rollback_ends_the_trials_before_it_goes_back(store: Store) -> None:
    first, second, canary, shadow = models(store, 4)
    for model, stage in ((first, "live"), (second, "live"), (canary, "canary"), (shadow, "shadow")):
        promote(store, model, "triage", stage)
    done = [rollback(store, "triage") for _turn in range(3)]
    assert [(one.stage, one.version) for one in done] == [
        ("canary", canary.id),
        ("shadow", shadow.id),
        ("live", second.id),
    ]
    assert done[-1].release.version == first.id
    assert [event.details["stage"] for event in store.events()[-3:]] == ["canary", "shadow", "live"]


def test_rollback_can_name_the_stage(store: Store) -> None:
    first, second, canary = models(store, 3)
    for model, stage in ((first, "live"), (second, "live"), (canary, "canary")):
        promote(store, model, "triage", stage)
    release = rollback(store, "triage", "live").release
    assert (release.version, release.canary) == (first.id, canary.id)
    with pytest.raises(NotFoundError, match="no shadow"):
        rollback(store, "triage", "shadow")
    with pytest.raises(SettingsError):
        rollback(store, "triage", "blue")


def test_a_server_without_the_store_turns_the_pointer_and_leaves_the_event(store: Store) -> None:
    live, canary = models(store, 2)
    promote(store, live, "triage")
    promote(store, canary, "triage", "canary", percent=5)
    spool = Spool(store.home, "main", "guard")
    assert advance(spool, "triage", canary.id, 5, 10)
    assert not advance(spool, "triage", canary.id, 5, 10)  # somebody else was faster
    assert releases(store.home, "main")[0].percent == 10
    assert end_canary(spool, "triage", canary.id, reason="errors")
    assert not end_canary(spool, "triage", canary.id, reason="errors")
    told = Store.open(store.home).events()[-2:]
    assert [(event.verb, event.actor) for event in told] == [("advance", "guard"), ("rollback", "guard")]
    assert told[1].details["reason"] == "errors"


def test_without_its_event_nothing_happens(store: Store) -> None:
    live, canary = models(store, 2)
    promote(store, live, "triage")
    promote(store, canary, "triage", "canary")
    (store.home / "spool").write_text("in the way")
    with pytest.raises(HardwareError):
        end_canary(Spool(store.home, "main", "guard"), "triage", canary.id)
    assert releases(store.home, "main")[0].canary == canary.id


# -- two people ----------------------------------------------------------------------------------------------------------


def test_going_live_waits_for_two_people(store: Store) -> None:
    first, second = models(store, 2)
    ann, bo = (add_key(store, owner)[1] for owner in ("ann", "bo"))
    approve(store, approval_of("triage"), first.id, ann)
    with pytest.raises(PolicyError, match=r"2 people .*ann.*--approve"):
        promote(store, first, "triage", needed=2)
    assert releases(store.home, "main") == []
    approve(store, approval_of("triage"), first.id, bo)
    assert promote(store, first, "triage", needed=2).version == first.id
    assert promote(store, first, "triage", needed=2).version == first.id  # done again, it asks nobody
    with pytest.raises(PolicyError, match="nobody yet"):
        promote(store, second, "triage", needed=2)


def test_a_trial_needs_nobody_and_the_guard_cannot_go_live_alone(store: Store) -> None:
    live, canary = models(store, 2)
    promote(store, live, "triage")
    promote(store, canary, "triage", "canary", needed=2)
    with pytest.raises(PolicyError):
        go_live(store, "triage", canary.id, needed=2)
    for owner in ("ann", "bo"):
        approve(store, approval_of("triage"), canary.id, add_key(store, owner)[1])
    assert go_live(store, "triage", canary.id, needed=2)


def test_an_approval_is_for_the_scores_that_it_was_given_for(store: Store) -> None:
    (model,) = models(store, 1)
    for owner in ("ann", "bo"):
        approve(store, approval_of("triage", 0.5), model.id, add_key(store, owner)[1])
    for scores in ({}, {"min_score": 0.4}, {"min_score": 0.5, "min_scores": {LABELS[0]: 0.9}}):
        with pytest.raises(PolicyError, match="nobody yet"):
            promote(store, model, "triage", needed=2, **scores)  # type: ignore[arg-type]
    assert promote(store, model, "triage", min_score=0.5, needed=2).min_score == 0.5
    with pytest.raises(PolicyError, match="nobody yet"):  # it was for once
        promote(store, model, "other", min_score=0.5, needed=2)


def test_what_two_people_approved_can_be_done_once(store: Store) -> None:
    first, second = models(store, 2)
    for model in (first, second):
        for owner in ("ann", "bo"):
            approve(store, approval_of("triage"), model.id, add_key(store, owner)[1])
        promote(store, model, "triage", needed=2)
    with pytest.raises(PolicyError, match="nobody yet"):
        promote(store, first, "triage", needed=2)
    assert rollback(store, "triage").release.version == first.id  # the way back needs nobody
