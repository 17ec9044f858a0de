"""vqt-quantize as its users see it: flags, exit codes, stdout and stderr, the files it writes."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import models  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build"))
BINARY = BUILD / "bin/vqt-quantize"
OPS = BUILD / "lib/libvqt_ops.so"
MLP_SITES = [f"blocks.{i}" for i in range(4)]


def run(*arguments: object, code: int = 0, **more) -> subprocess.CompletedProcess:
    done = subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == code, f"{arguments}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def refused(*arguments: object, code: int = 2) -> str:
    """The one message of a refused call; nothing may reach stdout."""
    done = run(*arguments, code=code)
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("vqt-quantize: error: ") or code == 1
    return done.stderr


def vqt_json(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith("/extra/vqt.json"))
        return json.loads(archive.read(name))


def listed(path: Path, *flags: object) -> dict[str, dict]:
    return {site["name"]: site for site in json.loads(run(path, "--list", "--json", "--quiet", *flags).stdout)}


def python_forward(path: Path, inputs: Path) -> torch.Tensor:
    """In a fresh process that knows torch and the ops' library only."""
    code = (
        "import sys, torch; torch.ops.load_library(sys.argv[1]); m = torch.jit.load(sys.argv[2])\n"
        "assert not m.training\n"
        "torch.save(m(torch.load(sys.argv[3])), sys.argv[4])"
    )
    out = path.with_suffix(".out")
    subprocess.run([sys.executable, "-c", code, str(OPS), str(path), str(inputs), str(out)], check=True, timeout=300)
    return torch.load(out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models")
    models.save(models.Mlp(), path / "mlp.pt", **{"notes.txt": "kept"})
    models.save(models.Mlp(1024), path / "wide.pt")
    models.save(models.Nested(), path / "nested.pt")
    models.save(models.Pictures(), path / "pictures.pt")
    torch.manual_seed(1)
    torch.save(torch.randn(9, 64), path / "x.pt")
    torch.save(torch.randn(1, 1024), path / "wide_x.pt")
    torch.save((torch.randn(3, 32), [torch.randn(3, 32)]), path / "two.pt")
    run(path / "mlp.pt", "-o", path / "mlp8.pt", "--quiet")
    return path


# ---- quantizing


def test_the_result_loads_in_plain_torch_and_computes_the_same(folder: Path) -> None:
    x = torch.load(folder / "x.pt")
    expected = torch.jit.load(folder / "mlp.pt")(x)
    got = python_forward(folder / "mlp8.pt", folder / "x.pt")
    error = (got - expected).norm() / expected.norm()
    assert 0 < error < 0.02


def test_extra_files_survive_and_vqt_json_is_read_by_torch(folder: Path) -> None:
    torch.ops.load_library(str(OPS))
    extra = {"notes.txt": "", "vqt.json": ""}
    torch.jit.load(folder / "mlp8.pt", _extra_files=extra)
    assert extra["notes.txt"] in ("kept", b"kept")
    table = json.loads(extra["vqt.json"])
    assert [s["name"] for s in table["sites"]] == MLP_SITES
    assert [s["action"] for s in table["sites"]] == ["float", "quantized", "quantized", "float"]
    assert table["sites"][1]["scheme"] == "w8a8" and table["sites"][1]["weight_sqnr_db"] > 35
    assert table["sites"][0]["weight_sqnr_db"] is None and table["sites"][0]["reason"]


def test_checksums_in_vqt_json_are_those_of_the_records(folder: Path) -> None:
    checksums = vqt_json(folder / "mlp8.pt")["checksums"]
    with zipfile.ZipFile(folder / "mlp8.pt") as archive:
        names = archive.namelist()
        assert names[-1].endswith("/extra/vqt.json")
        assert len(checksums) == len(names) - 1
        for name in names[:-1]:
            assert int(checksums[name.split("/", 1)[1]], 16) == zlib.crc32(archive.read(name)), name


def test_the_result_on_stdout_names_sizes_and_the_file(folder: Path, tmp_path: Path) -> None:
    done = run(folder / "mlp.pt", "-o", tmp_path / "q.pt")
    assert done.stdout.splitlines()[0] == "2 of 4 sites quantized: 2 w8a8"
    assert done.stdout.splitlines()[-1] == str(tmp_path / "q.pt")
    assert "weight SQNR: median" in done.stdout and "peak memory" in done.stdout
    assert "writing" in done.stderr and "\r" not in done.stderr
    quiet = run(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--quiet")
    assert quiet.stderr == "" and quiet.stdout.splitlines()[0] == done.stdout.splitlines()[0]


class Convolved(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches, self.words = torch.nn.Conv2d(3, 32, 4, 4), torch.nn.Embedding(10, 32)
        self.a, self.b, self.c = (torch.nn.Linear(32, 32) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(self.b(self.a(self.patches(x).flatten(2).transpose(1, 2) + self.words.weight[0])))


def test_what_stays_in_floating_point_is_said_with_its_largest_tensors(tmp_path: Path) -> None:
    models.save(Convolved(), tmp_path / "m.pt")
    done = run(tmp_path / "m.pt", "-o", tmp_path / "q.pt", "--skip-first-last", "false", "--quiet")
    # 4 bytes each: 32 x 3 x 4 x 4 weights of the convolution, 10 x 32 of the embedding, 4 biases of 32.
    assert "of it in floating point: 7.94 kB (patches.weight 6.14 kB, words.weight 1.28 kB, 4 more)" in done.stdout


def test_a_training_mode_archive_gives_an_eval_mode_one(tmp_path: Path) -> None:
    module = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.Dropout(0.9), torch.nn.Linear(16, 16)).train())
    module.save(str(tmp_path / "train.pt"))
    run(tmp_path / "train.pt", "-o", tmp_path / "q.pt", "--skip-first-last", "false")
    torch.ops.load_library(str(OPS))
    assert not torch.jit.load(tmp_path / "q.pt").training


def test_nothing_to_quantize_writes_nothing(tmp_path: Path) -> None:
    models.save(torch.nn.Conv2d(3, 8, 3), tmp_path / "conv.pt")
    message = refused(tmp_path / "conv.pt", "-o", tmp_path / "q.pt", code=1)
    assert "no Linear layer to quantize: the model is a CNN (1 convolution, no product that reads a parameter)" in message
    assert not (tmp_path / "q.pt").exists()


def test_a_quantized_archive_is_refused(folder: Path, tmp_path: Path) -> None:
    assert "is already quantized" in refused(folder / "mlp8.pt", "-o", tmp_path / "q.pt", code=1)
    assert "is already quantized" in refused(folder / "mlp8.pt", "--dry-run", "--bits", 4, code=1)


# ---- config, preset and field flags


def test_every_field_has_a_flag_in_both_spellings(folder: Path) -> None:
    values = {
        "name": "mine", "quant-type": "int4_group", "bits": "4", "symmetric": "false", "group-size": "32",
        "skip-first-last": "false", "activation": "none", "activation-symmetric": "true", "calibration-samples": "7",
        "calibration-method": "minmax", "device": "cpu", "ignore": "blocks.1", "attention": "int8",
        "convolutions": "float",
    }  # fmt: skip
    flags = [f for name, value in values.items() for f in ("--" + name, value)]
    underscores = ["--" + f[2:].replace("-", "_") if f.startswith("--") else f for f in flags]
    plan = run(folder / "mlp.pt", "--list", "--quiet", *flags).stdout
    assert run(folder / "mlp.pt", "--list", "--quiet", *underscores).stdout == plan
    assert "w4a16-g32" in plan


def test_underscores_with_an_equals_sign(folder: Path) -> None:
    flags = ["--skip_first_last=false", "--group_size=64", "--ignore=no_such,blocks.3"]
    assert '"no_such" matches no layer' in refused(folder / "mlp.pt", "--list", "--quiet", *flags)
    assert listed(folder / "mlp.pt", *flags[:2])["blocks.0"]["scheme"] == "w4a8-g64"


def test_flags_override_a_preset_and_a_file(folder: Path, tmp_path: Path) -> None:
    assert {s["scheme"] for s in listed(folder / "mlp.pt", "--preset", "mobile").values()} == {"float32", "w4a8-g64"}
    assert {s["scheme"] for s in listed(folder / "mlp.pt", "--preset", "mobile", "--group-size", 32).values()} == {"float32", "w4a8-g32"}
    config = tmp_path / "c.json"
    config.write_text(json.dumps({"quant_type": "int4_group", "group_size": 32, "skip_first_last": False}))
    assert {s["scheme"] for s in listed(folder / "mlp.pt", "--config", config).values()} == {"w4a8-g32"}
    assert {s["scheme"] for s in listed(folder / "mlp.pt", "--config", config, "--bits", 8).values()} == {"w8a8"}


def test_lists_by_comma_and_by_repetition(folder: Path) -> None:
    comma = listed(folder / "mlp.pt", "--ignore", "blocks.1,blocks.2", "--skip-first-last", "false")
    repeated = listed(folder / "mlp.pt", "--ignore", "blocks.1", "--ignore", "blocks.2", "--skip-first-last", "false")
    assert comma == repeated
    assert [s["action"] for s in comma.values()] == ["quantized", "float", "float", "quantized"]


def test_a_list_flag_does_not_swallow_the_archive(folder: Path) -> None:
    done = run("--list", "--quiet", "--ignore", "blocks.1", folder / "mlp.pt")
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    "flags, expected",
    [
        (["--no-such-flag"], "--no-such-flag: no such flag; nearest: "),
        (["--group_sizes", "64"], "--group-sizes: no such flag; nearest: --group-size"),
        (["--bits", "5"], "--bits"),
        (["--bits"], "--bits"),
        (["--symmetric", "maybe"], "--symmetric"),
        (["--bits", "8", "--group-size", "64"], "--group"),
        (["--preset", "fast"], "production"),
        (["--preset", "mobile", "--config", "c.json"], "--preset: cannot be combined with --config"),
        (["--config", "/nowhere/c.json"], "/nowhere/c.json"),
        (["--ignore", "blocks.77"], "blocks.77"),
        (["--json"], "--json: goes with --list"),
        (["--list", "--dry-run"], "only one of them at a time"),
        (["--repack", "--bits", "4"], "--repack: repacks the file's own weights and takes no --config, --preset or field flags"),
        (["--list", "--verify"], "--verify: only when quantizing"),
        (["--dry-run", "--inputs", "x.pt"], "--inputs: only when quantizing"),
        (["--min-cosine", "2"], "--min-cosine: expected a number from -1 to 1, got 2"),
        (["--min-cosine", "much"], "--min-cosine"),
        (["--max-drop", "1"], "--max-drop: not in this version"),
        (["--speed-guard"], "--speed-guard: needs --inputs FILE to measure the layers on"),
        (["--list", "--speed_guard"], "--speed-guard: only when quantizing"),
        (["second.pt"], '"second.pt": expected one IN.pt, this is one more argument'),
        (["--activation", "static"], "--activation static: needs --calibration DIR"),
        (["--calibration", "/nowhere"], "--calibration: only --activation static is calibrated"),
        (["--activation", "static", "--calibration", "/nowhere"], "/nowhere: expected a folder of images"),
    ],
)  # fmt: skip
def test_bad_usage_is_exit_code_2_and_names_the_culprit(folder: Path, tmp_path: Path, flags: list[str], expected: str) -> None:
    output = [] if "--list" in flags or "--dry-run" in flags else ["-o", tmp_path / "q.pt"]
    assert expected in refused(folder / "mlp.pt", *output, *flags)
    assert not (tmp_path / "q.pt").exists()


def test_bad_config_content_is_exit_code_2(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.json"
    for text, expected in [
        ('{"quant_tipe": "int4_group"}', "quant_type"),
        ('{"bits": 8, "group_size": 64}', "group_size"),
        ("{", "c.json"),
        ('{"ignore": ["nothing_like_it"]}', "nothing_like_it"),
    ]:
        config.write_text(text)
        assert expected in refused(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--config", config)


def test_a_presets_alias_is_the_preset(folder: Path, tmp_path: Path) -> None:
    for name in ("mobile", "int4-g64"):
        run(folder / "mlp.pt", "-o", tmp_path / f"{name}.pt", "--preset", name, "--quiet")
    ours, same = vqt_json(tmp_path / "int4-g64.pt"), vqt_json(tmp_path / "mobile.pt")
    assert (ours["config"], ours["sites"]) == (same["config"], same["sites"])
    assert same["config"]["name"] == "mobile"


def test_missing_arguments(folder: Path) -> None:
    assert "IN.pt: expected the path of the TorchScript file to read" in refused()
    assert "-o: expected the path of the TorchScript file to write" in refused(folder / "mlp.pt")
    assert "-o: expected the path of the TorchScript file to write" in refused(folder / "mlp8.pt", "--repack")


def test_help_names_every_field_with_its_default(folder: Path) -> None:
    done = run("--help")
    assert done.stderr == ""
    for flag, default in [("--group-size", "[128]"), ("--skip-first-last", "[true]"), ("--calibration-samples", "[100]"),
                          ("--num-bits", "4|8|16"), ("--min-cosine", "[0.9]"), ("--preset", "int8-asym"),
                          ("--preset", "int8-per-tensor")]:  # fmt: skip
        assert flag in done.stdout and default in done.stdout
    assert run("--version").stdout.startswith("vqt-quantize 0.")


# ---- OUT


def test_out_equal_to_in_is_refused_through_any_name(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    shutil.copy(folder / "mlp.pt", path)
    before = path.read_bytes()
    (tmp_path / "soft.pt").symlink_to(path)
    os.link(path, tmp_path / "hard.pt")
    for out in [path, tmp_path / "soft.pt", tmp_path / "hard.pt", tmp_path / "." / ".." / tmp_path.name / "m.pt"]:
        assert "is the same file as IN" in refused(path, "-o", out)
    assert path.read_bytes() == before


def test_a_missing_folder_is_said_before_any_work(folder: Path, tmp_path: Path) -> None:
    message = refused(folder / "mlp.pt", "-o", tmp_path / "no" / "q.pt")
    assert f"-o {tmp_path}/no/q.pt: the folder {tmp_path}/no does not exist" in message
    assert "is a folder; expected the path of a file" in refused(folder / "mlp.pt", "-o", tmp_path)


def on_a_disk_of(megabytes: str, script: str) -> list[str]:
    """A command that runs script with a small file system at /mnt, which ends with it. Skips where that is not allowed."""
    mounted = ["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size={megabytes} none /mnt && {script}"]
    if subprocess.run([*mounted[:-1], mounted[-1].split(" && ")[0]], capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    return mounted


def test_a_disk_that_is_too_small_is_said_before_any_work(folder: Path, tmp_path: Path) -> None:
    models.save(models.Mlp(512, 3), tmp_path / "m.pt")
    done = subprocess.run(on_a_disk_of("500k", f"{BINARY} {tmp_path}/m.pt -o /mnt/q.pt; code=$?; ls -A /mnt; exit $code"),
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    found = re.fullmatch(r"vqt-quantize: error: /mnt/q.pt: about (\d+) bytes are to be written, (\d+) are free in /mnt\n", done.stderr)
    assert found, done.stderr
    run(tmp_path / "m.pt", "-o", tmp_path / "q.pt")
    assert int(found[1]) == pytest.approx((tmp_path / "q.pt").stat().st_size, rel=0.05)
    assert int(found[2]) == 500 * 1024


def test_a_file_that_may_not_grow_is_an_error_that_names_it(folder: Path, tmp_path: Path) -> None:
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))  # noqa: E731
    done = run(folder / "mlp.pt", "-o", tmp_path / "q.pt", code=1, preexec_fn=limit)
    assert f"vqt-quantize: error: {tmp_path}/q.pt: writing failed after 10000 bytes: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_out_is_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "q.pt").write_text("old")
    run(folder / "mlp.pt", "-o", tmp_path / "q.pt")
    assert vqt_json(tmp_path / "q.pt")["version"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["q.pt"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_the_old_file_whole(tmp_path: Path, number: signal.Signals) -> None:
    models.save(models.Mlp(2048, 12), tmp_path / "large.pt")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/q.pt").write_text("old")
    arguments = [str(BINARY), str(tmp_path / "large.pt"), "-o", str(tmp_path / "out/q.pt"), "--activation", "none", "--quiet"]
    process = subprocess.Popen(arguments)
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "out").iterdir())) == 1 and process.poll() is None:  # until the unfinished file is there
        assert time.monotonic() < deadline
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(60) == -number
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["q.pt"]
    assert (tmp_path / "out/q.pt").read_text() == "old"


# ---- --list, --dry-run


def test_list_prints_one_line_per_site_name_first(folder: Path) -> None:
    lines = run(folder / "mlp.pt", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == MLP_SITES
    assert lines[0].split()[1:] == ["[64,", "64]", "float32", "16384", "bytes"]


def test_list_with_config_flags_shows_the_plan(folder: Path) -> None:
    lines = run(folder / "mlp.pt", "--list", "--preset", "smallest").stdout.splitlines()
    assert "-> w4a8-g128" in lines[1] and "16384 -> " in lines[1]
    assert "->" not in lines[0] and "first" in lines[0]


def test_list_of_a_quantized_archive(folder: Path) -> None:
    lines = run(folder / "mlp8.pt", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == MLP_SITES
    assert [line.split()[3] for line in lines] == ["float32", "w8a8", "w8a8", "float32"]
    done = run(folder / "mlp8.pt", "--list", "--bits", 4)
    assert "warning" in done.stderr and done.stdout.splitlines() == lines


def test_list_json_is_pure_json_of_the_same_sites(folder: Path) -> None:
    done = run(folder / "mlp.pt", "--list", "--json")
    sites = json.loads(done.stdout)
    assert [s["name"] for s in sites] == MLP_SITES
    assert sites[1] | {"reason": ""} == {
        "name": "blocks.1", "kind": "linear", "shape": [64, 64], "action": "float", "scheme": "float32", "reason": "", "calls": 1,
        "bytes_before": 16384, "bytes_after": 16384, "weight_sqnr_db": None,
    }  # fmt: skip
    assert list(listed(folder / "mlp8.pt")) == MLP_SITES


def test_listing_a_quantized_archive_without_vqt_json(folder: Path, tmp_path: Path) -> None:
    torch.ops.load_library(str(OPS))
    torch.jit.load(folder / "mlp8.pt").save(str(tmp_path / "again.pt"))
    again, ours = listed(tmp_path / "again.pt"), listed(folder / "mlp8.pt")
    for name in MLP_SITES:
        for key in ("shape", "action", "scheme", "calls", "bytes_after"):
            assert again[name][key] == ours[name][key], (name, key)


@pytest.mark.parametrize("preset", ["production", "mobile", "prototype", "int16", "int8-asym", "smallest"])
def test_dry_run_predicts_what_is_written(folder: Path, tmp_path: Path, preset: str) -> None:
    done = run(folder / "mlp.pt", "--dry-run", "--preset", preset)
    assert "nothing was written" in done.stdout
    planned = listed(folder / "mlp.pt", "--preset", preset)
    run(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--preset", preset, "--quiet")
    written = {s["name"]: s for s in vqt_json(tmp_path / "q.pt")["sites"]}
    for name in MLP_SITES:
        assert planned[name]["bytes_after"] == written[name]["bytes_after"]
        assert planned[name]["scheme"] == written[name]["scheme"]
        assert f"{written[name]['bytes_after']} bytes" in done.stdout
    predicted = int(done.stdout.split(" bytes)")[0].split(" -> ")[-1])
    # vqt.json, code and alignment come on top: a few kB, which a model of any size takes
    assert abs((tmp_path / "q.pt").stat().st_size - predicted) < 20_000


def test_an_older_name_of_a_preset_is_taken_with_a_note(folder: Path) -> None:
    done = run(folder / "mlp.pt", "--dry-run", "--preset", "max-accuracy")
    assert "vqt-quantize: warning: preset max-accuracy: is int16, the most accurate preset" in done.stderr
    assert done.stdout == run(folder / "mlp.pt", "--dry-run", "--preset", "int16").stdout


def test_listing_does_not_read_large_weights(tmp_path: Path) -> None:
    models.save(models.Mlp(2048, 3), tmp_path / "large.pt")
    data = bytearray((tmp_path / "large.pt").read_bytes())
    data[len(data) // 2] ^= 1  # inside a weight of 16 MiB
    (tmp_path / "large.pt").write_bytes(data)
    assert len(listed(tmp_path / "large.pt")) == 3
    run(tmp_path / "large.pt", "--dry-run")
    assert "expected CRC-32" in refused(tmp_path / "large.pt", "-o", tmp_path / "q.pt", code=1)


# ---- --verify, --inputs


def test_verify_prints_each_output(folder: Path, tmp_path: Path) -> None:
    done = run(folder / "nested.pt", "-o", tmp_path / "q.pt", "--verify", "--inputs", folder / "two.pt")
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()[1:4]}
    assert set(rows) == {"0", "1.double", "1.sum"}
    assert 0.99 < float(rows["0"][3]) < 1 and float(rows["1.double"][1]) == pytest.approx(2 * float(rows["0"][1]), rel=1e-2)


def test_verify_numbers_are_those_of_torch(folder: Path, tmp_path: Path) -> None:
    done = run(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--verify", "--inputs", folder / "x.pt")
    expected = torch.jit.load(folder / "mlp.pt")(torch.load(folder / "x.pt")).double()
    got = python_forward(tmp_path / "q.pt", folder / "x.pt").double()
    name, mae, largest, cosine, sqnr = done.stdout.splitlines()[1].split()
    assert name == "output"
    assert float(mae) == pytest.approx((got - expected).abs().mean().item(), rel=1e-2)
    assert float(largest) == pytest.approx((got - expected).abs().max().item(), rel=1e-2)
    assert float(cosine) == pytest.approx(torch.cosine_similarity(got.flatten(), expected.flatten(), 0).item(), abs=1e-6)
    assert float(sqnr) == pytest.approx(10 * (expected.square().sum() / (got - expected).square().sum()).log10().item(), abs=0.06)


def test_inputs_have_every_site_measured(folder: Path, tmp_path: Path) -> None:
    done = run(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--inputs", folder / "x.pt")
    site = vqt_json(tmp_path / "q.pt")["sites"][1]
    assert site["output_sqnr_db"] > 30 and site["ms_float"] > 0 and site["ms_quantized"] > 0
    assert "on --inputs: output SQNR median" in done.stdout
    assert "output_sqnr_db" not in vqt_json(folder / "mlp8.pt")["sites"][1]


def test_the_speed_guard_keeps_slower_sites_float(folder: Path, tmp_path: Path) -> None:
    """Groups of 7 run on the reference kernel: hundreds of times slower than float, on any machine."""
    flags = ["--inputs", folder / "wide_x.pt", "--speed-guard", "--skip-first-last", "false"]
    slow = ["--overrides", '[{"targets": ["blocks.1", "blocks.2"], "bits": 4, "group_size": 7}]']
    done = run(folder / "wide.pt", "-o", tmp_path / "q.pt", *flags, *slow)
    table = {site["name"]: site for site in vqt_json(tmp_path / "q.pt")["sites"]}
    for site in table.values():
        assert (site["action"] == "float") == (site["ms_quantized"] > site["ms_float"]), site
    assert listed(tmp_path / "q.pt") == table
    kept = table["blocks.1"]
    assert kept["action"] == "float" and kept["scheme"] == "float32" and kept["bytes_after"] == kept["bytes_before"]
    times = re.fullmatch(r"slower than float here: ([0-9.]+) ms against ([0-9.]+) ms", kept["reason"])
    assert float(times[1]) == pytest.approx(kept["ms_quantized"], rel=0.05)
    assert float(times[2]) == pytest.approx(kept["ms_float"], rel=0.05)
    assert "kept in floating point: slower than float here: blocks.1, blocks.2" in done.stdout
    everything = run(folder / "wide.pt", "-o", tmp_path / "none.pt", *flags, "--bits", 4, "--group-size", 7, code=1)
    assert "no Linear layer to quantize\n" in everything.stderr and "slower than float here: " in everything.stderr
    assert not (tmp_path / "none.pt").exists()


def test_groups_without_a_fast_kernel_warn_with_the_flag_that_helps(folder: Path, tmp_path: Path) -> None:
    slow = "the reference kernel, many times slower than in floating point: group_size 20 is not a multiple of 8 (--group-size 16 is)"
    assert slow in run(folder / "wide.pt", "-o", tmp_path / "q.pt", "--group-size", 20).stderr
    assert any(slow in warning for warning in vqt_json(tmp_path / "q.pt")["warnings"])
    for flags in (["--preset", "mobile"], ["--group-size", 48], ["--group-size", 100000]):
        assert "reference kernel" not in run(folder / "wide.pt", "-o", tmp_path / "q.pt", *flags).stderr


def test_verify_without_inputs_uses_a_random_picture(folder: Path, tmp_path: Path) -> None:
    done = run(folder / "pictures.pt", "-o", tmp_path / "q.pt", "--verify", "--preset", "prototype")
    assert {"pose", "depth"} <= {line.split()[0] for line in done.stdout.splitlines() if line.strip()}


def test_verify_asks_for_inputs_where_the_random_one_does_not_fit(folder: Path, tmp_path: Path) -> None:
    for name in ("mlp.pt", "nested.pt"):
        message = refused(folder / name, "-o", tmp_path / "q.pt", "--verify", "--quiet", code=1)
        assert "does not take the random input float32 [1, 2, 3, 392, 518]" in message and "pass --inputs FILE" in message
        assert not (tmp_path / "q.pt").exists()


def test_verify_below_the_limit_fails_and_writes_nothing(folder: Path, tmp_path: Path) -> None:
    done = run(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--verify", "--inputs", folder / "x.pt", "--min-cosine", 1, code=1)
    assert "is below 1" in done.stderr and "output" in done.stdout
    assert not (tmp_path / "q.pt").exists()


def test_verify_fails_on_nan(folder: Path, tmp_path: Path) -> None:
    torch.save(torch.full((2, 64), float("nan")), tmp_path / "nan.pt")
    done = run(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--verify", "--inputs", tmp_path / "nan.pt", code=1)
    assert "NaN" in done.stderr and not (tmp_path / "q.pt").exists()


def test_inputs_that_are_no_inputs(folder: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "dict.pt")
    torch.save(torch.ones(3, 7), tmp_path / "wrong.pt")
    (tmp_path / "text.pt").write_text("hello")
    arguments = [folder / "mlp.pt", "-o", tmp_path / "q.pt", "--verify", "--quiet", "--inputs"]
    assert "(a tensor, or a tuple or list of forward's arguments), got Dict" in refused(*arguments, tmp_path / "dict.pt", code=1)
    assert "forward fails on it: mat1 and mat2" in refused(*arguments, tmp_path / "wrong.pt", code=1)
    assert "not a zip file" in refused(*arguments, tmp_path / "text.pt", code=1)
    assert "got a TorchScript file" in refused(*arguments, folder / "mlp.pt", code=1)
    assert "No such file" in refused(*arguments, tmp_path / "none.pt", code=1)


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: (x,), lambda x: [x]])
def test_inputs_as_tensor_tuple_and_list(folder: Path, tmp_path: Path, wrap) -> None:
    torch.save(wrap(torch.load(folder / "x.pt")), tmp_path / "x.pt")
    run(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--verify", "--inputs", tmp_path / "x.pt")


# ---- archives that are refused


def test_damaged_archives(folder: Path, tmp_path: Path) -> None:
    good = (folder / "mlp8.pt").read_bytes()
    path = tmp_path / "bad.pt"
    path.write_bytes(good[: len(good) // 2])
    assert "the copy is probably cut short" in refused(path, "--list", code=1)
    with zipfile.ZipFile(folder / "mlp8.pt") as archive:
        largest = max(archive.infolist(), key=lambda record: record.file_size)
    damaged = bytearray(good)
    damaged[largest.header_offset + 1000] ^= 0x80
    path.write_bytes(damaged)
    assert f"{largest.filename.split('/', 1)[1]}: expected CRC-32" in refused(path, "--repack", "-o", tmp_path / "q.pt", code=1)
    assert "No such file or directory" in refused(tmp_path / "none.pt", "--list", code=1)
    assert "this is a folder" in refused(tmp_path, "--list", code=1)


def test_an_eager_checkpoint_is_told_how_to_become_an_archive(tmp_path: Path) -> None:
    torch.save(models.Mlp().state_dict(), tmp_path / "state.pt")
    message = refused(tmp_path / "state.pt", "--list", code=1)
    assert "a checkpoint written by torch.save" in message and "examples/vggt/export.py" in message


# ---- --repack


def test_repack_keeps_table_extra_files_and_results(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.pt"
    done = run(folder / "mlp8.pt", "--repack", "-o", out)
    assert done.stdout.splitlines()[-1] == str(out)
    before, after = vqt_json(folder / "mlp8.pt"), vqt_json(out)
    assert after["config"] == before["config"] and after["sites"] == before["sites"]
    extra = {"notes.txt": ""}
    torch.ops.load_library(str(OPS))
    torch.jit.load(out, _extra_files=extra)
    assert extra["notes.txt"] in ("kept", b"kept")
    assert torch.equal(python_forward(out, folder / "x.pt"), python_forward(folder / "mlp8.pt", folder / "x.pt"))
    assert "is not quantized" in refused(folder / "mlp.pt", "--repack", "-o", out, code=1)


# ---- --fusions


def test_fusions_are_chosen_counted_and_kept(folder: Path, tmp_path: Path) -> None:
    every = ["activation", "residual", "rotary", "attention_prologue", "shared_input", "layer_norm", "static_output",
             "convolution", "resize"]
    made = {}
    for flags, names in (([], every), (["--fusions", "none"], []), (["--fusions", "layer_norm,activation"], ["activation", "layer_norm"])):
        done = run(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--skip-first-last", "false", *flags)
        made = vqt_json(tmp_path / "q.pt")["fusions_made"]
        assert list(made) == names
        line = "fusions: " + ", ".join(f"{count} {name}" for name, count in made.items())
        assert (line in done.stdout.splitlines()) == bool(names)
        assert ("fusions" in vqt_json(tmp_path / "q.pt")["config"]) == bool(flags)
        if made:
            assert sum(made.values()) > 0
    run(tmp_path / "q.pt", "--repack", "-o", tmp_path / "r.pt")
    assert vqt_json(tmp_path / "r.pt")["fusions_made"] == made
    error = refused(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--fusions", "layernorm", code=2)
    assert "--fusions: expected one of all, none, activation" in error and "nearest: layer_norm" in error


def test_fusions_that_were_not_made_have_a_reason(folder: Path, tmp_path: Path) -> None:
    done = run(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--activation", "none")
    left = vqt_json(tmp_path / "q.pt")["fusions_left"]
    reason = "its linear layer computes in floating point or is not packed for the CPU"
    assert left["activation"][reason] > 0
    lines = [f"  {count} {name} not made: {why}" for name, reasons in left.items() for why, count in reasons.items()]
    assert [line for line in done.stdout.splitlines() if " not made: " in line] == lines
    run(tmp_path / "q.pt", "--repack", "-o", tmp_path / "r.pt")
    assert vqt_json(tmp_path / "r.pt")["fusions_left"] == left


# ---- --activation static


def test_static_from_several_inputs(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(2)
    torch.save(torch.randn(5, 64) * 3, tmp_path / "more.pt")
    files = [str(folder / "x.pt"), str(tmp_path / "more.pt")]
    flags = ["--activation", "static", *(word for file in files for word in ("--inputs", file))]
    done = run(folder / "mlp.pt", "-o", tmp_path / "q.pt", *flags, "--verify")
    lines = done.stdout.splitlines()
    assert [lines[0], lines[3]] == [f"{file}:" for file in files]  # a table for each
    assert float(lines[2].split()[3]) > 0.99 and float(lines[5].split()[3]) > 0.99
    assert f"calibration: 2 forward passes of [9, 64] and [5, 64], {files[0]}, {files[1]}" in lines
    assert vqt_json(tmp_path / "q.pt")["calibration"] == {"batches": 2, "shapes": [[9, 64], [5, 64]], "files": files}
    run(folder / "mlp.pt", "-o", tmp_path / "one.pt", *flags, "--calibration-samples", 1, "--quiet")
    assert vqt_json(tmp_path / "one.pt")["calibration"] == {"batches": 1, "shapes": [[9, 64]], "files": files[:1]}
    torch.save(torch.randn(5, 63), tmp_path / "wrong.pt")
    message = refused(folder / "mlp.pt", "-o", tmp_path / "q.pt", *flags, "--inputs", tmp_path / "wrong.pt", "--verify", "--quiet", code=1)
    assert f"--inputs {tmp_path / 'wrong.pt'}: the float model's forward fails on it" in message


def test_what_calibrated_is_kept_by_repack_and_absent_elsewhere(folder: Path, tmp_path: Path) -> None:
    run(folder / "mlp.pt", "-o", tmp_path / "q.pt", "--activation", "static", "--inputs", folder / "x.pt", "--quiet")
    run(tmp_path / "q.pt", "--repack", "-o", tmp_path / "r.pt", "--quiet")
    assert vqt_json(tmp_path / "r.pt")["calibration"] == vqt_json(tmp_path / "q.pt")["calibration"] != {}
    assert "calibration" not in vqt_json(folder / "mlp8.pt")


def test_static_from_a_folder_of_images(folder: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    from PIL import Image

    generator = torch.Generator().manual_seed(0)
    for i in range(3):
        pixels = torch.randint(0, 256, (70, 98, 3), dtype=torch.uint8, generator=generator)
        Image.fromarray(pixels.numpy()).save(photos / f"{i}.png")
    flags = ["--activation", "static", "--calibration", photos, "--preset", "prototype"]
    run(folder / "pictures.pt", "-o", tmp_path / "q.pt", *flags, "--calibration_samples", 2)
    assert "w8a8" in vqt_json(tmp_path / "q.pt")["sites"][1]["scheme"]  # behind the patch embedding
    (tmp_path / "empty").mkdir()
    message = refused(folder / "pictures.pt", "-o", tmp_path / "q.pt", "--activation", "static", "--calibration",
                      tmp_path / "empty", "--quiet", code=1)  # fmt: skip
    assert str(tmp_path / "empty") in message


def test_calibration_images_are_fed_as_the_flags_say(folder: Path, tmp_path: Path) -> None:
    """Checked on the range of the first layer: Range passes on what it is fed."""
    from PIL import Image

    class Range(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.ModuleList(torch.nn.Linear(28, 28) for _ in range(3))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            assert images.dim() == 4 and images.size(2) == 28 and images.size(3) == 28
            x = images
            for layer in self.layers:
                x = layer(x)
            return x

    models.save(Range(), tmp_path / "range.pt")
    photos = tmp_path / "photos"
    photos.mkdir()
    pixels = torch.arange(256, dtype=torch.uint8).repeat(3).view(16, 48).unsqueeze(2).repeat(1, 1, 3)
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels.numpy()).save(photos / name)
    (photos / "c.heic").write_bytes(b"")
    flags = ["--activation", "static", "--skip-first-last", "false", "--fusions", "none", "--calibration", photos]
    fed = ["--image-size", 28, "--preprocess", "pad", "--mean", "0.5,0.25,0", "--std", 0.25, 0.5, 1]
    done = run(tmp_path / "range.pt", "-o", tmp_path / "q.pt", *flags, *fed)
    said = "calibration: 2 forward passes of [1, 3, 28, 28], 2 images of {}: pad at image size 28, bchw, mean 0.5,0.25,0, std 0.25,0.5,1"
    assert said.format(photos) in done.stdout.splitlines()
    assert f"1 image (c.heic) of {photos} left out" in done.stderr
    assert vqt_json(tmp_path / "q.pt")["calibration"] == {
        "batches": 2, "shapes": [[1, 3, 28, 28]], "files": ["a.png", "b.png"], "folder": str(photos),
        "images": {"image_size": 28, "layout": "bchw", "mean": [0.5, 0.25, 0.0], "preprocess": "pad", "std": [0.25, 0.5, 1.0]},
    }  # fmt: skip
    torch.ops.load_library(str(OPS))
    layers = dict(torch.jit.load(tmp_path / "q.pt").named_modules())
    scale = layers["layers.0"].weight_x_scale
    assert scale == pytest.approx((2 + 2) / 255, rel=0.02)  # red: from (0 - 0.5) / 0.25 to (1 - 0.5) / 0.25
    message = refused(tmp_path / "range.pt", "-o", tmp_path / "q.pt", *flags, *fed, "--input-layout", "bshw", "--quiet", code=1)
    assert "--calibration: the model does not accept a 28 x 28 image" in message and "as [1, 1, 3, 28, 28]: " in message
