"""Which entries of a vocabulary leave: what enough people hold, and what the public base explains, with the base's own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from appliance.compress.vocabulary import characters, common_words, special, tokens, trim_tokenizer
from appliance.egress.entries import choose, public_rows
from appliance.errors import InputError, PolicyError

WORDS = ("en",)


@pytest.fixture
def base(bases: Path) -> bytes:
    """The tokenizer of the public base."""
    return (bases / "tiny" / "tokenizer.json").read_bytes()


def numbers(tokenizer: bytes, *wanted: str) -> set[int]:
    """Return the ids of tokens."""
    return {number for number, token in enumerate(tokens(tokenizer)) if token in wanted}


def test_the_whole_list_of_the_base_stays_with_the_bases_numbers(base: bytes) -> None:
    """But for special tokens and what enough people hold, which keep what they learned."""
    held = numbers(base, "card", "pin")
    found = choose(base, WORDS, held, base)
    assert found.dropped == 0
    assert set(found.put_back) == set(range(len(tokens(base)))) - held - special(base)
    assert all(number == there for number, there in found.put_back.items())


def test_a_chosen_word_that_few_people_hold_is_dropped(base: bytes) -> None:
    """In a vocabulary made for a site's texts a word says that they hold it, unless all words more common are there as well."""
    frequent = common_words(base, WORDS)
    kept = sorted(special(base) | characters(base, WORDS) | set(frequent[:3]) | set(frequent[5:7]))
    small = trim_tokenizer(base, kept)
    names = tokens(base)
    enough = names[frequent[5]]
    found = choose(small, WORDS, numbers(small, enough), base)
    left = {tokens(small)[number] for number in found.kept}
    assert {names[number] for number in frequent[:3]} | {enough} <= left
    assert names[frequent[6]] not in left
    assert found.dropped == 1
    back = {tokens(small)[number]: names[there] for number, there in found.put_back.items()}
    assert all(mine == theirs for mine, theirs in back.items()) and enough not in back


def test_without_a_public_base_only_what_enough_people_hold_stays(base: bytes) -> None:
    held = numbers(base, "card")
    found = choose(base, WORDS, held, None)
    assert set(found.kept) == held | special(base)
    assert found.put_back == {}


def test_a_site_may_drop_the_bases_words_too(base: bytes) -> None:
    """Single characters stay, with the base's numbers: all else would be lost as unknown."""
    held = numbers(base, "card")
    found = choose(base, WORDS, held, base, public=False)
    assert set(found.kept) == held | special(base) | characters(base, WORDS)
    assert set(found.put_back) == characters(base, WORDS) - held - special(base)


def test_rare_han_characters_of_a_name_are_no_daily_ones(base: bytes) -> None:
    """With a base that does not have the character, it is dropped unless enough people hold it."""
    found = choose(base, ("zh",), set(), base, public=False)
    assert numbers(base, "银") <= set(found.kept)
    assert choose(base, ("en",), set(), base, public=False).dropped > found.dropped


def test_the_bases_rows_are_read_in_order(bases: Path) -> None:
    from safetensors.numpy import load_file

    table = load_file(bases / "tiny" / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert np.array_equal(public_rows(bases / "tiny", [7, 5]), table[[7, 5]])


def test_a_base_without_an_embedding_is_told(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"other": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="holds no embedding"):
        public_rows(tmp_path, [0])


@pytest.mark.parametrize("beyond", [False, True])
def test_a_word_that_was_added_as_a_token_does_not_leave(base: bytes, beyond: bool) -> None:
    """Special tokens stay whatever people hold; a name among them must not hide there, inside the list or behind it."""
    content = json.loads(base)
    number = len(content["model"]["vocab"])
    if not beyond:
        content["model"]["vocab"]["kowalski"] = number
    content["added_tokens"].append(content["added_tokens"][0] | {"id": number, "content": "kowalski"})
    with pytest.raises(PolicyError, match="1 tokens were added"):
        choose(json.dumps(content).encode(), WORDS, set(), base)
    if not beyond:
        assert number in choose(json.dumps(content).encode(), WORDS, {number}, base).kept
