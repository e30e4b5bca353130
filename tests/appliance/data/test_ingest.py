"""`ingest`: files become records or rejected rows, and a raw, encrypted data set."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from appliance.data.ingest import IngestOptions, ingest, language_of, read_files
from appliance.errors import InputError, Interrupted, MissingPartError, NotFoundError, SettingsError
from appliance.jobs import reporter
from appliance.schema import Record, Rejected, Source
from appliance.settings import IngestSettings
from appliance.store import Store

OPTIONS = IngestOptions("text")


def read(*files: Path, limits: dict[str, int] | None = None, **options: Any) -> list[Record | Rejected]:
    return list(read_files(files, IngestOptions("text", **options), IngestSettings(**limits or {})))


def saved(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def only(items: list[Record | Rejected]) -> Record:
    (item,) = items
    assert isinstance(item, Record)
    return item


class TestReadFiles:
    def test_a_row_becomes_a_record_with_its_source(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.csv", "text,y,no,part,ward,who,extra\n a b ,good ,7,Dev,W1,P9,kept as is \n")
        record = only(
            read(
                path,
                label_column="y",
                id_column="no",
                split_column="part",
                group_column="ward",
                subject_column="who",
                keep_columns=("extra", "no"),
            )
        )
        assert re.fullmatch("[0-9a-f]{32}", record.id)
        source = Source("a.csv", 1, "7", {"extra": "kept as is ", "no": "7"})
        assert record == Record(record.id, " a b ", "good", "validation", "W1", "P9", "en", None, source)

    def test_ids_are_random_and_never_repeat(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.txt", "same\n" * 3000)
        ids = {item.id for item in read(path) if isinstance(item, Record)}
        assert len(ids) == 3000
        assert ids.isdisjoint(item.id for item in read(path) if isinstance(item, Record))

    def test_empty_cells_are_not_told(self, tmp_path: Path) -> None:
        record = only(
            read(saved(tmp_path / "a.csv", "text,y,s,g\nx, ,,\n"), label_column="y", split_column="s", group_column="g")
        )
        assert (record.label, record.split, record.group) == (None, None, None)

    @pytest.mark.parametrize(
        ("written", "split"),
        [
            ("train", "train"),
            ("VALID", "validation"),
            ("dev", "validation"),
            ("Validation", "validation"),
            ("test", "test"),
        ],
    )
    def test_splits_have_their_names(self, tmp_path: Path, written: str, split: str) -> None:
        assert only(read(saved(tmp_path / "a.csv", f"text,s\nx,{written}\n"), split_column="s")).split == split

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ('{"text": ""}', "the text is empty"),
            ('{"text": " \\n\\u3000"}', "the text is empty"),
            ('{"text": null}', "the text is empty"),
            ('{"y": "b"}', "the text is empty"),
            ('{"text": "a\\u0000b"}', "NUL character"),
            ('{"text": "a", "y": "\\u0000"}', "NUL character"),
            ('{"text": "\\ud83d"}', "half a surrogate pair"),
            ('{"text": "a", "y": "\\udc00"}', "half a surrogate pair"),
            ('{"text": "a", "k": "\\udc00"}', "half a surrogate pair"),
            ('{"text": "a", "s": "holdout"}', "the split is none of"),
            ('{"text": "a", "y": "' + "x" * 201 + '"}', "label of over 200 characters"),
            ('{"text": "' + "长" * 400 + '"}', "field longer than `ingest.max_field_bytes`"),
            ('{"text": "' + "x" * 1025 + '"}', "field longer than `ingest.max_field_bytes`"),
        ],
    )
    def test_a_row_that_makes_no_record_is_rejected_with_its_place(
        self, tmp_path: Path, line: str, reason: str
    ) -> None:
        first = '{"text": "first", "y": "a", "s": "test", "k": 1}\n'
        path = saved(tmp_path / "a.jsonl", first + line + '\n{"text": "last"}\n')
        items = read(path, label_column="y", split_column="s", keep_columns=("k",), limits={"max_field_bytes": 1024})
        assert [isinstance(item, Record) for item in items] == [True, False, True]
        rejected = items[1]
        assert isinstance(rejected, Rejected)
        assert (rejected.file, rejected.row, rejected.byte) == ("a.jsonl", 2, len(first))
        assert rejected.reason.startswith(reason)
        assert "holdout" not in rejected.reason

    def test_the_language_is_told_for_each_record_or_given(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.txt", "hello\n送得太慢\niPhone 坏了\n")
        assert [item.language for item in read(path) if isinstance(item, Record)] == ["en", "zh", "zh"]
        assert {item.language for item in read(path, language="en") if isinstance(item, Record)} == {"en"}

    def test_a_folder_is_read_in_sorted_order_with_its_sub_folders(self, tmp_path: Path) -> None:
        saved(tmp_path / "in/b.csv", "text\nb\n")
        saved(tmp_path / "in/a/note.txt", "two\nlines\n")
        saved(tmp_path / "in/a/deep/m.eml", "Subject: s\n\nbody\n")
        saved(tmp_path / "in/z.jsonl", '{"text": "z"}\n')
        saved(tmp_path / "in/.hidden/x.csv", "no header")
        saved(tmp_path / "in/~$b.docx", "lock")
        saved(tmp_path / "in/picture.xyz", "?")
        (tmp_path / "in/link.csv").symlink_to(tmp_path / "in/b.csv")
        items = read(tmp_path / "in")
        assert [(item.source.file, item.text) for item in items if isinstance(item, Record) and item.source] == [
            ("b.csv", "b"), ("z.jsonl", "z"), ("a/note.txt", "two\nlines\n"), ("a/deep/m.eml", "s\n\nbody\n"),
        ]  # fmt: skip
        assert [(item.file, item.row) for item in items if isinstance(item, Rejected)] == [
            ("link.csv", 0),
            ("picture.xyz", 0),
        ]

    def test_a_text_file_given_directly_is_one_record_a_line(self, tmp_path: Path) -> None:
        assert len(read(saved(tmp_path / "note.txt", "two\nlines\n"))) == 2

    def test_the_folder_of_a_document_can_be_its_label(self, tmp_path: Path) -> None:
        saved(tmp_path / "in/pos/1.txt", "good")
        saved(tmp_path / "in/neg/1.html", "<p>bad")
        items = read(tmp_path / "in", label_column="folder")
        assert {(item.text, item.label) for item in items if isinstance(item, Record)} == {
            ("good", "pos"),
            ("bad", "neg"),
        }
        with pytest.raises(InputError, match=r"no column `ward`; it has `text`, `folder`"):
            read(tmp_path / "in", label_column="ward")

    def test_a_damaged_document_in_a_folder_costs_only_itself(self, tmp_path: Path) -> None:
        saved(tmp_path / "in/a.docx", b"PK\x03\x04 broken")
        saved(tmp_path / "in/b.html", "fine")
        rejected, record = read(tmp_path / "in")
        assert isinstance(rejected, Rejected) and rejected.row == 0 and "no sound DOCX" in rejected.reason
        assert isinstance(record, Record)

    def test_the_sheet_stands_behind_the_file_name(self, tmp_path: Path) -> None:
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        book.active.append(["text"])
        book.active.append(["a"])
        book.create_sheet("other").append(["note"])
        book.save(tmp_path / "a.xlsx")
        record, rejected = read(tmp_path / "a.xlsx")
        assert isinstance(record, Record) and record.source and record.source.file == "a.xlsx [Sheet]"
        assert isinstance(rejected, Rejected) and rejected.file == "a.xlsx [other]"

    def test_a_file_name_that_is_no_utf8_is_kept_readable(self, tmp_path: Path) -> None:
        path = os.fsencode(tmp_path) + b"/\xe9.txt"
        Path(os.fsdecode(path)).write_text("a")
        record = only(read(Path(os.fsdecode(path))))
        assert record.source and record.source.file == "\ufffd.txt"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"language": "fr"}, "--language"),
            ({"header_row": 0}, "--header-row"),
            ({"encoding": "no-such"}, "--encoding"),
        ],
    )
    def test_options_that_make_no_sense_are_refused(
        self, tmp_path: Path, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(SettingsError, match=message):
            read(saved(tmp_path / "a.csv", "text\na\n"), **options)

    def test_files_that_cannot_be_are_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.csv")
        with pytest.raises(InputError, match="neither a regular file nor a folder"):
            read(tmp_path / "pipe.csv")
        with pytest.raises(NotFoundError, match=r"none.csv"):
            read(tmp_path / "none.csv")
        with pytest.raises(InputError, match=r"unknown kind of file; known: .csv .tsv"):
            read(saved(tmp_path / "a.xyz", "a"))
        with pytest.raises(InputError, match=r"`ingest.max_file_bytes`"):
            read(saved(tmp_path / "a.csv", "text\n" + "a\n" * 2000), limits={"max_file_bytes": 1024})

    def test_a_missing_extra_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        find = importlib.util.find_spec
        monkeypatch.setattr(
            "appliance.data.ingest.importlib.util.find_spec",
            lambda name: None if name == "python_calamine" else find(name),
        )
        with pytest.raises(MissingPartError, match=r"XLSX needs the extra `data`: install `skerry\[data\]`"):
            read(saved(tmp_path / "a.xlsx", b""))

    def test_memory_stays_flat(self, tmp_path: Path) -> None:
        peaks = []
        for rows in (2_000, 16_000):
            path = saved(tmp_path / "a.csv", "text,y\n" + "some words of a message,x\n" * rows)
            tracemalloc.start()
            for _item in read_files([path], IngestOptions("text", "y"), IngestSettings()):
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] < peaks[0] + 256 * 1024


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("hello", "en"),
        ("", "en"),
        ("12345 ...", "en"),
        ("送得慢", "zh"),
        ("café déjà", "en"),
        ("我用 iPhone", "zh"),
        ("the character 东 stands alone here", "en"),
        ("𠮷野家", "zh"),
    ],
)
def test_the_language_of_a_text(text: str, language: str) -> None:
    assert language_of(text) == language


class TestIngest:
    @pytest.fixture
    def store(self) -> Store:
        return Store.open()

    def test_the_raw_set_holds_every_record_and_every_rejected_row(self, store: Store, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.csv", "text,y,s,who\nfirst,a,train,1\n东西不好,b,test,2\n,a,train,3\nx,a,none,4\n")
        options = IngestOptions("text", "y", split_column="s", subject_column="who", keep_columns=("who",))
        dataset = ingest(store, [path], options, IngestSettings(), "demo")
        assert dataset.stage == "raw" and dataset.name == "demo"
        assert {key: dataset.meta[key] for key in ("read", "rows", "rejected", "languages", "labels", "splits", "subjects")} == {
            "read": 4, "rows": 2, "rejected": 2, "languages": {"en": 1, "zh": 1}, "labels": {"a": 1, "b": 1}, "splits": {"train": 1, "test": 1}, "subjects": True,
        }  # fmt: skip
        records = list(store.records(store.dataset("demo")))
        assert [(record.text, record.label, record.subject) for record in records] == [
            ("first", "a", "1"),
            ("东西不好", "b", "2"),
        ]
        assert records[1].source == Source("a.csv", 2, None, {"who": "2"})
        assert [(item.row, item.byte) for item in store.rejected(dataset)] == [(3, 51), (4, 62)]
        assert store.events()[-1].verb == "ingest"

    def test_the_text_is_on_disk_only_encrypted(self, store: Store, tmp_path: Path) -> None:
        canary = "canary-7f3a Zhang San 110101194912310025"
        dataset = ingest(
            store, [saved(tmp_path / "zhang-san.csv", f"text\n{canary}\n\n")], OPTIONS, IngestSettings(), "demo"
        )
        assert next(store.records(dataset)).text == canary
        for path in store.home.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert b"canary" not in content and b"zhang-san" not in content, path

    @pytest.mark.parametrize(
        ("content", "limits", "message"),
        [
            ("text,y\n,a\n", {}, r"no row could be taken in: 1 rejected; the first: `a.csv` row 1: the text is empty"),
            ("text,y\n", {}, "the files hold no rows"),
            (
                "text,y\n" + ",a\n" * 4,
                {"max_rejected_rows": 3},
                r"over 3 rows were rejected .*row 1: the text is empty",
            ),
            (
                "text,y\n" + "".join(f"a,{number}\n" for number in range(4)),
                {"max_labels": 3},
                "over 3 different labels",
            ),
            ("note,y\n", {}, "no column `text`"),
        ],
    )
    def test_a_refused_file_leaves_nothing_behind(
        self, store: Store, tmp_path: Path, content: str, limits: dict[str, int], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            ingest(
                store,
                [saved(tmp_path / "a.csv", content)],
                IngestOptions("text", "y"),
                IngestSettings(**limits),
                "demo",
            )
        assert store.artifacts() == []
        assert not list((store.home / "work").rglob("*.parquet"))

    def test_progress_is_told_and_cancelling_stops(self, store: Store, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.txt", "x\n" * 12_000)
        seen = []

        def stop(step: str, done: int, total: int | None, _numbers: dict[str, float]) -> None:
            seen.append((step, done, total))
            if done >= 10_000:
                raise Interrupted("cancelled")

        token = reporter.set(stop)
        try:
            with pytest.raises(Interrupted):
                ingest(store, [path], OPTIONS, IngestSettings(), "demo")
        finally:
            reporter.reset(token)
        assert seen == [("ingest", 5_000, None), ("ingest", 10_000, None)]
        assert store.artifacts() == []


def test_every_format_says_the_same_of_the_same_rows(tmp_path: Path) -> None:
    """One table in every tabular format gives the same records."""
    pa, pq, openpyxl = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet", "openpyxl"))
    table = [{"text": f"text {number} 好", "y": "ab"[number % 2]} for number in range(700)]
    for suffix, delimiter in ((".csv", ","), (".tsv", "\t")):
        with (tmp_path / f"a{suffix}").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=delimiter).writerows([("text", "y"), *(row.values() for row in table)])
    saved(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in table))
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "a.parquet")
    book = openpyxl.Workbook()
    for row in [("text", "y"), *(row.values() for row in table)]:
        book.active.append(list(row))
    book.save(tmp_path / "a.xlsx")
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx"):
        records = [item for item in read(tmp_path / f"a{suffix}", label_column="y") if isinstance(item, Record)]
        assert [{"text": record.text, "y": record.label} for record in records] == table, suffix
        assert [record.source.row for record in records if record.source] == list(range(1, 701))


def test_a_zip_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(InputError, match="no sound XLSX"):
        read(tmp_path / "a.xlsx")
