"""Which tokens are kept, and what a text becomes without the others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from appliance.compress import vocabulary
from appliance.compress.student import Student, with_network
from appliance.engine.on_torch import in_batches, logits
from appliance.errors import InputError
from tests.fakes import TEXTS


def _tokens(student: Student) -> dict[str, int]:
    return dict(Tokenizer.from_buffer(student.tokenizer).get_vocab())


def test_a_text_whose_tokens_are_kept_gets_the_same_tokens_and_the_same_answer(tiny: Student) -> None:
    """Trimming renumbers and nothing else."""
    kept = vocabulary.choose_tokens(tiny, TEXTS, [None] * len(TEXTS), reserve=0, min_subjects=1)
    small = vocabulary.trim(tiny, kept)
    before, after = tiny.ids(TEXTS), small.ids(TEXTS)
    assert [[kept[token] for token in row] for row in after] == before
    assert len(kept) < len(_tokens(tiny))
    assert np.array_equal(in_batches(logits, tiny.network, before), in_batches(logits, small.network, after))


def test_a_token_of_one_person_is_not_kept(tiny: Student) -> None:
    """Ten texts of one person do not keep a word, texts of ten people do, and so do ten texts about nobody in particular."""
    word = _tokens(tiny)["pharmacy"]
    texts = ["pharmacy"] * 10
    people: list[str | None] = [f"subject {number}" for number in range(10)]
    assert word not in vocabulary.choose_tokens(tiny, texts, ["one"] * 10, reserve=0)
    assert word not in vocabulary.choose_tokens(tiny, texts, [*people[:9], "subject 0"], reserve=0)
    assert word in vocabulary.choose_tokens(tiny, texts, people, reserve=0)
    assert word in vocabulary.choose_tokens(tiny, texts, [None] * 10, reserve=0)


def test_a_word_that_was_not_kept_is_cut_into_characters_and_not_lost(tiny: Student) -> None:
    """No `[UNK]` for what the languages' characters can write."""
    small = vocabulary.trim(tiny, vocabulary.choose_tokens(tiny, [], [], reserve=0))
    assert vocabulary.unknown_rate(small, ["pharmacy dose"]) == 0
    assert len(small.ids(["pharmacy"])[0]) == len("pharmacy") + 2
    assert vocabulary.unknown_rate(small, ["pharmacy \u0f40"]) > 0


def test_characters_follow_the_languages(tiny: Student) -> None:
    """An English model drops Han characters, a Chinese one keeps them, and special tokens always stay."""
    english = replace(tiny, plan=replace(tiny.plan, languages=("en",)))
    tokens = _tokens(vocabulary.trim(english, vocabulary.choose_tokens(english, [], [], reserve=0)))
    assert "银" not in tokens and "a" in tokens and "[CLS]" in tokens
    chinese = replace(tiny, plan=replace(tiny.plan, languages=("zh",)))
    assert "银" in _tokens(vocabulary.trim(chinese, vocabulary.choose_tokens(chinese, [], [], reserve=0)))


def test_common_words_come_in_the_order_of_the_vocabulary(tiny: Student) -> None:
    """A reserve of n keeps the first n whole words."""
    few = set(vocabulary.choose_tokens(tiny, [], [], reserve=2)) - set(
        vocabulary.choose_tokens(tiny, [], [], reserve=0)
    )
    many = set(vocabulary.choose_tokens(tiny, [], [], reserve=20)) - set(
        vocabulary.choose_tokens(tiny, [], [], reserve=0)
    )
    assert len(few) == 2 and len(many) == 20
    assert few < many and max(few) < min(many - few)


def test_common_words_near_to_those_of_the_texts_come_first(tiny: Student) -> None:
    """A word whose vector is that of a word that many hold goes before more frequent ones, and held words count among the reserve."""
    words = vocabulary.common_words(tiny.tokenizer, tiny.plan.languages)
    held, near = words[0], words[-1]
    name = vocabulary.tokens(tiny.tokenizer)[held]

    def turn(network: torch.nn.ModuleDict) -> None:
        encoder: Any = network["encoder"]
        with torch.no_grad():
            encoder.embeddings.word_embeddings.weight[near] = encoder.embeddings.word_embeddings.weight[held]

    student = with_network(tiny, turn)
    without = set(vocabulary.choose_tokens(student, [name] * 10, [None] * 10, reserve=1))
    kept = set(vocabulary.choose_tokens(student, [name] * 10, [None] * 10, reserve=2))
    assert held in without and kept - without == {near}


