"""What can go wrong while a call is examined."""


class DetectorUnavailable(Exception):
    """A detector outside this process did not answer, or not in its documented format. No caller ever sees it."""
