"""``python -m calgan`` is the command line."""

from calgan.cli import main

if __name__ == "__main__":
    main()
