"""Recipes: what becomes of a teacher, step by step, and the presets that were found to work.

The order is vocabulary, layers, heads and neurons, bits. The vocabulary goes first: an optimizer step of a small student costs a quarter less without
the rows that no text needs, and the student learns to read the pieces that rare words are cut into. After layers and after heads it learns from
its teacher again (`distil.recover`), the longer, the smaller it is.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from appliance import device
from appliance.compress import heads_and_ffn, ngrams, qat, vocabulary
from appliance.compress.distil import NO_LABEL, Recovery, Transfer, identity, recover
from appliance.compress.layers import best, keep_layers
from appliance.compress.ngrams import Learning
from appliance.compress.quantize import quantize
from appliance.compress.student import Student, layers, read, write
from appliance.engine.on_onnx import saturates
from appliance.engine.on_torch import widths
from appliance.export.to_int8 import Kind
from appliance.train.checkpoint import intact, writing
from appliance.train.classify import Rows

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Item = TypeVar("Item")

__all__ = ["PRESETS", "Recipe", "build", "once", "shrink"]

_LAYER_ROWS, _TAYLOR_ROWS, _QUANTISE_ROWS = 256, 1000, 128
_MANY_LABELS = 100


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is kept of a teacher; None = all of it.

    `reserve`: how many words are kept, common ones beside what the texts need; `layers`, `heads` and `neurons`: how many over the whole network, never more than there
    are. `settle` is what the student learns after losing layers, `recovery` after losing heads and neurons. `quantisation` names a kind of
    `quantize`, `table_bits` the bits of an embedding; with `rounding` the student learns once more with its numbers rounded as they will be
    served (`qat`), which makes a static artefact whatever `quantisation` says. `ngrams`: how a student without a transformer
    learns, of whose teacher nothing is kept but its answers. Tokens that no text reaches go in any case.
    """

    reserve: int | None = None
    layers: int | None = None
    settle: Recovery | None = None
    heads: int | None = None
    neurons: int | None = None
    recovery: Recovery | None = None
    quantisation: Kind = "dynamic"
    table_bits: int = 8
    rounding: Recovery | None = None
    ngrams: Learning | None = None

    @property
    def learns(self) -> bool:
        """Whether a student learns anything; without, no teacher has to answer."""
        return any((self.settle, self.recovery, self.rounding, self.ngrams))


def _part(teacher: Student, count: int, heads: float, neurons: float, **rest: Any) -> Recipe:
    """Return a recipe that keeps `count` layers (of as many as there are) and these shares of their heads and neurons."""
    encoder = teacher.network["encoder"]
    count, width = min(count, len(layers(teacher.network))), widths(encoder)[0]
    heads, neurons = (max(1, round(width[part] * share)) for part, share in (("heads", heads), ("neurons", neurons)))
    return Recipe(layers=count, heads=count * heads, neurons=count * max(neurons, heads_and_ffn.BLOCK), **rest)


def _safe(teacher: Student) -> Recipe:
    share = 5 / 12 if _reduce_range() else 1 / 2
    learned = Recovery(8, 4e-4, embedding_weight=5.0)
    return _part(teacher, len(layers(teacher.network)), share, share, reserve=11_500, recovery=learned, table_bits=4)


