"""Embeddings for whoever looks on from another thread: made by the version that answered, when nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from appliance.errors import ApplianceError, BusyError
from appliance.serve.router import Router
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    from appliance.serve.workers import Workers

_PATIENCE_S = 5.0


class Embedder:
    """Asks the workers in the event loop from any other thread."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._workers: Workers | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def connect(self, workers: Workers) -> None:
        """Take the workers. Called in their event loop."""
        self._workers, self._loop = workers, asyncio.get_running_loop()

    def __call__(self, release: str, version: str, texts: Sequence[str]) -> np.ndarray[Any, Any] | None:
        """Return float32 (texts, hidden) of length 1, or None where the version has no embeddings.

        Raises an `ApplianceError` when the version serves no more, or the workers find no time in a few seconds.
        """
        served = self._router.pick(release, version)
        if not served.engine.embedding_width:
            return None
        if self._workers is None or self._loop is None or self._loop.is_closed():
            raise BusyError(_("the server starts or stops"))
        asking = _ask(self._workers, served, list(texts))
        try:
            asked = asyncio.run_coroutine_threadsafe(asking, self._loop)
        except RuntimeError as error:  # it has closed just now
            asking.close()
            raise BusyError(_("the server starts or stops")) from error
        try:
            return _rows(asked.result(_PATIENCE_S))
        except (TimeoutError, asyncio.CancelledError) as error:
            asked.cancel()
            raise BusyError(_("the server has no time for embeddings")) from error


async def _ask(workers: Workers, served: Any, texts: list[str]) -> list[Any]:
    job = workers.submit(served, texts, kind="embed", background=True)
    await job.done
    return list(job.answers)


def _rows(answers: list[Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    failed = next((answer for answer in answers if not isinstance(answer, bytes)), None)
    if failed is not None:
        raise failed if isinstance(failed, ApplianceError) else BusyError(_("the server has no time for embeddings"))
    rows: np.ndarray[Any, Any] = np.stack([np.frombuffer(answer, "<f4") for answer in answers])
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return rows
