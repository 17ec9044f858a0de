"""Weights and activations of every Linear layer, in images and a table: `python -m examples.vggt_mini.distributions`.

Camera and register tokens are counted separately from patches. Writes OUT/*.png and OUT/distributions.{json,md}, and
the section of the page OUT.md where there is one.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from examples.vggt.config import ConfigError
from examples.vggt.model import VGGT

from .distribution_plots import draw
from .evaluate import WEIGHTS, load_model
from .model import CONFIG, build
from .page import SCENES, load_scenes, markdown_table, write_section
from .tails import LAPLACE, OUTLIER, Values, weight_summary

# name, stage, kind, shape, and summaries: weights, special, patches and all (tokens), the last two None in the camera head.
Site = dict[str, Any]
# block's name, special, patches: summaries of the residual stream where it enters the block.
Stream = dict[str, Any]
_STAGES = (("aggregator.patch_embed.", "ViT"), ("aggregator.frame_blocks.", "frame"),
           ("aggregator.global_blocks.", "global"), ("camera_head.", "camera"))  # fmt: skip
TOKENS = ("special", "patches")


def _stage(name: str) -> str:
    return next((stage for prefix, stage in _STAGES if name.startswith(prefix)), "other")


def _split(name: str, x: Tensor, tokens: int, specials: int) -> dict[str, Tensor]:
    """A Linear's input by token; in the camera head all of them are camera tokens."""
    if not name.startswith("aggregator."):
        return {"special": x}
    x = x.reshape(-1, tokens, x.size(-1))
    return {"special": x[:, :specials], "patches": x[:, specials:]}


@dataclass
class Found:
    """Sites that run and streams, in the order they do; values: what is behind their summaries, by name and kind."""

    sites: list[Site]
    streams: list[Stream]
    values: dict[str, dict[str, Values]]


@torch.no_grad()
def look(model: VGGT, scenes: list[tuple[str, Tensor]]) -> Found:
    values: dict[str, dict[str, Values]] = {}
    tokens, hooks = 0, []
    linears = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    entries = {n: m for n, m in model.aggregator.named_modules(prefix="aggregator") if n.endswith(".norm1")}
    specials = model.aggregator.specials

    def count(name: str, x: Tensor) -> None:
        for kind, part in _split(name, x, tokens, specials).items():
            values.setdefault(name, {}).setdefault(kind, Values()).add(part)

    for name, module in (linears | entries).items():
        hooks.append(module.register_forward_pre_hook(lambda _, args, name=name: count(name, args[0])))
    try:
        for _, images in scenes:
            tokens = specials + images.size(3) // model.patch_size * (images.size(4) // model.patch_size)
            model(images)
    finally:
        for hook in hooks:
            hook.remove()

    sites, streams = [], []
    for name, found in values.items():
        summaries = {kind: found[kind].summary() if kind in found else None for kind in TOKENS}
        if name in entries:
            streams.append({"name": name.removesuffix(".norm1"), **summaries})
            continue
        everything = found["special"].merged(found["patches"]).summary() if "patches" in found else None
        found["weights"] = Values()
        found["weights"].add(linears[name].weight)
        sites.append({"name": name, "stage": _stage(name), "kind": name.rsplit(".", 1)[-1],
                      "shape": list(linears[name].weight.shape), "weights": weight_summary(linears[name].weight),
                      **summaries, "all": everything})  # fmt: skip
    return Found(sites, streams, values)


def kurtoses(sites: list[Site], kind: str) -> list[float]:
    return [site[kind]["kurtosis"] for site in sites if site[kind]]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _heaviest(sites: list[Site], kind: str) -> str:
    site = max((s for s in sites if s[kind]), key=lambda s: s[kind]["kurtosis"])
    return f"`{site['name']}` ({_number(site[kind]['kurtosis'])})"


def findings(found: Found, before: list[Site] | None) -> list[str]:
    """Sentences on what the sites show."""
    lines, sites = [], found.sites
    for kind, label in (("weights", "Weights"), ("special", "Inputs, camera and register tokens"), ("patches", "Inputs, patches")):
        got = kurtoses(sites, kind)
        was = f" ({_number(median(kurtoses(before, kind)))} before training)" if before else ""
        heavy = sum(k > LAPLACE for k in got)
        lines.append(f"**{label}**: heavy-tailed in {heavy} of {len(got)} layers, median kurtosis {_number(median(got))}{was}, "
                     f"the heaviest {_heaviest(sites, kind)}.")  # fmt: skip
    spread = [site["weights"]["channel_spread"] for site in sites]
    wide = [site for site in sites if site["weights"]["outlier_channels"] > 0]
    most = max(sites, key=lambda s: s["weights"]["outlier_channels"])
    lines.append(f"**Output channels of the weights**: the widest spans {_number(median(spread))} times the median channel's range "
                 f"(median over layers; at most {_number(max(spread))}). Channels beyond {OUTLIER:.0f} times occur in {len(wide)} of "
                 f"{len(sites)} layers"
                 + (f", most of them in `{most['name']}` ({100 * most['weights']['outlier_channels']:.1f} % of its channels)"
                    if wide else "") + ".")  # fmt: skip
    both = [site for site in sites if site["special"] and site["patches"]]
    heavier = sum(site["special"]["kurtosis"] > site["patches"]["kurtosis"] for site in both)
    ratio = [site["special"]["max"] / site["patches"]["max"] for site in both]
    wider = sum(r > 1 for r in ratio)
    added = [site["all"]["kurtosis"] / site["patches"]["kurtosis"] for site in both]
    lines.append(f"**Special tokens against patches**, in the {len(both)} layers that both pass: heavier tails in {heavier}, the larger "
                 f"maximum in {wider} ({_range(ratio)} times the patches'). With them a layer's input has {_range(added)} times "
                 f"the kurtosis of the patches alone.")  # fmt: skip
    ratio = [stream["special"]["max"] / stream["patches"]["max"] for stream in found.streams]
    peaks = [stream[kind]["max_over_rms"] for kind in TOKENS for stream in found.streams]
    lines.append(f"**Residual stream**, which no Linear layer reads without a LayerNorm before it: the special tokens' maximum is "
                 f"{_range(ratio)} times the patches'; its largest magnitude is {_range(peaks)} times its rms.")  # fmt: skip
    dominant = 2 * wider > len(both) and median(added) > 1.1
    lines.append("**So special tokens " + ("cause the tails here, as they do in the full VGGT.**" if dominant else
                 "do not cause the tails here, unlike in the full VGGT.**"))  # fmt: skip
    return lines


