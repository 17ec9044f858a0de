"""vqt.low_memory(): large tensors leave no holes in memory, and are tensors like all others. In processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

LIB = os.environ.get("VQT_PYTHON_DIR", str(Path(__file__).resolve().parents[2] / "build" / "lib"))
PEAK = """
import re
def peak_mib():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) >> 10
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PYTHONPATH": LIB})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_holes_are_not_left() -> None:
    code = PEAK + """
import sys, torch, vqt
if sys.argv[1] == "low": vqt.low_memory()
torch.ones(30 << 18)  # freed: glibc puts blocks of up to its size on the heap from now on
before, kept = peak_mib(), []
for mib in (8, 12, 16, 24):
    large = []
    for _ in range(192 // mib):
        large.append(torch.ones(mib << 18))
        kept.append(torch.ones(64 << 8))  # parts the holes
    del large
print(peak_mib() - before)
"""
    low, usual = int(run(code, "low")), int(run(code, "usual"))
    assert low < 192 + 32  # MiB; kept small ones included
    assert usual > low + 100


def test_tensors_are_as_before() -> None:
    run("""
import torch, vqt
before = torch.arange(1 << 20, dtype=torch.float32)
vqt.low_memory()
vqt.low_memory()
grown = torch.ones(1 << 18)  # 1 MiB
view = grown[-3:]
grown.resize_(1 << 20)[1 << 18:] = 2
assert view.tolist() == [1, 1, 1] and grown.sum() == (1 << 18) + 2 * (3 << 18)
grown.resize_(10)
assert torch.equal(before, torch.arange(1 << 20, dtype=torch.float32))
del before
shrunk = torch.zeros(5).resize_(1 << 20)
assert torch.zeros(0).numel() == 0 and torch.zeros(1 << 20).abs().sum() == 0  # a block that was used before is cleared
x = torch.rand(512, 1024, generator=torch.Generator().manual_seed(1))
assert torch.allclose(x @ x.T, (x.double() @ x.double().T).float(), rtol=1e-4)
try:
    torch.empty(1 << 60)
    raise SystemExit("allocated")
except RuntimeError as error:
    assert "allocate" in str(error), error
with torch.profiler.profile(profile_memory=True) as profile:
    torch.ones(1 << 20)
assert max(event.cpu_memory_usage for event in profile.events()) == 4 << 20
""")
