"""`skerry scrub FILE --out FILE` without a home: same format out, every column scrubbed unless it is kept."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path

import pytest

from appliance.errors import InputError, SettingsError
from appliance.privacy.scrub_file import scrub_file, whole_file
from appliance.settings import ScrubSettings

SETTINGS = ScrubSettings(batch_rows=2)
TABLE = 'name,phone,text,label\nAnna Kovacs,5551234567,"Dear Anna Kovacs,\n""call"" 13800138000",billing\n王小明,13800138000,身份证11010519491231002X,就诊\n'


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_table_is_scrubbed_cell_by_cell(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    done = scrub_file(write(tmp_path / "in.csv", TABLE), out, SETTINGS)
    rows = list(csv.reader(io.StringIO(out.read_text(), newline="")))
    assert rows[0] == ["name", "phone", "text", "label"]
    assert rows[1] == ["<PERSON_1>", "<PHONE_1>", 'Dear <PERSON_1>,\n"call" <PHONE_2>', "billing"]
    assert rows[2] == ["<PERSON_1>", "<PHONE_1>", "身份证<ID_NUMBER_1>", "就诊"]
    assert done["rows"] == 2
    assert done["held_back"] == 0
    assert done["findings"]["PHONE"] == 3
    assert done["docs_per_s"] > 0


def test_kept_columns_pass_and_no_other(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    scrub_file(write(tmp_path / "in.csv", TABLE), out, SETTINGS, keep_columns=["name"])
    assert "Anna Kovacs,<PHONE_1>" in out.read_text()


def test_no_home_is_made(tmp_path: Path) -> None:
    scrub_file(write(tmp_path / "in.txt", "Anna Kovacs"), tmp_path / "out.txt", SETTINGS)
    assert not Path(os.environ["SKERRY_HOME"]).exists()


@pytest.mark.parametrize(("suffix", "delimiter"), [("tsv", "\t"), ("csv", ";")])
def test_other_delimiters_stay(tmp_path: Path, suffix: str, delimiter: str) -> None:
    out = tmp_path / f"out.{suffix}"
    scrub_file(write(tmp_path / f"in.{suffix}", f"id{delimiter}mail\n7{delimiter}a@b.org\n"), out, SETTINGS)
    assert out.read_bytes().decode() == f"id{delimiter}mail\r\n7{delimiter}<EMAIL_1>\r\n"


def test_a_table_without_a_header_has_no_free_first_row(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    done = scrub_file(write(tmp_path / "in.csv", "13800138000,x\n13900139000,y\n"), out, SETTINGS)
    assert done["rows"] == 2
    assert out.read_bytes() == b"<PHONE_1>,x\r\n<PHONE_1>,y\r\n"


@pytest.mark.parametrize(
    "first",
    [
        "John Smith,Boston clinic,complains about pain",
        "ngozi eze,ward,cough",
        "王小明,门诊,头痛三天",
        "7,Jane Roe,a@b.org",
        "x,12 Elm Street,y",
    ],
)
def test_a_first_record_is_no_header(tmp_path: Path, first: str) -> None:
    """A table without names of columns: its first row is scrubbed like the others, and no error shows it."""
    path, out = write(tmp_path / "in.csv", f"{first}\nJohn Smith,b,c\n"), tmp_path / "out.csv"
    assert scrub_file(path, out, SETTINGS)["rows"] == 2
    assert out.read_text().splitlines()[0] != first
    with pytest.raises(SettingsError, match="first row holds data") as raised:
        scrub_file(path, out, SETTINGS, text_columns=["note"])
    assert not any(cell in str(raised.value) for cell in first.split(",") if len(cell) > 1)


@pytest.mark.parametrize(
    "header",
    [
        "name,phone,hospital",
        "First Name,Date of Birth,Postal Code,US State,Bill To,Credit Score,Discharge Summary",
        "date_of_birth,text_en,column1,tokens,Mother's Maiden Name,License Plate",
        "Vendor Name,Marital Status,Bounce Rate,Judge,Verdict,Physician",
        "姓名,电话,医院,身份证号,客户姓名,主治医师,家庭住址,银行卡号,入院日期",
    ],
)
def test_names_of_columns_stay(tmp_path: Path, header: str) -> None:
    out = tmp_path / "out.csv"
    scrub_file(write(tmp_path / "in.csv", f"{header}\n{'x,' * header.count(',')}x\n"), out, SETTINGS)
    assert out.read_text().splitlines()[0] == header


def test_a_header_with_the_columns_asked_for_is_one(tmp_path: Path) -> None:
    """What looks like a name or number may be a column's, where the columns asked for stand beside it; an identity never."""
    out = tmp_path / "out.csv"
    scrub_file(write(tmp_path / "in.csv", "note,2019,Boston\nJohn Smith,3,4\n"), out, SETTINGS, text_columns=["note"])
    assert out.read_text().splitlines()[0] == "note,2019,Boston"
    with pytest.raises(SettingsError, match="first row holds data"):
        scrub_file(write(tmp_path / "in.csv", "note,13812345678\nx,y\n"), out, SETTINGS, text_columns=["note"])


