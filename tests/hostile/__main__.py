"""Run seeded hostile inputs of every kind, and print what became of them."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hostile.campaign import Result, run_kind
from hostile.kinds import KINDS, SELF_TEST
from hostile.serving import Limits
from hostile.tables import FORMATS
from hostile.worker import FELL_SHORT
from i3d_rgb_tf.cores import num_usable_cores

_DEFAULT_RUNS = 1000
_SHOWN_FAULTS = 20


def main() -> int:
    """Run the campaign; the exit status is 1 when a case fell short, or a kind could not run."""
    arguments = _parser().parse_args()
    limits = Limits(arguments.seconds, arguments.megabytes << 20)
    if arguments.seed is not None:
        seeds: list[int] = [arguments.seed]
    else:
        seeds = list(range(arguments.first, arguments.first + arguments.runs))
    names = arguments.kind or list(KINDS)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(dir=arguments.directory, prefix="hostile-") as folder:
        for name in names:
            start = time.monotonic()
            counted: Counter[str] = Counter()
            show = _shower(name, arguments, counted)
            try:
                result = run_kind(
                    name,
                    seeds,
                    root=Path(folder).resolve(),
                    workers=arguments.workers or num_usable_cores(),
                    limits=limits,
                    on_report=show,
                )
            except RuntimeError as error:
                # The other kinds still run.
                print(f"{name}: {error}", file=sys.stderr)
                continue
            results.append(result)
            _progress(result, time.monotonic() - start)
            for reason, count in counted.most_common():
                print(f"  {count:6d}  {reason}", file=sys.stderr)
    print(FORMATS[arguments.format](results), end="")
    return int(len(results) < len(names) or any(result.fell_short for result in results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hostile", description=__doc__)
    parser.add_argument("-n", "--runs", type=int, default=_DEFAULT_RUNS, help="of every kind")
    parser.add_argument(
        "-k", "--kind", action="append", choices=[*KINDS, SELF_TEST], help="only this kind"
    )
    parser.add_argument("-s", "--seed", type=int, help="only this case")
    parser.add_argument("--first", type=int, default=0, help="number of the first seed")
    parser.add_argument("-w", "--workers", type=int, default=1, help="0: one per usable core")
    parser.add_argument("--seconds", type=float, default=60, help="limit of a case")
    parser.add_argument("--megabytes", type=int, default=1536, help="limit of a case")
    parser.add_argument("--format", choices=list(FORMATS), default="text")
    parser.add_argument("--directory", type=Path, help="where to work, by default TMPDIR")
    parser.add_argument("-v", "--verbose", action="store_true", help="count the refusals too")
    return parser


def _shower(name: str, arguments: argparse.Namespace, counted: Counter[str]) -> Any:
    """Return what is called with the report of each case."""
    shown = Counter[str]()

    def show(seed: int, report: dict[str, Any]) -> None:
        reason = report["reason"]
        if arguments.seed is not None:
            print(json.dumps(report, indent=1, ensure_ascii=False), file=sys.stderr)
        elif report["outcome"] == FELL_SHORT:
            shown[name] += 1
            if shown[name] <= _SHOWN_FAULTS:
                print(f"{name} {seed} [{report['what']}]: {reason[:600]}", file=sys.stderr)
        if arguments.verbose:
            words = "".join(" " if letter.isdigit() else letter for letter in reason).split()
            counted[f"{report['outcome']}: {' '.join(words)[:150]}"] += 1

    return show


def _progress(result: Result, seconds: float) -> None:
    each = 1000 * result.total_seconds / max(1, result.tried)
    print(
        f"{result.kind}: {result.tried} in {seconds:.0f} s, {each:.1f} ms each, fell short "
        f"{result.fell_short}; longest {result.longest_seconds:.1f} s (seed "
        f"{result.longest_seed}), largest {result.largest_bytes >> 20} MB (seed "
        f"{result.largest_seed})"
        + (f"; without {', '.join(result.missing)}" if result.missing else ""),
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
