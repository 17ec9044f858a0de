"""vqt.quantize and what surrounds it, on small scripted models."""

import copy
import gc
import json
import math
import os
import re
import subprocess
import sys
import weakref
import zipfile
from pathlib import Path

import pytest
import torch
import vqt
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build"))
SITES = ["embed", "blocks.0.attn", "blocks.0.mlp.fc1", "blocks.0.mlp.fc2", "blocks.1.attn", "blocks.1.mlp.fc1",
         "blocks.1.mlp.fc2", "camera_head.fc"]


class Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attn = nn.Linear(width, width)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm(x))
        return x + self.mlp(x)


class Head(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, 9)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embed = nn.Linear(24, width)
        self.blocks = nn.ModuleList([Block(width), Block(width)])
        self.camera_head = Head(width)

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        y = self.embed(x) * scale
        for block in self.blocks:
            y = block(y)
        return self.camera_head(y)


def stored(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(next(n for n in archive.namelist() if n.endswith("extra/vqt.json"))))


def scripted(seed: int = 0) -> torch.jit.ScriptModule:
    torch.manual_seed(seed)
    return torch.jit.script(Net().eval())


def example(seed: int = 1) -> Tensor:
    return torch.randn(2, 17, 24, generator=torch.Generator().manual_seed(seed))


def sqnr_db(reference: Tensor, got: Tensor) -> float:
    return 10 * math.log10((reference.square().sum() / (reference - got).square().sum()).item())


# ---- numbers
class One(nn.Module):
    def __init__(self, n: int, k: int) -> None:
        super().__init__()
        self.fc = nn.Linear(k, n)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


def fake_quantized(w: Tensor, bits: int, symmetric: bool, group: int) -> Tensor:
    """Weights rounded by the formulas of docs/ops.md, in plain torch; group columns share a scale."""
    runs = w.detach().reshape(-1, group)
    if symmetric:
        top = 2 ** (bits - 1) - 1
        scale = runs.abs().amax(1, keepdim=True) / top
        return (torch.round(runs / scale).clamp(-top, top) * scale).reshape(w.shape)
    top = 2**bits - 1
    low, high = runs.amin(1, keepdim=True).clamp(max=0), runs.amax(1, keepdim=True).clamp(min=0)
    scale = (high - low) / top
    zero = torch.round(-low / scale).clamp(0, top)
    return ((torch.round(runs / scale + zero).clamp(0, top) - zero) * scale).reshape(w.shape)


@pytest.mark.parametrize("fields, bits, symmetric, group", [
    ({"quant_type": "int8_per_channel_sym"}, 8, True, 64),
    ({"quant_type": "int8_per_channel_asym"}, 8, False, 64),
    ({"quant_type": "int8_per_tensor_sym"}, 8, True, 48 * 64),
    ({"quant_type": "int8_per_tensor_asym"}, 8, False, 48 * 64),
    ({"quant_type": "int16_per_channel_sym"}, 16, True, 64),
    ({"quant_type": "int16_per_tensor_sym"}, 16, True, 48 * 64),
    ({"group_size": 32}, 4, True, 32),
    ({"group_size": 32, "symmetric": False}, 4, False, 32),
    ({"group_size": -1}, 4, True, 64),
    ({"group_size": 96}, 4, True, 64),  # longer than a row
])
def test_weight_only_output_is_that_of_the_rounded_weights(fields, bits, symmetric, group) -> None:
    torch.manual_seed(3)
    model = torch.jit.script(One(48, 64).eval())
    quantized = vqt.quantize(model, {**fields, "activation": "none", "skip_first_last": False})
    x = torch.randn(5, 64)
    expected = nn.functional.linear(x, fake_quantized(model.fc.weight, bits, symmetric, group), model.fc.bias)
    torch.testing.assert_close(quantized(x), expected, rtol=1e-5, atol=1e-5)


