"""Scoring: BSS Eval, museval, the scores of a track and their JSON, statistics, evaluation."""
