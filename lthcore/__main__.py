"""``python -m lthcore``."""

from lthcore.cli import main

if __name__ == "__main__":
    main()
