"""Scenes as ETH3D folders: what is written, read back, refused, and the held-out scenes that ship."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples.vggt.geometry import unproject_depth  # noqa: E402
from examples.vggt_mini.eth3d import CALIBRATION, DEPTH, PICTURES, read_scene, write_scene  # noqa: E402
from examples.vggt_mini.views import Views, focal_lengths  # noqa: E402

SHIPPED = ROOT / "examples/vggt_mini/scenes"
MOST_BYTES = 9_000_000
HEIGHT, WIDTH, WALL = 20, 30, 3.0


def turned(yaw: float, pitch: float) -> np.ndarray:
    c, s, d, e = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    return np.array([[1.0, 0, 0], [0, d, -e], [0, e, d]]) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


@pytest.fixture(scope="module")
def wall() -> Views:
    """Three cameras before the wall z = 3. Rays go through (u - W/2, v - H/2), pixel centres at whole numbers."""
    fov = np.array([0.7, 1.0], np.float32)
    fx, fy = WIDTH / 2 / np.tan(0.5), HEIGHT / 2 / np.tan(0.35)
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    rays = np.stack([(u - WIDTH / 2) / fx, (v - HEIGHT / 2) / fy, np.ones((HEIGHT, WIDTH))], -1)
    depth, extrinsics = [], []
    for yaw, pitch, place in ((0.0, 0.0, [0, 0, 0]), (0.2, -0.1, [0.4, 0.1, 0.2]), (-0.15, 0.1, [-0.3, 0.2, -0.5])):
        rotation = turned(yaw, pitch)
        depth.append((WALL - place[2]) / (rays @ rotation)[..., 2])
        extrinsics.append(np.concatenate([rotation, -(rotation @ place)[:, None]], 1))
    images = np.random.default_rng(1).integers(0, 256, (3, HEIGHT, WIDTH, 3)).astype(np.uint8)
    return Views(images, np.array(depth, np.float32), np.array(extrinsics, np.float32), fov)


@pytest.fixture
def folder(wall: Views, tmp_path: Path) -> Path:
    write_scene(tmp_path / "wall", wall, points=40, seed=3)
    return tmp_path / "wall"


def records(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]


def test_a_scene_comes_back(wall: Views, folder: Path) -> None:
    got = read_scene(folder)
    assert got.images.tobytes() == wall.images.tobytes() and got.images.shape == wall.images.shape
    assert got.depth.tobytes() == wall.depth.tobytes() and got.depth.shape == wall.depth.shape
    np.testing.assert_allclose(got.extrinsics, wall.extrinsics, atol=3e-7)
    np.testing.assert_allclose(got.fov, wall.fov, rtol=1e-7)
    assert {a.dtype for a in (got.depth, got.extrinsics, got.fov)} == {np.dtype(np.float32)}


def test_the_files_are_eth3ds(wall: Views, folder: Path) -> None:
    """Read as COLMAP defines them: the first pixel's centre at (0.5, 0.5), quaternions w x y z."""
    (camera,) = records(folder / CALIBRATION / "cameras.txt")
    assert camera[:4] == ["1", "PINHOLE", "30", "20"] and camera[6:] == ["15.5", "10.5"]
    fx, fy, cx, cy = map(float, camera[4:])
    assert fx == pytest.approx(15 / np.tan(0.5)) and fy == pytest.approx(10 / np.tan(0.35))
    lines = records(folder / CALIBRATION / "images.txt")
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    for i, words in enumerate(lines[::2]):
        w, x, y, z, *t = map(float, words[1:8])
        assert words[0] == str(i + 1) and words[8:] == ["1", f"dslr_images_undistorted/view_{i}.png"]
        r = np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ])  # fmt: skip
        depth = np.fromfile(folder / DEPTH / f"view_{i}.png", "<f4").reshape(HEIGHT, WIDTH)
        camera_points = np.stack([(u + 0.5 - cx) / fx * depth, (v + 0.5 - cy) / fy * depth, depth], -1)
        np.testing.assert_allclose(((camera_points - t) @ r)[..., 2], WALL, atol=1e-5)
        np.testing.assert_array_equal(Image.open(folder / PICTURES / f"view_{i}.png"), wall.images[i])
    assert len(lines) == 6


