"""What other libraries choose and find, each in an environment of its own, on embeddings, head and seeds that `labeling.py` hands over.

    ENVIRONMENT/bin/python active_learning.py small-text|scikit-activeml FOLDER SEEDS BATCH ENOUGH
    ENVIRONMENT/bin/python active_learning.py cleanlab FOLDER

FOLDER holds `in.npz`; `out.json` is written there. Every strategy starts from the same random batch, and the head is a logistic regression with C = 20.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Choose = Callable[[Any, np.ndarray, np.ndarray, np.ndarray, int, int], np.ndarray]


class Asked:
    """The head as small-text asks it."""

    def __init__(self, model: Any, vectors: np.ndarray) -> None:
        self.model, self.vectors = model, vectors

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        """Return probabilities (rows, labels)."""
        return np.asarray(self.model.predict_proba(rows))

    def embed(self, rows: np.ndarray, **_options: Any) -> np.ndarray:
        """Return the embeddings themselves."""
        return np.asarray(rows)


def small_text() -> dict[str, Choose]:
    """Return the strategies of small-text that need no network of its own."""
    import small_text as library

    def chosen(strategy: Any) -> Choose:
        def by(
            model: Any, pool: np.ndarray, known: np.ndarray, targets: np.ndarray, count: int, seed: int
        ) -> np.ndarray:
            np.random.seed(seed)
            free = np.setdiff1d(np.arange(len(pool)), known)
            return np.asarray(strategy.query(Asked(model, pool), pool, free, known, targets, n=count))

        return by

    names = ("BreakingTies", "PredictionEntropy", "LeastConfidence")
    return {name: chosen(getattr(library, name)()) for name in names}


def scikit_activeml() -> dict[str, Choose]:
    """Return strategies of scikit-activeml that work on a pool with a fitted classifier or without one; its Badge took more than a minute a round."""
    from skactiveml import pool as library
    from skactiveml.classifier import SklearnClassifier

    def chosen(make: Callable[[int], Any], asks: str) -> Choose:
        def by(
            model: Any, pool: np.ndarray, known: np.ndarray, targets: np.ndarray, count: int, seed: int
        ) -> np.ndarray:
            given = np.full(len(pool), np.nan)
            given[known] = targets
            options: dict[str, Any] = {}
            if asks:
                wrapped = SklearnClassifier(model, classes=np.unique(targets), missing_label=np.nan)
                options = {asks: wrapped.fit(pool, given), f"fit_{asks}": False}
            return np.asarray(make(seed).query(pool, given, batch_size=count, **options))

        return by

    return {
        "margin": chosen(lambda seed: library.UncertaintySampling(method="margin_sampling", random_state=seed), "clf"),
        "entropy": chosen(lambda seed: library.UncertaintySampling(method="entropy", random_state=seed), "clf"),
        "TypiClust": chosen(lambda seed: library.TypiClust(random_state=seed), ""),
    }


def curve(choose: Choose, found: Any, seed: int, batch: int, enough: float) -> list[tuple[int, float]]:
    """Run the loop from a random batch until two rounds were accurate enough: (labels, accuracy) after each."""
    from sklearn.linear_model import LogisticRegression

    pool, targets = found["pool"].astype(np.float32), found["targets"]
    judge, truth = found["judge"].astype(np.float32), found["truth"]
    rows = np.random.default_rng(seed).permutation(len(pool))[:batch]
    points: list[tuple[int, float]] = []
    while len(rows) < len(pool) and sum(accuracy >= enough for _count, accuracy in points) < 2:
        model = LogisticRegression(C=20.0, max_iter=300).fit(pool[rows], targets[rows])
        points.append((len(rows), float((model.predict(judge) == truth).mean())))
        rows = np.concatenate([rows, choose(model, pool, rows, targets[rows], batch, seed)])
    return points


def cleanlab(found: Any) -> dict[str, list[int]]:
    """Return the orders in which cleanlab doubts labels, from the same probabilities."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    shares, targets = found["shares"].astype(np.float64), found["targets"]
    listed = find_label_issues(targets, shares, return_indices_ranked_by="self_confidence")
    scores = get_label_quality_scores(targets, shares, method="self_confidence")
    return {
        "find_label_issues": listed.tolist(),
        "get_label_quality_scores": np.argsort(scores, kind="stable").tolist(),
    }


def main() -> None:
    """Do what the command line asks for."""
    warnings.simplefilter("ignore")
    name, folder, *rest = sys.argv[1:]
    with np.load(Path(folder) / "in.npz") as file:
        found = dict(file)
    if name == "cleanlab":
        result: dict[str, Any] = cleanlab(found)
    else:
        seeds, batch, enough = int(rest[0]), int(rest[1]), float(rest[2])
        strategies = small_text() if name == "small-text" else scikit_activeml()
        result = {
            one: [curve(by, found, seed, batch, enough) for seed in range(seeds)] for one, by in strategies.items()
        }
    (Path(folder) / "out.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
