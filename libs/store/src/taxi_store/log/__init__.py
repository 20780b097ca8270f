"""The prediction log and the labels."""
