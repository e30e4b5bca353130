"""What export costs and gains on real data: `python benchmarks/export.py [--data FOLDER] [--only NAME] [--method probe|full] [--seed N]`.

banking77 with MiniLM and waimai_10k_zh with e5, given splits. A model is trained, exported as fp32 ONNX, as int8, and as int8
without smoothing. For each: bytes of all that a server loads, accuracy on the test rows, its difference to fp32 on the same rows
(paired, Newcombe) with McNemar's p, the share of rows with the same label, and the latency of both networks (one thread,
median of 5 interleaved runs). Base models are looked for in `SKERRY_BASES__FOLDER` or the home.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from appliance import device, engine
from appliance.base import find
from appliance.engine.plan import read_plan, write_plan
from appliance.engine.texts import Reader
from appliance.evaluate.answers import answer
from appliance.evaluate.compare import compare_answers
from appliance.export import to_int8 as quantiser
from appliance.export.export import export_folder, size_bytes
from appliance.export.latency import latency, latency_ratio
from appliance.schema import Record
from appliance.settings import EvaluateSettings, ExportSettings, TrainSettings, home_folder, load
from appliance.train.classify import read_lesson
from appliance.train.train import train_rows, write_model

DATA = {"banking77": "minilm", "waimai_10k_zh": "e5"}


def rows_of(folder: Path, name: str) -> list[Record]:
    """Read the rows of one data set, in the order of the file."""
    with (folder / name / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [Record(id=f"{number:032x}", **row) for number, row in enumerate(csv.DictReader(file))]


def train(records: list[Record], base: str, method: str, seed: int, folder: Path) -> Path:
    """Train on the training rows and write a torch model folder. Returns `folder`."""
    settings = TrainSettings.model_validate({"method": method, "base": base, "seed": seed})
    found = find(load().bases, home_folder(), base)
    trained = train_rows(read_lesson(records, seed), found, settings, folder.with_name("scratch"))
    folder.mkdir()
    write_model(trained, found, folder)
    return folder


def without_smoothing(exact: Path, folder: Path) -> Path:
    """Quantise the fp32 ONNX model in `exact` into `folder` as it was, outliers and all. Returns `folder`."""
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes((exact / "tokenizer.json").read_bytes())
    write_plan(folder, replace(read_plan(exact), format="onnx-int8"))
    smooth, quantiser.smooth = quantiser.smooth, lambda _model, _rows: None
    quantiser.to_int8(exact / "model.onnx", folder / "model.onnx", False, [], read_plan(exact).max_tokens)
    quantiser.smooth = smooth
    return folder


def export(source: Path, folder: Path, form: str, texts: list[str]) -> Path:
    """Export with the default settings and print what it took. Returns `folder`."""
    folder.mkdir()
    started = time.process_time()
    parity, _gain = export_folder(source, folder, ExportSettings.model_validate({"format": form}), texts)
    seconds = time.process_time() - started
    print(
        f"{form}: {seconds:.0f} CPU-s; parity on {parity.rows} rows: largest logit difference"
        f" {parity.max_logit_difference:.2g}, mean {parity.mean_logit_difference:.2g}, same label {parity.agreement:.4f}",
        flush=True,
    )
    return folder


def alone_and_padded(folder: Path, texts: list[str]) -> str:
    """Count the texts whose fp32 logits differ by any bit between alone and a padded batch of 8 of like length."""
    import numpy as np

    from appliance.engine.on_torch import batches_of_like_length, pad

    model, reader = engine.load(folder), Reader(folder, read_plan(folder))
    ids = [reader.read(text)[0] for text in texts]
    alone = model.logits(texts)
    batched = np.empty_like(alone)
    for rows in batches_of_like_length([len(row) for row in ids], 8, 4096):
        batched[rows] = model.forward(*pad([ids[row] for row in rows]))
    differ = int((alone != batched).any(axis=1).sum())
    return f"fp32 in padded batches of 8: {differ} of {len(texts)} rows differ by a bit, at most {np.abs(alone - batched).max():.1g}"


def run(name: str, records: list[Record], method: str, seed: int, folder: Path) -> None:
    """Train, export, measure and print one data set's table."""
    texts = [record.text for record in records if record.split == "train"][:: max(1, len(records) // 600)][:512]
    source = train(records, DATA[name], method, seed, folder / "torch")
    exact = export(source, folder / "exact", "onnx", texts)
    small = export(source, folder / "small", "onnx-int8", texts)
    folders = {"fp32": exact, "int8": small, "int8 without smoothing": without_smoothing(exact, folder / "plain")}
    engines = {form: engine.load(path) for form, path in folders.items()}
    test = [record for record in records if record.split == "test"]
    answers = answer(list(engines.values()), test)
    times = latency(engines)
    print(
        f"{'':24} {'MB':>7} {'ratio':>6} {'accuracy':>8} {'drop':>7} {'95 %':>16} {'p':>6} {'same':>6}  ms at (batch, tokens)  ratio"
    )
    for number, (form, path) in enumerate(folders.items()):
        pair = replace(answers, predicted=answers.predicted[[0, number]], scores=answers.scores[[0, number]])
        found = compare_answers(pair, EvaluateSettings())
        shapes = " ".join(f"{batch}x{tokens} {value:.1f}" for (batch, tokens), value in times[form].items())
        print(
            f"{form:24} {size_bytes(path) / 1e6:7.1f} {size_bytes(exact) / size_bytes(path):6.2f} {found['accuracy_b']:8.4f}"
            f" {found['difference']:+7.4f} {found['low']:+.4f} {found['high']:+.4f} {found['p']:6.3f} {found['agreement']:6.4f}"
            f"  {shapes}  {latency_ratio(times['fp32'], times[form]):.2f}",
            flush=True,
        )
    print(alone_and_padded(exact, [record.text for record in test[:400]]))


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[1] / "../shared/data")
    parser.add_argument("--only", default="", help="data sets whose name holds this")
    parser.add_argument("--method", choices=("probe", "full"), default="probe")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    processor, flags = device.cpu()
    print(f"{processor}, VNNI: {'yes' if {'avx512_vnni', 'avx_vnni'} & flags else 'no'}")
    for name in DATA:
        if given.only in name:
            print(f"\n{name}, {DATA[name]}, {given.method}, seed {given.seed}", flush=True)
            with tempfile.TemporaryDirectory() as scratch:
                run(name, rows_of(given.data, name), given.method, given.seed, Path(scratch))


if __name__ == "__main__":
    main()
