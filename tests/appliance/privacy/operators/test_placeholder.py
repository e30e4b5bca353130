"""The same value has the same placeholder within a record."""

from appliance.privacy.operators import Run, Writer
from appliance.schema import Finding


def finding(text: str, value: str, kind: str, nth: int = 0) -> Finding:
    start = -1
    for _again in range(nth + 1):
        start = text.index(value, start + 1)
    return Finding(start, start + len(value), kind, 1.0, "rule", kind)


def write(text: str, *findings: Finding) -> str:
    return Writer(Run.alone()).write(text, findings).text


def test_the_same_value_gets_the_same_number() -> None:
    text = "Anna met Bela, then Anna left."
    found = [finding(text, "Anna", "PERSON"), finding(text, "Bela", "PERSON"), finding(text, "Anna", "PERSON", 1)]
    assert write(text, *found) == "<PERSON_1> met <PERSON_2>, then <PERSON_1> left."


def test_case_width_and_separators_make_no_difference() -> None:
    text = "138 0013 8000 ANNA １３８００１３８０００ Anna"
    found = [
        finding(text, "138 0013 8000", "PHONE"),
        finding(text, "ANNA", "PERSON"),
        finding(text, "１３８００１３８０００", "PHONE"),
        finding(text, "Anna", "PERSON"),
    ]
    assert write(text, *found) == "<PHONE_1> <PERSON_1> <PHONE_1> <PERSON_1>"


def test_separators_count_where_they_tell_values_apart() -> None:
    for kind, one, other in (
        ("IP", "1.11.1.1", "11.1.1.1"),
        ("DATE", "1/11/2020", "11/1/2020"),
        ("EMAIL", "a.b@c.org", "ab@c.org"),
    ):
        writer = Writer(Run.alone())
        cells = [writer.write(text, [finding(text, text, kind)]).text for text in (one, other, one.upper())]
        assert cells == [f"<{kind}_1>", f"<{kind}_2>", f"<{kind}_1>"]


def test_each_kind_counts_for_itself() -> None:
    text = "a b"
    assert write(text, finding(text, "a", "EMAIL"), finding(text, "b", "PHONE")) == "<EMAIL_1> <PHONE_1>"


def test_a_placeholder_that_is_there_already_is_not_given_out_again() -> None:
    text = "<PERSON_3> and Anna"
    assert write(text, finding(text, "Anna", "PERSON")) == "<PERSON_3> and <PERSON_4>"


def test_brackets_that_no_operator_writes_are_text() -> None:
    text = "<PERSON_4821973> <ANNA_7> and Anna"
    assert write(text, finding(text, "Anna", "PERSON")) == "<PERSON_4821973> <ANNA_7> and <PERSON_1>"


def test_cells_of_a_record_share_their_numbers() -> None:
    writer = Writer(Run.alone())
    assert [writer.write(text, [finding(text, text, "PERSON")]).text for text in ("Anna", "Bela", "anna")] == [
        "<PERSON_1>",
        "<PERSON_2>",
        "<PERSON_1>",
    ]
