"""Files that were made to hurt: each ends in a clear message or a rejected row, in bounded time and memory, and loses nothing else."""

from __future__ import annotations

import importlib
import io
import resource
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from appliance.data.formats.apart import Apart
from appliance.data.formats.rows import Fault, Row
from appliance.data.ingest import FORMATS, IngestOptions, ingest, read_files
from appliance.errors import ApplianceError, InputError
from appliance.schema import Record, Rejected
from appliance.settings import IngestSettings
from appliance.store import Store

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def read(path: Path, limits: dict[str, int] | None = None, **options: Any) -> list[Record | Rejected]:
    settings = IngestSettings(**{"parser_memory_bytes": 1024**3, "parser_cpu_s": 20} | (limits or {}))
    return list(read_files([path], IngestOptions("text", **options), settings))


def outcomes(items: list[Record | Rejected]) -> list[str]:
    return [item.text if isinstance(item, Record) else item.reason for item in items]


def workbook(path: Path, rows: str, strings: str = "", prolog: str = "") -> Path:
    """Write an XLSX by hand: `rows` is the inside of <sheetData>, `strings` of <sst>."""
    members = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r" Type="{REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{REL}"><sheets><sheet name="s" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="{REL}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/sharedStrings.xml": f'{prolog}<sst xmlns="{MAIN}">{strings}</sst>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + content)
    return path


def cell(reference: str, text: str) -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>'


HEADER = f'<row r="1">{cell("A1", "text")}</row>'


def test_the_hand_made_workbook_is_one(tmp_path: Path) -> None:
    rows = HEADER + '<row r="2"><c r="A2" t="s"><v>0</v></c></row>'
    assert outcomes(read(workbook(tmp_path / "a.xlsx", rows, "<si><t>fine</t></si>"))) == ["fine"]


class TestWorkbooks:
    def test_a_bomb_is_refused_before_it_is_parsed(self, tmp_path: Path) -> None:
        path = workbook(tmp_path / "a.xlsx", HEADER + "<row>" + f"<c>{' ' * 1000}</c>" * 100_000 + "</row>")
        began = time.perf_counter()
        with pytest.raises(InputError, match=r"`ingest.max_zip_ratio`"):
            read(path)
        assert time.perf_counter() - began < 0.2

    def test_two_cells_far_apart_do_not_end_the_appliance(self, tmp_path: Path) -> None:
        """A file of 1 KB for which the parser asks for half a terabyte, and dies."""
        path = workbook(tmp_path / "a.xlsx", HEADER + f'<row r="1048576">{cell("XFD1048576", "z")}</row>')
        assert path.stat().st_size < 4000
        with pytest.raises(InputError, match=r"`ingest.parser_memory_bytes`"):
            read(path)

    def test_one_long_string_in_many_cells_does_not_end_the_appliance(self, tmp_path: Path) -> None:
        text = Random(0).randbytes(300_000).hex()
        rows = HEADER + "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(2, 20_000))
        with pytest.raises(InputError, match=r"`ingest.parser_memory_bytes`"):
            read(workbook(tmp_path / "a.xlsx", rows, f"<si><t>{text}</t></si>"))

    def test_a_member_that_is_larger_than_it_claims_is_bounded(self, tmp_path: Path) -> None:
        path = workbook(tmp_path / "a.xlsx", HEADER + "<row>" + "<c><v>1</v></c>" * 10_000_000 + "</row>")
        content = bytearray(path.read_bytes())
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
        assert size > 2**27
        for at in _positions(content, size.to_bytes(4, "little")):
            content[at : at + 4] = (4000).to_bytes(4, "little")
        path.write_bytes(content)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(InputError, match=r"`a.xlsx`"):
            read(path, {"parser_memory_bytes": 300 * 1024**2})
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000

    def test_entities_are_not_expanded(self, tmp_path: Path) -> None:
        laughs = (
            '<!DOCTYPE sst [<!ENTITY a "ha"><!ENTITY b "'
            + "&a;" * 100
            + '"><!ENTITY c "'
            + "&b;" * 100
            + '"><!ENTITY d SYSTEM "file:///etc/passwd">]>'
        )
        rows = HEADER + '<row r="2"><c r="A2" t="s"><v>0</v></c></row>'
        path = workbook(tmp_path / "a.xlsx", rows, "<si><t>x&c;&d;y</t></si>", laughs)
        try:
            assert all(len(outcome) < 100 and "root:" not in outcome for outcome in outcomes(read(path)))
        except InputError as error:
            assert "a.xlsx" in str(error)

    def test_a_merged_range_over_the_whole_sheet_costs_nothing(self, tmp_path: Path) -> None:
        path = workbook(
            tmp_path / "a.xlsx", HEADER + f'<row r="2">{cell("A2", "a")}</row><row r="3">{cell("B3", "b")}</row>'
        )
        merged = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(merged)) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                new.writestr(
                    name,
                    content.replace(
                        b"</sheetData>", b'</sheetData><mergeCells><mergeCell ref="A2:XFD1048576"/></mergeCells>'
                    ),
                )
        assert outcomes(read(path)) == ["a", "a"]


