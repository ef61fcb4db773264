"""An HTML page that compares the IRs of a run, in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from i3d_rgb_tf.accuracy import Accuracy
from i3d_rgb_tf.evaluate import Evaluation
from i3d_rgb_tf.storage import replaced_file

__all__ = ["render_report", "write_report"]

_FIGURES = {
    "clip_top1": "clips, top-1",
    "clip_top5": "clips, top-5",
    "video_top1": "videos, top-1",
    "video_top5": "videos, top-5",
}
_MOST_PAIRS = 50
"""In the list; the picture and the JSON have all."""
_PICTURE_SIDE = 900
_SMALLEST_CELL, _LARGEST_CELL = 4, 22
_LETTER_WIDTH = 7
"""Pixels of the picture; text needs a cell of `_READABLE_CELL`."""
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
.right { fill: var(--bar); stroke: currentColor; }
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
    """Return the page that compares evaluations of one protocol, at least one."""
    first = evaluations[0]
    names = [f"model {number}" for number in range(1, len(evaluations) + 1)]
    title = f"Accuracy by the protocol {escape(first.protocol)}"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f"<title>{title}</title>",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>",
        f"<p>What is given to the network: {escape(first.description)}.</p>",
        "<h2>Accuracy</h2>",
        _accuracy_table(names, evaluations),
        "<h2>Models</h2>",
        _model_table(names, evaluations),
    ]
    for name, evaluation in zip(names, evaluations, strict=True):
        parts += [
            f"<h2>{name}: {escape(evaluation.model)}</h2>",
            *_unused(evaluation),
            "<h3>Which labels are taken for which</h3>",
            _picture(evaluation),
            _pairs(evaluation),
            "<h3>Videos named right, by label</h3>",
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
        "In brackets: the 95 % interval of Wilson, which takes answers for independent; the clips "
        "of one video are not. The answer for a video is the mean over its clips."
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
        "calculated in": [escape(each.inference_precision) for each in evaluations],
        "videos used": [str(each.num_videos) for each in evaluations],
        "videos missing": [str(len(each.missing)) for each in evaluations],
        "videos failed": [str(len(each.failed)) for each in evaluations],
        "left out by prepare": [str(each.left_out) for each in evaluations],
    }
    rows = [f'<tr><th scope="row">{fact}</th>{_cells(cells)}' for fact, cells in facts.items()]
    return _table(["", *names], rows)


def _unused(evaluation: Evaluation) -> list[str]:
    """Return a table of videos that do not count, if there are any."""
    reasons = {name: f"missing: {path}" for name, path in evaluation.missing.items()}
    reasons |= {name: f"failed: {reason}" for name, reason in evaluation.failed.items()}
    rows = [f"<tr>{_cells([escape(name), escape(why)])}" for name, why in sorted(reasons.items())]
    return ["<h3>Videos that do not count</h3>", _table(["video", "why"], rows)] if rows else []


def _pairs(evaluation: Evaluation) -> str:
    pairs = evaluation.confusions
    if not pairs:
        return "<p>Every video is named right.</p>"
    rows = [
        f"<tr>{_cells([escape(pair.label), escape(pair.named), str(pair.count)])}"
        for pair in pairs[:_MOST_PAIRS]
    ]
    note = f"<p>The most frequent {len(rows)} of {len(pairs)} pairs:</p>"
    return f"{note}\n{_table(['label', 'named', 'videos'], rows)}"


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
    """Draw one row per label that occurs, one column per label it can be taken for."""
    counts = {(label, label): each.correct for label, each in evaluation.classes.items()}
    counts |= {(pair.label, pair.named): pair.count for pair in evaluation.confusions}
    labels = sorted({label for pair in counts for label in pair})
    if not labels:
        return "<p>There are no answers.</p>"
    side = min(_LARGEST_CELL, max(_SMALLEST_CELL, _PICTURE_SIDE // len(labels)))
    readable = side >= _READABLE_CELL
    margin = _LETTER_WIDTH * max(map(len, labels)) if readable else 0
    places = {label: margin + side * index for index, label in enumerate(labels)}
    width = side * len(labels)
    frame = f'class="frame" x="{margin}" y="{margin}" width="{width}" height="{width}"'
    shapes = [f"<rect {frame}/>"]
    if readable:
        shapes += _names(places, margin, side)
    for (label, named), count in sorted(counts.items()):
        if count:
            share = count / evaluation.classes[label].count
            shapes.append(_cell(places[named], places[label], side, share, (label, named, count)))
    size = margin + width + 1
    about = "A row per label, a column per name given; the outlined cells are right, the list below"
    return (
        f"<p>{about} has the same as text. A darker cell is a larger share of its row.</p>\n"
        '<div class="wide" tabindex="0">'
        '<svg role="img" aria-label="Confusions, listed below as text" '
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
    label, named, count = what
    kind = "right" if label == named else "wrong"
    text = f'<text x="{x + 4}" y="{y + side - 6}">{count}</text>' if side >= _READABLE_CELL else ""
    return (
        f'<g><title>{escape(label)} named {escape(named)}: {count}</title><rect class="{kind}" '
        f'x="{x}" y="{y}" width="{side}" height="{side}" fill-opacity="{0.2 + 0.6 * share:.2f}"/>'
        f"{text}</g>\n"
    )


def _table(head: list[str], rows: list[str]) -> str:
    names = "".join(f'<th scope="col">{name}</th>' for name in head)
    return "\n".join(["<table>", f"<tr>{names}</tr>", *(f"{row}</tr>" for row in rows), "</table>"])


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{cell}</td>" for cell in cells)
