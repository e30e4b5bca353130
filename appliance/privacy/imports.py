"""Import a library without the heavy ones it takes along when it sees them: spaCy and Presidio need no torch, and load in a third of the time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without"]

HEAVY = ("torch", "transformers", "tensorflow", "mxnet", "stanza", "gliner")


@contextmanager
def without(names: tuple[str, ...] = HEAVY) -> Iterator[None]:
    """Let imports inside the block fail for `names` that are not loaded yet (None in `sys.modules`, Python reference 5.3.1)."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules |= dict.fromkeys(hidden)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
