"""vqt-quantize needs the model's weights in memory once: quantized layers give their memory back as it goes. Forward
passes leave no holes."""

import os
import re
import subprocess
from pathlib import Path
from typing import List

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


class Holes(nn.Module):
    """Frees 24 tensors of 8 MiB between small ones that stay, then allocates larger ones: a heap's holes do not do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        torch.ones(30 << 18)  # freed: glibc puts blocks of up to its size on the heap from now on
        small: List[torch.Tensor] = []
        large: List[torch.Tensor] = []
        for _ in range(24):
            large.append(torch.ones(8 << 18))
            small.append(torch.ones(64 << 8))
        large.clear()
        for _ in range(8):
            large.append(torch.ones(20 << 18))
        return x + small[3].sum() + large[5].sum()


def peak_bytes(path: Path, *flags: object, **env: str) -> int:
    """What the program reports."""
    command = [BINARY, path, "-o", path.with_name("q.pt"), "--preset", "prototype", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, env={**os.environ, **env})
    peak = re.search(r"peak memory: ([\d,.]+) MB", done.stdout)[1]
    return int(float(peak.replace(",", "")) * 1e6)


def saved(module: nn.Module, path: Path) -> Path:
    torch.jit.save(torch.jit.script(module.eval()), str(path))
    return path


def test_quantizing_gives_memory_back(tmp_path: Path) -> None:
    without_weights = peak_bytes(saved(Growing([64, 64, 64, 64]), tmp_path / "small.pt"))
    path = saved(Growing(list(range(1024, 1024 + 13 * 128, 128))), tmp_path / "large.pt")
    size = path.stat().st_size
    assert size == pytest.approx(163e6, rel=0.01)
    assert (peak_bytes(path) - without_weights) / size < 1.2  # where all that was freed is kept: 1.37 to 1.9
    heap = {"THP_MEM_ALLOC_ENABLE": "0"}  # torch's allocator, as in Python
    assert (peak_bytes(path, **heap) - without_weights) / size < 1.2  # without ScopedMallocTrim: 1.37 to 1.9


def test_a_forward_pass_leaves_no_holes(tmp_path: Path) -> None:
    path = saved(Holes(), tmp_path / "holes.pt")
    torch.save(torch.rand(1, 64), tmp_path / "x.pt")
    flags = ["--verify", "--inputs", tmp_path / "x.pt"]
    ours = peak_bytes(path, *flags)
    for name, value in (("MALLOC_ARENA_MAX", "8"), ("THP_MEM_ALLOC_ENABLE", "0")):  # the user's choice: torch's allocator
        assert peak_bytes(path, *flags, **{name: value}) > ours + 100e6
