"""Speed and size, measured on real targets."""
