"""Rows a second and peak memory of `ingest`: python benchmarks/ingest.py [--rows 1000000] [--formats csv jsonl ...].

Each line is one process, so that its peak is its own; `parser` is the peak of the child that parses workbooks and Parquet (told where the parent is
the smaller of the two). Memory is flat when the peaks of a tenth of the rows and of all rows are the same. On a shared machine trust the rows of a
CPU second. The text is made here with a fixed seed: it says nothing about quality.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

WORDS = [
    "patient",
    "reports",
    "pain",
    "since",
    "monday",
    "please",
    "call",
    "back",
    "about",
    "the",
    "appointment",
    "card",
    "charge",
    "refund",
    "delay",
    "account",
    "transfer",
    "limit",
    "fee",
    "doctor",
    "visit",
    "result",
    "letter",
    "insurance",
    "address",
    "change",
    "thanks",
    "waiting",
    "number",
    "branch",
    "loan",
    "statement",
    "urgent",
]
WORDS_ZH = [
    "挂号",
    "复诊",
    "报告",
    "医生",
    "排队",
    "缴费",
    "退款",
    "银行卡",
    "转账",
    "限额",
    "手续费",
    "等了很久",
    "态度很好",
    "请问",
    "什么时候",
    "可以",
    "预约",
    "地址",
    "变更",
    "谢谢",
]
FORMATS = ("csv", "csv-quoted", "csv-gb18030", "jsonl", "parquet", "txt", "xlsx")


def rows(count: int) -> Iterator[tuple[str, str, str]]:
    """Yield (text, label, id): about 100 bytes each, every fifth in Chinese."""
    random = Random(7)
    for number in range(count):
        chinese = number % 5 == 4
        words = random.choices(WORDS_ZH, k=9) if chinese else random.choices(WORDS, k=13)
        yield ("，" if chinese else " ").join(words), f"label {number % 12}", str(number)


def write(path: Path, form: str, count: int) -> None:
    """Write `count` rows in a format."""
    if form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        with pq.ParquetWriter(path, pa.schema([(name, pa.string()) for name in ("text", "label", "id")])) as writer:
            batch: list[tuple[str, str, str]] = []
            for row in rows(count):
                batch.append(row)
                if len(batch) == 50_000:
                    writer.write_batch(
                        pa.record_batch([pa.array(column) for column in zip(*batch, strict=True)], writer.schema)
                    )
                    batch = []
            if batch:
                writer.write_batch(
                    pa.record_batch([pa.array(column) for column in zip(*batch, strict=True)], writer.schema)
                )
        return
    if form == "xlsx":
        import openpyxl

        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet("rows")
        sheet.append(("text", "label", "id"))
        for row in rows(count):
            sheet.append(row)
        book.save(path)
        return
    with path.open("w", encoding="gb18030" if form == "csv-gb18030" else "utf-8", newline="") as file:
        if form == "jsonl":
            for text, label, identity in rows(count):
                file.write(json.dumps({"text": text, "label": label, "id": identity}, ensure_ascii=False) + "\n")
        elif form == "txt":
            file.writelines(f"{text}\n" for text, _label, _id in rows(count))
        else:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL if form == "csv-quoted" else csv.QUOTE_MINIMAL)
            writer.writerow(("text", "label", "id"))
            writer.writerows(rows(count))


def measure(path: Path, form: str, stored: bool) -> dict[str, float]:
    """Read (and store) a file in this process and return seconds, rows and peaks in MB."""
    from appliance.data.ingest import IngestOptions, ingest, read_files
    from appliance.settings import IngestSettings
    from appliance.store import Store

    options = IngestOptions("text") if form == "txt" else IngestOptions("text", "label", id_column="id")
    settings = IngestSettings(max_unpacked_bytes=4 * 1024**3)
    began, cpu = time.perf_counter(), time.process_time()
    if stored:
        count = ingest(Store.open(), [path], options, settings, "benchmark").rows
    else:
        count = sum(1 for _item in read_files([path], options, settings))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    # VmHWM, since ru_maxrss starts at the size of whoever started the process.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return {
        "seconds": seconds,
        "cpu": cpu + children.ru_utime + children.ru_stime,
        "rows": count,
        "peak": peak,
        "child": 0 if stored else children.ru_maxrss / 1024,
    }


def apart(path: Path, form: str, stored: bool, home: Path) -> dict[str, float]:
    """Measure in a process of its own."""
    environment = os.environ | {
        "SKERRY_HOME": str(home / "home"), "SKERRY_STORE__KEY_FOLDER": str(home / "keys"), "PYTHONPATH": str(Path(__file__).parents[1]),
    }  # fmt: skip
    command = [sys.executable, __file__, "--measure", str(path), form, "stored" if stored else "read"]
    found: dict[str, float] = json.loads(
        subprocess.run(command, env=environment, check=True, capture_output=True).stdout
    )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write(Path(given.write[0]), given.write[1], int(given.write[2]))
        return
    if given.measure:
        path, form, what = given.measure
        print(json.dumps(measure(Path(path), form, what == "stored")))
        return
    print(
        f"{'format':<12}{'rows':>10}{'MB':>7}  {'what':<8}{'seconds':>8}{'rows/s':>10}{'rows/CPU s':>12}{'peak MB':>9}{'parser MB':>11}"
    )
    for form in given.formats:
        for count in (given.rows // 10, given.rows):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"rows.{form.partition('-')[0]}"
                subprocess.run([sys.executable, __file__, "--write", str(path), form, str(count)], check=True)
                for stored in (False, True):
                    found = apart(path, form, stored, Path(folder))
                    assert found["rows"] == count, found
                    size = path.stat().st_size / 1e6
                    print(
                        f"{form:<12}{count:>10,}{size:>7.0f}  {'stored' if stored else 'read':<8}{found['seconds']:>8.1f}{count / found['seconds']:>10,.0f}{count / found['cpu']:>12,.0f}"
                        f"{found['peak']:>9.0f}{found['child']:>11.0f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
