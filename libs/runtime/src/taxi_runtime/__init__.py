"""How a process of ours runs: its settings, its HTTP server, its answers to errors.

`settings` needs pydantic alone; the other modules need the extra `http`.
"""
