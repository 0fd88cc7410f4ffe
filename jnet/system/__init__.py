"""The operating system and TensorFlow: files, locks, signals, progress bars, worker processes."""

import sys

# All programs import this package before anything that Windows does not have: fcntl and SIGHUP.
if sys.platform == "win32":
    print("J-Net does not run on Windows: use WSL 2, see README.md", file=sys.stderr)
    sys.exit(2)
