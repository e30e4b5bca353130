"""Narrower layers: which attention heads and which neurons of the feed-forward parts matter, and the network with those alone.

The hidden width is never touched: all layers write to it, and what it holds was learned in pretraining.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.compress.student import Student, layers, with_network
from appliance.engine.on_torch import batches_of_like_length, logits, pad, set_widths
from appliance.jobs import progress

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["BLOCK", "Importance", "Kept", "choose", "importance", "narrow"]

BLOCK = 16  # neurons are kept in multiples of so many: what the vector units of CPUs and GPUs multiply at once
_BATCH_ROWS, _BATCH_TOKENS = 32, 2048


@dataclass(frozen=True, slots=True)
class Importance:
    """How much the loss hangs on each part: one array a layer, of shape (heads,) and (neurons,), in the loss's unit a row."""

    heads: tuple[np.ndarray[Any, Any], ...]
    neurons: tuple[np.ndarray[Any, Any], ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """The numbers of the heads and neurons that stay, a list a layer, in rising order."""

    heads: tuple[tuple[int, ...], ...]
    neurons: tuple[tuple[int, ...], ...]


def importance(student: Student, ids: Sequence[Sequence[int]], targets: Sequence[int]) -> Importance:
    """Return the mean over rows of |activation x gradient|, summed over the tokens of a row (and over the numbers of a head).

    That is the first-order Taylor estimate of what the cross-entropy loses without the part: for heads Michel et al. 2019 (arXiv 1905.10650), for
    neurons Molchanov et al. 2019 (arXiv 1906.10771). `ids` and `targets` are real rows and their labels' numbers.
    """
    import numpy as np
    import torch

    network, found = student.network.eval(), _Found(student.network)
    place, done = next(network.parameters()).device, 0
    with found.watching():
        for rows in batches_of_like_length([len(row) for row in ids], _BATCH_ROWS, _BATCH_TOKENS):
            input_ids, mask = (torch.from_numpy(values).to(place) for values in pad([ids[row] for row in rows]))
            answer = logits(network, input_ids, mask)
            wanted = torch.tensor([targets[row] for row in rows], device=place)
            found.add(torch.nn.functional.cross_entropy(answer, wanted, reduction="sum"))
            done += len(rows)
            progress("importance", done, len(ids))
    heads = [(total / len(ids)).astype(np.float32) for total in found.heads]
    neurons = [(total / len(ids)).astype(np.float32) for total in found.neurons]
    return Importance(tuple(heads), tuple(neurons))


class _Found:
    """Sums up |activation x gradient| at what goes into the two output products of each layer."""

    def __init__(self, network: torch.nn.ModuleDict) -> None:
        self._layers = layers(network)
        self.heads: list[Any] = [0.0] * len(self._layers)
        self.neurons: list[Any] = [0.0] * len(self._layers)
        self._seen: dict[tuple[str, int], Any] = {}

    def watching(self) -> Any:
        from contextlib import ExitStack

        stack = ExitStack()
        for number, layer in enumerate(self._layers):
            for kind, module in (("heads", layer.attention.output.dense), ("neurons", layer.output.dense)):
                hook = module.register_forward_pre_hook(
                    lambda _module, inputs, key=(kind, number): self._see(key, inputs[0])
                )
                stack.callback(hook.remove)
        return stack

    def _see(self, key: tuple[str, int], value: Any) -> None:
        self._seen[key] = value  # (batch, tokens, width)

    def add(self, loss: Any) -> None:
        """Add one batch, whose loss is a sum over its rows."""
        import torch

        keys = list(self._seen)
        gradients = torch.autograd.grad(loss, [self._seen[key] for key in keys])
        for key, gradient in zip(keys, gradients, strict=True):
            kind, number = key
            product = (self._seen[key] * gradient).detach().sum(1)  # (batch, width): summed over tokens
            if kind == "heads":
                product = product.unflatten(-1, (self._layers[number].attention.self.num_attention_heads, -1)).sum(-1)
            getattr(self, kind)[number] += product.abs().sum(0).double().cpu().numpy()
        self._seen.clear()


def choose(found: Importance, heads: int, neurons: int) -> Kept:
    """Choose which heads and neurons stay, so many over all layers: the most important anywhere, so that layers get uneven widths.

    Each layer keeps a head and `BLOCK` neurons, and neurons are kept in blocks of `BLOCK`: `neurons` is rounded down to whole blocks.
    Raises `ValueError` for fewer than that, or more than there are.
    """
    return Kept(_choose(found.heads, heads, 1), _choose(found.neurons, neurons, BLOCK))


def _choose(scores: Sequence[np.ndarray[Any, Any]], total: int, block: int) -> tuple[tuple[int, ...], ...]:
    import numpy as np

    blocks = total // block
    room = [len(layer) // block for layer in scores]
    if not len(scores) <= blocks <= sum(room):
        raise ValueError("cannot keep that many")
    order = [np.argsort(-layer, kind="stable") for layer in scores]
    worth = sorted(
        (
            (-float(layer[kept[place * block : (place + 1) * block]].sum()), number)
            for number, (layer, kept) in enumerate(zip(scores, order, strict=True))
            for place in range(1, room[number])
        ),
    )
    counts = [1] * len(scores)
    for _worth, number in worth[: blocks - len(scores)]:
        counts[number] += 1
    return tuple(tuple(sorted(kept[: count * block].tolist())) for kept, count in zip(order, counts, strict=True))


def narrow(student: Student, kept: Kept) -> Student:
    """Return a student with these heads and neurons alone. It answers as the whole network would with the others set to zero (their share of the
    output bias stays). Its `config.json` tells the widths, so that it reloads exactly."""

    def cut(network: torch.nn.ModuleDict) -> None:
        import torch

        encoder: Any = network["encoder"]
        before = [_weights(layer) for layer in encoder.encoder.layer]
        shapes = [
            {"heads": len(heads), "neurons": len(neurons)}
            for heads, neurons in zip(kept.heads, kept.neurons, strict=True)
        ]
        set_widths(encoder, shapes)
        for layer, weights, heads, neurons in zip(encoder.encoder.layer, before, kept.heads, kept.neurons, strict=True):
            size = layer.attention.self.attention_head_size
            places = torch.tensor([head * size + place for head in heads for place in range(size)])
            cuts = {"query": (places, None), "key": (places, None), "value": (places, None), "context": (None, places)}
            cuts |= {"up": (torch.tensor(neurons), None), "down": (None, torch.tensor(neurons))}
            for name, module in _products(layer).items():
                _fill(module, *weights[name], *cuts[name])

    return with_network(student, cut)


def _products(layer: Any) -> dict[str, Any]:
    attention = layer.attention.self
    return {
        "query": attention.query,
        "key": attention.key,
        "value": attention.value,
        "context": layer.attention.output.dense,
        "up": layer.intermediate.dense,
        "down": layer.output.dense,
    }


def _weights(layer: Any) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    return {name: (module.weight.detach(), module.bias.detach()) for name, module in _products(layer).items()}


def _fill(module: Any, weight: torch.Tensor, bias: torch.Tensor, outputs: Any, inputs: Any) -> None:
    # weight (outputs, inputs), bias (outputs)
    if outputs is not None:
        weight, bias = weight[outputs], bias[outputs]
    if inputs is not None:
        weight = weight[:, inputs]
    module.load_state_dict({"weight": weight.clone(), "bias": bias.clone()})
