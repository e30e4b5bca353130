"""The presets of `skerry compress` on real data: `python benchmarks/compress.py [--data FOLDER] [--only NAME] [--csv FILE] [--model NAME ...] [--seeds 0 1 2]`.

banking77 and clinc150 with MiniLM (given splits; where there is no validation split, a seeded tenth of train is held out), or any CSV with the columns
`text`, `label` and `split`. A teacher is fine-tuned from its probe with the default settings; `--model` takes trained models of the home (`SKERRY_HOME`) in its
place. Each preset is built as `skerry compress --preset` does. For each: bytes of all that a server loads and time on one thread, as ratios over the teacher as
fp32 ONNX (interleaved runs, see `appliance/export/latency.py`), parameters, accuracy on the test rows, the share of the teacher's accuracy that is kept, the drop with
its one-sided 95 % bounds (pairs, exact), rows with another label than the teacher's, calibration error, CPU seconds of making it. Then the means over seeds, the
floors, `small` over eager torch (one text at a time), and, with `--scratch`, whether `small` beats the same shape trained from random weights on the labels alone.

`--work FOLDER` keeps what was made, so that a run that was killed goes on. No setting was chosen on test rows; each run reads them once, at its end.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from appliance import device, engine
from appliance.base import find
from appliance.compress import distil, measure, recipes
from appliance.compress.recipes import PRESETS
from appliance.compress.student import Student, read
from appliance.engine import on_torch
from appliance.evaluate.floors import majority, tfidf_svm
from appliance.evaluate.pairs import mcnemar
from appliance.export.export import export_folder, trained_on
from appliance.schema import Record
from appliance.settings import ExportSettings, TrainSettings, home_folder, load
from appliance.store import Store
from appliance.train.classify import Lesson, Rows, read_lesson
from appliance.train.train import train_rows, write_model

DATA = ("banking77", "clinc150")
SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}
EAGER_ROWS, EAGER_RUNS = 300, 5
COLUMNS = (
    "size_ratio",
    "latency_ratio",
    "metric",
    "kept",
    "drop",
    "low",
    "high",
    "flips",
    "calibration_error",
    "cpu_s",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A teacher's folder, what it learned from, the test rows, and the folder for everything that is made of it."""

    name: str
    teacher: Path
    lesson: Lesson
    test: Rows
    work: Path


def rows_of(file: Path) -> list[Record]:
    """Read the rows of a CSV, in their order."""
    with file.open(encoding="utf-8", newline="") as stream:
        return [
            Record(id=f"{number:032x}", text=row["text"], label=row["label"], split=SPLITS.get(row.get("split", "")))
            for number, row in enumerate(csv.DictReader(stream))
        ]


def trained(file: Path, base: str, seed: int, work: Path) -> Case:
    """Train a teacher on a CSV, or take the one that an earlier run left in `work`."""
    records = rows_of(file)
    lesson = read_lesson(records, seed)
    name = f"{file.stem}-{seed}"
    folder = work / name / "teacher"
    if not (folder / "model.json").exists():
        settings = TrainSettings(base=base, seed=seed)
        found = find(load().bases, home_folder(), base)
        made = train_rows(lesson, found, settings, work / name / "training")
        folder.mkdir(parents=True, exist_ok=True)
        write_model(made, found, folder)
    return Case(name, folder, lesson, test_rows(records, lesson.labels), work / name)


def stored(store: Store, name: str, work: Path) -> Case:
    """Take a trained model of the home and the data set that it learned from."""
    import json

    model = store.model(name)
    records = list(store.records(trained_on(store, model)))
    seed = int(json.loads((model.folder / "card.json").read_bytes())["training"]["settings"]["seed"])
    lesson = read_lesson(records, seed)
    return Case(name, model.folder, lesson, test_rows(records, lesson.labels), work / name)


def test_rows(records: Sequence[Record], labels: Sequence[str]) -> Rows:
    """Return the labelled rows of the test split."""
    test = [record for record in records if record.split == "test" and record.label in labels]
    return Rows(tuple(record.text for record in test), tuple(labels.index(str(record.label)) for record in test))


