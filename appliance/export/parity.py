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
    """How far two models differ over `rows` texts: logit differences, the share of rows with the same label, and how much less often the second one is
    right (`drop`, 0.01 = one point, over the `labelled` rows; None where no label is known)."""

    rows: int
    max_logit_difference: float
    mean_logit_difference: float
    agreement: float
    drop: float | None = None
    labelled: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


def parity(reference: Engine, candidate: Engine, texts: Sequence[str], labels: Sequence[str | None] = ()) -> Parity:
    """Run both models over `texts` (at least one) and compare their logits; `labels` are the true ones of the first texts, None for one that is not known."""
    import numpy as np

    largest, total, same = 0.0, 0.0, 0
    known = {label: number for number, label in enumerate(reference.labels)}
    right: list[
        int
    ] = []  # of a row with a label: 1 where the reference alone is right, -1 where the candidate alone is
    for start in range(0, len(texts), _BATCH_ROWS):
        batch = texts[start : start + _BATCH_ROWS]
        one, other = reference.logits(batch), candidate.logits(batch)  # (rows, labels)
        differences = np.abs(one - other)
        largest = max(largest, float(differences.max()))
        total += float(differences.mean(axis=1).sum())
        guesses = one.argmax(axis=1), other.argmax(axis=1)
        same += int((guesses[0] == guesses[1]).sum())
        for label, first, second in zip(labels[start : start + _BATCH_ROWS], *guesses, strict=False):
            if label is not None:
                right.append(int(first == known.get(label)) - int(second == known.get(label)))
        progress("parity", start + len(batch), len(texts))
    drop = sum(right) / len(right) if right else None
    return Parity(len(texts), largest, total / len(texts), same / len(texts), drop, len(right))


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


def check_drop(found: Parity, max_drop: float) -> None:
    """Raise `PolicyError` when an int8 export is right on fewer rows than its source, by more than `max_drop`, see `loses`."""
    if found.drop is not None and loses(round(found.drop * found.labelled), found.labelled, max_drop):
        raise PolicyError(
            _(
                "the export is refused: on {rows} real rows it loses {found:.4f} of accuracy, allowed are {limit} (`export.max_drop`); use `--format onnx`, or"
                " raise the setting",
                rows=found.labelled,
                found=found.drop,
                limit=max_drop,
            )
        )


def loses(lost: int, rows: int, max_drop: float) -> bool:
    """Tell whether `lost` right answers (of `rows`) are more than `max_drop` allows. One row alone is no evidence: of 48 it would be two points."""
    return lost > max(1, max_drop * rows)


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


def sample(records: Iterable[Record], rows: int) -> list[Record]:
    """Draw `rows` records. A record's id is random, so the smallest ids are an even draw, and the same one each time."""
    return nsmallest(rows, records, key=lambda record: record.id)
