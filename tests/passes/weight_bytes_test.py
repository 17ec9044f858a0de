"""bytes_before is numel * element_size of the float weight on every path: planned, quantized, saved, loaded, listed."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import vqt
from torch import Tensor, nn

BINARY = Path(os.environ.get("VQT_BUILD_DIR", Path(__file__).resolve().parents[2] / "build")) / "bin/vqt-quantize"
CONFIG = {"quant_type": "int8_per_channel_sym", "skip_first_last": False}
# Linears without bias: nothing but the packed weight is left of them.
LAYERS = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16, "f64": torch.float64}
BYTES = {"f32": 24 * 16 * 4, "bf16": 24 * 16 * 2, "f16": 24 * 16 * 2, "f64": 24 * 16 * 8}


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for name, dtype in LAYERS.items():
            self.add_module(name, nn.Linear(16, 24, bias=False, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        y = self.f32(x) + self.bf16(x.to(torch.bfloat16)) + self.f16(x.half())
        return y + self.f64(x.double())


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("mixed")
    names = ("float", "quantized", "python", "plain", "repacked", "canonical")
    paths = {name: folder / f"{name}.pt" for name in names}
    torch.manual_seed(0)
    torch.jit.save(torch.jit.script(Mixed().eval()), paths["float"])
    flags = ["--skip-first-last", "false", "--quiet"]
    run(paths["float"], "-o", paths["quantized"], *flags)
    run(paths["float"], "-o", paths["canonical"], *flags, "--device", "cuda")
    vqt.save(vqt.quantize(torch.jit.load(paths["float"]), CONFIG), paths["python"])
    torch.jit.load(paths["canonical"]).save(str(paths["plain"]))  # without vqt.json: only the weights can tell
    run(paths["plain"], "--repack", "-o", paths["repacked"], "--quiet")
    return paths


def run(*arguments: object) -> str:
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=True)
    return done.stdout


def listed(path: Path, *flags: str) -> dict[str, int]:
    return {site["name"]: site["bytes_before"] for site in json.loads(run(path, "--list", "--json", "--quiet", *flags))}


def of(sites: list[vqt.Site]) -> dict[str, int]:
    return {site.name: site.bytes_before for site in sites}


WAYS: dict[str, Callable[[dict[str, Path]], dict[str, int]]] = {
    "vqt.list_sites": lambda p: of(vqt.list_sites(torch.jit.load(p["float"]))),
    "vqt.list_sites with a config": lambda p: of(vqt.list_sites(torch.jit.load(p["float"]), CONFIG)),
    "vqt.list_sites of a quantized module": lambda p: of(vqt.list_sites(torch.jit.load(p["quantized"]))),
    "vqt.quantize": lambda p: of(vqt.report(vqt.quantize(torch.jit.load(p["float"]), CONFIG)).sites),
    "vqt.report of torch.jit.load": lambda p: of(vqt.report(torch.jit.load(p["quantized"])).sites),
    "vqt.report of vqt.load": lambda p: of(vqt.report(vqt.load(p["python"])).sites),
    "--list --json": lambda p: listed(p["float"]),
    "--list --json with a config": lambda p: listed(p["float"], "--skip-first-last", "false"),
    "--list --json of a quantized archive": lambda p: listed(p["quantized"]),
    "--list --json without vqt.json": lambda p: listed(p["plain"]),
    "--repack without vqt.json": lambda p: listed(p["repacked"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_bytes_before_are_those_of_the_float_weight(paths: dict[str, Path], way: str) -> None:
    assert WAYS[way](paths) == BYTES


def test_totals_are_their_sums(paths: dict[str, Path]) -> None:
    assert sum(BYTES.values()) == 6144
    for module in (torch.jit.load(paths["float"]), vqt.load(paths["python"]), torch.jit.load(paths["plain"])):
        assert vqt.report(module).bytes_before == 6144
    assert "weights of Linear layers: 6.14 kB -> " in run(paths["float"], "--dry-run", "--skip-first-last", "false")


def test_what_stays_float_keeps_its_bytes(paths: dict[str, Path]) -> None:
    site = {site.name: site for site in vqt.report(torch.jit.load(paths["quantized"])).sites}["f64"]
    assert (site.action, site.scheme, site.bytes_after) == ("float", "float64", BYTES["f64"])


def test_repack_keeps_the_packed_weights_of_the_other_layout(paths: dict[str, Path]) -> None:
    repacked, direct = torch.jit.load(paths["repacked"]), torch.jit.load(paths["quantized"])
    for name in ("f32", "bf16", "f16"):
        assert torch.equal(getattr(repacked, name).weight_q, getattr(direct, name).weight_q)
