"""Runs a model through the pass and holds the result to a reference made without it."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import torch
import vqt
from torch import nn

WEIGHT_ONLY = {"quant_type": "int8_per_channel_sym", "activation": "none", "skip_first_last": False}


def fake_quantize(w: torch.Tensor, scheme: str) -> torch.Tensor:
    """What a symmetric weight stored as `scheme` (w8a16, w4a16-g32, w16a16) stands for."""
    bits = int(scheme[1:].split("a")[0])
    qmax = 2 ** (bits - 1) - 1
    f = w.float()
    if "-g" in scheme:
        size = int(scheme.split("-g")[1])
        pieces = [row[i : i + size] for row in f for i in range(0, row.numel(), size)]
    else:
        pieces = list(f)
    out = []
    for piece in pieces:
        scale = piece.abs().max() / qmax
        scale = torch.where(scale == 0, torch.ones(()), scale)
        out.append(torch.clamp(torch.round(piece / scale), -qmax, qmax) * scale)
    return torch.cat([o.reshape(-1) for o in out]).reshape(w.shape).to(w.dtype)


def parameter_of(model: nn.Module, site: str) -> torch.nn.Parameter:
    """The parameter a site names: a module's weight, or a module's parameter by its own name."""
    try:
        owner: Any = model.get_submodule(site)
    except AttributeError:
        return model.get_parameter(site)
    return owner.weight if hasattr(owner, "weight") else owner.in_proj_weight


def flatten(output: Any) -> list[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, dict):
        return [t for value in output.values() for t in flatten(value)]
    return [t for value in output if value is not None for t in flatten(value)]


def sqnr_db(expected: torch.Tensor, got: torch.Tensor) -> float:
    noise = (expected - got).double().square().sum()
    return float("inf") if noise == 0 else float(10 * torch.log10(expected.double().square().sum() / noise))


def save_and_load(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    file = io.BytesIO()
    torch.jit.save(module, file)
    file.seek(0)
    return torch.jit.load(file)


def assert_same(a: Any, b: Any) -> None:
    for x, y in zip(flatten(a), flatten(b), strict=True):
        assert torch.equal(x, y)


def sites(module: torch.jit.ScriptModule) -> dict[str, vqt.Site]:
    return {site.name: site for site in vqt.report(module).sites}


def quantized_names(module: torch.jit.ScriptModule) -> list[str]:
    return [site.name for site in vqt.report(module).sites if site.action == "quantized"]


def check(
    model: nn.Module,
    *arguments: Any,
    config: dict[str, Any] | None = None,
    quantized: list[str] | None = None,
    scripted: torch.jit.ScriptModule | None = None,
    tolerance: float = 1e-5,
    dynamic_db: float = 30.0,
    runs: Callable[[Any], list[Any]] | None = None,
) -> torch.jit.ScriptModule:
    """Weight-only: equal to the eager model on dequantized weights. With integer activations: close to float.

    runs: what to compute with a module (default: its forward), for models with several methods.
    Returns the weight-only result after save and load.
    """
    model = model.eval()
    compute = runs or (lambda module: [module(*arguments)])
    settings = {**WEIGHT_ONLY, **(config or {})}
    scripted = scripted or torch.jit.script(model)
    state = {name: tensor.clone() for name, tensor in scripted.state_dict().items()}
    with torch.no_grad():
        before = compute(scripted)
        result = vqt.quantize(scripted, settings)
        # The input is as it was.
        assert_same(before, compute(scripted))
    assert list(scripted.state_dict()) == list(state)
    assert all(torch.equal(scripted.state_dict()[name], tensor) for name, tensor in state.items())

    if quantized is not None:
        assert sorted(quantized_names(result)) == sorted(quantized)
    reference = copy.deepcopy(model)
    replaced = {}
    with torch.no_grad():
        for site in vqt.report(result).sites:
            if site.action == "quantized":
                parameter = parameter_of(reference, site.name)
                if id(parameter) not in replaced:
                    assert tuple(site.shape) == tuple(parameter.shape)
                    replaced[id(parameter)] = site.name
                    parameter.copy_(fake_quantize(parameter, site.scheme))
        expected = compute(reference)
        got = compute(result)
        for e, g in zip(flatten(expected), flatten(got), strict=True):
            torch.testing.assert_close(g, e, rtol=tolerance, atol=tolerance)
        loaded = save_and_load(result)
        assert_same(got, compute(loaded))
        again = vqt.quantize(save_and_load(scripted), settings)  # as from an archive
        assert [(s.name, s.scheme) for s in vqt.report(again).sites] == [(s.name, s.scheme) for s in vqt.report(result).sites]
        assert_same(got, compute(again))
        described = [(s.name, s.shape, s.action, s.scheme, s.calls, s.bytes_after) for s in vqt.list_sites(loaded)]
        assert described == [
            (s.name, s.shape, s.action, s.scheme, s.calls, s.bytes_after) for s in vqt.report(result).sites
        ]
        # No float weight is left of what was quantized.
        for tensor in loaded.state_dict().values():
            assert not any(
                tensor.dtype.is_floating_point and tensor.shape == original.shape and torch.equal(tensor, original)
                for original in (parameter_of(model, name) for name in replaced.values())
            )
        integer = vqt.quantize(scripted, {**settings, "activation": "dynamic"})
        assert quantized_names(integer) == quantized_names(result)
        for e, g in zip(flatten(before), flatten(compute(integer)), strict=True):
            assert sqnr_db(e, g) > dynamic_db
        assert_same(compute(integer), compute(save_and_load(integer)))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    return loaded
