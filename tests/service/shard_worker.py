"""Claims and finishes shards until none is left and prints their indices: run by many processes."""

from __future__ import annotations

import sys

from service.domain import ShardKind
from service.store import open_store


def main() -> None:
    store = open_store(sys.argv[1])
    while True:
        with store.begin() as tx:
            claimed = tx.shards.claim("worker", 60)
        if claimed is None:
            break
        assert claimed.shard is not None
        shard = claimed.shard
        if shard.kind is ShardKind.BUILD:
            print(shard.index)
            with store.begin() as tx:
                assert tx.shards.finish(shard.id, claimed.lease_token, f"{shard.index:064x}", {})
        else:
            print("merge", len(shard.finished))
    store.dispose()


if __name__ == "__main__":
    main()
