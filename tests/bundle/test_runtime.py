"""The carried runtime: its gates, its steps, its archive, and a site's own conda environment in its place."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy
import pytest

from bundle import archive, runtime
from bundle.errors import InputError, IntegrityError, MissingPartError, NotFoundError, UsageError
from bundle.manifest import sha256

ROOT = Path(__file__).resolve().parents[2]


def need(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"no program `{program}`")


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def wheel_library(name: str) -> Path:
    """A real library of a manylinux wheel, which asks for at most glibc 2.28."""
    return next(path for path in Path(numpy.__file__).parents[1].rglob("*.so*") if path.name.startswith(name))


def test_the_gate_lets_a_library_for_an_old_glibc_pass(tmp_path: Path) -> None:
    need("readelf")
    shutil.copy(wheel_library("libquadmath"), folder(tmp_path, {"readme": b"no library"}))
    runtime.check_libraries(tmp_path)


def test_the_gate_names_the_file_that_asks_for_a_new_glibc(tmp_path: Path) -> None:
    """Positive control: a program of this machine, whose C library is newer than that of the oldest target."""
    need("readelf")
    shutil.copy("/bin/ls", folder(tmp_path, {"bin/harmless": b"text"}) / "bin" / "ls")
    with pytest.raises(IntegrityError, match=r"`bin/ls` asks for GLIBC_2\.3\d; the oldest target has 2\.28"):
        runtime.check_libraries(tmp_path)


def test_the_gate_names_a_library_that_is_not_carried(tmp_path: Path) -> None:
    need("readelf")
    shutil.copy(wheel_library("_multiarray_umath"), tmp_path / "_multiarray.so")
    with pytest.raises(IntegrityError, match=r"`_multiarray.so` needs `libscipy_openblas\S+`, which is not carried"):
        runtime.check_libraries(tmp_path)


@pytest.mark.parametrize(
    ("version", "passes"),
    [
        *((older, True) for older in ("2.2.5", "2.9", "2.28")),
        *((newer, False) for newer in ("2.28.1", "2.29", "2.100", "3.0", "PRIVATE", "ABI_DT_RELR")),
    ],
)
def test_versions_of_glibc_are_compared_as_numbers(version: str, passes: bool) -> None:
    assert (runtime._glibc(version) <= runtime.GLIBC) is passes


def programs(tree: Path, python: str) -> Path:
    folder(tree, {"bin/python3": python.encode(), "bin/openssl": b"#!/bin/sh\n"})
    for path in (tree / "bin").iterdir():
        path.chmod(0o755)
    return tree


def test_a_runtime_that_has_every_module_passes(tmp_path: Path) -> None:
    runtime.check_runs(programs(tmp_path, f'#!/bin/sh\nexec {sys.executable} "$@"\n'))


def test_a_runtime_without_a_module_is_refused(tmp_path: Path) -> None:
    """Python's own build only prints the modules that it could not compile."""
    without = f'import sys; sys.modules["sqlite3"] = None; {runtime.IMPORTS}'
    with pytest.raises(IntegrityError, match="sqlite3"):
        runtime.check_runs(programs(tmp_path, f"#!/bin/sh\nexec {sys.executable} -c '{without}'\n"))


def test_a_step_runs_again_only_when_something_before_it_changed(tmp_path: Path) -> None:
    runs: list[str] = []
    first = runtime._step(tmp_path, "zlib", "source 1", lambda: runs.append("zlib"))
    again = runtime._step(tmp_path, "zlib", "source 1", lambda: runs.append("zlib"))
    assert (again, runs) == (first, ["zlib"])
    assert runtime._step(tmp_path, "zlib", "source 2", lambda: runs.append("zlib")) != first
    assert runs == ["zlib", "zlib"]


