import pytest

from gateway.openai.paths import canonical


@pytest.mark.parametrize(
    ("path", "leads_to", "model"),
    [
        ("/v1/images/generations", "/v1/images/generations", None),
        ("/images/generations", "/v1/images/generations", None),
        ("//v1/images/generations", "/v1/images/generations", None),
        ("/v1//images///generations/", "/v1/images/generations", None),
        ("/v1/v1/images/edits", "/v1/images/edits", None),
        ("/v1/v1/v1/models/x", "/v1/models/x", None),
        ("/models", "/v1/models", None),
        ("/models/openai/gpt-image-2", "/v1/models/openai/gpt-image-2", None),
        ("/openai/v1/images/edits", "/v1/images/edits", None),
        ("/openai/images/edits", "/v1/images/edits", None),
        ("/openai/deployments/my%20model/images/edits", "/v1/images/edits", "my model"),
        ("/openai/deployments/m/images/generations", "/v1/images/generations", "m"),
        ("/images/0123.png", "/images/0123.png", None),
        ("/v1/images/generations/job_1", "/v1/images/generations/job_1", None),
        ("/", "/", None),
        ("//", "/", None),
        ("/v1", "/v1", None),
        ("/imagesX", "/imagesX", None),
    ],
)
def test_many_paths_lead_to_one(path: str, leads_to: str, model: str | None) -> None:
    assert canonical(path) == (leads_to, model)


@pytest.mark.parametrize("path", ["/images/generations", "//v1/v1/models/", "/x//y/"])
def test_the_one_leads_to_itself(path: str) -> None:
    once = canonical(path)[0]
    assert canonical(once) == (once, None)
