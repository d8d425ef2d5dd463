"""`python -m aoai_lib`: the same as the command `aoai`."""

from aoai_lib.cli import main

main(prog_name="aoai")
