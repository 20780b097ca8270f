"""MLServer's own model on onnxruntime; MLServer speaks the Open Inference Protocol."""

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from peers.ride_graph import Ride, RideGraph


class Taxi(MLModel):  # type: ignore[misc]  # no types in this environment
    """One row a request, each column an input of its own."""

    async def load(self) -> bool:
        """Load the graph."""
        self._graph = RideGraph()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a ride."""
        ride = Ride(**{column.name: column.data[0] for column in payload.inputs})
        minutes = self._graph.minutes(ride)
        output = ResponseOutput(name="duration", shape=[1, 1], datatype="FP32", data=[minutes])
        return InferenceResponse(model_name=self.name, outputs=[output])
