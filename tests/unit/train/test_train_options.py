"""Senseless numbers given to `taxi-train` and `taxi-models` are refused by name."""

from typing import get_type_hints

import pytest
from typer.testing import CliRunner

from taxi_domain.errors import FieldError
from taxi_runtime.settings import read
from taxi_train.main import app
from taxi_train.registry_cli import app as models_app
from taxi_train.settings import Settings

SENSELESS = ("nan", "inf", "-inf", "1e9", "-1", "1" + "0" * 400)
TOOLS = {"taxi-train": app, "taxi-models": models_app}
NUMBERS = [
    (f"{tool} {command.name or command.callback.__name__}", f"--{name.replace('_', '-')}")
    for tool, one in TOOLS.items()
    for command in one.registered_commands
    if command.callback is not None
    for name, kind in get_type_hints(command.callback).items()
    if kind in {int, float}
]
#: What a command asks for beside its numbers.
NEEDED = {
    "taxi-train evaluate": ["--candidate", "abc"],
    "taxi-train observe": [
        "--champion", "abc", "--before", "abd", "--since", "2026-01-01T00:00:00Z",
    ],
}  # fmt: skip


def outcome(title: str, *words: str) -> tuple[int, str]:
    tool, name = title.split()
    done = CliRunner().invoke(TOOLS[tool], [name, *words])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stderr


def test_all_numbers_are_found() -> None:
    assert ("taxi-models gc", "--min-age-hours") in NUMBERS
    assert len(NUMBERS) == 16


@pytest.mark.parametrize(("title", "option"), NUMBERS, ids=" ".join)
@pytest.mark.parametrize("text", SENSELESS, ids=lambda text: text[:6])
def test_a_senseless_number_is_refused_by_name(title: str, option: str, text: str) -> None:
    needed = NEEDED.get(title, [])

    code, printed = outcome(title, *needed, option, text)

    assert code == 2
    assert option in printed


@pytest.mark.parametrize("name", ["TAXI_TRAIN_TIMEOUT_SECONDS", "TAXI_TRAIN_PATIENCE_SECONDS"])
@pytest.mark.parametrize("text", ["nan", "inf", "1e9", "0", "-1"])
def test_a_senseless_setting_is_refused_by_name(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAXI_MONGODB_URI", "mongodb://somewhere/taxi")
    assert read(Settings).model
    monkeypatch.setenv(name, text)

    with pytest.raises(FieldError, match=name):
        read(Settings)
