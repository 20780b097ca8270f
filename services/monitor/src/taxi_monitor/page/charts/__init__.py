"""Charts as places: percentages of the chart's width and height, which the templates draw."""
