"""Which Prometheus a policy may name: no spelling leads past the list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from taxi_domain.errors import FieldError
from taxi_operator.spec.addresses import MAX_URL, AllowList, address_of

PLATFORM = "http://prometheus.monitoring:9090"
LIST = AllowList(PLATFORM, ["https://mimir.example/prometheus", "http://other:9090"])


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("", PLATFORM),
        (PLATFORM, PLATFORM),
        (PLATFORM + "/", PLATFORM),
        ("HTTP://Prometheus.Monitoring:09090", PLATFORM),
        ("http://other:9090", "http://other:9090"),
        ("http://other:9090/below/it", "http://other:9090/below/it"),
        ("https://mimir.example:443/prometheus", "https://mimir.example/prometheus"),
        ("https://mimir.example/prometheus/a", "https://mimir.example/prometheus/a"),
    ],
)
def test_address_on_the_list_is_given_in_its_normal_form(url: str, address: str) -> None:
    assert LIST.require(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "http://evil",
        "https://prometheus.monitoring:9090",
        "http://prometheus.monitoring",
        "http://prometheus.monitoring:9091",
        "http://prometheus.monitoring:9090/below",
        "http://prometheus.monitoring:9090.evil",
        "http://prometheus.monitoring.evil:9090",
        "http://prometheus.monitoring.:9090",
        "http://other:90901",
        "http://other",
        "https://mimir.example",
        "https://mimir.example/prometheus2",
        "https://mimir.example/Prometheus",
        "https://mimir.example/prometheus/../admin",
        "https://mimir.example/prometheus/./../admin",
        "https://mimir.example/prometheus/%2e%2e/admin",
        "https://mimir.example/prometheus//evil",
        "https://mimir.example/prometheus\\..\\admin",
        "http://other:9090@evil",
        "http://other:9090#@evil",
        "http://evil?http://other:9090",
        "http://other:9090?x",
        "http://other:9090\n",
        " http://other:9090",
        "http://other:0",
        "http://other:99999",
        "http://other:\u0669090",
        "http://\u2460ther:9090",
        "http://other\u3002evil",
        "http:other:9090",
        "http:///other:9090",
        "//other:9090",
        "ftp://other:9090",
        "http://" + "x" * MAX_URL,
    ],
)
def test_address_that_is_not_on_the_list_is_refused_with_its_remedy(url: str) -> None:
    with pytest.raises(FieldError) as refusal:
        LIST.require(url)

    assert refusal.value.field == "spec.prometheus.url"
    assert refusal.value.remedy
    assert "evil" not in str(refusal.value)


WORDS = "http https : / // @ . .. other evil 9090 %2f # ? \\ [ ] prometheus mimir.example \u3002"
parts = st.sampled_from([*WORDS.split(), "\t", "\n", " "])


@given(st.lists(parts, max_size=12).map("".join) | st.from_regex(r"https?://other:9090.{0,20}"))
def test_whatever_is_taken_leads_the_client_to_a_host_of_the_list(url: str) -> None:
    try:
        address = LIST.require(url)
    except FieldError:
        return

    read = URL(f"{address}/api/v1/query")
    known = {("prometheus.monitoring", 9090), ("mimir.example", 443), ("other", 9090)}
    assert (read.host, read.port) in known
    assert read.user is None
    assert str(read) == f"{address}/api/v1/query"


def test_operator_without_a_server_of_the_platform_says_what_is_missing() -> None:
    with pytest.raises(FieldError, match=r"operator\.prometheus\.url"):
        AllowList("").require("")


def test_user_in_an_address_is_refused_with_where_it_belongs() -> None:
    with pytest.raises(FieldError, match=r"operator\.prometheus\.existingSecret") as refusal:
        address_of("http://user:hunter2@prometheus:9090", "spec.prometheus.url")

    assert "hunter2" not in str(refusal.value)
