"""An n-gram student learns what its teacher answers, and nothing that only one person wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from appliance import engine, jobs
from appliance.compress.distil import NO_LABEL, Transfer, drop_words
from appliance.compress.ngrams import Learning, choose_pieces, distil
from appliance.compress.ngrams import _fake_rounded as fake_rounded
from appliance.compress.ngrams import _steps as steps
from appliance.engine.plan import Plan
from appliance.train.classify import Rows
from tests.fakes import tiny_records

LABELS = ("card", "transfer", "account")
PLAN = Plan("torch", "classify", LABELS, 64, "query: ", "tiny", ("en", "zh"))
SMALL = Learning(rows_log2=12, width=8, min_subjects=2, passes=(6,))
RECORDS = tiny_records(160)
TEXTS, HELD_OUT = [[record.text for record in part] for part in (RECORDS[:120], RECORDS[120:])]
TRUTH, HELD_OUT_TRUTH = [
    [LABELS.index(str(record.label)) for record in part] for part in (RECORDS[:120], RECORDS[120:])
]


def rows(labels: bool = True, subjects: tuple[str | None, ...] = (None,) * 120) -> Transfer:
    """120 texts and a copy of each, with a sure teacher: 4 for its answer and 0 for the others."""
    logits = np.tile(4 * np.eye(3, dtype=np.float32)[TRUTH], (2, 1))
    targets = (*(TRUTH if labels else [NO_LABEL] * 120), *[NO_LABEL] * 120)
    texts = (*TEXTS, *drop_words(TEXTS, 1, 0))
    return Transfer(texts, targets, logits, np.zeros((240, 1), np.float32), subjects)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("student")
    distil(rows(), PLAN, folder, learning=SMALL)
    return folder


def test_it_answers_texts_that_it_has_not_seen(student: Path) -> None:
    model = engine.load(student)
    assert (model.logits(TEXTS).argmax(1) == TRUTH).mean() > 0.97
    assert (model.logits(HELD_OUT).argmax(1) == HELD_OUT_TRUTH).mean() > 0.9


def test_the_teacher_alone_teaches_it(tmp_path: Path) -> None:
    """No row has a label: unlabelled text of the site is enough."""
    distil(rows(labels=False), PLAN, tmp_path, learning=SMALL)
    assert (engine.load(tmp_path).logits(HELD_OUT).argmax(1) == HELD_OUT_TRUTH).mean() > 0.9


def test_it_stops_learning_where_more_helps_no_more(tmp_path: Path) -> None:
    """Each number of passes starts anew; the first after which twice as many are no better is kept."""
    judge = Rows(tuple(HELD_OUT), tuple(HELD_OUT_TRUTH))
    told: list[float] = []
    watching = jobs.reporter.set(lambda _step, _done, _total, numbers: told.append(numbers["passes"]))
    try:
        distil(rows(), PLAN, tmp_path, judge, replace(SMALL, passes=(2, 4, 8, 16)))
    finally:
        jobs.reporter.reset(watching)
    tried = sorted(set(told))
    assert 2 <= len(tried) < 4
    (tmp_path / "alone").mkdir()
    distil(rows(), PLAN, tmp_path / "alone", learning=replace(SMALL, passes=(int(tried[-2]),)))
    kept, alone = (folder / "model.safetensors" for folder in (tmp_path, tmp_path / "alone"))
    assert kept.read_bytes() == alone.read_bytes()


def test_the_folder_is_a_model_with_its_parameters_beside(student: Path) -> None:
    assert {path.name for path in student.iterdir()} == {
        "model.json",
        "config.json",
        "model.safetensors",
        "parameters.json",
    }
    model = engine.load(student)
    assert (model.plan.format, model.plan.prefix, model.labels) == ("ngrams", "", LABELS)
    assert json.loads((student / "parameters.json").read_bytes()) == {"embedding": 4096 * 8, "encoder": 3 * 8 + 3}


def test_the_same_rows_give_the_same_bytes(student: Path, tmp_path: Path) -> None:
    distil(rows(), PLAN, tmp_path, learning=SMALL)
    for path in student.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("bits", [4, 8])
def test_the_table_takes_its_bits(tmp_path: Path, bits: int) -> None:
    distil(rows(), PLAN, tmp_path, learning=replace(SMALL, passes=(1,), bits=bits))
    size = (tmp_path / "model.safetensors").stat().st_size
    assert 0 <= size - 4096 * 8 * bits // 8 < 600


def test_words_of_one_person_leave_no_trace(tmp_path: Path) -> None:
    """All 120 texts are about one subject: nobody's rows are learned, and all texts get the same answer."""
    distil(rows(subjects=("one",) * 120), PLAN, tmp_path, learning=replace(SMALL, passes=(1,)))
    logits = engine.load(tmp_path).logits(TEXTS)
    assert np.array_equal(logits, np.tile(logits[0], (120, 1)))


def test_words_that_training_never_saw_add_nothing(student: Path) -> None:
    """Their rows are zero: what a text says is thinned by them, never turned."""
    model = engine.load(student)
    bias = model.logits([""])[0]
    known, thinned = model.logits([TEXTS[0]])[0] - bias, model.logits([TEXTS[0] + " zzqxj"])[0] - bias
    assert known.argmax() == thinned.argmax()


def test_chinese_is_read_in_shorter_stretches() -> None:
    assert (choose_pieces(["菜味道很棒"] * 3, 64, 16).shortest, choose_pieces(["菜味道很棒"], 64, 16).longest) == (1, 3)
    english = choose_pieces(["the card was declined"] * 99 + ["卡"], 64, 16)
    assert (english.shortest, english.longest, english.max_characters) == (3, 5, 1024)


@pytest.mark.parametrize("bits", [4, 8])
def test_rounding_keeps_few_numbers_and_passes_the_gradient(bits: int) -> None:
    table = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    rounded = fake_rounded(table, bits)
    numbers = rounded.detach() / steps(table, bits)
    assert torch.allclose(numbers, numbers.round(), atol=1e-4)
    assert numbers.abs().max() <= 2 ** (bits - 1) - 1 + 1e-4
    within = table.detach().abs() <= steps(table, bits) * (2 ** (bits - 1) - 1)
    assert ((rounded - table).abs() <= steps(table, bits) / 2 + 1e-6)[within].all()
    rounded.sum().backward()
    assert torch.equal(table.grad, torch.ones_like(table))