def _small(teacher: Student) -> Recipe:
    # Words are worth more than width: on unseen clinc150 rows 5,000 words and a sixth of the neurons beat 2,000 and 7/24.
    learned = {"settle": Recovery(4, 3e-4, embedding_weight=5.0), "recovery": Recovery(24, 7e-4, embedding_weight=5.0)}
    count = max(3, len(layers(teacher.network)) // 3)
    return _part(teacher, count, 1 / 4, 1 / 6, reserve=5_000, table_bits=4, **learned)


def _tiny(teacher: Student) -> Recipe:
    # So many labels do not fit into 32 numbers: wider rows, and half as many of them, for the same bytes.
    many = len(teacher.plan.labels) > _MANY_LABELS
    return Recipe(ngrams=Learning(rows_log2=15, width=64) if many else Learning())


def _reduce_range() -> bool:
    return saturates(platform.machine(), device.cpu()[1])


# What a preset does with a teacher, whose depth and width it goes by. Without VNNI integer products take twice as long: there the same speed leaves
# room for fewer of them.
PRESETS: dict[str, Callable[[Student], Recipe]] = {
    "int8": lambda _teacher: Recipe(),
    "safe": _safe,
    "small": _small,
    "tiny": _tiny,
}


def build(recipe: Recipe, teacher: Student, rows: Transfer, judge: Rows | None, scratch: Path) -> Path:
    """Return a folder ready to serve, with `parameters.json` (numbers in the embedding and in the rest) beside the model.

    The student learns from `rows`; `judge` is what the best epoch is chosen by. Every stage is kept in `scratch` by all that it depends on, so
    that recipes share stages, and what a kill costs is the checkpoint under way. Raises what `quantize` raises.
    """
    key = _key(_identity(teacher, rows, judge), asdict(recipe))
    if learned := recipe.ngrams:
        return once(scratch, f"served-{key}", lambda folder: ngrams.distil(rows, teacher.plan, folder, judge, learned))
    student = vocabulary.without_unused(shrink(recipe, teacher, rows, judge, scratch))
    learning = scratch / f"learning-{key}"

    def make(folder: Path) -> None:
        ids = student.ids(_spread(rows.texts[: len(rows.subjects)], _QUANTISE_ROWS))
        if recipe.rounding:
            rounded = qat.prepare(student, ids, recipe.table_bits, _reduce_range())
            qat.write(recover(rounded, rows, recipe.rounding, learning, judge), folder, recipe.table_bits)
        else:
            with tempfile.TemporaryDirectory(dir=scratch) as source:
                write(student, Path(source))
                quantize(Path(source), folder, recipe.quantisation, ids, recipe.table_bits, _reduce_range())
        (folder / "parameters.json").write_text(json.dumps(student.parameters), "utf-8")

    folder = once(scratch, f"served-{key}", make)
    shutil.rmtree(learning, ignore_errors=True)
    return folder


def shrink(recipe: Recipe, teacher: Student, rows: Transfer, judge: Rows | None, scratch: Path) -> Student:
    """Return the student of a recipe before its numbers become integers, see `build`."""
    key, student = _identity(teacher, rows, judge), teacher
    for change, learned, fields in (
        (_shorten, recipe.settle, {"reserve": recipe.reserve, "layers": recipe.layers}),
        (_narrow, recipe.recovery, {"heads": recipe.heads, "neurons": recipe.neurons}),
    ):
        if not learned and not any(fields.values()):
            continue
        key = _key(key, fields, asdict(learned) if learned else None)
        student = _stage(student, change, learned, key, recipe, rows, judge, scratch)
    return student


def _stage(
    student: Student,
    change: Callable[[Student, Recipe, Transfer], Student],
    learned: Recovery | None,
    key: str,
    recipe: Recipe,
    rows: Transfer,
    judge: Rows | None,
    scratch: Path,
) -> Student:
    folder, learning = scratch / f"student-{key}", scratch / f"learning-{key}"
    if not intact(folder):
        cut = read(once(scratch, f"cut-{key}", lambda unfinished: write(change(student, recipe, rows), unfinished)))
        result = recover(cut, rows, learned, learning, judge) if learned else cut
        with writing(scratch, folder.name) as unfinished:
            write(result, unfinished)
    for left in (scratch / f"cut-{key}", learning):
        shutil.rmtree(left, ignore_errors=True)
    return read(folder)


def _shorten(student: Student, recipe: Recipe, rows: Transfer) -> Student:
    texts = rows.texts[: len(rows.subjects)]
    if recipe.reserve is not None:
        student = vocabulary.trim(student, vocabulary.choose_tokens(student, texts, rows.subjects, recipe.reserve))
    if recipe.layers is not None and recipe.layers < len(layers(student.network)):
        student = keep_layers(student, best(student, student.ids(_spread(texts, _LAYER_ROWS)), recipe.layers))
    return student


def _narrow(student: Student, recipe: Recipe, rows: Transfer) -> Student:
    count = len(rows.subjects)
    numbers = _spread(range(count), _TAYLOR_ROWS)
    targets = [
        rows.targets[row] if rows.targets[row] != NO_LABEL else int(rows.logits[row].argmax()) for row in numbers
    ]
    found = heads_and_ffn.importance(student, student.ids([rows.texts[row] for row in numbers]), targets)
    kept = heads_and_ffn.choose(
        found,
        *(_at_most(wanted, part) for wanted, part in ((recipe.heads, found.heads), (recipe.neurons, found.neurons))),
    )
    return heads_and_ffn.narrow(student, kept)


def _at_most(wanted: int | None, parts: Sequence[Array]) -> int:
    return min(wanted or sys.maxsize, sum(map(len, parts)))


def _spread(values: Sequence[Item], count: int) -> list[Item]:
    """Take `count` values, evenly spread."""
    return list(values[:: max(1, len(values) // count)])


def once(scratch: Path, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder `name` of `scratch` that `make` filled, once: one that is there whole is taken as it is."""
    folder = scratch / name
    if not intact(folder):
        with writing(scratch, name) as unfinished:
            make(unfinished)
    return folder


def _identity(teacher: Student, rows: Transfer, judge: Rows | None) -> str:
    digest = hashlib.sha256(identity(teacher).encode())
    for values in (rows.texts, rows.targets, rows.subjects, judge and (judge.texts, judge.targets)):
        digest.update(json.dumps(values).encode())
    digest.update(rows.logits.tobytes())
    return digest.hexdigest()


def _key(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
