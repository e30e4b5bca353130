"""How many rows share each combination of quasi-identifiers, and how to widen and hide cells until at least k do.

An equivalence class is the rows with equal quasi-identifiers; a hidden cell (`*`) is equal to hidden cells only, which is the strict reading. A table is
k-anonymous when no class has fewer than k rows (Sweeney 2002, doi 10.1142/S0218488502001648), and distinct l-diverse when each class has at least l values of a
sensitive column (Machanavajjhala et al. 2007, doi 10.1145/1217299.1217302). The prosecutor's risk of a row is 1 / the size of its class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.errors import InputError
from appliance.privacy.tables.widen import HIDDEN, steps
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from appliance.privacy.tables.roles import Roles

__all__ = ["Anonymous", "anonymize", "measure"]

_HIDDEN_SHARE = (
    0.05  # of the rows may lose cells before a column is widened further: Datafly's limit, here five in a hundred
)
_SIZES = (1, 2, 3, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Anonymous:
    """A table whose classes have at least k rows, and what that cost: the level of each column and the hidden cells."""

    table: pa.Table
    levels: dict[str, int]
    hidden_cells: int


class _Column:
    """A quasi-identifying column as codes of its different values, at each level of its way."""

    def __init__(self, cells: pa.ChunkedArray, way: str) -> None:
        import numpy as np

        encoded = cells.combine_chunks().dictionary_encode()
        self.rows: NDArray[np.int64] = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        values = encoded.dictionary.to_pylist()
        self.levels: list[tuple[list[str], NDArray[np.int64]]] = []
        for step in steps(way, values):
            names = [step(value) for value in values]
            known = {name: place for place, name in enumerate(dict.fromkeys(names))}
            codes = np.array([known[name] for name in names], dtype=np.int64)
            self.levels.append((list(known), codes))

    def codes(self, level: int) -> NDArray[np.int64]:
        """Codes of the rows at a level."""
        return self.levels[level][1][self.rows]


def anonymize(table: pa.Table, roles: Roles) -> Anonymous:
    """Widen columns, the one with most different values first (Datafly, Sweeney 1997), until few rows are left in classes below k, then hide cells of those.

    Identifying columns are left out; all other columns and the order of the rows stay. Raises `InputError` for fewer than k rows or no quasi-identifying column.
    """
    import numpy as np
    import pyarrow as pa

    quasi = roles.named("quasi-identifying")
    if not quasi:
        raise InputError(_("no column is quasi-identifying; nothing has to be widened or hidden"))
    if table.num_rows < roles.k:
        raise InputError(_("{rows} rows can never be {k}-anonymous", rows=table.num_rows, k=roles.k))
    columns = [_Column(table[column.name], column.way) for column in quasi]
    levels = _widened(columns, roles.k)
    codes = np.stack([column.codes(level) for column, level in zip(columns, levels, strict=True)], axis=1)
    hidden = _hide(codes, roles.k)
    made = {}
    for place, (column, level) in enumerate(zip(columns, levels, strict=True)):
        cells = np.array(column.levels[level][0], dtype=object)[np.maximum(codes[:, place], 0)]
        cells[codes[:, place] < 0] = HIDDEN
        made[quasi[place].name] = pa.array(cells, pa.string())
    identifying = {column.name for column in roles.named("identifying")}
    kept = {name: made.get(name, table[name]) for name in table.column_names if name not in identifying}
    named = {column.name: level for column, level in zip(quasi, levels, strict=True)}
    return Anonymous(pa.table(kept), named, hidden)


def _widened(columns: Sequence[_Column], k: int) -> list[int]:
    import numpy as np

    levels = [0] * len(columns)
    while True:
        codes = [column.codes(level) for column, level in zip(columns, levels, strict=True)]
        sizes = class_sizes(np.stack(codes, axis=1))
        open_ones = [place for place, column in enumerate(columns) if levels[place] < len(column.levels) - 1]
        if (sizes < k).sum() <= _HIDDEN_SHARE * len(sizes) or not open_ones:
            return levels
        levels[max(open_ones, key=lambda place: len(np.unique(codes[place])))] += 1


def class_sizes(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row of `codes` (rows, columns) how many rows are equal to it."""
    import numpy as np

    _values, place, counts = np.unique(_keys(codes), return_inverse=True, return_counts=True)
    return counts[place.reshape(-1)]


