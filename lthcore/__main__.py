"""``python -m lthcore``."""

import sys

try:
    from lthcore.cli import main
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    main()
