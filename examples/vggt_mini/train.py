"""Trains the mini VGGT from nothing: `python -m examples.vggt_mini.train`. Seeded; resumes where it was stopped.

Stages: pairs of small views, then 2 to 4 larger ones, both under cheap heads; then the dense heads on the finished
trunk. See README.md for what was tried.
"""

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from .batches import Batch, make_batch, patch_matches
from .curve import draw_curve
from .losses import dense_loss, match_loss, pose_loss
from .metrics import abs_rel, auc, no_motion, pose_errors
from .model import GRID, Trainee, build
from .muon import Muon
from .pool import Pool, PoolConfig, build_pool
from .sources import held_out_photos, training_photos

ROOT = Path(__file__).resolve().parents[2]
MOTION = (0.3, 2.2)
_WARMUP = 100
_ROTATION = 2.0
_POSE, _MATCH = 5.0, 0.3
_CLIP = 5.0
_CHECKPOINT_SECONDS = 600


@dataclass(frozen=True)
class Stage:
    """`steps` batches of about `frames` frames in scenes of views[0] to views[1] views, size x size pixels or the
    middle of them (`crops`: height, width); the learning rate goes from lr[0] to lr[1] along a cosine, after a
    warm-up. maps weighs coarse depth and points against poses. dense: only the dense heads learn."""

    name: str
    steps: int
    frames: int
    size: int
    views: tuple[int, int]
    lr: tuple[float, float]
    crops: tuple[tuple[int, int], ...] = ()
    maps: float = 2.0
    dense: bool = False


_CROPS = ((112, 112), (112, 112), (84, 112), (98, 112), (112, 84))
STAGES = [
    Stage("pairs", 2200, 64, 84, (2, 2), (2e-3, 1e-3)),
    Stage("views", 1700, 48, 112, (2, 5), (1e-3, 2e-5), _CROPS, maps=4.0),
    Stage("dense", 600, 24, 112, (2, 4), (2e-3, 2e-5), _CROPS, dense=True),
]
POOLS = {
    84: PoolConfig(seed=1, scenes=4000, views=8, height=84, width=84, textures=300, motion=MOTION),
    112: PoolConfig(seed=2, scenes=2000, views=8, height=112, width=112, textures=300, motion=MOTION),
}
VALIDATION = {
    size: PoolConfig(seed=900, scenes=250, views=8, height=size, width=size, textures=300, motion=MOTION)
    for size in POOLS
}


def pick_views(rng: np.random.Generator, batch: int, count: int, of: int) -> np.ndarray:
    return np.stack([rng.permutation(of)[:count] for _ in range(batch)])


def trunk_loss(trainee: Trainee, batch: Batch, maps_weight: float) -> tuple[Tensor, dict[str, Tensor]]:
    """Pose by the camera head and by every patch, coarse depth and points, matches."""
    aggregator = trainee.vggt.aggregator
    views, height, width = batch.images.size(1), batch.images.size(3), batch.images.size(4)
    rows, cols = height // aggregator.patch_size, width // aggregator.patch_size
    pairs = trainee.trunk(batch.images)
    pose = pose_loss(trainee.pose(pairs), batch.pose, _ROTATION)
    maps, votes = trainee.patches(pairs, rows, cols)
    vote = pose_loss(votes.permute(2, 0, 1, 3).flatten(0, 1).unsqueeze(0), batch.pose.repeat(votes.size(2), 1, 1),
                     _ROTATION)  # fmt: skip
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
    return loss, {"pose": pose, "vote": vote, "depth": depth_error, "points": point_error, "match": match,
                  "matched": found[-1][1]}  # fmt: skip


