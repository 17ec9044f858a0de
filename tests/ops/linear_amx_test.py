"""VQT_ISA=amx: products through torch's _int_mm, on any CPU, with the bits of our own kernels."""

import os
import subprocess
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
LIBRARY = os.environ.get("VQT_OPS_LIB", str(HERE.parents[1] / "build" / "lib" / "libvqt_ops.so"))

# Prints whether _int_mm was called, saves all results.
SCRIPT = """
import sys, torch
from torch.profiler import profile
torch.ops.load_library(sys.argv[1])
V = torch.ops.vqt
torch.manual_seed(0)
out = []
with profile() as seen:
    for m, n, k in [(1, 16, 64), (13, 33, 100), (50, 2100, 36), (200, 40, 7)]:  # 2100 columns: three blocks
        x, w, b = torch.randn(m, k), torch.randn(n, k), torch.randn(n)
        w[3] = 0.5
        for symmetric in (True, False):
            s, z = V.choose_qparams(w, 8, symmetric, "per_channel", 0)
            p = V.pack_weight(V.quantize(w, s, z, 8, symmetric, "per_channel", 0), s, z, 8, symmetric, "per_channel", 0)
            out.append(V.linear_int8(x, p, b))
            out.append(V.linear_int8(x, p, b[3:n - 2], row_begin=3, row_end=n - 2, activation_symmetric=True))
            residual, gamma = torch.randn(m, n), torch.randn(n)
            out.append(V.linear_int8(x, p, b, post_op="gelu", gamma=gamma, residual=residual))
            next_w = torch.randn(8, n)
            s2, z2 = V.choose_qparams(next_w, 8, True, "per_channel", 0)
            p2 = V.pack_weight(V.quantize(next_w, s2, z2, 8, True, "per_channel", 0), s2, z2, 8, True, "per_channel", 0)
            out.append(V.linear_int8(V.linear_int8(x, p, b, y_scale=0.05, y_zero_point=9), p2))
    out.append(V.linear_int8(torch.empty(0, 7), p))
print(sum(event.name == "aten::_int_mm" for event in seen.events()))
torch.save(out, sys.argv[2])
"""


def results(isa: str, path: Path) -> tuple[int, list[torch.Tensor]]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, LIBRARY, str(path)], env={**os.environ, "VQT_ISA": isa},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1]), torch.load(path)


def test_the_same_bits_by_another_product(tmp_path: Path) -> None:
    calls, want = results("ref", tmp_path / "ref.pt")
    assert calls == 0
    calls, got = results("amx", tmp_path / "amx.pt")
    assert calls > 30
    for a, b in zip(want, got, strict=True):
        assert torch.equal(a, b)


def test_everything_about_linears_holds() -> None:
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k",
                           "not opcheck and not instruction_sets and not compile and not error",
                           str(HERE / "linear_test.py"), str(HERE / "linear_fused_test.py")],
                          env={**os.environ, "VQT_ISA": "amx"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(done.stdout.strip().splitlines()[-1].split()[0]) > 200, done.stdout[-300:]
