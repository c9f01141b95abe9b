"""What Mistral Small 3.1 takes and gives on a GPU, measured: `python -m bench.gpu run`, then `... report`."""
