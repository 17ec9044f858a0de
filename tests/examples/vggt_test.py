"""The scriptable VGGT against numbers of the published code, and its exporter end to end."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "vggt"
EXPORT = ROOT / "examples" / "vggt" / "export.py"
sys.path.insert(0, str(ROOT / "examples"))

from vggt import VGGT, ConfigError, VGGTConfig, geometry  # noqa: E402
from vggt.export import main as export_main  # noqa: E402
from vggt.layers import patch_positions, rotate  # noqa: E402
from vggt.random_init import fill_random  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")

CASES = ["a", "b", "c", "d", "e", "f"]
# The noise between correct float32 builds: tracks amplify rounding from one iteration to the next.
TRACK_LIMITS = [1e-5, 1e-4, 1e-3, 5e-2]
OUTPUT_LIMITS = {"track": 5e-2, "vis": 1e-1, "conf": 1e-1}
OUTPUT_LIMIT = 1e-4
INNER_LIMIT = 5e-5
TRACK_INNER_LIMIT = 2e-5

torch.set_num_threads(1)  # small shapes: threads only wait for each other


def relative_error(got: Tensor, expected: Tensor) -> float:
    """Largest absolute difference over the expected tensor's root mean square."""
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    got, expected = got.to(torch.float64), expected.to(torch.float64)
    return ((got - expected).abs().max() / expected.pow(2).mean().sqrt()).item()


def small_model() -> VGGT:
    model = VGGT(VGGTConfig.from_file(DATA / "small_config.json"))
    model.load_state_dict(load_file(DATA / "small_weights.safetensors"), strict=True)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def eager() -> VGGT:
    return small_model()


@pytest.fixture(scope="module")
def scripted(eager: VGGT) -> torch.jit.ScriptModule:
    return torch.jit.script(eager)


def case(name: str) -> dict[str, Tensor]:
    return load_file(DATA / f"small_case_{name}.safetensors")


