"""Results for the platforms that people keep experiments and models on; one module for each."""
