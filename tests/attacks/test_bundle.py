"""Bundles that were made to get in: mutated ones, replayed ones, other vendors', and archives that reach for other folders."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import shutil
import struct
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundle import sign as signing
from bundle import verify as verifying
from bundle.archive import extract, write
from bundle.errors import BundleError, IntegrityError
from bundle.manifest import Listing, files_below, parse
from bundle.receive import receive
from bundle.sign import sign
from bundle.verify import unpack, verify
from tests.sticks import make_key, make_stick

# --- mutated bundles ---


class Sandbox:
    """A folder with a good stick, an older one, a thief's key, and a place for each mutated copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key, self.thief = make_key(folder / "key"), make_key(folder / "thief")
        self.public = self.key / "vendor.pem"
        self.good = make_stick(folder / "good", self.key)
        self.older = make_stick(folder / "older", self.key, serial="6", version="0.1.0")
        self.whole = files_below(self.good)
        self.bytes = {name: (self.good / name).read_bytes() for name in self.whole}
        self.payload = files_below(folder / "good" / "payload")

    def mutated(self, kind: str, chance: random.Random) -> Path:
        """Return a fresh copy of the good stick with one mutation that leaves it different."""
        stick = self.folder / "stick"
        self._restore(stick)
        MUTATIONS[kind](self, stick, chance)
        return stick

    def _restore(self, stick: Path) -> None:
        # Only what the last mutation changed: making forty files anew three hundred times is most of the time.
        (stick / "COPY2").mkdir(parents=True, exist_ok=True)
        for path in sorted(stick.rglob("*"), reverse=True):
            if path.is_symlink() or not path.is_dir():
                if path.is_symlink() or not path.is_file() or path.relative_to(stick).as_posix() not in self.bytes:
                    path.unlink()
            elif path.name != "COPY2":
                path.rmdir()
        for name, content in self.bytes.items():
            if not (stick / name).exists() or (stick / name).read_bytes() != content:
                (stick / name).write_bytes(content)

    def outside(self) -> dict[str, str]:
        """Return what lies in the sandbox beside the mutated stick and the staging folders."""
        return {
            path: digest
            for path, digest in files_below(self.folder).items()
            if not path.startswith(("stick", "staging"))
        }


def pick(stick: Path, chance: random.Random) -> Path:
    return chance.choice(sorted(path for path in stick.rglob("*") if path.is_file()))


def flip(_box: Sandbox, stick: Path, chance: random.Random) -> None:
    path = pick(stick, chance)
    content = bytearray(path.read_bytes())
    for _bit in range(chance.choice([1, 1, 1, 8])):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    if bytes(content) == path.read_bytes():
        content[0] ^= 1
    path.write_bytes(content)


def cut(_box: Sandbox, stick: Path, chance: random.Random) -> None:
    path = pick(stick, chance)
    os.truncate(path, chance.randrange(path.stat().st_size))


def append(_box: Sandbox, stick: Path, chance: random.Random) -> None:
    path = pick(stick, chance)
    path.write_bytes(path.read_bytes() + chance.choice([b"\n", b"\0", chance.randbytes(700)]))


def swap(_box: Sandbox, stick: Path, chance: random.Random) -> None:
    one, other = pick(stick, chance), pick(stick, chance)
    while one.read_bytes() == other.read_bytes():
        other = pick(stick, chance)
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)


def rename(_box: Sandbox, stick: Path, chance: random.Random) -> None:
    path = pick(stick, chance)
    path.rename(
        path.with_name(chance.choice([path.name.swapcase(), path.name + " ", "." + path.name, path.name + "\n"]))
    )


def extra(_box: Sandbox, stick: Path, chance: random.Random) -> None:
    names = [
        "autorun.inf",
        ".hidden",
        "COPY2/x",
        "PART021.BIN",
        "wheels/a.whl",
        "PARTS.SG2",
        "a\nb",
        "\udcff",
        "COPY2/NEXT.PEM",
    ]
    path = stick / chance.choice(names)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(chance.randbytes(chance.choice([0, 10])))


def missing(_box: Sandbox, stick: Path, chance: random.Random) -> None:
    pick(stick, chance).unlink()


