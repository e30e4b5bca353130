"""Parity: does an exported model answer real rows like the model it came from?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from heapq import nsmallest
from typing import Any

from appliance.engine import Engine, Network
from appliance.engine.on_torch import batches_of_like_length, pad
from appliance.errors import PolicyError
from appliance.jobs import progress
from appliance.schema import Record
from appliance.words import _

_BATCH_ROWS = 64
_COMPANY_ROWS = 8


@dataclass(frozen=True, slots=True)
class Parity:
    """How far two models differ over `rows` texts: logit differences, and the share of rows with the same label."""

    rows: int
    max_logit_difference: float
    mean_logit_difference: float
    agreement: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


def parity(reference: Engine, candidate: Engine, texts: Sequence[str]) -> Parity:
    """Run both models over `texts` (at least one) and compare their logits."""
    import numpy as np

    largest, total, same = 0.0, 0.0, 0
    for start in range(0, len(texts), _BATCH_ROWS):
        batch = texts[start : start + _BATCH_ROWS]
        one, other = reference.logits(batch), candidate.logits(batch)  # (rows, labels)
        differences = np.abs(one - other)
        largest = max(largest, float(differences.max()))
        total += float(differences.mean(axis=1).sum())
        same += int((one.argmax(axis=1) == other.argmax(axis=1)).sum())
        progress("parity", start + len(batch), len(texts))
    return Parity(len(texts), largest, total / len(texts), same / len(texts))


def check_exact(found: Parity, max_logit_difference: float) -> None:
    """Raise `PolicyError` when an fp32 export's logits are further than `max_logit_difference` from its source's."""
    if not found.max_logit_difference <= max_logit_difference:  # so written, NaN is refused too
        raise PolicyError(
            _(
                "the export is refused: on {rows} real rows its logits differ by up to {found:.2g}, allowed are"
                " {limit:.2g} (`export.max_logit_difference`)",
                rows=found.rows,
                found=found.max_logit_difference,
                limit=max_logit_difference,
            )
        )


def check_agreement(found: Parity, min_agreement: float) -> None:
    """Raise `PolicyError` when an int8 export gives its source's label on less than `min_agreement` of the rows."""
    if found.agreement < min_agreement:
        raise PolicyError(
            _(
                "the export is refused: on {rows} real rows it gives the same label on {found:.1%}, asked are"
                " {limit:.1%} (`export.min_agreement`); use `--format onnx`, or lower the setting",
                rows=found.rows,
                found=found.agreement,
                limit=min_agreement,
            )
        )


def differ_in_company(model: Network, rows: Sequence[Sequence[int]]) -> int:
    """Count the rows (token ids) whose logits differ by any bit between alone and in a padded batch."""
    import numpy as np

    differ = 0
    for batch in batches_of_like_length([len(row) for row in rows], _COMPANY_ROWS, _COMPANY_ROWS * 512):
        together = model.forward(*pad([rows[row] for row in batch]))  # (batch, labels)
        for row, logits in zip(batch, together, strict=True):
            alone = np.array([rows[row]], np.int64)  # (1, tokens)
            differ += not np.array_equal(model.forward(alone, np.ones_like(alone))[0], logits)
    return differ


def check_company(differ: int, rows: int) -> None:
    """Raise `PolicyError` when any of `rows` texts has another answer in a batch than alone."""
    if differ:
        raise PolicyError(
            _(
                "the export is refused: on this machine {differ} of {rows} real rows have other logits in a batch than"
                " alone; use `--format onnx-int8`, whose texts run alone",
                differ=differ,
                rows=rows,
            )
        )


def sample_texts(records: Iterable[Record], rows: int) -> list[str]:
    """Draw `rows` texts. A record's id is random, so the smallest ids are an even draw, and the same one each time."""
    return [record.text for record in nsmallest(rows, records, key=lambda record: record.id)]
