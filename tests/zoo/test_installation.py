"""Which layout the model.yml of a zoo has, whatever else is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from i3d_rgb_tf.spec import entry_folder
from i3d_rgb_tf.zoo.installation import has_our_layout

OURS = "input_info: [{layout: NDHWC->NDCHW}]"
LAUGHS = "".join(
    f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9) if level else 'lol'}]\n"
    for level in range(12)
)


def test_our_entry_has_our_layout() -> None:
    assert has_our_layout(entry_folder() / "model.yml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OURS, True),
        (f"{OURS}\nadded: 2001-99-99\nsize: .inf\nother: !!float abc", True),
        ("input_info: [{layout: NDHWC}]", False),
        ("input_info: [{layout: [NDHWC->NDCHW]}]", False),
        ("input_info: []", False),
        ("7", False),
        ("", False),
        ("[" * 20_000, False),
        (f"{LAUGHS}input_info: [{{layout: *l11}}]", False),
        ("added: !!timestamp [1]\ninput_info: 3", False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_layout_of_an_entry_is_read(tmp_path: Path, text: str, expected: bool) -> None:
    path = tmp_path / "model.yml"
    path.write_text(text)

    assert has_our_layout(path) is expected


def test_a_missing_entry_does_not_have_our_layout(tmp_path: Path) -> None:
    assert not has_our_layout(tmp_path / "model.yml")
