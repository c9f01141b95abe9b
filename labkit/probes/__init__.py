"""Probes: measurements of the live model. Most take a session."""

from labkit.probes.comparing import Comparison, compare
from labkit.probes.metrics import metrics
from labkit.probes.speed import Speed, speed
from labkit.probes.temperature import Temperature, temperature
from labkit.probes.tokens import Tokens, tokens
from labkit.probes.weights import Weights, weights

__all__ = [
    "Comparison",
    "Speed",
    "Temperature",
    "Tokens",
    "Weights",
    "compare",
    "metrics",
    "speed",
    "temperature",
    "tokens",
    "weights",
]
