"""The mini VGGT's figures against poses and depths worked out by hand, and the weights that ship."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples.vggt_mini import evaluate  # noqa: E402
from examples.vggt_mini.eth3d import find_scenes, read_scene  # noqa: E402
from examples.vggt_mini.metrics import abs_rel, auc, best_constant, no_motion, pair_motions, pose_errors  # noqa: E402
from examples.vggt_mini.views import Views  # noqa: E402

DEMO = ROOT / "examples/vggt_mini/scenes/demo"
# What the shipped weights reach on the demo scenes (0.30 and 54.9), with some room.
MOST_ABS_REL_OF_CONSTANT = 0.4
LEAST_AUC30 = 47.0
MOST_WEIGHT_BYTES = 16_000_000

torch.set_num_threads(1)


def about_y(degrees: float) -> list[float]:
    """Quaternion x y z w."""
    half = np.radians(degrees) / 2
    return [0, np.sin(half), 0, np.cos(half)]


def encoding(translation: list[float], quaternion: list[float]) -> list[float]:
    return [*translation, *quaternion, 0.8, 0.9]


FIRST = encoding([0, 0, 0], [0, 0, 0, 1])


def two(translation: list[float], degrees: float) -> Tensor:
    """[1, 2, 9]: the first camera at the origin."""
    return torch.tensor([[FIRST, encoding(translation, about_y(degrees))]], dtype=torch.float32)


# Predicted translation and turn where (2, 0, 0) and 0 degrees are true: errors of rotation and direction.
def along(degrees: float) -> list[float]:
    return [np.cos(np.radians(degrees)), 0, np.sin(np.radians(degrees))]


POSES = {
    "right, in another scale": ([0.1, 0, 0], 0, 0, 0),
    # Its place is -R^T t: turned as well, as the first camera sees it.
    "turned": ([2, 0, 0], 10, 10, 10),
    "turned back": ([2, 0, 0], -170, 170, 10),
    "sideways": (along(20), 0, 0, 20),
    "folded": (along(160), 0, 0, 20),
    "the other way": ([-2, 0, 0], 0, 0, 0),
    "across": ([0, 0, 3], 0, 0, 90),
    "no motion": ([0, 0, 0], 5, 5, 90),
}


@pytest.mark.parametrize(("translation", "degrees", "rotation", "direction"), POSES.values(), ids=POSES)
def test_errors_of_a_pair(translation: list[float], degrees: float, rotation: float, direction: float) -> None:
    got = pose_errors(two(translation, degrees), two([2, 0, 0], 0))
    assert got[0] == pytest.approx([rotation], abs=1e-3) and got[1] == pytest.approx([direction], abs=1e-3)


def test_errors_are_of_relative_poses() -> None:
    """Neither the world nor the scale of a prediction counts; three views are three pairs."""
    # Cameras that turn about y by 0, 10, 30 degrees, at 0, (1, 0, 0), (1, 0, 1); t = -R c.
    def cameras(turns: list[float], centres: list[list[float]], world: float, scale: float) -> Tensor:
        rows = []
        for turn, centre in zip(turns, centres):
            a, b = np.radians(turn), np.radians(world)
            rotate = lambda r: np.array([[np.cos(r), 0, np.sin(r)], [0, 1, 0], [-np.sin(r), 0, np.cos(r)]])  # noqa: E731
            moved = rotate(-b) @ np.array(centre) * scale + [3, -1, 2]
            rows.append(encoding((-rotate(a + b) @ moved).tolist(), about_y(turn + world)))
        return torch.tensor([rows], dtype=torch.float32)

    centres = [[0, 0, 0], [1, 0, 0], [1, 0, 1]]
    truth = cameras([0, 10, 30], centres, 0, 1)
    rotation, direction = pose_errors(cameras([0, 10, 30], centres, 50, 0.2), truth)
    assert rotation.shape == (3,) and max(rotation.max(), direction.max()) < 0.1
    rotation, direction = pose_errors(cameras([0, 14, 30], centres, 50, 0.2), truth)
    assert rotation == pytest.approx([4, 0, 4], abs=0.1)
    # The second camera's own frame is off by 4 degrees, so it alone sees another one (the third) elsewhere.
    assert direction == pytest.approx([0, 0, 4], abs=0.1)


def test_auc_by_hand() -> None:
    # Below 1, 2, 3 degrees: a third, a third, two thirds.
    assert auc(np.array([0.5, 2.5, 40]), 3) == pytest.approx(100 * (1 + 1 + 2) / 9)
    assert auc(np.zeros(4), 30) == 100 and auc(np.full(4, 31.0), 30) == 0
    assert auc(np.array([0.5]), 5) == 100 and auc(np.array([4.5]), 5) == 20


def test_no_motion_has_no_direction() -> None:
    truth = two([1, 2, 3], 12)
    still = no_motion(truth)
    assert still[..., 7:].equal(truth[..., 7:])
    rotation, direction = pose_errors(still, truth)
    assert rotation == pytest.approx([12], abs=1e-3) and direction == pytest.approx([90])


def test_depth_error_by_hand() -> None:
    truth = torch.tensor([[[[1.0, 2], [4, 5]]], [[[3.0, 3], [3, 3]]]])  # lower medians 2 and 3
    depth = torch.tensor([[[[0.5, 0.2], [0.8, 0.1]]], [[[7.0, 7], [7, 7]]]])  # lower medians 0.2 and 7
    # The first scaled by 10: 5, 2, 8, 1, against 1, 2, 4, 5.
    assert abs_rel(depth, truth) == pytest.approx([(4 + 0 + 1 + 0.8) / 4, 0], abs=1e-6)


def test_best_constant_is_that_of_a_search() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 60):
        depth = rng.uniform(0.3, 7, (2, 1, 1, size)).astype(np.float32)
        constants = np.linspace(0.2, 7.2, 20001)[:, None]
        wanted = [(abs(constants - d.reshape(1, -1)) / d.reshape(1, -1)).mean(1).min() for d in depth]
        assert best_constant(torch.from_numpy(depth)) == pytest.approx(wanted, abs=3e-3)
        assert (best_constant(torch.from_numpy(depth)) <= np.array(wanted) + 1e-6).all()


# --- evaluate.py ---


def perfect(views: Views) -> dict[str, Tensor]:
    """The truth in another scale, poses in the scene's world, points in another one."""
    points = evaluate.true_points(views).reshape(*views.depth.shape, 3)
    turn = np.array([[0, 0, 1.0], [0.6, 0.8, 0], [-0.8, 0.6, 0]])
    pose = evaluate.true_poses(views)
    pose[..., :3] *= 0.3
    return {
        "pose_enc": pose,
        "depth": torch.from_numpy(views.depth * np.float32(0.3))[None, ..., None],
        "world_points": torch.from_numpy(0.3 * points @ turn.T + [1, 2, 3]).float()[None],
    }


