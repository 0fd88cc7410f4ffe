"""The networks, in Keras layers and `keras.ops`, which run on every backend."""

import os

# TensorFlow allocates GPU memory on demand, so that two runs can share a GPU. It reads the variable
# when it first uses the GPU.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
