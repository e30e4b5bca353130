"""The step `compress`: smaller models of a trained one, measured on this machine, and one of them tested."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import device, engine
from appliance.compress import measure, report
from appliance.compress.distil import COPIES, NO_LABEL, transfer, untaught
from appliance.compress.menu import Variant, choose, front, verdict
from appliance.compress.recipes import PRESETS, Recipe, build, once, shrink
from appliance.compress.search import FIRST, Point, expected_s, name_of, propose, recipe_at
from appliance.compress.student import Student, read
from appliance.compress.vocabulary import unknown_rate
from appliance.engine.on_torch import import_torch, in_batches, logits
from appliance.engine.plan import files_of
from appliance.errors import InputError, PolicyError
from appliance.evaluate.answers import answer_split
from appliance.evaluate.evaluate import floors_beside, floors_key
from appliance.evaluate.metrics import calibration
from appliance.export.export import export_folder, source_of, trained_on
from appliance.jobs import progress
from appliance.schema import Dataset, Model
from appliance.settings import CompressSettings, EvaluateSettings, ExportSettings
from appliance.store import Store
from appliance.train.checkpoint import intact
from appliance.train.classify import Lesson, Rows, read_lesson
from appliance.words import _

if TYPE_CHECKING:
    from appliance.compress.distil import Transfer

_SOON, _LONG = (
    ("int8", "tiny"),
    ("small", "safe"),
)  # presets: what is soon ready comes first, so that the menu fills early
_NAME_CHARACTERS = 64
_MOST_UNKNOWN = 0.005  # of the tokens of validation rows may become unknown ones by a smaller vocabulary
_TEST, _PARAMETERS = "test", "parameters.json"


@dataclass(frozen=True, slots=True)
class Case:
    """One teacher to make smaller: the model as it was stored and as a network, its rows, what students learn from, and where work is kept that a kill
    must not lose."""

    model: Model
    teacher: Student
    dataset: Dataset
    lesson: Lesson
    transfer: Transfer
    held_against: measure.Reference
    teacher_cost: dict[str, Any]
    settings: CompressSettings
    scratch: Path
    opening_s: float
    learned_from: tuple[str, ...] = ()  # ids of the data sets beside the teacher's own


def compress(store: Store, model: Model, settings: CompressSettings, judging: EvaluateSettings) -> dict[str, Any]:
    """Make smaller models of `model` (or of the trained model that it was exported from), measure each and test the chosen one.

    Each variant that is offered becomes a model `NAME-VARIANT`, a child of the teacher and of the other data sets that it learned from; the report a child of
    the teacher and its data set. A run that was killed goes on behind its last finished variant. Raises `NotFoundError` when the teacher's data set is gone,
    `InputError` for rows that cannot be learned from and teachers with other labels, `PolicyError` for unlabelled texts that were not scrubbed, `MissingPartError` without the extras `train`
    and `export`.
    """
    source = source_of(store, model)
    dataset = trained_on(store, source)
    parts = ("compress", _fingerprint(store, source, dataset, settings))
    case = _open(store, source, dataset, settings, store.scratch(*parts))
    variants = _variants(case)
    found = _found(case, variants)
    chosen = choose(variants, settings, int((dataset.meta.get("splits") or {}).get(_TEST, 0)))
    if chosen:
        _test(store, case, found, chosen, judging)
    _publish(store, case, found, variants)
    result = _write_report(store, case, found, judging)
    store.clear_scratch(*parts)
    return result


def _fingerprint(store: Store, teacher: Model, dataset: Dataset, settings: CompressSettings) -> str:
    # The budget is left out: given more time, the same command goes on where it was. A name may mean another data set or model by then.
    others = [*map(store.dataset, settings.unlabelled), *map(store.model, settings.teachers)]
    told = [
        teacher.id,
        dataset.id,
        [other.id for other in others],
        settings.model_dump(mode="json", exclude={"budget_s"}),
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


# -- what there is to learn from ---------------------------------------------------------------------------------------


def _open(store: Store, model: Model, dataset: Dataset, settings: CompressSettings, scratch: Path) -> Case:
    import_torch()
    import torch

    begun = time.monotonic()
    torch.set_num_threads(device.threads(settings.threads))
    teachers = [read(model.folder), *(_other_teacher(store, model, name) for name in settings.teachers)]
    lesson = read_lesson(store.records(dataset), _seed(model))
    if not len(lesson.validation):
        raise InputError(
            _(
                "`{dataset}` has no row to hold out, so that nothing can judge a smaller model",
                dataset=dataset.reference,
            )
        )
    rows = lesson.train + _unlabelled(store, dataset, lesson.validation, settings)
    texts = list((lesson.validation + lesson.train).texts[: ExportSettings().parity_rows])
    exact = once(
        scratch, "teacher", lambda folder: export_folder(model.folder, folder, ExportSettings(format="onnx"), texts)
    )
    judging = _draw(lesson.validation, settings.rows, settings.seed)
    held_against = measure.reference(exact, judging, lesson.train.texts)
    cost = once(scratch, "cost", lambda folder: _write(folder, measure.cost(exact, held_against)))
    learns = settings.preset is None or PRESETS[settings.preset](teachers[0]).learns
    return Case(
        model=model,
        teacher=teachers[0],
        dataset=dataset,
        lesson=lesson,
        transfer=transfer(teachers, rows, COPIES, settings.seed, scratch / "answers") if learns else untaught(rows),
        held_against=held_against,
        teacher_cost=_read(cost),
        settings=settings,
        scratch=scratch,
        opening_s=time.monotonic() - begun,
        learned_from=_learned_from(store, settings),
    )


def _learned_from(store: Store, settings: CompressSettings) -> tuple[str, ...]:
    """Return the ids of the data sets that variants learn from beside the teacher's own, so that an erasure finds the variants and none leaves unseen."""
    sets = [store.dataset(name).id for name in settings.unlabelled]
    for name in settings.teachers:
        sets += source_of(store, store.model(name)).parents
    return tuple(dict.fromkeys(sets))


