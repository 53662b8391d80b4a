"""What a command says when it cannot do what it was asked."""


class CommandError(Exception):
    """The message is one line for the person at the keyboard; the command ends with status 1."""