def compare_outputs(got: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    names = {"pose_enc", "pose_enc_list", "depth", "depth_conf", "world_points", "world_points_conf"}
    if "query_points" in expected:
        names |= {"track", "vis", "conf"}
    assert set(got) == names
    for name in names:
        assert relative_error(got[name], expected[name]) <= OUTPUT_LIMITS.get(name, OUTPUT_LIMIT), name
        if name.endswith("_conf"):  # the 1 in 1 + exp(z) hides errors
            assert relative_error(got[name] - 1, expected[name] - 1) <= OUTPUT_LIMIT, name


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", ["eager", "scripted"])
def test_outputs_equal_the_published_codes(mode: str, name: str, request: pytest.FixtureRequest) -> None:
    data = case(name)
    model = request.getfixturevalue(mode)
    compare_outputs(model(data["images"], data.get("query_points")), data)


class Recorder:
    """Keeps what modules get and give: `inputs` and `outputs`, one entry per call."""

    def __init__(self, model: nn.Module, paths: list[str]) -> None:
        self.inputs: dict[str, list[Tensor]] = {path: [] for path in paths}
        self.outputs: dict[str, list[Tensor]] = {path: [] for path in paths}
        self.handles = [model.get_submodule(path).register_forward_hook(self.hook(path)) for path in paths]

    def hook(self, path: str):
        def keep(module: nn.Module, args: tuple, output: Tensor) -> None:
            self.inputs[path].append(args)
            self.outputs[path].append(output)

        return keep

    def close(self) -> None:
        for handle in self.handles:
            handle.remove()


@pytest.fixture(scope="module")
def inner(eager: VGGT) -> dict[str, Tensor]:
    """Every intermediate of case a that the fixtures name, out of one eager forward."""
    vit, frame0, dpt = "aggregator.patch_embed", "aggregator.frame_blocks.0", "depth_head"
    paths = [vit, f"{vit}.patch_embed", *(f"{vit}.blocks.{i}" for i in range(3)), frame0]
    paths += [f"{frame0}.{part}" for part in ("norm1", "attn", "attn.qkv", "attn.q_norm", "attn.k_norm", "ls1", "mlp")]
    paths += [f"aggregator.{kind}_blocks.{i}" for kind in ("frame", "global") for i in range(5)]
    paths += [f"camera_head.{part}" for part in ("token_norm", "embed_pose", "poseLN_modulation", "pose_branch")]
    paths += ["camera_head.trunk.0", "camera_head.trunk.1"]
    paths += [f"{dpt}.{part}.{i}" for part in ("projects", "resize_layers") for i in range(4)]
    paths += [f"{dpt}.scratch.layer{i}_rn" for i in (2, 3, 4)] + [f"{dpt}.scratch.refinenet{i}" for i in (2, 3, 4)]
    paths += [f"{dpt}.scratch.output_conv1", f"{dpt}.scratch.output_conv2"]
    paths += ["track_head", "track_head.feature_extractor", "track_head.tracker.corr_mlp"]
    paths += ["track_head.tracker.updateformer"]
    data = case("a")
    record = Recorder(eager, list(dict.fromkeys(paths)))
    eager(data["images"], data["query_points"])
    record.close()
    first = {path: outputs[0] for path, outputs in record.outputs.items()}
    got_in = {path: inputs[0][0] for path, inputs in record.inputs.items()}

    got: dict[str, Tensor] = {
        "pe.conv_tokens": first[f"{vit}.patch_embed"],
        "pe.block_in": got_in[f"{vit}.blocks.0"],
        "patch_tokens": first[vit],
        "agg.tokens_in": got_in[frame0],
        "agg.pos": patch_positions(5, 4, 5, torch.device("cpu")).expand(2, -1, -1),
        "frame0.norm1": first[f"{frame0}.norm1"],
        "frame0.qkv": first[f"{frame0}.attn.qkv"],
        "frame0.q_normed": first[f"{frame0}.attn.q_norm"],
        "frame0.k_normed": first[f"{frame0}.attn.k_norm"],
        "frame0.attn_out": first[f"{frame0}.attn"],
        "frame0.after_ls1": first[f"{frame0}.ls1"],
        "frame0.mlp_out": first[f"{frame0}.mlp"],
        "cam.token_normed": first["camera_head.token_norm"],
        "cam.embedded": torch.stack(record.outputs["camera_head.embed_pose"]),
        "cam.modulation": torch.stack(record.outputs["camera_head.poseLN_modulation"]),
        "cam.trunk_in": torch.stack([args[0] for args in record.inputs["camera_head.trunk.0"]]),
        "cam.trunk_out": torch.stack(record.outputs["camera_head.trunk.1"]),
        "cam.delta": torch.stack(record.outputs["camera_head.pose_branch"]),
        "depth.output_conv1": first[f"{dpt}.scratch.output_conv1"],
        "depth.output_conv2_in": got_in[f"{dpt}.scratch.output_conv2"],
        "depth.logits": first[f"{dpt}.scratch.output_conv2"],
        "track.feature_maps": first["track_head.feature_extractor"],
        "track.corr": torch.stack([args[0] for args in record.inputs["track_head.tracker.corr_mlp"]]),
        "track.update_in": torch.stack([args[0] for args in record.inputs["track_head.tracker.updateformer"]]),
        "track.update_out": torch.stack(record.outputs["track_head.tracker.updateformer"]),
        "track_list": first["track_head"][0],
    }
    got["pose_enc_raw_list"] = got["cam.delta"].cumsum(0)
    rope = record.inputs[frame0][0][1]
    for side in "qk":
        got[f"frame0.{side}_rope"] = rotate(got[f"frame0.{side}_normed"], rope)
    for i in range(3):
        got[f"pe.block.{i}"] = first[f"{vit}.blocks.{i}"]
    for i in range(5):
        halves = [first[f"aggregator.{kind}_blocks.{i}"].reshape(1, 2, 25, 64) for kind in ("frame", "global")]
        got[f"pair.{i}"] = torch.cat(halves, dim=-1)
    for i in range(4):
        got[f"depth.projected.{i}"] = first[f"{dpt}.projects.{i}"]
        got[f"depth.resized.{i}"] = first[f"{dpt}.resize_layers.{i}"]
    for i in (2, 3, 4):
        got[f"depth.layer_rn.{i}"] = first[f"{dpt}.scratch.layer{i}_rn"]
        got[f"depth.refinenet.{i}"] = first[f"{dpt}.scratch.refinenet{i}"]
    return got


def test_every_intermediate_of_case_a_is_checked(inner: dict[str, Tensor]) -> None:
    outputs = {"pose_enc", "pose_enc_list", "depth", "depth_conf", "world_points", "world_points_conf"}
    inputs = {"images", "query_points"}
    assert set(inner) == set(case("a")) - outputs - inputs - {"track", "vis", "conf"}


def test_intermediates_equal_the_published_codes(inner: dict[str, Tensor]) -> None:
    data = case("a")
    assert torch.equal(inner["agg.pos"], data["agg.pos"])
    for name, got in inner.items():
        if not name.startswith("track") and name != "agg.pos":
            assert relative_error(got, data[name]) <= INNER_LIMIT, name


def test_track_intermediates_equal_the_published_codes(inner: dict[str, Tensor]) -> None:
    data = case("a")
    assert relative_error(inner["track.feature_maps"], data["track.feature_maps"]) <= INNER_LIMIT
    for name in ("track.corr", "track.update_in", "track.update_out"):
        assert relative_error(inner[name][0], data[name][0]) <= TRACK_INNER_LIMIT, name
    for i, limit in enumerate(TRACK_LIMITS):
        assert relative_error(inner["track_list"][i], data["track_list"][i]) <= limit, f"iteration {i}"


def test_state_dict_is_the_checkpoints_in_order() -> None:
    with torch.device("meta"):
        state = VGGT(VGGTConfig.vggt1b()).state_dict()
    with gzip.open(DATA / "state_dict_vggt1b.json.gz", "rt", encoding="utf-8") as file:
        expected = json.load(file)
    assert [(key, list(value.shape)) for key, value in state.items()] == [tuple(entry) for entry in expected]


def test_norms_have_the_checkpoints_epsilons(eager: VGGT) -> None:
    # The fixtures' numbers move too little for some of them.
    for name, module in eager.named_modules():
        if isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
            assert module.eps == (1e-6 if name.startswith("aggregator.patch_embed.") else 1e-5), name


def test_scripted_state_dict_has_no_extra_tensors(eager: VGGT, scripted: torch.jit.ScriptModule) -> None:
    assert list(scripted.state_dict()) == list(eager.state_dict())


def test_query_points_change_no_other_output(scripted: torch.jit.ScriptModule) -> None:
    data = case("a")
    without = scripted(data["images"])
    with_points = scripted(data["images"], data["query_points"])
    assert set(with_points) - set(without) == {"track", "vis", "conf"}
    assert all(torch.equal(with_points[name], value) for name, value in without.items())


def test_scripted_equals_eager_for_other_sizes(eager: VGGT, scripted: torch.jit.ScriptModule) -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in [(1, 3, 3, 14, 14), (2, 5, 3, 28, 70), (1, 17, 3, 14, 42), (1, 1, 3, 112, 98)]:
        images = torch.rand(shape, generator=generator)
        got, expected = scripted(images), eager(images)
        for name, value in expected.items():
            assert value.isfinite().all()
            assert relative_error(got[name], value) <= OUTPUT_LIMIT, (shape, name)


def test_missing_batch_axis_is_added(scripted: torch.jit.ScriptModule) -> None:
    data = case("a")
    batched = scripted(data["images"], data["query_points"])
    for name, value in scripted(data["images"][0], data["query_points"][0]).items():
        assert torch.equal(value, batched[name]), name


def test_frames_in_a_strided_layout_give_the_same(scripted: torch.jit.ScriptModule) -> None:
    images = case("a")["images"]
    channels_last = images[0].to(memory_format=torch.channels_last)[None]
    for name, value in scripted(channels_last).items():
        assert relative_error(value, scripted(images)[name]) <= OUTPUT_LIMIT, name


BAD_INPUTS = [
    (torch.rand(3, 28, 28), None, r"images: expected \[B, S, 3, H, W\] or \[S, 3, H, W\], got \[3, 28, 28\]"),
    (torch.rand(1, 1, 28, 28, 3), None, r"images: expected 3 channels .*, got \[1, 1, 28, 28, 3\]"),
    (torch.zeros(1, 1, 3, 28, 28, dtype=torch.uint8), None, r"images: expected float32 .*, got uint8"),
    (torch.rand(1, 1, 3, 30, 28), None, r"images: expected height and width to be multiples of 14, got 30 x 28"),
    (torch.rand(1, 1, 3, 28, 27), None, r"images: expected height and width to be multiples of 14, got 28 x 27"),
    (torch.rand(1, 0, 3, 28, 28), None, r"images: expected at least one frame .*, got \[1, 0, 3, 28, 28\]"),
    (torch.rand(1, 1, 3, 28, 28), torch.rand(1, 5, 3), r"query_points: expected \[1, N, 2\], .* got \[1, 5, 3\]"),
    (torch.rand(1, 1, 3, 28, 28), torch.rand(2, 5, 2), r"query_points: expected \[1, N, 2\], .* got \[2, 5, 2\]"),
    (torch.rand(2, 1, 3, 28, 28), torch.rand(5, 2), r"query_points: expected \[2, N, 2\], .* got \[5, 2\]"),
    (torch.rand(1, 1, 3, 28, 28), torch.rand(1, 0, 2), r"query_points: expected \[1, N, 2\], .* got \[1, 0, 2\]"),
    (torch.rand(1, 1, 3, 28, 28), torch.zeros(3, 2, dtype=torch.int64), r"query_points: expected float32 .* int64"),
]


@pytest.mark.parametrize(("images", "queries", "message"), BAD_INPUTS)
@pytest.mark.parametrize("mode", ["eager", "scripted"])
def test_bad_input_is_named(
    mode: str, images: Tensor, queries: Tensor | None, message: str, request: pytest.FixtureRequest
) -> None:
    error = ValueError if mode == "eager" else torch.jit.Error
    with pytest.raises(error, match=message):
        request.getfixturevalue(mode)(images, queries)


def small_config() -> dict:
    return json.loads((DATA / "small_config.json").read_text())


def test_images_too_small_to_track_are_named() -> None:
    data = small_config()
    data["track_head"]["corr_levels"] = 7
    model = VGGT(VGGTConfig.from_dict(data)).eval()
    with pytest.raises(ValueError, match="tracking needs images of at least 128 x 128 .*, got 140 x 126"):
        model(torch.rand(1, 1, 3, 140, 126), torch.zeros(1, 1, 2))


def test_absent_heads_leave_out_their_outputs() -> None:
    data = small_config()
    del data["track_head"]
    data["point_head"] = None
    model = VGGT(VGGTConfig.from_dict(data))
    full = load_file(DATA / "small_weights.safetensors")
    model.load_state_dict({k: v for k, v in full.items() if not k.startswith(("track_head.", "point_head."))})
    scripted = torch.jit.script(model.eval())
    expected = case("a")
    got = scripted(expected["images"])
    assert set(got) == {"pose_enc", "pose_enc_list", "depth", "depth_conf"}
    assert relative_error(got["depth"], expected["depth"]) <= OUTPUT_LIMIT
    with pytest.raises(torch.jit.Error, match="query_points: this model was built without a track head"):
        scripted(expected["images"], expected["query_points"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embed_dmi": 64}, "embed_dmi: unknown field; nearest: embed_dim"),
        ({"embed_dim": "64"}, "embed_dim: expected a positive integer, got '64'"),
        ({"aggregator": None}, "aggregator: expected an object, got None"),
        ({"patch_embed": {"depth": 1}}, r"patch_embed\.num_heads: missing"),
        ({"img_size": 100}, "img_size: expected a multiple of 14 .*, got 100"),
        ({"embed_dim": 96}, r"camera_head\.dim_in: expected 192 .*, got 128"),
    ],
)
def test_impossible_config_is_named(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VGGTConfig.from_dict(small_config() | change)


def test_head_reading_a_pair_that_does_not_exist_is_named() -> None:
    data = small_config()
    data["depth_head"]["intermediate_layer_idx"] = [0, 2, 3, 5]
    with pytest.raises(ConfigError, match=r"depth_head\.intermediate_layer_idx: .* below aggregator\.depth 5"):
        VGGTConfig.from_dict(data)


# Exporter


def export(*arguments: str | Path) -> int:
    return export_main([str(a) for a in arguments])


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    torch.save(load_file(DATA / "small_weights.safetensors"), path)
    return path


def test_export_runs_as_a_script(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.pt"
    command = [sys.executable, EXPORT, "--checkpoint", checkpoint, "--config", DATA / "small_config.json", "-o", out]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{out}: 1,") and "parameters, float32 aggregator" in done.stdout
    data = case("a")
    compare_outputs(torch.jit.load(out)(data["images"], data["query_points"]), data)


def test_export_of_safetensors(tmp_path: Path) -> None:
    out = tmp_path / "small.pt"
    weights = DATA / "small_weights.safetensors"
    assert export("--checkpoint", weights, "--config", DATA / "small_config.json", "-o", out) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.pt"]
    loaded = torch.jit.load(out)
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    data = case("b")
    compare_outputs(loaded(data["images"], data["query_points"]), data)


def test_export_in_bfloat16(tmp_path: Path) -> None:
    out = tmp_path / "small.pt"
    weights, config = DATA / "small_weights.safetensors", DATA / "small_config.json"
    assert export("--checkpoint", weights, "--config", config, "-o", out, "--dtype", "bfloat16") == 0
    loaded = torch.jit.load(out)
    for key, value in loaded.state_dict().items():
        assert value.dtype == (torch.bfloat16 if key.startswith("aggregator.") else torch.float32), key
    data = case("c")
    for name, value in loaded(data["images"]).items():
        assert value.dtype == torch.float32
        error = (value - data[name]).pow(2).mean().sqrt() / data[name].pow(2).mean().sqrt()
        assert 1e-4 < error < 0.5, name  # bfloat16 keeps 8 bits; this model is tuned to amplify


def test_a_scripted_model_can_be_cast() -> None:
    data = case("a")
    for dtype, limit in [(torch.bfloat16, 0.1), (torch.float16, 0.05), (torch.float64, 0.01)]:
        model = torch.jit.script(small_model()).to(dtype)
        for name, value in model(data["images"], data["query_points"]).items():
            assert value.dtype == torch.float32, name
            error = (value - data[name]).pow(2).mean().sqrt() / data[name].pow(2).mean().sqrt()
            assert error < limit, (dtype, name)


def test_random_export_repeats_by_seed(tmp_path: Path) -> None:
    config = DATA / "small_config.json"
    outs = [tmp_path / folder / "m.pt" for folder in ("one", "two", "three")]
    for out, seed in zip(outs, (1, 1, 2)):
        out.parent.mkdir()
        assert export("--random", "--seed", seed, "--config", config, "-o", out) == 0
    one, two, three = (torch.jit.load(out).state_dict() for out in outs)
    assert all(torch.equal(value, two[key]) for key, value in one.items())
    assert not torch.equal(one["depth_head.projects.0.weight"], three["depth_head.projects.0.weight"])


@pytest.mark.parametrize("name", ["small", "demo_30m"])
def test_random_outputs_are_moderate_and_depend_on_the_images(name: str) -> None:
    folder = DATA if name == "small" else EXPORT.parent / "configs"
    path = folder / ("small_config.json" if name == "small" else "demo_30m.json")
    with torch.device("meta"):
        model = VGGT(VGGTConfig.from_file(path))
    model.to_empty(device="cpu").eval().requires_grad_(False)
    fill_random(model, seed=0)
    generator = torch.Generator().manual_seed(0)
    one, two = (model(torch.rand(1, 2, 3, 70, 56, generator=generator)) for _ in range(2))
    for key, value in one.items():
        assert value.isfinite().all() and value.abs().max() < 1e3, key
        assert (value - two[key]).abs().max() > 1e-3 * value.abs().max(), key
    assert (one["pose_enc"][..., 7:] > 0).all()


def test_demo_config_has_about_30_million_parameters() -> None:
    with torch.device("meta"):
        model = VGGT(VGGTConfig.from_file(EXPORT.parent / "configs" / "demo_30m.json"))
    assert 25e6 < sum(p.numel() for p in model.parameters()) < 35e6
    assert all(m.in_features % 128 == 0 for m in model.aggregator.modules() if isinstance(m, nn.Linear))


def change_checkpoint(path: Path, change) -> Path:
    tensors = load_file(DATA / "small_weights.safetensors")
    change(tensors)
    save_file(tensors, path)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("camera_head.embed_pose.bias"), "1 missing: camera_head.embed_pose.bias"),
        (lambda t: t.update(extra=torch.zeros(1)), "1 unexpected: extra"),
        (
            lambda t: t.update({"camera_head.embed_pose.bias": torch.zeros(3)}),
            "1 of another shape: camera_head.embed_pose.bias (expected [128], got [3])",
        ),
        (
            lambda t: t.update({"camera_head.embed_pose.bias": torch.zeros(128, dtype=torch.int32)}),
            "1 not of a floating type: camera_head.embed_pose.bias",
        ),
        (lambda t: [t.pop(k) for k in list(t) if k.startswith("depth_head.norm")], "2 missing: depth_head.norm.weight"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_named(change, message: str, tmp_path: Path, capsys) -> None:
    path = change_checkpoint(tmp_path / "bad.safetensors", change)
    out = tmp_path / "small.pt"
    out.write_bytes(b"an older export")
    assert export("--checkpoint", path, "--config", DATA / "small_config.json", "-o", out) == 1
    assert message in capsys.readouterr().err
    assert out.read_bytes() == b"an older export"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.safetensors", "small.pt"]


def test_tensors_of_absent_heads_are_passed_over(tmp_path: Path) -> None:
    config = tmp_path / "no_track.json"
    config.write_text(json.dumps(small_config() | {"track_head": None}))
    out = tmp_path / "small.pt"
    assert export("--checkpoint", DATA / "small_weights.safetensors", "--config", config, "-o", out) == 0
    assert not any(key.startswith("track_head.") for key in torch.jit.load(out).state_dict())


def test_export_failures_are_named(checkpoint: Path, tmp_path: Path, capsys) -> None:
    config = ("--config", DATA / "small_config.json")
    garbage = tmp_path / "garbage.pt"
    garbage.write_bytes(b"not a checkpoint")
    nested = tmp_path / "nested.pt"
    torch.save({"model": {}}, nested)
    failures = [
        (("--checkpoint", tmp_path / "none.pt", *config, "-o", tmp_path / "o.pt"), "none.pt: no such file"),
        (("--checkpoint", garbage, *config, "-o", tmp_path / "o.pt"), "garbage.pt: not a checkpoint that can be read"),
        (("--checkpoint", nested, *config, "-o", tmp_path / "o.pt"), "nested.pt: expected a plain state dict"),
        (("--checkpoint", checkpoint, *config, "-o", checkpoint), "model.pt: is the checkpoint itself"),
        (("--random", *config, "-o", tmp_path / "no" / "o.pt"), "o.pt: cannot write into"),
        (("--random", *config, "-o", tmp_path), "is a folder, expected a file to write"),
    ]
    before = sorted(tmp_path.iterdir())
    for arguments, message in failures:
        assert export(*arguments) == 1
        captured = capsys.readouterr()
        assert message in captured.err and captured.out == ""
    assert sorted(tmp_path.iterdir()) == before


def test_bad_usage_exits_with_2(checkpoint: Path, tmp_path: Path, capsys) -> None:
    config = tmp_path / "bad.json"
    config.write_text('{"embed_dmi": 1}')
    out = ("-o", tmp_path / "o.pt")
    usages = [
        (out, "one of the arguments --checkpoint --random is required"),
        (("--checkpoint", checkpoint, "--random", *out), "not allowed with argument"),
        (("--random",), "the following arguments are required: -o/--output"),
        (("--checkpoint", checkpoint, "--seed", 1, *out), "argument --seed: only with --random"),
        (("--random", "--dtype", "int8", *out), "invalid choice: 'int8'"),
        (("--random", "--config", config, *out), "bad.json: embed_dmi: unknown field"),
        (("--random", "--config", tmp_path / "none.json", *out), "none.json: No such file"),
    ]
    for arguments, message in usages:
        with pytest.raises(SystemExit) as exit_info:
            export(*arguments)
        assert exit_info.value.code == 2
        assert message in capsys.readouterr().err


# Geometry


@pytest.fixture(scope="module")
def cameras() -> dict[str, Tensor]:
    return load_file(DATA / "geometry.safetensors")


@pytest.mark.parametrize("name", ["decode", "decode_zero_fov"])
def test_decode_pose(name: str, cameras: dict[str, Tensor]) -> None:
    extrinsic, intrinsic = geometry.decode_pose(cameras[f"{name}.pose_enc"], 392, 518)
    assert relative_error(extrinsic, cameras[f"{name}.extrinsic"]) <= 1e-6
    torch.testing.assert_close(intrinsic, cameras[f"{name}.intrinsic"], rtol=1e-6, atol=0)


def test_encode_pose(cameras: dict[str, Tensor]) -> None:
    got = geometry.encode_pose(cameras["encode.extrinsic"], cameras["encode.intrinsic"], 392, 518)
    assert relative_error(got, cameras["encode.pose_enc"]) <= 1e-6


def test_invert_extrinsic(cameras: dict[str, Tensor]) -> None:
    got = geometry.invert_extrinsic(cameras["inverse.extrinsic"])
    assert relative_error(got, cameras["inverse.cam_to_world"]) <= 1e-6


def test_unproject_depth(cameras: dict[str, Tensor]) -> None:
    arguments = [cameras[f"unproject.{name}"] for name in ("depth", "extrinsic", "intrinsic")]
    assert relative_error(geometry.unproject_depth(*arguments), cameras["unproject.points"]) <= 1e-6
