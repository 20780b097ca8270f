"""BentoML: `python -m bentoml serve peers.bentoml_app:Taxi`."""

import bentoml
from peers.ride_graph import Ride, RideGraph
from pydantic import BaseModel


class Duration(BaseModel):
    """What is answered, minutes."""

    duration: float


@bentoml.service(
    workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False},
)  # fmt: skip
class Taxi:
    """Serves the graph from one process."""

    def __init__(self) -> None:
        self._graph = RideGraph()

    @bentoml.api  # type: ignore[untyped-decorator]  # no types in this environment
    async def predict(self, ride: Ride, /) -> Duration:
        """Answer a ride; in the event loop, which is faster than threads."""
        return Duration(duration=self._graph.minutes(ride))
