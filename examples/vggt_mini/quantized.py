"""What a config does to the mini VGGT: `python -m examples.vggt_mini.quantized 'convolutions=int8;ignore=aggregator'`.

Each argument is one model: fields of a config, several with `;`. Per model, over the final scenes: the mean difference
of depth and points from the float model's (depth relative to it, points to their mean distance; in brackets the worst
scene), and the scores against ground truth with their 95 % intervals.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
import vqt
from torch import Tensor

from .eth3d import find_scenes, read_scene
from .evaluate import SCENES, WEIGHTS, Scored, figures, intervals, load_model, score

SCORES = ("auc30", "abs_rel", "point_error")


def fields_of(argument: str) -> dict[str, object]:
    """`a=1;b=x,y` -> {"a": 1, "b": ["x", "y"]}; values as JSON where they are, a list where they have commas."""
    fields: dict[str, object] = {}
    for part in filter(None, argument.split(";")):
        name, _, value = part.partition("=")
        try:
            fields[name] = json.loads(value)
        except ValueError:
            listed = name in ("ignore", "fusions", "sensitive_layers")
            fields[name] = value.split(",") if listed else value
    return fields


@torch.no_grad()
def run(module: torch.jit.ScriptModule, folder: Path) -> tuple[list[dict[str, Tensor]], list[Scored]]:
    outputs, scored = [], []
    for path in find_scenes(folder):
        views = read_scene(path)
        outputs.append(module(torch.from_numpy(views.images).permute(0, 3, 1, 2).float()[None] / 255))
        scored.append(score(path.name, views, outputs[-1]))
    return outputs, scored


def difference(got: dict[str, Tensor], want: dict[str, Tensor]) -> tuple[float, float]:
    """Of one scene, in percent: depth relative to the float model's, points to the mean distance of its points."""
    depth = ((got["depth"] - want["depth"]).abs() / want["depth"]).mean()
    points = (got["world_points"] - want["world_points"]).norm(dim=-1).mean() / want["world_points"].norm(dim=-1).mean()
    return float(100 * depth), float(100 * points)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="quantized", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("configs", nargs="+", metavar="FIELD=VALUE;...")
    parser.add_argument("--scenes", type=Path, default=SCENES)
    args = parser.parse_args(argv)
    module = torch.jit.script(load_model(WEIGHTS))
    reference, scored = run(module, args.scenes)
    print(f"{len(scored)} scenes: {args.scenes}")
    for name, config in [("float", None), *((c, fields_of(c)) for c in args.configs)]:
        outputs = reference
        if config is not None:
            outputs, scored = run(vqt.quantize(module, config), args.scenes)
        pairs = [difference(got, want) for got, want in zip(outputs, reference)]
        depth, points = ([p[i] for p in pairs] for i in range(2))
        line = f"{name}: depth {sum(depth) / len(depth):.3f} % ({max(depth):.3f})"
        line += f", points {sum(points) / len(points):.3f} % ({max(points):.3f})"
        values, spans = figures(scored), intervals(scored)
        for key in SCORES:
            low, high = spans[key]
            line += f", {key} {values[key]:.4f} ({low:.4f} to {high:.4f})"
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
