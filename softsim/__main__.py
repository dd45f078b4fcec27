"""`python -m softsim` is `softsim`."""

from softsim.cli import main

if __name__ == "__main__":
    main()
