"""The pocket twin: Mistral Small 3.1's architecture with 24 M parameters, and the recipe that made it."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE / "weights"
"""The committed weights, in Hugging Face's format (config.json, safetensors shards)."""
