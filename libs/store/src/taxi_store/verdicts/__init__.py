"""The history of the monitor's verdict: one document for each block of rows or labels."""