def test_a_row_with_personal_keys_is_held_back(tmp_path: Path) -> None:
    rows = [
        {"13812345678": {"note": "ok"}, "text": "fine"},
        {"text": "fine", "deep": [{"anna.berg@example.org": 1}]},
        {"John Smith": "x"},
        {"text": "fine", "date_of_birth": "x", "column1": 2, "姓名": "x", "2019": 4},
    ]
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    write(path, "".join(json.dumps(row) + "\n" for row in rows))
    done = scrub_file(path, out, SETTINGS)
    assert (done["rows"], done["held_back"]) == (1, 3)
    assert json.loads(out.read_text()) == rows[3]
    with pytest.raises(SettingsError, match="`text`") as raised:
        scrub_file(path, out, SETTINGS, text_columns=["note"])
    assert "13812345678" not in str(raised.value)


def test_json_lines_are_scrubbed_to_the_last_leaf(tmp_path: Path) -> None:
    line = {
        "text": "I am Anna Kovacs",
        "phone": 13800138000,
        "deep": {"mail": ["a@b.org", 3.5, True, None]},
        "kept": "Anna Kovacs",
    }
    out = tmp_path / "out.jsonl"
    scrub_file(write(tmp_path / "in.jsonl", json.dumps(line) + "\n\n"), out, SETTINGS, keep_columns=["kept"])
    expected = {
        "text": "I am <PERSON_1>",
        "phone": "<PHONE_1>",
        "deep": {"mail": ["<EMAIL_1>", 3.5, True, None]},
        "kept": "Anna Kovacs",
    }
    assert json.loads(out.read_text()) == expected


ROWS = [("Anna Kovacs", "5 May 2020"), ("P-17", "Dear Li Wei"), (" Anna Kovacs ", "Anna Kovacs"), ("", "x")]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_a_subject_has_one_placeholder_over_all_rows(tmp_path: Path, suffix: str) -> None:
    """As the data set keeps a keyed hash of it: also where no recognizer knows the value, whatever the policy; two subjects never share one."""
    path, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    if suffix == "jsonl":
        write(path, "".join(json.dumps({"patient": who, "note": note}) + "\n" for who, note in ROWS))
    else:
        mark = "\t" if suffix == "tsv" else ","
        write(path, "".join(f"{who}{mark}{note}\n" for who, note in [("patient", "note"), *ROWS]))
    told = scrub_file(path, out, ScrubSettings(batch_rows=1), text_columns=["note"], subject_column="patient")
    lines = out.read_text().splitlines()
    if suffix == "jsonl":
        subjects = [json.loads(line)["patient"] for line in lines]
    else:
        subjects = [row[0] for row in csv.reader(lines, delimiter=mark)][1:]
    assert all(re.fullmatch("<PERSON_[0-9a-f]{16}>", subject) for subject in subjects[:3])
    assert subjects[0] == subjects[2] != subjects[1]
    assert subjects[3] == ""
    assert "Kovacs" not in out.read_text()
    assert told["keyed"]


