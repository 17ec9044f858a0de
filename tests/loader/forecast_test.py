"""--list --frames, --plan: what forward passes will need, held against what they took."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import models  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build")) / "bin"
# The programs' own allocator, which settings of malloc turn off.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "THP_MEM_", "GLIBC_TUNABLES"))}
SIZE, FRAMES = (266, 196), 4  # width, height


def run(program: str, *arguments: object, code: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True, timeout=600, env=ENVIRONMENT)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def forecast(model: Path | str, *flags: object) -> dict[str, dict]:
    """By model, of --json."""
    done = run("vqt-quantize", model, "--list", "--json", "--quiet", "--size", f"{SIZE[0]}x{SIZE[1]}", *flags)
    return {m["name"]: m for m in json.loads(done.stdout)["models"]}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of 30 M parameters."""
    path = tmp_path_factory.mktemp("demo") / "demo.pt"
    export, config = ROOT / "examples/vggt/export.py", ROOT / "examples/vggt/configs/demo_30m.json"
    subprocess.run([sys.executable, export, "--random", "--config", config, "-o", path], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    pixels = np.random.default_rng(0).integers(0, 256, (FRAMES, SIZE[1], SIZE[0], 3), dtype=np.uint8)
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i}.png")
    return folder


def test_peaks_are_within_15_percent_of_measured_ones(demo: Path, photos: Path, tmp_path: Path) -> None:
    run("vqt-eval", "--reference", demo, "--preset", "production", "--image-folder", photos, "--image-size", SIZE[0],
        "--warmup", 0, "--runs", 2, "--cloud-points", 0, "--output-dir", tmp_path / "out", "--quiet")  # fmt: skip
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert (results["scene"]["height"], results["scene"]["width"]) == (SIZE[1], SIZE[0])
    found = forecast(demo, "--frames", f"1,{FRAMES}", "--preset", "production")
    for measured, name in ((results["reference"], "demo"), (results["models"][0], "production")):
        predicted = found[name]["costs"][1]
        assert predicted["frames"] == FRAMES
        assert predicted["peak_memory_bytes"] == pytest.approx(measured["peak_memory_bytes"], rel=0.15), name
        assert 0 < found[name]["costs"][0]["seconds"] < predicted["seconds"] < 40 * found[name]["costs"][0]["seconds"]
    assert found["production"]["weight_bytes"] < 0.4 * found["demo"]["weight_bytes"]


class Held(torch.nn.Module):
    """Keeps 8 MB a frame, and 4 MB a frame more while it sums them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        held = torch.ones([x.size(1), 2000000])
        return held.sum(1) + (held[:, :1000000] + 1).sum(1) + self.fc(torch.ones([1, 8])).sum()


def test_memory_grows_by_the_tensors_that_are_alive_at_once(tmp_path: Path) -> None:
    path = models.save(Held(), tmp_path / "held.pt")
    request = ("--frames", "1,11", "--preset", "production", "--skip-first-last", "false", "--max-memory", "1G")
    one, eleven = forecast(path, *request)["held"]["costs"]
    a_frame = (eleven["peak_memory_bytes"] - one["peak_memory_bytes"]) / 10
    pixels = 4 * 3 * SIZE[0] * SIZE[1]
    assert a_frame == pytest.approx(12e6 + pixels, rel=0.01)
    most = forecast(path, *request)["held"]["most_frames"]
    assert most == pytest.approx((1e9 - one["peak_memory_bytes"]) / a_frame + 1, rel=0.05)


def test_every_preset_is_a_row_and_json_says_what_the_tables_say(tmp_path: Path) -> None:
    path = models.save(models.Pictures(), tmp_path / "p.pt")
    text = run("vqt-quantize", path, "--list", "--frames", "1,2", "--size", "28x28", "--max-memory", "8G", "--quiet").stdout
    first = [line.split()[0] for line in text.splitlines() if line]
    presets = ["production", "mobile", "prototype", "int16", "int8-asym", "smallest"]
    assert first == ["forecast", "peak", "p", *presets, "time", "p", *presets]
    assert list(forecast(path, "--frames", "2")) == ["p", *presets]


class Chooses(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.ones([int(x.sum().item()) + 1, 8]))


def test_a_model_that_asks_for_data_has_no_forecast(tmp_path: Path) -> None:
    path = models.save(Chooses(), tmp_path / "c.pt")
    error = run("vqt-quantize", path, "--list", "--frames", "1", "--size", "28x28", code=1).stderr
    assert "c: no forecast: the model cannot be run on sizes alone" in error
    assert "float32 [1, 1, 3, 28, 28]: " in error


def test_the_plan_of_a_run(tmp_path: Path, photos: Path) -> None:
    path = models.save(models.Pictures(), tmp_path / "p.pt")
    plan = run("vqt-eval", "--reference", path, "--preset", "production", "--image-folder", photos, "--image-size", SIZE[0],
               "--plan", "--output-dir", tmp_path / "out", "--quiet").stdout  # fmt: skip
    assert plan.splitlines()[0].startswith(f"forecast for float32 [1, frames, 3, {SIZE[1]}, {SIZE[0]}]")
    assert plan.splitlines()[1].split() == ["peak", "memory", "weights", "1", "frame", "2", "frames", "4", "frames"]
    assert [line.split()[0] for line in plan.splitlines()[2:4]] == ["reference", "production"]
    assert not (tmp_path / "out").exists()


class Vast(torch.nn.Module):
    """Needs 1 GB for one frame, 4 TB for four."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = x.size(1)
        return self.fc(torch.ones([125000 * n * n * n * n * n * n, 125, 8])).sum()


def test_what_cannot_fit_is_refused_before_it_is_run(tmp_path: Path, photos: Path) -> None:
    path = models.save(Vast(), tmp_path / "v.pt")
    error = run("vqt-eval", "--reference", path, "--preset", "production", "--image-folder", photos, "--image-size", SIZE[0],
                "--output-dir", tmp_path / "out", code=1).stderr  # fmt: skip
    said = re.search(r"a forward pass with (\d+) images of (\d+) x (\d+) needs at least 4,096,\d\d\d MB of memory, .* are free; at most (.*)$", error, re.M)
    assert said, error
    assert tuple(map(int, said.groups()[:3])) == (FRAMES, *SIZE)
    assert re.fullmatch(r"([1-3]) fit: --frames \1", said[4])
