"""The dashboard: the service's pages for people, rendered here and shown by any browser."""
