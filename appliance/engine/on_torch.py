"""Run `torch` models, and hold the one network that every base model and every method of training shares.

The network is a `torch.nn.ModuleDict`: `encoder`, a BertModel without pooler, and `head`, a linear layer. Sentence embedding = mean of the
last layer over the attention mask, scaled to length 1 (Reimers and Gurevych 2019, arXiv 1908.10084); the head reads that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.engine.plan import Plan, read_plan
from appliance.engine.texts import Reader, answers, pad
from appliance.errors import InputError, MissingPartError
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np
    import torch

    from appliance.schema import Prediction

    Function = Callable[[torch.nn.ModuleDict, torch.Tensor, torch.Tensor], torch.Tensor]

__all__ = [
    "TorchEngine",
    "batches_of_like_length",
    "embeddings",
    "encoder_of",
    "in_batches",
    "load",
    "load_encoder",
    "load_network",
    "logits",
    "network",
    "pad",
    "set_widths",
    "widths",
]

_BATCH_ROWS = 64
_BATCH_TOKENS = 8192


class TorchEngine:
    """A loaded network on the GPU if there is one, else on the CPU."""

    def __init__(self, plan: Plan, reader: Reader, network: torch.nn.ModuleDict) -> None:
        self.plan, self.network, self._reader = plan, network.eval(), reader

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the logits."""
        return self.plan.labels

    def forward(self, input_ids: np.ndarray[Any, Any], attention_mask: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Run the network: int64 (batch, tokens) twice -> float32 logits (batch, labels)."""
        return _run(logits, self.network, input_ids, attention_mask)

    def logits(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return float32 logits (texts, labels)."""
        return in_batches(logits, self.network, [self._reader.read(text)[0] for text in texts])

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return float32 embeddings of length 1 (texts, hidden)."""
        return in_batches(embeddings, self.network, [self._reader.read(text)[0] for text in texts])

    def predict(self, texts: Sequence[str], min_score: float = 0.0) -> list[Prediction]:
        """Answer each text; the label is None where the best probability lies below `min_score`. Raises `InputError` for lone surrogates."""
        if not texts:
            return []
        ids, truncated = zip(*(self._reader.read(text) for text in texts), strict=True)
        return answers(in_batches(logits, self.network, ids), truncated, self.labels, min_score)


def load(folder: Path) -> TorchEngine:
    """Load a torch model folder. Raises `InputError` when a file is missing or does not fit its plan, `MissingPartError` without torch."""
    import_torch()
    import torch

    plan = read_plan(folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return TorchEngine(plan, Reader(folder, plan), load_network(folder, len(plan.labels)).to(device))


def load_network(folder: Path, labels: int) -> torch.nn.ModuleDict:
    """Read `config.json` and `model.safetensors` (keys `encoder.*`, `head.weight`, `head.bias`) of a model folder, on the CPU, in eval mode.

    Raises `InputError` when a file is missing, is no safetensors file or does not fit `labels`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    try:
        built = network(encoder_of(folder), labels)
        built.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            _("cannot load `{path}`: damaged, or not the weights that `config.json` and the labels describe", path=path)
        ) from error
    return built.eval()


