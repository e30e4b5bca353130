"""The plan of a model, `model.json`: what its weights mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.errors import InputError
from appliance.words import _

FORMATS = ("torch", "onnx", "onnx-int8", "onnx-int8-static", "tensorrt", "ngrams")
INT8 = ("onnx-int8", "onnx-int8-static", "tensorrt")  # whose plans tell the range of the weights
_FILE = "model.json"
_FILES = {
    "torch": (_FILE, "config.json", "tokenizer.json", "model.safetensors"),
    "ngrams": (_FILE, "config.json", "model.safetensors"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a model's answers depend on beside weights and tokenizer.

    `labels` stand in the order of the logits, `max_tokens` counts special tokens too, `prefix` is put before each text
    (`query: ` for e5). `reduce_range` tells that int8 weights use 7 bits, which CPUs without VNNI cannot saturate.
    """

    format: str
    task: str
    labels: tuple[str, ...]
    max_tokens: int
    prefix: str
    base: str
    languages: tuple[str, ...]
    reduce_range: bool = False


def files_of(form: str) -> tuple[str, ...]:
    """Return the names of the files that a model of a format is made of, and no other is."""
    return _FILES.get(form, (_FILE, "tokenizer.json", "model.onnx"))


def read_plan(folder: Path, read: Callable[[Path], bytes] = Path.read_bytes) -> Plan:
    """Read `model.json` of a model folder, by `read`. Raises `InputError` when it is missing or holds something else."""
    path = folder / _FILE
    try:
        content: dict[str, Any] = json.loads(read(path))
        plan = Plan(
            format=str(content["format"]),
            task=str(content["task"]),
            labels=tuple(map(str, content["labels"])),
            max_tokens=int(content["max_tokens"]),
            prefix=str(content["prefix"]),
            base=str(content["base"]),
            languages=tuple(map(str, content["languages"])),
            reduce_range=bool(content.get("reduce_range", False)),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            _(
                "cannot read `{path}` ({error}); name the folder of a Skerry model",
                path=path,
                error=type(error).__name__,
            )
        ) from error
    if plan.format not in FORMATS:
        raise InputError(
            _("`{path}`: format `{format}` is none of {known}", path=path, format=plan.format, known=", ".join(FORMATS))
        )
    if not plan.labels or len(set(plan.labels)) != len(plan.labels) or plan.max_tokens < 2:
        raise InputError(
            _("`{path}`: a model needs different labels and at least 2 tokens; export it again", path=path)
        )
    return plan


def write_plan(folder: Path, plan: Plan) -> None:
    """Write `model.json`; the same plan gives the same bytes."""
    content = (
        asdict(plan)
        if plan.format in INT8
        else {key: value for key, value in asdict(plan).items() if key != "reduce_range"}
    )
    (folder / _FILE).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
