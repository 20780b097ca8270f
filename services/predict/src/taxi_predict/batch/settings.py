"""What `taxi-predict` reads of the environment."""

from enum import StrEnum

from pydantic import Field

from taxi_domain.models import MODEL_NAME
from taxi_runtime.settings import Environment, MongodbUri, Name


class Failpoint(StrEnum):
    """Where a test kills the process, to prove that another run goes on."""

    NONE = ""
    BEFORE_PIECE = "before-piece"
    AFTER_LOG = "after-log"
    BEFORE_RENAME = "before-rename"
    AFTER_PIECE = "after-piece"
    IN_JOIN = "in-join"
    BEFORE_REPLACE = "before-replace"
    AFTER_REPLACE = "after-replace"


class Settings(Environment):
    """Settings of batch scoring; each is an environment variable."""

    #: Where registry and log are; files alone need none.
    mongodb_uri: MongodbUri | None = Field(default=None, alias="TAXI_MONGODB_URI")
    #: Name under which the rows of an archive are logged; it does not say its own.
    model: Name = Field(default=MODEL_NAME, alias="TAXI_MODEL")
    #: Where a test kills the process.
    fault: Failpoint = Field(default=Failpoint.NONE, alias="TAXI_SCORE_FAULT")
