"""The history of the database schema. Frozen once released; imports no application code."""
