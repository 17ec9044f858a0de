"""What the mini VGGT is trained by: batches, losses, Muon, and runs that are stopped and go on."""

import functools
import math
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("numba", reason="training renders its scenes with numba: requirements-train.txt")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples.vggt.geometry import decode_pose  # noqa: E402
from examples.vggt_mini import train  # noqa: E402
from examples.vggt_mini.batches import Batch, jitter_colours, make_batch, patch_matches  # noqa: E402
from examples.vggt_mini.losses import dense_loss, direction_loss, match_loss, pose_loss  # noqa: E402
from examples.vggt_mini.muon import Muon, orthogonalize  # noqa: E402
from examples.vggt_mini.pool import Pool, PoolConfig, build_pool  # noqa: E402
from examples.vggt_mini.scenes import focal_lengths  # noqa: E402
from examples.vggt_mini.stages import Stage  # noqa: E402

torch.set_num_threads(1)

TINY = PoolConfig(seed=5, scenes=3, views=3, height=28, width=28, textures=6, motion=(0.3, 1.0))
STAGES = [
    Stage("pairs", 3, 4, "tiny", (2, 3), (2e-3, 1e-3)),
    Stage("dense", 2, 2, "tiny", (2, 2), (1e-3, 5e-4), learns=("dense",)),
]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("pool")
    build_pool(folder, TINY, [], 1)
    return Pool(folder)


# --- pools and batches ---


def test_a_pool_is_rendered_once_and_not_mixed_up(tmp_path: Path, pool: Pool) -> None:
    build_pool(tmp_path, TINY, [], 1)
    shard = tmp_path / "shard-0000.npz"
    rendered = shard.stat().st_mtime_ns
    build_pool(tmp_path, TINY, [], 1)
    assert shard.stat().st_mtime_ns == rendered and len(pool) == 3
    again = Pool(tmp_path)
    assert again.images.tobytes() == pool.images.tobytes() and again.depth.tobytes() == pool.depth.tobytes()
    with pytest.raises(ValueError, match="holds another pool than asked for"):
        build_pool(tmp_path, PoolConfig(**{**TINY.__dict__, "seed": 6}), [], 1)
    with pytest.raises(ValueError, match="expected rendered scenes"):
        Pool(tmp_path / "nothing")


def test_the_first_frame_is_the_world_and_points_have_mean_distance_one(pool: Pool) -> None:
    scenes, views = np.array([2, 0]), np.array([[1, 0, 2], [2, 1, 0]])
    batch = make_batch(pool, scenes, views)
    for b in range(2):
        np.testing.assert_allclose(batch.extrinsic[b, 0], np.eye(3, 4), atol=1e-6)
        np.testing.assert_allclose(batch.pose[b, 0, :7], [0, 0, 0, 0, 0, 0, 1], atol=1e-6)
        np.testing.assert_allclose(batch.pose[b, :, 7:], np.tile(pool.fov[scenes[b]], (3, 1)), rtol=1e-6)
        assert np.linalg.norm(batch.points[b].reshape(-1, 3), axis=1).mean() == pytest.approx(1, rel=1e-5)
        fx, fy = focal_lengths(pool.fov[scenes[b]], 28, 28)
        np.testing.assert_allclose(batch.focal[b], [fx, fy], rtol=1e-6)
        whole = np.linalg.inv(np.vstack([pool.extrinsics[scenes[b], views[b, 0]], [0, 0, 0, 1]]).astype(float))
        metres = pool.depth[scenes[b], views[b]].astype(float)
        scale = float(metres[0, 0, 0] / batch.depth[b, 0, 0, 0])
        np.testing.assert_allclose(batch.depth[b] * scale, metres, rtol=1e-5)
        v, u = np.mgrid[:28, :28]
        for s in range(3):
            relative = pool.extrinsics[scenes[b], views[b, s]].astype(float) @ whole
            relative[:, 3] /= scale
            np.testing.assert_allclose(batch.extrinsic[b, s], relative, atol=1e-5)
            np.testing.assert_allclose(decode_pose(batch.pose, 28, 28)[0][b, s], relative, atol=1e-5)
            there = batch.points[b, s].numpy() @ relative[:, :3].T + relative[:, 3]
            np.testing.assert_allclose(there[..., 2], batch.depth[b, s], rtol=1e-4)
            np.testing.assert_allclose(there[..., 0] / there[..., 2] * fx + 14, u, atol=2e-3)
            np.testing.assert_allclose(there[..., 1] / there[..., 2] * fy + 14, v, atol=2e-3)
        wanted = pool.images[scenes[b], views[b]].transpose(0, 3, 1, 2) / 255
        np.testing.assert_allclose(batch.images[b], wanted, atol=1e-6)


