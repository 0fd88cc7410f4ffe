"""Demucs, a waveform separator with strided convolutions and an LSTM (arXiv 1911.13254)."""
