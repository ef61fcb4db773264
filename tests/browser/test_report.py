"""The report of an evaluation in Chromium, opened from a file."""

from __future__ import annotations

import pytest

from i3d_rgb_tf.evaluation.accuracy import Accuracy, Confusion
from i3d_rgb_tf.evaluation.evaluate import Evaluation
from i3d_rgb_tf.evaluation.report import write_report

HALF = Accuracy(1, 2, 0.5, 0.1, 0.9)
LABELS = ("abseiling", "zumba")
EVALUATION = Evaluation(
    protocol="paper",
    description="whole videos",
    published="",
    model="<img src=x onerror=document.title=1>.xml",
    model_sha256="ab" * 32,
    weights="rgb_scratch",
    device="CPU",
    inference_precision="f32",
    convolution="winograd",
    num_videos=4,
    missing={},
    failed={},
    clip_top1=HALF,
    clip_top5=HALF,
    video_top1=HALF,
    video_top5=HALF,
    classes=dict.fromkeys(LABELS, HALF),
    confusions=(Confusion(*LABELS, 1), Confusion(*LABELS[::-1], 1)),
    predictions_path="out/paper-1.jsonl",
    left_out=0,
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_the_policy_stops_nothing_of_the_report(browser, tmp_path, width, scheme):
    path = tmp_path / "paper.html"
    write_report(path, [EVALUATION])

    browser.open(path, width=width, scheme=scheme)

    (bar, track) = (browser.find(selector).rect["width"] for selector in (".bar", ".track"))
    assert bar == pytest.approx(track / 2, abs=2)
    assert browser.find("h2:nth-of-type(3)").text == f"model 1: {EVALUATION.model}"
    assert browser.driver.title == "Accuracy by the protocol paper"
    assert browser.find("body").value_of_css_property("font-family").startswith("system-ui")
    assert browser.run(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    assert browser.messages() == []
    assert browser.addresses() == [path.as_uri()]
