"""The Wave-U-Net and its J-Net variants."""
