"""vqt-eval --search as its users see it: candidates, the front, the winners' configs, sites quantized once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import scenes  # noqa: E402
from run_eval import OPS, QUANTIZE, ROOT, results, run  # noqa: E402

PHOTOS = [ROOT / "examples/photos" / p for p in ("aloe/aloe_left.jpg", "leuven/leuven_a.jpg")]
FAST = ["--warmup", "1", "--runs", "1", "--image_size", "70", "--depth_frames", "0", "--quiet"]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.ops.load_library(str(OPS))
    path = tmp_path_factory.mktemp("search")
    scenes.save(scenes.Tiny(), path / "tiny.pt")
    scenes.write_pictures(path / "photos", PHOTOS)
    return path


@pytest.fixture(scope="module")
def searched(space: Path) -> tuple[dict, str]:
    """Sites: first, blocks.0 to 2, to_depth, pose; the first and the last stay float."""
    done = run(
        "--reference", space / "tiny.pt", "--image_folder", space / "photos", "--search", "bits=4,8", "--search",
        "group-size=16,32", "ignore=,blocks", "--save_reference", space / "photos.fwd", "--output_dir", space / "out", *FAST,
    )  # fmt: skip
    return results(space / "out"), done.stdout


def test_every_combination_is_a_model_and_a_site_is_quantized_once(searched: tuple[dict, str]) -> None:
    found, stdout = searched
    rows = [(m["name"], m["source"], m["sites_quantized"], m["sites_reused"]) for m in found["models"]]
    assert rows == [
        ("production bits=4 group_size=16 ignore=", "search", 4, 0),
        ("production bits=4 group_size=16 ignore=blocks", "search", 0, 1),  # to_depth
        ("production bits=4 group_size=32 ignore=", "search", 4, 0),
        ("production bits=4 group_size=32 ignore=blocks", "search", 0, 1),
    ]
    [note] = [n for n in found["notes"] if n.startswith("--search")]
    assert "4 combinations" in note and "production bits=8 group_size=16 ignore= (" in note
    assert "note: --search: left out" in stdout
    assert found["models"][3]["config"]["group_size"] == 32 and found["models"][3]["config"]["ignore"] == ["blocks"]


def test_the_front_is_marked(searched: tuple[dict, str]) -> None:
    found, stdout = searched

    def beaten(m: dict) -> bool:
        def psnr(of: dict) -> float:
            return min(o["psnr_db"] for o in of["outputs"].values() if o["psnr_db"] is not None)

        def gain(other: dict) -> list[float]:  # 1 and more is better, within the margins none
            ratios = [(m["size_bytes"] / other["size_bytes"], 1.01), (m["ms_per_image"] / other["ms_per_image"], 1.03)]
            return [0 if 1 / k < r < k else r - 1 for r, k in ratios] + [psnr(other) - psnr(m)]

        return any(min(gain(o)) >= 0 and max(gain(o)) > 0 for o in found["models"] if o is not m)

    assert [m["pareto_front"] for m in found["models"]] == [not beaten(m) for m in found["models"]]
    stars = [line.split("w4a8")[0].rstrip().endswith("*") for line in stdout.splitlines() if "w4a8" in line]
    assert stars == [m["pareto_front"] for m in found["models"]]
    assert "*: on the Pareto front" in stdout


def test_the_winners_configs_give_the_same_models_without_the_search(space: Path, searched: tuple[dict, str]) -> None:
    found, stdout = searched
    models = {m["name"]: m for m in found["models"]}
    files = {w["goal"]: space / "out" / w["config"] for w in found["winners"]}
    assert sorted(files) == ["accuracy", "size", "speed"]
    taken = found["recommendation"]  # times decide whether there is one
    if taken["model"]:
        files["recommended"] = space / "out" / taken["config"]
    assert sorted(p.name for p in (space / "out/best").iterdir()) == sorted(f"{goal}.json" for goal in files)
    for goal, best in [*((w["goal"], w) for w in found["winners"]), ("recommended", taken)]:
        if best["model"]:
            assert json.loads(files[goal].read_text())["name"] == best["model"]
            assert best["config"] in stdout.replace("\n    ", " ")
    chosen = [files["accuracy"], files["size"]]
    run(
        "--reference", space / "tiny.pt", "--image_folder", space / "photos", "--config", *chosen, "--load_reference",
        space / "photos.fwd", "--output_dir", space / "again", *FAST,
    )  # fmt: skip
    for again, path in zip(results(space / "again")["models"], chosen, strict=True):
        before = models[json.loads(path.read_text())["name"]]
        for key in ("config", "scheme", "size_bytes", "outputs", "sites"):
            assert again[key] == before[key], key
    subprocess.run([QUANTIZE, space / "tiny.pt", "--dry-run", "--config", chosen[0], "--quiet"], check=True, timeout=300)


def test_bad_searches_are_refused_before_anything_runs(space: Path) -> None:
    for text, message in (
        ("groupsize=32", "nearest: group_size"),
        ("group_size=32,0", "group_size: expected 1 or more"),
        ("sensitive_bits=16", "production sensitive_bits=16"),
    ):
        done = run("--reference", space / "no.pt", "--image_folder", space, "--search", text, code=2)
        assert "error: --search: " in done.stderr and message in done.stderr
