"""``python -m ltforge.demo``: the whole product once, on a real network, in a minute or two."""
