"""``python -m cnndsl``: the same as the command ``cnndsl``."""

from cnndsl.cli import main

if __name__ == "__main__":
    main(prog_name="cnndsl")