def test_a_step_that_failed_is_not_taken_as_done(tmp_path: Path) -> None:
    def fail() -> None:
        raise InputError("the compiler says no")

    with pytest.raises(InputError):
        runtime._step(tmp_path, "zlib", "source", fail)
    runs: list[str] = []
    runtime._step(tmp_path, "zlib", "source", lambda: runs.append("zlib"))
    assert runs == ["zlib"]


def test_python_is_compiled_last_and_against_every_library() -> None:
    """What Python's modules link to is what the parts before it install."""
    names = [part.name for part in runtime.PARTS]
    assert names[-1] == "python3.11"
    assert set(names[:-1]) == {"zlib", "bzip2", "xz-utils", "libffi", "expat", "sqlite3", "openssl"}
    assert "-L{stage}/lib" in dict(runtime.PARTS[-1].environment)["LDFLAGS"]
    for part in runtime.PARTS:
        assert any("{stage}" in command for command in part.commands), part.name


def test_of_debians_patches_of_python_the_repairs_are_taken_and_the_layout_is_not(tmp_path: Path) -> None:
    series = "# layout\ndistutils-install-layout.diff\nensurepip-disabled.diff -p1\nCVE-2024-0450.patch\n\ngh-1 x\n"
    folder(tmp_path, {"debian/patches/series": series.encode()})
    taken = [path.name for path in runtime._patches(tmp_path, runtime.PARTS[-1].patches)]
    assert taken == ["CVE-2024-0450.patch", "gh-1 x"]
    assert len(list(runtime._patches(tmp_path, "."))) == 4


def test_each_command_of_a_part_runs_in_its_source_with_the_compiler_in_front(tmp_path: Path) -> None:
    """A real source package of one file, through the same steps as the eight real ones."""
    need("dpkg-source", "patch")
    tree = folder(
        tmp_path / "small-1",
        {
            "answer.txt": b"41\n",
            "debian/control": b"Source: small\nMaintainer: A <a@example.org>\n\nPackage: small\nArchitecture: all\n",
            "debian/changelog": b"small (1-1) unstable; urgency=low\n\n  * x\n\n -- A <a@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n",
            "debian/source/format": b"3.0 (quilt)\n",
        },
    )
    subprocess.run(("tar", "czf", "small_1.orig.tar.gz", "--exclude=debian", "small-1"), cwd=tmp_path, check=True)
    patch = b"--- a/answer.txt\n+++ b/answer.txt\n@@ -1 +1 @@\n-41\n+42\n"
    folder(tree, {"debian/patches/repair.diff": patch, "debian/patches/series": b"repair.diff\n"})
    subprocess.run(("dpkg-source", "-b", "small-1"), cwd=tmp_path, check=True, capture_output=True)
    runtime._write_tools(tmp_path / "tools", Path("/bin/echo"))
    part = runtime.Part("small", ("install -D -t {stage}/share answer.txt", "cc -o x"))
    runtime._compile(part, tmp_path / "small_1-1.dsc", tmp_path)
    assert (tmp_path / "stage/share/answer.txt").read_text() == "42\n"
    flags = runtime._COMPILE.replace("$work", str(tmp_path))
    assert (tmp_path / "small.log").read_text().strip() == f"cc {flags} -o x"
    with pytest.raises(InputError, match=r"`false` failed; `\S+small.log` says why"):
        runtime._compile(runtime.Part("small", ("false",)), tmp_path / "small_1-1.dsc", tmp_path)


def test_a_runtime_for_another_machine_is_refused(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "script").write_text("#!/bin/sh\n")
    (tree / "bin" / "python3").write_bytes(Path("/bin/true").read_bytes())
    here, there = ("x86_64", "aarch64") if os.uname().machine == "x86_64" else ("aarch64", "x86_64")
    packed = runtime.pack(tree, tmp_path / "RUNTIME.TGZ")
    runtime.check_machine(packed, here)
    with pytest.raises(UsageError, match=f"no runtime for {there}"):
        runtime.check_machine(packed, there)


