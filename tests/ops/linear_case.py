"""A random quantized weight, for tests of the linears."""

import qref
import torch

ops = torch.ops.vqt


class Weight:
    """A random weight quantized by a scheme, in every form the ops take."""

    def __init__(self, n: int, k: int, scheme: qref.Scheme, seed: int = 0):
        g = torch.Generator().manual_seed(seed * 7919 + n * 131 + k)
        self.n, self.k, self.scheme = n, k, scheme
        w = torch.randn(n, k, generator=g) + (0.3 if not scheme.symmetric else 0.0)
        self.scale, self.zero = ops.choose_qparams(w, *scheme.args)
        self.q = ops.quantize(w, self.scale, self.zero, *scheme.args)
        self.float64 = ops.dequantize(self.q, self.scale, self.zero, *scheme.args, k=k).double()
        self.packed = ops.pack_weight(self.q, self.scale, self.zero, *scheme.args, k=k)
        self.bias = torch.randn(n, generator=g)

    def linear(self, x, bias=None, **kw):
        return self.op(x, self.packed, bias, **kw)

    def canonical(self, x, bias=None, **kw):
        if self.scheme.bits == 4:
            kw["group_size"] = self.scheme.group_size
        zero = None if self.scheme.symmetric else self.zero
        return self.op(x, self.q, bias, self.scale, zero, **kw)

    @property
    def op(self):
        return ops.linear_int8 if self.scheme.bits == 8 else ops.linear_int4
