"""The benchmark of taggers taught on site: tags follow spans, misses are counted by record, and what it teaches is a recognizer."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from appliance.privacy.recognizers import tagger

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
LABELS = ["O", "B-name", "I-name"]
NAMES = ("叶老桂", "王小明", "李大海")
SENTENCES = ("今天{}来了。", "我问{}好不好。", "{}说不去", "他不在，{}在。")
ROWS = [
    (sentence.format(name), [(sentence.index("{"), sentence.index("{") + len(name), "name")])
    for sentence in SENTENCES
    for name in NAMES
]


@pytest.fixture(scope="module")
def site_tagger() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        return importlib.import_module("site_tagger")


def test_each_token_has_the_tag_of_the_span_that_it_touches(site_tagger: ModuleType) -> None:
    tokenizer = site_tagger.characters_of(ROWS)
    ids, tags = site_tagger.coded([("问王小明、叶", [(1, 4, "name"), (5, 6, "name")])], LABELS, tokenizer)[0]
    assert tags.tolist() == [0, 1, 2, 2, 0, 1]
    assert ids[4] == tokenizer.token_to_id("<mask>")  # a character that no row holds


def test_a_long_row_is_cut_to_the_window(site_tagger: ModuleType) -> None:
    ids, tags = site_tagger.coded([("好" * 999, [])], LABELS, site_tagger.characters_of(ROWS))[0]
    assert len(ids) == len(tags) == site_tagger.MAX_TOKENS


def test_misses_are_counted_by_record(site_tagger: ModuleType) -> None:
    """A name that is masked but for a letter is missed; punctuation may stay."""
    gold = [("王小明、李大海", [(0, 7, "name")]), ("叶老桂", [(0, 3, "name")]), ("好", [])]
    found = [[(0, 3, "PERSON"), (4, 7, "PERSON")], [(0, 2, "PERSON")], []]
    assert site_tagger.leaks(gold, found).tolist() == [[0, 1], [1, 1], [0, 0]]


def test_the_interval_holds_the_share(site_tagger: ModuleType) -> None:
    missed, spans = np.array([1, 0, 0, 1] * 25), np.full(100, 2)
    share, low, _to, high = site_tagger.interval(missed, spans).replace("(", "").replace(")", "").split()
    assert float(share) == 0.75
    assert 0.68 < float(low) < 0.75 < float(high) < 0.82


def test_a_session_that_remembers_runs_a_batch_once(site_tagger: ModuleType) -> None:
    class Counting:
        runs = 0

        def run(self, _names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            self.runs += 1
            return [feed["input_ids"] * 2]

    session = Counting()
    remembering = site_tagger.Remembering(session)
    answers = [
        remembering.run([], {"input_ids": np.array(ids)})[0].tolist() for ids in ([[1, 2]], [[1], [2]], [[1, 2]])
    ]
    assert answers == [[[2, 4]], [[2], [4]], [[2, 4]]]
    assert session.runs == 2


def test_overlapping_spans_are_one(site_tagger: ModuleType) -> None:
    ours, theirs = (
        [(0, 3, "PERSON"), (5, 9, "ADDRESS")],
        [(2, 4, "ORGANIZATION"), (6, 7, "LOCATION"), (9, 10, "PERSON")],
    )
    assert site_tagger.joined(ours, theirs) == [(0, 4, "PERSON"), (5, 9, "ADDRESS"), (9, 10, "PERSON")]


@pytest.mark.long
@pytest.mark.filterwarnings("default")  # the exporter tells about its own parts
def test_what_is_taught_becomes_a_recognizer(site_tagger: ModuleType, tmp_path: Path) -> None:
    site_tagger.teach("fast", ROWS, LABELS, None, tmp_path / "ward")
    about = json.loads((tmp_path / "ward/model.json").read_bytes()) | {"kinds": {"name": "PERSON"}}
    (tmp_path / "ward/model.json").write_text(json.dumps(about), "utf-8")
    text = "不好，王小明来了"
    hits = tagger.load(tmp_path / "ward").find_all([text])[0]
    assert [(text[hit.start : hit.end], hit.kind) for hit in hits] == [("王小明", "PERSON")]


@pytest.mark.long
@pytest.mark.filterwarnings("default")
def test_a_base_becomes_a_recognizer_of_8_bits(site_tagger: ModuleType, tmp_path: Path) -> None:
    """A base of two layers at random: it finds nothing of use, but it loads, and answers each text alone."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    tokenizer = site_tagger.characters_of(ROWS)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "base")
    tokenizer.save(str(tmp_path / "base/tokenizer.json"))
    site_tagger.teach("strong", ROWS, LABELS, tmp_path / "base", tmp_path / "ward")
    about = json.loads((tmp_path / "ward/model.json").read_bytes()) | {"kinds": {"name": "PERSON"}, "lean": 1e9}
    (tmp_path / "ward/model.json").write_text(json.dumps(about), "utf-8")
    one = tagger.load(tmp_path / "ward")
    assert one.alone
    assert one.find_all(["王小明来了"])[0] != []
