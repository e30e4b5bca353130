"""What choosing saves: labels to a given accuracy, rare labels, the first round, the advice to stop, time, wrong labels; beside other libraries.

    python benchmarks/labeling.py DATA BASES [PART ...] [--seeds N] [--peers FOLDER]

DATA holds the data sets (banking77/banking77.csv ...), BASES the base models. Embeddings are kept in `.cache/labeling`. PARTS: curves noise clinc few rare
first stop speed errors peers. Choices were made on train rows (a part of them held out) and on other sets than the one reported; test rows judge only.
"""

# ruff: noqa: E402 - this file has the package's name, so that its own folder leaves the path before the package is imported
from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:] = [one for one in sys.path if Path(one).resolve() != Path(__file__).parent]

from appliance.base.folder import read_base_json
from appliance.engine import on_torch
from appliance.engine.plan import Plan as ModelPlan
from appliance.engine.texts import Reader
from labeling import simulate as simulation
from labeling.advise import advise
from labeling.choose import Round, choose
from labeling.head import cross_validated, fit
from labeling.simulate import Known, interval_of_ratio, labels_to, play
from labeling.suspects import doubt, rank

CACHE = Path(".cache/labeling")
PARTS = ("curves", "noise", "clinc", "few", "rare", "first", "stop", "speed", "errors", "peers")
FEW = ("medical_abstracts", "cfpb_complaints_1k", "waimai_10k_zh")
CHINESE = ("waimai_10k_zh",)
PEERS = Path(__file__).parent / "peers" / "active_learning.py"


def known(data: Path, bases: Path, name: str) -> Known:
    """Embed a data set once: pool = its train rows, judged by its test rows; out-of-scope rows of clinc150 are left out."""
    kept = CACHE / f"{name}.npz"
    if not kept.exists():
        rows = [
            row for row in csv.DictReader((data / name / f"{name}.csv").open(encoding="utf-8")) if row["label"] != "oos"
        ]
        CACHE.mkdir(parents=True, exist_ok=True)
        vectors = embedded([row["text"] for row in rows], bases / ("e5" if name in CHINESE else "minilm"))
        splits, labels = (np.array([row[column] for row in rows]) for column in ("split", "label"))
        np.savez(kept, vectors=vectors, split=splits, label=labels, length=[len(row["text"]) for row in rows])
    with np.load(kept) as found:
        targets = np.unique(found["label"], return_inverse=True)[1]
        pool, judge = found["split"] == "train", found["split"] == "test"
        vectors, labels = found["vectors"], int(targets.max()) + 1
        return Known(vectors[pool], targets[pool], vectors[judge], targets[judge], labels, found["length"][pool])


def embedded(texts: Sequence[str], base: Path) -> np.ndarray[Any, Any]:
    """Embed texts with a base model: float16 (texts, width)."""
    about = read_base_json(base)
    plan = ModelPlan("torch", "classify", ("-",), 256, about["prefix"], about["name"], tuple(about["languages"]))
    reader, network = Reader(base, plan), on_torch.network(on_torch.load_encoder(base), 1)
    return on_torch.in_batches(on_torch.embeddings, network, [reader.read(text)[0] for text in texts]).astype(
        np.float16
    )


def report(name: str, pool: Known, seeds: int, batch: int, noise: float = 0.0) -> None:
    """Print labels to 90 and 95 % of the full accuracy over random, and whether that is worse than random (paired, one-sided)."""
    from scipy.stats import ttest_rel

    found = simulation.simulate(pool, simulation.Plan(batch=batch, seeds=seeds, noise=noise))
    for percent in (90, 95):
        ours, theirs = found[f"labels_{percent}"], found[f"random_labels_{percent}"]
        low, high = found[f"ratio_{percent}_low"], found[f"ratio_{percent}_high"]
        worse = ttest_rel(ours, theirs, alternative="greater").pvalue
        print(
            f"{name} | {percent} % of {found['full_accuracy']:.3f} | random {np.mean(theirs):.0f} | ours {np.mean(ours):.0f} | "
            f"{found[f'ratio_{percent}']:.3f} ({low:.3f} to {high:.3f}) | worse than random p = {worse:.3f} | fell back in {found['fell_back']} of {seeds}",
            flush=True,
        )