def test_dynamic_int8_is_close_to_float_and_changes_nothing_of_the_input() -> None:
    model, x = scripted(), example()
    before, state = model(x), {name: t.clone() for name, t in model.state_dict().items()}
    quantized = vqt.quantize(model)
    assert 35 < sqnr_db(before, quantized(x)) < 70
    assert torch.equal(model(x), before)
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(model.state_dict()[name], t) for name, t in state.items())
    assert not vqt.is_quantized(model) and vqt.is_quantized(quantized)
    assert isinstance(quantized, torch.jit.ScriptModule) and not quantized.training
    assert "blocks.0.attn.weight" not in quantized.state_dict()


# ---- the same as the binary
CONFIGS = [
    {},
    {"quant_type": "int4_group", "group_size": 32, "symmetric": False},
    {"quant_type": "mixed_precision", "sensitive_layers": ["attn"], "group_size": 64},
    {"quant_type": "int8_per_tensor_asym", "skip_first_last": False, "activation_symmetric": True},
    {"bits": 16, "ignore": ["head"], "overrides": [{"targets": ["fc1"], "bits": 8}]},
]


@pytest.mark.parametrize("fields", CONFIGS)
def test_equals_what_the_binary_writes(fields: dict, tmp_path: Path) -> None:
    model = scripted()
    torch.jit.save(model, str(tmp_path / "in.pt"))
    (tmp_path / "q.json").write_text(json.dumps(fields))
    command = [BUILD / "bin/vqt-quantize", tmp_path / "in.pt", "-o", tmp_path / "out.pt", "--config", tmp_path / "q.json"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    ours, theirs = vqt.quantize(model, fields), vqt.load(tmp_path / "out.pt")
    expected, got = theirs.state_dict(), ours.state_dict()
    assert expected.keys() == got.keys()
    for name in expected:
        assert expected[name].dtype == got[name].dtype and torch.equal(expected[name], got[name]), name
    assert torch.equal(ours(example()), theirs(example()))
    assert [s.to_dict() for s in vqt.report(ours).sites] == [s.to_dict() for s in vqt.report(theirs).sites]


# ---- configs, patterns, errors
def test_config_may_be_a_config_a_mapping_a_preset_or_nothing() -> None:
    def schemes(config) -> set:
        return {site.scheme for site in vqt.report(vqt.quantize(scripted(), config)).sites}

    assert schemes(None) == schemes("production") == schemes(vqt.QuantizationConfig()) == {"float32", "w8a8"}
    assert schemes({"group_size": 64}) == schemes(vqt.QuantizationConfig(group_size=64)) == {"float32", "w4a8-g64"}
    with pytest.raises(TypeError, match="config: expected a QuantizationConfig, .* got int"):
        vqt.quantize(scripted(), 4)
    with pytest.raises(vqt.ConfigError, match="nearest: production"):
        vqt.quantize(scripted(), "prodction")


def test_errors_say_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"vqt.quantize: module: expected a torch.jit.ScriptModule \(use torch.jit.script or "
                                        r"torch.jit.trace first\), got Net"):
        vqt.quantize(Net())
    with pytest.raises(vqt.ConfigError, match='ignore: "atn" matches no layer; nearest: attn'):
        vqt.quantize(scripted(), {"ignore": ["atn"]})
    with pytest.raises(vqt.QuantizeError, match="already quantized") as error:
        vqt.quantize(vqt.quantize(scripted()))
    assert isinstance(error.value, RuntimeError)
    with pytest.raises(vqt.QuantizeError, match="skip_first_last|no site"):
        vqt.quantize(torch.jit.script(One(8, 8)))
    model = scripted()
    with torch.no_grad():
        model.blocks[0].attn.weight[3, 5] = math.nan
    with pytest.raises(vqt.QuantizeError, match="blocks.0.attn"):
        vqt.quantize(model)


