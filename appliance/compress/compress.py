"""The step `compress`: smaller models of a trained one, measured on this machine, and one of them tested."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import device, engine
from appliance.compress import measure, report
from appliance.compress.menu import Variant, choose, front, verdict
from appliance.compress.student import read
from appliance.errors import PolicyError
from appliance.evaluate.answers import answer_split
from appliance.evaluate.evaluate import floors_beside, floors_key
from appliance.export.export import export_folder, source_of, trained_on
from appliance.schema import Dataset, Model
from appliance.settings import CompressSettings, EvaluateSettings, ExportSettings
from appliance.store import Store
from appliance.train.checkpoint import intact, writing
from appliance.train.classify import Lesson, Rows, read_lesson

_NAME_CHARACTERS = 64
_TEST, _PARAMETERS = "test", "parameters.json"
_NOT_THE_MODEL = (_PARAMETERS, "hashes.json")  # what work in progress keeps beside a model


@dataclass(frozen=True, slots=True)
class Case:
    """One teacher to make smaller: the model, the rows that it learned from and was judged by, and where work is kept that a kill must not lose."""

    teacher: Model
    dataset: Dataset
    lesson: Lesson
    settings: CompressSettings
    scratch: Path


def compress(store: Store, model: Model, settings: CompressSettings, judging: EvaluateSettings) -> dict[str, Any]:
    """Make smaller models of `model` (or of the trained model that it was exported from), measure each and test the chosen one.

    Each variant that is offered becomes a model `NAME-VARIANT`, a child of the teacher; the report a child of the teacher and its data set. A run that was
    killed goes on behind its last finished variant. Raises `NotFoundError` when the teacher's data set is gone, `InputError` for rows that cannot
    be learned from, `MissingPartError` without the extras `train` and `export`.
    """
    teacher = source_of(store, model)
    dataset = trained_on(store, teacher)
    parts = ("compress", _fingerprint(teacher, dataset, settings))
    case = Case(teacher, dataset, read_lesson(store.records(dataset), _seed(teacher)), settings, store.scratch(*parts))
    exact = _once(case.scratch, "teacher", lambda folder: _exact(case, folder))
    held_against = measure.reference(exact, _draw(case.lesson.validation, settings.rows, settings.seed))
    variants = [_variant(case, held_against, "int8", {"preset": "int8"}, lambda folder: _int8(case, folder))]
    found = _found(case, held_against, variants)
    chosen = choose(variants, settings, int((dataset.meta.get("splits") or {}).get(_TEST, 0)))
    if chosen:
        _test(store, case, found, chosen, exact, judging)
    _publish(store, case, found, variants)
    result = _write_report(store, case, found, judging)
    store.clear_scratch(*parts)
    return result


def _fingerprint(teacher: Model, dataset: Dataset, settings: CompressSettings) -> str:
    told = [teacher.id, dataset.id, settings.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _seed(teacher: Model) -> int:
    # The seed that held validation rows out when the teacher was trained: the same rows judge its students.
    card = teacher.folder / "card.json"
    try:
        return int(json.loads(card.read_bytes())["training"]["settings"]["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _draw(rows: Rows, count: int, seed: int) -> Rows:
    """Draw at most `count` rows, the same ones for the same seed."""
    if len(rows) <= count:
        return rows
    drawn = sorted(random.Random(seed).sample(range(len(rows)), count))  # noqa: S311  no secret: a sample
    return Rows(tuple(rows.texts[row] for row in drawn), tuple(rows.targets[row] for row in drawn))


def _once(scratch: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder that `make` filled, once: one that is there whole is taken as it is."""
    folder = scratch / name
    if not intact(folder):
        with writing(scratch, name) as unfinished:
            make(unfinished)
    return folder


def _exact(case: Case, folder: Path) -> None:
    export_folder(case.teacher.folder, folder, ExportSettings(format="onnx"), _texts(case.lesson))


def _int8(case: Case, folder: Path) -> None:
    export_folder(case.teacher.folder, folder, ExportSettings(format="onnx-int8"), _texts(case.lesson))
    (folder / "parameters.json").write_text(json.dumps(read(case.teacher.folder).parameters), "utf-8")


def _texts(lesson: Lesson) -> list[str]:
    return list((lesson.validation + lesson.train).texts[: ExportSettings().parity_rows])


def _variant(
    case: Case, held_against: measure.Reference, name: str, recipe: dict[str, Any], make: Callable[[Path], None]
) -> Variant:
    """Make a variant and measure it, once. One that its own checks refuse is a variant without a folder."""

    def write(folder: Path) -> None:
        (folder / "found.json").write_text(json.dumps(found), "utf-8")

    done = case.scratch / f"{name}-found"
    if not intact(done):
        try:
            found = _measured(_once(case.scratch, name, make), held_against)
        except PolicyError as error:
            found = {"refused": str(error), "cost": {}, "quality": {}, "parameters": {}}
        _once(case.scratch, done.name, write)
    return Variant(name, recipe, case.scratch / name, **json.loads((done / "found.json").read_bytes()))


