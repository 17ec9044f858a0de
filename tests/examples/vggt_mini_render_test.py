"""The renderer of the mini VGGT's rooms against depths and colours worked out by hand, and the scenes made with it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("numba", reason="the renderer needs numba: requirements-train.txt")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples.vggt.geometry import decode_pose, encode_pose, unproject_depth  # noqa: E402
from examples.vggt_mini.render import BOX, CYLINDER, ROOM, SPHERE, Shapes, render  # noqa: E402
from examples.vggt_mini.scenes import MIN_OVERLAP, Views, focal_lengths, make_scene, overlap  # noqa: E402
from examples.vggt_mini.textures import make_atlas  # noqa: E402

HEIGHT, WIDTH = 24, 32
FOCAL = (20.0, 25.0)
ROOM_HALF = (2.0, 1.5, 3.0)
STILL = np.eye(3, 4)
GREY = np.full((1, 128, 128, 3), 128, np.uint8)


def shapes(*objects: tuple, scale: float = 0.2, offset: float = 0.5) -> Shapes:
    """The room, centred on the origin, and (kind, centre, half extents[, rotation]) in it; everything has texture 0."""
    rows = [(ROOM, (0, 0, 0), ROOM_HALF), *objects]
    n = len(rows)
    return Shapes(
        kind=np.array([r[0] for r in rows], np.int32),
        rotation=np.array([r[3] if len(r) > 3 else np.eye(3) for r in rows], np.float32),
        centre=np.array([r[1] for r in rows], np.float32),
        half=np.array([r[2] for r in rows], np.float32),
        textures=np.zeros((n, 6), np.int32),
        scale=np.full((n, 6), scale, np.float32),
        offset=np.full((n, 6, 2), offset, np.float32),
    )


def seen(scene: Shapes, extrinsic: np.ndarray = STILL, atlas: np.ndarray = GREY, light=(0, 0, 0), ambient: float = 1.0):
    return render(scene, atlas, np.array(light, float), ambient, extrinsic, FOCAL, HEIGHT, WIDTH)


def rays() -> tuple[np.ndarray, np.ndarray]:
    """x / z and y / z of every pixel."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    return (u - WIDTH / 2) / FOCAL[0], (v - HEIGHT / 2) / FOCAL[1]


def test_every_wall_is_where_it_stands() -> None:
    x, y = rays()
    with np.errstate(divide="ignore"):
        wanted = np.minimum(np.minimum(2.0 / abs(x), 1.5 / abs(y)), 3.0)
    assert (wanted < 3).any() and (wanted == 3).any()
    np.testing.assert_allclose(seen(shapes())[1], wanted, rtol=1e-5)


def test_depth_is_along_the_axis_of_a_turned_and_moved_camera() -> None:
    # Looks to +x from (1, 0, -1): camera x is -z of the world, camera z is x.
    turned = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
    extrinsic = np.concatenate([turned, -(turned @ [1.0, 0, -1])[:, None]], 1)
    x, y = rays()
    with np.errstate(divide="ignore"):
        wanted = np.minimum(np.minimum(np.where(x < 0, 4.0, 2.0) / abs(x), 1.5 / abs(y)), 1.0)
    np.testing.assert_allclose(seen(shapes(), extrinsic)[1], wanted, rtol=1e-5)


# What stands in front of the camera, and the depth through the image's middle. A 3-4-5 triangle where it is round.
QUARTER = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
MIDDLES = {
    "box": ((BOX, (0.1, 0, 2), (0.4, 0.3, 0.25)), 1.75),
    "box, a quarter turn": ((BOX, (0.1, 0, 2), (0.4, 0.3, 0.25), QUARTER), 1.6),
    "sphere": ((SPHERE, (0.3, 0, 2), (0.5, 9, 9)), 1.6),
    "sphere, high": ((SPHERE, (0, 0.3, 2), (0.5, 9, 9)), 1.6),
    "cylinder": ((CYLINDER, (0.3, 0, 2), (0.5, 0.2, 9)), 1.6),
    "cylinder beside": ((CYLINDER, (0.51, 0, 2), (0.5, 0.2, 9)), 3.0),
    "cylinder, lying": ((CYLINDER, (0, 0.3, 2), (0.5, 0.2, 9), np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])), 1.6),
    "behind the camera": ((BOX, (0, 0, -2), (0.4, 0.3, 0.25)), 3.0),
}  # fmt: skip


