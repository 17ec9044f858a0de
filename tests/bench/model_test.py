"""What the whole-model part makes of its processes' answers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import forward, model
from bench.model import Variant, add, errors, in_turns, whole_models


def silent(text: str) -> None: ...


def lines(*answers: dict[str, Any]) -> str:
    return "\n".join(map(json.dumps, answers))


def test_the_shortest_pass_of_all_turns_counts_and_the_profiler_does_not() -> None:
    models: dict[int, dict[str, Any]] = {}
    add(models, "a", {"bytes": 7}, lines({"imported": 1}, {"frames": 2, "seconds": 9.0, "peak": 50}))
    second = lines({"imported": 1}, {"frames": 2, "seconds": 8.0, "peak": 51}, {"frames": 2, "kinds": {"linears": 3.0}})
    add(models, "a", {"bytes": 7}, second)
    found = models[2]["a"]
    assert found["forwards"] == [9.0, 8.0]
    assert (found["seconds"], found["peak"], found["bytes"], found["imported"]) == (8.0, 50, 7, 1)
    assert found["kinds"] == {"linears": 3.0}


def test_models_take_turns_in_changing_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []

    def run(command: list[Any], **others: Any) -> str:
        seen.append((Path(command[3]).stem, "--profile" in command))
        return lines({}, {"frames": 1, "seconds": 1.0, "peak": 1})

    monkeypatch.setattr(model, "run", run)
    chosen = {name: Variant(tmp_path / f"{name}.pt") for name in "abc"}
    in_turns(tmp_path, chosen, {name: {} for name in chosen}, [], 9, [], silent)
    rounds = [seen[3 * turn : 3 * turn + 3] for turn in range(9)]
    assert all(sorted(name for name, _ in order) == ["a", "b", "c"] for order in rounds)
    assert len({"".join(name for name, _ in order) for order in rounds}) > 3
    assert [profiled for _, profiled in seen] == 24 * [False] + 3 * [True]


def test_a_process_that_dies_keeps_what_it_said_and_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run(command: list[Any], **others: Any) -> str:
        asked.append(Path(command[3]).stem)
        raise model.PartError("exit code -9", lines({}, {"frames": 1, "seconds": 2.0, "peak": 1}))

    monkeypatch.setattr(model, "run", run)
    notes: list[str] = []
    found = in_turns(tmp_path, {"a": Variant(tmp_path / "a.pt")}, {"a": {}}, [], 3, notes, silent)
    assert (found[1]["a"]["seconds"], asked, notes) == (2.0, ["a"], ["a: exit code -9"])


def test_errors_by_hand() -> None:
    want = {"depth": torch.tensor([0.0, 3.0, 4.0]), "pose_enc": torch.ones(2)}
    found = errors({"depth": torch.tensor([0.0, 3.0, 4.4]), "other": torch.ones(1)}, want)
    assert set(found) == {"depth", "depth_psnr"}
    assert found["depth"] == pytest.approx(0.4 / 5, rel=1e-6)
    assert found["depth_psnr"] == pytest.approx(24.771, abs=1e-3)  # 10 log10(4^2 / (0.16 / 3))
    assert errors(want, want) == {"depth": 0.0, "pose_enc": 0.0}  # no PSNR: it is infinite


def test_a_tiny_model_with_all_variants(tmp_path: Path, tiny: dict[str, Any]) -> None:
    config = tmp_path / "tiny.json"
    config.write_text(json.dumps(tiny))
    one, three = model.whole(tmp_path, 1, silent, [1, 3], 1, config, (56, 70))
    assert (one["frames"], three["frames"], one["height"], one["width"]) == (1, 3, 56, 70)
    names = ["float32", "production", "mobile", "static"]
    for entry in (one, three):
        assert [name for name in entry["models"] if name != "bfloat16"] == names, one["notes"]
        for name, found in entry["models"].items():
            assert len(found["forwards"]) == forward.PASSES and found["bytes"] > 0
            assert list(found["kinds"]) == list(forward.KINDS) and sum(found["kinds"].values()) > 0
            assert ("errors" in found) == (name != "float32")
        assert 0 < entry["models"]["production"]["errors"]["depth"] < 0.1
        assert 0 < entry["models"]["static"]["errors"]["pose_enc"] < 0.2
    static, dynamic = (three["models"][name]["errors"] for name in ("static", "production"))
    assert static != dynamic


def test_older_files_have_one_entry() -> None:
    entry = {"frames": 2, "models": {}}
    assert whole_models({"model": entry}) == whole_models({"model": [entry]}) == [entry]
    assert whole_models({}) == []
