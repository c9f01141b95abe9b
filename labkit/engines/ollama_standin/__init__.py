"""A stand-in for the Ollama server: its native API and `/v1`, in front of any OpenAI-compatible server.

It lets lessons, tests and workshops without Ollama run the same client code. It is no Ollama: its version
says so, and so do the `X-Labkit-Standin` header of every answer and its log. The upstream server does the
work, so `num_ctx` changes no memory: `/api/chat` only forgets what is beyond it, as Ollama does, where the
upstream can count tokens (vLLM). Options that are not sent are the upstream's own, a pull downloads
nothing, and a create converts nothing. `python -m labkit.engines.ollama_standin --upstream URL` starts one.
"""

from labkit.engines.ollama_standin.app import NOTE, make_app
from labkit.engines.ollama_standin.models import Faults, Models
from labkit.engines.ollama_standin.translate import VERSION

__all__ = ["NOTE", "VERSION", "Faults", "Models", "make_app"]
