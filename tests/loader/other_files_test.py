"""Files that are given where a model, its inputs or a config are expected: each is named as what it is, with the next step, by both
programs and in Python."""

import gzip
import os
import struct
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
import vqt
from safetensors.torch import save_file
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
import models  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build")) / "bin"
PHOTOS = ROOT / "examples/photos/aloe"
EXPORT = ("expected a TorchScript file. Write a TorchScript file from the model in Python first: torch.jit.script(model).save(path), or "
          "torch.jit.trace(model, example).save(path); for VGGT examples/vggt/export.py")  # fmt: skip
SAVED = "expected what torch.save wrote (a tensor, or a tuple or list of forward's arguments)"
ONNX = b"\x08\x0a\x12\x07pytorch\x1a\x062.11.0:\x00"  # ir_version, producer_name, producer_version, graph


def eager(path: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), path)


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(nn.Linear(4, 4), (torch.ones(1, 4),)), path)


def content(data: bytes):
    return lambda path: path.write_bytes(data)


# name, writer, what a program says when it is given as the model
MODELS = [
    ("eager.pt", eager, "a module of the class torch.nn.modules.container.Sequential, written by torch.save: it can be read only in "
     f"Python, where its class is; {EXPORT}"),
    ("state_dict.pth", lambda p: torch.save(nn.Linear(4, 4).state_dict(), p),
     f"a checkpoint written by torch.save: weights without a program; {EXPORT}"),
    ("checkpoint.pth", lambda p: torch.save({"epoch": 3, "model": nn.Linear(4, 4).state_dict()}, p),
     f"a checkpoint written by torch.save: weights without a program; {EXPORT}"),
    ("tensor.pt", lambda p: torch.save(torch.ones(3), p), f"a tensor written by torch.save; {EXPORT}"),
    ("old.pth", lambda p: torch.save(OrderedDict(w=torch.ones(3)), p, _use_new_zipfile_serialization=False),
     f"a pickle, as an old torch.save wrote: weights without a program; {EXPORT}"),
    ("program.pt2", exported, f"a program written by torch.export (.pt2); {EXPORT}"),
    ("model.onnx", content(ONNX), f"an ONNX model; {EXPORT}"),
    ("model.safetensors", lambda p: save_file({"w": torch.ones(3)}, p), f"a safetensors file: weights without a program; {EXPORT}"),
    ("array.npy", lambda p: np.save(p, np.ones(3)), f"a NumPy array (.npy); {EXPORT}"),
    ("arrays.npz", lambda p: np.savez(p, x=np.ones(3)), f"a NumPy archive (.npz); {EXPORT}"),
    ("model.h5", content(b"\x89HDF\r\n\x1a\n" + bytes(32)), f"an HDF5 file (Keras?); {EXPORT}"),
    ("model.tflite", content(b"\x1c\0\0\0TFL3" + bytes(32)), f"a TensorFlow Lite model; {EXPORT}"),
    ("model.gguf", content(b"GGUF\3\0\0\0" + bytes(32)), f"a GGUF model; {EXPORT}"),
    ("config.json", content(b'{"bits": 4}\n'), f"a JSON file; {EXPORT}"),
    ("notes.txt", content(b"the weights are elsewhere\n"), f"a text file; {EXPORT}"),
    ("library.so", content(b"\x7fELF" + bytes(32)), f"a program or shared library; {EXPORT}"),
    ("model.pt.gz", content(gzip.compress(b"anything")), "a file compressed by gzip; unpack it first"),
    ("model.tar", content(bytes(257) + b"ustar\0" + bytes(512)), "a tar archive; unpack it first"),
    ("pointer.pt", content(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
     "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    ("page.pt", content(b"<!DOCTYPE html><html></html>"), "an HTML page; the download probably failed"),
    ("empty.pt", content(b""), "the file is empty"),
    ("random.pt", content(struct.pack("<40B", *range(128, 168))),
     "not a zip file; expected a TorchScript file, which begins with the bytes PK"),
]  # fmt: skip

INPUTS = [
    ("array.npy", f'a NumPy array (.npy); {SAVED}: torch.save(torch.from_numpy(numpy.load("{{path}}")), "inputs.pt")'),
    ("arrays.npz", f'a NumPy archive (.npz); {SAVED}: torch.save(torch.from_numpy(numpy.load("{{path}}")[NAME]), "inputs.pt")'),
    ("model.safetensors", f"a safetensors file: weights without a program; {SAVED}"),
    ("notes.txt", f"a text file; {SAVED}"),
    ("model.pt.gz", "a file compressed by gzip; unpack it first"),
    ("script.pt", f"{SAVED}, got a TorchScript file"),
    ("program.pt2", f"{SAVED}, got another zip"),
    ("state_dict.pth", f"{SAVED}, got a state dict"),
    ("eager.pt", f"{SAVED}, got a module"),
    ("numpy.pt", f"{SAVED}, got NumPy arrays; torch.from_numpy makes tensors of them"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files")
    for name, write, _ in MODELS:
        write(path / name)
    models.save(models.Mlp(), path / "script.pt")
    torch.save([np.ones(3)], path / "numpy.pt")
    return path


def error(program: str, *words: object, code: int = 1) -> str:
    done = subprocess.run([BIN / program, *map(str, words)], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (code, ""), done
    return done.stderr


@pytest.mark.parametrize(("name", "what"), [(name, what) for name, _, what in MODELS])
def test_a_file_that_is_no_model_is_named_as_what_it_is(folder: Path, tmp_path: Path, name: str, what: str) -> None:
    path = folder / name
    assert error("vqt-quantize", path, "-o", tmp_path / "q.pt") == f"vqt-quantize: error: {path}: {what}\n"
    assert not (tmp_path / "q.pt").exists()
    with pytest.raises(vqt.Error) as raised:
        vqt.load(path)
    assert str(raised.value) == f"{path}: {what}"


@pytest.mark.parametrize("name", ["eager.pt", "model.onnx", "pointer.pt"])
def test_vqt_eval_says_the_same(folder: Path, tmp_path: Path, name: str) -> None:
    what = next(what for known, _, what in MODELS if known == name)
    words = ["--image-folder", PHOTOS, "--max-images", 1, "--image-size", 28, "--output-dir", tmp_path / "out", "--quiet"]
    assert error("vqt-eval", "--reference", folder / name, *words) == f"vqt-eval: error: {folder / name}: {what}\n"


@pytest.mark.parametrize(("name", "what"), INPUTS)
def test_a_file_that_is_no_input_is_named_as_what_it_is(folder: Path, tmp_path: Path, name: str, what: str) -> None:
    path = folder / name
    said = error("vqt-quantize", folder / "script.pt", "-o", tmp_path / "q.pt", "--inputs", path, "--quiet")
    assert said == f"vqt-quantize: error: {path}: {what.format(path=path)}\n"


@pytest.mark.parametrize(("name", "got"), [("script.pt", "a zip file (a model?)"), ("array.npy", "a binary file")])
def test_a_file_that_is_no_config_is_named_as_what_it_is(folder: Path, tmp_path: Path, name: str, got: str) -> None:
    path = folder / name
    said = f'{path}: expected a JSON object such as {{"quant_type": "int4_group"}}, got {got}'
    words = [folder / "script.pt", "-o", tmp_path / "q.pt", "--config", path]
    assert error("vqt-quantize", *words, code=2) == f"vqt-quantize: error: {said}\n"
    with pytest.raises(vqt.ConfigError) as raised:
        vqt.QuantizationConfig.from_file(path)
    assert str(raised.value) == said


def test_what_is_no_script_module_is_named_in_python(folder: Path) -> None:
    program = torch.export.export(nn.Linear(4, 4), (torch.ones(1, 4),))
    for module, step, kind in [
        (str(folder / "script.pt"), "load it with vqt.load first", "str"),
        (folder / "script.pt", "load it with vqt.load first", type(folder).__name__),
        (nn.Linear(4, 4), "use torch.jit.script or torch.jit.trace first", "Linear"),
        (nn.Linear(4, 4).state_dict(), "a state dict has no program: load it into the model, then use torch.jit.script", "OrderedDict"),
        (program, "use torch.jit.script or torch.jit.trace on the module that it was exported from", "ExportedProgram"),
    ]:
        with pytest.raises(TypeError) as raised:
            vqt.quantize(module)
        assert str(raised.value) == f"vqt.quantize: module: expected a torch.jit.ScriptModule ({step}), got {kind}"