def _other_teacher(store: Store, model: Model, name: str) -> Student:
    other = read(source_of(store, store.model(name)).folder)
    if list(other.plan.labels) != list(model.meta["labels"]):
        raise InputError(
            _(
                "teacher `{name}` has other labels than `{model}`; name one that was trained on the same labels",
                name=name,
                model=model.reference,
            )
        )
    return other


def _unlabelled(store: Store, dataset: Dataset, validation: Rows, settings: CompressSettings) -> Rows:
    """Read the texts without a label: those of the teacher's data set, and all of `settings.unlabelled`; no row of a test or validation split, and no text
    that the teacher's set has in one of them or that was held out of it (`validation`)."""
    named = [store.dataset(name) for name in settings.unlabelled]
    for other in named:
        if other.stage == "raw":
            raise PolicyError(
                _(
                    "`{dataset}` is raw: its texts were not scrubbed; name a scrubbed or curated set",
                    dataset=other.reference,
                )
            )
    judged = {record.text for split in (_TEST, "validation") for record in store.records(dataset, split)}
    judged.update(validation.texts)
    found = [
        record
        for other in (dataset, *named)
        for record in store.records(other)
        if record.split in ("train", None)
        and record.text not in judged
        and (other.id != dataset.id or not record.label)
    ]
    return Rows(
        tuple(record.text for record in found), (NO_LABEL,) * len(found), tuple(record.subject for record in found)
    )


def _seed(teacher: Model) -> int:
    # The seed that held validation rows out when the teacher was trained: the same rows judge its students.
    try:
        return int(json.loads((teacher.folder / "card.json").read_bytes())["training"]["settings"]["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _draw(rows: Rows, count: int, seed: int) -> Rows:
    """Draw at most `count` rows, the same ones for the same seed."""
    if len(rows) <= count:
        return rows
    drawn = sorted(random.Random(seed).sample(range(len(rows)), count))  # noqa: S311  no secret: a sample
    return Rows(tuple(rows.texts[row] for row in drawn), tuple(rows.targets[row] for row in drawn))


def _write(folder: Path, figures: dict[str, Any]) -> None:
    (folder / "figures.json").write_text(json.dumps(figures), "utf-8")


def _read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "figures.json").read_bytes())
    return content


# -- the variants ------------------------------------------------------------------------------------------------------


