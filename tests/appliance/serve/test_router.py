"""Which version answers: loaded with its hashes checked, swapped when the pointer turns, kept when the new one fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import IntegrityError, NotFoundError
from appliance.monitor.prometheus import Metrics
from appliance.release.registry import promote, releases_folder, rollback
from appliance.schema import Prediction
from appliance.serve.problems import Problem
from appliance.serve.router import Router, Served
from appliance.store import Store
from tests.loading import Here, load_here
from tests.tiny_ngrams import LABELS, add_ngrams
from tests.tiny_onnx import LABELS as ONNX_LABELS
from tests.tiny_onnx import add_model, text


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


def router_of(store: Store, min_score: float = 0.0) -> Router:
    return Router(store.home, "main", min_score, Metrics(), load_here)  # type: ignore[arg-type]


def answer_of(served: Served, asked: str) -> Prediction:
    """Ask the model itself, as the engine process does, and abstain as the release says."""
    [prediction] = served.engine.predict([asked])  # type: ignore[attr-defined]
    return served.abstain(prediction)


def test_nothing_released_is_told_with_the_line_to_run(store: Store) -> None:
    with pytest.raises(NotFoundError, match="skerry promote MODEL"):
        router_of(store).load()


def test_before_loading_it_says_to_come_back(store: Store) -> None:
    promote(store, add_model(store), "triage")
    with pytest.raises(Problem) as caught:
        router_of(store).pick("triage")
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1)


def test_the_only_release_needs_no_name(store: Store) -> None:
    model = add_model(store)
    promote(store, model, "triage")
    router = router_of(store)
    router.load()
    assert router.ready
    assert router.pick(None) is router.pick("triage")
    assert router.pick("triage", model.id[:12]).engine is router.pick(None).engine
    answer = answer_of(router.pick(None), text(5))
    assert answer.label in answer.probabilities


def test_an_n_gram_model_is_served_like_any_other(store: Store) -> None:
    model = add_ngrams(store)
    promote(store, model, "triage")
    router = router_of(store)
    router.load()
    served = router.pick("triage", model.id[:12])
    assert served.engine.plan.format == "ngrams"
    assert answer_of(served, "我的卡 was declined").label in LABELS


def test_several_releases_need_one(store: Store) -> None:
    promote(store, add_model(store, seed=0), "a")
    promote(store, add_model(store, seed=1), "b")
    router = router_of(store)
    router.load()
    assert [served.release.name for served in router.all()] == ["a", "b"]
    with pytest.raises(Problem) as caught:
        router.pick(None)
    assert (caught.value.status, caught.value.field) == (422, "model")


@pytest.mark.parametrize(
    ("name", "version"), [("other", None), ("triage", "000000000000"), ("../triage", None), ("\ud800", None)]
)
def test_what_does_not_serve_is_not_found(store: Store, name: str, version: str | None) -> None:
    promote(store, add_model(store), "triage")
    router = router_of(store)
    router.load()
    with pytest.raises(Problem) as caught:
        router.pick(name, version)
    assert caught.value.status == 404


def test_a_changed_model_is_not_loaded(store: Store) -> None:
    model = add_model(store)
    promote(store, model, "triage")
    path = model.folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    router = router_of(store)
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        router.load()
    assert not router.ready


def test_the_higher_min_score_holds(store: Store) -> None:
    promote(store, add_model(store), "triage", min_score=1.0)
    router = router_of(store, min_score=0.1)
    router.load()
    answer = answer_of(router.pick(None), text(5))
    assert answer.label is None
    assert 0 < answer.score < 1


def test_refresh_follows_promote_rollback_and_new_releases(store: Store) -> None:
    first, second = add_model(store, seed=0), add_model(store, seed=1)
    promote(store, first, "triage")
    router = router_of(store)
    router.load()
    held = router.pick(None)
    router.refresh()
    assert router.pick(None) is held
    promote(store, second, "triage")
    router.refresh()
    assert router.pick(None).version == second.id[:12]
    assert answer_of(held, text(5)) != answer_of(
        router.pick(None), text(5)
    )  # a request let in before keeps its version
    rollback(store, "triage")
    router.refresh()
    assert router.pick(None).version == first.id[:12]
    promote(store, second, "other")
    router.refresh()
    assert [served.release.name for served in router.all()] == ["other", "triage"]


def test_a_version_that_cannot_be_loaded_leaves_the_old_one(store: Store) -> None:
    good, bad = add_model(store, seed=0), add_model(store, seed=1)
    promote(store, good, "triage")
    metrics = Metrics()
    router = Router(store.home, "main", 0.0, metrics, load_here)  # type: ignore[arg-type]
    router.load()
    promote(store, bad, "triage")
    (bad.folder / "model.onnx").write_bytes(b"changed after it was promoted")
    for _ in range(3):
        router.refresh()
    assert router.pick(None).version == good.id[:12]
    assert metrics.registry.get_sample_value("skerry_load_failures_total", {"model": "triage"}) == 1
    rollback(store, "triage")
    router.refresh()
    assert router.pick(None).version == good.id[:12]


def test_a_damaged_pointer_leaves_what_serves(store: Store) -> None:
    promote(store, add_model(store), "triage")
    router = router_of(store)
    router.load()
    (releases_folder(store.home, "main") / "triage.json").write_text("{")
    router.refresh()
    assert router.pick(None)


def test_a_removed_release_stops_serving(store: Store) -> None:
    promote(store, add_model(store, seed=0), "a")
    promote(store, add_model(store, seed=1), "b")
    router = router_of(store)
    router.load()
    (releases_folder(store.home, "main") / "a.json").unlink()
    router.refresh()
    assert [served.release.name for served in router.all()] == ["b"]
    assert router.pick(None).release.name == "b"


def test_the_hash_is_of_what_was_loaded(store: Store) -> None:
    """A file that changes between the check and the loading is found out, and what served goes on."""
    good, changed = add_model(store, seed=0), add_model(store, seed=1)
    promote(store, good, "triage")
    router = router_of(store)
    router.load()
    assert router.pick(None).sha256 == good.id

    def load_another(folder: Path) -> Here:
        loaded = load_here(folder)
        return Here(loaded.engine, dict(loaded.files) | {"model.onnx": "0" * 64})

    promote(store, changed, "triage")
    hostile = Router(store.home, "main", 0.0, Metrics(), load_another)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError, match="while it was being loaded"):
        hostile.load()


def test_labels_have_limits_of_their_own(store: Store) -> None:
    promote(store, add_model(store), "triage", min_score=0.2, min_scores={ONNX_LABELS[0]: 0.9})
    router = router_of(store, min_score=0.3)
    router.load()
    served = router.pick(None)
    limits = {
        label: [served.abstain(Prediction(label, score)).label for score in (0.25, 0.5, 0.95)] for label in ONNX_LABELS
    }
    assert limits[ONNX_LABELS[0]] == [None, None, ONNX_LABELS[0]]
    assert limits[ONNX_LABELS[1]] == [None, ONNX_LABELS[1], ONNX_LABELS[1]]
    assert served.abstain(Prediction(None, 1.0)).label is None


def test_the_versions_of_a_release_are_named(store: Store) -> None:
    live, canary = add_model(store, seed=0), add_model(store, seed=1)
    promote(store, live, "triage")
    promote(store, canary, "triage", "canary")
    router = router_of(store)
    router.load()
    assert [served.stage for served in router.versions("triage")] == ["live", "canary"]
    named = router.pick("triage", canary.id[:12])
    assert (named.stage, named.drawn, named.sha256) == ("canary", None, canary.id)


def test_a_version_that_goes_live_is_not_loaded_again(store: Store) -> None:
    live, canary = add_model(store, seed=0), add_model(store, seed=1)
    promote(store, live, "triage")
    promote(store, canary, "triage", "canary")
    folders: list[Path] = []

    def load_and_count(folder: Path) -> Here:
        folders.append(folder)
        return load_here(folder)

    router = Router(store.home, "main", 0.0, Metrics(), load_and_count)  # type: ignore[arg-type]
    router.load()
    promote(store, canary, "triage")
    router.refresh()
    assert router.pick(None).version == canary.id[:12]
    assert folders == [live.folder, canary.folder]
