"""What a person can put right."""


class InputError(Exception):
    """An input that makes no plan; the message is one line that says what to write instead."""