def link(box: Sandbox, stick: Path, chance: random.Random) -> None:
    """The right bytes behind a link, which may be others a moment later; or a pipe."""
    path = pick(stick, chance)
    path.unlink()
    if chance.random() < 0.2:
        os.mkfifo(path)
    else:
        path.symlink_to(chance.choice([box.good / path.relative_to(stick), Path("/dev/zero"), Path("nowhere")]))


def wrong_key(box: Sandbox, stick: Path, chance: random.Random) -> None:
    """A thief changes a part, brings every list into line and signs it with a key of his own, which he puts beside it."""
    flip(box, stick / "COPY2", chance) if chance.random() < 0.1 else None
    path = chance.choice(sorted(stick.glob("PART0*.BIN")))
    path.write_bytes(chance.randbytes(path.stat().st_size))
    shutil.copyfile(box.thief / "vendor.pem", stick / "VENDOR.PEM")
    if chance.random() < 0.5:
        shutil.copyfile(box.thief / "vendor.pem", stick / "NEXT.PEM")
        sign(stick / "NEXT.PEM", box.thief)
        (stick / "NEXT.PEM.SIG").rename(stick / "NEXT.SIG")
    header = parse((stick / "PARTS").read_text(), "PARTS").header
    listed = {name: digest for name, digest in files_below(stick).items() if "PARTS" not in name}
    (stick / "PARTS").write_text(Listing(header, listed).text())
    sign(stick / "PARTS", box.thief)
    for name in ("PARTS", "PARTS.SIG"):
        shutil.copyfile(stick / name, stick / "COPY2" / name)


def replay(box: Sandbox, stick: Path, chance: random.Random) -> None:
    """All of an older bundle, its lists, or some of its parts: every byte once signed by the vendor."""
    kind = chance.choice(["all", "lists", "part"])
    for path in sorted(box.older.rglob("*")):
        name = path.relative_to(box.older).as_posix()
        same = not path.is_file() or path.read_bytes() == (stick / name).read_bytes()
        if same or (kind == "lists" and "PARTS" not in name) or (kind == "part" and "PARTS" in name):
            continue
        shutil.copyfile(path, stick / name)
        if kind == "part":
            return


MUTATIONS: dict[str, Callable[[Sandbox, Path, random.Random], None]] = {
    "flip": flip,
    "cut": cut,
    "append": append,
    "swap": swap,
    "rename": rename,
    "extra": extra,
    "missing": missing,
    "link": link,
    "wrong key": wrong_key,
    "replay": replay,
}


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setattr(os, "fsync", lambda _handle: None)  # a verdict, not a copy that must outlive a power cut
    return Sandbox(tmp_path)


def accepted(box: Sandbox, seeds: range) -> Iterator[str]:
    """Yield each mutated bundle that `verify` accepts, or whose reception ends in anything but the good bundle."""
    for seed in seeds:
        kind = list(MUTATIONS)[seed % len(MUTATIONS)]
        stick = box.mutated(kind, random.Random(seed))
        try:
            verify(stick, box.public, least_serial=7)
            yield f"{kind} {seed}"
        except BundleError:
            pass
        if seed // 10 % 10 == 0 and received(box, stick) not in ("refused", "repaired"):
            yield f"{kind} {seed} received"


def received(box: Sandbox, stick: Path) -> str:
    """Return how the reception of a stick ends: a scratched one is repaired to the good one, a forged one refused."""
    staging = box.folder / "staging"
    for path in box.folder.glob("staging*"):
        shutil.rmtree(path)
    try:
        receive(stick, staging, box.public, least_serial=7)
        payload = unpack(staging, box.public, least_serial=7)
    except BundleError:
        return "refused" if not list(box.folder.glob("staging-*")) else "left over"
    same = files_below(staging) == box.whole and files_below(payload) == box.payload
    return "repaired" if same else "other bytes"


def test_300_mutated_bundles_are_refused_and_nothing_lands_outside(box: Sandbox) -> None:
    verify(box.good, box.public, least_serial=7)
    before = box.outside()
    assert list(accepted(box, range(300))) == []
    assert box.outside() == before


@pytest.mark.long
def test_10000_mutated_bundles_are_refused_and_nothing_lands_outside(box: Sandbox) -> None:
    before = box.outside()
    assert list(accepted(box, range(300, 10_300))) == []
    assert box.outside() == before