def _unigram(student: Student, letters: str = "abcdefgh") -> Student:
    """The student with a SentencePiece-like tokenizer, as multilingual models have."""
    pieces = [
        ("<s>", 0.0),
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("\u2581", -2.0),
        ("\u2581bad", -3.0),
        ("\u2581cab", -2.5),
    ]
    tokenizer = Tokenizer(models.Unigram([*pieces, *((letter, -9.0) for letter in letters)], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return replace(student, tokenizer=tokenizer.to_str().encode())


def test_a_unigram_tokenizer_is_trimmed_alike(tiny: Student) -> None:
    """Special ids, the unknown token and the scores move along."""
    student = _unigram(tiny)
    kept = vocabulary.choose_tokens(student, ["bad"] * 10, [None] * 10, reserve=0)
    assert 5 in kept and 6 not in kept
    small = vocabulary.trim(student, kept)
    assert [[kept[token] for token in row] for row in small.ids(["bad"])] == student.ids(["bad"])
    assert len(small.ids(["cab"])[0]) == 6  # <s> space c a b </s>
    assert vocabulary.unknown_rate(small, ["cab"]) == 0 < vocabulary.unknown_rate(small, ["cab\u0f40"])
    reserved = vocabulary.choose_tokens(student, [], [], reserve=1)
    assert 6 in reserved and 5 not in reserved  # the likelier word


def test_the_special_tokens_of_a_bert_processor_move_along(tiny: Student) -> None:
    """It keeps its ids elsewhere than a template does."""
    content = json.loads(tiny.tokenizer)
    numbers = content["model"]["vocab"]
    processor = {"type": "BertProcessing", **{kind[1:-1].lower(): [kind, numbers[kind]] for kind in ("[SEP]", "[CLS]")}}
    student = replace(tiny, tokenizer=json.dumps(content | {"post_processor": processor}).encode())
    kept = vocabulary.choose_tokens(student, TEXTS, [None] * 5, reserve=0, min_subjects=1)
    kept.reverse()  # so that special tokens move, too
    small = vocabulary.trim(student, kept)
    assert [[kept[token] for token in row] for row in small.ids(TEXTS)] == student.ids(TEXTS) == tiny.ids(TEXTS)


def test_a_processor_that_is_not_known_is_refused(tiny: Student) -> None:
    content = json.loads(tiny.tokenizer) | {"post_processor": {"type": "Sequence", "processors": []}}
    with pytest.raises(InputError, match="`Sequence` cannot be trimmed"):
        vocabulary.trim(replace(tiny, tokenizer=json.dumps(content).encode()), range(20))


def _with_unused(student: Student, *more: str) -> Student:
    """The student with `[unused0]` to `[unused2]` in the place of three of its words, and more added tokens."""
    content = json.loads(student.tokenizer)
    numbers = content["model"]["vocab"]
    for free, word in enumerate(("pharmacy", "dose", "pin")):
        numbers[f"[unused{free}]"] = numbers.pop(word)
    content["added_tokens"] += [dict(content["added_tokens"][0], id=numbers[token], content=token) for token in more]
    return replace(student, tokenizer=json.dumps(content).encode())


def test_tokens_that_no_text_reaches_go_and_no_answer_changes(tiny: Student) -> None:
    """Not even a text that spells one of them out reaches it."""
    student = _with_unused(tiny)
    texts = [*TEXTS, "[unused0] x[unused1]", "unused2"]
    small = vocabulary.without_unused(student)
    assert len(_tokens(student)) - len(_tokens(small)) == 3 and "[unused1]" not in _tokens(small)
    before, after = student.ids(texts), small.ids(texts)
    assert np.array_equal(in_batches(logits, student.network, before), in_batches(logits, small.network, after))
    assert vocabulary.without_unused(small) is small


def test_a_free_token_that_a_site_took_into_use_stays(tiny: Student) -> None:
    """An added token is one that texts reach."""
    student = _with_unused(tiny, "[unused1]")
    small = vocabulary.without_unused(student)
    assert "[unused1]" in _tokens(small) and "[unused0]" not in _tokens(small)
    assert small.ids(["[unused1]"])[0][1] == _tokens(small)["[unused1]"]


def test_another_kind_of_tokenizer_is_refused(tiny: Student) -> None:
    """Byte pairs are merged by rules that a shorter vocabulary would break."""
    bpe = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    content = json.loads(bpe.to_str()) | {"added_tokens": [], "post_processor": None}
    with pytest.raises(InputError, match="`BPE` cannot be trimmed"):
        vocabulary.choose_tokens(replace(tiny, tokenizer=json.dumps(content).encode()), [], [], reserve=0)


def test_a_trimmed_student_is_written_and_read(tiny: Student, tmp_path: Path) -> None:
    """The new vocabulary's size is in `config.json`."""
    from appliance.compress import student

    small = vocabulary.trim(tiny, vocabulary.choose_tokens(tiny, TEXTS, [None] * 5, reserve=0, min_subjects=1))
    student.write(small, tmp_path)
    again = student.read(tmp_path)
    assert again.ids(TEXTS) == small.ids(TEXTS)
    assert student.config(again.network)["vocab_size"] == len(_tokens(small))
