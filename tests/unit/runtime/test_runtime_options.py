"""gunicorn's configuration, read quickly."""

from gunicorn.config import Config

from taxi_runtime.options import OPTIONS, settle


def test_a_settled_configuration_says_the_same() -> None:
    config = Config()
    for name, value in OPTIONS.items():
        config.set(name, value)
    told = {name: getattr(config, name) for name in config.settings}
    others = config.address, config.is_ssl, config.worker_class_str, config.env

    settle(config)

    assert {name: getattr(config, name) for name in config.settings} == told
    assert (config.address, config.is_ssl, config.worker_class_str, config.env) == others
    assert vars(config)["limit_request_line"] == told["limit_request_line"]
