"""Scores weights on scenes in ETH3D's layout: `python -m examples.vggt_mini.evaluate`.

All views of a scene are one forward pass. Prints a table, then the same as one line of JSON. Intervals are 95 %, from
resampling the scenes. Pose and depth are scored as in metrics.py; the point error is the mean distance of predicted
points to the true ones of the same pixels after the best similarity, in percent of the true points' mean distance to
the first camera.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from examples.vggt.config import VGGTConfig
from examples.vggt.geometry import encode_pose
from examples.vggt.model import VGGT

from .eth3d import find_scenes, read_scene
from .metrics import abs_rel, auc, best_constant, no_motion, pair_motions, pose_errors
from .model import CONFIG, load_weights
from .views import Views, focal_lengths

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "vggt_mini.safetensors"
SCENES = FOLDER / "scenes/final"
RESAMPLES = 2000
# key, title, unit, digits
FIGURES = [
    ("auc30", "pose AUC@30", "%", 1),
    ("auc15", "pose AUC@15", "%", 1),
    ("auc5", "pose AUC@5", "%", 1),
    ("no_motion_auc30", "pose AUC@30 of no motion", "%", 1),
    ("rotation_median", "rotation error, median", "degrees", 2),
    ("translation_median", "translation direction error, median", "degrees", 2),
    ("abs_rel", "depth AbsRel", "", 4),
    ("constant_abs_rel", "depth AbsRel of the best constant", "", 4),
    ("abs_rel_ratio", "AbsRel / best constant's", "", 3),
    ("delta_1_25", "depth within a factor of 1.25", "%", 1),
    ("point_error", "point error", "% of mean distance", 2),
]


# title, Scored's field, edges
MOTIONS = [
    ("turned by", "turn", (0, 10, 20, 40, np.inf)),
    ("baseline / depth", "baseline", (0, 0.15, 0.3, 0.6, np.inf)),
]


@dataclass
class Scored:
    """One scene: errors of its pairs in degrees, figures of its depth and points, the depth in metres, and of the pairs
    the turn in degrees and the cameras' distance over the mean true depth."""

    name: str
    rotation: np.ndarray
    direction: np.ndarray
    still: np.ndarray
    abs_rel: float
    constant_abs_rel: float
    delta_1_25: float
    point_error: float
    depth: np.ndarray
    turn: np.ndarray = field(default_factory=lambda: np.zeros(0))
    baseline: np.ndarray = field(default_factory=lambda: np.zeros(0))


def load_model(weights: Path, config: Path = CONFIG) -> VGGT:
    """Raises ValueError or OSError with the file."""
    model = VGGT(VGGTConfig.from_file(config))
    load_weights(model, weights, config)
    return model.eval().requires_grad_(False)


def true_poses(views: Views) -> Tensor:
    """[1, S, 9] encodings in the scene's world."""
    s, height, width = views.depth.shape
    intrinsic = torch.zeros(1, s, 3, 3)
    intrinsic[..., 0, 0], intrinsic[..., 1, 1] = focal_lengths(views.fov, height, width)
    return encode_pose(torch.from_numpy(views.extrinsics)[None], intrinsic, height, width)


def true_points(views: Views) -> np.ndarray:
    """[S, H, W, 3] in the first camera's coordinates, metres."""
    s, height, width = views.depth.shape
    fx, fy = focal_lengths(views.fov, height, width)
    v, u = np.mgrid[:height, :width]
    depth, pose = views.depth.astype(np.float64), views.extrinsics.astype(np.float64)
    camera = np.stack([(u - width / 2) / fx * depth, (v - height / 2) / fy * depth, depth], -1)
    world = np.einsum("sij,shwi->shwj", pose[:, :, :3], camera - pose[:, None, None, :, 3])
    return world @ pose[0, :, :3].T + pose[0, :, 3]


