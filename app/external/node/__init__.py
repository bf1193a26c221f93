"""The Node service (version 1 of the product), next to which this program can run."""
