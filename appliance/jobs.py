"""Durable background work that survives `kill -9` and power cuts."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

Reporter = Callable[[str, int, int | None, dict[str, float]], None]
reporter: ContextVar[Reporter | None] = ContextVar("reporter", default=None)


def progress(step: str, done: int, total: int | None = None, **numbers: float) -> None:
    """Report how far the current work has come; a no-op outside a job.

    `step` is a short English word from the code (`train`), never text of a record; `numbers` are shown
    beside it (`loss=0.31`). Raises `Interrupted` when the job was cancelled, so call it often in long loops.
    """
    current = reporter.get()
    if current is not None:
        current(step, done, total, dict(numbers))
