"""The menu: which variants nothing else beats, which one to take, and what the test split says of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.compress.bound import Z, rows_needed
from appliance.settings import CompressSettings

__all__ = ["Variant", "choose", "dominated", "front", "verdict"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One smaller model: its name, what it was made by (`recipe`, plain JSON; `point` of the search's space, None for presets), its folder, and what was measured: `cost` and `quality` (see `measure`,
    on validation rows), `parameters` (`embedding`, `encoder`). `refused` says why it is not offered (None: it may be); making and measuring it took
    `seconds`."""

    name: str
    recipe: dict[str, Any]
    point: dict[str, Any] | None
    folder: Path
    parameters: dict[str, int]
    cost: dict[str, Any]
    quality: dict[str, Any]
    refused: str | None
    seconds: float

    @property
    def gain(self) -> float:
        """How much smaller and faster it is: the geometric mean of both ratios."""
        return math.sqrt(float(self.cost["size_ratio"]) * float(self.cost["latency_ratio"]))


def dominated(one: Variant, others: Sequence[Variant]) -> bool:
    """Tell whether another variant is as small, as fast and as right, and better in one of the three (Pareto 1906)."""
    mine = _worth(one)
    return any(
        all(a >= b for a, b in zip(_worth(other), mine, strict=True)) and _worth(other) != mine for other in others
    )


def front(variants: Sequence[Variant]) -> list[Variant]:
    """Return the variants that no other one dominates, the largest first."""
    offered = [variant for variant in variants if variant.refused is None]
    kept = [variant for variant in offered if not dominated(variant, offered)]
    return sorted(kept, key=lambda variant: (-int(variant.cost["size_bytes"]), variant.name))


def _worth(variant: Variant) -> tuple[float, float, float]:
    return float(variant.cost["size_ratio"]), float(variant.cost["latency_ratio"]), float(variant.quality["metric"])


def within(variant: Variant, settings: CompressSettings) -> bool:
    """Tell whether a variant keeps the limits of time and size."""
    slow = settings.max_latency_ms is not None and variant.cost["latency_ms"]["1x16"] > settings.max_latency_ms
    large = settings.max_size_mb is not None and variant.cost["size_bytes"] > settings.max_size_mb * 1e6
    return not slow and not large


def choose(variants: Sequence[Variant], settings: CompressSettings, test_rows: int) -> Variant | None:
    """Return the variant to test: of those within the limits whose bound on `test_rows` rows is to be expected within `max_drop`, the one with the
    largest gain; where there is none, the one with the lowest expected bound. None when nothing keeps the limits.

    The expected bound takes the shares seen on validation rows as true: drop + 1.645 x the standard error of the paired difference.
    """
    offered = [variant for variant in front(variants) if within(variant, settings)]
    if not offered:
        return None
    promising = [variant for variant in offered if _expected(variant, test_rows) <= settings.max_drop]
    if promising:
        return max(promising, key=lambda variant: variant.gain)
    return min(offered, key=lambda variant: _expected(variant, test_rows))


def _expected(variant: Variant, rows: int) -> float:
    seen = variant.quality
    share = (seen["lost"] + seen["won"] + 1) / seen["rows"]
    return float(seen["drop"] + Z * math.sqrt(max(0.0, share - seen["drop"] ** 2) / max(1, rows)))


def verdict(tested: dict[str, Any], max_drop: float) -> dict[str, Any]:
    """Return `verdict` and, where it is open, `rows_needed`: accepted when the drop is at most `max_drop` with 95 % confidence, refused when it is
    more with 95 % confidence, else undecided."""
    if tested["high"] <= max_drop:
        return {"verdict": "accepted"}
    if tested["low"] > max_drop:
        return {"verdict": "refused"}
    needed = rows_needed(tested["lost"], tested["won"], tested["rows"], max_drop)
    return {"verdict": "undecided", "rows_needed": needed}
