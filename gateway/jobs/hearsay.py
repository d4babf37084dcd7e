"""What the vendor told by itself of tasks that it is not known to have: that it has them.

Owns: which tasks it has told of, and the names it gave them, within bounds. Must not know:
webhooks, who asks. A name is heard of only together with our own, so that it is no other task's; it
is one more name to ask by, and never an answer. That a task was told of at all is believed in one
thing: its create is not sent again, for that could only be a second purchase.
"""

_MOST = 10_000


class Hearsay:
    """The newest ``most``; it ends with the process."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._names: dict[str, str | None] = {}

    def __repr__(self) -> str:
        return f"Hearsay({len(self._names)} tasks)"

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._names

    def hear(self, task_id: str, theirs: str | None) -> None:
        """The vendor told of a task, and perhaps under which name it has it."""
        name = theirs or self._names.pop(task_id, None)
        self._names.pop(task_id, None)
        self._names[task_id] = name
        while len(self._names) > self._most:
            del self._names[next(iter(self._names))]

    def forget(self, task_id: str) -> None:
        """It turned out to be none that this is of use for."""
        self._names.pop(task_id, None)

    def name(self, task_id: str) -> str | None:
        """The vendor's name for a task, if it was told."""
        return self._names.get(task_id)
