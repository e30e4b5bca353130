"""Which layers a network can do without, and the network without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from appliance.compress.student import Student, layers, with_network
from appliance.engine.on_torch import in_batches, logits
from appliance.jobs import progress

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["best", "divergence", "importance", "keep_layers"]


def importance(student: Student, ids: Sequence[Sequence[int]]) -> list[float]:
    """Return for each layer how far the answers move, in nats a row, when it is left out: the mean KL(with || without) over calibration rows.

    Ablation layer by layer, as in Sajjad et al. 2023 (Computer Speech and Language 77: 101429); `ids` are token ids of real texts, at least one.
    """
    whole = in_batches(logits, student.network, ids)
    count, found = len(layers(student.network)), []
    for left_out in range(count):
        progress("layers", left_out, count)
        with _only(student.network, [number for number in range(count) if number != left_out]):
            found.append(divergence(whole, in_batches(logits, student.network, ids)))
    return found


def best(student: Student, ids: Sequence[Sequence[int]], count: int) -> list[int]:
    """Choose `count` layers to keep: the least missed one is left out, the rest is looked at again, and so on (greedy).

    A layer's weight depends on which others are there, so that leaving out the least important ones all at once chooses worse.
    """
    whole = in_batches(logits, student.network, ids)
    kept = list(range(len(layers(student.network))))
    steps = len(kept) - count
    for step in range(steps):
        progress("layers", step, steps)
        tried = {}
        for left_out in kept:
            rest = [number for number in kept if number != left_out]
            with _only(student.network, rest):
                tried[left_out] = divergence(whole, in_batches(logits, student.network, ids))
        kept.remove(min(tried, key=lambda number: (tried[number], number)))
    return kept


def keep_layers(student: Student, kept: Sequence[int]) -> Student:
    """Return a student with the layers of these numbers only, in their order. Raises `ValueError` for none, or a number that is not there."""
    if not kept or not set(kept) <= set(range(len(layers(student.network)))):
        raise ValueError("layers to keep must be layers that are there")

    def cut(network: torch.nn.ModuleDict) -> None:
        encoder: Any = network["encoder"]
        encoder.encoder.layer = type(encoder.encoder.layer)([encoder.encoder.layer[number] for number in kept])
        encoder.config.num_hidden_layers = len(kept)

    return with_network(student, cut)


@contextmanager
def _only(network: torch.nn.ModuleDict, kept: Sequence[int]) -> Iterator[None]:
    encoder: Any = network["encoder"]
    whole = encoder.encoder.layer
    encoder.encoder.layer = type(whole)([whole[number] for number in kept])
    try:
        yield
    finally:
        encoder.encoder.layer = whole


def divergence(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Return the mean of KL(softmax(one) || softmax(other)) in nats over rows of logits (rows, labels)."""
    import numpy as np

    logs = [_log_softmax(values.astype(np.float64)) for values in (one, other)]
    return float((np.exp(logs[0]) * (logs[0] - logs[1])).sum(axis=1).mean())


def _log_softmax(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    shifted = values - values.max(axis=1, keepdims=True)
    result: np.ndarray[Any, Any] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
