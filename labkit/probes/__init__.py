"""Probes: measurements of the live model. Most take a session."""

from labkit.probes.calling import Calling, calling
from labkit.probes.charts import Charts, charts
from labkit.probes.comparing import Comparison, compare
from labkit.probes.interval import wilson
from labkit.probes.metrics import metrics
from labkit.probes.needle import Needles, needle
from labkit.probes.speed import Speed, speed
from labkit.probes.temperature import Temperature, temperature
from labkit.probes.tokens import Tokens, tokens
from labkit.probes.vitals import Vitals, vitals
from labkit.probes.weights import Weights, weights

__all__ = [
    "Calling",
    "Charts",
    "Comparison",
    "Needles",
    "Speed",
    "Temperature",
    "Tokens",
    "Vitals",
    "Weights",
    "calling",
    "charts",
    "compare",
    "metrics",
    "needle",
    "speed",
    "temperature",
    "tokens",
    "vitals",
    "weights",
    "wilson",
]
