"""vqt-eval --check: a run is repeated from its results.json alone, and figures that differ are named."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import scenes  # noqa: E402
from run_eval import QUANTIZE, ROOT, results, run  # noqa: E402

PHOTOS = [ROOT / "examples/photos" / p for p in ("aloe/aloe_left.jpg", "aloe/aloe_right.jpg", "leuven/leuven_a.jpg")]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with few flags at their defaults; then everything it read is moved, and the config is gone."""
    root = tmp_path_factory.mktemp("check")
    scenes.save(scenes.Tiny(), root / "tiny.pt")
    scenes.write_pictures(root / "photos", PHOTOS)
    (root / "mine.json").write_text(json.dumps({"name": "mine", "quant_type": "int4_group", "group_size": 16,
                                                "ignore": ["blocks.1"]}))  # fmt: skip
    subprocess.run([QUANTIZE, root / "tiny.pt", "-o", root / "q8.pt", "--preset", "production", "--quiet"], check=True)
    run("--reference", root / "tiny.pt", "--config", root / "mine.json", "--model", root / "q8.pt", "--image_folder",
        root / "photos", "--image_size", 56, "--preprocess", "pad", "--max_images", 2, "--frames", 1, "--mean", "0.4,0.5,0.6",
        "--std", "0.2,0.3,0.4", "--warmup", 0, "--runs", 1, "--depth_frames", 1, "--output_dir", root / "results")  # fmt: skip
    for name in ("tiny.pt", "q8.pt", "photos"):
        (root / "moved").mkdir(exist_ok=True)
        shutil.move(root / name, root / "moved" / name)
    (root / "mine.json").unlink()
    return root


def check(root: Path, file: Path, *more: object, code: int = 0) -> subprocess.CompletedProcess:
    moved = root / "moved"
    return run("--check", file, "--reference", moved / "tiny.pt", "--image_folder", moved / "photos", "--model",
               moved / "q8.pt", *more, code=code)  # fmt: skip


def test_a_repeated_run_finds_the_same(recorded: Path) -> None:
    before = (recorded / "results/results.json").read_text()
    done = check(recorded, recorded / "results/results.json")
    assert (recorded / "results/results.json").read_text() == before
    found, again = json.loads(before), results(recorded / "results/check")
    assert {k: v for k, v in again["run"].items() if k not in ("reference", "image_folder")} == {
        k: v for k, v in found["run"].items() if k not in ("reference", "image_folder")
    }
    assert again["scene"]["pictures"] == ["0.png", "1.png"]
    assert [m["config"] for m in again["models"]] == [m["config"] for m in found["models"]]
    # scene 4; reference: size, 3 of each of 4 outputs; models: size, scheme, 4 of each output
    assert done.stdout.endswith(f"check: {4 + 13 + 2 * 18} figures compared, all within tolerance\n")


def test_a_figure_that_differs_is_named(recorded: Path, tmp_path: Path) -> None:
    edited = results(recorded / "results")
    edited["models"][0]["outputs"]["depth"]["psnr_db"] += 0.3
    edited["models"][1]["ms_per_image"] *= 1000  # never compared
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(edited))
    done = check(recorded, file, "--output_dir", tmp_path / "out", code=1)
    lines = [line.split() for line in done.stdout.splitlines() if "+-" in line]
    assert [line[:3] for line in lines] == [["mine,", "depth", "psnr_db"]]
    assert "1 off by more than allowed" in done.stdout.splitlines()[-1]


def edit(**fields: object) -> Callable[[dict], dict]:
    return lambda found: {k: v for k, v in (found | fields).items() if v is not None}


REFUSED = [
    (lambda found: "no JSON {", [], ["expected a results.json of version 1", "not JSON"]),
    (lambda found: [], [], ["expected a results.json of version 1", "JSON without a version"]),
    (edit(version=2), [], ["expected a results.json of version 1, got version 2"]),
    (edit(run=None), [], ["expected the field run", "vqt", "run it again"]),
    (edit(interrupted=True), [], ["expected a finished run", "--resume"]),
    (edit(run={}), [], ["expected the fields of a results.json of version 1", "reference"]),
    (edit(models=[{"name": "a"}]), [], ["expected the fields", "source"]),
    (edit(scene=3), [], ["expected the fields"]),
    (edit(), ["--frames", "2"], ["--frames: cannot be combined with --check"]),
    (edit(), ["--preset", "mobile"], ["--preset: cannot be combined with --check"]),
    (edit(), ["--model", "other.pt"], ["--model: other.pt: expected the file name of a model that"]),
    (edit(), ["--output_dir", "{folder}"], ["--output-dir", "contains the results to check"]),
]


@pytest.mark.parametrize(("change", "flags", "says"), REFUSED, ids=[r[2][0] for r in REFUSED])
def test_what_cannot_be_checked_is_refused(
    recorded: Path, tmp_path: Path, change: Callable[[dict], object], flags: list[str], says: list[str]
) -> None:
    changed = change(results(recorded / "results"))
    file = tmp_path / "r.json"
    file.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    done = run("--check", file, *[f.format(folder=tmp_path) for f in flags], code=2)
    for part in says:
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_tolerance_is_for_check_alone(recorded: Path) -> None:
    done = run("--reference", "a.pt", "--image_folder", "b", "--tolerance", 1, code=2)
    assert "--tolerance" in done.stderr and "--check" in done.stderr
    assert "--reference: expected the TorchScript file of the float model" in run("--image_folder", "b", code=2).stderr
