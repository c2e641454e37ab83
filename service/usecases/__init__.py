"""What the service can be asked to do: plain functions over the store, with visible commits."""
