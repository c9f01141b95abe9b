"""One file an engine: compose its command from a recipe; and what all of them need to be run and watched."""
