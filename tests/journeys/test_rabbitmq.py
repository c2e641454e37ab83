"""The product over PostgreSQL and RabbitMQ: the short form of `make test-rabbitmq`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.customer import Customer
from tests.journeys.stacks import production
from tests.journeys.test_journeys import SPEC
from tests.rabbitmq import close_connections, temporary_vhost

pytestmark = pytest.mark.slow


def test_jobs_come_to_their_end_also_when_the_broker_hangs_up(
    tmp_path: Path, small_checkpoint: Path
) -> None:
    with production(tmp_path, temporary_vhost) as stack:
        customer = Customer(stack.url, stack.key)
        first = customer.finished(customer.submit(small_checkpoint, SPEC))

        close_connections(stack.environment["LTFORGE_BROKER_URL"])
        second = customer.finished(customer.submit(small_checkpoint, SPEC))
        customer.close()

    assert first["status"] == second["status"] == "succeeded", (first, second)
    assert first["metrics"]["ticket"]["digest"] == second["metrics"]["ticket"]["digest"]
    assert second["attempt"] == 1