def import_torch() -> None:
    """Import torch and transformers with the hub closed. Raises `MissingPartError` naming the extra.

    Threads that wait sleep (`OMP_WAIT_POLICY`, unless set): on busy cores two spinning threads took 5 to 20 times as long as one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    try:
        import safetensors.torch  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingPartError(
            _("torch models need the extra `train`: install `skerry[train]` from the wheelhouse")
        ) from error


def encoder_of(folder: Path) -> torch.nn.Module:
    """Build the BertModel that `config.json` in `folder` describes, without pooler and with weights still to be loaded.

    Its key `widths`, where it has one, gives the heads and neurons that pruning left in each layer. Raises `InputError` for another architecture.
    """
    import_torch()
    from transformers import BertConfig, BertModel

    path = folder / "config.json"
    try:
        fields = json.loads(path.read_bytes())
        if fields["model_type"] != "bert" or fields.get("is_decoder"):
            kind = str(fields["model_type"])
            raise InputError(
                _("`{path}` describes a `{kind}`; only BertModel encoders are supported", path=path, kind=kind)
            )
        config = BertConfig(**{name: value for name, value in fields.items() if name != "widths"})
        config._attn_implementation = "sdpa"
        encoder: torch.nn.Module = BertModel(config, add_pooling_layer=False)
        if "widths" in fields:
            set_widths(encoder, fields["widths"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(_("cannot read `{path}`; name a folder with the config of a BertModel", path=path)) from error
    return encoder


def set_widths(encoder: torch.nn.Module, widths: Sequence[Mapping[str, int]]) -> None:
    """Give each layer of an encoder so many attention `heads` and `neurons` of its feed-forward part, with new weights.

    The size of a head and the hidden width stay. Raises `ValueError` unless there is one entry a layer and each is at least 1.
    """
    import torch

    for layer, width in zip(encoder.encoder.layer, widths, strict=True):  # type: ignore[union-attr,arg-type]
        heads, neurons, attention = int(width["heads"]), int(width["neurons"]), layer.attention.self
        if min(heads, neurons) < 1:
            raise ValueError("a layer without heads or neurons")
        hidden, size = attention.query.in_features, heads * attention.attention_head_size
        attention.num_attention_heads, attention.all_head_size = heads, size
        attention.query, attention.key, attention.value = (torch.nn.Linear(hidden, size) for _part in range(3))
        layer.attention.output.dense = torch.nn.Linear(size, hidden)
        layer.intermediate.dense = torch.nn.Linear(hidden, neurons)
        layer.output.dense = torch.nn.Linear(neurons, hidden)


def widths(encoder: torch.nn.Module) -> list[dict[str, int]]:
    """Return the `heads` and `neurons` of each layer, as `config.json` keeps them."""
    return [
        {"heads": layer.attention.self.num_attention_heads, "neurons": layer.intermediate.dense.out_features}
        for layer in encoder.encoder.layer  # type: ignore[union-attr]
    ]


def load_encoder(folder: Path) -> torch.nn.Module:
    """Build the BertModel of a base folder with its weights, on the CPU. Poolers and heads in the file are left out; `bert.` in front and the
    old names of layer norms are understood. Raises `InputError` for files that do not fit.
    """
    encoder = encoder_of(folder)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    try:
        named = {_plain_name(name): value for name, value in load_file(path).items()}
        wanted = set(encoder.state_dict())
        encoder.load_state_dict({name: value for name, value in named.items() if name in wanted})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            _("cannot load `{path}`: damaged, or not the weights that `config.json` describes", path=path)
        ) from error
    return encoder


def _plain_name(name: str) -> str:
    name = name.removeprefix("bert.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def network(encoder: torch.nn.Module, labels: int) -> torch.nn.ModuleDict:
    """Join an encoder and a linear head of `labels` outputs, all zeros: `encoder.*`, `head.weight` (labels, hidden), `head.bias` (labels)."""
    import torch

    head = torch.nn.Linear(int(encoder.config.hidden_size), labels)  # type: ignore[union-attr,arg-type]
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    return torch.nn.ModuleDict({"encoder": encoder, "head": head})


def embeddings(network: torch.nn.ModuleDict, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Embed a batch: int64 (batch, tokens) twice -> (batch, hidden), each of length 1."""
    import torch

    states = network["encoder"](
        input_ids=input_ids, attention_mask=attention_mask
    ).last_hidden_state  # (batch, tokens, hidden)
    mask = attention_mask.unsqueeze(-1).to(states.dtype)  # (batch, tokens, 1)
    mean = (states * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean, dim=-1)


def logits(network: torch.nn.ModuleDict, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Run the whole network: int64 (batch, tokens) twice -> logits (batch, labels)."""
    output: torch.Tensor = network["head"](embeddings(network, input_ids, attention_mask))
    return output


def in_batches(
    function: Function,
    network: torch.nn.ModuleDict,
    ids: Sequence[Sequence[int]],
    told: Callable[[int], None] = lambda _done: None,
) -> np.ndarray[Any, Any]:
    """Run `logits` or `embeddings` over token ids in batches of like length: float32 (rows, labels or hidden), in the order of the rows.

    `told` is called with the rows done. The network is left in eval mode.
    """
    import numpy as np

    head: Any = network.eval()["head"]
    result = np.empty((len(ids), head.out_features if function is logits else head.in_features), np.float32)
    done = 0
    for rows in batches_of_like_length([len(row) for row in ids], _BATCH_ROWS, _BATCH_TOKENS):
        result[rows] = _run(function, network, *pad([ids[row] for row in rows]))
        done += len(rows)
        told(done)
    return result


def _run(
    function: Function,
    network: torch.nn.ModuleDict,
    input_ids: np.ndarray[Any, Any],
    attention_mask: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    import torch

    device = next(network.parameters()).device
    with torch.inference_mode():
        output = function(network, torch.from_numpy(input_ids).to(device), torch.from_numpy(attention_mask).to(device))
    return output.float().cpu().numpy()


def batches_of_like_length(lengths: Sequence[int], batch_rows: int, batch_tokens: int) -> list[list[int]]:
    """Cut the row numbers, sorted by length, into batches of at most `batch_rows` rows and `batch_tokens` tokens, padding counted."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (lengths[row], row)):
        if not batches or len(batches[-1]) == batch_rows or (len(batches[-1]) + 1) * lengths[row] > batch_tokens:
            batches.append([])
        batches[-1].append(row)
    return batches