@pytest.fixture(scope="module")
def views() -> Views:
    return read_scene(DEMO / "room_1")


def test_the_truth_scores_full_marks(views: Views) -> None:
    scored = evaluate.score("x", views, perfect(views))
    values = evaluate.figures([scored])
    assert values["auc30"] == values["auc15"] == values["auc5"] == values["delta_1_25"] == 100
    assert values["no_motion_auc30"] < 10 and values["constant_abs_rel"] > 0.1
    for key, slack in (("abs_rel", 1e-6), ("point_error", 1e-3), ("rotation_median", 0.1), ("translation_median", 0.1)):
        assert values[key] < slack, key
    np.testing.assert_allclose(scored.depth, views.depth, rtol=1e-5)


def test_depth_and_points_are_scored_as_numpy_does(views: Views) -> None:
    rng = np.random.default_rng(4)
    out = perfect(views)
    noisy = views.depth * np.exp(rng.normal(0, 0.2, views.depth.shape)).astype(np.float32)
    out["depth"] = torch.from_numpy(noisy * 5)[None, ..., None]
    away = rng.normal(0, 0.1, (*views.depth.shape, 3))
    out["world_points"] = torch.from_numpy(evaluate.true_points(views) + away).float()[None]
    scored = evaluate.score("x", views, out)

    p = noisy.astype(float) * np.median(views.depth) / np.median(noisy)
    ratio = np.maximum(p / views.depth, views.depth / p)
    assert scored.abs_rel == pytest.approx((abs(p - views.depth) / views.depth).mean(), rel=1e-3)
    assert scored.delta_1_25 == pytest.approx(100 * (ratio < 1.25).mean(), abs=0.2)
    # The similarity of thousands of points leaves noise nearly as it is.
    wanted = 100 * np.linalg.norm(away, axis=-1).mean() / np.linalg.norm(evaluate.true_points(views), axis=-1).mean()
    assert scored.point_error == pytest.approx(wanted, rel=0.01)


def test_the_similarity_turns_but_does_not_mirror() -> None:
    rng = np.random.default_rng(2)
    target = rng.normal(size=(50, 3)) * [1, 2, 3]
    turn = np.array([[0, 0, 1.0], [0.6, 0.8, 0], [-0.8, 0.6, 0]])
    np.testing.assert_allclose(evaluate.aligned(target @ turn.T * 7 - 4, target), target, atol=1e-9)
    mirrored = evaluate.aligned(target * [1, 1, -1], target)
    assert np.linalg.norm(mirrored - target, axis=1).mean() > 0.5


def scene(name: str, angle: float, depth: float, pairs: int = 3) -> evaluate.Scored:
    errors = np.full(pairs, angle)
    return evaluate.Scored(name, errors / 2, errors, errors * 0 + 90, depth, 0.4, 60.0, 7.0, np.ones(1))


