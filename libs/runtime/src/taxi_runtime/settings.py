"""Reads the environment into a part's settings."""

from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from taxi_domain.errors import FieldError

Settings = TypeVar("Settings", bound=BaseSettings)


def read(settings: type[Settings]) -> Settings:
    """Read the environment.

    Raises:
        FieldError: a variable is missing or cannot have its value.
    """
    try:
        return settings()
    except ValidationError as error:
        first = error.errors()[0]
        raise FieldError(
            str(first["loc"][0]), first["msg"], "set the variable on the container"
        ) from error
