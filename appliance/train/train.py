"""`skerry train`: a model from a data set."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import device
from appliance.base.choose import choose, han_share
from appliance.base.folder import find, read_base_json, verify
from appliance.base.safetensors_file import writing_to
from appliance.engine import on_torch
from appliance.engine.plan import Plan, write_plan
from appliance.engine.texts import Reader
from appliance.errors import SettingsError
from appliance.jobs import progress
from appliance.schema import Dataset, Model
from appliance.settings import TrainSettings
from appliance.store import Store, file_sha256
from appliance.train.card import write_card
from appliance.train.classify import Lesson, read_lesson
from appliance.train.loop import Examples, Tuned, fine_tune
from appliance.train.probe import Probe, choose_strength, embed, fit_head, kept
from appliance.words import _

if TYPE_CHECKING:
    import torch

    from appliance.train.probe import Head

__all__ = ["Trained", "total_steps", "train", "train_rows", "write_model"]


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network on the CPU, the plan that goes with it, and how it came about.

    `metrics` (accuracy, macro_f1, loss) are of the validation rows, before a refit; empty without such rows. `tuned` is there after `full`;
    its `best_step` is 0 when fine-tuning beat the probe nowhere and the probe was kept.
    """

    network: torch.nn.ModuleDict
    plan: Plan
    metrics: dict[str, float]
    probe: Probe
    tuned: Tuned | None
    precision: str
    truncated_rows: int


def train(store: Store, dataset: Dataset, settings: TrainSettings, name: str) -> Model:
    """Train a model called `name` on `dataset`. A run that was killed goes on, and ends with the same weights.

    Raises `InputError` for rows that cannot be learned from, `MissingPartError` without the base model or torch, `IntegrityError` for a base
    model that was changed, `HardwareError` for too little memory or room.
    """
    started = time.monotonic()
    lesson = read_lesson(store.records(dataset), settings.seed)
    chosen, reason = _base_name(lesson, settings)
    base = find(store.settings.bases, store.home, chosen)
    about = verify(base)
    scratch = ("train", _fingerprint(name, dataset, settings, about["sha256"]))
    trained = train_rows(lesson, base, settings, store.scratch(*scratch))
    with store.draft("model", name, parents=(dataset.id,)) as draft:
        draft.verb = "train"
        write_model(trained, base, draft.folder)
        draft.meta |= {
            "format": trained.plan.format,
            "task": trained.plan.task,
            "labels": list(trained.plan.labels),
            "languages": list(trained.plan.languages),
            "base": trained.plan.base,
            "base_reason": reason,
            "method": settings.method,
            "metrics": trained.metrics,
            "seconds": round(time.monotonic() - started, 1),
            "weights_sha256": file_sha256(draft.folder / "model.safetensors"),
            "parameters": sum(value.numel() for value in trained.network.parameters()),
        }
        draft.beside |= set(write_card(draft.folder, name, draft.meta, dataset, lesson, trained, settings, about))
    store.clear_scratch(*scratch)
    model: Model = draft.artifact
    return model


def train_rows(lesson: Lesson, base: Path, settings: TrainSettings, scratch: Path) -> Trained:
    """Train on the rows of `lesson`, starting from the base folder `base`; what must survive a kill lies in `scratch`."""
    on_torch.import_torch()
    import torch

    torch.set_num_threads(device.threads(settings.threads))
    plan = _plan(lesson, base, settings)
    ids, truncated = _read(Reader(base, plan), lesson.train.texts + lesson.validation.texts)
    cut = len(lesson.train)
    learn: Examples = (ids[:cut], lesson.train.targets)
    judge: Examples | None = (ids[cut:], lesson.validation.targets) if len(lesson.validation) else None
    every: Examples = (ids, lesson.train.targets + lesson.validation.targets)
    precision = _precision(settings.precision)

    network = on_torch.network(on_torch.load_encoder(base), len(lesson.labels))
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    features = embed(network, ids, scratch / "embeddings")  # (rows, hidden)
    probe = kept(
        scratch / "probe",
        lambda: choose_strength(features[:cut], learn[1], features[cut:], every[1][cut:], len(plan.labels)),
    )
    head = probe.head
    if settings.refit and judge:
        head = kept(
            scratch / "probe-refit",
            lambda: replace(probe, head=fit_head(features, every[1], len(plan.labels), probe.strength)),
        ).head

    trained = Trained(network, plan, probe.metrics, probe, None, precision, truncated)
    if settings.method == "full":
        _require_memory(network, max(map(len, ids)), settings)
        _start(network, base, probe.head)
        tuned = fine_tune(
            network, learn, judge, settings, precision, scratch / "full", total_steps(len(learn[0]), settings)
        )
        metrics = next(
            (
                {key: item[key] for key in probe.metrics}
                for item in tuned.evaluations
                if item["step"] == tuned.best_step
            ),
            {},
        )
        if judge and metrics["macro_f1"] < probe.metrics["macro_f1"]:
            tuned, metrics = replace(tuned, best_step=0), probe.metrics
        trained = replace(trained, metrics=metrics, tuned=tuned)
        if not tuned.best_step or (settings.refit and judge):
            _start(network, base, head)
        if tuned.best_step and settings.refit and judge:
            total = total_steps(len(learn[0]), settings)  # the schedule that validation judged, cut where it was best
            fine_tune(network, every, None, settings, precision, scratch / "refit", total, tuned.best_step)
    else:
        _start(network, base, head)
    network.to("cpu")
    return trained


