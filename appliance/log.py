"""JSON lines on stderr or in a file: ids and counts, never record text."""

import json
import sys
import time
from typing import TextIO

_SAFE = (int, float, bool, type(None))


def now() -> str:
    """Return the time as ISO 8601 UTC, to the millisecond."""
    moment = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment * 1000) % 1000:03d}Z"


def log(event: str, *, stream: TextIO | None = None, **fields: object) -> None:
    """Write one line `{"time", "event", ...}`. Values are numbers, booleans, None or short ids; anything else is named by its type only."""
    line: dict[str, object] = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event}
    line |= {key: value if isinstance(value, _SAFE) else _short(value) for key, value in fields.items()}
    print(json.dumps(line), file=stream or sys.stderr, flush=True)


def _short(value: object) -> str:
    # Ids, verbs and host:port pass; what looks like prose (spaces, non-ASCII) cannot be record text by accident.
    text = str(value)
    return (
        text
        if isinstance(value, str) and text.isascii() and " " not in text and len(text) <= 80
        else f"<{type(value).__name__}>"
    )
