"""Conversion of weights of other implementations, without executing anything in their files."""
