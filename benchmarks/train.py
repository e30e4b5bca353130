"""Accuracy and time of training on real data: `python benchmarks/train.py [--data FOLDER] [--only NAME]`.

banking77 (given splits, a seeded tenth of train held out for validation) with MiniLM: probe, full (3 seeds), full refitted on train + validation (3
seeds). waimai_10k_zh with e5: probe, beside TF-IDF over characters and a linear SVM. Every setting is a default that was chosen on validation rows; each
run reads the test rows once, at its end. Base models are looked for in `SKERRY_BASES__FOLDER` or the home.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path

from appliance import device
from appliance.base import find
from appliance.engine import on_torch
from appliance.engine.texts import Reader
from appliance.jobs import reporter
from appliance.schema import Record
from appliance.settings import TrainSettings, home_folder, load
from appliance.train.classify import measure, read_lesson
from appliance.train.train import train_rows

RUNS = {
    "banking77 probe": ("banking77", {"method": "probe", "base": "minilm"}),
    **{f"banking77 full, seed {seed}": ("banking77", {"method": "full", "base": "minilm", "seed": seed}) for seed in range(3)},
    **{
        f"banking77 full refit, seed {seed}": ("banking77", {"method": "full", "base": "minilm", "seed": seed, "refit": True})
        for seed in range(3)
    },
    "waimai_10k_zh probe": ("waimai_10k_zh", {"method": "probe", "base": "e5"}),
}


def rows_of(folder: Path, name: str) -> list[Record]:
    """Read the rows of one data set, in the order of the file."""
    with (folder / name / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [Record(id=str(number), **row) for number, row in enumerate(csv.DictReader(file))]


def floor(records: list[Record]) -> dict[str, float]:
    """Accuracy of TF-IDF over characters (1 to 4, whitespace kept inside words) and a linear SVM, fitted on all train rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    started = time.monotonic()
    pipeline = make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True), LinearSVC())
    train, test = ([record for record in records if record.split == split] for split in ("train", "test"))
    pipeline.fit([record.text for record in train], [record.label for record in train])
    return {
        "accuracy": pipeline.score([record.text for record in test], [record.label for record in test]),
        "seconds": time.monotonic() - started,
    }


def run(records: list[Record], settings: TrainSettings) -> dict[str, float]:
    """Train once and read the test rows once."""
    lesson = read_lesson(records, settings.seed)
    base = find(load().bases, home_folder(), settings.base)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        trained = train_rows(lesson, base, settings, Path(scratch))
    seconds = time.monotonic() - started
    test = [record for record in records if record.split == "test"]
    reader = Reader(base, trained.plan)
    logits = on_torch.in_batches(on_torch.logits, trained.network, [reader.read(record.text)[0] for record in test])
    scores = measure(logits, [lesson.labels.index(str(record.label)) for record in test])
    step = trained.tuned.best_step if trained.tuned else 0
    return {"validation": trained.metrics["accuracy"], "seconds": seconds, "best_step": step, "strength": trained.probe.strength} | scores


def main() -> None:
    """Run what was asked for and print one line each, then the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[1] / "../shared/data")
    parser.add_argument("--only", default="", help="runs whose name holds this")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another training setting")
    options = parser.parse_args()
    other = dict(item.split("=", 1) for item in options.set)
    reporter.set(_report)
    print(json.dumps(device.describe()))
    print(f"{'run':30} {'test acc':>8} {'macro-F1':>8} {'val acc':>8} {'step':>5} {'C':>5} {'seconds':>8}")
    for name, (data, fields) in RUNS.items():
        if options.only in name:
            records = rows_of(options.data, data)
            scores = run(records, TrainSettings(**(fields | other)))
            print(
                f"{name:30} {scores['accuracy']:8.4f} {scores['macro_f1']:8.4f} {scores['validation']:8.4f} {scores['best_step']:5}"
                f" {scores['strength']:5.0f} {scores['seconds']:8.0f}",
                flush=True,
            )
    for data in ("banking77", "waimai_10k_zh"):
        if options.only in f"{data} TF-IDF + LinearSVC":
            scores = floor(rows_of(options.data, data))
            print(f"{data + ' TF-IDF + LinearSVC':30} {scores['accuracy']:8.4f} {'':8} {'':8} {'':5} {'':5} {scores['seconds']:8.0f}", flush=True)


def _report(step: str, done: int, total: int | None, numbers: dict[str, float]) -> None:
    shown = " ".join(f"{key}={value:.3f}" for key, value in numbers.items())
    print(f"\r{step} {done}/{total} {shown}        ", end="", flush=True)


if __name__ == "__main__":
    main()