def _range(values: list[float]) -> str:
    """Least to greatest, and the median."""
    return f"{min(values):.2g} to {max(values):.2g}, median {median(values):.2g}"


def _group_table(sites: list[Site]) -> str:
    """Medians by stage and kind, heavy-tailed ones in bold."""
    groups: dict[tuple[str, str], list[Site]] = {}
    for site in sites:
        groups.setdefault((site["stage"], site["kind"]), []).append(site)
    order = [stage for _, stage in _STAGES] + ["other"]
    rows = []
    for (stage, kind), members in sorted(groups.items(), key=lambda item: order.index(item[0][0])):
        row = [stage, f"`{kind}`" if not kind.isdigit() else "modulation", str(len(members))]
        for part in ("weights", *TOKENS):
            got = kurtoses(members, part)
            heavy = sum(k > LAPLACE for k in got)
            text = _number(median(got)) if got else ""
            row.append(f"**{text}** ({heavy})" if heavy else text)
        for part in TOKENS:
            row.append(_number(median(m[part]["max_over_rms"] for m in members)) if members[0][part] else "")
        rows.append(row)
    return markdown_table(["stage", "kind", "layers", "kurtosis of weights", "inputs, special tokens", "inputs, patches",
                           "max / rms, special tokens", "patches"], rows)  # fmt: skip


def _site_table(sites: list[Site]) -> str:
    rows = []
    for site in sites:
        weights = site["weights"]
        row = [f"`{site['name']}`", "x".join(map(str, site["shape"])), _number(weights["kurtosis"]),
               f"{_number(weights['max_over_std_median'])}, {_number(weights['max_over_std_worst'])}",
               f"{100 * weights['outlier_channels']:.1f} %"]  # fmt: skip
        for kind in TOKENS:
            s = site[kind]
            row += [_number(s["kurtosis"]), f"{_number(s['max_over_rms'])}, {_number(s['p999_over_rms'])}", f"{s['rms']:.2f}",
                    f"{100 * s['outlier_channels']:.1f} %"] if s else [""] * 4  # fmt: skip
        heavy = [kind for kind in ("weights", *TOKENS) if site[kind] and site[kind]["kurtosis"] > LAPLACE]
        rows.append(row + [", ".join(heavy)])
    header = ["layer", "shape", "weights: kurtosis", "max / std of a row: median, worst", "outlier rows"]
    for label in ("special tokens", "patches"):
        header += [f"{label}: kurtosis", "max, 99.9 % / rms", "rms", "outlier channels"]
    return markdown_table([*header, "heavy-tailed"], rows)


def section(found: Found, before: list[Site] | None, folder: str) -> str:
    bullets = "\n".join(f"- {line}" for line in findings(found, before))
    return f"""![kurtosis of the weights by layer]({folder}/weights.png)

![kurtosis and peaks of the inputs by layer]({folder}/activations.png)

![density of magnitudes in the heaviest and the lightest layer]({folder}/histograms.png)

{bullets}

Medians over the blocks; in bold where a layer is heavy-tailed, in brackets how many are
([every layer]({folder}/distributions.md)):

{_group_table(found.sites)}"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="distributions", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=WEIGHTS, metavar="FILE", help="safetensors (default: the shipped weights)")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help="sizes as JSON (default: vggt_mini.json)")
    parser.add_argument("--scenes", type=Path, default=SCENES, metavar="DIR", help="folder of scenes (default: scenes/demo)")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/vggt_mini"), metavar="DIR", help="default docs/vggt_mini")
    args = parser.parse_args(argv)
    out: Path = args.output
    try:
        scenes = load_scenes(args.scenes)
        model = load_model(args.checkpoint, args.config)
        out.mkdir(parents=True, exist_ok=True)
        found = look(model, scenes)
        before = None
        if args.config.resolve() == CONFIG:  # what training started from is known
            torch.manual_seed(0)
            before = look(build().vggt.eval(), scenes).sites
        draw(found.sites, before, found.streams, found.values, out)
        (out / "distributions.json").write_text(json.dumps({"sites": found.sites, "streams": found.streams}, indent=1) + "\n")
        frames = sum(images.size(1) for _, images in scenes)
        (out / "distributions.md").write_text(
            f"# Distributions of every layer\nWritten by `python -m examples.vggt_mini.distributions` "
            f"({len(scenes)} scenes, {frames} frames); what the columns are: [the page](../{out.name}.md#distributions).\n\n"
            f"{_site_table(found.sites)}\n"
        )
        page = out.with_name(f"{out.name}.md")
        if page.exists():
            write_section(page, "distributions", section(found, before, out.name))
    except (ValueError, OSError, ConfigError) as error:
        print(f"distributions: {error}", file=sys.stderr)
        return 1
    for line in findings(found, before):
        print(line)
    print(f"distributions: {out}: images and tables of {len(found.sites)} layers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
