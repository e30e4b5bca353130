"""`skerry promote` and `skerry rollback`: stages, limits of labels, and two people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance import cli
from appliance.api_keys import add_key
from appliance.errors import PolicyError, SettingsError
from appliance.release.registry import releases
from appliance.settings import home_folder
from appliance.store import Store
from tests.tiny_onnx import LABELS, add_model


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SKERRY_HOME", str(tmp_path / "home"))
    return Store.open(home_folder())


def skerry(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    cli.app([*arguments, "--json"], standalone_mode=False)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_canary_is_promoted_and_ended_by_its_verbs(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    live, canary = (add_model(store, seed=seed) for seed in range(2))
    skerry(capsys, "promote", live.reference, "--release", "r")
    told = skerry(capsys, "promote", canary.reference, "--to", "canary", "--release", "r")
    assert told == {"release": "r", "stage": "canary", "version": canary.id[:12]}
    (row,) = skerry(capsys, "list", "releases")["releases"]
    assert row["canary"] == f"{canary.id[:12]} 5 %"
    done = skerry(capsys, "rollback", "r")
    assert done == {
        "release": "r",
        "stage": "live",
        "version": live.id[:12],
        "ended": "canary",
        "ended_version": canary.id[:12],
    }


def test_limits_are_given_for_all_and_for_single_labels(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    model = add_model(store)
    label = f"{LABELS[0]}=0.8"
    skerry(capsys, "promote", model.reference, "--release", "r", "--min-score", "0.3", "--min-score", label)
    (release,) = releases(store.home, "main")
    assert (release.min_score, release.min_scores) == (0.3, {LABELS[0]: 0.8})
    with pytest.raises(SettingsError, match=r"LABEL=0\.8"):
        skerry(capsys, "promote", model.reference, "--release", "r", "--min-score", "high")


def test_a_trial_takes_no_approval(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that would be read and do nothing is refused: its owner would think that something was allowed."""
    model = add_model(store)
    monkeypatch.setenv("SKERRY_API_KEY", add_key(store, "ann")[1])
    with pytest.raises(SettingsError, match="needs no approval"):
        skerry(capsys, "promote", model.reference, "--release", "r", "--to", "canary", "--approve")
    assert not [event for event in store.events() if event.verb in ("approve", "promote")]


def test_two_people_approve_with_their_keys(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = add_model(store)
    monkeypatch.setenv("SKERRY_RELEASE__APPROVALS", "2")
    with pytest.raises(PolicyError, match="--approve"):
        skerry(capsys, "promote", model.reference, "--release", "r")
    monkeypatch.setenv("SKERRY_API_KEY", add_key(store, "ann")[1])
    first = skerry(capsys, "promote", model.reference, "--release", "r", "--approve")
    assert (first["stage"], first["approved_by"], first["needed"]) == ("waiting", ["ann"], 2)
    assert releases(store.home, "main") == []
    monkeypatch.setenv("SKERRY_API_KEY", add_key(store, "bo")[1])
    assert skerry(capsys, "promote", model.reference, "--release", "r", "--approve")["stage"] == "live"


def test_to_approve_takes_a_key(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    model = add_model(store)
    with pytest.raises(SettingsError, match="SKERRY_API_KEY"):
        skerry(capsys, "promote", model.reference, "--release", "r", "--approve")
