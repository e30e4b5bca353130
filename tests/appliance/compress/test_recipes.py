"""Recipes: a teacher becomes a folder ready to serve, stage by stage."""

from __future__ import annotations

import json
import os
import signal
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance import engine, jobs
from appliance.compress import distil, recipes
from appliance.compress.distil import Recovery, Transfer, identity
from appliance.compress.ngrams import Learning
from appliance.compress.recipes import PRESETS, Recipe
from appliance.compress.student import Student, config
from appliance.engine.on_torch import in_batches, logits
from appliance.engine.plan import read_plan
from appliance.train.classify import Rows
from tests.fakes import tiny_records

LABELS = ("card", "transfer", "account")
RECORDS = tiny_records(60)
ROWS = Rows(tuple(record.text for record in RECORDS), tuple(LABELS.index(str(record.label)) for record in RECORDS))
LEARN = Recovery(epochs=0.064, learning_rate=1e-3, batch_rows=16)  # 8 steps: an epoch is 2,000 rows
SMALL = Recipe(reserve=5, layers=1, settle=LEARN, heads=1, neurons=32, recovery=LEARN)


@pytest.fixture
def rows(tiny: Student, tmp_path: Path) -> Transfer:
    """60 rows with labels and a copy of each, taught by the tiny model."""
    return distil.transfer([tiny], ROWS, 1, 0, tmp_path / "taught")


def test_a_recipe_makes_a_folder_that_serves_what_the_student_says(
    tiny: Student, rows: Transfer, tmp_path: Path
) -> None:
    """One layer, one head and 32 neurons are left, fewer tokens, and the served answers are the student's."""
    student = recipes.shrink(SMALL, tiny, rows, ROWS, tmp_path)
    assert config(student.network)["widths"] == [{"heads": 1, "neurons": 32}]
    assert config(student.network)["vocab_size"] < config(tiny.network)["vocab_size"]
    folder = recipes.build(SMALL, tiny, rows, ROWS, tmp_path)
    served = engine.load(folder)
    told = in_batches(logits, student.network, student.ids(ROWS.texts))
    assert (np.argmax(served.logits(ROWS.texts), 1) == told.argmax(1)).mean() > 0.9
    assert {path.name for path in folder.iterdir()} == {
        "model.json",
        "model.onnx",
        "tokenizer.json",
        "parameters.json",
        "hashes.json",
    }
    assert json.loads((folder / "parameters.json").read_bytes()) == student.parameters


@pytest.mark.long
def test_a_recipe_may_learn_with_the_rounding_in(tiny: Student, rows: Transfer, tmp_path: Path) -> None:
    """The folder is a static one, and its answers are still the teacher's."""
    folder = recipes.build(Recipe(rounding=LEARN, table_bits=4), tiny, rows, ROWS, tmp_path)
    served = engine.load(folder)
    assert read_plan(folder).format == "onnx-int8-static"
    assert (served.logits(ROWS.texts).argmax(1) == rows.logits[: len(ROWS)].argmax(1)).mean() > 0.9
    assert not list(tmp_path.glob("learning-*"))


def test_recipes_share_stages_and_a_student_is_learned_once(tiny: Student, rows: Transfer, tmp_path: Path) -> None:
    """Two recipes that differ in heads alone learn the layers once; the same one again, or with other bits, is taken as it is."""

    def steps(recipe: Recipe) -> int:
        told: list[str] = []
        token = jobs.reporter.set(lambda step, *_more: told.append(step))
        try:
            recipes.shrink(recipe, tiny, rows, ROWS, tmp_path)
        finally:
            jobs.reporter.reset(token)
        return told.count("train")

    told = [steps(recipe) for recipe in (SMALL, replace(SMALL, neurons=16), SMALL, replace(SMALL, table_bits=4))]
    assert told == [16, 8, 0, 0]
    assert not list(tmp_path.glob("learning-*")) and not list(tmp_path.glob("cut-*"))


def test_a_killed_recipe_ends_with_the_same_weights(tiny: Student, rows: Transfer, tmp_path: Path) -> None:
    """SIGKILL while the second recovery learns; the first one is not repeated."""
    straight = recipes.shrink(SMALL, tiny, rows, ROWS, tmp_path / "straight")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: fork beside idle threads of numpy
        child = os.fork()
    if not child:
        trained: list[int] = []

        def report(step: str, done: int, *_more: object) -> None:
            if step == "train":
                trained.append(done)
            if len(trained) == 12:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            jobs.reporter.set(report)
            recipes.shrink(SMALL, tiny, rows, ROWS, tmp_path / "killed")
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert len(list((tmp_path / "killed").glob("student-*"))) == 1
    again = recipes.shrink(SMALL, tiny, rows, ROWS, tmp_path / "killed")
    assert identity(again) == identity(straight)


def test_an_ngram_student_goes_by_its_seed(tiny: Student, rows: Transfer, tmp_path: Path) -> None:
    """The same seed gives the same bytes, another one other weights."""
    learning = Learning(rows_log2=8, width=8, passes=(1,))
    made = [
        recipes.build(Recipe(ngrams=replace(learning, seed=seed)), tiny, rows, ROWS, tmp_path / name)
        for name, seed in (("one", 1), ("again", 1), ("other", 2))
    ]
    one, again, other = ((folder / "model.safetensors").read_bytes() for folder in made)
    assert one == again != other


def test_what_a_teacher_has_not_got_is_not_asked_of_it(tiny: Student, rows: Transfer, tmp_path: Path) -> None:
    """A preset made for six layers leaves a network of two layers whole."""
    wide = Recipe(layers=6, heads=36, neurons=4608)
    student = recipes.shrink(wide, tiny, rows, ROWS, tmp_path)
    assert "widths" not in config(student.network) and config(student.network)["num_hidden_layers"] == 2


def test_another_teacher_or_other_rows_make_another_student(tiny: Student, rows: Transfer, tmp_path: Path) -> None:
    """Stages are kept by all that they depend on."""
    cut = Recipe(layers=1)
    recipes.shrink(cut, tiny, rows, None, tmp_path)
    recipes.shrink(cut, tiny, replace(rows, logits=rows.logits + 1), None, tmp_path)
    recipes.shrink(cut, tiny, rows, ROWS, tmp_path)
    assert len(list(tmp_path.glob("student-*"))) == 3


def test_a_preset_goes_by_the_teacher(tiny: Student) -> None:
    """Of two layers with two heads and 64 neurons each, `small` asks for no more than there is, and less than `safe` of each layer."""
    safe, small = (PRESETS[name](tiny) for name in ("safe", "small"))
    assert safe.layers == small.layers == 2
    assert small.heads is not None and safe.heads is not None and small.neurons and safe.neurons
    assert 2 <= small.heads <= safe.heads < 4 and 32 <= small.neurons < safe.neurons < 128


def test_bits_alone_need_no_answers_of_a_teacher(tiny: Student) -> None:
    """The preset `int8` learns nothing, all others do."""
    assert [name for name in PRESETS if not PRESETS[name](tiny).learns] == ["int8"]