def test_subjects_stay_the_same_under_a_key_file_and_in_a_kept_column(tmp_path: Path) -> None:
    key = write(tmp_path / "ours.key", "ab" * 32 + "\n")
    path = write(tmp_path / "in.csv", "patient,note\nP-17,x\n")
    outs = [tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.csv"]
    for out, settings in zip(outs, [ScrubSettings(key_file=key), ScrubSettings(key_file=key), SETTINGS], strict=True):
        scrub_file(path, out, settings, subject_column="patient")
    same, again, other = (out.read_text() for out in outs)
    assert same == again != other
    scrub_file(path, outs[0], SETTINGS, keep_columns=["patient"], subject_column="patient")
    assert "P-17,x" in outs[0].read_text()


def test_surrogates_are_shared_between_rows_and_columns(tmp_path: Path) -> None:
    """One value has one surrogate in the whole file; placeholders are numbered anew in each row, as in each record of a data set."""
    out = tmp_path / "out.csv"
    path = write(
        tmp_path / "in.csv", "a,b\nanna.kovacs@example.org,x\nli@example.org,write to anna.kovacs@example.org\n"
    )
    policy = write(tmp_path / "p.toml", '[policy]\nname = "p"\n[kinds]\nEMAIL = "surrogate"\n')
    scrub_file(path, out, ScrubSettings(policy=str(policy)), text_columns=["b"])
    rows = list(csv.reader(out.read_text().splitlines()))[1:]
    assert rows[1][1] == f"write to {rows[0][0]}"
    assert "anna" not in out.read_text()
    scrub_file(path, out, SETTINGS, text_columns=["b"])
    rows = list(csv.reader(out.read_text().splitlines()))[1:]
    assert rows == [["<EMAIL_1>", "x"], ["<EMAIL_1>", "write to <EMAIL_2>"]]


def test_a_placeholder_of_a_later_cell_is_not_given_out_again(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    scrub_file(write(tmp_path / "in.csv", "a,text\na@b.org,see <EMAIL_1>\n"), out, SETTINGS)
    assert out.read_text().splitlines()[1] == "<EMAIL_2>,see <EMAIL_1>"


def test_plain_text_has_one_placeholder_for_a_value_throughout(tmp_path: Path) -> None:
    text = "Dear Anna Kovacs,\n" + "filler line\n" * 300 + "\nAgain Anna Kovacs.\r\n"
    out = tmp_path / "out.txt"
    scrub_file(write(tmp_path / "in.txt", text), out, SETTINGS)
    assert out.read_bytes().decode() == text.replace("Anna Kovacs", "<PERSON_1>")


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("word " * 19_999 + "13812345678 end", "word " * 19_999 + "<PHONE_1> end"),
        ("word " * 19_998 + "138 1234 5678 end", "word " * 19_998 + "<PHONE_1> end"),
        ("今天很好，" * 19_999 + "电话13812345678。完", "今天很好，" * 19_999 + "电话<PHONE_1>。完"),
        ("x" * 99_995 + "13812345678x end 13812345678\n", "<HELD_BACK>\n end <PHONE_1>\n"),
        ("see " + "x" * 250_000 + " 13812345678", "see <HELD_BACK>\n <PHONE_1>"),
    ],
)
def test_a_long_line_is_not_cut_in_a_value(tmp_path: Path, text: str, scrubbed: str) -> None:
    """It is cut between words; what has none for too long is held back."""
    out, settings = tmp_path / "out.txt", ScrubSettings(policy="structured-only")
    done = scrub_file(write(tmp_path / "in.txt", text), out, settings)
    assert out.read_text() == scrubbed
    assert done["held_back"] == scrubbed.count("HELD_BACK")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_the_encoding_stays(tmp_path: Path, encoding: str) -> None:
    out = tmp_path / "out.txt"
    scrub_file(write(tmp_path / "in.txt", "电话13800138000，谢谢".encode(encoding)), out, SETTINGS)
    assert out.read_bytes() == "电话<PHONE_1>，谢谢".encode(encoding)


