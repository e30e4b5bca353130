"""How often drift cries wolf, and how much other traffic it takes to be seen, on real texts.

`python benchmarks/drift.py [--windows 200] [--model FOLDER]`

Each line is a data set. `alarms`: of so many windows of the same data set, how many passed a limit. `seen at`: the smallest share of texts of another
data set, of those tried, at which at least nine of ten windows are told. Vectors are the hashed pieces that serve models without embeddings; with
`--model` the embeddings of an exported model, as the server takes them. Labels are the data set's own, so that they test the labels' index.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance import engine
from appliance.monitor import drift
from appliance.schema import Prediction
from appliance.settings import DriftSettings

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
NAMES = ("banking77", "clinc150", "medical_abstracts", "waimai_10k_zh")
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 1.0)
Rows = list[tuple[str, str]]
Embed = Callable[[list[str]], Any]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--model", type=Path)
    given = parser.parse_args()
    embed = of_model(given.model) if given.model else drift.vectors
    settings = DriftSettings()
    sets = {name: prepared(rows(name), embed) for name in NAMES}
    print(
        f"windows of {settings.window_texts} texts; vectors: {'the embeddings of a model' if given.model else 'hashed pieces'}"
    )
    for name, own in sets.items():
        alarms = [max(compared(own, own, 0.0, seed, settings).values()) > 1 for seed in range(given.windows)]
        others = [other for key, other in sets.items() if key != name]
        seen = next((share for share in SHARES if told(own, others, share, settings) >= 0.9), None)
        print(f"{name:20} alarms {sum(alarms)} of {len(alarms)}   texts seen at {seen}", flush=True)


def rows(name: str) -> Rows:
    """Read texts and labels, two thousand at most."""
    (path,) = (DATA / name).glob("*.csv")
    with path.open(encoding="utf-8", newline="") as file:
        read = [(row["text"], row.get("label") or "") for row in csv.DictReader(file) if row["text"]]
    return random.Random(0).sample(read, min(2000, len(read)))


def prepared(given: Rows, embed: Embed) -> list[tuple[Any, Prediction]]:
    """Make each text's vector once."""
    made = embed([text for text, _label in given])
    return [(vector, Prediction(label, 0.9)) for vector, (_text, label) in zip(made, given, strict=True)]


def of_model(folder: Path) -> Embed:
    """Return what embeds texts with a model that has embeddings."""
    model: Any = engine.load(folder)
    return lambda texts: model.embed(texts)


def compared(own: list[Any], other: list[Any], share: float, seed: int, settings: DriftSettings) -> dict[str, float]:
    """Compare a window, of which a share is of another data set, with one of this data set."""
    source, size = random.Random(seed), settings.window_texts
    chosen = source.sample(own, 2 * size)
    strange = source.sample(other, round(share * size)) if share else []
    first, window = drift.Window(), drift.Window()
    for vector, answer in chosen[:size]:
        first.add(vector, answer)
    for vector, answer in chosen[size : 2 * size - len(strange)] + strange:
        window.add(vector, answer)
    return dict(drift.compare(first, window, settings).ratios)


def told(own: list[Any], others: list[list[Any]], share: float, settings: DriftSettings) -> float:
    """Return the share of windows whose texts were told to be others."""
    ratios = [compared(own, other, share, seed, settings)["texts"] for other in others for seed in range(4)]
    return sum(ratio > 1 for ratio in ratios) / len(ratios)


if __name__ == "__main__":
    main()