def _measured(folder: Path, held_against: measure.Reference) -> dict[str, Any]:
    guess, scores = measure.guesses(measure.logits_of(engine.load(folder), held_against.rows.texts))
    return {
        "refused": None,
        "cost": measure.cost(folder, held_against),
        "quality": measure.quality(held_against.true, held_against.guess, guess, scores),
        "parameters": json.loads((folder / _PARAMETERS).read_bytes()),
    }


def _found(case: Case, held_against: measure.Reference, variants: Sequence[Variant]) -> dict[str, Any]:
    kept = [variant.name for variant in front(variants)]
    return {
        "model": case.teacher.reference,
        "dataset": case.dataset.reference,
        "metric": "accuracy",
        "settings": case.settings.model_dump(mode="json"),
        "hardware": device.describe(),
        "validation_rows": len(held_against.rows),
        "held_out": case.lesson.held_out,
        "teacher": {
            "size_bytes": held_against.size_bytes,
            "parameters": read(case.teacher.folder).parameters,
            "metric": float((held_against.guess == held_against.true).mean()),
        },
        "chosen": None,
        "floors": {},
        "floors_left_out": {},
        "variants": [_line(variant, variant.name in kept) for variant in variants],
    }


def _line(variant: Variant, kept: bool) -> dict[str, Any]:
    line: dict[str, Any] = {"model": None, "name": variant.name}
    if variant.refused is not None:
        return line | {"verdict": "refused", "reason": variant.refused, "recipe": variant.recipe}
    line |= variant.cost | variant.quality | {"split": "validation", "verdict": "offered" if kept else "dominated"}
    return line | {"parameters": variant.parameters, "recipe": variant.recipe}


def _test(
    store: Store, case: Case, found: dict[str, Any], chosen: Variant, exact: Path, judging: EvaluateSettings
) -> None:
    """Read the test split with the teacher and the chosen variant, once; write what it says into `found`."""
    line = next(line for line in found["variants"] if line["name"] == chosen.name)
    found["chosen"] = chosen.name
    if not (case.dataset.meta.get("splits") or {}).get(_TEST):
        line |= {"verdict": "undecided", "rows_needed": None}
        return
    engines = [engine.load(exact), engine.load(chosen.folder)]
    answers = answer_split(engines, store, case.dataset, _TEST)
    tested = measure.quality(answers.true, answers.predicted[0], answers.predicted[1], answers.scores[1])
    line |= {"validation": chosen.quality, "split": _TEST} | tested | verdict(tested, case.settings.max_drop)
    if judging.floors:
        judging = judging.model_copy(update={"split": _TEST})
        floors, left_out = floors_beside(store, case.teacher, case.dataset, engines[0].plan, answers, judging)
        found |= {"floors": floors, "floors_left_out": left_out}


def _publish(store: Store, case: Case, found: dict[str, Any], variants: Sequence[Variant]) -> None:
    """Make a model of every variant that is offered or was tested, the tested one last."""
    by_name = {variant.name: variant for variant in variants}
    lines = [line for line in found["variants"] if line["verdict"] not in ("dominated",) and "reason" not in line]
    for line in sorted(lines, key=lambda line: line["name"] == found["chosen"]):
        line["model"] = _model(store, case, by_name[line["name"]], line).reference


def _model(store: Store, case: Case, variant: Variant, line: dict[str, Any]) -> Model:
    teacher = case.teacher
    name = f"{teacher.name[: _NAME_CHARACTERS - len(variant.name) - 1]}-{variant.name}"
    meta = {key: teacher.meta[key] for key in ("task", "labels", "base", "languages", "method") if key in teacher.meta}
    with store.draft("model", name, parents=(teacher.id,), meta=meta) as draft:
        draft.verb = "compress"
        for path in variant.folder.iterdir():
            if path.name not in _NOT_THE_MODEL:
                shutil.copyfile(path, draft.folder / path.name)
        draft.meta |= {"format": line["format"], "size_bytes": line["size_bytes"], "compressed": line}
        draft.beside |= report.write_cards(teacher, draft.folder, line)
    made: Model = draft.artifact
    return made


def _write_report(store: Store, case: Case, found: dict[str, Any], judging: EvaluateSettings) -> dict[str, Any]:
    parents = dict.fromkeys((case.teacher.id, case.dataset.id))
    key = floors_key(case.teacher, case.dataset, judging.model_copy(update={"split": _TEST}))
    meta = {"floors": found["floors"], "floors_key": key, "chosen": found["chosen"]}
    with store.draft("report", case.teacher.name, parents=parents, meta=meta) as draft:
        draft.verb = "compress"
        draft.beside |= report.write(draft.folder, found, store.scratch("fonts"))
    return found | {"report": draft.artifact.reference, "path": str(draft.artifact.folder)}