def test_a_crop_keeps_the_middle_and_its_camera(pool: Pool) -> None:
    whole, part = (make_batch(pool, np.array([1]), np.array([[0, 2]]), crop=c) for c in (None, (14, 28)))
    assert part.images.shape == (1, 2, 3, 14, 28)
    np.testing.assert_array_equal(part.images, whole.images[..., 7:21, :])
    scale = (whole.depth[:, :, 7:21] / part.depth)[0, 0, 0, 0]
    np.testing.assert_allclose(part.depth * scale, whole.depth[:, :, 7:21], rtol=1e-5)
    np.testing.assert_allclose(part.points * scale, whole.points[:, :, 7:21], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(decode_pose(part.pose, 14, 28)[1][0, 0, [0, 1], [0, 1]], whole.focal[0], rtol=1e-5)


def test_colours_change_alike_in_all_views_of_a_scene() -> None:
    images = torch.zeros(8, 3, 3, 4, 4)
    images[:, :, 0] = 0.5  # red only
    rng = np.random.default_rng(0)
    got = jitter_colours(images, rng)
    strength = got.amax((3, 4))
    assert (strength > 0).sum(2).eq(1).all()  # still one channel
    channel = strength.argmax(2)
    assert (channel == channel[:, :1]).all() and len(channel[:, 0].unique()) == 3
    values = strength.amax(2) / 0.5
    assert values.min() > 0.8 * 0.95 and values.max() < 1.2 * 1.05
    assert (values.amax(1) / values.amin(1) < 1.05 / 0.95).all() and values.std() > 0.05
    assert jitter_colours(images, np.random.default_rng(0)).equal(got)


def sideways(pixels: float, depth_there: float = 2.0) -> Batch:
    """Two views of the wall at depth 2, 4 x 4 patches of 14 pixels; the second camera stands to the right, so that
    everything lies `pixels` further to the left in it."""
    extrinsic = torch.eye(3, 4).repeat(1, 2, 1, 1)
    extrinsic[0, 1, 0, 3] = -pixels * 2.0 / 50.0
    depth = torch.full((1, 2, 56, 56), 2.0)
    line = (torch.arange(56) - 28) / 50.0 * 2.0
    points = torch.stack([line.expand(56, 56), line[:, None].expand(56, 56), depth[0, 0]], -1)
    points = torch.stack([points, points - torch.tensor([extrinsic[0, 1, 0, 3], 0, 0])])[None]
    depth[:, 1] = depth_there
    return Batch(torch.zeros(1, 2, 3, 56, 56), torch.zeros(1, 2, 9), depth, points, torch.full((1, 2), 50.0), extrinsic)


def test_matches_of_a_sideways_step() -> None:
    whole = patch_matches(sideways(14), 14)
    wanted = torch.zeros(16, 16)
    for row in range(4):
        for column in range(1, 4):
            wanted[4 * row + column, 4 * row + column - 1] = 1
    torch.testing.assert_close(whole[0, 0, :, 1], wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(whole[0, 1, :, 0], wanted.T, atol=1e-4, rtol=0)
    assert whole[0, 0, :, 0].eq(0).all() and whole[0, 1, :, 1].eq(0).all()  # no view matches itself

    half = patch_matches(sideways(3.5), 14)[0, 0, :, 1]  # a quarter of a patch
    assert half[6, [4, 5, 6, 7]].tolist() == pytest.approx([0, 0.25, 0.75, 0], abs=1e-4)
    assert half[4, [3, 4, 5]].tolist() == pytest.approx([0, 1, 0], abs=1e-4)  # nothing is left of the first column
    assert patch_matches(sideways(14, depth_there=1.5), 14)[0, 0, :, 1].eq(0).all()  # hidden


# --- losses ---


def test_pose_loss_by_hand() -> None:
    encodings = torch.zeros(2, 1, 2, 9)
    encodings[0, ..., :3], encodings[0, ..., 3:7], encodings[0, ..., 7:] = 0.3, -0.2, 0.1
    encodings[1, 0, 0, 2] = 0.6  # mean over two views and three numbers: 0.1
    truth = torch.zeros(1, 2, 9)
    first = 0.3 + 3 * 0.2 + 0.5 * 0.1
    assert pose_loss(encodings, truth, rotation=3.0).item() == pytest.approx((0.6 * first + 0.1) / 1.6)


def test_direction_loss_by_hand() -> None:
    """Three cameras that look ahead; the third one's rotation, a quarter turn about z, is the same in both."""
    truth = torch.zeros(1, 3, 9)
    truth[..., 6] = 1
    truth[0, 2, 3:7] = torch.tensor([0, 0, math.sqrt(0.5), math.sqrt(0.5)])
    truth[0, 1, :3] = torch.tensor([1.0, 0, 0])
    truth[0, 2, :3] = torch.tensor([0.0, 2, 0])
    got = truth.clone()[None]
    # Pair 0-1: (1, 0, 0) against (0, 0, 4). Pair 0-2: as it is. Pair 1-2: t2 minus the quarter turn of t1, which takes x
    # to y: (0, 2, 0) - (0, 1, 0) against (0, 2, 0) - (0, 0, 4).
    got[0, 0, 1, :3] = torch.tensor([0.0, 0, 4])
    wanted = [math.sqrt(2), 0, math.dist((0, 1, 0), (0, 2 / math.sqrt(20), -4 / math.sqrt(20)))]
    assert direction_loss(got, truth).item() == pytest.approx(sum(wanted) / 3, rel=2e-3)
    both = direction_loss(torch.cat([got, truth[None]]), truth).item()  # the last iteration, which is right, weighs more
    assert both == pytest.approx(0.6 * sum(wanted) / 3 / 1.6, rel=2e-3)
    short = 1e-3 * truth  # hardly any motion: hardly any direction
    short[..., 3:] = truth[..., 3:]
    assert direction_loss((-short * torch.tensor([1.0] * 3 + [-1] * 6))[None], short).item() < 0.1


def test_dense_loss_by_hand() -> None:
    error = torch.tensor([[1.0, 2], [3, 5]])
    confidence = torch.tensor([[1.5, 2], [3, 4]])
    values = torch.stack([error * 0.6, error * -0.8], -1)  # length 1, 2, 3, 5
    truth = torch.rand(1, 1, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    got = dense_loss(truth + values, confidence[None, None], truth)
    plain = (1.5 * 1 + 2 * 2 + 3 * 3 + 4 * 5) / 4
    logs = 0.2 * (math.log(1.5) + math.log(2) + math.log(3) + math.log(4)) / 4
    rows = (3 * 2 + 4 * 3) / 2  # 3 - 1 and 5 - 2, weighed by the lower pixel
    columns = (2 * 1 + 4 * 2) / 2  # 2 - 1 and 5 - 3, by the right one
    assert got.item() == pytest.approx(plain - logs + rows + columns, rel=1e-5)


def test_match_loss_by_hand() -> None:
    """Two views of one special token and two patches; no rotation. Only two of the four patches are seen."""
    q = torch.zeros(1, 6, 4)
    k = torch.eye(6, 4)[None].clone()
    q[0, 1, :4] = torch.tensor([0.0, 2, 0, 0])  # of view 0, patch 0: logits 0 1 0 0 0 0, once divided by sqrt(4)
    q[0, 5, :4] = torch.tensor([0.0, 0, 6, 0])  # of view 1, patch 1: 0 0 3 0 0 0
    matches = torch.zeros(1, 2, 2, 2, 2)
    matches[0, 0, 0, 1] = torch.tensor([0.5, 0.25])  # tokens 4 and 5, renormalized to 2/3 and 1/3
    matches[0, 1, 1, 0, 1] = 1.0  # token 2
    loss, right = match_loss(q, k, torch.stack([torch.ones(6, 4), torch.zeros(6, 4)]), matches, specials=1)
    first = -(2 / 3 * 0 + 1 / 3 * 0 - math.log(5 + math.e))
    second = -(3 - math.log(5 + math.e**3))
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-5)
    # Patch 0's strongest patch of the other view is a tie of two right ones, patch 1's is the right one.
    assert right.item() == 1
    k[0, 2] *= -1
    assert match_loss(q, k, torch.stack([torch.ones(6, 4), torch.zeros(6, 4)]), matches, specials=1)[1].item() == 0.5


# --- Muon ---


@pytest.mark.parametrize("shape", [(40, 40), (24, 60), (60, 24)])
def test_orthogonalize_keeps_directions_and_evens_strengths(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, *shape, generator=generator) * torch.tensor([1e-4, 1.0, 300.0])[:, None, None]
    for matrix, got in zip(x, orthogonalize(x)):
        u, strength, v = torch.linalg.svd(matrix.double(), full_matrices=False)
        inner = u.T @ got.double() @ v.T  # diagonal: the same singular vectors
        diagonal = inner.diagonal()
        torch.testing.assert_close(inner, diagonal.diag(), atol=1e-3, rtol=0)
        torch.testing.assert_close(u @ inner @ v, got.double(), atol=1e-3, rtol=0)
        strong = strength > 0.05 * strength[0]
        assert diagonal[strong].min() > 0.6 and diagonal[strong].max() < 1.25 and strength[0] / strength[-1] > 2


def step_of(parameter: Tensor, gradient: Tensor, **settings: float) -> Tensor:
    parameter = torch.nn.Parameter(parameter.clone())
    parameter.grad = gradient
    Muon([parameter], **settings).step()
    return parameter.data


def test_muon_takes_a_fused_projection_as_three() -> None:
    generator = torch.Generator().manual_seed(2)
    gradient = torch.randn(48, 16, generator=generator)
    gradient[:16] *= 100
    start = torch.randn(48, 16, generator=generator)
    fused = step_of(start, gradient, lr=0.1, weight_decay=0.0)
    parts = [step_of(a, g, lr=0.1, weight_decay=0.0) for a, g in zip(start.chunk(3), gradient.chunk(3))]
    torch.testing.assert_close(fused, torch.cat(parts))
    for update in (fused - start).chunk(3):
        assert update.pow(2).mean().sqrt().item() == pytest.approx(0.02, rel=0.25)  # 0.2 lr, whatever the gradient's size
    assert ((fused - start) * gradient).sum() < 0


def test_muon_decays_and_remembers() -> None:
    start = torch.ones(4, 8)
    torch.testing.assert_close(step_of(start, torch.zeros(4, 8), lr=0.5, weight_decay=0.2), 0.9 * start)
    parameter = torch.nn.Parameter(torch.zeros(4, 8))
    optimizer = Muon([parameter], lr=1.0, momentum=0.75)
    gradients = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(3))
    momentum = torch.zeros(4, 8)
    for gradient in gradients:
        before, parameter.grad = parameter.detach().clone(), gradient
        optimizer.step()
        momentum = 0.75 * momentum + 0.25 * gradient
        update = orthogonalize((0.25 * gradient + 0.75 * momentum)[None])[0] * 0.2 * math.sqrt(8)
        torch.testing.assert_close(parameter.detach(), before * 0.99 - update)


# --- runs ---


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> Iterator[SimpleNamespace]:
    """Training opens the tiny pool; interrupt_at: Ctrl-C while that batch, counted from 1, is made."""
    state = SimpleNamespace(interrupt_at=None, made=0)

    def counted(*args, **kwargs) -> Batch:
        state.made += 1
        if state.made == state.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        return make_batch(*args, **kwargs)

    monkeypatch.setattr(train, "open_pools", lambda folder, name: (pool, pool))
    monkeypatch.setattr(train, "make_batch", counted)
    monkeypatch.setattr(train, "draw_curve", lambda log, picture: None)  # matplotlib takes seconds
    handlers = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}
    yield state
    for which, handler in handlers.items():
        signal.signal(which, handler)


