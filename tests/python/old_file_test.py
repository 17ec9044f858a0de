"""A file that an older build wrote: tests/data/archives/README.md says how. It loads, and computes what it computed."""

import os
import subprocess
from pathlib import Path

import torch
import vqt

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build"))
FILE = ROOT / "tests/data/archives/mixed.pt"
LAYERS = [("embed", "float32", 2048), ("fc1", "w4a8-g32", 1600), ("fc2", "w8a8", 2496), ("wide", "w16a16", 2368),
          ("head", "float32", 1024)]
# The older build's result: AVX512-VNNI; other instruction sets round the layers kept in FP32 differently.
EXPECTED = [
    [-0.09041, 0.04374, -0.03564, -0.50209, -0.19361, 0.28132, 0.21555, -0.08623],
    [-0.12966, 0.02437, -0.01638, -0.16123, -0.16155, 0.19092, 0.12598, -0.12735],
    [-0.15014, -0.03196, -0.0064, 0.05145, -0.10504, -0.05454, 0.12779, -0.07188],
]


def test_it_computes_what_it_computed() -> None:
    y = vqt.load(FILE)(torch.linspace(-1, 1, 48).sin().reshape(3, 16))
    torch.testing.assert_close(y, torch.tensor(EXPECTED), rtol=0, atol=1e-3)  # quantization itself: 0.0093


def test_its_layer_table_is_read(tmp_path: Path) -> None:
    model = vqt.load(FILE)
    assert [(site.name, site.scheme, site.bytes_after) for site in vqt.report(model).sites] == LAYERS
    listed = subprocess.run([BUILD / "bin/vqt-quantize", FILE, "--list"], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [name for name, _, _ in LAYERS]
    extra = {"note.txt": ""}
    vqt.save(model, tmp_path / "again.pt")
    torch.jit.load(str(tmp_path / "again.pt"), _extra_files=extra)
    assert extra["note.txt"] == b"kept"