def test_only_its_owner_reads_the_output(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    scrub_file(write(tmp_path / "in.txt", "x"), out, SETTINGS)
    assert out.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("in.xlsx", b"PK", InputError, "skerry ingest"),
        ("in.txt", b"a\0b", InputError, "UTF-8"),
        ("in.jsonl", b'{"a": 1}\n{"a": \n', InputError, "line 2"),
        ("in.csv", b'a,b\n"x" y,2\n', InputError, "line 2"),
        ("missing.txt", None, InputError, "missing.txt"),
    ],
)
def test_bad_files_are_refused_and_leave_nothing(
    tmp_path: Path, name: str, content: bytes | None, error: type[Exception], message: str
) -> None:
    if content is not None:
        write(tmp_path / name, content)
    before = set(tmp_path.iterdir())
    with pytest.raises(error, match=message):
        scrub_file(tmp_path / name, tmp_path / "out", SETTINGS)
    assert set(tmp_path.iterdir()) == before


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"`nmae`.*`name`"):
        scrub_file(write(tmp_path / "in.csv", TABLE), tmp_path / "out.csv", SETTINGS, keep_columns=["nmae"])


def test_the_input_is_never_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", TABLE)
    with pytest.raises(SettingsError, match="--out"):
        scrub_file(path, path, SETTINGS)
    assert path.read_text() == TABLE


def test_every_column_of_the_subjects_name_is_keyed(tmp_path: Path) -> None:
    """A table with two columns of one name hides neither behind the other."""
    out = tmp_path / "out.csv"
    scrub_file(
        write(tmp_path / "in.csv", "patient,patient,note\nAnna Kovacs,Jan Novak,ok\n"),
        out,
        SETTINGS,
        subject_column="patient",
    )
    assert re.fullmatch(r"patient,patient,note\s+<PERSON_[0-9a-f]{16}>,<PERSON_[0-9a-f]{16}>,ok\s+", out.read_text())


def test_half_a_character_in_json_is_written_as_it_came(tmp_path: Path) -> None:
    """No encoding holds it, an escape does."""
    out = tmp_path / "out.jsonl"
    scrub_file(write(tmp_path / "in.jsonl", '{"text": "Anna Kovacs \\ud83d called"}\n'), out, SETTINGS)
    assert out.read_text() == '{"text": "<PERSON_1> \\ud83d called"}\n'


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", '{"a": 1}\n{"a": Anna}\n'), ("a.csv", 'a,b\n"Anna,1\n')])
def test_what_is_no_table_and_no_json_is_told_in_words_of_ours(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(InputError, match=r"line 2: it is no (JSON from character 7|row of a table)") as raised:
        scrub_file(write(tmp_path / name, content), tmp_path / f"out-{name}", SETTINGS)
    assert "Anna" not in str(raised.value)


def test_what_a_killed_scrub_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    """A hidden part holds scrubbed text, and one of `reveal` values; another file's part, and one that is being written, stay."""
    out = tmp_path / "out.txt"
    left, another = tmp_path / ".out.txt.0a1b.part", tmp_path / ".other.txt.0a1b.part"
    for each in (left, another):
        each.write_text("half")
    with whole_file(out, "utf-8") as busy:
        with whole_file(out, "utf-8") as target:
            target.write("new")
        busy.write("busy")
        assert not left.exists() and another.exists() and out.read_text() == "new"
    assert out.read_text() == "busy"
    assert sorted(each.name for each in tmp_path.iterdir()) == [".other.txt.0a1b.part", "out.txt"]