def sitting(folder: Path, minutes: float = 10, seed: int = 0) -> tuple[bool, train.Training]:
    folder.mkdir(exist_ok=True)
    training = train.Training(folder, seed, torch.device("cpu"))
    return training.run(STAGES, folder, minutes, every=100), training


def weights(training: train.Training) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in training.trainee.state_dict().items()}


@functools.cache
def initial_weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return train.build().state_dict()


def test_a_run_that_was_stopped_ends_with_the_same_bits(ready: SimpleNamespace, tmp_path: Path) -> None:
    done, training = sitting(tmp_path / "whole")
    whole = weights(training)
    assert done
    stopped = []
    # Batches of a sitting count from 1; at a stage's end validation makes one.
    for stop_after, (stage, step) in ((2, (0, 2)), (3, (1, 1))):
        ready.made, ready.interrupt_at = 0, stop_after
        done, training = sitting(tmp_path / "parts")
        assert not done and (training.stage, training.step) == (stage, step)
        stopped.append(weights(training))
    ready.interrupt_at = None
    assert not sitting(tmp_path / "parts", minutes=0)[0]  # no time: nothing is lost
    done, training = sitting(tmp_path / "parts")
    parts = weights(training)
    assert done and training.stage == 2
    for name, value in whole.items():
        assert value.equal(parts[name]), name
        if name.startswith(("vggt.depth_head", "vggt.point_head")):
            assert stopped[0][name].equal(initial_weights()[name]), name
            assert not value.equal(initial_weights()[name]), name
        else:
            assert value.equal(stopped[1][name]), name  # the dense stage leaves the trunk alone
    moved = [name for name, value in stopped[0].items() if not value.equal(initial_weights()[name])]
    assert any("frame_blocks.0.attn.qkv.weight" in n for n in moved) and any("camera_head" in n for n in moved)
    assert sitting(tmp_path / "parts")[0]  # a finished run stays finished
    longer = train.Training(tmp_path / "parts", 0, torch.device("cpu"))
    assert longer.run([*STAGES, Stage("more", 1, 2, "tiny", (2, 2), (1e-3, 5e-4))], tmp_path, 10, every=100)
    assert not longer.trainee.vote.weight.equal(parts["vote.weight"])  # stages added to a finished run are trained
    assert longer.trainee.vggt.depth_head.norm.weight.equal(parts["vggt.depth_head.norm.weight"])
    with pytest.raises(ValueError, match="was trained with seed 0, asked for 1"):
        train.Training(tmp_path / "parts", 1, torch.device("cpu"))


