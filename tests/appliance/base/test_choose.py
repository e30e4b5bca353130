"""Which base model a data set wants."""

from __future__ import annotations

import pytest

from appliance.base.choose import choose, han_share


@pytest.mark.parametrize(
    ("texts", "share"),
    [
        ([], 0.0),
        (["card lost", "PIN"], 0.0),
        (["银行卡", "card"], 0.5),
        (["the 卡 is lost"], 1.0),
        (["\U00020bb7野家"], 1.0),  # a character outside the basic plane
        (["\uf900"], 1.0),  # a compatibility ideograph
        (["カード", "카드", "，。"], 0.0),  # kana, hangul and punctuation are not Han
    ],
)
def test_han_share_counts_rows(texts: list[str], share: float) -> None:
    assert han_share(texts) == share


@pytest.mark.parametrize(("share", "name"), [(0.0, "minilm"), (0.05, "minilm"), (0.0501, "e5"), (1.0, "e5")])
def test_over_a_twentieth_of_rows_wants_e5(share: float, name: str) -> None:
    chosen, sentence = choose(share)
    assert chosen == name
    assert f"`{name}`" in sentence and f"{share:.1%}" in sentence
