"""The results of a folder in one file, read back by pyarrow and json."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet
import pytest

from i3d_rgb_tf.batch import cluster
from i3d_rgb_tf.batch.results import result_name
from i3d_rgb_tf.cli import main
from i3d_rgb_tf.errors import DependencyError

pytestmark = pytest.mark.slow


def run(model: Path, archive: Path, out: Path, *options: str) -> int:
    listing = str(archive / "list.txt")
    return main(
        ["batch", "classify", "-m", str(model), "--list", listing, "-o", str(out), *options]
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, quick_model: Path, archive: Path) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    run(quick_model, archive, out)
    return out


@pytest.fixture
def out(tmp_path: Path, finished: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "out"))


def test_a_table_has_a_row_for_each_video_with_its_columns_or_its_error(
    out: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "merge", str(out)]) == 0
    assert main(["batch", "merge", str(out), "-o", str(out / "all.jsonl")]) == 0

    table = pyarrow.parquet.read_table(out / "results.parquet")
    rows = table.to_pylist()
    assert sorted(row["video"] for row in rows) == sorted(
        (archive / "list.txt").read_text().splitlines()
    )
    assert {bool(row["error"]) is not bool(row["predictions"]) for row in rows} == {True}
    assert [row["num_frames"] for row in rows if not row["error"]] == [12] * 6
    assert json.loads(table.schema.metadata[b"i3d_rgb_tf"]) == json.loads(
        (out / "settings.json").read_bytes()
    )
    lines = [json.loads(line) for line in (out / "all.jsonl").read_text().splitlines()]
    for line, row in zip(lines, rows, strict=True):
        assert {**dict.fromkeys(row), **line}.keys() == row.keys()
        assert line["video"] == row["video"]
        assert line["error"] == row["error"]
        labels = [each["label"] for each in line.get("predictions", [])]
        assert labels == [each["label"] for each in row["predictions"] or []]
    assert f"{out / 'results.parquet'}: 10 videos, 4 of them failed" in capsys.readouterr().out


def test_missing_shards_are_reported(
    tmp_path: Path, quick_model: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for shard in ("1/3", "3/3"):
        run(quick_model, archive, out, "--shard", shard)
    capsys.readouterr()

    assert main(["batch", "merge", str(out)]) == 1
    assert "not finished: --shard 2/3; run them, and merge again" in capsys.readouterr().err
    assert (out / "results.parquet").exists()

    run(quick_model, archive, out, "--shard", "2/3")
    assert main(["batch", "merge", str(out)]) == 0


def test_a_shard_that_was_begun_only_is_missing(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = out / "shards" / "1-of-1.json"
    mark.write_text(mark.read_text().replace("true", "false"))

    assert main(["batch", "merge", str(out)]) == 1
    assert "not finished: --shard 1/1" in capsys.readouterr().err


def test_a_shard_with_a_video_that_was_given_up_is_missing(
    tmp_path: Path,
    quick_model: Path,
    archive: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def give_up(run, videos, made_with, *, address):
        yield from (each.error for each in run.infer(videos[1:], made_with))
        yield f"{videos[0]} has no result"

    monkeypatch.setattr(cluster, "import_ray", bool)
    monkeypatch.setattr(cluster, "infer_on_cluster", give_up)
    out = tmp_path / "out"
    run(quick_model, archive, out, "--engine", "ray")

    assert main(["batch", "merge", str(out)]) == 1
    assert "not finished: --shard 1/1" in capsys.readouterr().err

    run(quick_model, archive, out)
    assert main(["batch", "merge", str(out)]) == 0


@pytest.mark.parametrize("settings", [{"task": []}, {"task": "classify"}, []])
def test_settings_that_were_edited_by_hand_are_one_line(
    out: Path, settings: object, capsys: pytest.CaptureFixture[str]
) -> None:
    (out / "settings.json").write_text(json.dumps(settings))

    assert main(["batch", "merge", str(out)]) == 1
    assert "settings.json was not written by i3d-rgb-tf batch; " in capsys.readouterr().err


def test_results_of_other_settings_are_not_mixed(
    out: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = out / result_name(str(archive / "0" / "a0.mp4"), ".json")
    document = json.loads(path.read_bytes())
    document["made_with"]["settings"]["top_k"] = 7
    path.write_text(json.dumps(document))

    assert main(["batch", "merge", str(out)]) == 1

    assert "is of other settings than the folder: settings.top_k is 7, expected 5" in (
        capsys.readouterr().err
    )
    assert not (out / "results.parquet").exists()


def test_a_damaged_result_is_not_left_out(
    out: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = out / result_name(str(archive / "0" / "a0.mp4"), ".json")
    path.write_bytes(b"")

    assert main(["batch", "merge", str(out)]) == 1
    assert f"{path} is damaged; remove it, and run the batch again" in capsys.readouterr().err


def test_a_result_beside_an_older_error_counts_once(out: Path, archive: Path) -> None:
    video = str(archive / "0" / "a0.mp4")
    stale = json.loads((out / result_name(video, ".json")).read_bytes()) | {"error": "once"}
    (out / result_name(video, ".error.json")).write_text(json.dumps(stale))

    assert main(["batch", "merge", str(out)]) == 0

    rows = pyarrow.parquet.read_table(out / "results.parquet").to_pylist()
    assert [row["error"] for row in rows if row["video"] == video] == [None]


def test_another_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "merge", str(tmp_path)]) == 1
    assert f"{tmp_path} has no settings.json, expected the output folder" in capsys.readouterr().err


def test_another_ending_is_wrong_usage(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["batch", "merge", str(out), "-o", "all.xlsx"])
    assert "--output is all.xlsx, expected an ending of .parquet, .jsonl" in capsys.readouterr().err


def test_a_url_is_no_file(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["batch", "merge", str(out), "-o", "s3://bucket/all.parquet"])
    assert "s3://bucket/all.parquet is a URL, expected a file" in capsys.readouterr().err


def test_without_pyarrow_the_error_says_how_to_get_it(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)

    assert main(["batch", "merge", str(out)]) == 1
    assert "pip install 'i3d-rgb-tf[parquet]', or write .jsonl" in capsys.readouterr().err
    assert issubclass(DependencyError, ImportError)


def test_parts_of_an_older_list_do_not_count_for_a_longer_one(
    quick_model: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shorter = tmp_path / "shorter.txt"
    shorter.write_text(str(archive / "0" / "a0.mp4") + "\n")
    model = ["-m", str(quick_model)]
    folder = tmp_path / "grown"
    main(["batch", "classify", *model, "--list", str(shorter), "-o", str(folder)])
    assert main(["batch", "merge", str(folder)]) == 0

    run(quick_model, archive, folder, "--shard", "1/2")
    capsys.readouterr()
    assert main(["batch", "merge", str(folder)]) == 1
    assert "not finished: --shard 2/2; " in capsys.readouterr().err

    run(quick_model, archive, folder, "--shard", "2/2")
    assert main(["batch", "merge", str(folder)]) == 0


@pytest.mark.parametrize("content", ["", "{}"])
def test_a_damaged_mark_is_one_of_a_part_that_is_missing(out: Path, content: str) -> None:
    (out / "shards" / "1-of-1.json").write_text(content)

    assert main(["batch", "merge", str(out)]) == 1
