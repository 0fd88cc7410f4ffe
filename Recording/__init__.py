"""What a run leaves in its folder, and the copy of it in MongoDB."""