def _variants(case: Case) -> list[Variant]:
    """Make what the schedule names while there is time: nothing is begun after the first that is not expected to be ready within the budget."""
    done: list[Variant] = []
    for name, recipe, point in _schedule(case, done):
        if done and _spent_s(case, done) + expected_s(recipe, case.teacher, done) >= case.settings.budget_s:
            if point:
                break
            continue  # a preset may take too long where a shorter trial does not
        progress("variants", len(done))
        done.append(_variant(case, name, recipe, point))
    return done


def _schedule(case: Case, done: Sequence[Variant]) -> Iterator[tuple[str, Recipe, Point | None]]:
    """Name what to try next, by what is `done` so far: what is soon ready, first trials, the presets that learn long, and the search to its end."""
    if case.settings.preset:
        yield case.settings.preset, PRESETS[case.settings.preset](case.teacher), None
        return
    for names, trials in ((_SOON, FIRST), (_LONG, None)):
        for name in names:
            yield name, PRESETS[name](case.teacher), None
        for _trial in range(trials) if trials else count():
            point = propose(case.teacher, done, case.settings)
            if point is None:
                return
            recipe = recipe_at(point, case.teacher)
            yield name_of(recipe), recipe, point


def _variant(case: Case, name: str, recipe: Recipe, point: Point | None = None) -> Variant:
    """Make a variant with the seed of the settings and measure it, once. One that is not as it was before its numbers became integers is refused, and
    one that cannot read the rows."""
    recipe, done = _seeded(recipe, case.settings.seed), case.scratch / f"found-{name}"
    if not intact(done):
        begun = time.monotonic()
        folder = build(recipe, case.teacher, case.transfer, case.lesson.validation, case.scratch / "stages")
        found = _measured(case, recipe, folder) | {"folder": folder.name, "seconds": time.monotonic() - begun}
        once(case.scratch, done.name, lambda target: _write(target, found))
    kept = _read(done)
    folder = case.scratch / "stages" / kept.pop("folder")
    return Variant(name, asdict(recipe), point, folder, **kept)


def _seeded(recipe: Recipe, seed: int) -> Recipe:
    parts = {name: getattr(recipe, name) for name in ("settle", "recovery", "rounding", "ngrams")}
    return replace(recipe, **{name: replace(part, seed=seed) for name, part in parts.items() if part})


def _measured(case: Case, recipe: Recipe, folder: Path) -> dict[str, Any]:
    held_against = case.held_against
    answers = measure.logits_of(engine.load(folder), held_against.rows.texts)
    guess, scores = measure.guesses(answers)
    refused = None
    if not recipe.ngrams:
        student = shrink(recipe, case.teacher, case.transfer, case.lesson.validation, case.scratch / "stages")
        before = in_batches(logits, student.network, student.ids(held_against.rows.texts))
        refused = measure.fault(before, answers, held_against.true, learned_on=recipe.rounding is not None)
        refused = refused or _unreadable(case, student)
    return {
        "refused": refused,
        "cost": measure.cost(folder, held_against),
        "quality": measure.quality(held_against.true, held_against.guess, guess, scores),
        "parameters": json.loads((folder / _PARAMETERS).read_bytes()),
    }


def _unreadable(case: Case, student: Student) -> str | None:
    """Return why a variant is refused: its vocabulary cannot say what is in the validation rows. None when it can."""
    rates = [unknown_rate(one, case.held_against.rows.texts) for one in (student, case.teacher)]
    if rates[0] - rates[1] <= _MOST_UNKNOWN:
        return None
    return _(
        "its vocabulary does not know {rate:.2%} of the tokens of {rows} real rows, the teacher's {teacher:.2%} (allowed: {most:.1%} more)",
        rate=rates[0],
        rows=len(case.held_against.rows),
        teacher=rates[1],
        most=_MOST_UNKNOWN,
    )


def _spent_s(case: Case, variants: Sequence[Variant]) -> float:
    """The time that all took so far: getting ready, in this attempt, and these variants, in whichever attempt, so that one that goes on decides alike."""
    return case.opening_s + sum(variant.seconds for variant in variants)


# -- what they are worth -----------------------------------------------------------------------------------------------


