"""What takes messages from the broker: Celery's consumer, less what only delayed tasks need."""

from __future__ import annotations

from celery.worker.consumer import Consumer

_DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class ImmediateConsumer(Consumer):  # type: ignore[misc]
    """Takes messages that are due at once.

    With quorum queues Celery would declare 28 further ones, replicated too, for tasks with a
    countdown; wake-ups have none.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        """The steps of Celery's consumer but one."""

        default_steps = tuple(
            step for step in Consumer.Blueprint.default_steps if step != _DELAYED_DELIVERY
        )
