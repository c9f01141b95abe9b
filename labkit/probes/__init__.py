"""Probes: measurements of the live model. Most take a session."""

from labkit.probes.calling import Calling, calling
from labkit.probes.charts import Charts, charts
from labkit.probes.comparing import Comparison, compare
from labkit.probes.crowd import Crowd, crowd
from labkit.probes.drift import Drift, drift
from labkit.probes.interval import wilson
from labkit.probes.logprobs import Logprobs, logprobs
from labkit.probes.metrics import metrics, metrics_each
from labkit.probes.needle import Needles, needle
from labkit.probes.quoted import Quoted, quoted
from labkit.probes.speed import Speed, speed
from labkit.probes.sweep import Sweep, sweep
from labkit.probes.temperature import Temperature, temperature
from labkit.probes.tokens import Tokens, tokens
from labkit.probes.tokens_of import tokens_of
from labkit.probes.vitals import Vitals, vitals
from labkit.probes.weights import Weights, weights

__all__ = [
    "Calling",
    "Charts",
    "Comparison",
    "Crowd",
    "Drift",
    "Logprobs",
    "Needles",
    "Quoted",
    "Speed",
    "Sweep",
    "Temperature",
    "Tokens",
    "Vitals",
    "Weights",
    "calling",
    "charts",
    "compare",
    "crowd",
    "drift",
    "logprobs",
    "metrics",
    "metrics_each",
    "needle",
    "quoted",
    "speed",
    "sweep",
    "temperature",
    "tokens",
    "tokens_of",
    "vitals",
    "weights",
    "wilson",
]
