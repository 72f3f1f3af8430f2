"""``python -m divergences`` is the command line."""

from divergences.cli import main

if __name__ == "__main__":
    main()
