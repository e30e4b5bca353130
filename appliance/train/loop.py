"""Fine-tuning on transformers' Trainer, made exact: a run that was killed and goes on ends with the same bits as one that was not.

What makes it so: the order of the data is a function of seed and epoch alone; everything that a step reads (weights, optimizer, schedule, loss
scale, random generators) is in a checkpoint; the decision to stop is computed from the recorded evaluations; and validation comes before the
checkpoint of the same step.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.engine.on_torch import in_batches, logits, pad
from appliance.errors import IntegrityError
from appliance.jobs import progress
from appliance.settings import TrainSettings
from appliance.train import checkpoint
from appliance.train.classify import measure
from appliance.words import _

if TYPE_CHECKING:
    import torch

    # The network and a batch (`input_ids`, `attention_mask` (batch, tokens), `labels`, `rows` (batch)) -> the loss to make small.
    Loss = Callable[[torch.nn.ModuleDict, Mapping[str, torch.Tensor]], torch.Tensor]

# Token ids of each row, and the number of its label.
Examples = tuple[Sequence[Sequence[int]], Sequence[int]]

__all__ = ["Examples", "Tuned", "fine_tune", "label_loss", "order_of", "should_stop"]

_METRIC = "eval_macro_f1"
_MEGABATCH = 50  # batches that are sorted by length together


@dataclass(frozen=True, slots=True)
class Tuned:
    """How fine-tuning went: the step whose weights were kept (0 = none was better than the start), the steps taken, the step this process
    went on from, and the evaluations (`step`, `accuracy`, `macro_f1`, `loss`)."""

    best_step: int
    steps: int
    resumed_step: int
    evaluations: tuple[dict[str, float], ...]


def fine_tune(
    network: torch.nn.ModuleDict,
    train: Examples,
    validation: Examples | None,
    settings: TrainSettings,
    precision: str,
    scratch: Path,
    total_steps: int,
    last_step: int | None = None,
    loss: Loss | None = None,
) -> Tuned:
    """Train all weights of `network` in place, on (token ids, targets), and leave the best ones in it.

    `loss` is what is made small, by default `label_loss`; `rows` of its batch number the rows of `train`. The schedule is a cosine over
    `total_steps` after a warm-up; `last_step` cuts it short. With validation rows the weights with the best macro-F1 are put back and training
    stops after `settings.patience` evaluations without a better one; without, the last ones stay.
    Checkpoints lie in `scratch`; the newest whole one is gone on from.
    """
    from transformers import PrinterCallback

    found = checkpoint.newest(scratch)
    state = resumed = _state(found)
    if not _ended(state, settings.patience, last_step or total_steps):
        order = _Order([len(row) for row in train[0]], settings.batch_rows, settings.seed)
        steps_an_epoch = -(-len(order) // settings.batch_rows)
        trainer = _exact_trainer()(
            order,
            validation,
            precision,
            loss or label_loss,
            model=network,
            args=_arguments(settings, precision, scratch, total_steps, steps_an_epoch if validation else None),
            data_collator=lambda rows: _collate(train, rows),
            callbacks=[_watch(settings.patience, last_step or total_steps, validation is not None)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(found) if found else None)
        state = vars(trainer.state)
    kept = int((state["best_global_step"] if validation else state["global_step"]) or 0)
    if kept:
        _load_weights(network, scratch / f"checkpoint-{kept}")
    return Tuned(
        kept, int(state["global_step"]), int(resumed["global_step"]), tuple(_evaluations(state["log_history"]))
    )


def label_loss(network: torch.nn.ModuleDict, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the mean cross-entropy of the network's logits and the labels."""
    import torch

    answer = logits(network, batch["input_ids"], batch["attention_mask"])
    return torch.nn.functional.cross_entropy(answer.float(), batch["labels"])