def _keys(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number a row, equal for equal rows."""
    import numpy as np

    keys = np.zeros(len(codes), dtype=np.int64)
    for column in codes.T:
        # made dense again each time, so that the product stays small
        pair = keys * (int(column.max(initial=0)) + 2) + column + 1
        keys = np.unique(pair, return_inverse=True)[1].reshape(-1)
    return keys


def _hide(codes: NDArray[np.int64], k: int) -> int:
    """Hide cells (-1) of rows in classes below k, in place, as few as a greedy choice finds; return how many.

    Each round hides, for the rows that are left, the column that brings most of them into a class of k; where none does, the column with most values in all of them.
    """
    import numpy as np

    left = np.flatnonzero(class_sizes(codes) < k)
    while len(left):
        open_ones = [place for place in range(codes.shape[1]) if (codes[left, place] >= 0).any()]
        if not open_ones:
            _borrow(codes, left, k)
            break
        solved = {place: _solved(codes, left, place, k) for place in open_ones}
        best = max(open_ones, key=lambda place: len(solved[place]))
        if len(solved[best]):
            codes[solved[best], best] = -1
        else:
            widest = max(open_ones, key=lambda place: len(np.unique(codes[left, place])))
            codes[left, widest] = -1
        left = np.flatnonzero(class_sizes(codes) < k)
    return int((codes < 0).sum())


def _solved(codes: NDArray[np.int64], left: NDArray[np.int64], place: int, k: int) -> NDArray[np.int64]:
    tried = codes.copy()
    tried[left, place] = -1
    return left[class_sizes(tried)[left] >= k]


def _borrow(codes: NDArray[np.int64], left: NDArray[np.int64], k: int) -> None:
    """Fewer than k rows are hidden altogether: hide more rows with them, from a class that can spare them, else a whole class."""
    import numpy as np

    sizes = class_sizes(codes)
    shown = np.flatnonzero((codes >= 0).any(axis=1))
    wanted = k - len(left)
    spare = shown[sizes[shown] >= k + wanted]
    if len(spare):
        one_class = np.flatnonzero(_keys(codes) == _keys(codes)[spare[0]])
        codes[one_class[:wanted]] = -1
    elif len(shown):
        smallest = shown[np.argmin(sizes[shown])]
        codes[np.flatnonzero(_keys(codes) == _keys(codes)[smallest])] = -1


def measure(table: pa.Table, roles: Roles) -> dict[str, Any]:
    """Return `k`, `classes`, `rows_below_k`, `risk` (highest and mean of the prosecutor's), `sizes` (rows by class size) and `l` for each sensitive column."""
    import numpy as np

    quasi = [column.name for column in roles.named("quasi-identifying")]
    if not quasi or not table.num_rows:
        return {
            "rows": table.num_rows,
            "k": table.num_rows,
            "classes": min(1, table.num_rows),
            "rows_below_k": 0,
            "sizes": {},
            "l": {},
        }
    codes = np.stack([_Column(table[name], "category").codes(0) for name in quasi], axis=1)
    sizes, keys = class_sizes(codes), _keys(codes)
    classes = len(np.unique(keys))
    return {
        "rows": len(sizes),
        "quasi_identifying": quasi,
        "k": int(sizes.min()),
        "classes": classes,
        "rows_below_k": int((sizes < roles.k).sum()),
        "risk": {"highest": round(1 / int(sizes.min()), 4), "mean": round(classes / len(sizes), 4)},
        "sizes": _histogram(sizes),
        "l": {column.name: _diversity(keys, table[column.name]) for column in roles.named("sensitive")},
    }


def _histogram(sizes: NDArray[np.int64]) -> dict[str, int]:
    found = {}
    for low, high in zip(_SIZES, (*_SIZES[1:], None), strict=True):
        rows = int(((sizes >= low) & (sizes < high)).sum() if high else (sizes >= low).sum())
        found[str(low) if high == low + 1 else f"{low}-{high - 1}" if high else f"{low}+"] = rows
    return found


def _diversity(keys: NDArray[np.int64], cells: pa.ChunkedArray) -> int:
    import numpy as np

    values = _Column(cells, "category").codes(0)
    pairs = np.unique(np.stack([keys, values]), axis=1)
    return int(np.unique(pairs[0], return_counts=True)[1].min())
