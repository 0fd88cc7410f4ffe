"""Reading, resampling and writing of audio files."""