def test_both_outcomes_of_a_reception_are_seen(box: Sandbox) -> None:
    """A scratched stick is repaired to the last byte, a forged one never."""
    for kind, end in (("flip", "repaired"), ("missing", "repaired"), ("link", "repaired"), ("wrong key", "refused")):
        assert [received(box, box.mutated(kind, random.Random(seed))) for seed in range(2)] == [end, end], kind


@pytest.mark.parametrize(
    ("module", "check", "planted", "kinds"),
    [
        (verifying, "differences", lambda _wanted, _found: [], {"flip", "cut", "append", "swap", "missing", "extra"}),
        (signing, "is_signed", lambda *_values: True, {"wrong key"}),
    ],
)
def test_the_mutations_find_a_check_that_is_gone(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch, module: object, check: str, planted: object, kinds: set[str]
) -> None:
    monkeypatch.setattr(module, check, planted)
    seeds = [seed for seed in range(60, 120) if list(MUTATIONS)[seed % 10] in kinds]
    found = {name.split(" ")[0] for seed in seeds for name in accepted(box, range(seed, seed + 1))}
    assert found == {kind.split(" ")[0] for kind in kinds}


def test_an_older_bundle_is_stopped_by_its_serial_alone(box: Sandbox) -> None:
    assert verify(box.older, box.public)["serial"] == 6
    with pytest.raises(BundleError, match="serial 6 is older than 7"):
        verify(box.older, box.public, least_serial=7)


# --- hostile archives ---

FIELD = {
    "name": (0, 100),
    "mode": (100, 8),
    "uid": (108, 8),
    "gid": (116, 8),
    "size": (124, 12),
    "mtime": (136, 12),
    "checksum": (148, 8),
    "type": (156, 1),
    "link": (157, 100),
    "magic": (257, 6),
    "version": (263, 2),
    "user": (265, 32),
    "major": (329, 8),
    "prefix": (345, 155),
    "rest": (500, 12),
}
CONTENT = b"hostile"


def header(**fields: bytes) -> bytes:
    """Return the header of a small file as ours are, with some fields overwritten and the checksum right unless it is given."""
    values = {"name": b"file", "mode": b"0000644\0", "uid": b"0000000\0", "gid": b"0000000\0"}
    values |= {
        "size": b"%011o\0" % len(CONTENT),
        "mtime": b"%011o\0" % 1_700_000_000,
        "checksum": b" " * 8,
        "type": b"0",
    }
    values |= {"magic": b"ustar\0", "version": b"00", "major": b"0000000\x000000000\0"}
    block = bytearray(512)
    for name, value in {**values, **fields}.items():
        start, _size = FIELD[name]
        block[start : start + len(value)] = value
    if "checksum" not in fields:
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(content: bytes = CONTENT, **fields: bytes) -> bytes:
    return header(**fields) + content + bytes(-len(content) % 512)


END = bytes(1024)


