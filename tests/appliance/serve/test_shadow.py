"""The mirror: copies for a shadow, compared, dropped first, and answered to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.errors import ApplianceError
from appliance.monitor.prometheus import Metrics
from appliance.release.registry import promote
from appliance.schema import Model, Prediction
from appliance.serve.router import Router
from appliance.serve.service import Answered
from appliance.serve.shadow import Mirror
from appliance.store import Store
from tests.loading import load_here
from tests.tiny_onnx import add_model, text

TEXTS = [text(8, seed) for seed in range(12)]


class Background:
    """The workers' background line as far as a mirror sees it: real answers of the shadow's model, one job after the other."""

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.texts, self.most_at_once, self._now = fails, 0, 0, 0

    def submit(self, served: Any, texts: list[str], *, background: bool) -> Any:
        assert background
        if self.fails:
            raise ApplianceError("no room")
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        self.texts += len(texts)
        done = asyncio.get_running_loop().create_future()
        answers = served.engine.predict(texts)
        asyncio.get_running_loop().call_later(0.001, self._end, done)
        return SimpleNamespace(done=done, answers=answers, infer_s=[0.001] * len(texts))

    def _end(self, done: asyncio.Future[None]) -> None:
        self._now -= 1
        done.set_result(None)


@pytest.fixture
def models(tmp_path: Path) -> tuple[Store, Model, Model]:
    store = Store.open(tmp_path / "home")
    return store, add_model(store, seed=0), add_model(store, seed=1)


def router_of(store: Store, metrics: Metrics) -> Router:
    router = Router(store.home, "main", 0.0, metrics, load_here)  # type: ignore[arg-type]
    router.load()
    return router


def mirrored(router: Router, metrics: Metrics, workers: Background, most: int, tell: Callable[[Mirror], None]) -> None:
    """Run a mirror until it has done what `tell` told it."""

    async def run() -> None:
        mirror = Mirror(router, most, metrics)
        tell(mirror)
        task = asyncio.create_task(mirror.run(workers))  # type: ignore[arg-type]
        while mirror.waiting:
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(asyncio.wait_for(run(), 20))


def live_answers(router: Router, kind: str = "predict", status: int = 200) -> Answered:
    served = router.pick("triage", None, "key", b"")
    answers: list[Any] = served.engine.predict(TEXTS)  # type: ignore[attr-defined]
    return Answered(served, TEXTS, answers, status, 0.1, "r1", "key", kind)


def counted(metrics: Metrics, model: Model) -> dict[str, float]:
    found = {}
    for agrees in ("yes", "no", "dropped"):
        labels = {"model": "triage", "version": model.id[:12], "agrees": agrees}
        found[agrees] = metrics.registry.get_sample_value("skerry_shadow_texts_total", labels) or 0.0
    return found


def test_a_shadow_is_compared_text_by_text(models: tuple[Store, Model, Model]) -> None:
    store, live, shadow = models
    promote(store, live, "triage")
    promote(store, shadow, "triage", "shadow")
    metrics, workers = Metrics(), Background()
    router = router_of(store, metrics)
    mirrored(router, metrics, workers, 100, lambda mirror: mirror.answered(live_answers(router)))
    here, there = (load_here(model.folder).predict(TEXTS) for model in (live, shadow))
    same = sum(one.label == other.label for one, other in zip(here, there, strict=True))
    assert 0 < same < len(TEXTS)
    assert counted(metrics, shadow) == {"yes": same, "no": len(TEXTS) - same, "dropped": 0}
    times = metrics.registry.get_sample_value(
        "skerry_infer_seconds_count", {"model": "triage", "version": shadow.id[:12]}
    )
    assert times == len(TEXTS)


def test_the_line_is_bounded_and_what_finds_no_room_is_dropped(models: tuple[Store, Model, Model]) -> None:
    store, live, shadow = models
    promote(store, live, "triage")
    promote(store, shadow, "triage", "shadow")
    metrics, workers = Metrics(), Background()
    router = router_of(store, metrics)

    def tell(mirror: Mirror) -> None:
        for _request in range(5):
            mirror.answered(live_answers(router))
        assert mirror.waiting == 24

    mirrored(router, metrics, workers, 30, tell)
    found = counted(metrics, shadow)
    assert (found["dropped"], found["yes"] + found["no"]) == (36, 24)
    assert workers.most_at_once == 1


def test_what_the_workers_refuse_is_dropped_and_the_mirror_goes_on(models: tuple[Store, Model, Model]) -> None:
    store, live, shadow = models
    promote(store, live, "triage")
    promote(store, shadow, "triage", "shadow")
    metrics = Metrics()
    router = router_of(store, metrics)

    def tell(mirror: Mirror) -> None:
        for _request in range(2):
            mirror.answered(live_answers(router))

    mirrored(router, metrics, Background(fails=True), 100, tell)
    assert counted(metrics, shadow)["dropped"] == 24


def test_only_what_the_live_version_answered_is_copied(models: tuple[Store, Model, Model]) -> None:
    store, live, shadow = models
    promote(store, live, "triage")
    metrics, workers = Metrics(), Background()
    router = router_of(store, metrics)
    early = live_answers(router)
    promote(store, shadow, "triage", "shadow")
    router.refresh()

    def tell(mirror: Mirror) -> None:
        mirror.answered(early)  # let in before there was a shadow
        mirror.answered(live_answers(router, kind="embed"))
        failed = live_answers(router)
        mirror.answered(Answered(failed.served, TEXTS, [None] * len(TEXTS), 503, 0.1, "r", "key", "predict"))
        assert mirror.waiting == 0

    mirrored(router, metrics, workers, 100, tell)
    assert workers.texts == 0


def test_a_shadow_is_never_picked(models: tuple[Store, Model, Model]) -> None:
    store, live, shadow = models
    promote(store, live, "triage")
    promote(store, shadow, "triage", "shadow")
    router = router_of(store, Metrics())
    assert {router.pick("triage", None, "key", b"%d" % n).version for n in range(100)} == {live.id[:12]}
    assert [served.version for served in router.versions("triage")] == [live.id[:12]]
    with pytest.raises(ApplianceError):
        router.pick("triage", shadow.id[:12])


def test_a_shadow_that_abstains_where_live_answers_disagrees(models: tuple[Store, Model, Model]) -> None:
    store, live, shadow = models
    promote(store, live, "triage")
    promote(store, shadow, "triage", "shadow", min_score=1.0)
    metrics = Metrics()
    router = router_of(store, metrics)
    mirrored(router, metrics, Background(), 100, lambda mirror: mirror.answered(live_answers(router)))
    assert counted(metrics, shadow)["no"] == len(TEXTS)
    assert all(isinstance(one, Prediction) for one in live_answers(router).answers)