def total_steps(rows: int, settings: TrainSettings) -> int:
    """Return the optimizer steps of `settings.epochs` passes over `rows` rows."""
    return max(1, math.ceil(settings.epochs * math.ceil(rows / settings.batch_rows)))


def write_model(trained: Trained, base: Path, folder: Path) -> None:
    """Write a torch model folder: `model.json`, `config.json`, `tokenizer.json`, `model.safetensors`. The same weights give the same bytes."""
    from safetensors.torch import save_file

    with writing_to(folder):
        shutil.copyfile(base / "config.json", folder / "config.json")
        shutil.copyfile(base / "tokenizer.json", folder / "tokenizer.json")
        save_file(trained.network.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
        write_plan(folder, trained.plan)


def _base_name(lesson: Lesson, settings: TrainSettings) -> tuple[str, str]:
    if settings.base != "auto":
        return settings.base, _("base model `{name}`: named by the settings", name=settings.base)
    return choose(han_share(lesson.train.texts))


def _fingerprint(name: str, dataset: Dataset, settings: TrainSettings, base_sha256: str) -> str:
    content = [name, dataset.id, settings.model_dump(mode="json"), base_sha256]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _plan(lesson: Lesson, base: Path, settings: TrainSettings) -> Plan:
    about = read_base_json(base)
    if about["kind"] != "encoder":
        raise SettingsError(_("base model `{name}` is no encoder; see `skerry base list`", name=about["name"]))
    positions = int(json.loads((base / "config.json").read_bytes())["max_position_embeddings"])
    return Plan(
        format="torch",
        task=settings.task,
        labels=lesson.labels,
        max_tokens=min(settings.max_tokens, positions),
        prefix=about["prefix"],
        base=about["name"],
        languages=tuple(about["languages"]),
    )


def _read(reader: Reader, texts: Sequence[str]) -> tuple[list[list[int]], int]:
    ids, truncated = [], 0
    for done, text in enumerate(texts):
        if done % 1000 == 0:
            progress("tokenize", done, len(texts))
        tokens, cut = reader.read(text)
        ids.append(tokens)
        truncated += cut
    return ids, truncated


def _start(network: torch.nn.ModuleDict, base: Path, head: Head) -> None:
    # The base model's weights and this head: where every method begins.
    import torch

    network["encoder"].load_state_dict(on_torch.load_encoder(base).state_dict())
    network["head"].load_state_dict({"weight": torch.from_numpy(head[0]), "bias": torch.from_numpy(head[1])})


def _precision(wanted: str) -> str:
    import torch

    precision = device.precision(wanted)
    if precision == "fp16" and not torch.cuda.is_available():
        raise SettingsError(_("`train.precision` fp16 needs a GPU; take `auto`, fp32 or bf16"))
    return precision


def _require_memory(network: torch.nn.ModuleDict, longest: int, settings: TrainSettings) -> None:
    # Weights, gradients and two moments in fp32, and the activations of the longest batch: tokens x hidden x (34 + 5 x heads x tokens / hidden)
    # half-precision bytes a layer (Korthikanti et al. 2022, arXiv 2205.05198), doubled for fp32.
    import torch

    if torch.cuda.is_available():
        return
    config: Any = network["encoder"].config
    weights = sum(value.numel() for value in network.parameters()) * 16
    tokens = settings.batch_rows * longest
    activations = (
        2 * config.num_hidden_layers * tokens * (34 * config.hidden_size + 5 * config.num_attention_heads * longest)
    )
    device.require_memory(
        weights + activations, _("fine-tuning with `train.batch_rows` {rows}", rows=settings.batch_rows)
    )
