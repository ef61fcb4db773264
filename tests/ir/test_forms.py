"""A form makes another network of the IR, and its name is another where the network is."""

from __future__ import annotations

import pytest

from i3d_rgb_tf.ir import layouts, positions, streaming
from i3d_rgb_tf.ir.files import read_ir
from i3d_rgb_tf.ir.forms import CLIP, chunk_form, forms_digest, window_form
from networks import count_nodes, save_small_i3d


@pytest.fixture
def model(tmp_path):
    return read_ir(save_small_i3d(tmp_path / "small.xml"))


def test_a_clip_is_the_network_as_it_is(model):
    before = count_nodes(model)

    assert CLIP.adapt(model) is model
    assert count_nodes(model) == before


def test_a_chunk_is_for_the_next_frames_of_a_video(model):
    adapted = chunk_form(80).adapt(model)

    assert list(adapted.input(0).shape) == [1, 86, 224, 224, 3]
    assert list(adapted.output(0).shape) == [1, 10, 1424]
    assert len(adapted.inputs) == len(adapted.outputs) + 1 > 10


@pytest.mark.parametrize(("num_frames", "positions"), [(9, 1), (16, 1), (17, 2), (64, 7)])
def test_a_window_is_a_video_of_its_own(model, num_frames, positions):
    adapted = window_form(num_frames).adapt(model)

    assert [list(each.shape) for each in adapted.inputs] == [[1, num_frames, 224, 224, 3]]
    assert [list(each.shape) for each in adapted.outputs] == [[1, positions, 1424]]


def test_names_differ_where_networks_do():
    made = [CLIP, chunk_form(16), chunk_form(80), window_form(16), window_form(80)]

    assert len({form.name for form in made}) == 5
    assert chunk_form(80).name == chunk_form(80).name


@pytest.mark.parametrize("module", [layouts, positions, streaming])
def test_other_code_has_another_digest(module, tmp_path, monkeypatch):
    before = forms_digest()
    changed = tmp_path / "module.py"
    changed.write_text("# changed")
    monkeypatch.setattr(module, "__file__", str(changed))
    forms_digest.cache_clear()
    try:
        after = forms_digest()
    finally:
        forms_digest.cache_clear()

    assert after != before