@pytest.mark.parametrize(("thing", "depth"), MIDDLES.values(), ids=MIDDLES)
def test_depth_of_one_thing(thing: tuple, depth: float) -> None:
    assert seen(shapes(thing))[1][HEIGHT // 2, WIDTH // 2] == pytest.approx(depth, rel=1e-5)


def test_a_box_covers_the_pixels_it_should() -> None:
    x, y = rays()
    front = (abs(x * 1.75) <= 0.4) & (abs(y * 1.75) <= 0.3)
    got = seen(shapes((BOX, (0, 0, 2), (0.4, 0.3, 0.25))))[1]
    np.testing.assert_array_equal(abs(got - 1.75) < 1e-4, front)


def test_a_cylinder_has_an_end() -> None:
    got = seen(shapes((CYLINDER, (0, 1, 2), (0.5, 0.4, 9))))[1]
    column = WIDTH // 2
    # y = 0.6 at depth 2 is 7.5 pixels below the middle; the end reaches from depth 1.5 (10 pixels) to 2.5 (6 pixels).
    np.testing.assert_allclose(got[12 + 7 : 12 + 10, column], 0.6 * 25 / np.array([7, 8, 9]), rtol=1e-5)
    assert got[12 + 11, column] == pytest.approx(1.5, rel=1e-5) and got[12 + 5, column] == pytest.approx(3, rel=1e-5)


def ramp(low: float, high: float) -> np.ndarray:
    """Red runs along the texture's x, green along y, from low to high; blue is 40."""
    line = np.linspace(low, high, 128)
    out = np.full((1, 128, 128, 3), 40, np.uint8)
    out[0, ..., 0], out[0, ..., 1] = line[None, :], line[:, None]
    return out


@pytest.mark.parametrize("offset", [0.5, 2.5, -1.5, 1.5])
def test_a_texture_lies_on_the_wall_to_scale_and_mirrored(offset: float) -> None:
    atlas = ramp(0, 127)
    colour, depth = seen(shapes(offset=offset), atlas=atlas)
    x, y = rays()
    wall = (depth == 3) & (abs(x) < 0.6) & (abs(y) < 0.4)
    assert wall.sum() > 100
    sign = -1 if offset == 1.5 else 1  # an odd copy of the texture is mirrored
    for channel, metres in ((0, 3 * x), (1, 3 * y), (2, 0 * x)):
        wanted = 127 * (0.5 + sign * 0.2 * metres) if channel < 2 else np.full_like(x, 40)
        np.testing.assert_allclose(colour[..., channel][wall], wanted[wall], atol=0.02)


def test_light_follows_lambert() -> None:
    # From (0, 0, 3) the light at (1.5, 0, 1) is 2.5 away, 2 of that along the wall's normal: 0.8.
    colour = seen(shapes(), light=(1.5, 0, 1), ambient=0.5)[0]
    assert colour[HEIGHT // 2, WIDTH // 2].tolist() == pytest.approx([128 * 0.9] * 3, rel=2e-3)
    dark = seen(shapes((BOX, (0, 0, 2), (0.4, 0.3, 0.25))), light=(0, 0, 2.9), ambient=0.25)[0]
    assert dark[HEIGHT // 2, WIDTH // 2].tolist() == pytest.approx([32] * 3, rel=1e-5)  # turned away: ambient alone


@pytest.fixture(scope="module")
def atlas() -> np.ndarray:
    return make_atlas(3, 12, [])


@pytest.fixture(scope="module")
def scene(atlas: np.ndarray) -> Views:
    return make_scene(11, atlas, 4, 56, 70, (0.3, 1.0))


def intrinsics(views: Views) -> torch.Tensor:
    height, width = views.depth.shape[1:]
    fx, fy = focal_lengths(views.fov, height, width)
    return torch.tensor([[fx, 0, width / 2], [0, fy, height / 2], [0, 0, 1]], dtype=torch.float64)


def test_the_depth_of_one_view_lands_on_the_surface_that_another_sees(scene: Views) -> None:
    k = intrinsics(scene)
    height, width = scene.depth.shape[1:]
    points = unproject_depth(torch.from_numpy(scene.depth)[..., None], torch.from_numpy(scene.extrinsics),
                             k.expand(4, 3, 3)).numpy()  # fmt: skip
    checked = 0
    for i in range(4):
        for j in range(4):
            if i == j:
                continue
            pose = scene.extrinsics[j].astype(float)
            there = points[i].reshape(-1, 3) @ pose[:, :3].T + pose[:, 3]
            there = there[there[:, 2] > 0.1]
            x, y, _ = (there / there[:, 2:] @ k.numpy().T).T
            inside = (x >= 0) & (x < width - 1) & (y >= 0) & (y < height - 1)
            x, y, z = x[inside], y[inside], there[inside, 2]
            # Between four pixels of one plane, 1 / depth is bilinear.
            c, r = x.astype(int), y.astype(int)
            a, b, inverse = x - c, y - r, 1 / scene.depth[j].astype(float)
            corners = np.stack([inverse[r, c], inverse[r, c + 1], inverse[r + 1, c], inverse[r + 1, c + 1]])
            shown = 1 / (corners * [(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b]).sum(0)
            flat = abs(corners[0] + corners[3] - corners[1] - corners[2]) < 1e-5 * corners[0]
            error = z / shown - 1
            same = flat & (error < 0.03)  # what is farther is hidden from j
            assert same.mean() > 0.15
            assert np.percentile(abs(error[same]), 95) < 2e-5
            assert (error[flat] < -1e-3).mean() < 0.015  # nothing but a thin edge is in front of what j sees
            checked += same.sum()
    assert checked > 5000


def test_cameras_come_back_through_the_encoding(scene: Views) -> None:
    height, width = scene.depth.shape[1:]
    pose = torch.from_numpy(scene.extrinsics).double()
    encoded = encode_pose(pose, intrinsics(scene).expand(4, 3, 3), height, width)
    np.testing.assert_allclose(encoded[:, 7:], np.tile(scene.fov, (4, 1)), rtol=1e-6)
    extrinsic, intrinsic = decode_pose(encoded, height, width)
    np.testing.assert_allclose(extrinsic, pose, atol=1e-6)
    np.testing.assert_allclose(intrinsic, intrinsics(scene).expand(4, 3, 3), rtol=1e-6)


def test_overlap_of_a_sideways_step() -> None:
    depth = np.full((32, 32), 2.0, np.float32)
    step = np.eye(3, 4)
    step[0, 3] = -1.0  # one metre to the right: 16 * 1 / 2 = 8 pixels to the left
    assert overlap(depth, np.eye(3, 4), depth, np.eye(3, 4), (16.0, 16.0)) == 1
    assert overlap(depth, np.eye(3, 4), depth, step, (16.0, 16.0)) == 0.75  # columns 10, 14, ... 30 of 2, 6, ... 30
    assert overlap(depth, np.eye(3, 4), depth / 2, step, (16.0, 16.0)) == 0  # something stands before it
    back = np.eye(3, 4) * np.array([[-1], [1], [-1]])
    assert overlap(depth, np.eye(3, 4), depth, back, (16.0, 16.0)) == 0


def test_views_overlap_with_the_first_within_the_motion(atlas: np.ndarray) -> None:
    moved = []
    for seed in range(6):
        views = make_scene(seed, atlas, 3, 28, 28, (0.5, 0.5))
        focal = focal_lengths(views.fov, 28, 28)
        shares = [overlap(d, e, views.depth[0], views.extrinsics[0].astype(float), focal)
                  for d, e in zip(views.depth, views.extrinsics.astype(float))]  # fmt: skip
        assert min(shares) > MIN_OVERLAP - 0.03  # float32 cameras may move a pixel over an edge
        centres = np.stack([-e[:, :3].T @ e[:, 3] for e in views.extrinsics])
        moved.extend(np.linalg.norm(centres[1:] - centres[0], axis=1))
        for e in views.extrinsics.astype(float):
            np.testing.assert_allclose(e[:, :3] @ e[:, :3].T, np.eye(3), atol=1e-6)
            assert np.linalg.det(e[:, :3]) == pytest.approx(1, abs=1e-6)
    assert max(moved) <= 0.5 * np.hypot(1, 0.4) + 1e-5 and max(moved) > 0.35


def test_a_seed_is_a_scene(scene: Views, atlas: np.ndarray) -> None:
    again, other = (make_scene(seed, atlas, 4, 56, 70, (0.3, 1.0)) for seed in (11, 12))
    for name in ("images", "depth", "extrinsics", "fov"):
        assert getattr(scene, name).tobytes() == getattr(again, name).tobytes()
        assert getattr(scene, name).tobytes() != getattr(other, name).tobytes()
    assert make_atlas(3, 12, []).tobytes() == atlas.tobytes() != make_atlas(4, 12, []).tobytes()
    assert scene.images.dtype == np.uint8 and scene.depth.dtype == scene.extrinsics.dtype == np.float32
