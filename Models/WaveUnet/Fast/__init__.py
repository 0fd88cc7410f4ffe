"""The Wave-U-Net on a CPU with fewer operations, with the same function and gradients."""
