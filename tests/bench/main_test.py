"""A run goes on after a part that fails, and keeps what it has when it is interrupted."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import __main__ as main
from bench import machine

ENVIRONMENT = {
    "cpu": "Made-up CPU", "slug": "made-up", "family": "1", "model": "2", "isas_known": [], "isas": [], "isa": "ref",
    "cpus": 2, "threads": 2, "memory_bytes": 8 << 30, "last_cache_bytes": 1 << 20, "versions": {"torch": "2.11.0"},
    "python": "3.11.7", "commit": "abcdef0", "date": "2026-01-02",
}  # fmt: skip


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    for name, value in {**main.ENVIRONMENT, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}.items():
        monkeypatch.setenv(name, value)  # as after the restart that reads them
    monkeypatch.setattr(machine, "environment", lambda threads: dict(ENVIRONMENT))
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)  # of the whole test process
    for part in main.PARTS:
        monkeypatch.setattr(
            main, f"measure_{part}", lambda results, args, part=part: results.update({f"ran_{part}": 1})
        )

    def run(*flags: str) -> tuple[int, dict[str, Any], str]:
        monkeypatch.setattr(sys, "argv", ["bench", "--out", str(tmp_path), *flags])
        code = main.main()
        return code, json.loads((tmp_path / "cpu-made-up.json").read_text()), (tmp_path / "cpu-made-up.md").read_text()

    return run


def failing(error: BaseException) -> Any:
    def measure(results: dict[str, Any], args: Any) -> None:
        raise error

    return measure


def test_a_part_that_fails_is_a_note(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "measure_sweep", failing(RuntimeError("the sweep broke\nat a place")))
    code, results, page = run()
    assert code == 0
    assert results["notes"] == ["sweep: RuntimeError: the sweep broke"]
    assert {f"ran_{part}" for part in main.PARTS if part != "sweep"} <= set(results)
    assert "- sweep: RuntimeError: the sweep broke" in page


def test_an_interrupted_run_keeps_what_it_has(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "measure_sweep", failing(KeyboardInterrupt()))
    code, results, page = run()
    assert code == 130
    assert "ran_linears" in results and "ran_model" not in results
    assert "- sweep: interrupted" in page


def test_only_keeps_the_other_parts(run: Any) -> None:
    run("--only", "model")
    code, results, _ = run("--only", "rates", "sweep")
    assert code == 0
    assert {key for key in results if key.startswith("ran_")} == {"ran_model", "ran_rates", "ran_sweep"}
    assert list(results["durations"]) == ["model", "rates", "sweep"]
