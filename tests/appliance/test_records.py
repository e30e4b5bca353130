"""Record files: round trips, bounded memory, damage."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import IntegrityError
from appliance.records import read_records, write_records
from appliance.schema import Record, Source

KEY = bytes(range(32))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
OPTIONAL = st.none() | TEXTS
PLAIN = st.builds(
    Record,
    TEXTS,
    TEXTS,
    label=OPTIONAL,
    split=OPTIONAL,
    group=OPTIONAL,
    subject=OPTIONAL,
    language=TEXTS,
    source_key=OPTIONAL,
)
SOURCES = st.builds(Source, TEXTS, st.integers(0, 10**9), OPTIONAL, st.dictionaries(TEXTS, TEXTS, max_size=3))
RAW = st.builds(Record, TEXTS, TEXTS, source=SOURCES)
QUICK = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@QUICK
@given(st.lists(PLAIN, max_size=20))
def test_plain_records_come_back(tmp_path: Path, records: list[Record]) -> None:
    assert write_records(tmp_path / "r.parquet", records, 100) == len(records)
    assert list(read_records(tmp_path / "r.parquet")) == records


@QUICK
@given(st.lists(RAW, max_size=20))
def test_raw_records_come_back_with_their_source(tmp_path: Path, records: list[Record]) -> None:
    write_records(tmp_path / "r.parquet", records, 100, KEY)
    assert list(read_records(tmp_path / "r.parquet", KEY)) == records


def test_a_raw_file_needs_its_key(tmp_path: Path) -> None:
    write_records(tmp_path / "r.parquet", [Record("1", "x", source=Source("f", 1))], 100, KEY)
    for key in (None, bytes(32)):
        with pytest.raises(IntegrityError):
            list(read_records(tmp_path / "r.parquet", key))


def test_row_groups_stay_small_when_texts_are_long(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_records(tmp_path / "r.parquet", (Record(str(number), "x" * 4_000_000) for number in range(20)), 10_000)
    assert pq.ParquetFile(tmp_path / "r.parquet").num_row_groups == 3


def test_no_flipped_bit_of_an_encrypted_file_changes_a_record_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    records = [Record(str(number), f"text {number}", source=Source("f", number)) for number in range(50)]
    write_records(path, records, 100, KEY)
    content = path.read_bytes()
    noticed = 0
    for place in range(4, len(content) - 8, len(content) // 60):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            assert list(read_records(path, KEY)) == records
        except IntegrityError:
            noticed += 1
    assert noticed > 50


def test_the_repr_of_a_record_shows_no_text() -> None:
    record = Record(
        "1",
        "Jan Novak",
        group="g-secret",
        subject="s-secret",
        source=Source("f-secret.csv", 1, "i-secret", {"k": "k-secret"}),
    )
    assert "Novak" not in repr(record) and "secret" not in repr(record)
