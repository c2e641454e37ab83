"""Claims jobs until none is left and prints their ids: run in many processes at a time."""

from __future__ import annotations

import sys

from service.store import open_store


def main() -> None:
    store = open_store(sys.argv[1])
    while True:
        with store.begin() as tx:
            claimed = tx.jobs.claim("claimer", 60)
        if claimed is None:
            break
        print(claimed.job.id)
    store.dispose()


if __name__ == "__main__":
    main()
