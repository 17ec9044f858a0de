"""What a saved model costs to load: torch compiles its code, in time and memory that grow with the square of a file."""

import io
import re
import zipfile

import pytest
import torch
import vqt
from pass_check import assert_same
from torch import Tensor, nn

LAYERS = 6


class VitBlock(nn.Module):
    """As torchvision's vit_b_16 has them."""

    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(32), nn.LayerNorm(32)
        self.self_attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Dropout(0.1), nn.Linear(64, 32), nn.Dropout(0.1))

    def forward(self, x: Tensor) -> Tensor:
        torch._assert(x.dim() == 3, f"expected [B, T, D], got {x.shape}")
        y = self.ln_1(x)
        y, _ = self.self_attention(y, y, y, need_weights=False)
        y = y + x
        return y + self.mlp(self.ln_2(y))


class ClipBlock(nn.Module):
    """As OpenAI's CLIP has them: sequence first, QuickGELU."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(32, 4)
        self.ln_1, self.ln_2 = nn.LayerNorm(32), nn.LayerNorm(32)
        self.c_fc, self.c_proj = nn.Linear(32, 64), nn.Linear(64, 32)

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        y = self.c_fc(self.ln_2(x))
        return x + self.c_proj(y * torch.sigmoid(1.702 * y))


def encoder(norm_first: bool = False) -> nn.Module:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, activation="gelu", norm_first=norm_first)
    return nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)


MODELS = {
    "vit": lambda: nn.Sequential(*[VitBlock() for _ in range(LAYERS)]),
    "clip": lambda: nn.Sequential(*[ClipBlock() for _ in range(LAYERS)]),
    "encoder": encoder,
    "encoder norm first": lambda: encoder(norm_first=True),
}


def saved(module: torch.jit.ScriptModule) -> bytes:
    file = io.BytesIO()
    torch.jit.save(module, file)
    return file.getvalue()


def code_of(archive: bytes) -> dict[str, str]:
    """The source files of a saved module. Mangled names cost nothing: they are not counted."""
    with zipfile.ZipFile(io.BytesIO(archive)) as z:
        texts = {name: z.read(name).decode() for name in z.namelist() if "/code/" in name and name.endswith(".py")}
    return {name: re.sub(r"___torch_mangle_\d+\.", "", text) for name, text in texts.items()}


def compile_cost(code: dict[str, str]) -> int:
    """Each variable of a branch keeps a copy of its file until the method is compiled."""
    return sum(len(text) * sum(line.startswith("      ") for line in text.splitlines()) for text in code.values())


@pytest.mark.parametrize("activation", ["dynamic", "static"])
@pytest.mark.parametrize("name", MODELS)
def test_equal_layers_are_in_the_file_once(name: str, activation: str) -> None:
    torch.manual_seed(0)
    scripted = torch.jit.script(MODELS[name]().eval())
    x = torch.randn(2, 5, 32)
    result = vqt.quantize(scripted, {"activation": activation}, calibration=[(x,)] if activation == "static" else None)
    archive = saved(result)
    before, after = code_of(saved(scripted)), code_of(archive)
    # skip_first_last: the first attention differs from the others
    assert sum(text.count("class MultiheadAttention(") for text in after.values()) == 2
    assert sum(map(len, after.values())) < 1.5 * sum(map(len, before.values()))
    assert compile_cost(after) < 1.5 * compile_cost(before)
    loaded = torch.jit.load(io.BytesIO(archive))
    assert_same([result(x)], [loaded(x)])
    assert [s.name for s in vqt.report(loaded).sites] == [s.name for s in vqt.report(result).sites]
    assert [s.scheme for s in vqt.report(loaded).sites] == [s.scheme for s in vqt.report(result).sites]


def test_layers_with_schemes_of_their_own_keep_types_of_their_own() -> None:
    torch.manual_seed(0)
    scripted = torch.jit.script(MODELS["vit"]().eval())
    config = {"skip_first_last": False, "overrides": [{"targets": ["3.mlp.0"], "bits": 16}]}
    result = vqt.quantize(scripted, config)
    blocks = [child for _, child in result.named_children()]
    types = [block._c._type() for block in blocks]
    assert len({str(t) for t in types}) == 2 and [str(t) for t in types].count(str(types[3])) == 1
    loaded = torch.jit.load(io.BytesIO(saved(result)))
    schemes = {s.name: s.scheme for s in vqt.report(loaded).sites}
    assert schemes["3.mlp.0"] == "w16a16" and schemes["2.mlp.0"] == "w8a8"
    x = torch.randn(2, 5, 32)
    for child, block in zip(loaded.children(), blocks, strict=True):  # each with its own weights
        assert_same([block(x)], [child(x)])
