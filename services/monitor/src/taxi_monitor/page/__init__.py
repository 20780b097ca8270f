"""What the monitor's page shows, as plain values: computed here, laid out by the templates.

Nothing here reads a clock, MongoDB or a request. A value that goes into a page is a text or a place
on a chart; the templates escape it.
"""