def test_the_same_files_are_the_same_archive(tmp_path: Path) -> None:
    files = {"bin/python3": b"program", "lib/a.py": b"a = 1\n", "lib/b/c.py": b""}
    one = folder(tmp_path / "one", files)
    other = folder(tmp_path / "elsewhere" / "other", dict(reversed(files.items())))
    for path in (one, other):
        (path / "bin" / "python3").chmod(0o755)
    os.utime(other / "lib" / "a.py", (1, 1))
    packed = [runtime.pack(one, tmp_path / "ONE.TGZ"), runtime.pack(other, tmp_path / "OTHER.TGZ")]
    assert sha256(packed[0]) == sha256(packed[1])
    with gzip.open(packed[0]) as stream:
        archive.extract(stream, tmp_path / "again", 1 << 20)  # type: ignore[arg-type]
    assert (tmp_path / "again/bin/python3").stat().st_mode & 0o100  # the rest is the umask
    assert (tmp_path / "again/lib/a.py").read_bytes() == b"a = 1\n"
    (other / "lib" / "a.py").write_bytes(b"a = 2\n")
    assert sha256(runtime.pack(other, tmp_path / "THIRD.TGZ")) != sha256(packed[0])


def test_a_runtime_above_its_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "LIMIT_BYTES", 1000)
    tree = folder(tmp_path / "tree", {"bin/python3": os.urandom(2000)})
    with pytest.raises(InputError, match="a runtime has at most 1000"):
        runtime.pack(tree, tmp_path / "RUNTIME.TGZ")


def test_another_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"3\.11, not `3\.12`"):
        runtime.runtime(tmp_path / "RUNTIME.TGZ", python="3.12", work=tmp_path / "work")


def test_a_missing_program_is_named() -> None:
    with pytest.raises(MissingPartError, match="`no-such-compiler`"):
        runtime._require(["sh", "no-such-compiler"])


def test_a_missing_or_double_source_is_named(tmp_path: Path) -> None:
    for part in runtime.PARTS[1:]:
        folder(tmp_path, {f"{part.name}_1.dsc": b""})
    with pytest.raises(NotFoundError, match="0 source packages of `zlib`"):
        runtime._sources(tmp_path)
    folder(tmp_path, {"zlib_1.dsc": b"", "zlib_2.dsc": b""})
    with pytest.raises(NotFoundError, match="2 source packages of `zlib`"):
        runtime._sources(tmp_path)
    (tmp_path / "zlib_1.dsc").unlink()
    assert runtime._sources(tmp_path)["zlib"] == tmp_path / "zlib_2.dsc"


SITE = "lib/python3.11/site-packages"


def environment(path: Path, **more: bytes) -> Path:
    """A conda environment as conda lays it out, of one package."""
    record = {"name": "python", "version": "3.11.9", "url": "", "link": None, "files": ["bin/python3.11"]}
    files = {"bin/python3.11": b"#!/bin/sh\n", "conda-meta/python-3.11.9.json": json.dumps(record).encode()}
    folder(path, files | {f"{SITE}/tool.py": b"", f"{SITE}/script (dev).tmpl": b""} | more)
    (path / "bin" / "python3.11").chmod(0o755)
    (path / "bin" / "python3").symlink_to("python3.11")
    return path