def check_points(folder: Path, surface: float | None) -> int:
    """Every point is seen where images.txt says it is, at the depth of the depth file, by two views or more."""
    (camera,) = records(folder / CALIBRATION / "cameras.txt")
    fx, fy, cx, cy = map(float, camera[4:])
    lines, views = records(folder / CALIBRATION / "images.txt"), read_scene(folder)
    tracks = [np.array(words, float).reshape(-1, 3) for words in lines[1::2]]
    points = records(folder / CALIBRATION / "points3D.txt")
    assert len({p[0] for p in points}) == len(points) and sum(map(len, tracks)) == sum(len(p[8:]) // 2 for p in points)
    for p in points:
        where, track = np.array(p[1:4], float), np.array(p[8:], int).reshape(-1, 2)
        assert p[7] == "0" and len(track) == len(set(track[:, 0])) >= 2
        colours = []
        for image, index in track:
            x, y, point = tracks[image - 1][index]
            there = views.extrinsics[image - 1, :, :3] @ where + views.extrinsics[image - 1, :, 3]
            assert point == int(p[0])
            assert (x, y) == pytest.approx((there[0] / there[2] * fx + cx, there[1] / there[2] * fy + cy), abs=2e-3)
            assert there[2] == pytest.approx(views.depth[image - 1, int(y), int(x)], rel=0.011 if surface is None else 0.05)
            colours.append(views.images[image - 1, int(y), int(x)].tolist())
        assert [int(c) for c in p[4:7]] in colours
        if surface is not None:
            assert where[2] == pytest.approx(surface, abs=1e-5)
    return len(points)


def test_points_lie_on_the_surface_and_where_their_tracks_say(folder: Path) -> None:
    assert check_points(folder, WALL) == 40


def test_the_same_scene_is_the_same_bytes(wall: Views, folder: Path, tmp_path: Path) -> None:
    def contents(path: Path) -> dict[str, bytes]:
        return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}

    for name, seed in (("again", 3), ("other", 4)):
        write_scene(tmp_path / name, wall, points=40, seed=seed)
    assert contents(folder) == contents(tmp_path / "again")
    assert (tmp_path / "other" / CALIBRATION / "points3D.txt").read_bytes() not in contents(folder).values()
    with pytest.raises(ValueError, match="expected no such folder or an empty one"):
        write_scene(folder, wall)


def change(name: str, old: str, new: str):
    def apply(folder: Path) -> None:
        path = folder / CALIBRATION / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return apply


# What is done to the folder, and what the error says.
ERRORS = {
    "no scene": (lambda f: (f / CALIBRATION).rename(f / "elsewhere"), ["wall: ", f"no folder {CALIBRATION}"]),
    "distorted": (change("cameras.txt", "PINHOLE", "OPENCV"), ["cameras.txt:2: MODEL: expected PINHOLE, got OPENCV"]),
    "off centre": (change("cameras.txt", "15.5 10.5", "15.0 10.0"), ["cameras.txt:2: cx and cy: expected 15.5 and 10.5"]),
    "no camera": (lambda f: (f / CALIBRATION / "cameras.txt").write_text("# none\n"), ["cameras.txt: expected at least one"]),
    "two cameras": (change("cameras.txt", "10.5\n", "10.5\n2 PINHOLE 30 20 9 9 15.5 10.5\n"), ["cameras.txt:3: ", "second"]),
    "no size": (change("cameras.txt", "PINHOLE 30", "PINHOLE 0"), ["cameras.txt:2: WIDTH: expected a whole number of at least 1"]),
    "no number": (change("cameras.txt", " 15.5", " nan"), ["cameras.txt:2: cx: expected a finite number, got nan"]),
    "too much": (change("cameras.txt", "10.5\n", "10.5 0.1\n"), ["cameras.txt:2: expected nothing after", "got 0.1"]),
    "no rotation": (change("images.txt", "1.000000000 0.0", "0 0.0"), ["images.txt:3: QW QX QY QZ: expected a rotation"]),
    "unknown camera": (change("images.txt", " 1 dslr", " 7 dslr"), ["images.txt:3: CAMERA_ID: expected 1", "got 7"]),
    "twice": (change("images.txt", "view_1", "view_0"), ["images.txt:5: NAME: view_0.png occurs a second time"]),
    "cut": (change("images.txt", " 1 dslr_images_undistorted/view_0.png", ""), ["images.txt:3: CAMERA_ID is missing"]),
    "no picture": (lambda f: (f / PICTURES / "view_1.png").unlink(), [f"{PICTURES}/view_1.png"]),
    "small picture": (lambda f: Image.new("RGB", (15, 10)).save(f / PICTURES / "view_1.png"), ["view_1.png: expected the camera's 30 x 20 pixels, got 15 x 10"]),
    "no depth": (lambda f: (f / DEPTH / "view_2.png").unlink(), [f"{DEPTH}/view_2.png"]),
    "short depth": (lambda f: (f / DEPTH / "view_2.png").write_bytes(b"1234"), ["view_2.png: expected 2400 bytes", "got 4"]),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "says"), ERRORS.values(), ids=ERRORS)