def test_a_run_can_begin_at_given_weights(ready: SimpleNamespace, tmp_path: Path) -> None:
    """Its stages are others than those of a run from nothing, and a checkpoint keeps to its own."""
    torch.manual_seed(5)
    given = train.build()
    train.write_weights(given, tmp_path / "given.safetensors")
    stages = [Stage("auxiliary", 2, 4, "tiny", (2, 2), (1e-2, 1e-2), learns=("auxiliary",))]
    training = train.Training(tmp_path, 0, torch.device("cpu"), tmp_path / "given.safetensors")
    assert training.run(stages, tmp_path, 10, every=100)
    for name, value in training.trainee.vggt.state_dict().items():
        torch.testing.assert_close(value, given.vggt.state_dict()[name], atol=1e-6, rtol=1e-3)  # float16; nothing moved
    assert not training.trainee.vote.weight.equal(initial_weights()["vote.weight"])
    with pytest.raises(ValueError, match="is of the stages auxiliary, asked for pairs, dense"):
        sitting(tmp_path)
    (tmp_path / "other.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"--init .*other.safetensors: expected weights of vggt_mini.json"):
        train.Training(tmp_path / "fresh", 0, torch.device("cpu"), tmp_path / "other.safetensors")


def test_dense_heads_learn_on_one_view_of_each_scene(pool: Pool) -> None:
    """The second view of the second scene and so on: losses of these pictures alone, a scene of one view each."""
    torch.manual_seed(0)
    trainee = train.build()
    batch = make_batch(pool, np.array([0, 1, 2]), np.array([[0, 1], [2, 0], [1, 2]]))
    pairs = trainee.trunk(batch.images)
    both, _ = train.heads_loss(trainee, batch, pairs, one_view=True)
    taken = [(0, 0), (1, 1), (2, 0)]
    alone = []
    for scene, view in taken:
        cut = Batch(*(getattr(batch, name)[scene : scene + 1] for name in Batch.__dataclass_fields__))
        cut.depth, cut.points = cut.depth[:, view : view + 1], cut.points[:, view : view + 1]
        alone.append(train.heads_loss(trainee, cut, [p[scene : scene + 1, view : view + 1] for p in pairs])[0])
    assert both.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-5)
    assert train.heads_loss(trainee, batch, pairs)[0].item() != pytest.approx(both.item(), rel=1e-3)


