"""Tables: roles are proposed, nobody stands out afterwards, and nothing else changes."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import cli
from appliance.errors import InputError, PolicyError, SettingsError
from appliance.privacy.tables.anonymity import anonymize, class_sizes, measure
from appliance.privacy.tables.columns import read_table, write_table
from appliance.privacy.tables.roles import Column, Roles, read_roles
from appliance.privacy.tables.table import anonymize as anonymize_file
from appliance.privacy.tables.table import report
from appliance.privacy.tables.table import roles as propose
from appliance.privacy.tables.widen import HIDDEN, WAYS, steps
from appliance.settings import ScrubSettings

HEADER = "姓名,年龄,性别,邮编,入院日期,诊断,备注\n"


def patients(rows: int, seed: int = 1) -> str:
    """A synthetic ward list."""
    draw = random.Random(seed)
    lines = [
        f"王{draw.choice('小大建')}{draw.choice('明红军')},{draw.randint(20, 95)},{draw.choice('男女')},2000{draw.randint(10, 99)},"
        f"2023-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d},{draw.choice(['胃炎', '肺炎', '骨折'])},家属电话13{draw.randint(10**8, 10**9 - 1)}\n"
        for _row in range(rows)
    ]
    return HEADER + "".join(lines)


def confirmed(path: Path) -> Path:
    path.write_text(path.read_text("utf-8").replace("confirmed = false", "confirmed = true"), "utf-8")
    return path


def roles_for(*names: str, k: int = 3, **ways: str) -> Roles:
    return Roles(tuple(Column(name, "quasi-identifying", ways.get(name, "category")) for name in names), k, True)


def test_roles_are_found_from_names_and_cells(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(patients(60), "utf-8")
    found = propose(tmp_path / "a.csv", tmp_path / "roles.toml", ScrubSettings())
    assert {each["column"]: each["role"] for each in found["columns"]} == {
        "姓名": "identifying",
        "年龄": "quasi-identifying",
        "性别": "quasi-identifying",
        "邮编": "quasi-identifying",
        "入院日期": "quasi-identifying",
        "诊断": "sensitive",
        "备注": "identifying",
    }
    known = read_roles(tmp_path / "roles.toml", list(HEADER.strip().split(",")))
    assert [each.way for each in known.named("quasi-identifying")] == ["age", "category", "postcode", "date"]


def test_cells_tell_what_a_meaningless_name_does_not(tmp_path: Path) -> None:
    rows = [{"c1": f"user{n}@example.com", "c2": str(n % 3), "c3": "a long remark " * 5} for n in range(40)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = propose(tmp_path / "a.jsonl", tmp_path / "roles.toml", ScrubSettings())
    assert [each["role"] for each in found["columns"]] == ["identifying", "insensitive", "text"]


def test_a_table_is_anonymous_afterwards_and_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(patients(400), "utf-8")
    propose(tmp_path / "a.csv", tmp_path / "roles.toml", ScrubSettings())
    with pytest.raises(PolicyError, match="confirmed"):
        anonymize_file(tmp_path / "a.csv", tmp_path / "roles.toml", tmp_path / "b.csv", ScrubSettings())
    found = anonymize_file(
        tmp_path / "a.csv", confirmed(tmp_path / "roles.toml"), tmp_path / "b.csv", ScrubSettings(), 5, tmp_path / "r"
    )
    assert found["before"]["k"] == 1 and found["after"]["k"] >= 5 and found["after"]["risk"]["highest"] <= 0.2
    before, after = read_table(tmp_path / "a.csv").table, read_table(tmp_path / "b.csv").table
    assert after.column_names == ["年龄", "性别", "邮编", "入院日期", "诊断"]
    assert after["诊断"].to_pylist() == before["诊断"].to_pylist()
    page = (tmp_path / "r" / "table.html").read_text("utf-8")
    assert "k-匿名" in page and not any(word in page for word in ("<script", "src=", "http", "王"))
    assert json.loads((tmp_path / "r" / "table.json").read_text("utf-8"))["after"] == found["after"]


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(2, 6), st.integers(1, 4))
def test_every_class_has_k_rows_whatever_the_table(data: st.DataObject, k: int, width: int) -> None:
    rows = data.draw(st.integers(k, 60))
    names = [f"q{place}" for place in range(width)]
    cells = {name: data.draw(st.lists(st.sampled_from("abcdefgh"), min_size=rows, max_size=rows)) for name in names}
    table = pa.table(cells | {"other": [str(row) for row in range(rows)]})
    known = roles_for(*names, k=k)
    made = anonymize(table, known)
    tuples = Counter(zip(*(made.table[name].to_pylist() for name in names), strict=True))
    assert min(tuples.values()) >= k and made.table.num_rows == rows
    assert made.table["other"].to_pylist() == table["other"].to_pylist()
    for name in names:
        assert all(new in (old, HIDDEN) for old, new in zip(cells[name], made.table[name].to_pylist(), strict=True))
    assert anonymize(table, known).table.equals(made.table)
    assert measure(made.table, known)["k"] == min(tuples.values())


def test_measures_are_those_of_the_definitions() -> None:
    table = pa.table({"age": list("1112233"), "zip": list("aaabbbb"), "ill": list("xxyxxyz")})
    known = Roles((*roles_for("age", "zip").columns, Column("ill", "sensitive")), 3, True)
    found = measure(table, known)
    assert (found["k"], found["classes"], found["rows_below_k"]) == (2, 3, 4)
    assert found["l"] == {"ill": 1} and found["risk"] == {"highest": 0.5, "mean": round(3 / 7, 4)}
    assert found["sizes"]["2"] == 4 and found["sizes"]["3-4"] == 3


def test_sizes_of_many_wide_codes_stay_exact() -> None:
    """The key of a row never overflows."""
    import numpy as np

    codes = np.tile(np.arange(1000, dtype=np.int64)[:, None] * 10**6, (1, 12))
    assert set(class_sizes(np.concatenate([codes, codes]))) == {2}


@pytest.mark.parametrize(
    ("way", "value", "widened"),
    [
        ("age", "47", ["47", "45-49", "40-49", "40-59", "*"]),
        ("age", "93岁", ["93岁", "90+", "90+", "80-99", "*"]),
        ("date", "2023-05-17", ["2023-05-17", "2023-05", "2023", "2020s", "*"]),
        ("date", "2023年5月17日", ["2023年5月17日", "2023-05", "2023", "2020s", "*"]),
        ("date", "soon", ["soon", "*", "*", "*", "*"]),
        ("postcode", "200031", ["200031", "2000**", "200***", "20****", "*"]),
        ("region", "浙江省杭州市西湖区", ["浙江省杭州市西湖区", "浙江省杭州市", "浙江省", "*"]),
        ("region", "上海市浦东新区", ["上海市浦东新区", "上海市", "上海市", "*"]),
    ],
)
def test_each_way_says_less_step_by_step(way: str, value: str, widened: list[str]) -> None:
    assert [step(value) for step in steps(way, [value])] == widened


@pytest.mark.parametrize("way", [*WAYS, "number"])
@given(value=st.text(max_size=12))
def test_every_way_takes_every_value_and_ends_hidden(way: str, value: str) -> None:
    told = [step(value) for step in steps(way, [value, "1", "7"])]
    assert all(isinstance(each, str) for each in told) and told[-1] == HIDDEN


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str) -> None:
    table = pa.table({"名": ["a,b", 'say "x"', "line\nbreak", ""], "n": ["1", "02", "", "4.0"]})
    write_table(table, tmp_path / f"t{ending}")
    assert read_table(tmp_path / f"t{ending}").table.equals(table)
    assert (tmp_path / f"t{ending}").stat().st_mode & 0o077 == 0


def test_bad_rows_are_counted_and_other_encodings_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("姓名,年龄\n王明,40\n坏,行,多\n李红,50\n".encode("gb18030"))
    sheet = read_table(tmp_path / "a.csv")
    assert (sheet.table.num_rows, sheet.rejected) == (2, 1) and sheet.columns == ["姓名", "年龄"]


@pytest.mark.parametrize(
    ("content", "says"),
    [("a,a\n1,2\n", "name of its own"), ("", "cannot read"), ("a,b\n", None)],
)
def test_what_is_no_table_is_told(tmp_path: Path, content: str, says: str | None) -> None:
    (tmp_path / "a.csv").write_text(content)
    if says:
        with pytest.raises(InputError, match=says):
            read_table(tmp_path / "a.csv")
    else:
        with pytest.raises(InputError, match="can never be"):
            anonymize(read_table(tmp_path / "a.csv").table, roles_for("a", "b"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("k = 3\n[columns]\na = 'identifying'\n", "column `b`"),
        ("k = 3\n[columns]\na = 'identifying'\nb = 'x'\n", "role of column `b`"),
        (
            "k = 3\n[columns]\na = 'identifying'\nb = { role = 'quasi-identifying', generalise = 'x' }\n",
            "column `b` can be",
        ),
        ("k = 1\n[columns]\na = 'identifying'\nb = 'insensitive'\n", "at least 2"),
    ],
)
def test_a_wrong_roles_file_is_told(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "roles.toml").write_text(content)
    with pytest.raises(SettingsError, match=says):
        read_roles(tmp_path / "roles.toml", ["a", "b"])


def test_free_text_is_scrubbed(tmp_path: Path) -> None:
    rows = "".join(f"{20 + row % 2},call 555-867-{5300 + row} please\n" for row in range(10))
    (tmp_path / "a.csv").write_text("age,note\n" + rows)
    (tmp_path / "roles.toml").write_text(
        "confirmed = true\n[columns]\nage = { role = 'quasi-identifying', generalise = 'age' }\nnote = 'text'\n"
    )
    numbers = ScrubSettings(policy="structured-only")
    anonymize_file(tmp_path / "a.csv", tmp_path / "roles.toml", tmp_path / "b.csv", numbers, 3)
    assert "555" not in (tmp_path / "b.csv").read_text()


def test_the_verbs_work_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text(patients(80), "utf-8")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> dict[str, object]:
        monkeypatch.setattr(sys, "argv", ["skerry", "table", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        assert ended.value.code == 0, shown.err
        return dict(json.loads(shown.out))

    assert run("roles", "a.csv")["roles"] == "a.csv.roles.toml"
    confirmed(tmp_path / "a.csv.roles.toml")
    assert run("report", "a.csv", "--roles", "a.csv.roles.toml") == report(
        tmp_path / "a.csv", tmp_path / "a.csv.roles.toml"
    )
    done = run("anonymize", "a.csv", "--roles", "a.csv.roles.toml", "--out", "b.csv", "-k", "4")
    assert done["after"]["k"] >= 4  # type: ignore[index]


def test_card_numbers_and_notes_are_not_kept_for_their_names(tmp_path: Path) -> None:
    """`credit` and `result` sound sensitive, but what stands in the cells decides."""
    note = "检查结果正常，家属王小明电话13812340000，请于两周后复诊并带好以前的所有病历资料和影像片子，谢谢配合。"
    rows = "".join(f"41111111111111{n:02d},{note}{n},{n % 3}\n" for n in range(30))
    (tmp_path / "a.csv").write_text("信用卡号,检查结果,诊断\n" + rows, "utf-8")
    found = propose(tmp_path / "a.csv", tmp_path / "roles.toml", ScrubSettings())
    assert [each["role"] for each in found["columns"]] == ["identifying", "text", "sensitive"]


def test_the_table_that_is_read_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age\n1\n2\n3\n")
    (tmp_path / "roles.toml").write_text("confirmed = true\n[columns]\nage = 'quasi-identifying'\n")
    with pytest.raises(SettingsError, match="the file that is read"):
        anonymize_file(tmp_path / "a.csv", tmp_path / "roles.toml", tmp_path / "a.csv", ScrubSettings(), 2)


def test_a_number_that_a_sheet_has_not_kept_rejects_its_row(tmp_path: Path) -> None:
    """An identity number typed as a number would otherwise stand there as another one."""
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["id", "age"], [110105194912310021, 40], ["11010519491231002X", 41], [7, 42]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    sheet = read_table(tmp_path / "a.xlsx")
    assert sheet.table.to_pylist() == [{"id": "11010519491231002X", "age": "41"}, {"id": "7", "age": "42"}]
    assert sheet.rejected == 1


def test_merged_cells_hold_their_value_each(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["ward", "age"], ["A", 40], [None, 41], ["B", 42]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx").table["ward"].to_pylist() == ["A", "A", "B"]
    book.active.merge_cells("A1:B1")
    book.save(tmp_path / "b.xlsx")
    with pytest.raises(InputError, match="a name of its own"):
        read_table(tmp_path / "b.xlsx")


@pytest.mark.parametrize(
    ("header", "role"),
    [
        ("patient", "identifying"),
        ("Customer", "identifying"),
        ("客户", "identifying"),
        ("原告", "identifying"),
        ("patient type", "insensitive"),
    ],
)
def test_a_column_called_by_whom_it_is_about_identifies(tmp_path: Path, header: str, role: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header},x\nAnna,1\nAnna,1\nBela,1\n")
    found = propose(tmp_path / "a.csv", tmp_path / "roles.toml", ScrubSettings())
    assert found["columns"][0]["role"] == role
