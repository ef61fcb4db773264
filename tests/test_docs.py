"""The pages are true: their snippets run, their commands parse, their links lead somewhere.

A page is README.md or one of docs/. Its fenced blocks mean:

- ``python``   is run; the blocks of a page share one namespace.
- ``text``     directly after it is what it prints.
- ``console``  holds lines ``$ command``, each followed by its output; they are run in-process.
- ``sh``       is for the shell (pip, make) and is not run; its i3d-rgb-tf commands must parse.

A comment ``<!-- not run: reason -->`` before a block keeps it from being run. In expected output,
``...`` stands for any text, and numbers with a decimal point are compared approximately.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import i3d_rgb_tf
from i3d_rgb_tf.cli import build_parser, main
from i3d_rgb_tf.commands import COMMANDS
from i3d_rgb_tf.commands.demo import fetch_video
from i3d_rgb_tf.commands.features import read_settings as feature_settings
from i3d_rgb_tf.features.presets import PRESETS
from i3d_rgb_tf.inference.receptive_field import RECEPTIVE_FRAMES, TIME_STRIDE, center_frame
from i3d_rgb_tf.weights.tensors import Tensors
from test_layers import ROOMS, WINGS, wing

REPOSITORY = Path(__file__).resolve().parents[1]
README = REPOSITORY / "README.md"
PAGES = [README, *sorted(REPOSITORY.glob("docs/*.md"))]
CONTRIBUTING = REPOSITORY / "CONTRIBUTING.md"
OTHERS = [CONTRIBUTING, REPOSITORY / "CHANGELOG.md", REPOSITORY / "bench" / "README.md"]
OTHERS += sorted(REPOSITORY.glob("models/public/*/README.md"))
RUN_ELSEWHERE = {"own-classes.md": "test_own_classes.py"}
"""Pages that need other videos, and the tests that run them."""
FIRST_SCREEN = 40
"""Lines of README.md that a visitor sees before scrolling."""

NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
DECIMAL = r"\d+\.\d+(?:e[+-]\d+)?|\d+e[+-]\d+"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    first_line: int
    """Number of the line after the opening fence."""
    reason: str
    """Why it is not run; empty if it is."""
    follows_code: bool
    """Whether nothing but an empty line is between it and a python block that is run."""

    @property
    def last_line(self) -> int:
        """Number of the line of the closing fence."""
        return self.first_line + self.text.count("\n")


def read_blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    before: list[str] = []
    code_before = False
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.startswith("```"):
            before.append(line)
            continue
        end = lines.index("```", number)
        text = "".join(f"{each}\n" for each in lines[number:end])
        last = next((each for each in reversed(before) if each), "")
        found = NOT_RUN.fullmatch(last)
        block = Block(
            line.removeprefix("```"),
            text,
            number + 1,
            found[1] if found else "",
            code_before and not any(before),
        )
        yield block
        code_before = block.language == "python" and not block.reason
        before = []
        number = end + 1


def read_commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield the commands of a console block, each with its output."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def by_name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def assert_same_output(found: str, expected: str) -> None:
    """Compare text exactly but for ``...``, and decimal numbers within 0.02 or 2 %."""
    pieces = re.split(rf"({DECIMAL}|\.\.\.)", expected.rstrip())
    patterns = [
        re.escape(text) if index % 2 == 0 else "[^\n]*" if text == "..." else f"({DECIMAL})"
        for index, text in enumerate(pieces)
    ]
    numbers = [text for text in pieces[1::2] if text != "..."]
    match = re.fullmatch("".join(patterns), found.rstrip())
    assert match, f"printed:\n{found}\nexpected:\n{expected}"
    for shown, real in zip(numbers, match.groups(), strict=True):
        assert float(real) == pytest.approx(float(shown), rel=0.02, abs=0.02), found


def run_python(block: Block, page: Path, namespace: dict[str, Any]) -> str:
    """Run a block as part of its page and return what it prints."""
    # Empty lines before it, so that a traceback names the line of the page.
    source = "\n" * (block.first_line - 1) + block.text
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(source, str(page), "exec"), namespace)
    return output.getvalue()


def run_console(block: Block) -> None:
    """Run the commands of a block and compare their output and exit status."""
    commands = list(read_commands(block))
    status = 0
    for index, (command, expected) in enumerate(commands):
        if command == "echo $?":
            assert_same_output(f"{status}\n", expected)
            continue
        program, *arguments = shlex.split(command)
        assert program == "i3d-rgb-tf", f"{command}: not a command of this package; use ```sh"
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = main(arguments)
        assert_same_output(output.getvalue(), expected)
        is_shown = any(command == "echo $?" for command, _ in commands[index + 1 : index + 2])
        assert status == 0 or is_shown or "i3d-rgb-tf: error: " in expected, command


def run_page(page: Path) -> dict[str, Any]:
    """Run the blocks of a page from top to bottom; return what its python blocks define."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in read_blocks(page):
        if block.reason:
            continue
        if block.language == "python":
            printed = run_python(block, page, namespace)
        elif block.language == "text":
            assert_same_output(printed, block.text)
        elif block.language == "console":
            run_console(block)
    return namespace


