"""A student learns from its teachers: the loss, what it learns from, and the same weights after a kill."""

from __future__ import annotations

import math
import os
import signal
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from appliance import jobs
from appliance.compress import distil
from appliance.compress.distil import (
    NO_LABEL,
    Recovery,
    Transfer,
    drop_words,
    exchange_words,
    kl_loss,
    relation_loss,
    splice,
    stray_words,
)
from appliance.compress.layers import divergence, keep_layers
from appliance.compress.student import Student, with_network
from appliance.compress.vocabulary import common_words, tokens
from appliance.engine.on_torch import in_batches, logits
from appliance.train.classify import Rows
from tests.fakes import tiny_records

LABELS = ("card", "transfer", "account")
RECORDS = tiny_records(60)
ROWS = Rows(tuple(record.text for record in RECORDS), tuple(LABELS.index(str(record.label)) for record in RECORDS))
SHORT = Recovery(epochs=0.12, learning_rate=3e-3, batch_rows=8)  # 30 steps: an epoch is 2,000 rows


@pytest.fixture
def rows(tiny: Student, tmp_path: Path) -> Transfer:
    """60 rows with labels and a copy of each kind of each, taught by the tiny model."""
    return distil.transfer([tiny], ROWS, 1, 0, tmp_path / "taught")


def weights(student: Student) -> bytes:
    return b"".join(value.numpy().tobytes() for value in student.network.state_dict().values())


def answers(student: Student, texts: tuple[str, ...]) -> np.ndarray:
    return in_batches(logits, student.network, student.ids(texts))


def test_kl_is_the_closed_form_with_the_teacher_first() -> None:
    """Teacher (.9, .1), student (.5, .5): .9 ln 1.8 + .1 ln .2; the other way round it would be .5 ln (.5/.9) + .5 ln 5."""
    teacher, student = torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[0.5, 0.5]]).log()
    expected = 0.9 * math.log(1.8) + 0.1 * math.log(0.2)
    assert float(kl_loss(student, teacher, 1.0)) == pytest.approx(expected, rel=1e-6)
    assert float(kl_loss(teacher, student, 1.0)) == pytest.approx(
        0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(5), rel=1e-6
    )


def test_temperature_softens_both_and_keeps_the_size_of_the_gradient() -> None:
    """Logits (2 ln 3, 0) at T = 2 are (.75, .25); for nearly equal logits T^2 KL does not depend on T."""
    teacher, student = torch.tensor([[2 * math.log(3), 0.0]]), torch.zeros(1, 2)
    expected = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert float(kl_loss(student, teacher, 2.0)) == pytest.approx(expected, rel=1e-6)
    near = torch.tensor([[1e-2, 0.0]], dtype=torch.float64)
    assert float(kl_loss(near, near * 0, 1.0)) == pytest.approx(float(kl_loss(near, near * 0, 5.0)), rel=1e-3)


def test_relations_of_the_same_network_are_equal_and_padding_counts_nowhere() -> None:
    """Zero against itself, also cut into other widths; more than zero against another; the same with padded tokens behind."""
    torch.manual_seed(0)
    one, other = ({part: torch.randn(2, 5, 8) for part in ("query", "key", "value")} for _network in range(2))
    mask = torch.ones(2, 5, dtype=torch.int64)
    assert float(relation_loss(one, one, mask)) == pytest.approx(0, abs=1e-6)
    found = float(relation_loss(one, other, mask))
    assert found > 0.01
    longer = [
        {part: torch.cat([value, torch.full((2, 3, 8), 7.0)], 1) for part, value in it.items()} for it in (one, other)
    ]
    padded = torch.cat([mask, torch.zeros(2, 3, dtype=torch.int64)], 1)
    assert float(relation_loss(longer[0], longer[1], padded)) == pytest.approx(found, rel=1e-5)


