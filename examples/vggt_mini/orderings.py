"""Which scheme should be better than which, measured on the mini: `python -m examples.vggt_mini.orderings --model mini.pt`.

Every scheme's outputs are compared with the float model's on the demo scenes. Writes OUT/orderings.json, and the
section of the page OUT.md where there is one.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import vqt
from torch import Tensor

from .page import SCENES, load_scenes, markdown_table, write_section

OUTPUTS = ("depth", "world_points", "pose_enc")
WEIGHTS: dict[str, dict[str, Any]] = {
    "int16 channel": {"quant_type": "int16_per_channel_sym"},
    "int8 channel": {"quant_type": "int8_per_channel_sym"},
    "int8 channel asym": {"quant_type": "int8_per_channel_asym"},
    "int8 tensor": {"quant_type": "int8_per_tensor_sym"},
    "int8 tensor asym": {"quant_type": "int8_per_tensor_asym"},
    "int4 g32": {"quant_type": "int4_group", "group_size": 32},
    "int4 g64": {"quant_type": "int4_group", "group_size": 64},
    "int4 g128": {"quant_type": "int4_group", "group_size": 128},
}
ACTIVATIONS = {"dynamic": "8 bits per token", "none": "float"}
MARGIN = 1.1  # what holds by less than this factor is not called a margin
_NOISE = 1.02  # "not worse": up to this factor
_SAME_SIZE = 0.002


@dataclass(frozen=True)
class Scheme:
    """A row of WEIGHTS, with first and last site float or not, and activations dynamic or none."""

    weights: str
    activation: str = "dynamic"
    skip: bool = True

    def config(self) -> vqt.QuantizationConfig:
        return vqt.QuantizationConfig(**WEIGHTS[self.weights], activation=self.activation, skip_first_last=self.skip)


def all_schemes() -> list[Scheme]:
    # 16 bits compute with floating-point activations whatever the config says.
    return [
        Scheme(weights, activation, skip)
        for activation in ACTIVATIONS
        for weights in WEIGHTS
        if activation == "none" or not weights.startswith("int16")
        for skip in (True, False)
    ]


@dataclass
class Measured:
    """errors: by scene and output, RMSE over the float output's RMS. SQNR in dB of each quantized site: of the stored
    weight, and of the layer's output on the float model's inputs (empty: not measured)."""

    errors: dict[str, dict[str, float]]
    bytes: int
    weight_sqnr: dict[str, float]
    layer_sqnr: dict[str, float]

    def mean_error(self, output: str) -> float:
        return _geometric_mean([scene[output] for scene in self.errors.values()])

    def worst_error(self) -> float:
        return max(max(scene.values()) for scene in self.errors.values())


Results = dict[Scheme, Measured]


def _geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def run(model: torch.jit.ScriptModule, scenes: list[tuple[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """By scene, the outputs that are scored. Raises ValueError where the model lacks one."""
    outputs = {}
    # Each model runs a few times only: less than TorchScript's profiling and optimizing takes.
    with torch.inference_mode(), torch.jit.optimized_execution(False):
        for name, images in scenes:
            out = model(images)
            if missing := [key for key in OUTPUTS if not isinstance(out, dict) or key not in out]:
                raise ValueError(f"the model's output: expected a dictionary with {', '.join(OUTPUTS)}; missing: {missing[0]}")
            outputs[name] = {key: out[key].to(torch.float64) for key in OUTPUTS}
    return outputs


def relative_rmse(got: Tensor, expected: Tensor) -> float:
    return float((got - expected).pow(2).mean().sqrt() / expected.pow(2).mean().sqrt())


def measure(
    model: torch.jit.ScriptModule, scenes: list[tuple[str, Tensor]], schemes: Iterable[Scheme], layers: bool, quiet: bool = True
) -> Results:
    """layers: the layers' SQNR too, on the first scene."""
    expected = run(model, scenes)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for scheme in schemes:
            if not quiet:
                print(f"orderings: {_label(scheme)}", file=sys.stderr, flush=True)
            quantized = vqt.quantize(model, scheme.config(), inputs=scenes[0][1] if layers else None)
            archive = Path(folder) / "quantized.pt"
            vqt.save(quantized, archive)
            got = run(quantized, scenes)
            errors = {
                name: {key: relative_rmse(got[name][key], outputs[key]) for key in OUTPUTS} for name, outputs in expected.items()
            }
            sites = [site for site in vqt.report(quantized).sites if site.action == "quantized"]
            results[scheme] = Measured(
                errors, archive.stat().st_size, {site.name: site.weight_sqnr_db for site in sites},
                {site.name: site.output_sqnr_db for site in sites if math.isfinite(site.output_sqnr_db)},
            )  # fmt: skip
    return results


@dataclass(frozen=True)
class Ordering:
    """`better` is expected to have the smaller error; strict: it has to, else about the same will do. larger: its
    archive is expected to be the larger one, else of the same size."""

    claim: str
    better: Scheme
    worse: Scheme
    strict: bool = True
    larger: bool = True