def _found(case: Case, variants: Sequence[Variant]) -> dict[str, Any]:
    held_against, kept = case.held_against, [variant.name for variant in front(variants)]
    return {
        "model": case.model.reference,
        "dataset": case.dataset.reference,
        "metric": "accuracy",
        "settings": case.settings.model_dump(mode="json"),
        "hardware": device.describe(),
        "validation_rows": len(held_against.rows),
        "held_out": case.lesson.held_out,
        "transfer_rows": len(case.transfer),
        "teacher": case.teacher_cost
        | {
            "parameters": case.teacher.parameters,
            "metric": float((held_against.guess == held_against.true).mean()),
            "calibration_error": calibration(held_against.scores, held_against.guess == held_against.true)[0],
        },
        "chosen": None,
        "floors": {},
        "floors_left_out": {},
        "variants": [_line(variant, variant.name in kept) for variant in variants],
    }


def _line(variant: Variant, kept: bool) -> dict[str, Any]:
    said = "refused" if variant.refused else "offered" if kept else "dominated"
    line: dict[str, Any] = {"model": None, "name": variant.name, "verdict": said, "reason": variant.refused}
    line |= variant.cost | variant.quality | {"split": "validation", "rows_needed": None}
    return line | {"parameters": variant.parameters, "seconds": variant.seconds, "recipe": variant.recipe}


def _test(store: Store, case: Case, found: dict[str, Any], chosen: Variant, judging: EvaluateSettings) -> None:
    """Read the test split with the teacher and the chosen variant, once; write what it says into `found`."""
    line = next(line for line in found["variants"] if line["name"] == chosen.name)
    found["chosen"] = chosen.name
    if not (case.dataset.meta.get("splits") or {}).get(_TEST):
        line |= {"verdict": "undecided"}
        return
    teacher = case.held_against.engine
    answers = answer_split([teacher, engine.load(chosen.folder)], store, case.dataset, _TEST)
    tested = measure.quality(answers.true, answers.predicted[0], answers.predicted[1], answers.scores[1])
    line |= {"validation": chosen.quality, "split": _TEST} | tested | verdict(tested, case.settings.max_drop)
    if judging.floors:
        judging = judging.model_copy(update={"split": _TEST})
        floors, left_out = floors_beside(store, case.model, case.dataset, teacher.plan, answers, judging)
        found |= {"floors": floors, "floors_left_out": left_out}


def _publish(store: Store, case: Case, found: dict[str, Any], variants: Sequence[Variant]) -> None:
    """Make a model of every variant that is on the menu, the tested one last."""
    by_name = {variant.name: variant for variant in variants}
    lines = [line for line in found["variants"] if line["verdict"] != "dominated" and line["reason"] is None]
    for line in sorted(lines, key=lambda line: line["name"] == found["chosen"]):
        line["model"] = _model(store, case, by_name[line["name"]], line).reference


def _model(store: Store, case: Case, variant: Variant, line: dict[str, Any]) -> Model:
    teacher = case.model
    name = f"{teacher.name[: _NAME_CHARACTERS - len(variant.name) - 1]}-{variant.name}"
    meta = {key: teacher.meta[key] for key in ("task", "labels", "base", "languages", "method") if key in teacher.meta}
    parents = dict.fromkeys((teacher.id, *case.learned_from))
    with store.draft("model", name, parents=parents, meta=meta) as draft:
        draft.verb = "compress"
        for file in files_of(line["format"]):
            shutil.copyfile(variant.folder / file, draft.folder / file)
        draft.meta |= {"format": line["format"], "size_bytes": line["size_bytes"], "compressed": line}
        draft.beside |= report.write_cards(teacher, draft.folder, line)
    made: Model = draft.artifact
    return made


def _write_report(store: Store, case: Case, found: dict[str, Any], judging: EvaluateSettings) -> dict[str, Any]:
    parents = dict.fromkeys((case.model.id, case.dataset.id))
    key = floors_key(case.model, case.dataset, judging.model_copy(update={"split": _TEST}))
    meta = {"floors": found["floors"], "floors_key": key, "chosen": found["chosen"]}
    with store.draft("report", case.model.name, parents=parents, meta=meta) as draft:
        draft.verb = "compress"
        draft.beside |= report.write(draft.folder, found, store.scratch("fonts"))
    return found | {"report": draft.artifact.reference, "path": str(draft.artifact.folder)}
