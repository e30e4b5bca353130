"""Parsers in a process of their own: whatever happens there, the appliance goes on."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

import pytest

from appliance.data.formats.apart import Apart
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.errors import InputError, MissingPartError
from appliance.settings import IngestSettings

OPTIONS = IngestOptions("text", keep_columns=("a",))
BODIES = {
    "rows": "yield from (Row(n, None, 'x' * 3000, {'a': '\\udc00'}, 'part') for n in range(1200)); yield Fault(0, 5, 'reason')",
    "prints": "print('noise', flush=True); os.write(1, b'noise'); yield Row(1, None, options.text_column, {'kept': str(options.keep_columns)})",
    "refuses": "raise MissingPartError('a part'); yield",
    "breaks": "yield Row(1, None, 'a', {}); yield Row(2, None, 1 / 0, {})",
    "aborts": "os.abort(); yield",
    "hungry": "yield Row(1, None, str(len(bytearray(2 * 1024**3))), {})",
    "endless": "yield Row(1, None, str(sum(1 for _ in iter(int, 1))), {})",
    "writes": "open(path + '.new', 'wb', 0).write(b'x'); yield",
    "core": "import resource; yield Row(1, None, str(resource.getrlimit(resource.RLIMIT_CORE)[0]), {})",
}


@pytest.fixture
def format_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A format that does what the name of its file says, importable in the child."""
    root = tmp_path / "root"
    root.mkdir()
    cases = "".join(f"    if name == {name!r}:\n        {body}\n" for name, body in BODIES.items())
    (root / "odd_format.py").write_text(
        textwrap.dedent("""
        import os
        from appliance.errors import MissingPartError
        from appliance.data.formats.rows import Fault, Row
        def read(path, name, options, settings):
            path = str(path)
        """)
        + cases
    )
    start = subprocess.Popen

    def with_root(command: list[str], **keywords: object) -> subprocess.Popen[bytes]:
        environment = dict(keywords.pop("env"))  # type: ignore[call-overload]
        environment["PYTHONPATH"] = os.pathsep.join([environment["PYTHONPATH"], str(root)])
        return start(command, env=environment, **keywords)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr("appliance.data.formats.apart.subprocess.Popen", with_root)
    return "odd_format"


def read(apart: Apart, module: str, case: str, path: Path, **limits: int) -> list[Row | Fault]:
    return list(apart.read(module, path / case, case, OPTIONS, IngestSettings(parser_memory_bytes=1024**3, **limits)))


def test_rows_and_faults_come_over_whole(tmp_path: Path, format_module: str) -> None:
    with Apart() as apart:
        items = read(apart, format_module, "rows", tmp_path)
    assert items[:-1] == [Row(number, None, "x" * 3000, {"a": "\udc00"}, "part") for number in range(1200)]
    assert items[-1] == Fault(0, 5, "reason")


def test_what_a_parser_prints_does_not_mix_with_its_rows(
    tmp_path: Path, format_module: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with Apart() as apart:
        assert read(apart, format_module, "prints", tmp_path) == [Row(1, None, "text", {"kept": "('a',)"})]
    assert capfd.readouterr() == ("", "")


def test_an_error_keeps_its_kind_and_message(tmp_path: Path, format_module: str) -> None:
    with Apart() as apart, pytest.raises(MissingPartError, match="a part"):
        read(apart, format_module, "refuses", tmp_path)


@pytest.mark.parametrize("case", ["breaks", "aborts", "hungry", "endless", "writes"])
def test_a_parser_that_dies_or_goes_over_a_limit_is_one_error_and_the_next_file_is_read(
    tmp_path: Path, format_module: str, case: str
) -> None:
    with Apart() as apart:
        with pytest.raises(InputError, match=f"`{case}`: its parser needed more than `ingest.parser_memory_bytes`"):
            read(apart, format_module, case, tmp_path, parser_cpu_s=1)
        assert read(apart, format_module, "core", tmp_path) == [Row(1, None, "0", {})]
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".new") and path.stat().st_size]


def test_one_process_reads_many_files_and_ends_with_the_block(tmp_path: Path, format_module: str) -> None:
    with Apart() as apart:
        read(apart, format_module, "core", tmp_path)
        child = apart._child
        read(apart, format_module, "core", tmp_path)
        assert apart._child is child is not None
    assert child.poll() is not None


def test_rows_that_nobody_wants_end_the_process(tmp_path: Path, format_module: str) -> None:
    with Apart() as apart:
        items = apart.read(format_module, tmp_path, "rows", OPTIONS, IngestSettings())
        next(items)
        child = apart._child
        items.close()  # type: ignore[attr-defined]
        assert child is not None and child.poll() is not None
        assert len(read(apart, format_module, "rows", tmp_path)) == 1201


def test_a_module_in_the_current_folder_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    with Apart() as apart, pytest.raises(InputError, match="a damaged picture"):
        list(apart.read("appliance.data.formats.scan", tmp_path / "none.png", "none.png", OPTIONS, IngestSettings()))
    assert not (tmp_path / "ran").exists()
