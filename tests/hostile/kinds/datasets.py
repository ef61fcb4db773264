"""Lists of the videos of Kinetics-400: CSV and JSON."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from random import Random

from hostile.cases import Case, Kind, Setting
from hostile.mutations import damage_text, encode_document, hostile_text

__all__ = ["KINDS"]

_LABELS = ("abseiling", "air drumming", "answering questions", "Walking_the_Dog", "yoga", "nothing")


def _rows(rng: Random) -> list[dict[str, object]]:
    return [
        {"path": rng.choice((f"v{index}.mp4", "here.mp4", "a/../here.mp4")), "label": label}
        for index, label in enumerate(rng.choices(_LABELS, k=rng.choice((1, 3, 6))))
    ]


def _csv_text(rng: Random, rows: list[dict[str, object]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator=rng.choice(("\n", "\r\n")))
    writer.writeheader()
    for row in rows:
        if rng.random() < 0.2:
            row[rng.choice(list(row))] = hostile_text(rng)
        writer.writerow(row)
    return buffer.getvalue()


def _make_csv(rng: Random, setting: Setting) -> Case:
    (setting.folder / "here.mp4").write_bytes(b"not a video")
    if rng.random() < 0.5:
        source = setting.folder / "list.csv"
        table, rows = source, _rows(rng)
    else:
        source = setting.folder
        for folder in ("annotations", "val"):
            (source / folder).mkdir()
        table = source / "annotations" / "val.csv"
        rows = [
            {
                "label": label,
                "youtube_id": f"id{index}",
                "time_start": index,
                "time_end": 10 + index,
            }
            for index, label in enumerate(rng.choices(_LABELS, k=4))
        ]
        (source / "val" / "id0_000000_000010.mp4").write_bytes(b"not a video")
    text = _csv_text(rng, rows)
    data, what = text.encode("utf-8", "surrogatepass"), "values"
    if rng.random() < 0.8:
        data, what = damage_text(rng, text, separators=',"\r\n')
    if rng.random() < 0.02:
        data, what = data + (b"x,yoga\n" * 100_000), "long"
    table.write_bytes(data)
    return Case(source, what, names=("list.csv", "val.csv", "case"), reads=())


def _make_json(rng: Random, setting: Setting) -> Case:
    source = setting.folder / "list.json"
    (setting.folder / "here.mp4").write_bytes(b"not a video")
    data, what = encode_document(rng, _rows(rng))
    source.write_bytes(data)
    return Case(source, what)


def _load(_: Path) -> None:
    from i3d_rgb_tf.kinetics.annotations import find_label

    find_label("yoga")


def _use(case: Case) -> None:
    from i3d_rgb_tf.kinetics.annotations import read_dataset
    from i3d_rgb_tf.kinetics.manifest import PreparedVideo, write_manifest, write_problems

    listing = read_dataset(case.path)
    output = (case.path if case.path.is_dir() else case.path.parent) / "output"
    write_problems(output, listing.problems)
    write_manifest(
        output, (PreparedVideo(each.name, each.path, each.label, 1) for each in listing.videos)
    )


_IMPORTS = ("i3d_rgb_tf.kinetics.annotations", "i3d_rgb_tf.kinetics.manifest")

KINDS = {
    name: Kind(title, "`read_dataset`", make, _use, load=_load, imports=_IMPORTS, may_write=True)
    for name, title, make in (
        ("csv", "Kinetics CSV", _make_csv),
        ("json", "Kinetics JSON", _make_json),
    )
}