def aligned(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """points [n, 3] after the similarity with the least sum of squared distances to target (Umeyama 1991)."""
    middle, target_middle = points.mean(0), target.mean(0)
    centred = points - middle
    u, strength, v = np.linalg.svd((target - target_middle).T @ centred)
    sign = np.array([1, 1, np.linalg.det(u) * np.linalg.det(v)])
    scale = (strength * sign).sum() / max((centred**2).sum(), 1e-300)
    return scale * centred @ (u * sign @ v).T + target_middle


def depth_factor(depth: np.ndarray, truth: np.ndarray) -> float:
    """The ratio of medians, as abs_rel takes them."""
    medians = [torch.from_numpy(values).flatten().median().item() for values in (truth, depth)]
    return medians[0] / medians[1]


def score(name: str, views: Views, outputs: dict[str, Tensor]) -> Scored:
    """outputs of one forward pass over all views. Raises ValueError where an image's ground truth is incomplete."""
    if not (np.isfinite(views.depth) & (views.depth > 0)).all():
        raise ValueError(f"{name}: expected a depth above 0 in every pixel, as rendered scenes have")
    truth_pose, truth = true_poses(views), torch.from_numpy(views.depth)[None]
    rotation, direction = pose_errors(outputs["pose_enc"], truth_pose)
    depth = outputs["depth"][..., 0]
    scaled = depth[0].numpy() * depth_factor(depth.numpy(), views.depth)
    points, target = outputs["world_points"][0].double().numpy().reshape(-1, 3), true_points(views).reshape(-1, 3)
    turn, distance = pair_motions(truth_pose)
    away = np.linalg.norm(aligned(points, target) - target, axis=1).mean() / np.linalg.norm(target, axis=1).mean()
    return Scored(
        name=name,
        rotation=rotation,
        direction=direction,
        still=np.maximum(*pose_errors(no_motion(truth_pose), truth_pose)),
        abs_rel=float(abs_rel(depth, truth)[0]),
        constant_abs_rel=float(best_constant(truth)[0]),
        delta_1_25=float(100 * (np.maximum(scaled / views.depth, views.depth / scaled) < 1.25).mean()),
        point_error=float(100 * away),
        depth=scaled,
        turn=turn,
        baseline=distance / float(views.depth.mean()),
    )


def figures(scenes: list[Scored]) -> dict[str, float]:
    """Pose over all pairs of all scenes, depth and points as means over scenes."""
    rotation = np.concatenate([s.rotation for s in scenes])
    direction = np.concatenate([s.direction for s in scenes])
    worse = np.maximum(rotation, direction)
    out = {f"auc{limit}": auc(worse, limit) for limit in (30, 15, 5)}
    out["no_motion_auc30"] = auc(np.concatenate([s.still for s in scenes]), 30)
    out["rotation_median"], out["translation_median"] = float(np.median(rotation)), float(np.median(direction))
    for key in ("abs_rel", "constant_abs_rel", "delta_1_25", "point_error"):
        out[key] = float(np.mean([getattr(s, key) for s in scenes]))
    out["abs_rel_ratio"] = out["abs_rel"] / out["constant_abs_rel"]
    return out


def by_motion(scenes: list[Scored]) -> list[dict[str, float | str]]:
    """Pose over the pairs of one size of motion: by turn, and by baseline over mean depth."""
    worse = np.concatenate([np.maximum(s.rotation, s.direction) for s in scenes])
    out = []
    for title, name, edges in MOTIONS:
        size = np.concatenate([getattr(s, name) for s in scenes])
        for low, high in zip(edges, edges[1:]):
            inside = (size >= low) & (size < high)
            if inside.any():
                upper = f" to {high:g}" if np.isfinite(high) else " and more"
                out.append(
                    {"pairs": f"{title} {low:g}{upper}", "count": int(inside.sum()), "auc30": auc(worse[inside], 30)}
                )
    return out


def intervals(scenes: list[Scored], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, list[float]]:
    """95 % of the figures over scenes drawn with replacement."""
    drawn = np.random.default_rng(seed).integers(0, len(scenes), (resamples, len(scenes)))
    samples = [figures([scenes[i] for i in row]) for row in drawn]
    return {key: np.percentile([s[key] for s in samples], [2.5, 97.5]).tolist() for key in samples[0]}


@torch.no_grad()
def evaluate(model: Callable[[Tensor], dict[str, Tensor]], folder: Path) -> list[tuple[Views, Scored]]:
    """Every scene in the folder by its name."""
    out = []
    for path in find_scenes(folder):
        views = read_scene(path)
        outputs = model(torch.from_numpy(views.images).permute(0, 3, 1, 2).float()[None] / 255)
        out.append((views, score(path.name, views, outputs)))
    return out


def table(values: dict[str, float], spans: dict[str, list[float]]) -> str:
    rows = [("", "value", "95 % interval", "")]
    for key, title, unit, digits in FIGURES:
        low, high = spans[key]
        rows.append((title, f"{values[key]:.{digits}f}", f"{low:.{digits}f} to {high:.{digits}f}", unit))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = (f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows)
    return "\n".join(lines)


def draw_depth(results: list[tuple[Views, Scored]], picture: Path, most: int = 8) -> None:
    """The last view of the first scenes: image, true depth, predicted depth after scaling; one colour scale."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = results[:most]
    columns = 1 if len(shown) < 3 else 2
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(
        rows, 3 * columns, figsize=(5.4 * columns + 1, 1.95 * rows + 0.5), squeeze=False, layout="constrained"
    )
    low = min(views.depth[-1].min() for views, _ in shown)
    high = max(views.depth[-1].max() for views, _ in shown)
    for axis in axes.flat:
        axis.set_axis_off()
    for i, (views, scored) in enumerate(shown):
        row, first = i % rows, i // rows * 3
        parts = (("image", views.images[-1]), ("true depth", views.depth[-1]), ("predicted depth", scored.depth[-1]))
        for axis, (title, values) in zip(axes[row, first : first + 3], parts):
            drawn = axis.imshow(values, vmin=low, vmax=high, cmap="viridis")
            axis.set_title(f"{scored.name}: {title}" if title == "image" else title, fontsize=9)
        axes[row, first + 2].set_title(f"predicted, AbsRel {scored.abs_rel:.3f}", fontsize=9)
    figure.colorbar(drawn, ax=axes, label="depth in metres, predictions scaled by one factor per scene", shrink=0.8)
    figure.savefig(picture, dpi=90)
    plt.close(figure)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="evaluate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="safetensors (default: the ones that ship)")
    parser.add_argument(
        "--scenes", type=Path, default=SCENES, help="a scene or a folder of scenes (default: the final ones)"
    )
    parser.add_argument("--picture", type=Path, metavar="OUT.png", help="held-out depth maps beside ground truth")
    args = parser.parse_args(argv)
    try:
        results = evaluate(load_model(args.weights), args.scenes)
        if args.picture:
            draw_depth(results, args.picture)
    except ImportError as error:
        print(f"evaluate: --picture: {error}: .venv/bin/pip install -r requirements-train.txt", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    scenes = [scored for _, scored in results]
    values, spans = figures(scenes), intervals(scenes)
    print(f"{len(scenes)} scenes, {sum(len(s.rotation) for s in scenes)} pairs of views: {args.scenes}")
    print(table(values, spans))
    motions = by_motion(scenes)
    for row in motions:
        print(f"{row['pairs']:<28}  {row['count']:>4} pairs  AUC@30 {row['auc30']:.1f}")
    per_scene = [{"name": s.name, "abs_rel": s.abs_rel, "auc30": figures([s])["auc30"]} for s in scenes]
    print(json.dumps({"figures": values, "interval_95": spans, "by_motion": motions, "scenes": per_scene}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
