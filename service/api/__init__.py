"""The HTTP interface: routes, wire schemas and problem documents over the use cases."""
