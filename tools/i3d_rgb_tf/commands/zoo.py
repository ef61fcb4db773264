"""Register this package's entry in an installed model zoo, or run the zoo's tools on it.

The zoo's tools came with openvino-dev, which ended with 2024.6. Once the entry is registered, they
download and convert i3d-rgb-tf as this package does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass

from i3d_rgb_tf.choices import ZOO_TOOLS

EXAMPLES = """\
  i3d-rgb-tf zoo register
  i3d-rgb-tf zoo status
  i3d-rgb-tf zoo unregister
  i3d-rgb-tf zoo run downloader --name i3d-rgb-tf
  i3d-rgb-tf zoo ACTION --help                more about one of them
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from i3d_rgb_tf.commands.arguments import add_verbose

    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, action in _ACTIONS.items():
        subparser = actions.add_parser(
            name,
            help=action.help,
            description=action.description,
            epilog=f"examples:\n{action.examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        action.add_arguments(subparser)
        add_verbose(subparser)
        subparser.set_defaults(action=action.run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _register(arguments: argparse.Namespace) -> int:
    from i3d_rgb_tf.commands.terminal import print_lines
    from i3d_rgb_tf.zoo.installation import find_zoo
    from i3d_rgb_tf.zoo.register import register

    found = register(find_zoo(arguments.zoo))
    print_lines(f"{'already registered' if found.state == 'ours' else 'registered'}: {found.entry}")
    return 0


def _unregister(arguments: argparse.Namespace) -> int:
    from i3d_rgb_tf.commands.terminal import print_lines
    from i3d_rgb_tf.zoo.installation import find_zoo
    from i3d_rgb_tf.zoo.register import unregister

    found = unregister(find_zoo(arguments.zoo))
    print_lines(f"{'not registered' if found.state == 'stock' else 'restored'}: {found.entry}")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from i3d_rgb_tf.commands.terminal import print_json, print_lines
    from i3d_rgb_tf.zoo.installation import find_zoo
    from i3d_rgb_tf.zoo.register import read_status

    status = read_status(find_zoo(arguments.zoo))
    if arguments.format == "json":
        print_json(asdict(status))
    else:
        print_lines(f"{status.state}: {status.entry}", status.advice)
    return 0


def _run_tool(arguments: argparse.Namespace) -> int:
    from i3d_rgb_tf.commands.terminal import exact_streams
    from i3d_rgb_tf.zoo.run_tool import run_tool

    # Tools draw progress and colours.
    with exact_streams():
        return run_tool(arguments.tool, arguments.tool_arguments)


def _add_zoo(parser: argparse.ArgumentParser) -> None:
    from i3d_rgb_tf.commands.arguments import add_zoo

    add_zoo(parser)


def _add_zoo_and_format(parser: argparse.ArgumentParser) -> None:
    from i3d_rgb_tf.commands.arguments import add_format, add_zoo

    add_zoo(parser)
    add_format(parser)


def _add_tool(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tool", choices=ZOO_TOOLS, help="the tool, without its omz_")
    parser.add_argument(
        "tool_arguments", nargs=argparse.REMAINDER, metavar="...", help="arguments of the tool"
    )


@dataclass(frozen=True)
class _Action:
    help: str
    """For the list of actions."""
    description: str
    """For its own help."""
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


_ACTIONS = {
    "register": _Action(
        help="put this package's entry into the zoo",
        description="Put this package's entry into the model zoo, so that the zoo's own tools use "
        "it.\n\nWhat it replaces is kept; unregister restores it.",
        examples="""\
  i3d-rgb-tf zoo register                         the zoo of this environment
  i3d-rgb-tf zoo register --zoo open_model_zoo    a checkout
""",
        add_arguments=_add_zoo,
        run=_register,
    ),
    "unregister": _Action(
        help="restore the entry that register replaced",
        description="Restore the entry of the model zoo that register replaced, byte for byte.",
        examples="""\
  i3d-rgb-tf zoo unregister
  i3d-rgb-tf zoo unregister --zoo open_model_zoo
""",
        add_arguments=_add_zoo,
        run=_unregister,
    ),
    "status": _Action(
        help="show which entry the zoo has, and what to do",
        description="""\
Show which entry the model zoo has, and what to do.

The state is one of:
  stock        the zoo's own entry, or none
  ours         the entry of this package
  outdated     ours, from another version of this package
  edited       ours, edited by hand
  interrupted  a register or unregister did not finish
  overwritten  ours, but the zoo was installed again since

The exit status is 0 in every state, and 1 when there is no zoo.""",
        examples="""\
  i3d-rgb-tf zoo status
  i3d-rgb-tf zoo status --format json
""",
        add_arguments=_add_zoo_and_format,
        run=_status,
    ),
    "run": _Action(
        help="run a tool of the zoo with this package's entry, without changing the zoo",
        description="Run a tool of the installed zoo with this package's entry, without changing "
        "the zoo.\n\nFor a zoo that is not writable. What follows the tool's name goes to the "
        "tool.",
        examples="""\
  i3d-rgb-tf zoo run downloader --name i3d-rgb-tf
  i3d-rgb-tf zoo run converter --name i3d-rgb-tf --precisions FP16
""",
        add_arguments=_add_tool,
        run=_run_tool,
    ),
}
