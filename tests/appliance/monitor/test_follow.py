"""Drift followed in a running server: windows fill, are compared, survive a restart, and hold no text."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import BusyError, SettingsError
from appliance.keys import Keys
from appliance.monitor import drift, follow
from appliance.monitor.follow import Follower
from appliance.monitor.prometheus import Metrics
from appliance.schema import Prediction
from appliance.settings import DriftSettings
from tests.fakes import tiny_records

SETTINGS = DriftSettings(texts_a_minute=1000, window_texts=50)
VERSION = "0123456789ab"
CANARY = "canarywordxyz"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.create(tmp_path / "keys" / "a.key")


def answered(count: int, seed: int, topics: tuple[str, ...] = ("card", "transfer")) -> list[tuple[str, Prediction]]:
    return [(f"{record.text} {CANARY}", Prediction(record.label, 0.9)) for record in tiny_records(count, topics, seed)]


def follower(home: Path, keys: Keys, metrics: Metrics | None = None, **options: object) -> Follower:
    return Follower(home, "main", SETTINGS, keys, metrics or Metrics(), **options)  # type: ignore[arg-type]


def test_the_first_window_is_the_reference_and_the_next_is_compared(tmp_path: Path, keys: Keys) -> None:
    metrics = Metrics()
    following = follower(tmp_path, keys, metrics)
    following.offer("triage", VERSION, answered(100, 0))
    following.work(0)
    following.offer("triage", VERSION, answered(50, 1, ("medicine", "appointment")))
    following.work(0)
    same, other = follow.read(tmp_path, "main")["triage"]
    assert (same["texts"], same["version"]) == (50, VERSION)
    assert max(same["ratios"].values()) < 1 < other["ratios"]["texts"]
    value = metrics.registry.get_sample_value("skerry_drift_ratio", {"model": "triage", "of": "texts"})
    assert value == other["ratios"]["texts"]


def test_a_restart_goes_on_with_the_reference(tmp_path: Path, keys: Keys) -> None:
    first = follower(tmp_path, keys)
    first.offer("triage", VERSION, answered(70, 0))
    first.work(0)
    again = follower(tmp_path, keys)
    again.offer("triage", VERSION, answered(50, 1, ("medicine", "appointment")))
    again.work(0)
    (window,) = follow.read(tmp_path, "main")["triage"]
    assert window["ratios"]["texts"] > 1


def test_another_version_begins_anew_and_one_that_comes_back_too(tmp_path: Path, keys: Keys) -> None:
    following = follower(tmp_path, keys)
    for version in (VERSION, "ba9876543210", VERSION):
        following.offer("triage", version, answered(60, 0))
        following.work(0)
    assert follow.read(tmp_path, "main") == {}
    assert len(list(tmp_path.rglob("*.sealed"))) == 1


def test_nothing_on_disk_holds_a_text_or_a_vector_in_the_clear(tmp_path: Path, keys: Keys) -> None:
    following = follower(tmp_path / "home", keys)
    following.offer("triage", VERSION, answered(120, 0))
    following.work(0)
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert len(files) == 2
    for path in files:
        assert CANARY.encode() not in path.read_bytes()
    assert b"PK" not in next(path for path in files if path.suffix == ".sealed").read_bytes()[:4]


def test_only_so_many_texts_a_minute_are_looked_at(tmp_path: Path, keys: Keys) -> None:
    settings = SETTINGS.model_copy(update={"texts_a_minute": 60})
    following = Follower(tmp_path, "main", settings, keys, Metrics(), None)
    made: list[int] = []
    following._embed = lambda _release, _version, texts: made.append(len(texts))  # type: ignore[assignment, func-returns-value]
    for _ in range(13):  # one minute and five seconds, twenty requests of ten texts in each five
        for _request in range(20):
            following.offer("triage", VERSION, answered(10, 0))
        following.work(5)
    assert sum(made) == 60 + 12 * 5


def test_embeddings_are_taken_where_there_are_any(tmp_path: Path, keys: Keys) -> None:
    following = follower(tmp_path, keys, embed=lambda _release, _version, texts: drift.vectors(texts)[:, :16])
    following.offer("triage", VERSION, answered(50, 0))
    following.work(0)
    (path,) = tmp_path.rglob("*.sealed")
    assert path.stat().st_size < 10_000


def test_texts_without_an_answer_from_the_engine_are_left_out(tmp_path: Path, keys: Keys) -> None:
    def busy(_release: str, _version: str, _texts: object) -> None:
        raise BusyError("made up")

    following = follower(tmp_path, keys, embed=busy)
    following.offer("triage", VERSION, answered(120, 0))
    following.work(0)
    assert follow.read(tmp_path, "main") == {}


def test_what_was_forgotten_is_learnt_anew(tmp_path: Path, keys: Keys) -> None:
    following = follower(tmp_path, keys)
    following.offer("triage", VERSION, answered(50, 0))
    following.work(0)
    assert follow.forget(tmp_path, "main", "triage") == 1
    following.offer("triage", VERSION, answered(50, 1, ("medicine", "appointment")))
    following.work(0)
    following.offer("triage", VERSION, answered(50, 2, ("medicine", "appointment")))
    following.work(0)
    (window,) = follow.read(tmp_path, "main")["triage"]
    assert window["ratios"]["texts"] < 1


def test_a_release_whose_name_begins_like_another_s_keeps_its_reference(tmp_path: Path, keys: Keys) -> None:
    following = follower(tmp_path, keys)
    for release in ("a", "a.b"):
        following.offer(release, VERSION, answered(50, 0))
        following.work(0)
    assert follow.forget(tmp_path, "main", "a") == 1
    assert [path.name for path in tmp_path.rglob("*.sealed")] == [f"a.b.{VERSION}.sealed"]
    assert follow.forget(tmp_path, "main") == 1 and not list(tmp_path.rglob("*.sealed"))


def test_without_a_key_file_drift_is_followed_in_memory(tmp_path: Path) -> None:
    following = follower(tmp_path, Keys(tmp_path / "none.key"))
    for seed in (0, 1):
        following.offer("triage", VERSION, answered(50, seed))
        following.work(0)
    assert len(follow.read(tmp_path, "main")["triage"]) == 1


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ({"texts": 0.1, "labels": 0.1, "scores": 0.1}, ["like the first ones", "as often as at first", "as sure as at first"]),
        ({"texts": 0.8, "labels": 0.8, "scores": 1.8}, ["begin to differ", "`card` went from 30 % to 60 %", "less sure"]),
        ({"texts": 1.8, "labels": 1.8, "scores": 1.8}, ["no longer like the first ones", "see whether the world has changed", "0.50 now"]),
    ],
)  # fmt: skip
def test_a_window_is_told_in_plain_words(ratios: dict[str, float], words: list[str]) -> None:
    window = {"ratios": ratios, "auc": 0.72, "moved": [["card", 0.3, 0.6]], "score_before": 0.9, "score_now": 0.5}
    for sentence, word in zip(follow.told(window), words, strict=True):
        assert word in sentence


def test_the_overview_tells_of_the_newest_window(tmp_path: Path, keys: Keys) -> None:
    following = follower(tmp_path, keys)
    following.offer("triage", VERSION, answered(100, 0))
    following.work(0)
    following.offer("triage", VERSION, answered(50, 1, ("medicine", "appointment")))
    following.work(0)
    (line,) = follow.overview(tmp_path, "main")
    assert (line["release"], line["version"], line["texts"], line["windows"]) == ("triage", VERSION, 50, 2)
    assert "no longer like the first ones" in line["verdict"]


def test_a_damaged_file_of_windows_is_no_end(tmp_path: Path) -> None:
    path = tmp_path / "projects" / "main" / "monitor" / "drift" / "triage.json"
    follow.write_window(path, {"texts": 1})
    path.write_text("{")
    assert follow.read(tmp_path, "main") == {"triage": []}
    follow.write_window(path, {"texts": 2})
    assert follow.read(tmp_path, "main") == {"triage": [{"texts": 2}]}


def test_a_disk_that_takes_no_window_stops_nothing(tmp_path: Path, keys: Keys) -> None:
    """The window that could not be kept is given up, and the next one is compared."""
    metrics = Metrics()
    following = follower(tmp_path, keys, metrics)
    following.offer("triage", VERSION, answered(50, 0))
    following.work(0)
    file = tmp_path / "projects" / "main" / "monitor" / "drift" / "triage.json"
    file.mkdir()
    following.offer("triage", VERSION, answered(60, 1, ("medicine", "appointment")))
    following.work(0)
    value = metrics.registry.get_sample_value("skerry_drift_ratio", {"model": "triage", "of": "texts"})
    assert value is not None and value > 1
    file.rmdir()
    following.offer("triage", VERSION, answered(50, 2))
    following.work(60)
    (window,) = follow.read(tmp_path, "main")["triage"]
    assert window["texts"] == 50


def test_what_is_no_name_forgets_nothing(tmp_path: Path, keys: Keys) -> None:
    following = follower(tmp_path, keys)
    following.offer("triage", VERSION, answered(50, 0))
    following.work(0)
    with pytest.raises(SettingsError):
        follow.forget(tmp_path, "main", "tri*")
    assert follow.forget(tmp_path, "main", "triage") == 1
