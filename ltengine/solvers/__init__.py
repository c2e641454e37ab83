"""Solvers: all give the same exact optimum; they differ in what they are fast at."""
