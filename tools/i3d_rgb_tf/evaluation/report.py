"""A self-contained HTML page that compares the IRs of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from i3d_rgb_tf.evaluation.accuracy import Accuracy
from i3d_rgb_tf.evaluation.evaluate import Evaluation
from i3d_rgb_tf.storage import replaced_file

__all__ = ["render_report", "write_report"]

_FIGURES = {
    "clip_top1": "clips, top-1",
    "clip_top5": "clips, top-5",
    "video_top1": "videos, top-1",
    "video_top5": "videos, top-5",
}
_MOST_PAIRS = 50
"""Rows of the list; the picture and the JSON have all pairs."""
_PICTURE_SIDE = 900
_SMALLEST_CELL, _LARGEST_CELL = 4, 22
_LETTER_WIDTH = 7
"""Pixels in the picture; a cell with text has at least `_READABLE_CELL`."""
_READABLE_CELL = 12

_STYLE = """
:root { color-scheme: light dark; --line: #8888; --bar: #2a78c2; --wrong: #c2502a; }
@media (prefers-color-scheme: dark) { :root { --bar: #6db3f2; --wrong: #f29a6d; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
.wide { overflow: auto; max-height: 80vh; }
.track { width: 12rem; height: .8rem; border: 1px solid var(--line); }
.bar { height: 100%; background: var(--bar); }
svg { font: 11px system-ui, sans-serif; }
svg text { fill: currentColor; }
.correct { fill: var(--bar); stroke: currentColor; }
.wrong { fill: var(--wrong); }
.frame { fill: none; stroke: var(--line); }
"""


def write_report(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write the page of a run.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    with replaced_file(path) as part:
        part.write_text(render_report(evaluations), encoding="utf-8", errors="replace")


def render_report(evaluations: Sequence[Evaluation]) -> str:
    """Return the page that compares one or more evaluations of one protocol."""
    first = evaluations[0]
    names = [f"model {number}" for number in range(1, len(evaluations) + 1)]
    title = f"Accuracy by the protocol {escape(first.protocol)}"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f"<title>{title}</title>",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>",
        f"<p>Input of the network: {escape(first.description)}.</p>",
        "<h2>Accuracy</h2>",
        _accuracy_table(names, evaluations),
        "<h2>Models</h2>",
        _model_table(names, evaluations),
    ]
    for name, evaluation in zip(names, evaluations, strict=True):
        parts += [
            f"<h2>{name}: {escape(evaluation.model)}</h2>",
            *_unused(evaluation),
            "<h3>Confusion matrix</h3>",
            _picture(evaluation),
            _pairs(evaluation),
            "<h3>Per-class accuracy</h3>",
            _bars(evaluation),
        ]
    return "\n".join([*parts, "</body>\n</html>\n"])


def _accuracy_table(names: list[str], evaluations: Sequence[Evaluation]) -> str:
    head = ["", *names, "published, not measured"]
    published = escape(evaluations[0].published or "nothing for this protocol")
    rows = []
    for field, title in _FIGURES.items():
        cells = [_figure(getattr(each, field)) for each in evaluations]
        rows.append(f'<tr><th scope="row">{title}</th>{_cells(cells)}')
    rows[0] += f'<td rowspan="{len(_FIGURES)}">{published}</td>'
    note = (
        "In brackets: Wilson's 95 % interval, which assumes independent predictions; the clips of "
        "one video are not independent. The prediction for a video is the mean over its clips."
    )
    return f"{_table(head, rows)}\n<p>{note}</p>"


def _figure(accuracy: Accuracy) -> str:
    return (
        f'<data value="{accuracy.fraction!r}">{accuracy.fraction:.2%}</data>, '
        f"{accuracy.correct} of {accuracy.count} ({accuracy.low:.2%} to {accuracy.high:.2%})"
    )


def _model_table(names: list[str], evaluations: Sequence[Evaluation]) -> str:
    facts = {
        "file": [escape(each.model) for each in evaluations],
        "SHA-256": [f"<code>{each.model_sha256}</code>" for each in evaluations],
        "weights": [escape(each.weights) for each in evaluations],
        "device": [escape(each.device) for each in evaluations],
        "inference precision": [escape(each.inference_precision) for each in evaluations],
        "convolution": [escape(each.convolution) for each in evaluations],
        "videos used": [str(each.num_videos) for each in evaluations],
        "videos missing": [str(len(each.missing)) for each in evaluations],
        "videos failed": [str(len(each.failed)) for each in evaluations],
        "left out by prepare": [str(each.left_out) for each in evaluations],
    }
    rows = [f'<tr><th scope="row">{fact}</th>{_cells(cells)}' for fact, cells in facts.items()]
    return _table(["", *names], rows)


def _unused(evaluation: Evaluation) -> list[str]:
    """Return a table of the videos without predictions, if there are any."""
    reasons = {name: f"missing: {path}" for name, path in evaluation.missing.items()}
    reasons |= {name: f"failed: {reason}" for name, reason in evaluation.failed.items()}
    if not reasons:
        return []
    rows = [f"<tr>{_cells([escape(name), escape(why)])}" for name, why in sorted(reasons.items())]
    return ["<h3>Videos without predictions</h3>", _table(["video", "reason"], rows)]


def _pairs(evaluation: Evaluation) -> str:
    pairs = evaluation.confusions
    if not pairs:
        return "<p>The top-1 prediction is correct for every video.</p>"
    rows = [
        f"<tr>{_cells([escape(pair.label), escape(pair.predicted), str(pair.count)])}"
        for pair in pairs[:_MOST_PAIRS]
    ]
    note = f"<p>The most frequent {len(rows)} of {len(pairs)} pairs:</p>"
    return f"{note}\n{_table(['label', 'predicted', 'videos'], rows)}"


def _bars(evaluation: Evaluation) -> str:
    rows = []
    classes = sorted(evaluation.classes.items(), key=lambda item: (item[1].fraction, item[0]))
    for label, each in classes:
        bar = (
            f'<div class="track" aria-hidden="true">'
            f'<div class="bar" style="width: {each.fraction:.1%}"></div></div>'
        )
        rows.append(f'<tr><th scope="row">{escape(label)}</th>{_cells([bar, _figure(each)])}')
    table = _table(["label", "", "videos, top-1"], rows)
    return f'<div class="wide" tabindex="0">{table}</div>'


def _picture(evaluation: Evaluation) -> str:
    """Draw the confusion matrix, with a row and a column for each label that occurs."""
    counts = {(label, label): each.correct for label, each in evaluation.classes.items()}
    counts |= {(pair.label, pair.predicted): pair.count for pair in evaluation.confusions}
    labels = sorted({label for pair in counts for label in pair})
    if not labels:
        return "<p>There are no predictions.</p>"
    side = min(_LARGEST_CELL, max(_SMALLEST_CELL, _PICTURE_SIDE // len(labels)))
    readable = side >= _READABLE_CELL
    margin = _LETTER_WIDTH * max(map(len, labels)) if readable else 0
    places = {label: margin + side * index for index, label in enumerate(labels)}
    width = side * len(labels)
    frame = f'class="frame" x="{margin}" y="{margin}" width="{width}" height="{width}"'
    shapes = [f"<rect {frame}/>"]
    if readable:
        shapes += _names(places, margin, side)
    for (label, predicted), count in sorted(counts.items()):
        if count:
            share = count / evaluation.classes[label].count
            what = (label, predicted, count)
            shapes.append(_cell(places[predicted], places[label], side, share, what))
    size = margin + width + 1
    about = (
        "A row per label, a column per predicted label; outlined cells are correct. A darker cell "
        "is a larger share of its row. The list below has the most frequent confusions."
    )
    return (
        f"<p>{about}</p>\n"
        '<div class="wide" tabindex="0">'
        '<svg role="img" aria-label="Confusion matrix, listed below as text" '
        f'width="{size}" height="{size}">\n{"".join(shapes)}</svg></div>'
    )


def _names(places: dict[str, int], margin: int, side: int) -> Iterable[str]:
    for label, place in places.items():
        middle = place + side - 5
        end = f'text-anchor="end" x="{margin - 4}" y="{middle}"'
        yield f"<text {end}>{escape(label)}</text>"
        turned = f'transform="translate({middle} {margin - 4}) rotate(-90)"'
        yield f"<text {turned}>{escape(label)}</text>"


def _cell(x: int, y: int, side: int, share: float, what: tuple[str, str, int]) -> str:
    label, predicted, count = what
    kind = "correct" if label == predicted else "wrong"
    text = f'<text x="{x + 4}" y="{y + side - 6}">{count}</text>' if side >= _READABLE_CELL else ""
    return (
        f"<g><title>{escape(label)} predicted as {escape(predicted)}: {count}</title>"
        f'<rect class="{kind}" x="{x}" y="{y}" width="{side}" height="{side}" '
        f'fill-opacity="{0.2 + 0.6 * share:.2f}"/>'
        f"{text}</g>\n"
    )


def _table(head: list[str], rows: list[str]) -> str:
    names = "".join(f'<th scope="col">{name}</th>' for name in head)
    return "\n".join(["<table>", f"<tr>{names}</tr>", *(f"{row}</tr>" for row in rows), "</table>"])


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{cell}</td>" for cell in cells)