def orderings() -> list[Ordering]:
    out = []
    for activation in ACTIVATIONS:
        of = lambda weights, skip=True: Scheme(weights, activation, skip)  # noqa: E731
        # A packed int8 weight repeats a per-tensor scale for every row and has zero points in any case: same size.
        same = {"larger": False}
        out += [
            Ordering("per channel better than per tensor", of("int8 channel"), of("int8 tensor"), **same),
            Ordering("the same, asymmetric", of("int8 channel asym"), of("int8 tensor asym"), **same),
            Ordering("groups of 32 better than 64", of("int4 g32"), of("int4 g64")),
            Ordering("groups of 64 better than 128", of("int4 g64"), of("int4 g128")),
            Ordering("groups of 32 better than 128", of("int4 g32"), of("int4 g128")),
            Ordering("int8 better than int4", of("int8 channel"), of("int4 g32")),
            Ordering("int8 per tensor better than int4", of("int8 tensor"), of("int4 g32")),
            Ordering("asymmetric not worse, per channel", of("int8 channel asym"), of("int8 channel"), False, **same),
            Ordering("asymmetric not worse, per tensor", of("int8 tensor asym"), of("int8 tensor"), False, **same),
        ]
        for weights in ("int8 channel", "int8 tensor", "int4 g64", "int4 g128"):
            claim = f"skipping first and last not worse, {weights}"
            out.append(Ordering(claim, of(weights), of(weights, False), strict=False))
    out.append(Ordering("int16 better than int8", Scheme("int16 channel", "none"), Scheme("int8 channel", "none")))
    for weights in ("int8 channel", "int4 g64"):
        float_activations = f"float activations not worse, {weights}"
        out.append(Ordering(float_activations, Scheme(weights, "none"), Scheme(weights), False, larger=False))
    return out


@dataclass
class Agreement:
    """How many of how many agree, and the geometric mean of (error of the worse / error of the better)."""

    agree: int
    count: int
    factor: float

    @classmethod
    def of(cls, ratios: list[float]) -> "Agreement":
        return cls(sum(r > 1 for r in ratios), len(ratios), _geometric_mean(ratios) if ratios else math.nan)

    def __str__(self) -> str:
        return f"{self.agree} of {self.count}" if self.count else ""


@dataclass
class Judged:
    """least: of the scenes' factors. weights, layers: of the sites that both quantize, by their SQNR."""

    outputs: Agreement  # pairs of scene and output
    scenes: Agreement
    least: float
    weights: Agreement
    layers: Agreement
    archive: float  # size of the better one's over the other's
    size_holds: bool
    verdict: str


def _by_site(better: dict[str, float], worse: dict[str, float]) -> Agreement:
    """No sites where both store the same."""
    ratios = [10 ** ((better[name] - worse[name]) / 20) for name in better if name in worse]
    return Agreement.of(ratios if any(r != 1 for r in ratios) else [])


def judge(ordering: Ordering, results: Results) -> Judged:
    better, worse = results[ordering.better], results[ordering.worse]
    ratios = {name: [worse.errors[name][key] / max(error, 1e-300) for key, error in outputs.items()]
              for name, outputs in better.errors.items()}  # fmt: skip
    scenes = Agreement.of([_geometric_mean(values) for values in ratios.values()])
    least = min(_geometric_mean(values) for values in ratios.values())
    factor = scenes.factor
    if factor >= MARGIN and least > 1:
        verdict = "by a margin"
    elif factor > (1 if ordering.strict else _NOISE):
        verdict = "narrowly"
    elif not ordering.strict and factor >= 1 / _NOISE:
        verdict = "as good"
    else:
        verdict = "no"
    archive = better.bytes / worse.bytes
    # Other sites are quantized on the two sides of an ordering about skipping: nothing to compare site by site.
    same_sites = better.weight_sqnr.keys() == worse.weight_sqnr.keys()
    return Judged(
        outputs=Agreement.of([value for values in ratios.values() for value in values]),
        scenes=scenes,
        least=least,
        weights=_by_site(better.weight_sqnr, worse.weight_sqnr) if same_sites else Agreement.of([]),
        layers=_by_site(better.layer_sqnr, worse.layer_sqnr) if same_sites else Agreement.of([]),
        archive=archive,
        size_holds=archive > 1 if ordering.larger else abs(archive - 1) < _SAME_SIZE,
        verdict=verdict,
    )


def _label(scheme: Scheme) -> str:
    return f"{scheme.weights}, activations {ACTIVATIONS[scheme.activation]}, {'skip' if scheme.skip else 'all layers'}"


def _scheme_table(results: Results, float_bytes: int) -> str:
    rows = [["float32", "", "", f"{float_bytes / 1e6:.2f}", "", "", "", ""]]
    for scheme, measured in results.items():
        row = [scheme.weights, ACTIVATIONS[scheme.activation], "float" if scheme.skip else "quantized", f"{measured.bytes / 1e6:.2f}"]
        row += [f"{100 * measured.mean_error(key):.3g} %" for key in OUTPUTS]
        rows.append([*row, f"{100 * measured.worst_error():.3g} %"])
    return markdown_table(["weights", "activations", "first and last", "MB", "depth", "points", "pose", "worst"], rows)