# ---- the table of sites
def test_sites_come_in_the_order_they_run() -> None:
    model = scripted()
    assert [s.name for s in vqt.list_sites(model)] == SITES
    planned = vqt.list_sites(model, {"bits": 4, "group_size": 32, "ignore": ["fc2"]})
    assert [s.action for s in planned] == ["float", "quantized", "quantized", "float", "quantized", "quantized", "float",
                                           "float"]
    assert [s.scheme for s in planned][:4] == ["float32", "w4a8-g32", "w4a8-g32", "float32"]
    assert planned[1].shape == (64, 64) and planned[1].bytes_before == 64 * 64 * 4
    done = vqt.report(vqt.quantize(model, {"bits": 4, "group_size": 32, "ignore": ["fc2"]}))
    assert [s.bytes_after for s in done.sites] == [s.bytes_after for s in planned]
    assert [s.reason for s in done.sites] == [s.reason for s in planned]
    assert done.bytes_before == sum(s.bytes_before for s in planned)
    lines = str(done).splitlines()
    assert len(lines) == 1 + len(SITES) + 3
    assert lines[1].split()[:3] == ["embed", "64x24", "float32"] and "first layer" in lines[1]
    assert lines[-3].startswith("4 of 8 sites quantized, ")
    assert lines[-1] == "  2 residual not made: its linear layer computes in floating point or is not packed for the CPU"  # fc2
    assert lines[-2] == "fusions: " + ", ".join(f"{made} {name}" for name, made in done.fusions_made.items())


def test_sqnr_of_weights_and_outputs() -> None:
    model = scripted()
    done = vqt.report(vqt.quantize(model))
    assert done.sites[1].weight_sqnr_db == pytest.approx(
        sqnr_db(model.blocks[0].attn.weight, fake_quantized(model.blocks[0].attn.weight, 8, True, 64)), abs=1e-3)
    assert math.isnan(done.sites[1].output_sqnr_db) and done.sites[1].to_dict()["output_sqnr_db"] is None
    measured = vqt.report(vqt.quantize(model, inputs=(example(), 0.5))).sites
    for site in measured:
        if site.action == "quantized":
            assert 30 < site.output_sqnr_db < 60 and site.ms_float > 0 and site.ms_quantized > 0, site


class Odd(nn.Module):
    """Shapes around the edges of panels, groups and bytes."""

    def __init__(self) -> None:
        super().__init__()
        shapes = [(1, 1), (1, 64), (15, 9), (16, 8), (17, 7), (33, 64), (48, 130), (5, 128)]
        self.layers = nn.ModuleList(nn.Linear(k, n) for n, k in shapes)

    def forward(self, x: Tensor) -> Tensor:
        y = x.new_zeros(1)
        for layer in self.layers:
            y = y + layer(x[:, :1].expand(-1, layer.weight.size(1))).sum()
        return y


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("fields", [
    {}, {"symmetric": False}, {"per_channel": False}, {"bits": 16}, {"per_channel": False, "bits": 16}, {"bits": 4},
    {"group_size": 64}, {"group_size": 64, "symmetric": False}, {"group_size": 8}, {"group_size": -1}, {"group_size": 3},
    {"quant_type": "mixed_precision", "sensitive_layers": ["re:layers.[0-3]"]},
])
def test_predicted_bytes_are_those_of_the_packed_weights(fields: dict, device: str) -> None:
    model, config = torch.jit.script(Odd()), {**fields, "skip_first_last": False, "device": device}
    quantized = vqt.quantize(model, config)
    stored = {name.removesuffix(".weight_q"): t.numel() * t.element_size()
              for name, t in quantized.state_dict().items() if name.endswith(".weight_q")}
    assert len(stored) == 8
    for site, done in zip(vqt.list_sites(model, config), vqt.report(quantized).sites, strict=True):
        assert site.bytes_after == done.bytes_after == stored[site.name], site


# ---- calibration
def test_static_takes_ranges_from_calibration_inputs() -> None:
    model, x = scripted(), example()
    batches = [example(seed) for seed in range(1, 5)]
    static = vqt.quantize(model, {"activation": "static"}, calibration=batches)
    assert 25 < sqnr_db(model(x), static(x)) < 60
    # inputs a hundred times larger than any that calibration saw are clipped
    assert sqnr_db(model(x * 100), static(x * 100)) < sqnr_db(model(x), static(x)) - 10
    pairs = vqt.quantize(model, {"activation": "static"}, calibration=[(b, 1.0) for b in batches])
    assert torch.equal(pairs(x), static(x))
    with pytest.raises((vqt.QuantizeError, vqt.ConfigError), match="calibration"):
        vqt.quantize(model, {"activation": "static"})


