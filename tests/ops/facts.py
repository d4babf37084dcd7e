"""A request of which everything is known."""

from gateway.facts import RequestEnded
from gateway.translate.model import note

WHOLE = RequestEnded(
    request_id="req_4f1c2a9be03d4c55a7e1f0d2c3b4a596",
    method="POST",
    status=200,
    duration=12.3456789,
    sent=2_413_377,
    received=214,
    client_request_id="job-17/step-3",
    key_name="studio",
    route="generations",
    model="gpt-image-2",
    n=2,
    tier="1k",
    quality="high",
    job_id="job_01JDCQ8Y4K7N9T2V5W8XAZB3CD",
    joined="sdk_retry",
    upstream_ids=("task_v1", "task_v2"),
    notes=(note("size-cropped", from_="16:9", share=0.03),),
    retry=1,
    images=2,
    delivery="b64_json",
    cost=80_000,
    phases={"client": 0.12, "fetch": 0.3, "queue": 1.2, "upstream": 10.7},
)
"""It joined a job, though it cost something: a line that shows every key at once."""
