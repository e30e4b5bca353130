"""Which version answers: loaded with its hashes checked, swapped when the pointer turns, kept when the new one fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import ApplianceError, InputError, IntegrityError, NotFoundError
from appliance.monitor.prometheus import Metrics
from appliance.release.registry import promote, releases_folder, rollback
from appliance.serve.problems import Problem
from appliance.serve.router import Router
from appliance.store import Store
from tests.tiny_ngrams import LABELS, add_ngrams
from tests.tiny_onnx import add_model, text


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


def router_of(store: Store, min_score: float = 0.0) -> Router:
    return Router(store.home, "main", min_score, Metrics())


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
    assert router.pick(None) is router.pick("triage") is router.pick("triage", model.id[:12])
    answer = router.pick(None).predict(text(5))
    assert answer.label in answer.probabilities


def test_an_n_gram_model_is_served_like_any_other(store: Store) -> None:
    model = add_ngrams(store)
    promote(store, model, "triage")
    router = router_of(store)
    router.load()
    served = router.pick("triage", model.id[:12])
    assert served.engine.plan.format == "ngrams"
    assert served.predict("我的卡 was declined").label in LABELS


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
    answer = router.pick(None).predict(text(5))
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
    assert held.predict(text(5)) != router.pick(None).predict(text(5))  # a request let in before keeps its version
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
    router = Router(store.home, "main", 0.0, metrics)
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


def test_a_text_that_no_model_can_read_is_an_input_error(store: Store) -> None:
    promote(store, add_model(store), "triage")
    router = router_of(store)
    router.load()
    with pytest.raises(InputError):
        router.pick(None).predict("\ud800")


def test_a_score_that_is_no_number_is_an_error(store: Store, tmp_path: Path) -> None:
    """A model with NaN weights must not send `NaN`, which is no JSON."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    with store.draft("model", "nan", meta={"format": "onnx"}) as draft:
        from tests.tiny_onnx import write_model

        write_model(draft.folder, "onnx")
        model = onnx.load(draft.folder / "model.onnx")
        bias = next(constant for constant in model.graph.initializer if constant.name == "bias")
        bias.CopyFrom(numpy_helper.from_array(np.full(3, np.nan, np.float32), "bias"))
        onnx.save(model, draft.folder / "model.onnx")
    promote(store, draft.artifact, "nan")
    router = router_of(store)
    router.load()
    with pytest.raises(ApplianceError, match="no number"):
        router.pick(None).predict(text(5))