def test_calibration_takes_no_more_than_calibration_samples() -> None:
    taken = []

    def stream():
        for seed in range(10):
            taken.append(seed)
            yield example(seed)

    vqt.quantize(scripted(), {"activation": "static", "calibration_samples": 3}, calibration=stream())
    assert taken == [0, 1, 2]


def test_bad_calibration_inputs_are_named() -> None:
    def static(calibration) -> None:
        vqt.quantize(scripted(), {"activation": "static"}, calibration=calibration)

    def broken():
        yield example()
        raise OSError("camera unplugged")

    with pytest.raises(OSError, match="camera unplugged"):
        static(broken())
    with pytest.raises(TypeError, match="calibration: expected an iterable of inputs .* got Tensor"):
        static(example())
    with pytest.raises(TypeError, match="calibration: expected an iterable of inputs .* got int"):
        static(3)
    with pytest.raises(TypeError, match=r"calibration\[0\]: forward's argument x: expected Tensor, got str"):
        static(["a.png"])
    with pytest.raises(TypeError, match=r"calibration\[1\]: forward's argument scale: expected float, got str"):
        static([example(), (example(), "x")])
    with pytest.raises(TypeError, match=r"calibration\[0\]: expected at most 2 arguments of forward, got 3"):
        static([(example(), 1.0, 2.0)])
    with pytest.raises(vqt.Error, match=r"vqt.quantize: calibration\[2\]: the model's forward fails on it: mat1 and mat2 shapes"):
        static([example(), example(), torch.ones(2, 5)])


# What raises, and the sentence. Python has arguments, not flags.
ERRORS = [
    (lambda: vqt.quantize(scripted(), {"activation": "static"}),
     'vqt.quantize: activation: "static" needs calibration inputs, got none; pass some (Python: calibration=, C++: '
     'QuantizeOptions::calibration), or use "dynamic"'),
    (lambda: vqt.quantize(scripted(), {"activation": "static"}, calibration=[]),
     "vqt.quantize: calibration: expected at least one input, got none"),
    (lambda: vqt.quantize(scripted(), calibration=[example()]),
     'vqt.quantize: calibration: only activation="static" is calibrated, this config\'s is "dynamic"'),
    (lambda: vqt.quantize(scripted(), speed_guard=True),
     "vqt.quantize: speed_guard: needs an input to measure the layers on, got none; pass one (Python: inputs=, C++: "
     "QuantizeOptions::measure)"),
    (lambda: vqt.quantize(scripted(), inputs=("x",)), "vqt.quantize: inputs: forward's argument x: expected Tensor, got str"),
    (lambda: vqt.quantize(scripted(), inputs=torch.ones(2, 5)),
     "vqt.quantize: inputs: the model's forward fails on them: mat1 and mat2 shapes cannot be multiplied (2x5 and 24x64)"),
    (lambda: vqt.quantize(scripted(), {"quant_tipe": "w8a8"}), "QuantizationConfig: quant_tipe: no such field; nearest: quant_type"),
    (lambda: vqt.quantize(scripted(), {"ignore": ["atn"]}),
     'QuantizationConfig: ignore: "atn" matches no layer; nearest: attn (in blocks.0.attn)'),
    (lambda: vqt.quantize(vqt.quantize(scripted())), "vqt.quantize: the model is already quantized"),
    (lambda: vqt.save(scripted(), "f.pt"), "vqt.save: module: expected a quantized module; torch.jit.save writes float ones"),
    (lambda: vqt.load("/nowhere/m.pt"), "/nowhere/m.pt: cannot open it: No such file or directory"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), ERRORS, ids=[message[:50] for _, message in ERRORS])