def test_the_learning_rate_warms_up_and_falls() -> None:
    stage = Stage("x", 1000, 1, "tiny", (2, 2), (1e-2, 1e-4))
    rates = [train.learning_rate(stage, step) for step in range(1000)]
    assert rates[0] == pytest.approx(1e-4) and max(rates) == pytest.approx(9.76e-3, rel=2e-3)
    assert rates[500] == pytest.approx(1e-4 + 9.9e-3 / 2) and rates[-1] == pytest.approx(1e-4, rel=1e-2)
    assert np.argmax(rates) == 99 and (np.diff(rates[99:]) < 0).all()


def test_training_learns_one_scene(ready: SimpleNamespace, pool: Pool) -> None:
    """Gradients of every part reach the model: the loss on one batch falls."""
    torch.manual_seed(0)
    trainee = train.build()
    batch = make_batch(pool, np.array([0, 1]), np.array([[0, 1], [0, 1]]))
    stage = Stage("x", 100, 4, "tiny", (2, 2), (3e-3, 3e-3), maps=2.0, learns=("trunk", "auxiliary", "dense"))
    chosen, losses = train.optimizers(trainee, stage), []
    for _ in range(6):
        loss, parts = train.batch_loss(trainee, batch, stage)
        loss.backward()
        for optimizer in chosen:
            for group in optimizer.param_groups:
                group["lr"] = 2e-3
            optimizer.step()
        missing = [n for n, p in trainee.named_parameters() if p.grad is None and "mask" not in n]
        assert missing == []
        trainee.zero_grad(set_to_none=True)
        losses.append({name: float(value.detach()) for name, value in parts.items()})
    for name, factor in (("pose", 1.0), ("vote", 0.8), ("depth", 0.8), ("points", 0.8), ("dense depth", 1.0)):
        assert losses[-1][name] < factor * losses[0][name], name
