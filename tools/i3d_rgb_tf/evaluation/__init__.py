"""A prepared data set and an IR -> accuracy by protocol."""