def test_figures_by_size_of_motion() -> None:
    """A quarter turn about y at 2 to the side, seen from the other end: turn and distance of the one pair."""
    pose = torch.tensor([[[0, 0, 0, 0, 0, 0, 1, 1, 1.0], [0, 0, 2, 0, math.sqrt(0.5), 0, math.sqrt(0.5), 1, 1]]])
    turn, distance = pair_motions(pose)
    assert turn == pytest.approx([90], abs=1e-4) and distance == pytest.approx([2])

    near, far = scene("a", 0.5, 0.1, 2), scene("b", 20.5, 0.3, 1)
    near.turn, near.baseline = np.array([5.0, 10.0]), np.array([0.1, 0.1])
    far.turn, far.baseline = np.array([15.0]), np.array([7.0])
    rows = {row["pairs"]: row for row in evaluate.by_motion([near, far])}
    assert rows["turned by 0 to 10"]["count"] == 1 and rows["turned by 0 to 10"]["auc30"] == pytest.approx(100)
    # One pair counts in all 30 bins, one in the last 10.
    assert rows["turned by 10 to 20"]["auc30"] == pytest.approx(100 * (30 + 10) / 60)
    assert rows["baseline / depth 0.6 and more"]["auc30"] == pytest.approx(100 / 3)
    assert "turned by 20 to 40" not in rows


def test_figures_and_intervals_over_scenes() -> None:
    scenes = [scene("a", 0.5, 0.1, 6), scene("b", 20.5, 0.3, 3)]
    values = evaluate.figures(scenes)
    # Of 9 pairs, 6 count in all 30 bins and 3 in the last 10.
    assert values["auc30"] == pytest.approx(100 * (6 * 30 + 3 * 10) / (9 * 30)) and values["no_motion_auc30"] == 0
    assert values["translation_median"] == 0.5 and values["rotation_median"] == 0.25
    assert values["abs_rel"] == pytest.approx(0.2) and values["abs_rel_ratio"] == pytest.approx(0.5)
    spans = evaluate.intervals(scenes, resamples=200)
    assert spans["abs_rel"] == pytest.approx([0.1, 0.3]) and spans["auc30"] == pytest.approx([100 / 3, 100])
    assert spans["constant_abs_rel"] == pytest.approx([0.4, 0.4])
    assert evaluate.intervals(scenes, resamples=200) == spans
    many = [scene(str(i), 5.0, float(d)) for i, d in enumerate(np.random.default_rng(1).normal(1, 0.1, 64))]
    low, high = evaluate.intervals(many, resamples=600)["abs_rel"]
    assert high - low == pytest.approx(2 * 1.96 * np.std([s.abs_rel for s in many]) / 8, rel=0.15)
    text = evaluate.table(values, spans)
    assert "77.8" in text and "33.3 to 100.0" in text and "0.1000 to 0.3000" in text


def test_errors_say_what_is_wrong(tmp_path: Path, views: Views, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["--weights", str(tmp_path / "none.safetensors")]) == 1
    assert "none.safetensors" in capsys.readouterr().err
    (tmp_path / "text").write_text("no weights at all")
    assert evaluate.main(["--weights", str(tmp_path / "text")]) == 1
    assert "expected weights of vggt_mini.json as safetensors" in capsys.readouterr().err
    with pytest.raises(ValueError, match="expected a scene in ETH3D's layout or a folder of such scenes"):
        find_scenes(tmp_path)
    hole = Views(views.images, views.depth.copy(), views.extrinsics, views.fov)
    hole.depth[1, 2, 3] = 0
    with pytest.raises(ValueError, match="room: expected a depth above 0 in every pixel"):
        evaluate.score("room", hole, perfect(views))


def test_all_scenes_are_run_with_all_their_views() -> None:
    fed = []

    def model(images: Tensor) -> dict[str, Tensor]:
        fed.append(images)
        return perfect(read_scene(DEMO / f"room_{len(fed)}"))

    results = evaluate.evaluate(model, DEMO)
    assert [scored.name for _, scored in results] == [f"room_{i}" for i in range(1, 6)]
    assert [list(images.shape) for images in fed] == [[1, s, 3, 112, 112] for s in (4, 4, 4, 5, 6)]
    wanted = read_scene(DEMO / "room_2").images[3, 50, 60] / 255
    assert fed[1][0, 3, :, 50, 60].numpy() == pytest.approx(wanted)
    assert evaluate.figures([scored for _, scored in results])["auc5"] == 100
    assert [p.name for p in find_scenes(DEMO / "room_3")] == ["room_3"]


# --- the weights that ship ---


@pytest.mark.skipif(not evaluate.WEIGHTS.exists(), reason=f"{evaluate.WEIGHTS.name} is not there yet")
def test_shipped_weights_have_learned() -> None:
    results = evaluate.evaluate(evaluate.load_model(evaluate.WEIGHTS), DEMO)
    values = evaluate.figures([scored for _, scored in results])
    assert values["abs_rel"] <= MOST_ABS_REL_OF_CONSTANT * values["constant_abs_rel"], values
    assert values["auc30"] >= LEAST_AUC30 > values["no_motion_auc30"], values
    assert evaluate.WEIGHTS.stat().st_size <= MOST_WEIGHT_BYTES
