"""Parquet, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from appliance.cells import LostDigits, NoText, cell_text
from appliance.data.formats.rows import Fault, IngestOptions, Row, require_columns
from appliance.errors import InputError
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["read"]

_BATCH_ROWS = 500


def read(path: Path, name: str, options: IngestOptions, _settings: IngestSettings) -> Iterator[Row | Fault]:
    """Read the wanted columns of a Parquet file, streaming.

    Faults: bytes that are no UTF-8, lists and structures, floating-point numbers that lost digits. Raises `InputError` for a damaged
    file (naming the row it was read to) and a missing column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            require_columns(name, options, file.schema_arrow.names)
            columns = list(options.wanted)
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
                for values in zip(*(_values(batch.column(column)) for column in columns), strict=True):
                    number += 1
                    yield _row(number, columns, values, options.text_column)
    except (OSError, pa.ArrowException, MemoryError, UnicodeDecodeError) as error:
        raise InputError(
            _(
                "cannot read `{file}` after row {row}: damaged, or no Parquet; write it again and compare its hash",
                file=name,
                row=number,
            )
        ) from error


def _values(column: object) -> list[object]:
    return column.to_pylist()  # type: ignore[attr-defined, no-any-return]


def _row(number: int, columns: list[str], values: tuple[object, ...], text_column: str) -> Row | Fault:
    fields: dict[str, str | None] = {}
    for column, value in zip(columns, values, strict=True):
        try:
            fields[column] = value.decode() if isinstance(value, bytes) else cell_text(value)
        except UnicodeDecodeError:
            return Fault(number, None, _("column `{column}` holds bytes that are no UTF-8", column=column))
        except LostDigits:
            return Fault(number, None, _("column `{column}`: a floating-point number of 12 digits or more has lost digits; write the column as text", column=column))  # fmt: skip
        except NoText as error:
            return Fault(number, None, _("column `{column}` holds {kind}, not text", column=column, kind=error))
    return Row(number, None, fields[text_column], fields)