def test_errors_speak_python(call, message: str) -> None:
    with pytest.raises((vqt.Error, ValueError, TypeError)) as error:
        call()
    assert str(error.value).startswith(message)
    assert not re.search(r"(^|[\s(])--[a-z]", str(error.value)), "a flag"


# ---- progress
def test_progress_is_told_and_may_stop_the_work() -> None:
    calls = []
    vqt.quantize(scripted(), progress=lambda stage, done, total: calls.append((stage, done, total)))
    assert calls and all(isinstance(stage, str) and 0 <= done <= total for stage, done, total in calls)
    assert calls[-1][1] == calls[-1][2]

    def stop(*_) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vqt.quantize(scripted(), progress=stop)


# ---- archives
def test_saved_archives_load_anywhere(tmp_path: Path) -> None:
    quantized, x, path = vqt.quantize(scripted(), "mobile"), example(), tmp_path / "q.pt"
    vqt.save(quantized, path, {"labels.txt": "a\nb", "raw.bin": b"\x00\xff"})
    described = stored(path)
    assert described["config"] == {"name": "mobile", "quant_type": "int4_group", "group_size": 64, "attention": "int8", "convolutions": "int8"}
    assert [s["name"] for s in described["sites"]] == SITES
    assert described["fusions_made"] == vqt.report(quantized).fusions_made
    assert described["fusions_made"] == {"activation": 2, "residual": 4, "rotary": 0, "attention_prologue": 0, "shared_input": 0, "layer_norm": 2,
                                         "static_output": 0, "convolution": 0, "resize": 0}
    loaded = vqt.load(path)
    assert torch.equal(loaded(x), quantized(x)) and not loaded.training
    assert str(vqt.report(loaded)) == str(vqt.report(quantized))
    vqt.save(loaded, tmp_path / "again.pt")  # extra files come along
    files = {"labels.txt": "", "raw.bin": ""}
    assert torch.equal(torch.jit.load(str(tmp_path / "again.pt"), _extra_files=files)(x), quantized(x))
    assert files == {"labels.txt": b"a\nb", "raw.bin": b"\x00\xff"}
    # a process that knows torch and the ops' library only
    torch.save(x, tmp_path / "x.pt")
    code = ("import sys, torch; torch.ops.load_library(sys.argv[1]); m = torch.jit.load(sys.argv[2]); "
            "torch.save(m(torch.load(sys.argv[3])), sys.argv[4])")
    library = Path(vqt.__file__).resolve().parents[1] / "libvqt_ops.so"
    subprocess.run([sys.executable, "-c", code, library, path, tmp_path / "x.pt", tmp_path / "y.pt"], check=True, timeout=300)
    assert torch.equal(torch.load(tmp_path / "y.pt"), quantized(x))


def test_extra_files_survive_quantize_repack_and_deepcopy(tmp_path: Path) -> None:
    files = {"labels.txt": b"a\nb", "raw.bin": b"\x00\xff", "empty": b""}
    torch.jit.save(scripted(), str(tmp_path / "in.pt"), _extra_files=files)

    def kept(path: Path) -> dict:
        found = dict.fromkeys(["labels.txt", "raw.bin", "empty"], "")
        torch.jit.load(str(path), _extra_files=found)
        return found

    loaded = vqt.load(tmp_path / "in.pt")
    quantized = vqt.quantize(loaded)
    vqt.save(quantized, tmp_path / "q.pt")
    assert kept(tmp_path / "q.pt") == files
    again = vqt.load(tmp_path / "q.pt")
    vqt.repack(again)
    vqt.save(again, tmp_path / "repacked.pt", {"labels.txt": "new"})
    assert kept(tmp_path / "repacked.pt") == {**files, "labels.txt": b"new"}
    for number, module in enumerate([vqt.quantize(copy.deepcopy(loaded)), copy.deepcopy(copy.deepcopy(quantized))]):
        vqt.save(module, tmp_path / f"copied{number}.pt")
        assert kept(tmp_path / f"copied{number}.pt") == files
        assert str(vqt.report(module)) == str(vqt.report(quantized))  # with SQNR and reasons
        assert torch.equal(module(example()), quantized(example()))
    vqt.save(vqt.quantize(torch.jit.load(str(tmp_path / "in.pt"))), tmp_path / "none.pt")  # torch's module has none
    assert kept(tmp_path / "none.pt") == dict.fromkeys(files, b"")


