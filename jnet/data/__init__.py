"""Data sets, the generated demo corpus, the store of prepared tracks, and batches."""
