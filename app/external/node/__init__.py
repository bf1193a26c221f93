"""The Node service of version 1, beside which this program may run."""
