"""The forward passes that vqt-eval reports are those that it ran: the models of this test print one line in each."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
import scenes  # noqa: E402
from run_eval import ROOT, results, run  # noqa: E402

PHOTOS = [ROOT / "examples/photos" / p for p in ("aloe/aloe_left.jpg", "aloe/aloe_right.jpg", "leuven/leuven_a.jpg")]


class Counted(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.embed = nn.Conv2d(3, 16, 14, 14)
        self.linear = nn.Linear(16, 16)

    def forward(self, images: Tensor) -> Tensor:
        print("forward pass of", self.name)
        return self.linear(self.embed(images[0]).flatten(2).mean(2))


@pytest.mark.parametrize(
    "warmup, runs, frames, batches",
    [(3, 2, 0, 1), (1, 4, 2, 2), (0, 2, 0, 1)],
    ids=["all images at once", "two batches", "no warm-up"],
)
def test_warm_up_and_timed_forward_passes_are_run(tmp_path: Path, warmup: int, runs: int, frames: int, batches: int) -> None:
    reference = scenes.save(Counted("the reference"), tmp_path / "reference.pt")
    model = scenes.save(Counted("the model"), tmp_path / "model.pt")
    scenes.write_pictures(tmp_path / "photos", PHOTOS, 28, 28)
    more = ["--frames", frames] if frames else []
    done = run(
        "--reference", reference, "--model", model, "--image-folder", tmp_path / "photos", "--image_size", 28,
        "--output-dir", tmp_path / "out", "--warmup", warmup, "--runs", runs, "--quiet", *more,
    )  # fmt: skip
    found = results(tmp_path / "out")
    for timing in (found["reference"]["timing"], found["models"][0]["timing"]):
        assert timing["warmup_forwards"] == warmup
        assert timing["timed_forwards"] == len(timing["scene_ms"]) == runs
    expected = (warmup + runs) * batches
    counted = Counter(re.findall(r"^forward pass of (.*)$", done.stderr, flags=re.M))
    assert counted == {"the reference": expected, "the model": expected}
