"""Figures of results, training curves and estimates."""
