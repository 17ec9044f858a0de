"""The installed package, used by a project of its own on a machine without nvcc."""

import os
import subprocess
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build"))


def run(*command: object, **more) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=600, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def without_nvcc(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH holds every command of this one's but nvcc, and no CUDA variable."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for folder in os.environ["PATH"].split(":"):
        for command in Path(folder).iterdir() if Path(folder).is_dir() else []:
            link = commands / command.name
            if not command.name.startswith("nvcc") and not link.is_symlink():
                link.symlink_to(command)
    env = {name: value for name, value in os.environ.items() if not name.startswith("CUDA")}
    return env | {"PATH": str(commands)}


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = torch.nn.Linear(42, 64), torch.nn.Linear(64, 64), torch.nn.Linear(64, 8)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        x = images.mean(-1).flatten(-2)  # [B, S, 3 * H]
        return {"y": self.c(torch.relu(self.b(torch.relu(self.a(x)))))}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", folder)
    return folder


def test_the_example_project_runs_a_quantized_archive(prefix: Path, tmp_path: Path) -> None:
    env = without_nvcc(tmp_path)
    run("cmake", "-S", ROOT / "examples/cpp_inference", "-B", tmp_path / "build", "-G", "Ninja",
        f"-DCMAKE_PREFIX_PATH={prefix}", env=env)
    run("cmake", "--build", tmp_path / "build", env=env)
    torch.manual_seed(0)
    torch.jit.script(Net().eval()).save(tmp_path / "net.pt")
    run(prefix / "bin/vqt-quantize", tmp_path / "net.pt", "-o", tmp_path / "q.pt", "--preset", "production")
    out = run(tmp_path / "build/cpp_inference", tmp_path / "q.pt", "14", "14")
    assert "y" in out and "[1, 1, 8]" in out


def test_no_cuda_is_looked_for(tmp_path: Path) -> None:
    """Configuring vqt itself works with nvcc hidden; the preset's other steps are the same as with it."""
    out = run("cmake", "-S", ROOT, "-B", tmp_path / "build", "-G", "Ninja", f"-DVQT_TORCH_DIR={Path(torch.__file__).parent}",
              env=without_nvcc(tmp_path))
    assert "torch 2.11" in out and "Generating done" in out
