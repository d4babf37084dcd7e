"""Which request a job was begun for, so that every line about the job can say it.

Owns: the last few thousand pairs. Must not know: what a job is. The job's own facts do not carry
the request's id, for a job outlives its request; what another process began is found by the job's
id in that process's log.
"""

import threading

_MOST = 10_000


class Origins:
    """Request ids by job id; may be used from any thread."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._requests: dict[str, str] = {}

    def note(self, job_id: str, request_id: str) -> None:
        """A job was begun for a request, or taken up again: the oldest pair may be forgotten."""
        with self._lock:
            self._requests.pop(job_id, None)
            self._requests[job_id] = request_id
            if len(self._requests) > self._most:
                del self._requests[next(iter(self._requests))]

    def request_of(self, job_id: str) -> str | None:
        """The request a job was begun for, if that was here and not long ago."""
        return self._requests.get(job_id)

    def __repr__(self) -> str:
        return f"<Origins of {len(self._requests)} jobs>"
