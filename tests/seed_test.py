"""conftest.py's seeds: a case draws the same numbers alone, among others and in any order, and says its seed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = '''
import numpy as np, pytest, random, torch

@pytest.fixture(scope="module")
def shared():
    return torch.randn(3).sum().item()

def draw(name, *more):
    print(f"\\n{name}: {torch.randn(4).sum().item()} {np.random.rand()} {random.random()} {more}")

def test_first():
    draw("first")

@pytest.mark.parametrize("n", [1, 2])
def test_of_n(n, shared):
    draw(f"of_n {n}", shared)

def test_fails():
    draw("fails")
    assert False
'''


def drawn(folder: Path, *tests: str) -> tuple[dict[str, str], str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", "--rootdir", folder, *tests],
        cwd=folder, capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONHASHSEED": "random"},
    )  # fmt: skip
    return dict(re.findall(r"^(first|of_n \d|fails): (.*)$", done.stdout, flags=re.M)), done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    (tmp_path / "cases_test.py").write_text(CASES)
    return tmp_path


def test_numbers_do_not_depend_on_what_ran_before(folder: Path) -> None:
    name = "cases_test.py::"
    whole, _ = drawn(folder, "cases_test.py")
    assert len(whole) == 4 and len(set(whole.values())) == 4
    alone, _ = drawn(folder, name + "test_of_n[2]")
    assert alone == {"of_n 2": whole["of_n 2"]}
    turned, _ = drawn(folder, name + "test_fails", name + "test_of_n[2]", name + "test_of_n[1]", name + "test_first")
    assert turned == whole


def test_a_failure_says_its_seed(folder: Path) -> None:
    _, text = drawn(folder, "cases_test.py::test_fails")
    assert re.search(r"^torch, numpy and random began this case with seed \d+$", text, flags=re.M), text