@pytest.fixture
def folder(
    repository: Path,
    model_root: Path,
    tensors: Tensors,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Enter a folder with a model tree and the sample video, as the pages assume it."""
    video = repository / ".cache" / "demo" / "bigbuckbunny.mp4"
    if not video.is_file():
        fetch_video(video)
    shutil.copytree(model_root / "public", tmp_path / "public")
    shutil.copy(video, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # The package index has nothing else than these.
    monkeypatch.setattr("i3d_rgb_tf.weights.sources.fetch_tensors", lambda: tensors)
    return tmp_path


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in RUN_ELSEWHERE], ids=by_name
)
@pytest.mark.usefixtures("folder")
def test_the_snippets_of_a_page_run_from_top_to_bottom(page: Path) -> None:
    run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    assert not re.search(r"^[ >]+```", page.read_text(encoding="utf-8"), re.MULTILINE)
    for block in read_blocks(page):
        where = f"{by_name(page)}:{block.first_line}"
        assert block.language in {"python", "text", "console", "sh"}, where
        if block.language == "python":
            compile(block.text, where, "exec")
        elif block.language == "text":
            assert block.follows_code or block.reason, f"{where} is not the output of anything"
        elif block.language == "console":
            assert block.text.startswith("$ "), f"{where} does not begin with a command"
        else:
            assert not block.reason, f"{where} is never run anyway"


def shell_commands(line: str) -> Iterator[str]:
    """Yield the commands in a line, also those in ``$(...)``."""
    inner = r"\$\(([^)]*)\)"
    yield from re.findall(inner, line)
    yield re.sub(inner, "OUTPUT", line)


def our_commands(page: Path) -> Iterator[str]:
    """Yield the commands of this package on a page: of its blocks, and quoted in its text."""
    for block in read_blocks(page):
        if block.language == "console":
            yield from (command for command, _ in read_commands(block))
        elif block.language != "python":
            for line in block.text.splitlines():
                yield from shell_commands(line)
    yield from re.findall(r"`([^`\n]+)`", without_blocks(page))


def without_blocks(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=by_name)
def test_every_command_of_a_page_parses(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for command in our_commands(page):
        program, *rest = re.split(r"\s+", command.strip(), maxsplit=1)
        if not rest or program.rpartition("/")[2] != "i3d-rgb-tf":
            continue
        try:
            build_parser().parse_args(shlex.split(rest[0], comments=True))
        except SystemExit as error:
            if error.code:
                wrong.append(f"{command}: {capsys.readouterr().err.splitlines()[-1]}")

    assert wrong == []


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        ("0.5810  smoking", "0.5760  smoking", True),
        ("0.6010  smoking", "0.5760  smoking", False),
        ("0.5760  smoking", "0.5760  yoga", False),
        ("132 frames", "133 frames", False),
        ("by 3.6e-07", "by 1.2e-06", True),
        ("102.0 s", "101.0 s", True),
        ("in /tmp/x/out.json\n", "in .../out.json", True),
        ("in out.json\nand more", "in ...", False),
    ],
)
def test_outputs_are_compared_with_tolerance_for_numbers_only(
    found: str, expected: str, same: bool
) -> None:
    if same:
        assert_same_output(found, expected)
    else:
        with pytest.raises(AssertionError):
            assert_same_output(found, expected)


def test_the_first_screen_has_install_three_commands_and_python() -> None:
    blocks = [block for block in read_blocks(README) if block.last_line <= FIRST_SCREEN]
    commands = [
        command
        for block in blocks
        if block.language == "console"
        for command, output in read_commands(block)
        if command.startswith("i3d-rgb-tf ") and output
    ]

    assert any("pip install" in block.text for block in blocks if block.language == "sh")
    assert len(commands) >= 3
    assert any(block.language == "python" for block in blocks)


def test_the_readme_names_every_page_and_command() -> None:
    text = README.read_text(encoding="utf-8")

    linked = {target.partition("#")[0] for target in LINK.findall(text)}
    assert {by_name(page) for page in PAGES if page != README} <= linked
    assert [name for name in COMMANDS if f"i3d-rgb-tf {name}" not in text] == []
    assert "make demo" in text
    assert "make test" in text


def test_the_python_page_names_the_whole_public_api() -> None:
    page = REPOSITORY / "docs" / "python.md"
    code = [block.text for block in read_blocks(page) if block.language == "python"]
    code += re.findall(r"`([^`\n]+)`", without_blocks(page))

    words = set(re.findall(r"\w+", " ".join(code)))
    assert sorted(set(i3d_rgb_tf.__all__) - words) == []


def test_contributing_draws_the_wings_as_they_are() -> None:
    (block,) = (each for each in read_blocks(CONTRIBUTING) if each.language == "text")
    rows: list[list[str]] = []
    for line in block.text.splitlines()[2:]:
        cells = [line[:15], line[15:59], line[59:].partition(";")[0]]
        if line.startswith(" "):
            rows[-1] = [f"{above} {cell}" for above, cell in zip(rows[-1], cells, strict=True)]
        elif line:
            rows.append(cells)
    drawn = {
        name.strip(" /"): (set(rooms.split()), set(below.split())) for name, rooms, below in rows
    }
    rooms_of: dict[str, set[str]] = {}
    for room in ROOMS:
        rooms_of.setdefault(wing(room), set()).add(room.rpartition(".")[2])

    everywhere = {"ground", "facts", "entrance"}
    assert {name: below - {"-"} for name, (_, below) in drawn.items()} == {
        name: set(below) - everywhere for name, below in WINGS.items()
    }
    for name, (rooms, _) in drawn.items():
        if name != "commands":
            assert rooms == rooms_of[name] - {name}, name


def test_the_errors_in_the_questions_are_messages_of_the_package() -> None:
    page = REPOSITORY / "docs" / "faq.md"
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in ROOMS.values()]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    texts = [node.value for node in nodes if isinstance(node.value, str)]
    headings = re.findall(r"^### .*", without_blocks(page), flags=re.MULTILINE)
    quoted = re.findall(r"`([^`]*\.\.\.[^`]*)`", " ".join(headings))

    assert len(quoted) >= 6
    for message in quoted:
        for part in filter(None, message.split("...")):
            assert any(part.strip() in text for text in texts), message


FEATURES = REPOSITORY / "docs" / "features.md"


def table_rows(page: Path) -> Iterator[list[str]]:
    """Yield the cells of each line of the tables of a page."""
    for line in without_blocks(page).splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_the_page_on_features_has_the_settings_and_sources_of_every_preset() -> None:
    rows = {row[0].strip("`"): row for row in table_rows(FEATURES)}

    assert PRESETS.keys() <= rows.keys()
    for name, preset in PRESETS.items():
        options = rows[name][1].strip("`").split()
        arguments = ["features", "video.mp4", "-o", "out"]
        settings = [
            feature_settings(build_parser().parse_args([*arguments, *given]))
            for given in (options, ["--preset", name])
        ]
        assert settings == [preset.settings] * 2, name
        source = re.search(r"github\.com/[\w./-]+\w", preset.source)
        assert source
        assert source[0] in " ".join(rows[name]), name


def test_the_page_on_features_has_the_receptive_field() -> None:
    rows = {row[0]: row[1:] for row in table_rows(FEATURES)}

    assert rows["from one row to the next (stride)"] == [f"{TIME_STRIDE}", "0.32 s"]
    assert rows["what a row depends on (receptive field)"] == [f"{RECEPTIVE_FRAMES}", "4.28 s"]
    for remainder in range(4):
        for length in (100, 104):
            center = center_frame(0, length + remainder)
            expected = [str(center), f"{(center + 0.5) / 25:.2f} s"]
            assert rows[str(remainder)] == expected, remainder


def anchors(page: Path) -> set[str]:
    """Return the names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=by_name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [each for each in LINK.findall(text) if not re.match(r"https?://", each)]

    for target in targets:
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


# Words of this project's own in its early days, and the standard ones that replace them.
PRIVATE_WORDS = {
    r"\banswer(s|ed)?\b": "predictions, results",
    r"\bprov(e|es|ed|en|ing)\b|\bproofs?\b": "verified; quantization record",
    r"\bsets? (\w+ )?aside\b": "held out",
    r"\bcalculat(es?|ed|ing) in\b": "inference precision, runs in",
    r"\bmade\s+small\b": "resized",
    r"\blopsid(ed|edly)\b": "asymmetric",
    r"\btaken\s+for\s+which\b": "confusion matrix",
    r"\bmend(s|ed|ing)?\b": "fix, repair",
    r"\bgo(es)? on where\b": "resumes",
    r"\bwhole or not at all\b": "atomic write",
    r"\bmark before UTF-8\b|\bmark \w+ puts before\b": "UTF-8 BOM",
    r"\b(it|that) is no IR\b": "not an OpenVINO IR",
    r"\baccuracy of each class\b": "per-class accuracy",
    r"\bcolours\s+last\b": "channels-last",
    r"\bcannot be had\b": "not available",
    r"\bdo(es)? without\b": "works without",
    r"\btells\b": "reports",
    r"\bsay(s|ing)? nothing of\b": "does not mention",
    r"\bwithout a word\b": "silently, without an error",
}
OTHER_MEANING = re.compile(
    r"answer.*\b(server|host|HTTP)|\b(server|host|HTTP)\b.*answer|\banswers\[|\.answers\b",
    re.IGNORECASE,
)
"""A server answers a request."""
TEXT_SUFFIXES = {"", ".cff", ".cfg", ".in", ".md", ".py", ".toml", ".yml"}


def text_files() -> list[Path]:
    """Return the files of the checkout that people write."""
    folders = ("bench", "docs", "models", "tests", "tools")
    files = [path for name in folders for path in (REPOSITORY / name).rglob("*")]
    files += [*REPOSITORY.iterdir(), *REPOSITORY.glob(".ci/*")]
    return sorted(
        path
        for path in files
        if path.is_file()
        and path.suffix in TEXT_SUFFIXES
        and path != Path(__file__)
        and path.name != "LICENSE"
        and not path.name.startswith(".")
        and not {"__pycache__", "i3d_rgb_tf.egg-info", "licenses"} & set(path.parts)
    )


@pytest.mark.parametrize("pattern", PRIVATE_WORDS)
def test_standard_words_are_used(pattern: str) -> None:
    found = [
        f"{by_name(path)}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line, re.IGNORECASE) and not OTHER_MEANING.search(line)
    ]

    assert found == [], f"better: {PRIVATE_WORDS[pattern]}"