def run(case: Case, presets: Sequence[str], scratch: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Build and measure each preset of one teacher; yield its name and its figures."""
    exact = case.work / "exact"
    texts = list(case.lesson.validation.texts[:256])
    if not (exact / "model.json").exists():
        exact.mkdir(parents=True)
        export_folder(case.teacher, exact, ExportSettings(format="onnx"), texts)
    held_against = measure.reference(exact, case.test, case.lesson.train.texts)
    teacher = read(case.teacher)
    rows = distil.transfer([teacher], case.lesson.train, distil.COPIES, 0, case.work / "answers")
    accuracy = float((held_against.guess == held_against.true).mean())
    yield "fp32", measure.cost(exact, held_against) | {"metric": accuracy, "parameters": teacher.parameters}
    for preset in presets:
        begun = time.process_time()
        folder = recipes.build(PRESETS[preset](teacher), teacher, rows, case.lesson.validation, case.work / "stages")
        seconds = time.process_time() - begun
        found = measure.cost(folder, held_against) | tested(folder, held_against)
        found |= {"kept": found["metric"] / accuracy, "cpu_s": seconds, "parameters": parameters(folder)}
        if preset == "small":
            found["eager_ratio"] = eager_ratio(case, folder)
            if scratch:
                found["from_scratch"] = from_scratch(case, teacher, rows, folder)
        yield preset, found


def tested(folder: Path, held_against: measure.Reference) -> dict[str, Any]:
    """Read the test rows with one variant."""
    guess, scores = measure.guesses(measure.logits_of(engine.load(folder), held_against.rows.texts))
    return measure.quality(held_against.true, held_against.guess, guess, scores)


def parameters(folder: Path) -> dict[str, int]:
    """Return how many numbers the embedding and the rest of a variant hold."""
    import json

    found: dict[str, int] = json.loads((folder / "parameters.json").read_bytes())
    return found


def eager_ratio(case: Case, folder: Path) -> float:
    """Return how many times faster a variant answers than the teacher in eager torch: real texts one by one, unpadded, tokenizer and all; the median of
    interleaved runs, in CPU time of the thread that does all the work, so that a busy machine counts as an idle one."""
    engines = (engine.load(case.teacher), engine.load(folder))
    times: tuple[list[float], list[float]] = ([], [])
    for start in range(0, EAGER_ROWS, EAGER_ROWS // EAGER_RUNS):
        texts = case.test.texts[start : start + EAGER_ROWS // EAGER_RUNS]
        for one, spent in zip(engines, times, strict=True):
            one.logits(texts[:3])  # a server has its own model in the caches, not another one's
            begun = time.thread_time()
            for text in texts:
                one.logits([text])
            spent.append((time.thread_time() - begun) / len(texts))
    return median(times[0]) / median(times[1])


def from_scratch(case: Case, teacher: Student, rows: distil.Transfer, folder: Path) -> dict[str, float]:
    """Train the shape of `small` from random weights on the labels alone, as long as `small` learned; compare both on the test rows in pairs."""
    import torch

    small = PRESETS["small"](teacher)
    assert small.recovery is not None
    shape = recipes.shrink(
        replace(small, settle=None, recovery=None), teacher, rows, case.lesson.validation, case.work / "stages"
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, value in shape.network.named_parameters():
            torch.nn.init.normal_(value, std=0.02) if value.dim() > 1 else torch.nn.init.constant_(
                value, float("LayerNorm.weight" in name)
            )
    labels = replace(small.recovery, label_share=1.0, embedding_weight=0.0)
    plain = distil.recover(shape, rows, labels, case.work / "from-scratch", case.lesson.validation)
    guess = on_torch.in_batches(on_torch.logits, plain.network, plain.ids(case.test.texts)).argmax(axis=1)
    ours = measure.logits_of(engine.load(folder), case.test.texts).argmax(axis=1)
    true = np.asarray(case.test.targets)
    won, lost = int(((ours == true) & (guess != true)).sum()), int(((ours != true) & (guess == true)).sum())
    return {"accuracy": float((guess == true).mean()), "p": mcnemar(won, lost)}


def print_line(name: str, variant: str, found: dict[str, Any]) -> None:
    """Print one row of the table."""
    cells = " ".join(f"{found[key]:9.4g}" if key in found else " " * 9 for key in COLUMNS)
    size = f"{found['size_bytes'] / 1e6:8.2f}" if "size_bytes" in found else " " * 8
    held = found.get("parameters")
    print(
        f"{name:16} {variant:6} {size} {cells}  {held['embedding'] if held else ''} + {held['encoder'] if held else ''}",
        flush=True,
    )
    if "eager_ratio" in found:
        print(f"{name:16} {variant:6} over eager torch, one text at a time: {found['eager_ratio']:.1f} times faster")
    if "from_scratch" in found:
        print(
            f"{name:16} {variant:6} same shape from random weights, labels alone: {found['from_scratch']['accuracy']:.4f}, McNemar p"
            f" {found['from_scratch']['p']:.2g}"
        )


def print_floors(case: Case) -> None:
    """Print what far simpler models reach on the same rows."""
    train = case.lesson.train + case.lesson.validation
    labels = [case.lesson.labels[number] for number in train.targets]
    truth = [case.lesson.labels[number] for number in case.test.targets]
    floors = {
        "majority": majority(labels, case.test.texts),
        "TF-IDF + linear SVM": tfidf_svm(train.texts, labels, case.test.texts),
    }
    for name, guesses in floors.items():
        right = sum(one == other for one, other in zip(guesses, truth, strict=True))
        print(f"{case.name:16} floor {name}: {right / len(truth):.4f}", flush=True)


def print_means(found: dict[str, list[dict[str, Any]]]) -> None:
    """Print the mean of each figure over the teachers."""
    for variant, lines in found.items():
        if len(lines) > 1:
            keys = [key for key in (*COLUMNS, "size_bytes", "eager_ratio") if key in lines[0]]
            print_line(
                f"mean of {len(lines)}", variant, {key: sum(line[key] for line in lines) / len(lines) for key in keys}
            )


def cases(given: argparse.Namespace, work: Path) -> Iterator[list[Case]]:
    """Yield the teachers, those of one data set together."""
    if given.model:
        yield [stored(Store.open(), name, work) for name in given.model]
        return
    files = given.csv or [given.data / name / f"{name}.csv" for name in DATA if given.only in name]
    for file in files:
        yield [trained(file, given.base, seed, work) for seed in given.seeds]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[1] / "../shared/data")
    parser.add_argument("--only", default="", help="data sets whose name holds this")
    parser.add_argument("--csv", type=Path, nargs="*", help="other data sets: columns text, label, split")
    parser.add_argument("--model", nargs="*", help="trained models of the home, of one data set")
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--presets", nargs="*", choices=tuple(PRESETS), default=list(PRESETS))
    parser.add_argument("--scratch", action="store_true", help="also train the shape of `small` from random weights")
    parser.add_argument("--work", type=Path, help="folder to keep what is made")
    given = parser.parse_args()
    on_torch.import_torch()
    import torch

    torch.set_num_threads(1)
    processor, flags = device.cpu()
    print(f"{processor}, VNNI: {'yes' if {'avx512_vnni', 'avx_vnni'} & flags else 'no'}, {device.precision()}")
    print(f"{'':16} {'':6} {'MB':>8} {' '.join(f'{key[:9]:>9}' for key in COLUMNS)}  parameters: embedding + rest")
    with tempfile.TemporaryDirectory() as temporary:
        for together in cases(given, given.work or Path(temporary)):
            found: dict[str, list[dict[str, Any]]] = {}
            for case in together:
                for variant, figures in run(case, given.presets, given.scratch):
                    print_line(case.name, variant, figures)
                    found.setdefault(variant, []).append(figures)
            print_floors(together[0])
            print_means(found)


if __name__ == "__main__":
    main()