def rare(pool: Known, intents: int, cap: int = 1620, batch: int = 20) -> None:
    """One intent against the rest, one example of it given: labels to 90 % of the F1 that all labels give."""
    needed = []
    for intent in range(intents):
        here = Known(
            pool.embeddings,
            (pool.targets == intent).astype(int),
            pool.judge_embeddings,
            (pool.judge_targets == intent).astype(int),
            2,
        )
        generator = np.random.default_rng(intent)
        example = int(generator.choice(np.flatnonzero(here.targets)))
        wanted = 0.9 * _f1(here, range(len(here.targets)))
        rows: list[int] = []
        scores = [0.0]
        while scores[-1] < wanted and len(rows) < cap:
            asked = Round(
                here.embeddings,
                rows,
                here.targets[rows].tolist(),
                2,
                batch,
                intent,
                closed=[example],
                examples=here.embeddings[[example]],
            )
            rows += choose(asked).rows
            scores.append(_f1(here, rows))
        needed.append(len(rows) if scores[-1] >= wanted else cap)
        print(f"intent {intent}: {needed[-1]} labels, {int(here.targets[rows].sum())} found", flush=True)
    print(
        f"rare: mean {np.mean(needed):.0f}, median {np.median(needed):.0f}, most {max(needed)}, reached {sum(one < cap for one in needed)} of {intents}"
    )


def _f1(pool: Known, rows: Sequence[int] | range) -> float:
    given = pool.targets[list(rows)]
    if not given.any():
        return 0.0
    told = fit(pool.embeddings[list(rows)], given, 2).probabilities(pool.judge_embeddings).argmax(1)
    both = int((told & pool.judge_targets).sum())
    return 2 * both / max(1, int(told.sum() + pool.judge_targets.sum()))


def stop(name: str, pool: Known, seeds: int, batch: int) -> None:
    """Follow the loop until the advice is to stop (or every record is labelled): the gap it foresaw there and on the way, and the true one."""
    full, at_stop, on_the_way = pool.accuracy(), [], []
    for seed in range(seeds):
        run = play(pool, "cluster-margin", batch, seed, enough=0.99 * full)
        for count, accuracy in run.curve[3::2]:
            rows = run.rows[:count]
            told = advise(pool.embeddings, rows, pool.targets[rows].tolist(), pool.labels, run.control)
            on_the_way.append((told.gap - (full - accuracy), told.gap_low <= full - accuracy <= told.gap_high))
            if told.stop or count == run.curve[-1][0]:
                at_stop.append((count, told.gap, full - accuracy, told.stop))
                break
    miss = np.array([foreseen - true for _count, foreseen, true, _stop in at_stop])
    print(
        f"{name} | {sum(one[3] for one in at_stop)} of {seeds} stopped, at {np.mean([one[0] for one in at_stop]):.0f} labels | foreseen {np.mean([one[1] for one in at_stop]):.3f}, true {np.mean([one[2] for one in at_stop]):.3f} | within 1.5 points {np.mean(np.abs(miss) <= 0.015):.0%} of runs | on the way {np.mean([abs(one[0]) <= 0.015 for one in on_the_way]):.0%} of rounds, interval held {np.mean([one[1] for one in on_the_way]):.0%}",
        flush=True,
    )


