"""Load a model of any format and run it: one way to ask a model, whatever its file looks like.

A model folder holds `model.json` (the plan), `tokenizer.json` and the weights: `model.safetensors` with
`config.json`, or `model.onnx`. The network is the same in each format: mean pooling over the attention mask,
L2 normalisation, a linear head. An `ngrams` model has no network and no `tokenizer.json`: see `on_ngrams`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from appliance.engine.plan import Plan, read_plan

if TYPE_CHECKING:
    import numpy as np

    from appliance.engine.texts import Reading
    from appliance.schema import Prediction

__all__ = ["Engine", "LongTexts", "Network", "Plan", "Reads", "batches", "load", "read_plan"]

LongTexts = Literal["truncate", "chunk", "refuse"]
Providers = Literal["auto", "cpu", "cuda", "tensorrt"]


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


@runtime_checkable
class Reads(Network, Protocol):
    """A loaded model whose reading and running a server does apart, so that texts can share a run.

    `embedding_width` is 0 for a model without embeddings.
    """

    embedding_width: int

    def read(self, text: str, long_texts: LongTexts = "truncate") -> Reading:
        """Tokenize a text. Raises `InputError` for lone surrogates, and for a long text where `long_texts` is `refuse`."""

    def run(self, rows: Sequence[Sequence[int]], kind: str = "predict") -> list[np.ndarray[Any, Any]]:
        """Run token ids (tokens) in one batch: float32 (labels), or (tokens, labels) for the task `tag`, or with `embed` (hidden), of each."""


def batches(plan: Plan) -> bool:
    """Tell whether a text's answer is meant not to depend on the texts that share its run.

    Dynamic int8 has one activation scale a batch (microsoft/onnxruntime#10111), so that there it does.
    """
    return plan.format in ("onnx", "onnx-int8-static", "tensorrt")


def load(folder: Path | str, read: Callable[[Path], bytes] = Path.read_bytes, provider: Providers = "auto") -> Engine:
    """Load the model in `folder`; each file is read by `read`, once. `provider` says what runs ONNX models, see `on_onnx.provider_of`.

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

        return on_ngrams.load(folder, read)
    if form == "tensorrt" and provider in ("auto", "tensorrt"):
        from appliance.engine import on_tensorrt

        return on_tensorrt.load(folder, read)
    from appliance.engine import on_onnx

    return on_onnx.load(folder, read, provider)
