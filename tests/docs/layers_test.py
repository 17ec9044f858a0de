"""The tree's order: the table "may include" of docs/design.md holds, and each module of the tests has its own name."""

import collections
import graphlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOTS = ("ops/", "ops/include/", "passes/include/", "loader/include/", "")  # the first that has the file is meant


def rows(page: str) -> dict[str, list[str]]:
    """What each folder may include, apart from itself. `a/**` is a and all folders below it."""
    section = page.split("\n## May include\n")[1].split("\n## ")[0]
    cells = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {re.search("`(.+?)`", row[0])[1]: re.findall("`(.+?)`", row[1]) for row in cells}


def covers(pattern: str, path: str) -> bool:
    folder = str(Path(path).parent)
    if pattern.endswith("/**"):
        return f"{folder}/".startswith(pattern[:-2])
    return pattern in (path, folder)


def faults(table: dict[str, list[str]], files: dict[str, str]) -> Iterator[str]:
    for path, text in files.items():
        own = [r for r in table if covers(r, path)]  # its folder's row, and one of the file's own where there is one
        if not own:
            yield f"{path}: its folder has no row in docs/design.md, section 'May include'"
            continue
        for number, line in enumerate(text.splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            target = next((r + include[2] for r in ROOTS if r + include[2] in files), None) if include else None
            if include and include[1] == '"' and (target is None or "/" not in include[2]):
                yield f'{path}:{number}: "{include[2]}": written from the root of the tree or of ops (docs/design.md)'
            elif include and include[2].startswith("ops/cpu/"):
                yield f'{path}:{number}: "{include[2]}": kernels are spelled "cpu/..."'
            elif target and not any(covers(r, target) for r in own + [a for o in own for a in table[o]]):
                allowed = ", ".join(table[own[0]]) or "nothing"
                yield f"{path}:{number}: includes {target}, but {own[0]} may include: {allowed} (docs/design.md)"


def cpp_files() -> dict[str, str]:
    names = subprocess.run(["git", "ls-files", "*.h", "*.cpp", "*.cu"], cwd=ROOT, capture_output=True, text=True)
    return {name: (ROOT / name).read_text() for name in names.stdout.split() if (ROOT / name).exists()}


TABLE = rows((ROOT / "docs/design.md").read_text())
FILES = cpp_files()


def test_files_include_only_what_their_folder_may() -> None:
    found = list(faults(TABLE, FILES))
    assert not found, "\n" + "\n".join(found)


def test_the_table_names_what_exists_and_has_no_circle() -> None:
    for row, allowed in TABLE.items():
        for name in (row, *allowed):
            assert (ROOT / name.removesuffix("/**")).exists(), f"docs/design.md: {row}: {name} does not exist"
    below = {row: [r for r in TABLE if r != row and any(covers(a, r + "/x") for a in TABLE[row])] for row in TABLE}
    list(graphlib.TopologicalSorter(below).static_order())  # raises CycleError, which names the circle


def test_modules_of_the_tests_have_names_of_their_own() -> None:
    # pytest imports them by name alone; a run of one folder does not see that another folder has the name, too.
    places = collections.defaultdict(list)
    for path in (ROOT / "tests").rglob("*.py"):
        places[path.name].append(str(path.relative_to(ROOT)))
    del places["conftest.py"]
    assert not [paths for paths in places.values() if len(paths) > 1]


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("low/a.h", '#include "vqt/ops.h"\n#include "top/b.h"\n', "low/a.h:2: includes top/b.h, but low may"),
        ("top/b.h", '#include "low/a.h"\n', None),
        ("top/c.cpp", '#include "b.h"\n', 'top/c.cpp:1: "b.h": written from the root'),
        ("new/d.cpp", "", "new/d.cpp: its folder has no row"),
        ("top/e.cpp", '#include "top/gone.h"\n', 'top/e.cpp:1: "top/gone.h": written from the root'),
    ],
)
def test_a_fault_is_named_with_file_line_and_rule(path: str, text: str, message: str | None) -> None:
    table = {"low": ["ops/include/**"], "top": ["low"]}
    files = {"low/a.h": "", "top/b.h": "", "b.h": "", "ops/include/vqt/ops.h": "", path: text}
    found = [f for f in faults(table, files) if f.startswith(path)]
    assert [message in f for f in found] == [True] if message else found == []
