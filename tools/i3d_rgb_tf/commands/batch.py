"""Classify thousands of videos, or make their features or timelines, and continue where it ended.

Each video of a list has one result, a file in the output folder. Videos that are finished are
skipped, so that the next run resumes one that was ended; --shard divides the list among
processes and machines. A video that cannot be read is a result too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3d_rgb_tf.choices import BATCH_ENGINES, BATCH_TASKS, BatchEngine, BatchTask

if TYPE_CHECKING:
    from i3d_rgb_tf.batch.run import Plan, Run
    from i3d_rgb_tf.batch.shards import Shard
    from i3d_rgb_tf.batch.tasks import Settings

EXAMPLES = """\
  i3d-rgb-tf batch classify --list videos.txt --output-dir actions
  find videos -name '*.mp4' | i3d-rgb-tf batch features --list - --output-dir features
  i3d-rgb-tf batch timeline --list videos.csv --column path --shard 2/4 --output-dir times
  i3d-rgb-tf batch classify --list videos.txt --output-dir actions --engine ray
  i3d-rgb-tf batch check --list videos.txt --quick
  i3d-rgb-tf batch merge actions
  i3d-rgb-tf batch TASK --help                more about one of them
"""

_HELP: dict[BatchTask, str] = {
    "classify": "Name the actions in each video of a list.",
    "features": "Write the features of each video of a list.",
    "timeline": "Find when actions happen in each video of a list.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.check import check

    actions = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    for task in BATCH_TASKS:
        _add_task(_add_action(actions, task, _HELP[task], _run_task), task)
    _add_check(_add_action(actions, "check", "Find out which videos of a list are broken.", check))
    _add_merge(
        _add_action(actions, "merge", "Write the results of a folder into one file.", _merge)
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _add_action(
    actions: Any, name: str, description: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    from i3d_rgb_tf.commands.arguments import add_verbose

    lines = [line for line in EXAMPLES.splitlines() if f"batch {name} " in line]
    subparser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=description[0].lower() + description[1:].rstrip("."),
        description=description,
        epilog="examples:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_verbose(subparser)
    subparser.set_defaults(action=run, fail=subparser.error)
    return subparser


def _add_task(parser: argparse.ArgumentParser, task: BatchTask) -> None:
    from i3d_rgb_tf.commands import classify, features, timeline
    from i3d_rgb_tf.commands.arguments import add_device, add_model

    _add_list(parser)
    parser.add_argument(
        "-o",
        "--output-dir",
        type=_folder,
        required=True,
        metavar="DIR",
        help="folder or URL to write results to, of this task and these settings only",
    )
    parser.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="do part I of N; which part a video is in depends on its path only (default: 1/1)",
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="try the videos again that could not be read"
    )
    parser.add_argument(
        "--engine",
        choices=BATCH_ENGINES,
        default=BATCH_ENGINES[0],
        help="infer in this process, or on a Ray cluster with a process per core, or per --threads "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--address",
        help="Ray cluster, auto for the one of this machine (default: one of this machine alone)",
    )
    add_model(parser)
    adders = {
        "classify": classify.add_settings,
        "features": features.add_settings,
        "timeline": timeline.add_settings,
    }
    adders[task](parser)
    add_device(parser)
    parser.set_defaults(task=task)


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--list",
        required=True,
        metavar="FILE",
        help="file with a path or URL on each line, .csv, .tsv or .jsonl file with a column of "
        "them, or - for standard input",
    )
    parser.add_argument(
        "--column", metavar="NAME", help="the column that has them (default: video)"
    )


def _add_check(parser: argparse.ArgumentParser) -> None:
    from i3d_rgb_tf.commands.arguments import add_format

    _add_list(parser)
    parser.add_argument(
        "--quick", action="store_true", help="read headers only, instead of decoding all frames"
    )
    add_format(parser)


def _add_merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="output folder of a task, or its URL")
    parser.add_argument(
        "-o",
        "--output",
        type=_local_file,
        metavar="FILE",
        help="file to write, .parquet or .jsonl (default: DIR/results.parquet)",
    )


def _local_file(text: str) -> Path:
    """Take a path."""
    if "://" in text:
        raise argparse.ArgumentTypeError(
            f"{text} is a URL, expected a file; without it, the file is in the folder"
        )
    return Path(text)


def _folder(text: str) -> str:
    """Take a URL, or a path that is not a file."""
    from i3d_rgb_tf.commands.arguments import directory

    return text if "://" in text else str(directory(text))


def _shard(text: str) -> Shard:
    from i3d_rgb_tf.batch.shards import Shard

    try:
        return Shard.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _run_task(arguments: argparse.Namespace) -> int:
    from i3d_rgb_tf.batch.cluster import import_ray
    from i3d_rgb_tf.batch.folders import open_folder
    from i3d_rgb_tf.batch.listing import read_list
    from i3d_rgb_tf.batch.run import Run, claim_folder
    from i3d_rgb_tf.batch.shards import WHOLE, list_digest
    from i3d_rgb_tf.commands.models import open_model

    if arguments.address and arguments.engine != "ray":
        arguments.fail("--address needs --engine ray")
    if arguments.engine == "ray":
        # It may be missing.
        import_ray()
    settings = _settings(arguments)
    shard = arguments.shard or WHOLE
    listed = read_list(arguments.list, arguments.column)
    digest = list_digest(listed)
    videos = [each for each in listed if shard.holds(each)]
    folder = open_folder(arguments.output_dir)
    # Of many videos, several at once take less time.
    model = open_model(arguments, performance_hint="THROUGHPUT")
    batch = Run(arguments.task, settings, model, folder)
    made_with = batch.describe()
    claim_folder(batch.folder, made_with)
    batch.mark(shard, digest, finished=False)
    plan = batch.plan(videos, made_with, retry_failed=arguments.retry_failed)
    num_failed = _show(_infer(batch, plan.pending, made_with, arguments), plan)
    batch.mark(shard, digest, finished=batch.is_complete(videos))
    return 1 if num_failed else 0


def _infer(
    batch: Run, videos: list[str], made_with: dict[str, Any], arguments: argparse.Namespace
) -> Iterator[str | None]:
    """Yield the error of each video, or None."""
    from i3d_rgb_tf.batch.cluster import OWN_CLUSTER, infer_on_cluster

    engines: dict[BatchEngine, Callable[[], Iterator[str | None]]] = {
        "local": lambda: (each.error for each in batch.infer(videos, made_with)),
        "ray": lambda: infer_on_cluster(
            batch, videos, made_with, address=arguments.address or OWN_CLUSTER
        ),
    }
    return engines[arguments.engine]()


def _settings(arguments: argparse.Namespace) -> Settings:
    from i3d_rgb_tf.batch.tasks import ClassifySettings
    from i3d_rgb_tf.commands import features, timeline

    readers: dict[BatchTask, Callable[[argparse.Namespace], Settings]] = {
        "classify": lambda given: ClassifySettings(given.top_k),
        "features": features.read_settings,
        "timeline": timeline.read_settings,
    }
    return readers[arguments.task](arguments)


def _show(errors: Iterable[str | None], plan: Plan) -> int:
    """Print an error for each video that cannot be read, a summary, and return how many failed."""
    from time import monotonic

    from i3d_rgb_tf.commands.progress import hourly, with_rate
    from i3d_rgb_tf.commands.terminal import print_error, print_lines

    start = monotonic()
    failed = 0
    for error in with_rate(errors, len(plan.pending)):
        if error is not None:
            failed += 1
            print_error(error)
    done = len(plan.pending)
    rate = f", {hourly(done, monotonic() - start)}" if done else ""
    print_lines(
        f"{done - failed} done, {failed} failed{rate}; {plan.num_finished} were done and "
        f"{plan.num_failed} had failed before"
    )
    sys.stdout.flush()
    return failed + plan.num_failed


def _merge(arguments: argparse.Namespace) -> int:
    from i3d_rgb_tf.batch.folders import open_folder
    from i3d_rgb_tf.batch.merge import MERGED_SUFFIXES, merge
    from i3d_rgb_tf.commands.terminal import print_error, print_lines

    path = arguments.output
    if path and path.suffix not in MERGED_SUFFIXES:
        arguments.fail(f"--output is {path}, expected an ending of {', '.join(MERGED_SUFFIXES)}")
    merged = merge(open_folder(arguments.folder), path)
    print_lines(f"{merged.path}: {merged.num_videos} videos, {merged.num_failed} of them failed")
    if merged.missing_shards:
        print_error(
            f"not finished: --shard {', '.join(merged.missing_shards)}; run them, and merge again"
        )
    return 1 if merged.missing_shards else 0
