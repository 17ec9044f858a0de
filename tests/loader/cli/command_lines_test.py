"""What both programs answer to command lines they cannot use: the whole of stderr, the exit code, nothing on stdout."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("VQT_BUILD_DIR", ROOT / "build")) / "bin"

PRESETS = "production, mobile (or int4-g64), prototype (or int8-per-tensor), int16, int8-asym, smallest"
ONE_OR_MORE = "expected an integer of at least 1, got"
QUANTIZING = "only when quantizing, not with --list, --dry-run or --repack"
EVAL = ["--reference", "m.pt", "--image-folder", "photos"]
OUT = ["m.pt", "-o", "q.pt"]

# How images become a model's input: flags of both programs.
IMAGE_FLAGS = [
    (["--preprocess", "foo"], '--preprocess: expected one of crop, pad, got "foo"; nearest: crop'),
    (["--preprocess", "1"], '--preprocess: expected one of crop, pad, got "1"; nearest: pad'),
    (["--image_size", "500"], "--image-size: expected a multiple of 14, got 500"),
    (["--image-size", "-14"], "--image-size: expected a multiple of 14, got -14"),
    (["--input-layout", "hwc"], '--input-layout: expected one of bshw, bchw, got "hwc"; nearest: bshw'),
    (["--mean", "1,2"], '--mean: expected three finite numbers R,G,B, got "1,2"'),
    (["--mean", "nan,0,0"], '--mean: expected three finite numbers R,G,B, got "nan,0,0"'),
    (["--mean", "0", "0", "x"], '--mean: expected three finite numbers R,G,B, got "0,0,x"'),
    (["--std", "1,1,1,1"], '--std: expected three finite numbers R,G,B, got "1,1,1,1"'),
    (["--std", "1,0,1"], "--std: expected numbers other than 0, got 1,0,1"),
]  # fmt: skip

QUANTIZE_LINES = [
    ([], "IN.pt: expected the path of the TorchScript file to read, got none (see --help)"),
    (["m.pt"], "-o: expected the path of the TorchScript file to write (-o OUT.pt), got none"),
    (["m.pt", "--repack"], "-o: expected the path of the TorchScript file to write (-o OUT.pt), got none"),
    (["m.pt", "n.pt"], '"n.pt": expected one IN.pt, this is one more argument (see --help)'),
    ([""], 'IN.pt: expected the path of a TorchScript file, got ""'),
    (["m.pt", "-o"], "-o: expected the path of a file, got no value"),
    (["m.pt", "--output", ""], '-o: expected the path of a file, got ""'),
    (["m.pt", "-o", "a.pt", "--output=b.pt"], "-o: given twice; expected it once"),
    ([*OUT, "--config"], "--config: expected the path of a file, got no value"),
    ([*OUT, "--config="], '--config: expected the path of a file, got ""'),
    ([*OUT, "--config", "a", "--config", "b"], "--config: given twice; expected it once"),
    ([*OUT, "--config", "/nowhere/c.json"], "/nowhere/c.json: cannot be read: No such file or directory"),
    ([*OUT, "--preset"], "--preset: expected the name of a preset, got no value"),
    ([*OUT, "--preset", "smalest"], f'--preset: expected one of {PRESETS}, got "smalest"; nearest: smallest'),
    ([*OUT, "--preset", "mobile", "--config", "c"], "--preset: cannot be combined with --config; flags override either"),
    ([*OUT, "--load-library"], "--load-library: expected the path of a shared library, got no value"),
    ([*OUT, "--load_library="], '--load-library: expected the path of a shared library, got ""'),
    (["--completion"], "--completion: expected one of bash, zsh, got no value"),
    (["--completion", "fish"], '--completion: expected one of bash, zsh, got "fish"; nearest: bash'),
    ([*OUT, "--list=yes"], '--list: expected no value, got "yes"'),
    ([*OUT, "--quiet=yes"], '--quiet: expected no value, got "yes"'),
    ([*OUT, "--json"], "--json: goes with --list"),
    ([*OUT, "--frames", "1,2"], "--frames: goes with --list"),
    ([*OUT, "--max-memory", "8G"], "--max-memory: goes with --list"),
    (["m.pt", "--list", "--size", "518x392"], "--size: goes with --frames or --max-memory"),
    (["m.pt", "--list", "--frames"], "--frames: expected integers of at least 1 such as 1,2,4, got no value"),
    (["m.pt", "--list", "--frames", "1,0"], "--frames: expected an integer from 1 to 4096, got 0"),
    (["m.pt", "--list", "--frames", "1,,2"], '--frames: expected an integer from 1 to 4096, got ""'),
    (["m.pt", "--list", "--frames", "5000"], "--frames: expected an integer from 1 to 4096, got 5000"),
    (["m.pt", "--list", "--size", "518"], "--size: expected WIDTHxHEIGHT in pixels such as 518x392, got 518"),
    (["m.pt", "--list", "--size", "0x392"], '--size: expected WIDTHxHEIGHT in pixels such as 518x392, got "0x392"'),
    (["m.pt", "--list", "--max_memory", "8Q"], '--max-memory: expected a number of bytes such as 8G, 500M or 7.5GiB, got "8Q"'),
    (["m.pt", "--list", "--max-memory", "-1"], "--max-memory: expected a number of bytes such as 8G, 500M or 7.5GiB, got -1"),
    ([*OUT, "--list", "--dry_run"], "--list, --dry-run, --repack: only one of them at a time"),
    ([*OUT, "--inputs"], "--inputs: expected the path of a file, got no value"),
    ([*OUT, "--dry-run", "--inputs", "x.pt"], f"--inputs: {QUANTIZING}"),
    ([*OUT, "--list", "--verify"], f"--verify: {QUANTIZING}"),
    ([*OUT, "--list", "--speed_guard"], f"--speed-guard: {QUANTIZING}"),
    ([*OUT, "--list", "--calibration", "d"], f"--calibration: {QUANTIZING}"),
    ([*OUT, "--inputs", "a.pt", "--inputs", ""], '--inputs: expected the path of a file, got ""'),
    ([*OUT, "--image_size", "224"], "--image-size: goes with --calibration DIR, whose images it is for"),
    ([*OUT, "--preset", "mobile", "--mean", "0,0,0", "--std", "1", "1", "1"], "--mean: goes with --calibration DIR, whose images it is for"),
    *[([*OUT, "--calibration", "d", *words], message) for words, message in IMAGE_FLAGS],
    ([*OUT, "--speed-guard"], "--speed-guard: needs --inputs FILE to measure the layers on"),
    ([*OUT, "--calibration"], "--calibration: expected the path of a folder, got no value"),
    ([*OUT, "--min-cosine", "x"], '--min-cosine: expected a number from -1 to 1, got "x"'),
    ([*OUT, "--min_cosine", "2"], "--min-cosine: expected a number from -1 to 1, got 2"),
    ([*OUT, "--min-cosine=-1.5"], "--min-cosine: expected a number from -1 to 1, got -1.5"),
    ([*OUT, "--min-cosine", "nan"], '--min-cosine: expected a number from -1 to 1, got "nan"'),
    ([*OUT, "--min-cosine", "inf"], '--min-cosine: expected a number from -1 to 1, got "inf"'),
    ([*OUT, "--min-cosine", ""], '--min-cosine: expected a number from -1 to 1, got ""'),
    ([*OUT, "--min-cosine"], "--min-cosine: expected a number from -1 to 1, got no value"),
    ([*OUT, "--max-drop", "1"], "--max-drop: not in this version"),
    ([*OUT, "--group_sizes", "64"], "--group-sizes: no such flag; nearest: --group-size (see --help)"),
    ([*OUT, "-x"], "-x: no such flag; nearest: -o (see --help)"),
    ([*OUT, "--bits"], "--bits: expected one of 4, 8, 16, got no value"),
    ([*OUT, "--bits", "x"], '--bits: expected an integer, got "x"'),
    ([*OUT, "--bits", ""], '--bits: expected an integer, got ""'),
    ([*OUT, "--bits", "5"], "--bits: expected one of 4, 8, 16, got 5"),
    ([*OUT, "--bits", "4", "--bits", "8"], "--bits: expected one value, got 2"),
    ([*OUT, "--symmetric", "maybe"], '--symmetric: expected true or false, got "maybe"'),
    ([*OUT, "--bits", "8", "--group_size", "64"], "--group-size: 64 contradicts --bits 8: only 4 bits are stored in groups"),
]  # fmt: skip

EVAL_LINES = [
    ([], "--reference: expected the TorchScript file of the float model, got none (see --help)"),
    (["--reference", "m.pt"], "--image-folder: expected a folder of images, got none; give it, or --ground-truth with a scene (see --help)"),
    (["--reference"], "--reference: expected the path of a file, got no value"),
    (["--reference="], '--reference: expected the path of a file, got ""'),
    ([*EVAL, "--reference", "n.pt"], "--reference: given twice; expected it once"),
    ([*EVAL, "--model"], "--model: expected the path of a file, got no value"),
    ([*EVAL, "--model", ""], '--model: expected the path of a file, got ""'),
    ([*EVAL, "--config", "/nowhere/c.json"], "/nowhere/c.json: cannot be read: No such file or directory"),
    ([*EVAL, "--preset", "produktion"], f'--preset: expected one of {PRESETS}, got "produktion"; nearest: production'),
    ([*EVAL, "--preset", "--quiet"], "--preset: expected the name of a preset, got no value"),
    ([*EVAL, "--load-library"], "--load-library: expected the path of a shared library, got no value"),
    (["--completion", "zzsh"], '--completion: expected one of bash, zsh, got "zzsh"; nearest: zsh'),
    ([*EVAL, "--device", "tpu"], '--device: expected one of cpu, cuda, got "tpu"; nearest: cpu'),
    ([*EVAL, "--device", "cuda"], '--device: this build has no CUDA; expected cpu, got "cuda"'),
    ([*EVAL, "--search"], "--search: expected FIELD=VALUE,VALUE,... such as group_size=32,64, got no value"),
    ([*EVAL, "--search", "groupsize=32"], "--search: groupsize: no such field of the config; nearest: group_size"),
    ([*EVAL, "--search", "group-size=abc"], '--search: group_size: expected an integer, got "abc"'),
    ([*EVAL, "--limit", "psnr=35"], "--limit: only with --progressive"),
    ([*EVAL, "--limit"], "--limit: expected METRIC=VALUE such as psnr=35, got no value"),
    ([*EVAL, "--progressive=1"], '--progressive: expected no value, got "1"'),
    ([*EVAL, "--int4_group_size", "0"], f"--int4-group-size: {ONE_OR_MORE} 0"),
    ([*EVAL, "--image_folder", "again"], "--image-folder: given twice; expected it once"),
    ([*EVAL, "--max_images", "0"], f"--max-images: {ONE_OR_MORE} 0"),
    ([*EVAL, "--max-images", "-4"], f"--max-images: {ONE_OR_MORE} -4"),
    ([*EVAL, "--max-images", "many"], f'--max-images: {ONE_OR_MORE} "many"'),
    ([*EVAL, "--max-images", ""], f'--max-images: {ONE_OR_MORE} ""'),
    ([*EVAL, "--max-images", " 3"], f'--max-images: {ONE_OR_MORE} " 3"'),
    ([*EVAL, "--max-images"], f"--max-images: {ONE_OR_MORE} no value"),
    ([*EVAL, "--max-images=1", "--max_images=2"], "--max-images: given twice; expected it once"),
    ([*EVAL, "--frames", "0"], f"--frames: {ONE_OR_MORE} 0"),
    ([*EVAL, "--frames", "1.5"], f"--frames: {ONE_OR_MORE} 1.5"),
    ([*EVAL, "--frames", "99999999999999999999"], f"--frames: {ONE_OR_MORE} 99999999999999999999"),
    ([*EVAL, "--max-memory", "8G"], "--max-memory: goes with --plan"),
    ([*EVAL, "--plan", "--max-memory", "lots"], '--max-memory: expected a number of bytes such as 8G, 500M or 7.5GiB, got "lots"'),
    ([*EVAL, "--plan=yes"], '--plan: expected no value, got "yes"'),
    ([*EVAL, "--plan", "--progressive", "--limit", "psnr=35"], "--plan: does not go with --progressive"),
    *[([*EVAL, *words], message) for words, message in IMAGE_FLAGS],
    ([*EVAL, "--warmup", "-1"], "--warmup: expected an integer from 0 to 1000, got -1"),
    ([*EVAL, "--runs", "0"], "--runs: expected an integer from 1 to 1000, got 0"),
    ([*EVAL, "--runs", "1001"], "--runs: expected an integer from 1 to 1000, got 1001"),
    ([*EVAL, "--ground_truth"], "--ground-truth: expected the path of a folder, got no value"),
    ([*EVAL, "--output_dir", ""], '--output-dir: expected the path of a folder, got ""'),
    ([*EVAL, "--depth-frames", "-1"], "--depth-frames: expected an integer of at least 0, got -1"),
    ([*EVAL, "--cloud-points", "-1"], "--cloud-points: expected an integer of at least 0, got -1"),
    ([*EVAL, "--cloud_confidence", "100"], "--cloud-confidence: expected a number from 0 to 99.9, got 100"),
    ([*EVAL, "--cloud_confidence", "nan"], '--cloud-confidence: expected a number from 0 to 99.9, got "nan"'),
    ([*EVAL, "--quiet=1"], '--quiet: expected no value, got "1"'),
    ([*EVAL, "--save_reference", "a", "--load-reference", "b"],
     "--save-reference: of no use with --load-reference, whose file is already there"),
    ([*EVAL, "--check"], "--check: expected the path of a file, got no value"),
    ([*EVAL, "--tolerance", "1"], "--tolerance: of use with --check only"),
    ([*EVAL, "--tolerance", "inf"], '--tolerance: expected a number from 0 to 100, got "inf"'),
    ([*EVAL, "--modle", "a.pt"], "--modle: no such flag; nearest: --model (see --help)"),
    ([*EVAL, "stray"], '"stray": expected a flag; vqt-eval takes no other arguments (see --help)'),
]  # fmt: skip

LINES = [("vqt-quantize", *line) for line in QUANTIZE_LINES] + [("vqt-eval", *line) for line in EVAL_LINES]


def run(program: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([BIN / program, *words], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("program", "words", "message"), LINES, ids=[f"{p[4:]} {' '.join(w)}" for p, w, _ in LINES])
def test_a_bad_command_line_is_answered_by_one_sentence(program: str, words: list[str], message: str) -> None:
    done = run(program, *words)
    assert (done.stderr, done.returncode, done.stdout) == (f"{program}: error: {message}\n", 2, "")


@pytest.mark.parametrize("program", ["vqt-quantize", "vqt-eval"])
def test_every_flag_of_help_has_a_bad_line_above_or_is_a_field(program: str) -> None:
    """A new flag is to be added to the table."""
    shown = set()
    for line in run(program, "--help").stdout.split("Fields of the config")[0].splitlines():
        if line.startswith("  -"):
            shown |= {word.rstrip(",") for word in line[2:].split("  ")[0].split() if re.fullmatch(r"--?[a-z][a-z0-9-]*,?", word)}
    said = {message.split(":")[0] for p, _, message in LINES if p == program} | {"-h", "--help", "--version", "--output"}
    tried = {word.split("=")[0].replace("_", "-") for p, words, _ in LINES if p == program for word in words}
    assert shown - said - tried <= {"--resume"}


@pytest.mark.parametrize("program", ["vqt-quantize", "vqt-eval"])
def test_version_and_help_go_to_stdout(program: str) -> None:
    version, help_text = run(program, "--version"), run(program, "-h")
    assert (version.returncode, version.stderr, version.stdout) == (0, "", f"{program} 0.1.0\n")
    assert (help_text.returncode, help_text.stderr) == (0, "") and "\nUsage: " + program in help_text.stdout
    assert run(program, "--help").stdout == help_text.stdout
    assert all(len(line) <= 80 for line in help_text.stdout.splitlines())


@pytest.mark.parametrize("program", ["vqt-quantize", "vqt-eval"])
@pytest.mark.parametrize(("columns", "width"), [(60, 60), (97, 97), (200, 100)])
def test_help_fits_the_terminal(program: str, columns: int, width: int) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    running = subprocess.Popen([BIN / program, "--help"], stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # what Linux says when the other end is closed
        pass
    os.close(ours)
    assert running.wait() == 0
    lengths = [len(line) for line in text.decode().splitlines()]
    assert len(lengths) > 50 and width - 10 < max(lengths) <= width