def by_tarfile(*members: tuple[str, bytes, str]) -> bytes:
    """Return what Python's own writer makes of (name, type, link)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = len(CONTENT) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(CONTENT) if info.size else None)
    return out.getvalue()


def pax(records: bytes, kind: bytes) -> bytes:
    return member(records, name=b"PaxHeaders/file", type=kind, size=b"%011o\0" % len(records)) + member() + END


def cve_2025_4517() -> bytes:
    """A chain of long folder names and links that left the target through `filter="data"`."""
    long, steps, path = "d" * 247, "abcdefghijklmnop", ""
    members = []
    for step in steps:
        members += [(path + long, tarfile.DIRTYPE, ""), (path + step, tarfile.SYMTYPE, long)]
        path += long + "/"
    link_path = "/".join(steps) + "/" + "l" * 254
    members += [
        (link_path, tarfile.SYMTYPE, "../" * len(steps)),
        ("escape", tarfile.SYMTYPE, link_path + "/../../outside"),
    ]
    return by_tarfile(*members, ("escape/planted", tarfile.REGTYPE, ""))


def named(name: bytes, **fields: bytes) -> bytes:
    return member(name=name, **fields) + END


# `OUTSIDE` in a name stands for a real folder beside the target.
HOSTILE: dict[str, Callable[[], bytes]] = {
    "dot-dot": lambda: named(b"../outside/planted"),
    "dot-dot in the middle": lambda: named(b"a/../../outside/planted"),
    "dot-dot alone": lambda: named(b".."),
    "dot-dot in the prefix": lambda: named(b"planted", prefix=b"../outside"),
    "absolute": lambda: named(b"/OUTSIDE/planted"),
    "absolute prefix": lambda: named(b"planted", prefix=b"/OUTSIDE"),
    "two slashes": lambda: named(b"//OUTSIDE/planted"),
    "slash in the middle twice": lambda: named(b"a//b"),
    "slash at the end": lambda: named(b"a/"),
    "dot": lambda: named(b"./file"),
    "hidden": lambda: named(b".profile"),
    "backslashes": lambda: named(b"..\\outside\\planted"),
    "no name": lambda: named(b"\0\0\0\0"),
    "nul in the name": lambda: named(b"file\0/../../outside/planted"),
    "line end in the name": lambda: named(b"a\nb"),
    "blank in the name": lambda: named(b"a b"),
    "not ASCII": lambda: named("ｆ".encode()),
    "drive": lambda: named(b"C:planted"),
    "symbolic link": lambda: named(b"file", type=b"2", link=b"../outside"),
    "through a symbolic link": lambda: by_tarfile(("a", b"2", "../outside"), ("a/planted", b"0", "")),
    "hard link": lambda: named(b"file", type=b"1", link=b"/OUTSIDE/canary"),
    "through a hard link": lambda: by_tarfile(("a", b"1", "../outside/canary"), ("a", b"0", "")),
    "the chain of 2025": cve_2025_4517,
    "pipe": lambda: named(b"file", type=b"6"),
    "character device": lambda: named(b"file", type=b"3", major=b"0000001\x000000005\0"),
    "block device": lambda: named(b"file", type=b"4"),
    "folder entry": lambda: named(b"file", type=b"5"),
    "contiguous file": lambda: named(b"file", type=b"7"),
    "old type": lambda: named(b"file", type=b"\0"),
    "sparse file": lambda: named(b"file", type=b"S"),
    "long name": lambda: by_tarfile(("a/" * 150 + "planted", b"0", "")),
    "long link": lambda: by_tarfile(("a", b"2", "../" * 60 + "OUTSIDE")),
    "pax path": lambda: pax(b"27 path=../outside/planted\n", b"x"),
    "pax for all": lambda: pax(b"27 path=../outside/planted\n", b"g"),
    "unknown type": lambda: named(b"file", type=b"Z"),
    "twice": lambda: member() + member() + END,
    "out of order": lambda: member(name=b"b") + member(name=b"a") + END,
    "file and folder": lambda: member(name=b"a") + member(name=b"a/planted") + END,
    "huge": lambda: header(size=b"77777777777\0") + CONTENT,
    "huge in binary": lambda: header(size=b"\x80" + struct.pack(">QH", 0, 0) + b"\xff") + CONTENT,
    "negative in binary": lambda: header(size=b"\xff" * 12) + CONTENT,
    "size with blanks": lambda: named(b"file", size=b"         7 \0 "),
    "size with a sign": lambda: named(b"file", size=b"-0000000007\0"),
    "bad checksum": lambda: named(b"file", checksum=b"000000\0 "),
    "other checksum form": lambda: named(b"file", checksum=b"%07o\0" % (sum(header()) - sum(header()[148:156]) + 256)),
    "set user id": lambda: named(b"file", mode=b"0004755\0"),
    "for all to write": lambda: named(b"file", mode=b"0000777\0"),
    "an owner": lambda: named(b"file", uid=b"0001750\0"),
    "an owner's name": lambda: named(b"file", user=b"root"),
    "a link's name": lambda: named(b"file", link=b"x"),
    "a device's number": lambda: named(b"file", major=b"0000001\0"),
    "bytes after the header": lambda: named(b"file", rest=b"x"),
    "GNU magic": lambda: named(b"file", magic=b"ustar ", version=b" \0"),
    "no magic": lambda: named(b"file", magic=b"\0" * 6, version=b"\0\0"),
    "bytes behind a file": lambda: header() + CONTENT + b"x" * 505 + END,
    "one end block": lambda: member() + bytes(512),
    "no end": member,
    "a second archive behind the end": lambda: member() + END + member(name=b"g") + END,
    "cut in a header": lambda: member()[:200],
    "cut in a file": lambda: member(bytes(5000), size=b"%011o\0" % 5000)[:3000],
    "compressed": lambda: gzip.compress(member() + END),
    "nothing": lambda: b"",
}


def placed(content: bytes, outside: Path) -> bytes:
    """Put a real folder's path for `OUTSIDE` and mend the header's checksum."""
    spot = content.find(b"OUTSIDE")
    if spot < 0:
        return content
    real = str(outside).encode()[1:]
    start = spot // 512 * 512
    block = bytearray(content[start : start + 512])
    field = max((at for at, _size in FIELD.values() if at <= spot - start), default=0)
    size = dict(FIELD.values())[field]
    value = bytes(block[field : field + size]).rstrip(b"\0").replace(b"OUTSIDE", real)
    assert len(value) <= size, value
    block[field : field + size] = value.ljust(size, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return content[:start] + bytes(block) + content[start + 512 :]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder whose path is short, so that it fits where an archive has room for it."""
    with tempfile.TemporaryDirectory(prefix="o") as folder:
        yield Path(folder)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the target with one file in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "canary").write_bytes(b"alive")
    return folder


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_and_writes_nowhere_else(tmp_path: Path, outside: Path, case: str) -> None:
    content = placed(HOSTILE[case](), outside)
    with pytest.raises(IntegrityError):
        extract(io.BytesIO(content), tmp_path / "target", len(content) + 10**6)
    assert {path.name for path in tmp_path.iterdir()} == {"outside", "target"}
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"canary": b"alive"}
    assert all(path.is_dir() or (path.is_file() and not path.is_symlink()) for path in (tmp_path / "target").rglob("*"))


