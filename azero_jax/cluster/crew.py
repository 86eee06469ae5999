"""What a coordinator needs of whatever runs its workers."""

from __future__ import annotations

from typing import Protocol

from azero_jax.cluster.messages import Answer, Numbers, Order
from azero_jax.process.state import State
from azero_jax.protocol.finish import Measured
from azero_jax.protocol.hall_of_fame import HallOfFame
from azero_jax.protocol.signals import StopSignals


class Crew(Protocol):
    """Workers that take orders; what comes of them is told by `wait`."""

    def start(self, worker: int, numbers: Numbers, state: State | None) -> None:
        """Starts a worker, or another one in its place; orders may be given at once."""

    def order(self, worker: int, order: Order) -> None:
        """Gives a worker a round, after those that it has."""

    def wait(self, seconds: float) -> list[Answer]:
        """What has come in, as soon as there is something; nothing after so many seconds.

        Raises:
          ValueError: a worker refuses to work, and says why.
        """

    def candidates(self) -> dict[int, int]:
        """How far the workers have come in their rounds, as far as is known."""

    def stop(self) -> None:
        """Asks all workers to end the rounds that they have; orders may still be given."""

    def finish(self, hall: HallOfFame, stop: StopSignals, *, tune: bool, is_urgent: bool) -> Measured | None:
        """Lets a worker measure what was found, which ends soon when a signal comes; None if none can."""