def test_a_conda_environment_is_packed_with_its_own_links(tmp_path: Path) -> None:
    need("readelf")
    prefix = environment(tmp_path / "site")
    packed = runtime.pack_conda(prefix, tmp_path / "RUNTIME.TGZ")
    with tarfile.open(packed) as tar:
        members = {member.name: member for member in tar}
    assert {"bin/python3.11", "bin/conda-unpack", f"{SITE}/script (dev).tmpl"} <= members.keys()
    assert members["bin/python3"].linkname == "python3.11"
    assert {(member.mtime, member.uid, member.uname) for member in members.values()} == {(runtime.MOMENT, 0, "")}
    again = runtime.pack_conda(prefix, tmp_path / "AGAIN.TGZ")
    assert sha256(again) == sha256(packed)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (f"{SITE}/tool-1.dist-info/direct_url.json", b'{"dir_info": {"editable": true}, "url": "file:///src"}'),
        (f"{SITE}/tool.pth", b"/home/someone/src\n"),
        (f"{SITE}/tool.egg-link", b"/home/someone/src\n.\n"),
    ],
)
def test_an_editable_installation_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    prefix = environment(tmp_path / "site", **{name: content})
    with pytest.raises(InputError, match="tool"):
        runtime.pack_conda(prefix, tmp_path / "RUNTIME.TGZ")
    assert not (tmp_path / "RUNTIME.TGZ").exists()


def test_a_folder_that_is_no_conda_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no conda environment"):
        runtime.pack_conda(folder(tmp_path / "plain", {"bin/python3": b""}), tmp_path / "RUNTIME.TGZ")


def test_the_verb_packs_a_conda_environment(tmp_path: Path) -> None:
    need("readelf")
    prefix, out = environment(tmp_path / "site"), tmp_path / "RUNTIME.TGZ"
    verb = (sys.executable, "-m", "bundle.cli", "runtime", "--json", "--out", out, "--conda-env")
    done = subprocess.run((*verb, prefix), capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(done.stdout) == {"runtime": str(out), "bytes": out.stat().st_size, "sha256": sha256(out)}
    refused = subprocess.run((*verb, tmp_path), capture_output=True, text=True, cwd=ROOT, check=False)
    assert (refused.returncode, refused.stdout) == (4, "")


def test_a_link_out_of_a_conda_environment_is_refused(tmp_path: Path) -> None:
    need("readelf")
    prefix = environment(tmp_path / "site")
    (prefix / SITE / "data").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="link to outside"):
        runtime.pack_conda(prefix, tmp_path / "RUNTIME.TGZ")


def test_a_conda_environment_for_a_new_glibc_is_refused(tmp_path: Path) -> None:
    need("readelf")
    prefix = environment(tmp_path / "site", **{"lib/new.so": Path("/bin/ls").read_bytes()})
    with pytest.raises(IntegrityError, match=r"`lib/new\.so` asks for GLIBC_"):
        runtime.pack_conda(prefix, tmp_path / "RUNTIME.TGZ")


@pytest.mark.long
def test_the_real_runtime_runs_wherever_it_is_unpacked(tmp_path: Path) -> None:
    """About ten minutes of two cores the first time; a second making is the same archive."""
    need(*runtime._PROGRAMS)
    if not importlib.util.find_spec("ziglang") and not shutil.which("zig"):
        pytest.skip("no compiler `ziglang`")
    made = runtime.carry(tmp_path / "RUNTIME.TGZ")
    assert made["bytes"] <= 60_000_000
    built = str(runtime._cache()).encode()
    begun = time.monotonic()
    assert runtime.carry(tmp_path / "AGAIN.TGZ")["sha256"] == made["sha256"]
    assert time.monotonic() - begun < 120  # packed again, not compiled again
    for place in ("one", "a rather long way/to another"):
        target = tmp_path / place / "runtime"
        target.parent.mkdir(parents=True)
        with gzip.open(tmp_path / "RUNTIME.TGZ") as stream:
            archive.extract(stream, target, 1 << 30)  # type: ignore[arg-type]
        runtime.check_libraries(target)
        runtime.check_runs(target)
        assert not [path for path in target.rglob("*") if path.is_file() and built in path.read_bytes()]
        venv = tmp_path / place / "venv"
        subprocess.run((target / "bin/python3", "-m", "venv", venv), check=True)
        done = subprocess.run((venv / "bin/python", "-m", "pip", "--version"), check=True, capture_output=True)
        assert str(venv).encode() in done.stdout
