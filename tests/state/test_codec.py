from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import events
from gateway.events import CreateSent, JobClaimed, JobSuspended, Throttled
from gateway.state import codec
from gateway.state.base import Failure
from gateway.translate.model import Note, Picture, Plan, RemotePicture, TaskSpec
from tests.state.rows import a_plan


def joined(text: str) -> str:
    """Two halves that meet are one character, in JSON as everywhere."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


# Halves of characters too, as JSON may bring them.
TEXT = st.text(st.characters(), max_size=20).map(joined)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
NOTES = st.builds(Note, TEXT, st.lists(st.tuples(TEXT, TEXT | NUMBERS), max_size=3).map(tuple))
REFERENCES = st.builds(Picture, path=TEXT) | st.builds(RemotePicture, TEXT)
TASKS = st.builds(
    TaskSpec,
    prompt=TEXT,
    background=st.none() | TEXT,
    references=st.lists(REFERENCES, max_size=3).map(tuple),
    mask=st.none() | REFERENCES,
)
PLANS = st.builds(
    Plan,
    tasks=st.lists(TASKS, max_size=3).map(tuple),
    notes=st.lists(NOTES, max_size=3).map(tuple),
    safety_identifier=st.none() | TEXT,
    text_tokens=st.none() | st.integers(),
)


@settings(max_examples=50)
@given(PLANS)
def test_a_plan_comes_back_as_it_was(plan: Plan) -> None:
    text = codec.plan_text(plan)
    assert text.isascii()
    assert codec.plan_of(text) == plan


def test_a_plan_of_an_earlier_version_gets_the_defaults_of_what_it_lacks() -> None:
    text = codec.plan_text(a_plan()).replace(',"text_tokens":null', "")
    assert "text_tokens" not in text
    assert codec.plan_of(text) == a_plan()


@settings(max_examples=50)
@given(st.lists(NOTES, max_size=3).map(tuple))
def test_notes_come_back_as_they_were(notes: tuple[Note, ...]) -> None:
    assert codec.notes_of(codec.notes_text(notes)) == notes


@given(st.none() | st.builds(Failure, TEXT, TEXT, st.none() | TEXT, st.none() | TEXT))
def test_a_failure_comes_back_as_it_was(failure: Failure | None) -> None:
    assert codec.failure_of(codec.failure_text(failure)) == failure


@given(st.dictionaries(TEXT, TEXT))
def test_links_come_back_as_they_were(links: dict[str, str]) -> None:
    assert codec.links_of(codec.links_text(links)) == links


@pytest.mark.parametrize(
    ("event", "name", "detail"),
    [
        (CreateSent(job_id="j", task_id="t", at=1.0), "create_sent", "{}"),
        (
            Throttled(job_id="j", task_id="t", at=1.0, retry_after=None),
            "throttled",
            '{"retry_after":null}',
        ),
        (JobClaimed(job_id="j", at=1.0), "job_claimed", "{}"),
        (
            JobSuspended(job_id="j", at=1.0, states=("running", "done")),
            "job_suspended",
            '{"states":["running","done"]}',
        ),
    ],
)
def test_an_event_is_told_by_its_name_and_its_own_fields(
    event: events.TaskEvent | events.JobEvent, name: str, detail: str
) -> None:
    assert (codec.event_name(event), codec.event_text(event)) == (name, detail)


def test_a_plan_differs_from_another() -> None:
    assert codec.plan_text(a_plan()) != codec.plan_text(replace(a_plan(), delivery="both"))