def test_there_are_forty() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize(
    "case",
    ["dot-dot", "dot-dot in the middle", "dot-dot in the prefix", "absolute", "through a symbolic link", "pax path"],
)
def test_an_extractor_that_trusts_names_lets_them_out(tmp_path: Path, outside: Path, case: str) -> None:
    """The positive control: the same archives do write to the other folder."""
    (tmp_path / "target").mkdir()
    if case == "dot-dot in the middle":
        (tmp_path / "target" / "a").mkdir()
    with tarfile.open(fileobj=io.BytesIO(placed(HOSTILE[case](), outside))) as archive:
        archive.extraction_filter = lambda one, _path: one  # type: ignore[assignment]
        archive.extractall(tmp_path / "target")
    assert (outside / "planted").read_bytes() == CONTENT


def test_a_good_archive_of_the_same_header_is_extracted(tmp_path: Path) -> None:
    """Else the cases above might be refused for a fault that all of them share."""
    content = member() + END
    extract(io.BytesIO(content), tmp_path / "target", len(content))
    assert (tmp_path / "target" / "file").read_bytes() == CONTENT
    out = io.BytesIO()
    write(tmp_path / "target", out, 1_700_000_000)
    assert out.getvalue() == content


def test_every_flipped_bit_of_a_header_is_refused(tmp_path: Path) -> None:
    """The checksum finds each single flip (every third is tried), so nothing at all is written."""
    content = member() + END
    for bit in range(0, 512 * 8, 3):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(IntegrityError):
            extract(io.BytesIO(bytes(flipped)), tmp_path / "target", len(content))
        (tmp_path / "target").rmdir()


def test_a_bomb_of_empty_files_ends_at_the_signed_length(tmp_path: Path) -> None:
    members = b"".join(header(name=b"f%06d" % number, size=b"00000000000\0") for number in range(1000))
    with pytest.raises(IntegrityError, match="longer than its signed list"):
        extract(io.BytesIO(members), tmp_path / "target", 10 * 512)
    assert len(list((tmp_path / "target").iterdir())) == 10


def test_a_stick_that_changes_after_it_was_verified_changes_nothing(box: Sandbox) -> None:
    """What is unpacked is the copy in staging: other bytes on the stick come too late."""
    staging = box.folder / "staging"
    receive(box.good, staging, box.public)
    (box.good / "PART001.BIN").write_bytes(b"late")
    assert files_below(unpack(staging, box.public)) == box.payload
    (staging / "PART002.BIN").write_bytes(hashlib.sha256(b"").digest())
    with pytest.raises(IntegrityError, match=r"`PART002\.BIN` was changed"):
        unpack(staging, box.public)
