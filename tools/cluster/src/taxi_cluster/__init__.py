"""A real multi-node Kubernetes on one machine, with or without a container registry.

Standard library only: it runs before any environment exists. See docs/cluster-builder.md.
"""
