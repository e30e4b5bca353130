"""The lines above an address are a name and an organization; the lines of a story are not."""

from appliance.privacy.contact_blocks import find_lines
from appliance.privacy.recognizers.recognizer import Hit


def lines(text: str, address: str) -> list[tuple[str, str]]:
    start = text.index(address)
    hits = find_lines(text, [Hit(start, start + len(address), "ADDRESS", 0.85)])
    return [(text[hit.start : hit.end], hit.kind) for hit in hits]


def test_a_letterhead_is_a_name_and_an_organization() -> None:
    text = "Ildikó Szabó\nData analyst\nOnvia\n12 Main Street"
    assert lines(text, "12 Main Street") == [("Ildikó Szabó", "PERSON"), ("Onvia", "ORGANIZATION")]


def test_one_blank_line_may_part_them() -> None:
    assert lines("Duqyaha Karataev\n\n12 Main Street", "12 Main Street") == [("Duqyaha Karataev", "PERSON")]


def test_decoration_at_the_line_start_is_skipped() -> None:
    assert lines("> Carly Jones\n> Topcoder\n> 12 Main Street", "12 Main Street") == [
        ("Carly Jones", "PERSON"),
        ("Topcoder", "ORGANIZATION"),
    ]


def test_sentences_fields_and_numbers_end_the_block() -> None:
    assert lines("Please write to us.\n12 Main Street", "12 Main Street") == []
    assert lines("Phone: none\n12 Main Street", "12 Main Street") == []
    assert lines("Room 7\n12 Main Street", "12 Main Street") == []


def test_an_address_inside_a_line_has_no_block() -> None:
    assert lines("Carly Jones\nlives at 12 Main Street", "12 Main Street") == []
