"""Tickets for those who have none of our code: one module per kind of file."""
