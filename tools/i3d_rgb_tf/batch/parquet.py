"""Results as Parquet; the only module that imports pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from i3d_rgb_tf.choices import BatchTask
from i3d_rgb_tf.errors import DependencyError

__all__ = ["result_table", "write_parquet"]

_MOST_ROWS, _MOST_BYTES = 64, 2**24
"""Of rows that are in memory at once: as Python's numbers, arrays take 17 times their bytes."""


def write_parquet(path: Path, rows: Iterator[dict[str, Any]], made_with: dict[str, Any]) -> None:
    """Write rows into a file, with what they were made with as metadata of the schema.

    Parameters
    ----------
    path
        Of the file.
    rows
        As `i3d_rgb_tf.batch.merge.merge` describes them.
    made_with
        As in the ``settings.json`` of a folder.

    Raises
    ------
    DependencyError
        pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DependencyError(
            "Parquet needs pyarrow; get it with: pip install 'i3d-rgb-tf[parquet]', or write .jsonl"
        ) from error
    schema = _schema(made_with["task"], made_with["settings"]).with_metadata(
        {"i3d_rgb_tf": json.dumps(made_with)}
    )
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for held in _groups(rows):
            writer.write_table(_table(held, schema))


def result_table(
    rows: list[dict[str, Any]],
    task: BatchTask,
    settings: dict[str, Any],
    others: Mapping[str, Iterable[Any]],
) -> Any:
    """Return rows, with other columns after their own, as ``pyarrow.Table``.

    Parameters
    ----------
    rows
        As `i3d_rgb_tf.batch.merge.merge` describes them.
    task, settings
        What they were made with, as in the ``settings.json`` of a folder.
    others
        Values of other columns by their names; those with names of the rows' own are left out.
    """
    import pyarrow

    table = _table(rows, _schema(task, settings))
    for name, values in others.items():
        if name not in table.column_names:
            table = table.append_column(name, _column(pyarrow, values))
    return table


def _column(arrow: Any, values: Iterable[Any]) -> Any:
    try:
        return arrow.array(values)
    except (TypeError, ValueError, arrow.ArrowNotImplementedError):
        # Arrays of several dimensions.
        return arrow.array([_plain(value) for value in values])


def _table(rows: list[dict[str, Any]], schema: Any) -> Any:
    import pyarrow

    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    return pyarrow.Table.from_pylist(plain, schema=schema)


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    held: list[dict[str, Any]] = []
    num_bytes = 0
    for row in rows:
        held.append(row)
        num_bytes += sum(getattr(value, "nbytes", 0) for value in row.values())
        if len(held) == _MOST_ROWS or num_bytes >= _MOST_BYTES:
            yield held
            held, num_bytes = [], 0
    if held:
        yield held


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        # The names of files need not be text.
        return value.encode("utf-8", "backslashreplace").decode()
    return value.tolist() if hasattr(value, "tolist") else value


def _schema(task: BatchTask, settings: dict[str, Any]) -> Any:
    import pyarrow

    fields: dict[str, Any] = {
        "video": pyarrow.string(),
        "error": pyarrow.string(),
        "num_frames": pyarrow.int64(),
        "duration_seconds": pyarrow.float64(),
        **_COLUMNS[task](pyarrow, settings),
    }
    return pyarrow.schema(fields.items())


def _classify(arrow: Any, _: dict[str, Any]) -> dict[str, Any]:
    prediction = {"label": arrow.string(), "index": arrow.int32(), "probability": arrow.float32()}
    return {
        "num_positions": arrow.int64(),
        "predictions": arrow.list_(arrow.struct(prediction.items())),
    }


def _timeline(arrow: Any, _: dict[str, Any]) -> dict[str, Any]:
    span = {"start_seconds": arrow.float64(), "end_seconds": arrow.float64()}
    scores = {"mean_score": arrow.float64(), "peak_score": arrow.float64()}
    segment = {"label": arrow.string(), **span, **scores}
    position = {**span, "labels": arrow.map_(arrow.string(), arrow.float64())}
    return {
        "num_positions": arrow.int64(),
        "segments": arrow.list_(arrow.struct(segment.items())),
        "positions": arrow.list_(arrow.struct(position.items())),
    }


def _features(arrow: Any, settings: dict[str, Any]) -> dict[str, Any]:
    vectors = arrow.list_(arrow.float32())
    rows = arrow.list_(vectors if settings["crops"] == 1 else arrow.list_(vectors))
    times = arrow.list_(arrow.float64())
    return {
        "frames_per_second": arrow.float64(),
        "is_repeated": arrow.bool_(),
        "times_seconds": times,
        "start_seconds": times,
        "end_seconds": times,
        "rgb": rows,
        **({"logits": rows} if settings["logits"] else {}),
    }


_COLUMNS = {"classify": _classify, "features": _features, "timeline": _timeline}
