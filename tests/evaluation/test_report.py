"""The report of a run: complete, escaped, self-contained, with the figures of the JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from i3d_rgb_tf.errors import StorageError
from i3d_rgb_tf.evaluation.accuracy import Accuracy, Confusion, interval
from i3d_rgb_tf.evaluation.evaluate import Evaluation
from i3d_rgb_tf.evaluation.report import render_report, write_report
from i3d_rgb_tf.labels import load_labels

VOID = {"meta"}


def accuracy(correct: int, count: int) -> Accuracy:
    return Accuracy(correct, count, correct / count, *interval(correct, count))


EVALUATION = Evaluation(
    protocol="paper",
    description="whole videos & nothing else",
    published="top-1 71.1 %",
    model="<b>/FP32.xml",
    model_sha256="ab" * 32,
    weights="rgb_scratch",
    device="CPU",
    inference_precision="f32",
    convolution="winograd",
    num_videos=4,
    missing={"gone": "data/gone.mp4"},
    failed={"<i>cut": "ends after <3 of 9 frames"},
    clip_top1=accuracy(5, 12),
    clip_top5=accuracy(7, 12),
    video_top1=accuracy(2, 4),
    video_top5=accuracy(3, 4),
    classes={"abseiling": accuracy(2, 3), "archery": accuracy(0, 1)},
    confusions=(
        Confusion("abseiling", "massaging person's head", 1),
        Confusion("archery", "abseiling", 1),
    ),
    predictions_path="out/paper-1.jsonl",
    left_out=37,
)
OTHER = replace(EVALUATION, model="INT8.xml", video_top1=accuracy(1, 4), model_sha256="cd" * 32)


class Page(HTMLParser):
    """Texts, titles and figures as a browser sees them; elements must be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.values: list[float] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "data":
            self.values.append(float(dict(attrs)["value"] or ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def test_the_figures_are_those_of_the_json() -> None:
    page = Page(render_report([EVALUATION, OTHER]))

    documents = json.loads(json.dumps([asdict(EVALUATION), asdict(OTHER)]))
    names = ("clip_top1", "clip_top5", "video_top1", "video_top5")
    expected = [document[name]["fraction"] for name in names for document in documents]
    for document in documents:
        expected += sorted(each["fraction"] for each in document["classes"].values())
    assert page.values == expected
    for document in documents:
        each = document["video_top1"]
        shown = f", {each['correct']} of {each['count']} ({each['low']:.2%} to {each['high']:.2%})"
        assert shown in page.texts
        assert document["model_sha256"] in page.texts
    assert "published, not measured" in page.texts
    assert page.texts[page.texts.index("left out by prepare") :].count("37") == 2
    assert EVALUATION.published in page.texts


def test_names_are_escaped() -> None:
    page = Page(render_report([EVALUATION]))

    assert EVALUATION.model in page.texts
    assert f"Input of the network: {EVALUATION.description}." in page.texts
    assert not {"b", "i"} & {tag for tag, _ in page.tags}
    for text in ("gone", "missing: data/gone.mp4", "<i>cut", "failed: ends after <3 of 9 frames"):
        assert text in page.texts


def test_the_confusion_matrix_is_a_picture_and_a_list() -> None:
    page = Page(render_report([EVALUATION]))

    for text in (
        "abseiling predicted as abseiling: 2",
        "abseiling predicted as massaging person's head: 1",
        "archery predicted as abseiling: 1",
    ):
        assert text in page.texts
    # No cell for what did not happen.
    assert "archery predicted as archery" not in page.text
    rows = [page.texts[index : index + 3] for index in range(len(page.texts))]
    assert ["archery", "abseiling", "1"] in [[each for each in row if each] for row in rows]
    labels = ["abseiling", "archery", "massaging person's head"]
    cells = [a for tag, a in page.tags if tag == "rect" and a["class"] == "wrong"]
    columns = sorted({int(a["x"] or 0) for tag, a in page.tags if tag == "rect" and a["x"]})
    margin, side = columns[0], int(cells[0]["width"] or 0)
    found = [
        tuple(labels[(int(cell[axis] or 0) - margin) // side] for axis in ("y", "x"))
        for cell in cells
    ]
    assert found == [("abseiling", "massaging person's head"), ("archery", "abseiling")]


def test_the_report_is_self_contained() -> None:
    text = render_report([EVALUATION, OTHER])

    assert not re.search(r"https?:|//[a-z]|url\(|@import|src=|href=|<script|<link", text)
    assert "prefers-color-scheme: dark" in text
    page = Page(text)
    (policy,) = (
        each["content"] for tag, each in page.tags if tag == "meta" and "http-equiv" in each
    )
    (style,) = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not any("style" in attributes for _, attributes in page.tags)
    (picture, *_) = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert picture["role"] == "img"
    assert picture["aria-label"]


def test_all_400_labels_are_named_and_the_report_stays_small() -> None:
    labels = load_labels()
    classes = {label: accuracy(25, 50) for label in sorted(labels)}
    confusions = tuple(
        Confusion(label, labels[(index + step) % 400], 1)
        for index, label in enumerate(labels)
        for step in range(1, 26)
    )

    text = render_report([replace(EVALUATION, classes=classes, confusions=confusions)])

    page = Page(text)
    assert set(labels) <= set(page.texts)
    assert (
        sum(bool(re.fullmatch(".* predicted as .*: [0-9]+", each)) for each in page.texts)
        == 400 * 26
    )
    assert len(text) < 4_000_000
    sides = [int(a["width"] or 0) for tag, a in page.tags if tag == "svg"]
    assert sides[0] <= 400 * 4 + 1


def test_a_run_without_predictions_has_a_report() -> None:
    nothing = Accuracy(0, 0, 0.0, 0.0, 1.0)
    empty = replace(EVALUATION, classes={}, confusions=(), video_top1=nothing, published="")

    page = Page(render_report([empty]))

    assert "There are no predictions." in page.texts
    assert "nothing for this protocol" in page.texts


def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    write_report(tmp_path / "paper.html", [EVALUATION])

    assert (tmp_path / "paper.html").read_text(encoding="utf-8") == render_report([EVALUATION])
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        write_report(tmp_path / "paper.html" / "x.html", [EVALUATION])
