"""The linear probe: a multinomial logistic regression on frozen embeddings."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.engine.on_torch import embeddings, in_batches
from appliance.errors import MissingPartError
from appliance.jobs import progress
from appliance.train.checkpoint import intact, writing
from appliance.train.classify import measure
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np
    import torch

    # weight (labels, hidden) and bias (labels), float32
    Head = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

__all__ = ["STRENGTHS", "Probe", "choose_strength", "embed", "fit_head", "kept"]

# Inverse strengths of the L2 penalty that are tried on the validation rows.
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
_CHUNK_ROWS = 2_000


def embed(network: torch.nn.ModuleDict, ids: Sequence[Sequence[int]], scratch: Path) -> np.ndarray[Any, Any]:
    """Embed token ids: float32 (rows, hidden), each of length 1. Every 2,000 rows are kept in `scratch`, so that a killed run goes on there."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    chunks = []
    for start in range(0, len(ids), _CHUNK_ROWS):
        folder = scratch / f"{start}"
        if not intact(folder):
            with writing(scratch, folder.name) as temporary:
                chunk = in_batches(
                    embeddings,
                    network,
                    ids[start : start + _CHUNK_ROWS],
                    lambda done, start=start: progress("embed", start + done, len(ids)),  # type: ignore[misc]
                )
                save_file({"embeddings": chunk}, temporary / "embeddings.safetensors")
        chunks.append(load_file(folder / "embeddings.safetensors")["embeddings"])
    return np.concatenate(chunks)


@dataclass(frozen=True, slots=True)
class Probe:
    """A fitted head, the inverse strength of its penalty, and its metrics on the validation rows (empty without such rows)."""

    strength: float
    head: Head
    metrics: dict[str, float]


def choose_strength(
    train: np.ndarray[Any, Any],
    targets: Sequence[int],
    validation: np.ndarray[Any, Any],
    truth: Sequence[int],
    labels: int,
) -> Probe:
    """Fit one head for each of `STRENGTHS` and return the one with the best macro-F1 on the validation rows; of equals, the lower loss.

    `train`, `validation` (rows, hidden). Without validation rows the middle strength is taken.
    """
    if not len(truth):
        strength = STRENGTHS[len(STRENGTHS) // 2]
        return Probe(strength, fit_head(train, targets, labels, strength), {})
    found: list[Probe] = []
    for done, strength in enumerate(STRENGTHS):
        progress("probe", done, len(STRENGTHS))
        weight, bias = fit_head(train, targets, labels, strength, start=found[-1].head if found else None)
        found.append(Probe(strength, (weight, bias), measure(validation @ weight.T + bias, truth)))
    return max(found, key=lambda probe: (probe.metrics["macro_f1"], -probe.metrics["loss"]))


def fit_head(
    features: np.ndarray[Any, Any], targets: Sequence[int], labels: int, strength: float, start: Head | None = None
) -> Head:
    """Fit softmax(weight x + bias) by L-BFGS (Liu and Nocedal 1989) with an L2 penalty of 1 / `strength` over the summed loss.

    `features` (rows, hidden); `start` is a head to start from.
    """
    import numpy as np

    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingPartError(
            _("training needs the extra `train`: install `skerry[train]` from the wheelhouse")
        ) from error

    model = LogisticRegression(C=strength, max_iter=1000, tol=1e-6, warm_start=start is not None)
    if start is not None:
        weight, bias = start
        model.coef_, model.intercept_ = (
            (weight[1:] - weight[:1], bias[1:] - bias[:1]) if labels == 2 else (weight, bias)
        )
    # One thread: the same sums on every machine, and busy cores do not slow it down.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last iterate is a fine head
        model.fit(features, np.asarray(targets))
    weight, bias = model.coef_, model.intercept_
    if (
        labels == 2
    ):  # scikit-learn fits one sigmoid; its halves with opposite signs give the same probabilities as a softmax of two
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight.astype(np.float32), bias.astype(np.float32)


def kept(folder: Path, make: Callable[[], Probe]) -> Probe:
    """Return what `make` made, once: kept in `folder`, so that a run that goes on after a kill starts from the same head."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    if not intact(folder):
        probe = make()
        with writing(folder.parent, folder.name) as temporary:
            weight, bias = map(np.ascontiguousarray, probe.head)  # safetensors writes the bytes as they lie
            save_file({"weight": weight, "bias": bias}, temporary / "head.safetensors")
            (temporary / "probe.json").write_text(json.dumps([probe.strength, probe.metrics]), "utf-8")
    head = load_file(folder / "head.safetensors")
    strength, metrics = json.loads((folder / "probe.json").read_bytes())
    return Probe(strength, (head["weight"], head["bias"]), metrics)