def heads_loss(trainee: Trainee, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    patch = trainee.vggt.patch_size
    with torch.no_grad():
        pairs = trainee.trunk(batch.images)
    depth, depth_confidence, points, points_confidence = trainee.dense(
        pairs, batch.images.size(3) // patch, batch.images.size(4) // patch
    )
    of_depth = dense_loss(depth, depth_confidence, batch.depth.unsqueeze(-1))
    of_points = dense_loss(points, points_confidence, batch.points)
    return of_depth + of_points, {"depth": of_depth, "points": of_points}


def optimizers(trainee: Trainee, stage: Stage) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices of the trunk, AdamW for everything else."""
    heads = ("vggt.depth_head.", "vggt.point_head.")
    if stage.dense:
        rest = [p for name, p in trainee.named_parameters() if name.startswith(heads)]
        return [torch.optim.AdamW(rest, lr=1.0, betas=(0.9, 0.98), weight_decay=0.01)]
    matrices, rest = [], []
    for name, parameter in trainee.named_parameters():
        if name.startswith(heads):
            continue
        in_block = "blocks." in name and parameter.dim() == 2
        (matrices if in_block else rest).append(parameter)
    return [Muon(matrices, lr=1.0), torch.optim.AdamW(rest, lr=1.0, betas=(0.9, 0.98), weight_decay=0.01)]


def learning_rate(stage: Stage, step: int) -> float:
    high, low = stage.lr
    cosine = low + (high - low) * 0.5 * (1 + np.cos(np.pi * step / stage.steps))
    return float(cosine * min(1.0, (step + 1) / _WARMUP))


@torch.no_grad()
def validate(trainee: Trainee, pool: Pool, dense: bool, device: torch.device, views: int = 2, scenes: int = 250) -> dict:
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


def open_pools(folder: Path, size: int) -> tuple[Pool, Pool]:
    """The training and validation scenes of size x size pixels, rendered where they are not yet in `folder`."""
    pools = []
    for kind, config, photos in (("train", POOLS[size], training_photos()), ("validation", VALIDATION[size], held_out_photos())):
        where = folder / f"{kind}-{size}"
        print(f"train: {config.scenes} scenes of {config.views} views, {size} x {size} pixels: {where}", flush=True)
        build_pool(where, config, photos, os.cpu_count() or 1)
        pools.append(Pool(where))
    return pools[0], pools[1]


class Training:
    """One run in `folder`: checkpoint.pt (everything needed to go on), log.jsonl, curve.png."""

    def __init__(self, folder: Path, seed: int, device: torch.device) -> None:
        self.folder, self.seed, self.device = folder, seed, device
        torch.manual_seed(seed)
        self.trainee = build().to(device)
        self.stage, self.step, self.seconds = 0, 0, 0.0
        self.loaded_optimizers: list[dict] | None = None
        self.checkpoint = folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if state["seed"] != self.seed:
            raise ValueError(f"{self.checkpoint}: was trained with seed {state['seed']}, asked for {self.seed}; "
                             "name another --out")  # fmt: skip
        self.trainee.load_state_dict(state["model"])
        self.stage, self.step, self.seconds = state["stage"], state["step"], state["seconds"]
        self.loaded_optimizers = state["optimizers"]
        print(f"train: going on at stage {self.stage + 1}, step {self.step}", flush=True)

    def save(self, chosen: list[torch.optim.Optimizer]) -> None:
        part = self.checkpoint.with_suffix(".part")
        torch.save(
            {"seed": self.seed, "stage": self.stage, "step": self.step, "seconds": self.seconds,
             "model": self.trainee.state_dict(), "optimizers": [o.state_dict() for o in chosen]},
            part,
        )  # fmt: skip
        os.replace(part, self.checkpoint)
        draw_curve(self.folder / "log.jsonl", self.folder / "curve.png")

    def log(self, entry: dict) -> None:
        with (self.folder / "log.jsonl").open("a") as out:
            out.write(json.dumps(entry) + "\n")

    def run(self, stages: list[Stage], pools: Path, minutes: float, every: int) -> bool:
        """Trains for at most `minutes`. Returns whether all stages are done."""
        stop = []
        signal.signal(signal.SIGINT, lambda *_: stop.append("Ctrl-C"))
        signal.signal(signal.SIGTERM, lambda *_: stop.append("SIGTERM"))
        deadline = time.monotonic() + 60 * minutes
        while self.stage < len(stages):
            stage = stages[self.stage]
            pool, held_out = open_pools(pools, stage.size)
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
            loss, parts = heads_loss(self.trainee, batch) if stage.dense else trunk_loss(self.trainee, batch, stage.maps)
            loss.backward()
            nn.utils.clip_grad_norm_(self.trainee.parameters(), _CLIP)
            for optimizer in chosen:
                scale = 1.0 if isinstance(optimizer, Muon) or stage.dense else 0.5
                for group in optimizer.param_groups:
                    group["lr"] = scale * learning_rate(stage, self.step)
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
                figures = validate(self.trainee, held_out, stage.dense, self.device)
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
    parser.add_argument("--out", type=Path, default=ROOT / "artifacts/vggt_mini", help="folder of the run and its scenes")
    parser.add_argument("--minutes", type=float, default=100, help="of this sitting (default 100); the next one goes on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validate-every", type=int, default=250, metavar="STEPS")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--weights", type=Path, help="where the finished weights go (default: OUT/vggt_mini.safetensors)")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        training = Training(args.out, args.seed, torch.device(args.device))
        finished = training.run(STAGES, args.out, args.minutes, args.validate_every)
    except (ValueError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    weights = args.weights or args.out / "vggt_mini.safetensors"
    write_weights(training.trainee, weights)
    print(f"train: {'finished' if finished else 'so far'}: {weights}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