def test_a_table_that_is_lost_is_missed_aloud(tmp_path: Path) -> None:
    quantized = vqt.quantize(scripted())
    parent = nn.ModuleDict({"net": quantized})
    assert str(vqt.report(copy.deepcopy(parent)["net"])) == str(vqt.report(quantized))
    assert [s.reason for s in vqt.list_sites(quantized)] == [s.reason for s in vqt.report(quantized).sites]
    torch.jit.save(quantized, str(tmp_path / "torch.pt"))
    lost = ("loaded without its table: reasons, SQNR and fusions are not known (torch.jit.save and torch.jit.load leave the table "
            "out, vqt.save and vqt.load keep it)")
    for module in (vqt.load(tmp_path / "torch.pt"), torch.jit.load(str(tmp_path / "torch.pt")), torch.jit.freeze(quantized)):
        assert vqt.report(module).warnings == [lost] and f"warning: {lost}" in str(vqt.report(module))
        assert all(site.reason == "" for site in vqt.list_sites(module))
    done = subprocess.run([BUILD / "bin/vqt-quantize", tmp_path / "torch.pt", "--list", "--quiet"], capture_output=True, text=True, check=True)
    assert done.stderr == f"vqt-quantize: warning: {tmp_path / 'torch.pt'}: {lost}\n"
    assert vqt.report(scripted()).warnings == []


def test_another_torch_or_python_is_named(tmp_path: Path) -> None:
    """Where the library's symbols are not there, the loader alone would say "undefined symbol"."""
    def imported(before: str) -> str:
        code = f"import sys; sys.path.insert(0, sys.argv[1]); import torch; {before}; import vqt"
        done = subprocess.run([sys.executable, "-c", code, str(Path(vqt.__file__).parents[1])], capture_output=True, text=True)
        return done.stderr.splitlines()[-1] if done.returncode else "imported"

    built, folder = torch.__version__.split("+")[0], Path(torch.__file__).parent
    assert imported("pass") == imported("torch.__version__ = '2.11.9+cpu'") == "imported"
    assert imported("torch.__version__ = '2.10.1+cu126'") == (
        f"ImportError: vqt was built for torch {built}, this is torch 2.10.1 ({folder}): install torch==2.11.*")
    assert imported("import collections; sys.version_info = collections.namedtuple('V', 'major minor')(3, 99)") == (
        f"ImportError: vqt was built for Python {sys.version_info.major}.{sys.version_info.minor}, this is Python 3.99 "
        f"({sys.executable})")
    failing = "torch.ops.load_library = lambda path: (_ for _ in ()).throw(OSError('undefined symbol: _ZN3c10'))"
    assert imported(failing) == (
        f"ImportError: {Path(vqt.__file__).parents[1] / 'libvqt_ops.so'}, built for torch {built}, cannot be loaded with torch "
        f"{torch.__version__} ({folder}): undefined symbol: _ZN3c10")


def test_a_module_goes_with_its_last_reference() -> None:
    quantized = vqt.quantize(scripted())
    gone = weakref.ref(quantized)
    gc.disable()
    try:
        del quantized
        assert gone() is None
    finally:
        gc.enable()


def test_repack_finds_archives_of_this_machine_packed_already(tmp_path: Path) -> None:
    quantized = vqt.quantize(scripted())
    before = quantized(example())
    assert vqt.repack(quantized) == 0
    assert torch.equal(quantized(example()), before)
    before = vqt.quantize(scripted(), {"fusions": ["none"]})(example())
    canonical = vqt.quantize(scripted(), {"device": "cuda"})
    if vqt.report(canonical).warnings:  # this build packs for the CPU only and stored what any machine can read
        torch.testing.assert_close(canonical(example()), before, rtol=1e-4, atol=1e-5)
        assert vqt.repack(canonical) == 6
        assert torch.equal(canonical(example()), before)


