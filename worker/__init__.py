"""Runs jobs: the only place where the engine and the store meet."""
