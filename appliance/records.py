"""Sets of records as Parquet: streamed out, streamed in, encrypted where they are raw.

Raw sets use Parquet modular encryption (whole columns and footer, AES-256-GCM). Memory stays bounded by one row group.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import IntegrityError, MissingPartError
from appliance.keys import seal, unseal
from appliance.schema import Record, Rejected, Source
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

__all__ = ["RowGroups", "read_records", "read_rejected", "write_records", "write_rejected"]

_PLAIN = ("id", "text", "label", "split", "group", "subject", "language", "source_key")
_SOURCE = ("source_file", "source_row", "source_id", "kept")
_GROUP_BYTES = 32 * 1024**2  # a row group is closed at this many characters even when it has few rows


def write_records(path: Path, records: Iterable[Record], rows_per_group: int, key: bytes | None = None) -> int:
    """Stream `records` into one Parquet file; encrypted, with the source columns, when a data `key` (32 bytes) is given. Returns the rows."""
    names = _PLAIN + (_SOURCE if key else ())
    row = _raw_row if key else _plain_row
    return _write(path, names, (row(record) for record in records), rows_per_group, key)


def write_rejected(path: Path, rejected: Iterable[Rejected], rows_per_group: int, key: bytes) -> int:
    """Stream rejected rows into one encrypted Parquet file (file names are personal data). Returns the rows."""
    rows = ((item.file, str(item.row), None if item.byte is None else str(item.byte), item.reason) for item in rejected)
    return _write(path, ("file", "row", "byte", "reason"), rows, rows_per_group, key)


def read_records(path: Path, key: bytes | None = None, split: str | None = None) -> Iterator[Record]:
    """Stream the records of one Parquet file, only those of `split` when it is given.

    Raises `IntegrityError` when the file cannot be read or the key does not fit.
    """
    for row in _read(path, key):
        if split is None or row["split"] == split:
            yield _record(row)


def read_rejected(path: Path, key: bytes) -> Iterator[Rejected]:
    """Stream the rejected rows of a raw set."""
    for row in _read(path, key):
        yield Rejected(row["file"], int(row["row"]), None if row["byte"] is None else int(row["byte"]), row["reason"])


class RowGroups:
    """Random access to a Parquet file of records that are not raw, by row counted from 0: a row group is read whole and some stay in memory.

    Raises `IntegrityError` when the file cannot be read.
    """

    def __init__(self, path: Path, keep: int = 3) -> None:
        self.path, self._keep = path, keep
        with _readable(path) as pq:
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
        sizes = (self._file.metadata.row_group(one).num_rows for one in range(self._file.num_row_groups))
        self._ends = list(accumulate(sizes))
        self._groups: dict[int, Any] = {}  # the latest used stand last

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def record(self, row: int) -> Record:
        """Return the record of one row, 0 <= row < len."""
        group = bisect_right(self._ends, row)
        table = self._groups.pop(group, None)
        if table is None:
            with _readable(self.path):
                table = self._file.read_row_group(group)
        self._groups[group] = table
        while len(self._groups) > self._keep:
            del self._groups[next(iter(self._groups))]
        start = self._ends[group] - table.num_rows
        return _record(table.slice(row - start, 1).to_pylist()[0])

    def column(self, name: str) -> list[str | None]:
        """Return one column (`id`, `label`, `split` ...) of all rows, in their order."""
        with _readable(self.path):
            values: list[str | None] = self._file.read(columns=[name]).column(0).to_pylist()
        return values

    def characters(self) -> np.ndarray[Any, Any]:
        """Return how many code points each text has, in the order of the rows: int32 (rows). Memory stays bounded by one row group."""
        import numpy as np
        import pyarrow.compute as pc

        def lengths(group: int) -> np.ndarray[Any, Any]:
            texts = self._file.read_row_group(group, columns=["text"]).column(0)
            found: np.ndarray[Any, Any] = pc.utf8_length(texts).to_numpy()
            return found

        with _readable(self.path):
            return np.concatenate([np.zeros(0, np.int32), *map(lengths, range(self._file.num_row_groups))])


def _plain_row(record: Record) -> tuple[str | None, ...]:
    return (
        record.id, record.text, record.label, record.split, record.group, record.subject, record.language, record.source_key,
    )  # fmt: skip


def _raw_row(record: Record) -> tuple[str | None, ...]:
    source = record.source
    assert source is not None, "a raw record names its source"
    kept = json.dumps(dict(source.kept), ensure_ascii=False) if source.kept else None
    return (*_plain_row(record), source.file, str(source.row), source.id, kept)


def _record(row: dict[str, Any]) -> Record:
    source = None
    if "source_file" in row:
        source = Source(
            row["source_file"], int(row["source_row"]), row["source_id"], json.loads(row["kept"]) if row["kept"] else {}
        )
    return Record(**{name: row[name] for name in _PLAIN}, source=source)


def _write(
    path: Path, names: tuple[str, ...], rows: Iterable[tuple[str | None, ...]], rows_per_group: int, key: bytes | None
) -> int:
    pa, pq = _pyarrow()
    schema = pa.schema([(name, pa.string()) for name in names])
    options = {"encryption_properties": _encryption(key)} if key else {}
    written = 0
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True, **options) as writer:

        def flush(batch: list[tuple[str | None, ...]]) -> None:
            columns = [pa.array(column, pa.string()) for column in zip(*batch, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=schema))

        batch: list[tuple[str | None, ...]] = []
        size = 0
        for row in rows:
            batch.append(row)
            size += len(row[1] or "")
            if len(batch) >= rows_per_group or size >= _GROUP_BYTES:
                flush(batch)
                written += len(batch)
                batch, size = [], 0
        if batch:
            flush(batch)
            written += len(batch)
    return written


def _read(path: Path, key: bytes | None) -> Iterator[dict[str, Any]]:
    with _readable(path) as pq:
        options = {"decryption_properties": _decryption(key)} if key else {"page_checksum_verification": True}
        with pq.ParquetFile(path, **options) as file:
            for batch in file.iter_batches(batch_size=2000):
                yield from batch.to_pylist()


@contextmanager
def _readable(path: Path) -> Iterator[Any]:
    pa, pq = _pyarrow()
    try:
        yield pq
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(
            _("cannot read `{path}`: damaged, or the key does not fit; see `skerry fsck`", path=path)
        ) from error


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingPartError(
            _("data sets need the extra `data`: install `skerry[data]` from the wheelhouse")
        ) from error
    return pa, pq


def _factory(key: bytes) -> Any:
    from pyarrow.parquet.encryption import CryptoFactory, KmsClient

    class DataKey(KmsClient):  # type: ignore[misc]
        """Wraps each file's own key with the set's data key."""

        def __init__(self, _configuration: Any) -> None:
            KmsClient.__init__(self)

        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
            return seal(key, key_bytes, master_key_identifier)

        def unwrap_key(self, wrapped_key: str | bytes, master_key_identifier: str) -> bytes:
            return unseal(key, wrapped_key, master_key_identifier)

    make: Callable[[Any], Any] = DataKey
    return CryptoFactory(make)


def _encryption(key: bytes) -> Any:
    from pyarrow.parquet.encryption import EncryptionConfiguration, KmsConnectionConfig

    configuration = EncryptionConfiguration(
        footer_key="set", uniform_encryption=True, double_wrapping=False, data_key_length_bits=256
    )
    return _factory(key).file_encryption_properties(KmsConnectionConfig(), configuration)


def _decryption(key: bytes) -> Any:
    from pyarrow.parquet.encryption import DecryptionConfiguration, KmsConnectionConfig

    return _factory(key).file_decryption_properties(KmsConnectionConfig(), DecryptionConfiguration())
