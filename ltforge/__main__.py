"""``python -m ltforge``: the command, for where its script is not on the path."""

from ltforge.command_line import main

main()
