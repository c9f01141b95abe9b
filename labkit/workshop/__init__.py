"""A class on one machine: JupyterHub, one model that all share, a board for the instructor."""