def test_relations_are_the_closed_form_of_one_head() -> None:
    """One relation head of width 1 over two tokens: softmax of (1, 0) against softmax of (0, 0), a row of zeros beside it."""
    teacher = {part: torch.tensor([[[1.0], [0.0]]]) for part in ("query", "key", "value")}
    student = {part: torch.zeros(1, 2, 1) for part in ("query", "key", "value")}
    p = 1 / (1 + math.exp(-1))
    first = p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))
    assert float(relation_loss(student, teacher, torch.ones(1, 2))) == pytest.approx(first / 2, rel=1e-5)


def test_word_dropping_leaves_words_in_their_order_and_never_none() -> None:
    """Every copy is a part of its text; Chinese loses characters; the same seed gives the same copies."""
    texts = ("please check the card today", "card", "请今天检查银行卡", "", "pay 3 次")
    copies = drop_words(texts, 20, seed=0)
    assert len(copies) == 100 and copies == drop_words(texts, 20, seed=0) != drop_words(texts, 20, seed=1)
    for number, copy in enumerate(copies):
        text = texts[number % 5]
        places = iter(text)
        assert all(character in places for character in copy)
        assert copy or not text
        assert set(copy.split()) <= set(text.split()) or not text.isascii()
    assert len({len(copy) for copy in copies[2::5]}) > 2


def test_splicing_joins_a_head_and_a_tail() -> None:
    """Each copy begins like its text and ends like some text; words stay whole; the same seed gives the same copies."""
    texts = ("please check the card today", "card", "请今天检查银行卡", "", "pay 3 times")
    copies = splice(texts, 20, seed=0)
    assert len(copies) == 100 and copies == splice(texts, 20, seed=0) != splice(texts, 20, seed=1)
    for number, copy in enumerate(copies):
        text = texts[number % 5]
        assert copy.startswith(text[:1])
        assert not text or any(copy.endswith(other[-1:]) for other in texts if other) or copy in text
        assert set(copy.split()) <= {word for one in texts for word in one.split()} or not copy.isascii()
    assert len(set(copies[::5])) > 5


def test_words_are_exchanged_for_common_ones_and_the_rest_stays(tiny: Student) -> None:
    """The nearest in the embedding table come in, other characters stay where they were, and the same seed gives the same copies."""
    texts = ("please check the card today!", "卡 3")
    copies = exchange_words(tiny, texts, 20, seed=0)
    assert len(copies) == 40 and copies == exchange_words(tiny, texts, 20, seed=0) != exchange_words(tiny, texts, 20, 1)
    names = tokens(tiny.tokenizer)
    common = {names[word] for word in common_words(tiny.tokenizer, ("en",))}
    for copy in copies[::2]:
        words = copy.removesuffix("!").split()
        assert copy.endswith("!") and len(words) == 5
        assert all(word in common or word == old for word, old in zip(words, texts[0][:-1].split(), strict=True))
    assert len(set(copies[::2])) > 3 and set(copies[1::2]) == {texts[1]}


def test_any_common_word_comes_into_a_text_that_strays(tiny: Student) -> None:
    """A share of the words is exchanged for any common ones, the more frequent the likelier, spaces stay, and the same seed gives the same copies."""
    texts = ("please check the card today", "卡 3")
    copies = stray_words(tiny, texts, 200, seed=0)
    assert len(copies) == 400 and copies == stray_words(tiny, texts, 200, seed=0) != stray_words(tiny, texts, 200, 1)
    names = tokens(tiny.tokenizer)
    common = [names[word] for word in common_words(tiny.tokenizer, ("en",))]
    new = [
        word
        for copy in copies[::2]
        for word, old in zip(copy.split(" "), texts[0].split(" "), strict=True)
        if word != old
    ]
    assert set(new) <= set(common)
    assert 0.5 < len(new) / (5 * 200) < 0.75  # evenly from 0.3 to 1, a few words for themselves
    assert new.count(common[0]) > 0


