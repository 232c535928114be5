"""`python -m archsim` is the command `archsim`."""

from archsim.cli import main

if __name__ == "__main__":
    main()
