"""The only reader of the environment."""

from pydantic import Field

from taxi_domain.models import MODEL_NAME
from taxi_domain.runs import RUN_ID_VARIABLE
from taxi_runtime.settings import Environment, MongodbUri, Name


class FitSettings(Environment):
    """What making a model takes: no address of a database."""

    #: Module with `candidates(schema)`: training code of one's own; empty is the default.
    candidates_module: str = Field(default="", alias="TAXI_TRAIN_CANDIDATES")


class Settings(FitSettings):
    """Settings of a train Job."""

    #: Name of the model.
    model: Name = Field(default=MODEL_NAME, alias="TAXI_MODEL")
    #: Where the log and the registry are.
    mongodb_uri: MongodbUri = Field(alias="TAXI_MONGODB_URI", min_length=1)
    #: `_id` of the report; set by the operator.
    run_id: str = Field(default="", alias=RUN_ID_VARIABLE)
    #: How long a call to MongoDB may take, seconds.
    timeout_seconds: float = Field(default=20.0, alias="TAXI_TRAIN_TIMEOUT_SECONDS", gt=0, le=3600)
    #: How long the Job waits for MongoDB at its start, seconds.
    patience_seconds: float = Field(
        default=300.0, alias="TAXI_TRAIN_PATIENCE_SECONDS", gt=0, le=86_400
    )
    #: Schema of the first model, and of candidates; without one retraining takes the champion's.
    schema_file: str = Field(default="", alias="TAXI_TRAIN_SCHEMA")
