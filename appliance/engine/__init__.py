"""Load a model of any format and run it: one way to ask a model, whatever its file looks like.

A model folder holds `model.json` (the plan), `tokenizer.json` and the weights: `model.safetensors` with
`config.json`, or `model.onnx`. The network is the same in each format: mean pooling over the attention mask,
L2 normalisation, a linear head. An `ngrams` model has no network and no `tokenizer.json`: see `on_ngrams`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from appliance.engine.plan import Plan, read_plan

if TYPE_CHECKING:
    import numpy as np

    from appliance.schema import Prediction

__all__ = ["Engine", "Network", "Plan", "load", "read_plan"]


class Engine(Protocol):
    """A loaded model. It may be used from several threads at once."""

    plan: Plan

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the logits."""

    def logits(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return float32 logits (texts, labels)."""

    def predict(self, texts: Sequence[str], min_score: float = 0.0) -> list[Prediction]:
        """Answer each text; the label is None where the best probability lies below `min_score`."""


@runtime_checkable
class Network(Engine, Protocol):
    """A loaded model that reads token ids."""

    def forward(self, input_ids: np.ndarray[Any, Any], attention_mask: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Run the network: int64 (batch, tokens) twice -> float32 logits (batch, labels)."""


def load(folder: Path | str) -> Engine:
    """Load the model in `folder`.

    Raises `InputError` when a file is missing or is not what the plan says, `MissingPartError` when the library of
    its format is not installed.
    """
    folder = Path(folder)
    form = read_plan(folder).format
    if form == "torch":
        from appliance.engine import on_torch

        return on_torch.load(folder)
    if form == "ngrams":
        from appliance.engine import on_ngrams

        return on_ngrams.load(folder)
    if form == "tensorrt":
        from appliance.engine import on_tensorrt

        return on_tensorrt.load(folder)
    from appliance.engine import on_onnx

    return on_onnx.load(folder)
