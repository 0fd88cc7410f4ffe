"""Records of runs: Sacred's experiment, run folders and MongoDB."""
