"""vqt-quantize needs the model's weights in memory once: quantized layers give their memory back as it goes."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build")) / "bin/vqt-quantize"


class Growing(nn.Module):
    """Each weight is larger than those before it: what they leave free in a heap is too small for the next."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def peak_bytes(folder: Path, widths: list[int]) -> tuple[int, int]:
    """Size of the file, and peak memory that the program reports."""
    path = folder / f"{len(widths)}.pt"
    torch.jit.save(torch.jit.script(Growing(widths).eval()), str(path))
    done = subprocess.run(
        [BINARY, path, "-o", folder / "q.pt", "--preset", "prototype"], capture_output=True, text=True, check=True, timeout=300
    )
    peak = re.search(r"peak memory: ([\d,.]+) MB", done.stdout)[1]
    return path.stat().st_size, int(float(peak.replace(",", "")) * 1e6)


def test_quantizing_gives_memory_back(tmp_path: Path) -> None:
    _, without_weights = peak_bytes(tmp_path, [64, 64, 64, 64])
    size, peak = peak_bytes(tmp_path, list(range(1024, 1024 + 13 * 128, 128)))
    assert size == pytest.approx(163e6, rel=0.01)
    assert (peak - without_weights) / size < 1.2  # without ScopedMallocTrim: 1.37 to 1.9