def _positions(content: bytes | bytearray, part: bytes) -> Iterator[int]:
    at = content.find(part)
    while at >= 0:
        yield at
        at = content.find(part, at + 1)


class TestText:
    def test_a_line_of_300_megabytes_is_one_rejected_row_in_constant_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        with path.open("wb") as file:
            file.write(b"text,y\nfirst,a\n")
            for _ in range(300):
                file.write(b"x" * 1024**2)
            file.write(b"\nlast,b\n")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        first, rejected, last = read(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 80_000
        assert isinstance(first, Record) and isinstance(last, Record) and last.text == "last"
        assert isinstance(rejected, Rejected) and (rejected.row, rejected.byte) == (2, 15)
        assert "`ingest.max_row_bytes`" in rejected.reason

    @pytest.mark.parametrize("kind", ["random", "elf", "zip", "nul"])
    @pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".txt", ".hl7"])
    def test_a_binary_file_under_a_text_name_is_refused(self, tmp_path: Path, kind: str, suffix: str) -> None:
        path = tmp_path / f"a{suffix}"
        path.write_bytes(
            {"random": b"", "elf": b"\x7fELF", "zip": b"PK\x03\x04", "nul": bytes(9999)}[kind]
            + Random(1).randbytes(20_000)
        )
        with pytest.raises(InputError, match=f"cannot read `a{suffix}`"):
            read(path)

    def test_nul_bytes_cost_their_rows_only(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_bytes(b"text,y\na\0b,x\nok,x\n\0\0\n")
        assert outcomes(read(path)) == ["NUL byte", "ok", "NUL byte"]

    def test_two_readers_could_read_this_json_differently(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        lines = [
            '{"text": "a", "text": "b"}',
            '{"text": NaN}',
            '{"text": "\\ud800"}',
            "[" * 200_000,
            '{"text": ' + "9" * 5000 + "}",
            '{"text": "ok"}',
        ]
        path.write_text("\n".join(lines) + "\n")
        found = outcomes(read(path))
        assert [reason.split(",")[0] for reason in found[:4]] == [
            "a key stands twice in one object",
            "NaN or Infinity",
            "half a surrogate pair",
            "nested too deep",
        ]
        assert found[4:] == ["9" * 5000, "ok"]

    def test_a_quote_that_is_never_closed_swallows_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        rows = [f"row {number},x" for number in range(20_000)]
        path.write_text("text,y\n" + '"never closed,x\n' + "\n".join(rows) + "\n")
        items = read(path, {"max_row_bytes": 100_000})
        assert isinstance(items[0], Rejected)
        assert [item.text for item in items[1:] if isinstance(item, Record)] == [row[:-2] for row in rows]

    def test_the_message_shows_nothing_of_the_row(self, tmp_path: Path) -> None:
        secret = "Zhang San 110101194912310025"
        bad = [
            f'{{"text": "{secret}"',
            f'{{"text": "{secret}\\ud800"}}',
            f'{{"text": ["{secret}"]}}',
            f'"{secret}"',
            f'{{"text": "x", "s": "{secret}"}}',
        ]
        path = tmp_path / "a.jsonl"
        path.write_text('{"text": "ok", "s": "train"}\n' + "\n".join(bad) + "\n")
        items = read(path, split_column="s")
        assert sum(isinstance(item, Rejected) for item in items) == len(bad)
        assert not any("Zhang" in repr(item) or "1101" in repr(item) for item in items)


class TestDocuments:
    def test_hostile_html_is_bounded(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in/a.html").write_text("<p>" * 200_000 + "deep")
        (tmp_path / "in/b.html").write_text("<!" * 100_000)
        (tmp_path / "in/c.html").write_text("<a " + "x=" * 200_000)
        (tmp_path / "in/d.html").write_text("<p>fine</p>")
        began = time.perf_counter()
        items = read(tmp_path / "in", {"parser_cpu_s": 3})
        assert time.perf_counter() - began < 60
        assert [item.text for item in items if isinstance(item, Record)][-1] == "fine"
        assert len(items) == 4

    def test_mail_within_mail_is_bounded(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        nested = "".join(f'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}\n' for n in range(2000))
        (tmp_path / "in/a.eml").write_text(nested + "Content-Type: text/plain\n\nx")
        (tmp_path / "in/b.eml").write_text("Subject: s\n\nfine")
        items = read(tmp_path / "in", {"parser_cpu_s": 5})
        assert len(items) == 2 and isinstance(items[1], Record) and items[1].text == "s\n\nfine"


@pytest.mark.parametrize(
    "suffix", [".csv", ".jsonl", ".txt", ".hl7", ".html", ".eml", ".docx", ".xlsx", ".parquet", ".pdf", ".png"]
)
def test_flipped_bits_end_in_rows_faults_or_our_own_error(tmp_path: Path, suffix: str) -> None:
    """Whatever a damaged file holds: no other exception, and the reading ends."""
    original = _sample(tmp_path, suffix).read_bytes()
    random = Random(suffix)
    module = importlib.import_module(f"appliance.data.formats.{FORMATS[suffix].module}")
    options, settings = IngestOptions("text"), IngestSettings(parser_memory_bytes=1024**3, parser_cpu_s=20)
    with Apart() as apart:
        for number in range(30 if suffix != ".png" else 3):
            content = bytearray(original)
            for _ in range(1 + number % 12):
                content[random.randrange(len(content))] = random.randrange(256)
            if number % 4 == 3:
                del content[random.randrange(len(content)) :]
            path = tmp_path / f"damaged{suffix}"
            path.write_bytes(content)
            items = (
                apart.read(module.__name__, path, path.name, options, settings)
                if FORMATS[suffix].apart
                else module.read(path, path.name, options, settings)
            )
            try:
                assert all(isinstance(item, Row | Fault) for item in items)
            except ApplianceError as error:
                assert "damaged" in str(error)


def _sample(folder: Path, suffix: str) -> Path:
    path = folder / f"sample{suffix}"
    texts = {
        ".csv": 'text,y\n"a, ""b""",x\n东西,y\n' * 5, ".jsonl": '{"text": "a\\u0041", "y": [1, {"z": null}]}\n' * 5, ".txt": "one\n东西\n" * 5,
        ".hl7": "MSH|^~\\&|A||||||ORU^R01|1\rOBX|1|FT|1||text \\.br\\ more\r" * 3, ".html": "<html><head><title>t</title></head><body><p>a&amp;b<table><tr><td>c</table>",
        ".eml": "Subject: =?utf-8?b?5Lic?=\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nYWJj\n--b--\n",
    }  # fmt: skip
    if suffix in texts:
        path.write_text(texts[suffix])
    elif suffix == ".xlsx":
        workbook(
            path, HEADER + '<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2"><v>4</v></c></row>', "<si><t>fine</t></si>"
        )
    elif suffix == ".docx":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(
                "word/document.xml",
                '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:p><w:t>a</w:t></w:p></w:document>',
            )
    elif suffix == ".parquet":
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({"text": [f"row {n}" for n in range(50)], "y": list(range(50))}), path)
    elif suffix == ".pdf":
        canvas = pytest.importorskip("reportlab.pdfgen.canvas").Canvas(str(path))
        canvas.drawString(72, 700, "some text")
        canvas.save()
    else:
        pytest.importorskip("rapidocr")
        pytest.importorskip("PIL.Image").new("RGB", (64, 64), "white").save(path)
    return path


def test_a_full_disk_is_named_and_nothing_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`RLIMIT_FSIZE` stands in for a full disk where a test may not mount one: the write fails in the same call."""
    path = tmp_path / "a.csv"
    random = Random(0)
    path.write_text("text\n" + "".join(f"{random.randbytes(40).hex()}\n" for _ in range(60_000)))
    store = Store.open()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024**2, hard))
    try:
        with pytest.raises(ApplianceError):
            ingest(store, [path], IngestOptions("text"), IngestSettings(), "demo")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.artifacts() == []
    assert ingest(store, [path], IngestOptions("text"), IngestSettings(), "demo").rows == 60_000
