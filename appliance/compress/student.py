"""A model on its way to a smaller one: network, tokenizer and plan together, since every cut changes two of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.base.safetensors_file import writing_to
from appliance.engine import on_torch
from appliance.engine.plan import Plan, read_plan, write_plan
from appliance.engine.texts import Reader
from appliance.errors import InputError
from appliance.words import _

if TYPE_CHECKING:
    import torch

__all__ = ["Student", "config", "layers", "read", "with_network", "write"]

# What a BertModel is made of; nothing else of a config is written.
_FIELDS = (
    "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act", "hidden_dropout_prob",
    "attention_probs_dropout_prob", "max_position_embeddings", "type_vocab_size", "initializer_range", "layer_norm_eps", "pad_token_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Student:
    """A network on the CPU, the bytes of its `tokenizer.json`, and its plan. Every function of this room returns another one and leaves its own as it was."""

    network: torch.nn.ModuleDict = field(repr=False)
    tokenizer: bytes = field(repr=False)
    plan: Plan

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, special tokens included, cut to the plan's length."""
        reader = Reader(Path(), self.plan, self.tokenizer)
        return [reader.read(text)[0] for text in texts]

    @property
    def parameters(self) -> dict[str, int]:
        """How many numbers the embedding tables hold, and how many the rest (layers and head)."""
        encoder: Any = self.network["encoder"]
        embedding = sum(value.numel() for value in encoder.embeddings.parameters())
        return {
            "embedding": embedding,
            "encoder": sum(value.numel() for value in self.network.parameters()) - embedding,
        }


def layers(network: torch.nn.ModuleDict) -> Any:
    """Return the list of a network's layers (`torch.nn.ModuleList` of BertLayer)."""
    encoder: Any = network["encoder"]
    return encoder.encoder.layer


def with_network(student: Student, change: Callable[[torch.nn.ModuleDict], None]) -> Student:
    """Return a student whose network is a copy that `change` has changed."""
    network = copy.deepcopy(student.network)
    change(network)
    return Student(network.eval(), student.tokenizer, student.plan)


def config(network: torch.nn.ModuleDict) -> dict[str, Any]:
    """Return the content of `config.json`: a BertModel's fields, and the `widths` of its layers where pruning made them other than the fields say."""
    encoder: Any = network["encoder"]
    fields = {name: getattr(encoder.config, name) for name in _FIELDS}
    widths = on_torch.widths(encoder)
    whole = {"heads": fields["num_attention_heads"], "neurons": fields["intermediate_size"]}
    return fields if all(width == whole for width in widths) else fields | {"widths": widths}


def read(folder: Path) -> Student:
    """Read a torch model folder. Raises `InputError` for one of another format, or a file that is missing or does not fit."""
    plan = read_plan(folder)
    if plan.format != "torch":
        raise InputError(
            _("`{path}` is a model of format `{format}`; name a trained one", path=folder, format=plan.format)
        )
    network = on_torch.load_network(folder, len(plan.labels))
    return Student(network, (folder / "tokenizer.json").read_bytes(), plan)


def write(student: Student, folder: Path) -> None:
    """Write a torch model folder. The same student gives the same bytes."""
    from safetensors.torch import save_file

    with writing_to(folder):
        (folder / "config.json").write_text(json.dumps(config(student.network), indent=1) + "\n", "utf-8")
        (folder / "tokenizer.json").write_bytes(student.tokenizer)
        save_file(student.network.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
        write_plan(folder, student.plan)
