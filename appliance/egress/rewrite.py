"""A model folder made anew for outside, file by file from what is known to be needed: nothing is copied as it lies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.compress.vocabulary import tokens, trim, trim_tokenizer
from appliance.egress import graph
from appliance.egress.entries import Entries
from appliance.engine.plan import Plan, read_plan, write_plan

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """What of a model leaves: the numbers of its labels, and the entries of its vocabulary with the base's rows (rows of the base, hidden) for those that are put back.

    An n-gram model has no entries, but `rows`: the rows of its table that texts of enough people fall on.
    """

    labels: tuple[int, ...]
    entries: Entries | None = None
    public: Array | None = None
    rows: frozenset[int] = frozenset()


def rewrite(source: Path, target: Path, kept: Kept) -> Plan:
    """Write the model folder `source` into the folder `target` with what is kept alone; return its plan. The same model gives the same bytes.

    Raises `PolicyError` for parts that cannot be told to be harmless, `InputError` for a tokenizer that cannot be trimmed.
    """
    plan = read_plan(source)
    new = replace(plan, labels=tuple(plan.labels[number] for number in kept.labels))
    if plan.format == "ngrams":
        _ngrams(source, target, kept)
    elif plan.format == "torch":
        _torch(source, target, kept, new)
    else:
        _onnx(source, target, kept, plan)
    write_plan(target, new)
    return new


def _onnx(source: Path, target: Path, kept: Kept, plan: Plan) -> None:
    assert kept.entries is not None
    tokenizer = (source / "tokenizer.json").read_bytes()
    entries = len(tokens(tokenizer))
    model = graph.plain((source / "model.onnx").read_bytes())
    if kept.public is not None:
        graph.put_back(model, list(kept.entries.put_back), kept.public, entries)
    if kept.entries.dropped:
        graph.keep_entries(model, kept.entries.kept, entries)
    if len(kept.labels) < len(plan.labels):
        graph.keep_labels(model, kept.labels, len(plan.labels))
    (target / "model.onnx").write_bytes(graph.write(model))
    (target / "tokenizer.json").write_bytes(_tokenizer(tokenizer, kept.entries))


def _tokenizer(content: bytes, entries: Entries) -> bytes:
    """Return the trimmed tokenizer as its own library writes it: nothing that the library does not know survives that."""
    from tokenizers import Tokenizer

    written: str = Tokenizer.from_buffer(trim_tokenizer(content, entries.kept)).to_str()
    return written.encode()


def _torch(source: Path, target: Path, kept: Kept, plan: Plan) -> None:
    import torch

    from appliance.compress import student

    assert kept.entries is not None
    before = student.read(source)

    def change(network: torch.nn.ModuleDict) -> None:
        parts: Any = network
        table, head = parts["encoder"].embeddings.word_embeddings.weight, parts["head"]
        index = torch.tensor(kept.labels)
        if kept.entries is not None and kept.public is not None:
            table.data[torch.tensor(list(kept.entries.put_back))] = torch.from_numpy(kept.public).to(table.dtype)
        head.weight.data, head.bias.data = head.weight.data[index], head.bias.data[index]

    after = trim(student.with_network(before, change), kept.entries.kept)
    student.write(replace(after, tokenizer=_tokenizer(before.tokenizer, kept.entries), plan=plan), target)


def _ngrams(source: Path, target: Path, kept: Kept) -> None:
    import numpy as np
    from safetensors.numpy import load_file, save_file

    from appliance.engine.on_ngrams import Pieces, pack, unpack

    pieces = Pieces(**json.loads((source / "config.json").read_bytes()))
    tensors = load_file(source / "model.safetensors")
    few = np.ones(pieces.rows, bool)
    few[sorted(kept.rows)] = False
    half = tensors["table"].dtype == np.uint8
    table = unpack(tensors["table"]) if half else tensors["table"].copy()  # int8 (rows, width)
    table[few] = 0
    labels: Sequence[int] = list(kept.labels)
    parts = {name: tensors[name][labels] for name in ("head", "scale", "bias")}
    save_file(parts | {"table": pack(table) if half else table}, target / "model.safetensors")
    (target / "config.json").write_text(json.dumps(asdict(pieces)) + "\n", "utf-8")
