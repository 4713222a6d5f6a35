"""Pieces of work that can stop in the middle: one runs at a time, and the world decides which.

A function that waits, in whatever depth of calls, gives the word back to the world and goes on when the world says so.
So several functions are under way at once, and each goes on when its own time has come.
"""

import threading
from collections.abc import Callable


class FiberClosedError(BaseException):
    """The world ended while this work waited. Nothing in it may catch that."""


class Fiber:
    """One piece of work in a thread of its own, which runs only between `resume` and `pause`."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._is_closing = False
        self._turn, self._others_turn = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.is_over = False

    def resume(self) -> None:
        """Let it go on until it pauses or ends; what it raised is raised here."""
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._turn.release()
        self._others_turn.acquire()
        if not self.is_over:
            return
        self._thread.join()
        if self._error is not None:
            raise self._error

    def pause(self) -> None:
        """Give the word back, from within the work, until somebody resumes it."""
        self._others_turn.release()
        self._turn.acquire()
        if self._is_closing:
            raise FiberClosedError

    def close(self) -> None:
        """End it where it waits."""
        if self._thread.ident is not None and not self.is_over:
            self._is_closing = True
            self.resume()

    def _run(self) -> None:
        try:
            self._work()
        except FiberClosedError:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self.is_over = True
            self._others_turn.release()
