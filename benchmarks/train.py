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

SEEDS = (0, 1, 2)
FULL = {"method": "full", "base": "minilm"}
# name: (data set, settings, seeds)
RUNS = {
    "banking77 probe": ("banking77", {"method": "probe", "base": "minilm"}, SEEDS[:1]),
    "banking77 full": ("banking77", FULL, SEEDS),
    "banking77 full refitted": ("banking77", FULL | {"refit": True}, SEEDS),
    "waimai_10k_zh probe": ("waimai_10k_zh", {"method": "probe", "base": "e5"}, SEEDS[:1]),
}
FLOORS = ("banking77", "waimai_10k_zh")


def rows_of(folder: Path, name: str) -> list[Record]:
    """Read the rows of one data set, in the order of the file."""
    with (folder / name / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [Record(id=str(number), **row) for number, row in enumerate(csv.DictReader(file))]


def svm_floor(records: list[Record]) -> dict[str, float]:
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


def run(records: list[Record], settings: TrainSettings, scratch: Path) -> dict[str, float]:
    """Train once and read the test rows once. A refit goes on from the `full` run of its seed, whose work lies in `scratch`."""
    lesson = read_lesson(records, settings.seed)
    base = find(load().bases, home_folder(), settings.base)
    started = time.monotonic()
    trained = train_rows(lesson, base, settings, scratch)
    seconds = time.monotonic() - started
    test = [record for record in records if record.split == "test"]
    reader = Reader(base, trained.plan)
    logits = on_torch.in_batches(on_torch.logits, trained.network, [reader.read(record.text)[0] for record in test])
    scores = measure(logits, [lesson.labels.index(str(record.label)) for record in test])
    step = trained.tuned.best_step if trained.tuned else 0
    return {
        "validation": trained.metrics["accuracy"],
        "seconds": seconds,
        "best_step": step,
        "strength": trained.probe.strength,
    } | scores


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
    print(f"{'run':32} {'test acc':>8} {'macro-F1':>8} {'val acc':>8} {'step':>5} {'C':>5} {'seconds':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        for name, (data, fields, seeds) in RUNS.items():
            if options.only in name:
                found = []
                for seed in seeds:
                    settings = TrainSettings(**(fields | {"seed": seed} | other))
                    found.append(run(rows_of(options.data, data), settings, Path(scratch) / f"{data}-{seed}"))
                    _line(f"{name}, seed {seed}", found[-1])
                if len(seeds) > 1:
                    _line(
                        f"{name}, mean of {len(seeds)}",
                        {key: sum(one[key] for one in found) / len(seeds) for key in found[0]},
                    )
    for data in FLOORS:
        if options.only in f"{data} TF-IDF + LinearSVC":
            _line(f"{data} TF-IDF + LinearSVC", svm_floor(rows_of(options.data, data)))


def _line(name: str, scores: dict[str, float]) -> None:
    places = {
        "accuracy": "8.4f",
        "macro_f1": "8.4f",
        "validation": "8.4f",
        "best_step": "5.0f",
        "strength": "5.0f",
        "seconds": "8.0f",
    }
    cells = [format(scores[key], form) if key in scores else " " * int(form[0]) for key, form in places.items()]
    print(f"\r{name:32} {' '.join(cells)}", flush=True)


def _report(step: str, done: int, total: int | None, numbers: dict[str, float]) -> None:
    shown = " ".join(f"{key}={value:.3f}" for key, value in numbers.items())
    print(f"\r{step} {done}/{total} {shown}        ", end="", flush=True)


if __name__ == "__main__":
    main()
