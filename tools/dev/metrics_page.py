"""Print docs/metrics.md, made from the metric catalogue."""

from taxi_domain.metrics import CATALOGUE


def page() -> str:
    """Return the page."""
    lines = [
        "# Metrics",
        "",
        "Generated from `taxi_domain.metrics` by `tools/dev/metrics_page.py`; do not edit.",
        "Seconds and shares; absent is not zero: what is not known is not exported.",
        "",
        "| name | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    for one in CATALOGUE:
        labels = ", ".join(f"`{name}`" for name in one.labels)
        lines.append(f"| `{one.name}` | {one.type} | {labels} | {one.help} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
