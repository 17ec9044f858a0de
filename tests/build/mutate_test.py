"""scripts/mutate: its list fits the tree, and it says what is caught, what survives and what no longer applies."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = "def double(x):\n    return 2 * x\n"
TESTS = "from doubling import double\n\ndef test_double():\n    assert double(2) == 4\n\ndef test_zero():\n    assert double(0) == 0\n"
MUTATION = """
[[mutation]]
name = "{name}"
what = "double does not double"
file = "tests/doubling.py"
search = "{search}"
replace = "{replace}"
test = "tests/double_test.py::{test}"
"""


def mutate(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "scripts/mutate"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def project(folder: Path, *mutations: dict[str, str]) -> Path:
    (folder / "tests").mkdir()
    (folder / "tests/doubling.py").write_text(CODE)
    (folder / "tests/double_test.py").write_text(TESTS)
    given = {"name": "caught", "search": "2 * x", "replace": "x", "test": "test_double"}
    (folder / "tests/mutations.toml").write_text("".join(MUTATION.format(**(given | m)) for m in mutations))
    return folder


def lines(done: subprocess.CompletedProcess) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}


def test_every_mutation_applies_and_names_a_test() -> None:
    done = mutate("--check")
    assert done.returncode == 0, done.stdout + done.stderr
    names = [line.split()[0] for line in mutate("--list").stdout.splitlines()]
    assert f"{len(names)} mutations apply" in done.stdout


def test_what_the_test_notices_is_caught(tmp_path: Path) -> None:
    done = mutate("--root", project(tmp_path, {}))
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines(done)["caught"][0] == "caught" and done.stdout.endswith("1 caught\n")
    assert (tmp_path / "tests/doubling.py").read_text() == CODE


def test_what_would_not_be_built_again_is_said(tmp_path: Path) -> None:
    root = project(tmp_path, {})
    (root / "tests/doubling.cpp").write_text(CODE)
    list_file = root / "tests/mutations.toml"
    text = list_file.read_text().replace("doubling.py", "doubling.cpp")
    for targets, wrong in (("", "expected what has to be built again"), ('targets = "a"\n', "expected a list"), ('targets = ["a"]\n', "")):
        list_file.write_text(text + targets)
        done = mutate("--root", root, "--check")
        assert (done.returncode, wrong in done.stdout + done.stderr) == (1 if wrong else 0, True)


def test_what_survives_or_cannot_be_judged_is_exit_code_1(tmp_path: Path) -> None:
    done = mutate(
        "--root",
        project(
            tmp_path,
            {},
            {"name": "survives", "test": "test_zero"},
            {"name": "gone", "search": "3 * x"},
            {"name": "no-test", "test": "test_no_such"},
        ),
    )
    found = lines(done)
    assert done.returncode == 1
    assert [found[name][0] for name in ("caught", "survives", "gone", "no-test")] == ["caught", "SURVIVED", "ERROR", "ERROR"]
    assert "occurs 0 times, expected once" in done.stdout and "no test tests/double_test.py::test_no_such" in done.stdout
    assert (tmp_path / "tests/doubling.py").read_text() == CODE


def test_a_test_that_fails_anyway_proves_nothing(tmp_path: Path) -> None:
    project(tmp_path, {})
    (tmp_path / "tests/double_test.py").write_text(TESTS.replace("== 4", "== 5"))
    done = mutate("--root", tmp_path)
    assert done.returncode == 1 and "fails without the mutation" in done.stdout


def test_a_hanging_test_is_ended_and_counts_as_caught(tmp_path: Path) -> None:
    done = mutate("--limit", 8, "--root", project(tmp_path, {"replace": "__import__('time').sleep(600)"}))
    assert done.returncode == 0 and lines(done)["caught"][0] == "caught", done.stdout


def test_a_killed_run_is_cleaned_up_by_the_next(tmp_path: Path) -> None:
    project(tmp_path, {})
    kept = tmp_path / "build/mutate"
    kept.mkdir(parents=True)
    (kept / "original").write_text(CODE)
    (kept / "path").write_text("tests/doubling.py")
    (tmp_path / "tests/doubling.py").write_text(CODE.replace("2 * x", "x"))
    assert mutate("--root", tmp_path).returncode == 0
    assert (tmp_path / "tests/doubling.py").read_text() == CODE


def test_names_select_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path, {}, {"name": "survives", "test": "test_zero"})
    assert mutate("--root", root, "caug").returncode == 0
    assert mutate("--root", root, "s*").returncode == 1
    done = mutate("--root", root, "no-such")
    assert done.returncode == 1 and 'no mutation is called "no-such"' in done.stderr
