"""Trains the mini VGGT from nothing: `python -m examples.vggt_mini.train`. Seeded; resumes where it was stopped.

What it learns, and in which order, is in stages.py; README.md says what was tried.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from .batches import Batch, make_batch, patch_matches
from .curve import draw_curve
from .losses import dense_loss, direction_loss, match_loss, pose_loss
from .metrics import abs_rel, auc, no_motion, pose_errors
from .model import GRID, Trainee, build, load_weights
from .muon import Muon
from .pool import Pool, build_pool
from .sources import held_out_photos, training_photos
from .stages import POOLS, STAGES, STAGES_FROM_WEIGHTS, VALIDATION, Stage

ROOT = Path(__file__).resolve().parents[2]
_WARMUP = 100
_ROTATION = 2.0
_POSE, _MATCH = 5.0, 0.3
_CLIP = 5.0
_CHECKPOINT_SECONDS = 600


def pick_views(rng: np.random.Generator, batch: int, count: int, of: int) -> np.ndarray:
    return np.stack([rng.permutation(of)[:count] for _ in range(batch)])


def trunk_loss(
    trainee: Trainee, batch: Batch, pairs: list[Tensor], maps_weight: float, direction_weight: float = 0.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """Pose by the camera head and by every patch, coarse depth and points, matches. pairs: the trunk's."""
    aggregator = trainee.vggt.aggregator
    views, height, width = batch.images.size(1), batch.images.size(3), batch.images.size(4)
    rows, cols = height // aggregator.patch_size, width // aggregator.patch_size
    poses = trainee.pose(pairs)
    pose = pose_loss(poses, batch.pose, _ROTATION)
    maps, votes = trainee.patches(pairs, rows, cols)
    votes, voted = votes.permute(2, 0, 1, 3).flatten(0, 1).unsqueeze(0), batch.pose.repeat(votes.size(2), 1, 1)
    vote = pose_loss(votes, voted, _ROTATION)
    step = aggregator.patch_size // GRID
    depth = batch.depth[:, :, step // 2 :: step, step // 2 :: step]
    points = batch.points[:, :, step // 2 :: step, step // 2 :: step]
    depth_error = (maps[..., 0] - depth.log()).abs().mean()
    point_error = (maps[..., 1:] - points).norm(dim=-1).mean()
    matches = patch_matches(batch, aggregator.patch_size)
    rope = trainee.rope(rows, cols, views, batch.images.device)
    found = [
        match_loss(trainee.attention[pair, "q"][:, 0], trainee.attention[pair, "k"][:, 0], rope, matches,
                   aggregator.specials)  # fmt: skip
        for pair in trainee.matched
    ]
    match = torch.stack([loss for loss, _ in found]).mean()
    loss = _POSE * (pose + vote) + maps_weight * (depth_error + point_error) + _MATCH * match
    parts = {"pose": pose, "vote": vote, "depth": depth_error, "points": point_error, "match": match,
             "matched": found[-1][1]}  # fmt: skip
    if direction_weight > 0:
        parts["direction"] = direction_loss(poses, batch.pose)
        loss = loss + direction_weight * (parts["direction"] + direction_loss(votes, voted))
    return loss, parts


def heads_loss(
    trainee: Trainee, batch: Batch, pairs: list[Tensor], one_view: bool = False
) -> tuple[Tensor, dict[str, Tensor]]:
    """Of the dense heads; one_view: on one view of each scene, the first, second, ... of one scene after the other."""
    patch = trainee.vggt.patch_size
    true_depth, true_points = batch.depth, batch.points
    if one_view:
        scene = torch.arange(len(batch.images), device=batch.images.device)
        view = scene % batch.images.size(1)
        pairs = [pair[scene, view].unsqueeze(1) for pair in pairs]
        true_depth, true_points = true_depth[scene, view].unsqueeze(1), true_points[scene, view].unsqueeze(1)
    depth, depth_confidence, points, points_confidence = trainee.dense(
        pairs, batch.images.size(3) // patch, batch.images.size(4) // patch
    )
    of_depth = dense_loss(depth, depth_confidence, true_depth.unsqueeze(-1))
    of_points = dense_loss(points, points_confidence, true_points)
    return of_depth + of_points, {"dense depth": of_depth, "dense points": of_points}


def batch_loss(trainee: Trainee, batch: Batch, stage: Stage) -> tuple[Tensor, dict[str, Tensor]]:
    """Of what learns in the stage."""
    with torch.set_grad_enabled("trunk" in stage.learns):
        pairs = trainee.trunk(batch.images)
    losses = []
    if "auxiliary" in stage.learns:
        losses.append(trunk_loss(trainee, batch, pairs, stage.maps, stage.direction))
    if "dense" in stage.learns:
        losses.append(heads_loss(trainee, batch, pairs, stage.one_view))
    return sum(loss for loss, _ in losses), {name: value for _, parts in losses for name, value in parts.items()}


def optimizers(trainee: Trainee, stage: Stage) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices of the trunk, AdamW for everything else that learns; `scale` of a group multiplies
    the stage's learning rate."""
    groups: dict[str, list[nn.Parameter]] = {"matrices": [], "trunk": [], "auxiliary": [], "dense": []}
    for name, parameter in trainee.named_parameters():
        if name.startswith(("vggt.depth_head.", "vggt.point_head.")):
            groups["dense"].append(parameter)
        elif not name.startswith("vggt."):
            groups["auxiliary"].append(parameter)
        else:
            groups["matrices" if "blocks." in name and parameter.dim() == 2 else "trunk"].append(parameter)
    scales = {"trunk": 0.5, "auxiliary": 0.5, "dense": 2.0}
    adam = torch.optim.AdamW(
        [{"params": groups[name], "scale": scales[name]} for name in stage.learns],
        lr=1.0, betas=(0.9, 0.98), weight_decay=0.01,
    )  # fmt: skip
    return [Muon(groups["matrices"], lr=1.0), adam] if "trunk" in stage.learns else [adam]


def learning_rate(stage: Stage, step: int) -> float:
    high, low = stage.lr
    cosine = low + (high - low) * 0.5 * (1 + np.cos(np.pi * step / stage.steps))
    return float(cosine * min(1.0, (step + 1) / _WARMUP))


@torch.no_grad()
def validate(
    trainee: Trainee, pool: Pool, dense: bool, device: torch.device, views: int = 2, scenes: int = 250
) -> dict:
    """Figures on scenes that training never sees, textures included."""
    trainee.eval()
    rng = np.random.default_rng(7)
    rotation, direction, depth, still = [], [], [], []
    scenes = min(scenes, len(pool))
    for start in range(0, scenes, 25):
        chosen = np.arange(start, min(start + 25, scenes))
        batch = make_batch(pool, chosen, pick_views(rng, len(chosen), views, pool.images.shape[1])).to(device)
        rows, cols = (batch.images.size(axis) // trainee.vggt.patch_size for axis in (3, 4))
        pairs = trainee.trunk(batch.images)
        errors = pose_errors(trainee.pose(pairs)[-1].cpu(), batch.pose.cpu())
        rotation.append(errors[0]), direction.append(errors[1])
        still.append(np.maximum(*pose_errors(no_motion(batch.pose.cpu()), batch.pose.cpu())))
        if dense:
            depth.append(abs_rel(trainee.dense(pairs, rows, cols)[0][..., 0].cpu(), batch.depth.cpu()))
        else:
            step = trainee.vggt.patch_size // GRID
            truth = batch.depth[:, :, step // 2 :: step, step // 2 :: step]
            depth.append(abs_rel(trainee.patches(pairs, rows, cols)[0][..., 0].exp().cpu(), truth.cpu()))
    trainee.train()
    rotation, direction = np.concatenate(rotation), np.concatenate(direction)
    return {
        "auc30": auc(np.maximum(rotation, direction), 30),
        "auc15": auc(np.maximum(rotation, direction), 15),
        "no_motion_auc30": auc(np.concatenate(still), 30),
        "rotation_median": float(np.median(rotation)),
        "translation_median": float(np.median(direction)),
        "abs_rel": float(np.concatenate(depth).mean()),
    }


def open_pools(folder: Path, name: str) -> tuple[Pool, Pool]:
    """The training scenes of that name, and validation scenes of their size, rendered where not yet in `folder`."""
    pools = []
    size = POOLS[name].height
    wanted = ((name, POOLS[name], training_photos()), (f"validation-{size}", VALIDATION[size], held_out_photos()))
    for kind, config, photos in wanted:
        where = folder / kind
        print(f"train: {config.scenes} scenes of {config.views} views, {size} x {size} pixels: {where}", flush=True)
        build_pool(where, config, photos, os.cpu_count() or 1)
        pools.append(Pool(where))
    return pools[0], pools[1]


class Training:
    """One run in `folder`: checkpoint.pt (everything needed to go on), log.jsonl, curve.png.

    init: a new run begins at these weights of VGGT (safetensors) instead of random ones."""

    def __init__(self, folder: Path, seed: int, device: torch.device, init: Path | None = None) -> None:
        self.folder, self.seed, self.device = folder, seed, device
        torch.manual_seed(seed)
        self.trainee = build().to(device)
        self.stage, self.step, self.seconds = 0, 0, 0.0
        self.names: list[str] | None = None  # of the run's stages
        self.loaded_optimizers: list[dict] | None = None
        self.checkpoint = folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self._resume()
        elif init is not None:
            try:
                load_weights(self.trainee.vggt, init)  # the auxiliary heads stay as they are
            except ValueError as error:
                raise ValueError(f"--init {error}") from None

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if state["seed"] != self.seed:
            raise ValueError(f"{self.checkpoint}: was trained with seed {state['seed']}, asked for {self.seed}; "
                             "name another --out")  # fmt: skip
        self.trainee.load_state_dict(state["model"])
        self.stage, self.step, self.seconds = state["stage"], state["step"], state["seconds"]
        self.names, self.loaded_optimizers = state["names"], state["optimizers"]
        print(f"train: going on at stage {self.stage + 1}, step {self.step}", flush=True)

    def save(self, chosen: list[torch.optim.Optimizer]) -> None:
        part = self.checkpoint.with_suffix(".part")
        torch.save(
            {"seed": self.seed, "names": self.names, "stage": self.stage, "step": self.step, "seconds": self.seconds,
             "model": self.trainee.state_dict(), "optimizers": [o.state_dict() for o in chosen]},
            part,
        )  # fmt: skip
        os.replace(part, self.checkpoint)
        draw_curve(self.folder / "log.jsonl", self.folder / "curve.png")

    def log(self, entry: dict) -> None:
        with (self.folder / "log.jsonl").open("a") as out:
            out.write(json.dumps(entry) + "\n")

    def run(self, stages: list[Stage], pools: Path, minutes: float, every: int) -> bool:
        """Trains for at most `minutes`. Returns whether all stages are done. Raises ValueError where the checkpoint
        is of other stages; stages that were added after its own are trained next."""
        names = [stage.name for stage in stages]
        if self.names is not None and self.names != names[: len(self.names)]:
            raise ValueError(
                f"{self.checkpoint}: is of the stages {', '.join(self.names)}, asked for {', '.join(names)}; "
                "give --init as then, or name another --out"
            )
        self.names = names
        stop = []
        signal.signal(signal.SIGINT, lambda *_: stop.append("Ctrl-C"))
        signal.signal(signal.SIGTERM, lambda *_: stop.append("SIGTERM"))
        deadline = time.monotonic() + 60 * minutes
        while self.stage < len(stages):
            stage = stages[self.stage]
            pool, held_out = open_pools(pools, stage.pool)
            chosen = optimizers(self.trainee, stage)
            if self.loaded_optimizers is not None:
                for optimizer, state in zip(chosen, self.loaded_optimizers):
                    optimizer.load_state_dict(state)
                self.loaded_optimizers = None
            if not self._run_stage(stage, pool, held_out, chosen, deadline, every, stop):
                self.save(chosen)
                print(f"train: stopped ({stop[0] if stop else 'time is up'}); the same command goes on", flush=True)
                return False
            self.stage, self.step = self.stage + 1, 0
            self.save([])
            self.loaded_optimizers = None
        return True

    def _run_stage(self, stage, pool, held_out, chosen, deadline, every, stop) -> bool:
        smooth: dict[str, float] = {}
        saved = begun = time.monotonic()
        first = self.step
        while self.step < stage.steps:
            now = time.monotonic()
            if stop or now > deadline:
                return False
            if now - saved > _CHECKPOINT_SECONDS:
                self.save(chosen)
                saved = now
            # A step's scenes depend on seed, stage and step alone: resuming changes nothing.
            rng = np.random.default_rng([self.seed, self.stage, self.step])
            views = int(rng.integers(stage.views[0], stage.views[1] + 1))
            scenes = rng.integers(0, len(pool), stage.frames // views)
            chosen_views = pick_views(rng, len(scenes), views, pool.images.shape[1])
            crop = stage.crops[int(rng.integers(len(stage.crops)))] if stage.crops else None
            batch = make_batch(pool, scenes, chosen_views, rng, crop).to(self.device)
            loss, parts = batch_loss(self.trainee, batch, stage)
            loss.backward()
            nn.utils.clip_grad_norm_(self.trainee.parameters(), _CLIP)
            for optimizer in chosen:
                for group in optimizer.param_groups:
                    group["lr"] = group.get("scale", 1.0) * learning_rate(stage, self.step)
                optimizer.step()
            self.trainee.zero_grad(set_to_none=True)
            self.step += 1
            self.seconds += time.monotonic() - now
            for name, value in {"loss": loss, **parts}.items():
                value = float(value.detach())
                smooth[name] = 0.98 * smooth.get(name, value) + 0.02 * value
            if self.step % 25 == 0:
                left = (time.monotonic() - begun) / (self.step - first) * (stage.steps - self.step)
                print(f"train: {stage.name} {self.step}/{stage.steps}, {left / 60:.0f} min left in this stage: "
                      + " ".join(f"{k} {v:.3f}" for k, v in smooth.items()), flush=True)  # fmt: skip
            if self.step % every == 0 or self.step == stage.steps:
                figures = validate(self.trainee, held_out, "dense" in stage.learns, self.device)
                self.log({"stage": stage.name, "step": self.step, "seconds": round(self.seconds), **smooth,
                          "validation": figures})  # fmt: skip
                print("train: held out: " + " ".join(f"{k} {v:.3f}" for k, v in figures.items()), flush=True)
        return True


def write_weights(trainee: Trainee, path: Path) -> None:
    """VGGT's own tensors as float16 safetensors."""
    tensors = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in trainee.vggt.state_dict().items()}
    part = path.with_suffix(".part")
    save_file(tensors, part)
    os.replace(part, path)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "artifacts/vggt_mini", help="folder of the run and its scenes"
    )
    parser.add_argument(
        "--minutes", type=float, default=100, help="of this run (default 100); the next one continues"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validate-every", type=int, default=250, metavar="STEPS")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--weights", type=Path, help="where the finished weights go (default: OUT/vggt_mini.safetensors)"
    )
    parser.add_argument("--init", type=Path, metavar="WEIGHTS",
                        help="start from these weights, with the stages from \"auxiliary\" on")  # fmt: skip
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        training = Training(args.out, args.seed, torch.device(args.device), args.init)
        finished = training.run(
            STAGES_FROM_WEIGHTS if args.init else STAGES, args.out, args.minutes, args.validate_every
        )
    except (ValueError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    weights = args.weights or args.out / "vggt_mini.safetensors"
    write_weights(training.trainee, weights)
    print(f"train: {'finished' if finished else 'so far'}: {weights}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
