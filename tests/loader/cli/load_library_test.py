"""--load-library of both programs: models that call operators of other libraries."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build"))
OPERATORS = BUILD / "tests/libvqt_test_operators.so"
PHOTOS = ROOT / "examples/photos/aloe"
GIVE = "which no library loaded here defines: give it with --load-library FILE"


class CallsOperator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = x.mean((-1, -2, -3)).unsqueeze(-1).expand(-1, -1, 16)
        for layer in self.layers:
            y = torch.ops.thirdparty.twice(layer(y))
        return y


class HasClass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * torch.classes.thirdparty.Factor().value()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("operators")
    torch.ops.load_library(str(OPERATORS))
    torch.manual_seed(0)
    torch.jit.script(CallsOperator().eval()).save(str(folder / "operator.pt"))
    torch.jit.script(HasClass().eval()).save(str(folder / "class.pt"))
    torch.save(torch.randn(1, 2, 3, 4, 4), folder / "x.pt")
    return folder


def run(program: str, *words: object, code: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess:
    done = subprocess.run([BUILD / "bin" / program, *map(str, words)], capture_output=True, text=True, timeout=300, cwd=cwd)
    assert done.returncode == code, done.stderr
    return done


def error(*words: object, cwd: Path | None = None) -> str:
    return run("vqt-quantize", *words, "--quiet", code=1, cwd=cwd).stderr


def test_without_the_library_the_operator_and_the_flag_are_named(models: Path, tmp_path: Path) -> None:
    for name, what in (("operator.pt", "calls the operator thirdparty::twice"),
                       ("class.pt", "has the class torch.classes.thirdparty.Factor")):  # fmt: skip
        for mode in (["-o", tmp_path / "q.pt"], ["--list"]):
            assert error(models / name, *mode) == f"vqt-quantize: error: {models / name}: {what}, {GIVE}\n"
    done = run("vqt-eval", "--reference", models / "operator.pt", "--image-folder", PHOTOS, "--output-dir", tmp_path / "out",
               "--quiet", code=1)  # fmt: skip
    assert done.stderr == f"vqt-eval: error: {models / 'operator.pt'}: calls the operator thirdparty::twice, {GIVE}\n"


def test_in_python_the_operator_and_the_call_are_named(models: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import vqt; vqt.load(sys.argv[2])"
    done = subprocess.run([sys.executable, "-c", code, BUILD / "lib", models / "operator.pt"], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        f"vqt._C.Error: {models / 'operator.pt'}: calls the operator thirdparty::twice, which no library loaded here defines: call "
        "torch.ops.load_library(FILE), or import the package that defines it, first"
    )


def test_with_the_library_a_model_is_quantized_and_computes(models: Path, tmp_path: Path) -> None:
    shutil.copy(OPERATORS, tmp_path / "bare.so")  # by a bare name it is the file, not one of the system's folders
    flags = ["-o", "q.pt", "--load_library", "bare.so", "--inputs", models / "x.pt", "--verify", "--quiet"]
    assert "1 of 3 sites quantized" in run("vqt-quantize", models / "operator.pt", *flags, cwd=tmp_path).stdout
    run("vqt-quantize", models / "class.pt", "-o", tmp_path / "c.pt", f"--load-library={OPERATORS}", "--skip-first-last",
        "false", "--quiet")  # fmt: skip
    assert len(run("vqt-quantize", models / "operator.pt", "--list", "--load-library", OPERATORS).stdout.splitlines()) == 3


def test_vqt_eval_gives_it_to_its_workers_and_repeats_the_run_with_it(models: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("vqt-eval", "--reference", models / "operator.pt", "--load-library", OPERATORS, "--preset", "production", "mobile",
        "--image-folder", PHOTOS, "--image-size", 70, "--warmup", 0, "--runs", 1, "--output-dir", out, "--quiet")  # fmt: skip
    assert json.loads((out / "results.json").read_text())["run"]["load_library"] == [str(OPERATORS)]
    assert "all within tolerance" in run("vqt-eval", "--check", out / "results.json", "--quiet").stdout
    shutil.copy(OPERATORS, tmp_path / "moved.so")
    run("vqt-eval", "--check", out / "results.json", "--load-library", tmp_path / "moved.so", "--quiet")
    again = json.loads((out / "check/results.json").read_text())
    assert again["run"]["load_library"] == [str(tmp_path / "moved.so")]


def test_a_library_that_cannot_be_loaded_is_named_with_the_reason(models: Path, tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("not a library")
    (tmp_path / "lacks.c").write_text("int nothing_defines_it(void);\nint f(void) { return nothing_defines_it(); }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "lacks.c", "-o", "lacks.so"], cwd=tmp_path, check=True)
    (tmp_path / "needs_python.c").write_text("extern int PyNone;\nint* f(void) { return &PyNone; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "needs_python.c", "-o", "needs_python.so"], cwd=tmp_path, check=True)
    shutil.copy(OPERATORS, tmp_path / "again.so")
    version = torch.__version__.split("+")[0]
    for file, why in [
        ("nothing.so", "no such file"),
        (".", "expected a shared library (.so), this is no regular file"),
        ("text.so", "cannot be loaded: file too short"),
        ("lacks.so", "cannot be loaded: undefined symbol: nothing_defines_it; it needs another library before it (--load-library "
         f"may be repeated), or was built for another torch than {version}, which this program runs on"),
        ("needs_python.so", "cannot be loaded: undefined symbol: PyNone; it is built for Python, whose library (libpython3.*.so) "
         "is not found here: add its folder to LD_LIBRARY_PATH, or quantize in Python"),
    ]:  # fmt: skip
        words = [models / "operator.pt", "--list", "--load-library", file]
        assert error(*words, cwd=tmp_path) == f"vqt-quantize: error: --load-library {file}: {why}\n"
    twice = error(models / "operator.pt", "--list", "--load-library", OPERATORS, "--load-library", "again.so", cwd=tmp_path)
    assert twice.startswith("vqt-quantize: error: --load-library again.so: cannot be loaded: ") and "thirdparty" in twice


def test_libraries_of_torch_and_python_that_it_needs_are_loaded_with_it(models: Path, tmp_path: Path) -> None:
    """Extensions for Python are linked against libtorch_python.so, as torchvision's _C.so is."""
    if not (Path(torch.__file__).parent / "lib/libtorch_python.so").exists() or sys.platform != "linux":
        pytest.skip("torch without Python")
    folder = Path(torch.__file__).parent / "lib"
    (tmp_path / "extension.c").write_text("int extension_without_operators;\n")
    subprocess.run(["cc", "-shared", "-fPIC", "extension.c", "-Wl,--no-as-needed", f"-L{folder}", "-ltorch_python", "-ltorch",
                    "-o", "extension.so", "-Wl,--allow-shlib-undefined"], cwd=tmp_path, check=True)  # fmt: skip
    run("vqt-quantize", models / "operator.pt", "--list", "--load-library", tmp_path / "extension.so", "--load-library", OPERATORS)
