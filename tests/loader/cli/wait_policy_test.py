"""How long OpenMP's threads spin in the programs, as libgomp itself reports it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build")) / "bin"
POLICY = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def spin_count(program, **policy):
    environment = {name: value for name, value in os.environ.items() if name not in POLICY}
    environment |= {"OMP_DISPLAY_ENV": "verbose", **policy}
    done = subprocess.run([BIN / program, "--version"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(f"{program} ")
    counts = re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)
    assert len(counts) == 1, "libgomp was initialized once: the program started itself again before that"
    return int(counts[0])


@pytest.mark.parametrize("program", ["vqt-quantize", "vqt-eval"])
def test_threads_spin_for_microseconds(program):
    # 5 us at 5 to 100 ns each; libgomp's own default is 300,000
    assert 50 <= spin_count(program) <= 1000


@pytest.mark.parametrize(
    "policy, count",
    [
        ({"OMP_WAIT_POLICY": "active"}, 30_000_000_000),
        ({"OMP_WAIT_POLICY": "passive"}, 0),
        ({"GOMP_SPINCOUNT": "7"}, 7),
    ],
)
def test_the_users_policy_is_kept(policy, count):
    assert spin_count("vqt-eval", **policy) == count
