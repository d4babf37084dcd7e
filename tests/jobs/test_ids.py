from gateway.jobs.ids import job_id, task_id, ulid


def test_ids_sort_by_time_and_differ_within_a_moment() -> None:
    early, late = ulid(1_790_000_000.0), ulid(1_790_000_000.5)
    assert early < late
    assert ulid(1.0) != ulid(1.0)
    assert len(early) == 26


def test_the_layout_is_that_of_the_specification() -> None:
    # The example timestamp of the ULID specification: 1469918176385 ms.
    assert ulid(1469918176.385).startswith("01ARYZ6S41")


def test_jobs_and_tasks_are_told_apart() -> None:
    assert job_id(1.0).startswith("job_")
    assert task_id(1.0).startswith("task_")
