"""A model.yml is read as plain text and numbers; one that describes no model is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from i3d_rgb_tf.errors import ModelError
from i3d_rgb_tf.spec import entry_folder, load_spec, read_document

TEXT = (entry_folder() / "model.yml").read_text(encoding="utf-8")
LAUGHS = "".join(
    f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9) if level else 'lol'}]\n"
    for level in range(12)
)


def write(folder: Path, old: str, new: str) -> Path:
    assert TEXT.count(old) == 1
    path = folder / "model.yml"
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    return path


def test_the_bundled_model_is_described_with_numbers(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, "license:", "license: x\nother:"))

    assert spec == load_spec()
    assert spec.source_shape == (1, 79, 224, 224, 3)
    assert (spec.mean, spec.scale) == (127.5, 127.5)
    assert spec.frozen_graph.checksum.size_bytes == 51_046_552


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[1, 79, 224, 224, 3]", "[1, 79, 224, 224]"),
        ("[1, 79, 224, 224, 3]", "[1, 79, 224, 224, .inf]"),
        ("[1, 79, 224, 224, 3]", "[1, 79, 224, 224, -3]"),
        ("[1, 79, 224, 224, 3]", "[1, 79, 224, 224, [3]]"),
        ("[1, 79, 224, 224, 3]", "5"),
        ("size: 51046552", "size: .inf"),
        ("size: 51046552", "size: 0"),
        ("size: 51046552", f"size: {'9' * 5_000}"),
        ("NDHWC->NDCHW", "NDHWC"),
        ("NDHWC->NDCHW", "NDHWC->NDCHWX"),
        ("layout: NDHWC->NDCHW", "layout: [NDHWC->NDCHW]"),
        ("name: i3d-rgb.frozen.pb", "name: ../i3d-rgb.frozen.pb"),
        ("name: i3d-rgb.frozen.pb", "name: .."),
        ("name: i3d-rgb.frozen.pb", "name: {a: b}"),
        ("scale_values=Placeholder[127.5]", "scale_values=Placeholder[0]"),
        ("scale_values=Placeholder[127.5]", f"scale_values=Placeholder[{'9' * 400}]"),
        ("mean_values=Placeholder[127.5]", "mean_values=Placeholder[1.2.3]"),
        ("original_source: ", "original_source: [a]\n    other: "),
        ("checksum: ", "other: "),
        ("files:", "others:"),
    ],
)
def test_what_does_not_describe_the_model_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = write(tmp_path, old, new)

    with pytest.raises(ModelError, match=r"model.yml does not describe i3d-rgb-tf: ") as error:
        load_spec(path)
    assert len(str(error.value)) <= 1000


@pytest.mark.parametrize(
    "content",
    [
        b"a: [",
        b"\xff",
        b"a: \0",
        b"[" * 20_000,
        b"a: &a [*a]",
        f"{LAUGHS}input_info: [{{layout: *l11}}]".encode(),
        b"? [a]\n: b",
    ],
    ids=["open", "not UTF-8", "null", "nested", "in itself", "laughs", "list as key"],
)
def test_what_is_not_yaml_of_strings_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.yml"
    path.write_bytes(content)

    with pytest.raises(ModelError, match=r"model.yml is not YAML that can be read: ") as error:
        load_spec(path)
    assert "\n" not in str(error.value)


def test_every_value_is_read_as_the_string_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text("[2001-99-99, !!float abc, .inf, yes, !!python/name:os.system '']")

    assert read_document(path) == ["2001-99-99", "abc", ".inf", "yes", ""]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*gone.yml: No such file"):
        load_spec(tmp_path / "gone.yml")