class PackedForCuda(torch.nn.Module):
    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.vqt.linear_int8(x, self.weight)


def test_an_archive_packed_for_cuda_runs_on_the_cpu_and_is_repacked(tmp_path: Path) -> None:
    scheme = (8, False, "per_channel")
    q = torch.randint(0, 256, (70, 130), dtype=torch.uint8)
    scale, zero = torch.rand(70) + 0.1, torch.randint(0, 256, (70,), dtype=torch.int32)
    cuda, cpu = (torch.ops.vqt.pack_weight(q, scale, zero, *scheme, layout=layout) for layout in ("cuda", "cpu"))
    torch.jit.script(PackedForCuda(cuda)).save(tmp_path / "cuda.pt")
    model, x = torch.jit.load(tmp_path / "cuda.pt"), torch.randn(3, 130)
    expected = torch.ops.vqt.linear_int8(x, cpu)
    assert torch.equal(model(x), expected)
    assert vqt.repack(model) == 1
    assert torch.equal(model.weight, cpu) and torch.equal(model(x), expected)


def test_repack_changes_the_report_as_the_program_does(tmp_path: Path) -> None:
    torch.jit.save(scripted(), str(tmp_path / "float.pt"))
    flags = ["--device", "cuda", "--quiet"]
    for arguments in (["float.pt", *flags, "-o", "canonical.pt"], ["canonical.pt", "--repack", "-o", "repacked.pt"]):
        subprocess.run([BUILD / "bin/vqt-quantize", *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=300)
    canonical = vqt.quantize(scripted(), {"device": "cuda"})
    before = vqt.report(canonical)
    assert len(before.warnings) == 1 and "canonical layout" in before.warnings[0]
    assert vqt.repack(canonical) == 6
    after, program = vqt.report(canonical), vqt.report(vqt.load(tmp_path / "repacked.pt"))
    fast = vqt.report(vqt.quantize(scripted()))
    assert [s.bytes_after for s in after.sites] == [s.bytes_after for s in fast.sites]
    assert [s.bytes_after for s in after.sites] != [s.bytes_after for s in before.sites]
    assert [s.to_dict() for s in after.sites] == [s.to_dict() for s in program.sites]
    assert [s.reason for s in after.sites] == [s.reason for s in before.sites]
    assert after.warnings == [] == stored(tmp_path / "repacked.pt")["warnings"]
    vqt.save(canonical, tmp_path / "python.pt")
    assert stored(tmp_path / "python.pt")["sites"] == stored(tmp_path / "repacked.pt")["sites"]
    without = torch.jit.load(str(tmp_path / "canonical.pt"))  # no report kept: nothing but the weights to change
    assert vqt.repack(without) == 6 and vqt.report(without).bytes_after == after.bytes_after


def test_names_of_exceptions_keep_their_bases() -> None:
    assert issubclass(vqt.Error, RuntimeError) and issubclass(vqt.ConfigError, ValueError)
    assert vqt.ArchiveError is vqt.Error and vqt.QuantizeError is vqt.Error
    assert not issubclass(vqt.ConfigError, vqt.Error)  # `except RuntimeError` does not catch a bad config


def test_archive_errors(tmp_path: Path) -> None:
    with pytest.raises(vqt.QuantizeError, match="torch.jit.save writes float ones"):
        vqt.save(scripted(), tmp_path / "f.pt")
    assert not (tmp_path / "f.pt").exists()
    path = tmp_path / "q.pt"
    vqt.save(vqt.quantize(scripted()), path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(vqt.ArchiveError, match="q.pt"):
        vqt.load(path)
    with pytest.raises(vqt.ArchiveError, match="nothing.pt"):
        vqt.load(tmp_path / "nothing.pt")
