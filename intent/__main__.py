"""``python -m intent`` is the command ``intent``."""

from intent.cli import main

if __name__ == "__main__":
    main()
