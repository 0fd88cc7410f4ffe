"""Reproduction of the papers' tables and figures: requirements, plan, missing runs."""
