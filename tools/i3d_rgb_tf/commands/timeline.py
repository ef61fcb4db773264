"""Find when actions happen in videos.

A segment of an action begins and ends where its probability rises over and falls under --leave, if
it somewhere reaches --enter. A video of any length is decoded once, with probabilities every 0.32
seconds; one of up to 79 frames at 25 per second has one position, which stands for all of it.

Formats: text for people; json, jsonl, csv and tsv for programs; vtt and srt, subtitles;
activitynet, results for its evaluation; label-studio, tasks to import; html, a page with the video;
png, a picture; mp4, the video with its labels; or all of them. With --output-dir, the files of a
video have its name and the ending of the format. Without it, what is text is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from i3d_rgb_tf.choices import TIMELINE_FORMATS, TimelineFormat

if TYPE_CHECKING:
    from i3d_rgb_tf.errors import I3DError, VideoError
    from i3d_rgb_tf.timeline.result import Timeline
    from i3d_rgb_tf.timeline.settings import SegmentSettings

EXAMPLES = """\
  i3d-rgb-tf timeline match.mp4
  i3d-rgb-tf timeline -d models match.mp4 --label 'shooting basketball' --enter 0.3
  i3d-rgb-tf timeline -d models videos/ --output-dir out --output-format html
  i3d-rgb-tf timeline videos/*.mp4 --output-format csv > segments.csv
  i3d-rgb-tf timeline --live rtsp://camera/front --label 'shooting basketball'
"""

_SETTINGS = {
    "enter": ("P", "a segment has a probability of at least P somewhere (default: 0.5)"),
    "leave": ("P", "it lasts while it is at least P (default: 0.25, or --enter if that is lower)"),
    "min_seconds": ("S", "leave out shorter segments (default: 1)"),
    "merge_seconds": ("S", "join segments of an action with a gap of at most S (default: 1)"),
    "smooth_seconds": ("S", "average the probabilities over S before (default: 0, do not)"),
}
"""The fields of `SegmentSettings` that are numbers, with what the help says of each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_device, add_model, add_videos, directory

    add_videos(parser, required=False)
    parser.add_argument(
        "--live",
        metavar="SOURCE",
        help="follow a live stream instead: rtsp://, rtsps://, http://, https:// or udp:// and an "
        "address, /dev/video0, or - for standard input; prints lines of JSON as segments open, "
        "grow and close",
    )
    add_model(parser)
    parser.add_argument(
        "-o", "--output-dir", type=directory, metavar="DIR", help="folder to write files to"
    )
    parser.add_argument(
        "--output-format",
        choices=(*TIMELINE_FORMATS, "all"),
        help=f"what to print or write (default: {TIMELINE_FORMATS[0]})",
    )
    add_settings(parser)
    add_device(parser)
    parser.set_defaults(fail=parser.error)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add what decides the segments; what is not given is absent, and the default applies."""
    group = parser.add_argument_group("segments", argument_default=argparse.SUPPRESS)
    for name, (metavar, text) in _SETTINGS.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=float, metavar=metavar, help=text)
    group.add_argument(
        "--label",
        dest="labels",
        action="append",
        default=[],
        metavar="NAME",
        help="look for this action only; can be given several times",
    )
    group.add_argument(
        "--labels",
        dest="label_file",
        type=Path,
        default=None,
        metavar="FILE",
        help="look only for the actions in a text file, one on each line",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from i3d_rgb_tf.commands.models import open_model
    from i3d_rgb_tf.commands.progress import with_progress
    from i3d_rgb_tf.commands.videos import find_each

    if arguments.live is not None:
        return _follow(arguments)
    if not arguments.videos:
        arguments.fail("expected VIDEO, or --live SOURCE")
    formats = _formats(arguments)
    settings = read_settings(arguments)
    videos, errors = find_each(arguments.videos)
    if not videos:
        return 1
    # A file may be named itself and be in a folder.
    videos = list(dict.fromkeys(videos))
    _check_outputs(arguments, formats, videos)
    model = open_model(arguments)
    failures: list[I3DError] = [*errors]
    results = with_progress(model.timeline_all(videos, settings), len(videos))
    timelines = _without_errors(results, failures)
    if arguments.output_dir:
        _write(timelines, arguments.output_dir, formats, failures)
    else:
        _print(timelines, formats[0])
    return 1 if failures else 0


def _follow(arguments: argparse.Namespace) -> int:
    from i3d_rgb_tf.commands.live import run_live

    if arguments.videos or arguments.output_dir or arguments.output_format:
        arguments.fail(
            "--live prints lines of JSON, expected no VIDEO, no --output-dir and no --output-format"
        )
    return run_live(arguments, read_settings(arguments))


def _formats(arguments: argparse.Namespace) -> list[TimelineFormat]:
    from i3d_rgb_tf.timeline.output.writers import WRITERS

    chosen = arguments.output_format or TIMELINE_FORMATS[0]
    if not arguments.output_dir and (chosen == "all" or not WRITERS[chosen].render):
        arguments.fail(f"{chosen} is written to files, expected --output-dir DIR")
    return list(TIMELINE_FORMATS) if chosen == "all" else [chosen]


def read_settings(arguments: argparse.Namespace) -> SegmentSettings:
    """Return the settings that are given; an unknown label is no wrong usage."""
    from i3d_rgb_tf.errors import LabelError
    from i3d_rgb_tf.labels import read_labels
    from i3d_rgb_tf.timeline.settings import SegmentSettings

    given = {name: getattr(arguments, name) for name in _SETTINGS if hasattr(arguments, name)}
    labels = (
        *arguments.labels,
        *(read_labels(arguments.label_file) if arguments.label_file else ()),
    )
    try:
        return SegmentSettings(**given, labels=labels or None)
    except LabelError:
        raise
    except ValueError as error:
        name, _, reason = str(error).partition(" ")
        arguments.fail(f"--{name.replace('_', '-')} {reason}")
        raise


def _check_outputs(
    arguments: argparse.Namespace, formats: list[TimelineFormat], videos: list[Path]
) -> None:
    from i3d_rgb_tf.timeline.output.files import check_outputs
    from i3d_rgb_tf.timeline.output.writers import WRITERS

    if arguments.output_dir:
        check_outputs(videos, arguments.output_dir, formats)
        return
    if len(videos) > 1 and not WRITERS[formats[0]].holds_many:
        arguments.fail(
            f"{formats[0]} holds one video, got {len(videos)}; write each to a file with "
            "--output-dir DIR"
        )
    if formats == ["activitynet"]:
        _check_stems(videos)


def _check_stems(videos: list[Path]) -> None:
    """Raise unless the videos have names of their own in one result of ActivityNet."""
    from i3d_rgb_tf.errors import DatasetError

    seen: dict[str, Path] = {}
    for video in videos:
        other = seen.setdefault(video.stem, video)
        if other is not video:
            raise DatasetError(
                f"{other} and {video} would both be {video.stem} in the result; rename one, or "
                "run them one by one"
            )


def _without_errors(
    results: Iterator[Timeline | VideoError], failures: list[I3DError]
) -> Iterator[Timeline]:
    """Yield the timelines; print the errors, and append them to the others."""
    from i3d_rgb_tf.commands.terminal import print_error
    from i3d_rgb_tf.errors import VideoError

    for result in results:
        if isinstance(result, VideoError):
            print_error(result)
            failures.append(result)
        else:
            yield result


def _print(timelines: Iterator[Timeline], name: TimelineFormat) -> None:
    from i3d_rgb_tf.commands.terminal import print_text
    from i3d_rgb_tf.timeline.output.writers import WRITERS

    render = WRITERS[name].render
    for text in render(timelines) if render else ():
        print_text(text)


def _write(
    timelines: Iterator[Timeline],
    folder: Path,
    formats: list[TimelineFormat],
    failures: list[I3DError],
) -> None:
    """Write the files of each timeline; a format that needs a video which is gone is reported."""
    from i3d_rgb_tf.commands.terminal import print_error, print_lines
    from i3d_rgb_tf.errors import VideoError
    from i3d_rgb_tf.timeline.output.files import write_timeline

    for timeline in timelines:
        written: list[Path] = []
        for name in formats:
            try:
                written.append(write_timeline(timeline, folder, name))
            except VideoError as error:
                print_error(error)
                failures.append(error)
        if written:
            print_lines(_line(timeline, written))
            sys.stdout.flush()


def _line(timeline: Timeline, written: list[Path]) -> str:
    """Return what was written for a video, for people.

    Several files are as a shell abbreviates them: ``out/cricket.{txt,json}``.
    """
    from i3d_rgb_tf.timeline.output.rounding import write_time

    count = len(timeline.segments)
    segments = f"{count} {'segment' if count == 1 else 'segments'}"
    first = written[0]
    files = str(first)
    if len(written) > 1:
        stem = Path(timeline.video).stem
        endings = ",".join(path.name[len(stem) + 1 :] for path in written)
        files = f"{first.parent / stem}.{{{endings}}}"
    duration = write_time(timeline.duration_seconds)
    return f"{timeline.video}: {duration}, {segments}, {files}"
