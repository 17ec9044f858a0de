"""How heavy the tails of a tensor's values are, gathered piece by piece."""

import math

import torch
from torch import Tensor

# Of a normal distribution and of one with exponential tails. What lies above the second is called heavy-tailed here.
GAUSS, LAPLACE = 3.0, 6.0
OUTLIER = 4.0  # a channel is an outlier where its largest magnitude exceeds this many times the median channel's
_LOWEST, _HIGHEST, _PER_OCTAVE = -40, 24, 32  # magnitudes are counted in bins of 1/32 octave from 2^-40 to 2^24


def _over(a: float, b: float) -> float:
    return a / b if b > 0 else math.nan


class Values:
    """Moments, magnitudes per channel and a histogram of magnitudes of all x [..., K] that were added."""

    def __init__(self) -> None:
        self.count = 0
        self.powers = torch.zeros(4, dtype=torch.float64)  # sums of x, x^2, x^3, x^4
        self.channels = torch.zeros(0)  # largest magnitude per channel
        self.bins = torch.zeros((_HIGHEST - _LOWEST) * _PER_OCTAVE, dtype=torch.int64)

    def add(self, x: Tensor) -> None:
        x = x.detach().reshape(-1, x.size(-1))
        if x.numel() == 0:
            return
        wide = x.to(torch.float64)
        self.count += x.numel()
        self.powers += torch.stack([wide.pow(power).sum() for power in (1, 2, 3, 4)])
        largest = x.abs().amax(0)
        self.channels = torch.maximum(self.channels, largest) if len(self.channels) else largest
        where = ((x.abs().flatten().log2() - _LOWEST) * _PER_OCTAVE).clamp(0, len(self.bins) - 1)  # zero: the first bin
        self.bins += torch.bincount(where.to(torch.int64), minlength=len(self.bins))

    def merged(self, other: "Values") -> "Values":
        out = Values()
        out.count, out.powers, out.bins = self.count + other.count, self.powers + other.powers, self.bins + other.bins
        out.channels = torch.maximum(self.channels, other.channels)
        return out

    @property
    def rms(self) -> float:
        return float((self.powers[1] / self.count).sqrt())

    @property
    def largest(self) -> float:
        return float(self.channels.max())

    @property
    def kurtosis(self) -> float:
        """Fourth central moment over the square of the second: 3 for a normal distribution; nan where all are equal."""
        mean, square, cube, fourth = (self.powers / self.count).tolist()
        variance = square - mean**2
        return _over(fourth - 4 * mean * cube + 6 * mean**2 * square - 3 * mean**4, variance**2)

    def quantile(self, share: float) -> float:
        """The magnitude that this share of values stays below, right to a bin (2.2 percent)."""
        at = int(torch.searchsorted(self.bins.cumsum(0), share * self.count))
        return min(2.0 ** ((at + 1) / _PER_OCTAVE + _LOWEST), self.largest)

    @property
    def outlier_channels(self) -> float:
        """Share of channels whose largest magnitude exceeds OUTLIER times the median channel's."""
        return float((self.channels > OUTLIER * self.channels.median()).float().mean())

    @property
    def channel_spread(self) -> float:
        """Largest magnitude of the widest channel over that of the median channel."""
        return _over(self.largest, float(self.channels.median()))

    def density(self, bins_joined: int = 8) -> tuple[Tensor, Tensor]:
        """Magnitudes over rms (middles of bins of 1/4 octave) and the density of values there."""
        counts = self.bins.view(-1, bins_joined).sum(1)
        edges = torch.pow(2.0, torch.arange(len(counts) + 1, dtype=torch.float64) * bins_joined / _PER_OCTAVE + _LOWEST)
        edges = edges / self.rms
        filled = (counts > 0) & (edges[1:] > 1e-2)
        density = counts / self.count / (edges[1:] - edges[:-1])
        return ((edges[1:] * edges[:-1]).sqrt()[filled], density[filled])

    def summary(self) -> dict[str, float]:
        return {
            "kurtosis": self.kurtosis,
            "max_over_rms": _over(self.largest, self.rms),
            "p999_over_rms": _over(self.quantile(0.999), self.rms),
            "rms": self.rms,
            "max": self.largest,
            "outlier_channels": self.outlier_channels,
            "channel_spread": self.channel_spread,
        }


def weight_summary(weight: Tensor) -> dict[str, float]:
    """Of a Linear's weight [N, K]; its channels are the rows: what per-channel schemes scale apart."""
    values = Values()
    values.add(weight.t())
    deviations = weight.std(1)
    over = values.channels / deviations.clamp(min=1e-12)
    return values.summary() | {"max_over_std_median": float(over.median()), "max_over_std_worst": float(over.max())}
