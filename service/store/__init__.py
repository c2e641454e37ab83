"""State on disk: tables and repositories behind one unit of work, and blobs beside them."""

from service.store.store import Store, Transaction, open_store

__all__ = ["Store", "Transaction", "open_store"]
