"""What the service can be asked to do: each operation of openapi.yaml as a flow of steps."""
