"""A name that was found once is looked for again, and common words are not."""

from appliance.privacy.recognizers.recognizer import Hit
from appliance.privacy.repeats import find_again


def again(text: str, value: str, kind: str = "PERSON") -> list[str]:
    start = text.index(value)
    return [
        text[hit.start : hit.end]
        for hit in find_again(text, [Hit(start, start + len(value), kind, 0.9)])
        if hit.start >= start + len(value)
    ]


def test_parts_of_a_name_are_found() -> None:
    assert again("Brad Quillfeather starred. Quillfeather won.", "Brad Quillfeather") == ["Quillfeather"]


def test_a_part_that_is_also_written_small_is_not() -> None:
    assert again("Brad Key lost a key. Key hung there.", "Brad Key") == []


def test_common_words_are_not() -> None:
    assert again("Mark May came. May I go? The Mark is set.", "Mark May") == []


def test_chinese_names_and_organizations_are_found_whole() -> None:
    assert again("张伟来了。后来张伟走了。", "张伟") == ["张伟"]
    assert again("Acme Corp sued. Then Acme Corp lost. Acme", "Acme Corp", "ORGANIZATION") == ["Acme Corp"]


def test_diseases_called_after_somebody_and_titles_of_works_are_passed_over() -> None:
    assert again("Mr Wegener died. Wegener granulomatosis is rare. Wegener slept.", "Wegener") == ["Wegener"]
    assert again("张衡来了，《后汉书·张衡传》有载", "张衡") == []


def test_a_name_is_also_found_in_capitals() -> None:
    assert again("Ms Adaeze Okonkwo left. OKONKWO v. IRELAND", "Adaeze Okonkwo") == ["OKONKWO"]
    assert again("Bob Ard came. The ARD reported.", "Bob Ard") == []
