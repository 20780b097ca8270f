"""A value that cannot be used later is refused when it is read, by name."""

from pathlib import Path

import pytest
from pydantic import Field

from taxi_domain.errors import FieldError
from taxi_runtime.settings import Environment, Folder, HttpUrl, MongodbUri, Name, Token, read


class Settings(Environment):
    token: Token = Field(default="", alias="X_TOKEN", min_length=0)
    secret: Token = Field(default="12345678", alias="X_SECRET", min_length=8)
    url: HttpUrl = Field(default="", alias="X_URL")
    uri: MongodbUri = Field(default="mongodb://host", alias="X_URI")
    model: Name = Field(default="m", alias="X_MODEL")
    folder: Folder = Field(default=Path("/tmp"), alias="X_FOLDER")
    seconds: float = Field(default=1.0, alias="X_SECONDS", ge=0)
    port: int = Field(default=1, alias="X_PORT")


def read_with(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> Settings:
    monkeypatch.setenv(variable, value)
    return read(Settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("X_TOKEN", "t\N{LATIN SMALL LETTER O WITH DIAERESIS}ken-of-eight"),
        ("X_TOKEN", "two words"),
        ("X_TOKEN", "two\nlines"),
        ("X_TOKEN", "a\x01b"),
        ("X_SECRET", "short\n\n\n\n\n\n"),
        ("X_SECRET", ""),
        ("X_URL", "monitor:8085"),
        ("X_URL", "ftp://monitor"),
        ("X_URL", "http://"),
        ("X_URL", "http://monitor:port"),
        ("X_URL", "http://monitor:99999"),
        ("X_URL", "http://monitor:0"),
        ("X_URL", "http://mon itor"),
        ("X_URL", "http://monitor?a=b"),
        ("X_URL", "http://[::1"),
        ("X_URI", ""),
        ("X_URI", "mongodb://"),
        ("X_URI", "mongodb://%"),
        ("X_URI", "mongo://host"),
        ("X_URI", "mongodb://user:p@ss@host"),
        ("X_URI", "mongodb://user:100%@host"),
        ("X_URI", "mongodb://host:0"),
        ("X_URI", "mongodb://host:70000"),
        ("X_URI", "mongodb://host:port"),
        ("X_URI", "mongodb://a,,b"),
        ("X_URI", "mongodb://host/taxi?tls"),
        ("X_URI", "mongodb://ho st"),
        ("X_URI", "mongodb://user:secret@host:27017/admin"),
        ("X_URI", "mongodb://host/admin?authSource=admin"),
        ("X_URI", "mongodb://host/admin.predictions"),
        ("X_URI", "mongodb://host/%61dmin"),
        ("X_URI", "mongodb://host/Admin"),
        ("X_URI", "mongodb+srv://host/local"),
        ("X_URI", "mongodb://a,b/config?replicaSet=rs0"),
        ("X_MODEL", ""),
        ("X_MODEL", "a b"),
        ("X_MODEL", "a/b"),
        ("X_FOLDER", "/dev/null/data"),
        ("X_FOLDER", "/dev/null"),
        ("X_SECONDS", "inf"),
        ("X_SECONDS", "nan"),
        ("X_PORT", "80 81"),
    ],
)
def test_an_unusable_value_names_its_setting_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    with pytest.raises(FieldError) as raised:
        read_with(monkeypatch, variable, value)

    assert raised.value.field == variable
    if len(value) > len("mongodb://") and variable != "X_FOLDER":
        assert value not in str(raised.value), "it may be a secret"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("X_TOKEN", ""),
        ("X_TOKEN", "AZaz09-._~+/==!"),
        ("X_SECRET", "12345678"),
        ("X_URL", ""),
        ("X_URL", "http://taxi-monitor.ns.svc:8085"),
        ("X_URL", "https://[::1]:8085/base"),
        ("X_URI", "mongodb://localhost"),
        ("X_URI", "mongodb://localhost/?authSource=admin"),
        ("X_URI", "mongodb://localhost/administration"),
        ("X_URI", "mongodb://127.0.0.1:40123/taxi?appName=fuzz"),
        ("X_URI", "mongodb://user:p%40ss@a:27017,b:27018/taxi?replicaSet=rs0&authSource=admin"),
        ("X_URI", "mongodb://us%C3%A9r:a!$*()-_.~,;=@[::1]:27017/taxi?tls=true"),
        ("X_URI", "mongodb+srv://user:secret@cluster.example.net/taxi?retryWrites=false"),
        ("X_MODEL", "taxi-duration.v2"),
        ("X_FOLDER", "/tmp/not/there/yet"),
        ("X_SECONDS", "0.5"),
    ],
)
def test_a_usable_value_is_taken_without_the_space_around_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    name = variable.removeprefix("X_").lower()

    assert str(getattr(read_with(monkeypatch, variable, value), name)) == value
    spaced = read_with(monkeypatch, variable, f" {value}\n" if "FOLDER" not in variable else value)
    assert str(getattr(spaced, name)) == value


def test_a_database_of_the_servers_own_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(FieldError, match="authSource=admin") as raised:
        read_with(monkeypatch, "X_URI", "mongodb://user:secret@host/admin")

    assert "admin is the server's own database" in str(raised.value)
