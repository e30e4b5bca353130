"""Any M lost parts of N + M come back, from the arithmetic up to the files."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import pytest

from bundle import parity
from bundle.errors import IntegrityError

HEADER = {"data-parts": "20", "parity-parts": "2", "part-bytes": "100", "payload-bytes": "1937"}


def make(folder: Path, header: dict[str, str]) -> tuple[list[Path], list[Path], dict[str, int]]:
    sizes = parity.part_sizes(header)
    data = [folder / name for name in parity.data_names(header)]
    extra = [folder / name for name in parity.parity_names(header)]
    chance = random.Random(5)
    for path in data:
        path.write_bytes(chance.randbytes(sizes[path.name]))
    parity.encode(data, extra)
    return data, extra, sizes


def test_the_field_is_the_one_that_its_polynomial_makes() -> None:
    """x * x^7 = x^8 = x^4 + x^3 + x^2 + 1; every element but zero has a reciprocal."""
    assert parity._product(2, 0x80) == 0x1D
    assert [parity._product(a, parity._reciprocal(a)) for a in range(1, 256)] == [1] * 255
    assert parity._times(0) == bytes(256) and parity._times(1) == bytes(range(256))


def test_the_first_parity_part_is_a_plain_xor(tmp_path: Path) -> None:
    data, [first, _second], _sizes = make(tmp_path, HEADER)
    total = 0
    for path in data:
        total ^= int.from_bytes(path.read_bytes(), "little")
    assert first.read_bytes() == total.to_bytes(100, "little")


def test_any_two_of_twenty_parts_and_two_parity_parts_come_back(tmp_path: Path) -> None:
    data, extra, sizes = make(tmp_path, HEADER)
    whole = {path: path.read_bytes() for path in [*data, *extra]}
    assert len(whole[data[-1]]) == 37, "the last part is a short one"
    for lost in combinations(whole, 2):
        for path in lost:
            path.write_bytes(b"spoilt")
        parity.repair(data, extra, set(lost), sizes)
        assert {path: path.read_bytes() for path in lost} == {path: whole[path] for path in lost}


@pytest.mark.parametrize(("parts", "spare"), [(1, 1), (3, 5), (250, 5)])
def test_as_many_as_there_are_parity_parts_come_back(tmp_path: Path, parts: int, spare: int) -> None:
    header = {
        "data-parts": str(parts),
        "parity-parts": str(spare),
        "part-bytes": "50",
        "payload-bytes": str(50 * parts - 7),
    }
    data, extra, sizes = make(tmp_path, header)
    whole = {path: path.read_bytes() for path in [*data, *extra]}
    for seed in range(10):
        lost = set(random.Random(seed).sample([*data, *extra], min(spare, parts)))
        for path in lost:
            path.unlink()
        parity.repair(data, extra, lost, sizes)
        assert {path: path.read_bytes() for path in lost} == {path: whole[path] for path in lost}


def test_one_more_is_refused_by_name(tmp_path: Path) -> None:
    data, extra, sizes = make(tmp_path, HEADER)
    with pytest.raises(IntegrityError, match=r"3 parts are lost and 2 parity parts.*`PART002\.BIN`"):
        parity.repair(data, extra, {data[1], data[4], data[9]}, sizes)
    with pytest.raises(IntegrityError, match="1 parity parts"):
        parity.repair(data, extra, {data[1], data[4], extra[0]}, sizes)


def test_more_than_one_block_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in blocks, so that a part of 4 GiB takes no more memory than a small one."""
    monkeypatch.setattr(parity, "_BLOCK", 16)
    data, extra, sizes = make(tmp_path, HEADER)
    whole = {path: path.read_bytes() for path in (data[0], data[19])}
    parity.repair(data, extra, set(whole), sizes)
    assert {path: path.read_bytes() for path in whole} == whole
