"""Ending: at once, and with all function processes."""


def stop_at_once() -> None:
    pass
