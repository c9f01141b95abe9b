"""A package, so that its fixtures of that scope end with it: Playwright holds the thread's event loop."""
