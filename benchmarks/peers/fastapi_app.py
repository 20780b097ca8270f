"""FastAPI under uvicorn: `python -m peers.fastapi_app PORT`."""

import sys

import uvicorn
from fastapi import FastAPI
from peers.ride_graph import Ride, RideGraph
from pydantic import BaseModel

app = FastAPI()
graph = RideGraph()


class Duration(BaseModel):
    """What is answered, minutes."""

    duration: float


@app.post("/predict")
async def predict(ride: Ride) -> Duration:
    """Answer a ride; in the event loop, which is faster than FastAPI's threads."""
    return Duration(duration=graph.minutes(ride))


@app.get("/readyz")
async def readyz() -> dict[str, str]:
    """Say that it serves."""
    return {}


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools",
        access_log=False, log_level="warning",
    )  # fmt: skip
