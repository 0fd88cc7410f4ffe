"""The spectrogram U-Net (U7)."""
