"""The parts of a payload and their parity: a Reed-Solomon erasure code over GF(256) in the standard library.

Parity part i is the sum over j of `weight(i, j)` times data part j, byte by byte. The weights are a Cauchy matrix,
1 / (x_i + y_j) with all x and y different, of which every square cut-out can be inverted (Bloemer et al. 1995, "An
XOR-Based Erasure-Resilient Coding Scheme", section 3); so any M lost parts of N + M are computed from the N others.
Each column is divided by its first weight, which keeps that property and makes the first parity part a plain XOR.

A product with a constant is `bytes.translate`, a sum is the XOR of two long integers; files are read in blocks.
The field is that of the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d), whose powers of 2 are all its elements but zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from bundle.errors import IntegrityError
from bundle.words import _

MOST_PARTS = 255
_BLOCK = 1 << 17


def data_names(header: Mapping[str, str]) -> list[str]:
    """Return the names of the payload's parts in order, from the header of `PARTS`."""
    return [f"PART{number:03}.BIN" for number in range(1, int(header["data-parts"]) + 1)]


def parity_names(header: Mapping[str, str]) -> list[str]:
    """Return the names of the parity parts in order, from the header of `PARTS`."""
    return [f"PARITY{number:02}.BIN" for number in range(1, int(header["parity-parts"]) + 1)]


def part_sizes(header: Mapping[str, str]) -> dict[str, int]:
    """Return the bytes of every part by its name, from the header of `PARTS`: all are full but the last."""
    whole, full = int(header["payload-bytes"]), int(header["part-bytes"])
    sizes = {name: min(full, whole - number * full) for number, name in enumerate(data_names(header))}
    return {**sizes, **dict.fromkeys(parity_names(header), min(full, whole))}


def encode(data: Sequence[Path], parity: Sequence[Path]) -> None:
    """Write the parity parts of the data parts; each is as long as the longest of them."""
    longest = max(path.stat().st_size for path in data)
    rows = [[_weight(i, j) for j in range(len(data))] for i in range(len(parity))]
    _combine(data, rows, parity, [longest] * len(parity))


def repair(data: Sequence[Path], parity: Sequence[Path], lost: set[Path], sizes: Mapping[str, int]) -> None:
    """Write the `lost` ones of the data and parity parts from the others, which the caller has checked; `sizes` are bytes by name.

    Raises `IntegrityError` where more data parts are lost than parity parts are left.
    """
    holes = [j for j, path in enumerate(data) if path in lost]
    left = [i for i, path in enumerate(parity) if path not in lost][: len(holes)]
    if len(left) < len(holes):
        raise IntegrityError(
            _(
                "{lost} parts are lost and {left} parity parts are left, so they cannot be computed: {names}",
                lost=len(holes),
                left=len(left),
                names=", ".join(f"`{data[j].name}`" for j in holes),
            )
        )
    if holes:
        _compute(data, parity, holes, left, sizes)
    again = [path for path in parity if path in lost]
    rows = [[_weight(parity.index(path), j) for j in range(len(data))] for path in again]
    _combine(data, rows, again, [sizes[path.name] for path in again])


def _compute(
    data: Sequence[Path], parity: Sequence[Path], holes: list[int], left: list[int], sizes: Mapping[str, int]
) -> None:
    # parity = A lost + B kept, so lost = A^-1 parity + (A^-1 B) kept: one more sum of weighted files.
    kept = [j for j in range(len(data)) if j not in holes]
    inverse = _inverse([[_weight(i, j) for j in holes] for i in left])
    over_kept = [[_dot(row, [_weight(i, j) for i in left]) for j in kept] for row in inverse]
    rows = [row + over for row, over in zip(inverse, over_kept)]
    sources = [parity[i] for i in left] + [data[j] for j in kept]
    _combine(sources, rows, [data[j] for j in holes], [sizes[data[j].name] for j in holes])


def _combine(sources: Sequence[Path], rows: list[list[int]], outs: Sequence[Path], sizes: Sequence[int]) -> None:
    """Write to each of `outs` the sum of the sources weighted by its row, cut to its size in bytes."""
    with ExitStack() as stack:
        readers = [stack.enter_context(path.open("rb")) for path in sources]
        writers = [stack.enter_context(path.open("wb")) for path in outs]
        for start in range(0, max(sizes, default=0), _BLOCK):
            sums = [0] * len(rows)
            for column, reader in enumerate(readers):
                block = reader.read(_BLOCK)
                for number, row in enumerate(rows):
                    # Little-endian, so that a short last block is one with zeros behind it.
                    sums[number] ^= int.from_bytes(block.translate(_times(row[column])), "little")
            for total, writer, size in zip(sums, writers, sizes):
                writer.write(total.to_bytes(_BLOCK, "little")[: max(0, size - start)])


def _weight(i: int, j: int) -> int:
    # x_i = 255 - i and y_j = j are different as long as there are at most 255 parts in all.
    return _product(_reciprocal((255 - i) ^ j), 255 ^ j)


def _product(a: int, b: int) -> int:
    if not a or not b:
        return 0
    powers, logarithms = _tables()
    return powers[(logarithms[a] + logarithms[b]) % 255]


def _reciprocal(a: int) -> int:
    powers, logarithms = _tables()
    return powers[-logarithms[a] % 255]


def _dot(left: Sequence[int], right: Sequence[int]) -> int:
    total = 0
    for a, b in zip(left, right):
        total ^= _product(a, b)
    return total


def _inverse(matrix: list[list[int]]) -> list[list[int]]:
    """Invert a square matrix by Gauss-Jordan elimination; in this field a row is subtracted by XOR."""
    size = len(matrix)
    rows = [row + [int(i == j) for j in range(size)] for i, row in enumerate(matrix)]
    for column in range(size):
        # A Cauchy matrix has no zero pivot on the way, as each of its leading cut-outs can be inverted.
        factor = _reciprocal(rows[column][column])
        rows[column] = [_product(factor, value) for value in rows[column]]
        for other in range(size):
            if other != column:
                factor = rows[other][column]
                rows[other] = [value ^ _product(factor, pivot) for value, pivot in zip(rows[other], rows[column])]
    return [row[size:] for row in rows]


@cache
def _tables() -> tuple[list[int], list[int]]:
    """Return the powers of 2, and the logarithm of each element (that of zero is never asked for)."""
    powers, logarithms, value = [], [0] * 256, 1
    for exponent in range(255):
        powers.append(value)
        logarithms[value] = exponent
        value = value << 1 ^ (0x11D if value & 0x80 else 0)
    return powers, logarithms


@cache
def _times(factor: int) -> bytes:
    return bytes(_product(factor, value) for value in range(256))
