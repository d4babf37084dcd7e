"""Which request a job is for."""

from gateway.ops.origins import Origins


def test_a_job_s_request_is_found_by_its_id() -> None:
    origins = Origins()
    origins.note("job_1", "req_1")
    assert origins.request_of("job_1") == "req_1"
    assert origins.request_of("job_2") is None


def test_a_job_taken_up_again_is_for_the_newer_request() -> None:
    origins = Origins()
    origins.note("job_1", "req_1")
    origins.note("job_1", "req_2")
    assert origins.request_of("job_1") == "req_2"


def test_only_so_many_are_kept_and_the_oldest_go() -> None:
    origins = Origins(most=3)
    for number in range(4):
        origins.note(f"job_{number}", f"req_{number}")
    origins.note("job_1", "req_9")  # as young as the youngest again
    origins.note("job_5", "req_5")
    kept = [name for name in map("job_{}".format, range(6)) if origins.request_of(name)]
    assert kept == ["job_1", "job_3", "job_5"]
    assert repr(origins) == "<Origins of 3 jobs>"
