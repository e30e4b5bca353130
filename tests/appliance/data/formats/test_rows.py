"""What all formats answer alike: columns."""

from __future__ import annotations

import pytest

from appliance.data.formats.rows import IngestOptions, require_columns
from appliance.errors import InputError

OPTIONS = IngestOptions("text", label_column="label", id_column="id", keep_columns=("ward", "text"))


def test_a_missing_column_is_named_with_those_there_and_the_option() -> None:
    with pytest.raises(
        InputError, match=r"`a.csv`: no column `label`; it has `text`, `id`, `ward`; .*`--label-column`"
    ):
        require_columns("a.csv", OPTIONS, ["text", "id", "ward"])
    with pytest.raises(InputError, match=r"`--keep-column`"):
        require_columns("a.csv", OPTIONS, ["text", "id", "label"])
    with pytest.raises(InputError, match=r"`--text-column`"):
        require_columns("a.csv", OPTIONS, [])


def test_a_text_column_that_is_also_kept_is_asked_for_as_the_text() -> None:
    assert OPTIONS.wanted["text"] == "--text-column"
    require_columns("a.txt", OPTIONS, ["label", "id", "ward"], text=False)


def test_a_headerless_file_does_not_show_its_first_row() -> None:
    with pytest.raises(InputError) as caught:
        require_columns("a.csv", OPTIONS, ["110101194912310000", "li@example.org", "x" * 41, "ward 7"])
    assert "it has …, …, …, `ward 7`;" in str(caught.value)


def test_a_wanted_column_that_stands_twice_is_refused_and_any_other_is_not() -> None:
    with pytest.raises(InputError, match="two columns"):
        require_columns("a.csv", OPTIONS, ["text", "label", "id", "ward", "id"])
    require_columns("a.csv", OPTIONS, ["text", "label", "id", "ward", "x", "x"])
