"""Embeddings asked for by another thread than the event loop's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from appliance import engine
from appliance.errors import BusyError
from appliance.serve.embedder import Embedder
from appliance.serve.engine_process import EngineProcess
from appliance.serve.workers import Workers
from appliance.settings import ServeSettings
from tests.tiny_onnx import text, write_model

TEXTS = [text(5 + number, number) for number in range(7)]


def router_of(loaded: Any) -> Any:
    """A router of one version, loaded in whatever way."""
    return SimpleNamespace(pick=lambda _release, _version: SimpleNamespace(engine=loaded))


def test_they_are_the_model_s_own_at_length_one(tmp_path: Path) -> None:
    async def test(made: EngineProcess) -> None:
        embedder = Embedder(router_of(await asyncio.to_thread(made.load, write_model(tmp_path))))
        workers = Workers(made, ServeSettings())
        embedder.connect(workers)
        rows = await asyncio.to_thread(embedder, "triage", "0123456789ab", TEXTS)
        model: Any = engine.load(tmp_path)
        wanted = model.embed(TEXTS)
        assert rows is not None
        assert np.allclose(rows, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-6)
        workers.stop()

    made = EngineProcess(ServeSettings(), 1)
    try:
        asyncio.run(asyncio.wait_for(test(made), 30))
    finally:
        made.stop()


def test_a_version_without_embeddings_has_none() -> None:
    assert Embedder(router_of(SimpleNamespace(embedding_width=0)))("triage", "0123456789ab", TEXTS) is None


def test_before_and_after_the_server_it_says_so() -> None:
    embedder = Embedder(router_of(SimpleNamespace(embedding_width=8)))
    with pytest.raises(BusyError):
        embedder("triage", "0123456789ab", TEXTS)

    async def connect() -> None:
        embedder.connect(SimpleNamespace())  # type: ignore[arg-type]

    asyncio.run(connect())
    with pytest.raises(BusyError):
        embedder("triage", "0123456789ab", TEXTS)


def test_nobody_waits_for_workers_that_have_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.serve.embedder._PATIENCE_S", 0.1)

    async def test() -> None:
        workers = SimpleNamespace(
            submit=lambda *_texts, **_how: SimpleNamespace(done=asyncio.get_running_loop().create_future())
        )
        embedder = Embedder(router_of(SimpleNamespace(embedding_width=8)))
        embedder.connect(workers)  # type: ignore[arg-type]
        with pytest.raises(BusyError):
            await asyncio.to_thread(embedder, "triage", "0123456789ab", TEXTS)

    asyncio.run(test())
