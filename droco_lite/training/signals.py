"""A training that is asked to stop ends between two steps, and is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable


class stop_on_signal:
    """Ctrl-C and SIGTERM (a batch system's stop) set a flag, so that neither interrupts a step.

    A second signal acts at once, as usual.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __enter__(self) -> Callable[[], bool]:
        self.stopped, self.before = False, {}
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self._stop) for number in self.SIGNALS}
        return lambda: self.stopped

    def _stop(self, number, frame) -> None:
        self.stopped = True
        self.__exit__()

    def __exit__(self, *_) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