def _with_factor(a: Agreement) -> str:
    return f"{a}: {a.factor:.2f}" if a.count else ""


def _ordering_table(judged: list[tuple[Ordering, Judged]]) -> str:
    rows = []
    for ordering, j in judged:
        size = f"{100 * (j.archive - 1):+.1f} %" if abs(j.archive - 1) >= _SAME_SIZE else "same"
        rows.append([ordering.claim, _activations(ordering), j.verdict, f"{j.scenes.factor:.2f}", f"{j.least:.2f}", str(j.scenes),
                     str(j.outputs), _with_factor(j.layers), _with_factor(j.weights), size])  # fmt: skip
    return markdown_table(["ordering", "activations", "holds", "factor", "lowest of a scene", "scenes", "scenes x outputs",
                           "layers: factor", "weights: factor", "file"], rows)  # fmt: skip


def _activations(ordering: Ordering) -> str:
    both = {ordering.better.activation, ordering.worse.activation}
    return ACTIVATIONS[both.pop()] if len(both) == 1 else "both"


def _why(ordering: Ordering, j: Judged) -> str:
    """What the layers say about an ordering that the outputs do not have."""
    said = f"- {ordering.claim} (activations {_activations(ordering)}): factor {j.scenes.factor:.2f}"
    if not j.layers.count:
        return f"{said}."
    held = "hold to it" if 2 * j.layers.agree > j.layers.count and j.layers.factor > 1 else "do not hold to it either"
    return f"{said}; the layers {held}: {j.layers} by their outputs (factor {j.layers.factor:.2f}), {j.weights} by their weights."


def _by_output(claim: str, better: Scheme, worse: Scheme, results: Results) -> str:
    factors = [f"{key} {results[worse].mean_error(key) / results[better].mean_error(key):.2f}" for key in OUTPUTS]
    return f"- {claim}, activations {ACTIVATIONS[better.activation]}, by output: factor {', '.join(factors)}."


def section(results: Results, judged: list[tuple[Ordering, Judged]], scenes: list[tuple[str, Tensor]], float_bytes: int) -> str:
    count = {v: sum(j.verdict == v for _, j in judged) for v in ("by a margin", "narrowly", "as good", "no")}
    sizes = [o.claim for o, j in judged if not j.size_holds]
    frames = sum(images.size(1) for _, images in scenes)
    lines = [
        f"Of {len(judged)} orderings {count['by a margin']} hold by a margin, {count['narrowly']} narrowly; in {count['as good']} both are "
        f"as good; {count['no']} do not hold.",
        "",
        *(_why(o, j) for o, j in judged if j.verdict == "no"),
        _by_output("Skipping first and last, int8 channel", Scheme("int8 channel", "none"), Scheme("int8 channel", "none", False), results),
        _by_output("Groups of 32 against 64", Scheme("int4 g32", "none"), Scheme("int4 g64", "none"), results),
        _by_output("Per channel against per tensor", Scheme("int8 channel", "none"), Scheme("int8 tensor", "none"), results),
        "",
        "File sizes are ordered the other way, or equally large where the layout makes them so, "
        + ("in all of them." if not sizes else "but for: " + "; ".join(sizes) + "."),
        "",
        _ordering_table(judged),
        "",
        f"The schemes ({len(scenes)} scenes, {frames} frames; errors are RMSE over the float output's root mean square, geometric mean over",
        "the scenes, and the worst of any scene and output):",
        "",
        _scheme_table(results, float_bytes),
    ]
    return "\n".join(lines)


def _as_json(results: Results, judged: list[tuple[Ordering, Judged]], float_bytes: int) -> dict[str, Any]:
    return {
        "float_bytes": float_bytes,
        "schemes": [{**asdict(scheme), "bytes": m.bytes, "errors": m.errors} for scheme, m in results.items()],
        "orderings": [{**asdict(ordering), **asdict(j)} for ordering, j in judged],
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="orderings", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help="TorchScript file that examples/vggt/export.py wrote")
    parser.add_argument("--scenes", type=Path, default=SCENES, metavar="DIR", help="folder of scenes (default: scenes/demo)")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/vggt_mini"), metavar="DIR", help="default docs/vggt_mini")
    args = parser.parse_args(argv)
    out: Path = args.output
    try:
        scenes = load_scenes(args.scenes)
        model = vqt.load(args.model)
        if vqt.is_quantized(model):
            raise ValueError(f"{args.model}: expected a float model, got a quantized one")
        results = measure(model, scenes, all_schemes(), layers=True, quiet=False)
        judged = [(ordering, judge(ordering, results)) for ordering in orderings()]
        out.mkdir(parents=True, exist_ok=True)
        float_bytes = args.model.stat().st_size
        (out / "orderings.json").write_text(json.dumps(_as_json(results, judged, float_bytes), indent=1) + "\n")
        text = section(results, judged, scenes, float_bytes)
        page = out.with_name(f"{out.name}.md")
        if page.exists():
            write_section(page, "orderings", text)
    except (ValueError, OSError, vqt.ArchiveError) as error:
        print(f"orderings: {error}", file=sys.stderr)
        return 1
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