def order_of(lengths: Sequence[int], batch_rows: int, seed: int, epoch: int) -> list[int]:
    """Return the row numbers of one epoch: shuffled, then sorted by length within 50 batches at a time, then the batches shuffled.

    Rows of one batch so have like lengths and need little padding, while no epoch begins with the long ones. A batch that is not full is last.
    """
    import numpy as np

    source = np.random.default_rng([seed, epoch])
    rows = source.permutation(len(lengths)).tolist()
    span = batch_rows * min(_MEGABATCH, max(1, len(rows) // (batch_rows * 4)))
    sorted_rows = [
        row
        for start in range(0, len(rows), span)
        for row in sorted(rows[start : start + span], key=lambda row: lengths[row])
    ]
    batches = [sorted_rows[start : start + batch_rows] for start in range(0, len(rows), batch_rows)]
    rest = [] if len(batches[-1]) == batch_rows else [batches.pop()]
    shuffled = [batches[number] for number in source.permutation(len(batches))]
    return [row for batch in shuffled + rest for row in batch]


def should_stop(scores: Sequence[float], patience: int) -> bool:
    """Tell whether the last `patience` scores are all no better than the best one before them."""
    best = max(range(len(scores)), key=lambda number: (scores[number], -number), default=0)
    return len(scores) - 1 - best >= patience


def _evaluations(history: Sequence[dict[str, Any]]) -> Iterator[dict[str, float]]:
    for entry in history:
        if _METRIC in entry:
            yield {"step": entry["step"]} | {
                key.removeprefix("eval_"): value for key, value in entry.items() if key.startswith("eval_")
            }


def _state(folder: Path | None) -> dict[str, Any]:
    if folder is None:
        return {"global_step": 0, "log_history": [], "best_global_step": None}
    return dict(json.loads((folder / "trainer_state.json").read_bytes()))


def _ended(state: dict[str, Any], patience: int, last_step: int) -> bool:
    scores = [entry["macro_f1"] for entry in _evaluations(state["log_history"])]
    return bool(state["global_step"] >= last_step or should_stop(scores, patience))


def _load_weights(network: torch.nn.ModuleDict, folder: Path) -> None:
    from safetensors.torch import load_file

    network.load_state_dict(load_file(folder / "model.safetensors"))


class _Order:
    """The sampler: yields one epoch's row numbers; `set_epoch` chooses which."""

    def __init__(self, lengths: Sequence[int], batch_rows: int, seed: int) -> None:
        self.lengths, self.batch_rows, self.seed, self.epoch = lengths, batch_rows, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        return iter(order_of(self.lengths, self.batch_rows, self.seed, self.epoch))

    def check(self, folder: Path) -> None:
        """Raise `IntegrityError` unless the checkpoint was written with the same rows in the same order."""
        saved = json.loads((folder / "order.json").read_bytes())
        self.set_epoch(saved["epoch"])
        if self.about() != saved:
            raise IntegrityError(
                _("`{folder}` was written with rows in another order; remove it and train again", folder=folder)
            )

    def about(self) -> dict[str, Any]:
        """What a checkpoint says about the data order: enough to notice that it is another one."""
        digest = hashlib.sha256(json.dumps(list(self)).encode()).hexdigest()
        return {"seed": self.seed, "epoch": self.epoch, "rows": len(self), "sha256": digest}


def _exact_trainer() -> Any:
    """Trainer with our network, our data order, our evaluation and our checkpoints."""
    import torch
    from transformers import Trainer

    base: Any = Trainer

    class ExactTrainer(base):  # type: ignore[misc]
        control: Any

        def __init__(
            self, order: _Order, validation: Examples | None, precision: str, loss: Loss, **options: Any
        ) -> None:
            self.order, self.validation, self.loss = order, validation, loss
            self.number_format = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
            super().__init__(train_dataset=range(len(order)), eval_dataset=range(1), **options)

        def _get_train_sampler(self, train_dataset: Any = None) -> _Order:
            return self.order

        def compute_loss(self, model: Any, inputs: dict[str, Any], **_more: Any) -> Any:
            device = inputs["input_ids"].device.type
            with torch.autocast(device, self.number_format, enabled=self.number_format is not None):
                return self.loss(model, inputs)

        def evaluate(self, *_arguments: Any, **_more: Any) -> dict[str, float]:
            assert self.validation, "only runs with validation rows evaluate"
            scores = measure(in_batches(logits, self.model, self.validation[0]), self.validation[1])
            metrics = {f"eval_{name}": value for name, value in scores.items()}
            self.log(dict(metrics))
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            scaler = self.accelerator.scaler
            folder = Path(self.args.output_dir)
            with checkpoint.writing(folder, f"checkpoint-{self.state.global_step}") as temporary:
                _save_weights(self.model, temporary)
                checkpoint.save_optimizer(
                    temporary,
                    self.optimizer.state_dict(),
                    self.lr_scheduler.state_dict(),
                    scaler.state_dict() if scaler else None,
                )
                checkpoint.save_random(temporary)
                (temporary / "order.json").write_text(json.dumps(self.order.about()), "utf-8")
                self.state.save_to_json(str(temporary / "trainer_state.json"))
            checkpoint.prune(folder)

        def _load_from_checkpoint(self, folder: str, model: Any = None) -> None:
            self.order.check(Path(folder))
            _load_weights(self.model, Path(folder))

        def _load_optimizer_and_scheduler(self, folder: str | None) -> None:
            if folder:
                optimizer, scheduler, scaler = checkpoint.load_optimizer(Path(folder))
                self.optimizer.load_state_dict(optimizer)
                self.lr_scheduler.load_state_dict(scheduler)
                if scaler:
                    self.accelerator.scaler.load_state_dict(scaler)

        def _load_scaler(self, folder: str | None) -> None:
            """The loss scale came with the optimizer."""

        def _load_rng_state(self, folder: str | None) -> None:
            if folder:
                checkpoint.load_random(Path(folder))

    return ExactTrainer


def _watch(patience: int, last_step: int, validates: bool) -> Any:
    """A callback that tells progress, evaluates and saves at the last step, and stops in time."""
    from transformers import TrainerCallback

    base: Any = TrainerCallback

    class Watch(base):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **_more: Any) -> None:
            self.started, self.first_step = time.monotonic(), state.global_step
            self.numbers: dict[str, float] = {}

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_more: Any) -> None:
            if "loss" in logs:
                self.numbers = {"loss": logs["loss"]}

        def on_step_end(self, args: Any, state: Any, control: Any, **_more: Any) -> None:
            step = state.global_step
            pace_s = (time.monotonic() - self.started) / (step - self.first_step)
            progress("train", step, last_step, seconds_left=pace_s * (last_step - step), **self.numbers)
            if step >= last_step:
                control.should_training_stop = control.should_save = True
                control.should_evaluate = validates

        def on_evaluate(self, args: Any, state: Any, control: Any, **_more: Any) -> None:
            control.should_save = True
            if should_stop([entry["macro_f1"] for entry in _evaluations(state.log_history)], patience):
                control.should_training_stop = True

    return Watch()


def _arguments(settings: TrainSettings, precision: str, folder: Path, total_steps: int, eval_steps: int | None) -> Any:
    import torch
    from transformers import TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=total_steps,
        per_device_train_batch_size=settings.batch_rows,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=int(settings.warmup_share * total_steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        fp16=precision == "fp16",  # for the loss scale
        seed=settings.seed,
        eval_strategy="steps" if eval_steps else "no",
        eval_steps=eval_steps,
        metric_for_best_model=_METRIC if eval_steps else None,
        greater_is_better=True,
        save_strategy="steps",
        save_steps=settings.checkpoint_steps,
        logging_steps=10,
        log_level="error",
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # one GPU: small encoders do not gain from more
    return arguments


def _collate(train: Examples, rows: Sequence[int]) -> dict[str, torch.Tensor]:
    import torch

    input_ids, mask = pad([train[0][row] for row in rows])
    return {
        "input_ids": torch.from_numpy(input_ids),
        "attention_mask": torch.from_numpy(mask),
        "labels": torch.tensor([train[1][row] for row in rows]),
        "rows": torch.tensor(rows),
    }


def _save_weights(network: torch.nn.ModuleDict, folder: Path) -> None:
    from safetensors.torch import save_file

    save_file(network.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
