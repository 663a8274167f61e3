"""`steersman ARGUMENTS` in a process whose interpreter cannot be taken down, as when a thread of gloo is in the way."""

import atexit
import os
import sys

from steersman.cli.main import main

if __name__ == "__main__":
    atexit.register(os.abort)
    sys.exit(main(sys.argv[1:]))
