"""`python -m qorridor`: the command line, also for the processes that `run` starts."""

from qorridor.faces.cli.main import main

if __name__ == "__main__":
    main()
