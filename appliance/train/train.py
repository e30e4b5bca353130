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
from appliance.files import file_sha256
from appliance.jobs import progress
from appliance.schema import Dataset, Model
from appliance.settings import TrainSettings
from appliance.store import Store, check_name
from appliance.train.card import write_card
from appliance.train.classify import Lesson, read_lesson
from appliance.train.loop import Examples, Tuned, fine_tune
from appliance.train.probe import Probe, choose_strength, embed, fit_head, kept
from appliance.words import _

if TYPE_CHECKING:
    import torch

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

    Raises `SettingsError` for a bad name, `InputError` for rows that cannot be learned from, `MissingPartError` without the base model or torch, `IntegrityError` for a base
    model that was changed, `HardwareError` for too little memory or room.
    """
    check_name(name)
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
    network = on_torch.network(on_torch.load_encoder(base), len(lesson.labels))
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    cut = len(lesson.train)
    work = _Work(
        network=network,
        base=base,
        settings=settings,
        precision=_precision(settings.precision),
        scratch=scratch,
        learn=(ids[:cut], lesson.train.targets),
        judge=(ids[cut:], lesson.validation.targets) if len(lesson.validation) else None,
    )
    probe, final = _probes(work)
    tuned, metrics = _tune(work, probe) if settings.method == "full" else (None, probe.metrics)
    refit = settings.refit and work.judge is not None
    if not tuned or not tuned.best_step or refit:
        _start(work, final)
    if tuned and tuned.best_step and refit:
        _fine_tune(work, work.every, None, "refit", tuned.best_step)
    network.to("cpu")
    return Trained(network, plan, metrics, probe, tuned, work.precision, truncated)


@dataclass(frozen=True, slots=True)
class _Work:
    """One training under way: rows to learn from and rows to judge by (None = none), and what every part of it needs."""

    network: torch.nn.ModuleDict
    base: Path
    settings: TrainSettings
    precision: str
    scratch: Path
    learn: Examples
    judge: Examples | None

    @property
    def every(self) -> Examples:
        ids, targets = self.judge or ([], ())
        return [*self.learn[0], *ids], (*self.learn[1], *targets)


def _probes(work: _Work) -> tuple[Probe, Probe]:
    # The probe that validation chose, and the one to end or to start a refit with: of the same strength, on all rows.
    (ids, targets), cut, labels = work.every, len(work.learn[0]), int(work.network["head"].out_features)  # type: ignore[arg-type]
    features = embed(work.network, ids, work.scratch / "embeddings")  # (rows, hidden)
    probe = kept(
        work.scratch / "probe",
        lambda: choose_strength(features[:cut], targets[:cut], features[cut:], targets[cut:], labels),
    )
    if not work.settings.refit or not work.judge:
        return probe, probe
    return probe, kept(
        work.scratch / "probe-refit", lambda: replace(probe, head=fit_head(features, targets, labels, probe.strength))
    )


def _tune(work: _Work, probe: Probe) -> tuple[Tuned, dict[str, float]]:
    # Fine-tune from the probe; when that is nowhere better on the validation rows, say so (best step 0) and keep the probe's metrics.
    _require_memory(work)
    _start(work, probe)
    tuned = _fine_tune(work, work.learn, work.judge, "full")
    best = next((item for item in tuned.evaluations if item["step"] == tuned.best_step), {})
    metrics = {name: best[name] for name in probe.metrics}
    if metrics and metrics["macro_f1"] < probe.metrics["macro_f1"]:
        return replace(tuned, best_step=0), probe.metrics
    return tuned, metrics


def _fine_tune(
    work: _Work, learn: Examples, judge: Examples | None, folder: str, last_step: int | None = None
) -> Tuned:
    # A refit follows the schedule that validation judged, cut where it was best.
    steps = total_steps(len(work.learn[0]), work.settings)
    return fine_tune(work.network, learn, judge, work.settings, work.precision, work.scratch / folder, steps, last_step)


def _start(work: _Work, probe: Probe) -> None:
    # The base model's weights and this head: where every method begins, and where a probe ends.
    import torch

    weight, bias = map(torch.from_numpy, probe.head)
    work.network["encoder"].load_state_dict(on_torch.load_encoder(work.base).state_dict())
    work.network["head"].load_state_dict({"weight": weight, "bias": bias})


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


def _precision(wanted: str) -> str:
    import torch

    precision = device.precision(wanted)
    if precision == "fp16" and not torch.cuda.is_available():
        raise SettingsError(_("`train.precision` fp16 needs a GPU; take `auto`, fp32 or bf16"))
    return precision


def _require_memory(work: _Work) -> None:
    # Weights, gradients and two moments in fp32, and the activations of the longest batch: tokens x (34 x hidden + 5 x heads x length)
    # half-precision bytes a layer (Korthikanti et al. 2022, arXiv 2205.05198), doubled for fp32.
    import torch

    if torch.cuda.is_available():
        return
    rows, longest = work.settings.batch_rows, max(map(len, work.every[0]))
    config: Any = work.network["encoder"].config
    weights = 16 * sum(value.numel() for value in work.network.parameters())
    token = 2 * config.num_hidden_layers * (34 * config.hidden_size + 5 * config.num_attention_heads * longest)
    device.require_memory(weights + rows * longest * token, _("fine-tuning with `train.batch_rows` {rows}", rows=rows))
