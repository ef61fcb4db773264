"""OpenVINO's benchmark_app runs the IR of every layout."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from i3d_rgb_tf.choices import LAYOUTS
from i3d_rgb_tf.ir.convert import convert
from processes import Environment

INPUTS = {
    "NDCHW": "[N,D,C,H,W] / [1,79,3,224,224]",
    "NDHWC": "[N,D,H,W,C] / [1,79,224,224,3]",
    "NSTHWC": "[N,S,T,H,W,C] / [1,1,79,224,224,3]",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_benchmark_app_reads_the_layout_and_measures(frozen_graph, tmp_path, layout):
    (path,) = convert(frozen_graph, tmp_path, precisions=["FP16"], layout=layout)
    environment = Environment(Path(sys.prefix), tmp_path)
    options = ["-d", "CPU", "-hint", "none", "-nireq", "1", "-niter", "1"]

    printed = environment.run("benchmark_app", "-m", path, *options, timeout=300).stdout

    assert f": f32 / {INPUTS[layout]}" in printed
    assert float(re.search(r"Throughput: +([\d.]+) FPS", printed)[1]) > 0
