"""``python -m gan``; also the script that ``fabric run`` takes to several processes."""

from gan.cli import main

if __name__ == "__main__":
    main()
