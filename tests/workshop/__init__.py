"""A package, so that its one workshop (a fixture of its scope) is closed when its last test is done."""
