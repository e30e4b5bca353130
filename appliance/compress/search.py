"""Which recipe to try next: width and depth by what earlier ones were worth, first with short recoveries, then longer ones for the best."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from appliance.compress.distil import Recovery
from appliance.compress.heads_and_ffn import BLOCK
from appliance.compress.menu import Variant, front, within
from appliance.compress.recipes import Recipe
from appliance.compress.student import Student, layers
from appliance.engine.on_torch import widths
from appliance.errors import MissingPartError
from appliance.settings import CompressSettings
from appliance.words import _

if TYPE_CHECKING:
    import optuna

Point = dict[str, Any]  # layers, shares of heads and neurons, reserve, table_bits, epochs

__all__ = ["FIRST", "Point", "expected_s", "name_of", "propose", "recipe_at"]

_SHARES = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)  # of the heads and neurons of the layers that are kept
_RESERVES = (2000, 4000, 8000, 12_000)
_SHORT, _LONGEST = 1.0, 16.0  # epochs
_RATE, _EMBEDDING_WEIGHT = 7e-4, 5.0  # as the presets learn
_LENGTHEN_EVERY = 3  # each third trial gives a promising recipe twice the time
_TRIES = 50  # proposals that were there before, in a row: then the space is used up
# The first points, from nearly all of the teacher to little of it, each with time enough to be worth a place on the menu: share of the layers, of their heads
# and neurons, epochs.
_LADDER = ((1.0, 0.375, 4.0), (0.67, 0.5, 6.0), (0.5, 0.375, 8.0))
FIRST = len(_LADDER)
_WARM_UP = 8  # random trials before the sampler believes what it has seen


def propose(teacher: Student, past: Sequence[Variant], settings: CompressSettings) -> Point | None:
    """Return a point that is not among `past`, or None when nothing is left to try. The same past gives the same proposal.

    Two objectives, the geometric mean of both ratios and the drop on validation rows, by multi-objective TPE (Ozaki et al. 2022, J. Artif. Intell. Res. 73:
    1209), as Optuna has it.
    """
    points = [variant.point for variant in past if variant.point]
    if len(points) < FIRST:
        return _rung(teacher, *_LADDER[len(points)])
    if len(points) % _LENGTHEN_EVERY == _LENGTHEN_EVERY - 1:
        longer = _lengthened(past, settings)
        if longer and longer not in points:
            return longer
    study, space = _study(teacher, past, settings), _space(teacher)
    for _try in range(_TRIES):
        point = study.ask(space).params | {"epochs": _SHORT}
        if point not in points:
            return point
    return None


def _rung(teacher: Student, depth: float, share: float, epochs: float) -> Point:
    most = len(layers(teacher.network))
    count = max(min(2, most), round(depth * most))
    return {"layers": count, "heads": share, "neurons": share, "reserve": 8000, "table_bits": 4, "epochs": epochs}


def expected_s(recipe: Recipe, teacher: Student, past: Sequence[Variant]) -> float:
    """Return the seconds that a recipe would take: what the quickest of the past took, for measuring, and learning at the slowest pace of the past."""
    measuring = min((variant.seconds for variant in past), default=0.0)
    paces = [(variant.seconds - measuring) / work for variant in past if (work := _work(variant.recipe, teacher))]
    return measuring + max(paces, default=0.0) * _work(asdict(recipe), teacher)


def _work(recipe: dict[str, Any], teacher: Student) -> float:
    """Epochs x layers x width, 1 being a whole layer: attention is a third of its numbers, the neurons two thirds, and a fifth of the time goes by the steps."""
    width = widths(teacher.network["encoder"])[0]
    kept = recipe["layers"] or len(layers(teacher.network))
    share = (
        (recipe["heads"] or math.inf) / width["heads"] + 2 * (recipe["neurons"] or math.inf) / width["neurons"]
    ) / 3
    narrow = kept * 0.2 + 0.8 * min(kept, share)
    epochs = [(recipe[part] or {}).get("epochs", 0.0) for part in ("settle", "recovery", "rounding")]
    return float(epochs[0] * kept + (epochs[1] + epochs[2]) * narrow)


def recipe_at(point: Point, teacher: Student) -> Recipe:
    """Return the recipe of a point of the space."""
    count, width = int(point["layers"]), widths(teacher.network["encoder"])[0]
    return Recipe(
        reserve=int(point["reserve"]),
        layers=count,
        heads=max(count, round(count * width["heads"] * point["heads"])),
        neurons=max(BLOCK * count, round(count * width["neurons"] * point["neurons"])),
        recovery=Recovery(float(point["epochs"]), _RATE, embedding_weight=_EMBEDDING_WEIGHT),
        table_bits=int(point["table_bits"]),
    )


def name_of(recipe: Recipe) -> str:
    """Return a short name: layers, heads, neurons, reserve of words, bits of the table, epochs of recovery."""
    epochs = recipe.recovery.epochs if recipe.recovery else 0
    kept = (("l", recipe.layers), ("h", recipe.heads), ("n", recipe.neurons), ("r", recipe.reserve))
    return "-".join(f"{letter}{count}" for letter, count in (*kept, ("b", recipe.table_bits), ("e", f"{epochs:g}")))


def _space(teacher: Student) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    most = len(layers(teacher.network))
    return {
        "layers": IntDistribution(min(2, most), most),
        "heads": CategoricalDistribution(_SHARES),
        "neurons": CategoricalDistribution(_SHARES),
        "reserve": CategoricalDistribution(_RESERVES),
        "table_bits": CategoricalDistribution((4, 8)),
    }


def _study(teacher: Student, past: Sequence[Variant], settings: CompressSettings) -> optuna.Study:
    """Return a study in memory that knows every point of the past: what survives a kill are the variants, not the sampler."""
    try:
        import optuna
    except ImportError as error:
        raise MissingPartError(
            _("the search needs the extra `train`: install `skerry[train]` from the wheelhouse")
        ) from error
    optuna.logging.set_verbosity(logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=settings.seed + len(past), n_startup_trials=_WARM_UP)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    space = _space(teacher)
    for variant in past:
        if variant.point:
            point = {name: variant.point[name] for name in space}
            study.add_trial(
                optuna.trial.create_trial(params=point, distributions=space, values=_worth(variant, settings))
            )
    return study


def _worth(variant: Variant, settings: CompressSettings) -> list[float]:
    kept = variant.refused is None and within(variant, settings)
    return [math.log(variant.gain), float(variant.quality["drop"]) + (0.0 if kept else 1.0)]


def _lengthened(past: Sequence[Variant], settings: CompressSettings) -> Point | None:
    """The searched point of the front with the largest gain that loses at most twice what is allowed, with twice its recovery."""
    for variant in sorted(front(past), key=lambda variant: -variant.gain):
        promising = within(variant, settings) and variant.quality["drop"] <= 2 * settings.max_drop
        if promising and variant.point and variant.point["epochs"] < _LONGEST:
            return variant.point | {"epochs": 2 * variant.point["epochs"]}
    return None
