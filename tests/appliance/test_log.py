"""Log lines carry ids and numbers; anything that looks like text is named by its type."""

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from appliance.log import log


def write(**fields: object) -> dict[str, object]:
    stream = io.StringIO()
    log("test", stream=stream, **fields)
    return json.loads(stream.getvalue())


def test_ids_and_numbers_pass() -> None:
    line = write(job="ab12", rows=5, share=0.5, ok=True, none=None)
    assert (line["job"], line["rows"], line["share"], line["ok"], line["none"]) == ("ab12", 5, 0.5, True, None)


@given(st.text(min_size=1).filter(lambda text: " " in text or not text.isascii() or len(text) > 80))
def test_text_does_not_pass(text: str) -> None:
    assert write(value=text)["value"] == "<str>"


def test_objects_do_not_pass() -> None:
    assert write(value=["patient"], error=ValueError("x"))["value"] == "<list>"
