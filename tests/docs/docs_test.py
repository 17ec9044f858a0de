"""What documents and comments name exists: links, make targets, paths, flags in commands."""

import re
import subprocess
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[Path]:
    found = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True).stdout.split()
    return sorted(ROOT / name for name in found if (ROOT / name).exists())


PAGES = tracked("*.md")
SOURCES = tracked("*.h", "*.cpp", "*.cu", "*.py", "*.cmake", "*CMakeLists.txt", "*.js", "scripts/*", ".ci/*", "Makefile")
NAMES = {path.name for path in tracked()}
TOP = sorted({path.relative_to(ROOT).parts[0] for path in tracked("*/*")} | {"cpu", "vqt"})
# A path of this tree in a text: docs/ops.md, ops/cpu/{gemm,norm}, ops/<op>.cpp, passes/...
PATH = re.compile(rf"(?<![\w./<{{-])(?:{'|'.join(map(re.escape, TOP))})/[\w.<>{{}}*,/-]*")
FOLDERS = [ROOT, ROOT / "ops", *ROOT.glob("*/include"), ROOT / "python"]


def commands(page: Path) -> list[str]:
    """Lines of the shell blocks, continued lines joined, comments left out."""
    blocks = re.findall(r"```(?:sh|bash)?\n(.*?)```", page.read_text(), flags=re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def flags(binary: str) -> set[str]:
    text = subprocess.run([ROOT / "build/bin" / binary, "--help"], capture_output=True, text=True).stdout
    return {flag.replace("_", "-") for flag in re.findall(r"--[a-z][a-z0-9_-]*", text)}  # both spellings are accepted


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_name_what_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    for command in commands(page):
        words = command.split()
        if words[0] == "make":
            assert set(w for w in words[1:] if "=" not in w and not w.startswith("-")) <= targets, command
        for word in words:
            if re.match(r"(\.ci|scripts|examples|bench|tests|cmake|docs)/", word):
                assert (ROOT / word.split(":")[0]).exists(), f"{page.name}: {command}: {word}"
        binary = Path(words[0]).name
        if binary in ("vqt-quantize", "vqt-eval"):
            used = {w.split("=")[0].replace("_", "-") for w in words if w.startswith("--")}
            assert used <= flags(binary) | {"--help"}, f"{page.name}: {command}: {used - flags(binary)}"


def globs(path: str) -> list[str]:
    """The path as patterns: a placeholder stands for any text, braces for each of their alternatives."""
    path = re.sub(r"<\w+>|\bNAME\b|\.\.\.", "*", path.rstrip(".,/"))
    braces = re.search(r"\{(.*?)\}", path)
    if not braces:
        return [path]
    return [g for part in braces[1].split(",") for g in globs(path[: braces.start()] + part + path[braces.end() :])]


def exists(path: str, folder: Path) -> bool:
    """Below the root, a folder that includes start from, or the text's own; a name may lack its extension."""
    bases = [*FOLDERS, folder]
    return all(any(any(b.glob(p)) for b in bases for p in (g, f"{g}.*")) for g in globs(path))


def missing_in_page(text: str, folder: Path) -> list[str]:
    """Paths and file names in backticks that nothing in the tree has."""
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    paths = [path for span in spans for path in PATH.findall(span) if not exists(path, folder)]
    names = [span for span in spans if re.fullmatch(r"[\w{},<>*-]+\.(?:h|cpp|py|cmake|\*)", span)]
    return paths + [n for n in names if not any(Path(name).match(g) for g in globs(n) for name in NAMES)]


def missing_in_comment(line: str, folder: Path) -> list[str]:
    files = [p.rstrip(".,") for p in PATH.findall(line)]
    return [p for p in files if re.search(r"\.(?:h|cpp|py|md|cmake|sh|json)$", p) and not exists(p, folder)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_paths_in_pages_exist(page: Path) -> None:
    assert missing_in_page(page.read_text(), page.parent) == []


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each comment; of Python also the docstrings."""
    text = path.read_text()
    if path.suffix == ".py" or text.startswith("#!/usr/bin/env python"):
        with path.open("rb") as file:
            begins = True  # a statement
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.COMMENT or (begins and token.type == tokenize.STRING):
                    yield from enumerate(token.string.splitlines(), token.start[0])
                skipped = (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.NL, tokenize.ENCODING)
                begins = token.type in skipped or (begins and token.type == tokenize.COMMENT)
    else:
        mark = "//" if path.suffix in (".h", ".cpp", ".cu", ".js") else "#"
        for number, line in enumerate(text.splitlines(), 1):
            yield number, line.partition(mark)[2]


def test_paths_in_comments_exist() -> None:
    assert [
        f"{path.relative_to(ROOT)}:{number}: {missing}"
        for path in SOURCES
        for number, text in comments(path)
        for missing in missing_in_comment(text, path.parent)
    ] == []


def test_a_path_that_does_not_exist_is_found() -> None:
    here = ROOT / "ops"
    page = "`ops/cpu/no_such`, `ops/check.h`, `ops/{check,gone}.h`, `ops/<op>.cpp`, `gone.*`, `passes/...`, `cpu/isa.h`"
    assert missing_in_page(page, here) == ["ops/cpu/no_such", "ops/{check,gone}.h", "gone.*"]
    assert missing_in_comment("as docs/ops.md and docs/gone.md say (ops/gone.h).", here) == ["docs/gone.md", "ops/gone.h"]


def test_folders_have_a_readme() -> None:
    """Those with more than two files; a few are described by the README of the folder above."""
    count = Counter(path.parent.relative_to(ROOT).as_posix() for path in tracked() if path.name != "README.md")
    elsewhere = re.compile(r"tests/.+|examples/vggt_mini/scenes/.+|examples/configs|eval/report/page|python/vqt|.+/include/vqt")
    folders = [f for f, n in sorted(count.items()) if n > 2 and not elsewhere.fullmatch(f)]
    assert [f for f in folders if not (ROOT / f / "README.md").exists()] == []


def test_there_are_pages_and_commands() -> None:
    assert ROOT / "README.md" in PAGES
    assert len(commands(ROOT / "README.md")) >= 5
