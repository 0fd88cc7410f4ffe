"""The separators: Keras layers and `keras.ops` alone, so that they run on every backend."""
