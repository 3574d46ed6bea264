"""Try many orders of events, at a pace of their own."""

from datetime import UTC, datetime
from typing import ClassVar

import time_machine
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


class Timed(RuleBasedStateMachine):
    """What may happen, and a clock that moves by its steps alone."""

    clock: ClassVar[time_machine.Traveller]


def try_orders(machine: type[Timed], examples: int) -> None:
    """Have Hypothesis look for an order that breaks a promise."""
    if connection.vendor == "postgresql":
        # The rules are those that SQLite was asked about; a few orders try their SQL.
        examples //= 4
    # Nothing may depend on how fast this machine is.
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        machine.clock = clock
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=40,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