def test_several_teachers_teach_their_mean(tiny: Student, tmp_path: Path) -> None:
    """Logits are the mean of both, embeddings those of the first; what was taught is read again, not made again."""

    def turn(network: torch.nn.ModuleDict) -> None:
        state = network["head"].state_dict()
        network["head"].load_state_dict(state | {"bias": state["bias"] + 2.0})

    second = with_network(tiny, turn)
    alone, vectors = distil.teach([tiny], ROWS.texts, tmp_path)
    both, first = distil.teach([tiny, second], ROWS.texts, tmp_path)
    np.testing.assert_allclose(alone, answers(tiny, ROWS.texts), atol=1e-5)
    np.testing.assert_allclose(both, alone + 1, atol=1e-5)
    np.testing.assert_array_equal(first, vectors)
    tiny.network["encoder"].register_forward_hook(lambda *_run: pytest.fail("a text is read twice"))
    np.testing.assert_array_equal(distil.teach([tiny], ROWS.texts, tmp_path)[0], alone)


def test_copies_have_no_label_and_inherit_no_subject(rows: Transfer) -> None:
    """The rows come first, then the copies, whose answers are the teacher's of the copy."""
    assert len(rows) == 300 and len(rows.subjects) == 60
    assert rows.texts[:60] == ROWS.texts and rows.targets == ROWS.targets + (NO_LABEL,) * 240
    assert rows.logits.shape == (300, 3) and rows.embeddings.shape == (300, 32)


@pytest.mark.parametrize(
    "recovery", [SHORT, replace(SHORT, label_share=0.1, embedding_weight=1.0, relation_weight=0.1)]
)
def test_a_student_comes_nearer_to_its_teacher(
    tiny: Student, rows: Transfer, tmp_path: Path, recovery: Recovery
) -> None:
    """Of two layers one is left; after learning its answers diverge less. The student given is not changed."""
    cut = keep_layers(tiny, [0])
    before, given = divergence(rows.logits, answers(cut, rows.texts)), weights(cut)
    learned = distil.recover(cut, rows, replace(recovery, epochs=0.24), tmp_path / "learning", guide=tiny)
    assert divergence(rows.logits, answers(learned, rows.texts)) < before / 2
    assert weights(cut) == given and not learned.network.training


def test_rows_without_any_label_teach_too(tiny: Student, rows: Transfer, tmp_path: Path) -> None:
    """Unlabelled site text: the teacher's answers are enough, and the loss stays a number."""
    cut = keep_layers(tiny, [0])
    nameless = replace(rows, targets=(NO_LABEL,) * len(rows))
    learned = distil.recover(cut, nameless, replace(SHORT, epochs=0.24), tmp_path / "learning")
    assert divergence(rows.logits, answers(learned, rows.texts)) < divergence(rows.logits, answers(cut, rows.texts)) / 2


def test_a_label_wins_over_the_teacher_only_by_its_share(tiny: Student, tmp_path: Path) -> None:
    """All rows bear a label that the teacher does not give: with labels alone the student gives it, without them it does not."""
    rows = distil.transfer([tiny], ROWS, 0, 0, tmp_path / "taught")
    other = int(rows.logits.mean(0).argmin())
    said = replace(rows, targets=(other,) * len(rows))
    for share, expected in ((1.0, 1.0), (0.0, 0.0)):
        learned = distil.recover(tiny, said, replace(SHORT, label_share=share), tmp_path / f"{share}")
        assert (answers(learned, rows.texts).argmax(1) == other).mean() == expected


def test_a_killed_recovery_ends_with_the_same_weights(
    tiny: Student, rows: Transfer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL between two checkpoints; the rest is learned in this process."""
    monkeypatch.setattr(distil, "_CHECKPOINT_STEPS", 15)
    cut = keep_layers(tiny, [0])
    straight = distil.recover(cut, rows, SHORT, tmp_path / "straight")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: fork beside idle threads of numpy
        child = os.fork()
    if not child:
        try:
            jobs.reporter.set(lambda step, done, *_more: os.kill(os.getpid(), signal.SIGKILL) if done == 20 else None)
            distil.recover(cut, rows, SHORT, tmp_path / "killed")
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["checkpoint-15"]
    assert weights(distil.recover(cut, rows, SHORT, tmp_path / "killed")) == weights(straight)