def speed(pool: Known) -> None:
    """CPU seconds of one query round, the head given, and the growth of memory; the large pool is the small one copied with a little noise."""
    for rows in (10_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vectors.npy"
            vectors = np.lib.format.open_memmap(path, "w+", np.float16, (rows, pool.embeddings.shape[1]))
            generator = np.random.default_rng(0)
            for start in range(0, rows, 10_000):
                part = pool.embeddings[np.arange(start, min(rows, start + 10_000)) % len(pool.embeddings)]
                vectors[start : start + len(part)] = part + generator.normal(0, 0.01, part.shape)
            labelled = list(range(770))
            targets = pool.targets[labelled].tolist()
            head = fit(pool.embeddings[labelled], targets, pool.labels)
            mapped, before = np.load(path, mmap_mode="r"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            seconds = []
            for again in range(3):
                begin = time.process_time()
                choose(Round(mapped, labelled, targets, pool.labels, 77, again, head=head))
                seconds.append(time.process_time() - begin)
            begin = time.process_time()
            fit(pool.embeddings[labelled], targets, pool.labels, start=head)
            again = time.process_time() - begin
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            print(
                f"{rows} records: {min(seconds):.2f} CPU s (of 3: {[round(one, 2) for one in seconds]}), refit {again:.2f}, peak of the process + {grown:.0f} MB (the mapped file counts)",
                flush=True,
            )


def errors(pool: Known, python: Path | None, seeds: int = 2) -> None:
    """A tenth of the labels planted wrong: precision and recall of the first 1,000, beside cleanlab on the same probabilities."""
    for seed in range(seeds):
        noisy = pool.noisy(0.1, seed)
        planted = noisy.targets != pool.targets
        shares = cross_validated(noisy.embeddings, noisy.targets, pool.labels, seed)
        orders = {
            "ours, the same probabilities": np.argsort(-doubt(shares, noisy.targets)),
            "ours": rank(noisy.embeddings, noisy.targets, pool.labels, seed).order,
        }
        if python:
            with tempfile.TemporaryDirectory() as folder:
                np.savez(Path(folder) / "in.npz", shares=shares, targets=noisy.targets)
                subprocess.run([python, PEERS, "cleanlab", folder], check=True)
                orders |= {
                    f"cleanlab {name}": np.array(order)
                    for name, order in json.loads((Path(folder) / "out.json").read_text()).items()
                }
        for name, order in orders.items():
            hits = int(planted[order[:1000]].sum())
            print(
                f"errors, seed {seed} | {name} | precision at 1,000 {hits / min(1000, len(order)):.3f} | recall {hits / planted.sum():.3f}",
                flush=True,
            )


def peers(pool: Known, folder: Path, seeds: int, batch: int = 77) -> None:
    """The strategies of small-text and scikit-activeml, each in an environment of its own, on the same embeddings, head and random starts."""
    drawn = [play(pool, "random", batch, seed, 0.95 * pool.accuracy()).curve for seed in range(seeds)]
    levels = [share * pool.accuracy() for share in simulation.LEVELS]
    base = [[labels_to(curve, level) for curve in drawn] for level in levels]
    with tempfile.TemporaryDirectory() as work:
        np.savez(
            Path(work) / "in.npz",
            pool=pool.embeddings,
            targets=pool.targets,
            judge=pool.judge_embeddings,
            truth=pool.judge_targets,
        )
        for name, python in (("small-text", folder / "st/bin/python"), ("scikit-activeml", folder / "sk/bin/python")):
            subprocess.run([python, PEERS, name, work, str(seeds), str(batch), str(levels[-1])], check=True)
            for strategy, curves in json.loads((Path(work) / "out.json").read_text()).items():
                told = [
                    interval_of_ratio(
                        [min(labels_to(curve, level), len(pool.targets)) for curve in curves], base[place]
                    )
                    for place, level in enumerate(levels)
                ]
                print(
                    f"{name} {strategy} | "
                    + " | ".join(f"{ratio:.2f} ({low:.2f} to {high:.2f})" for ratio, low, high in told),
                    flush=True,
                )


def parts(wanted: Sequence[str]) -> Iterator[str]:
    """Yield the parts to run, in their order."""
    yield from (part for part in PARTS if part in wanted or not wanted)


def main() -> None:
    """Run the parts that are named, or all."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    arguments.add_argument("bases", type=Path, nargs="?", default=Path(".cache/bases"))
    arguments.add_argument("parts", nargs="*", choices=[[], *PARTS])
    arguments.add_argument("--seeds", type=int, default=10)
    arguments.add_argument(
        "--peers",
        type=Path,
        help="folder of the peers' environments: st (small-text), sk (scikit-activeml), cl (cleanlab)",
    )
    given = arguments.parse_args()
    banking = known(given.data, given.bases, "banking77")
    for part in parts(given.parts):
        if part == "curves":
            report("banking77", banking, given.seeds, 77)
        elif part == "noise":
            report("banking77, 10 % wrong", banking, given.seeds, 77, 0.1)
        elif part == "clinc":
            report("clinc150", known(given.data, given.bases, "clinc150"), given.seeds, 150)
        elif part == "few":
            for name in FEW:
                report(name, known(given.data, given.bases, name), 2 * given.seeds, 20)
        elif part == "rare":
            rare(banking, 20)
        elif part == "first":
            found = [
                play(banking, strategy, 77, seed, 0.0).curve[0][1]
                for strategy in ("cluster-margin", "random")
                for seed in range(given.seeds)
            ]
            print(f"first round: {np.mean(found[: given.seeds]):.3f}, random {np.mean(found[given.seeds :]):.3f}")
        elif part == "stop":
            stop("banking77", banking, given.seeds, 77)
        elif part == "speed":
            speed(banking)
        elif part == "errors":
            errors(banking, given.peers / "cl/bin/python" if given.peers else None)
        elif given.peers:
            peers(banking, given.peers, given.seeds)


if __name__ == "__main__":
    main()
