"""Print docs/metrics.md from the metric catalogue: `python tools/dev/metrics_page.py > docs/metrics.md`."""

from taxi_domain.metrics import CATALOGUE


def page() -> str:
    """Return the page."""
    lines = [
        "# Metrics",
        "",
        "Generated from `taxi_domain.metrics` by `tools/dev/metrics_page.py`; do not edit. Seconds and shares; absent",
        "is not zero: what is not known is not exported.",
        "",
        "| name | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{one.name}` | {one.type} | {', '.join(f'`{name}`' for name in one.labels)} | {one.help} |"
        for one in CATALOGUE
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
