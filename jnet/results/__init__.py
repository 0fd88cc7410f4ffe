"""Scores of models: reading and checking results, and the numbers that the papers print."""
