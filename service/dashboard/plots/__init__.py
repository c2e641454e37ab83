"""Pictures in SVG, drawn here: no library, no script, colours from the style sheet."""
