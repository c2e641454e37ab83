"""One module per noun; each route parses, authorises, calls one use case and maps the result."""