def test_errors_name_file_and_line(folder: Path, spoil, says: list[str]) -> None:
    spoil(folder)
    with pytest.raises((ValueError, OSError)) as error:
        read_scene(folder)
    for part in says:
        assert part in str(error.value)


# --- the scenes that ship ---

SCENES = sorted(p.parent for p in SHIPPED.glob(f"*/*/{CALIBRATION}"))


def test_shipped_scenes_are_all_there_and_small() -> None:
    assert [str(p.relative_to(SHIPPED)) for p in SCENES] == [
        *(f"demo/room_{i}" for i in range(1, 6)), *(f"final/room_{i:02}" for i in range(1, 19))
    ]  # fmt: skip
    assert sum(p.stat().st_size for p in SHIPPED.rglob("*") if p.is_file()) <= MOST_BYTES


@pytest.mark.parametrize("path", SCENES, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_shipped_scenes_are_whole(path: Path) -> None:
    """Depth in every pixel; what one view's depth says, another one's depth confirms; points agree with both."""
    views = read_scene(path)
    s, height, width = views.depth.shape
    assert 4 <= s <= 6 and height == width == 112
    assert views.depth.min() > 0.19 and views.depth.max() < 12
    fx, fy = focal_lengths(views.fov, height, width)
    k = torch.tensor([[fx, 0, width / 2], [0, fy, height / 2], [0, 0, 1]])
    points = unproject_depth(torch.from_numpy(views.depth)[..., None], torch.from_numpy(views.extrinsics), k.expand(s, 3, 3))
    for i in range(1, s):
        there = points[i].numpy().reshape(-1, 3) @ views.extrinsics[0, :, :3].T + views.extrinsics[0, :, 3]
        z = np.maximum(there[:, 2], 0.01)
        x, y = np.rint(there[:, 0] / z * fx + width / 2), np.rint(there[:, 1] / z * fy + height / 2)
        inside = (there[:, 2] > 0.05) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        error = z[inside] / views.depth[0, y[inside].astype(int), x[inside].astype(int)] - 1
        assert (abs(error) < 0.05).sum() > 0.24 * height * width
        assert (error < -0.05).mean() < 0.03
    assert check_points(path, None) == 100


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="rendering needs numba: requirements-train.txt")
def test_shipped_scenes_are_what_the_script_renders(tmp_path: Path) -> None:
    from examples.vggt_mini import held_out

    held_out.render_part(held_out.PARTS[0], tmp_path, only=1)
    got, wanted = read_scene(tmp_path / "demo/room_2"), read_scene(SHIPPED / "demo/room_2")
    # Another processor may round otherwise where a ray just meets an edge.
    assert (abs(got.images.astype(int) - wanted.images) > 1).mean() < 0.01
    assert (abs(got.depth / wanted.depth - 1) > 1e-3).mean() < 0.01
    np.testing.assert_allclose(got.extrinsics, wanted.extrinsics, atol=1e-5)
