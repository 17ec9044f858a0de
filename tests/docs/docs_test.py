"""What the documents point to exists: links, make targets, paths and flags in commands."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    ROOT / name for name in subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True).stdout.split()
)


def commands(page: Path) -> list[str]:
    """Lines of the shell blocks, continued lines joined, comments left out."""
    blocks = re.findall(r"```(?:sh|bash)?\n(.*?)```", page.read_text(), flags=re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def flags(binary: str) -> set[str]:
    text = subprocess.run([ROOT / "build/bin" / binary, "--help"], capture_output=True, text=True).stdout
    return set(re.findall(r"--[a-z][a-z0-9_-]*", text))


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
            used = {w.split("=")[0] for w in words if w.startswith("--")}
            assert used <= flags(binary) | {"--help"}, f"{page.name}: {command}: {used - flags(binary)}"


def test_there_are_pages_and_commands() -> None:
    assert ROOT / "README.md" in PAGES
    assert len(commands(ROOT / "README.md")) >= 5
