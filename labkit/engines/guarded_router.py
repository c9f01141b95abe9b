"""`vllm-router` with a lock on all of its doors: run as a script, with vllm-router's own flags.

Its command line leaves `/workers`, `/add_worker` and `/remove_worker` open to whoever reaches the port:
another user of this machine could put a server of his own before the class, and read along. The router can
ask the servers behind it whether a key is good, for every path, but 0.1.17 has no flag for that.
"""

from __future__ import annotations

import sys
from functools import partial


def main() -> None:
    """Run the router until it is ended."""
    from vllm_router import router
    from vllm_router.launch_router import parse_router_args

    args = parse_router_args(sys.argv[1:])
    ask = [f"{url}/v1/models" for url in args.worker_urls]
    router._Router = partial(router._Router, api_key_validation_urls=ask)
    router.Router.from_args(args).start()


if __name__ == "__main__":
    main()
