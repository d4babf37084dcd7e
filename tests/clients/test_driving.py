"""A client's process ends, and says why, where the client is not the one that the list names."""

from pathlib import Path

import pytest

from tests.clients import driving
from tests.clients.driving import Driver
from tests.clients.known import CLIENTS, LANGCHAIN, Known

pytestmark = [pytest.mark.clients, pytest.mark.asyncio]

OTHER = "9.9.9"


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_of_another_version_than_the_list_says_is_not_driven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    client = CLIENTS[name]
    package = client.packages[-1]
    there = client.pinned[package]
    monkeypatch.setattr(Known, "pinned", {**client.pinned, package: OTHER})
    driver = Driver(client, tmp_path)
    try:
        for _ in "12":  # whoever comes later is told, too
            with pytest.raises(AssertionError, match=f"{package} is {there} here, but {OTHER} in"):
                await driver.ask("call")
    finally:
        driver.close()


async def test_a_module_of_the_clients_name_from_elsewhere_is_not_driven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its package is installed, and of the right version; what is imported is something else."""
    client = CLIENTS[LANGCHAIN]
    package = tmp_path / "elsewhere" / "langchain_community" / "utilities"
    package.mkdir(parents=True)
    for file in (package.parent / "__init__.py", package / "__init__.py"):
        file.touch()
    (package / "dalle_image_generator.py").touch()
    variables = driving._variables
    monkeypatch.setattr(
        driving,
        "_variables",
        lambda *given: {
            **(told := variables(*given)),
            "PYTHONPATH": f"{told['PYTHONPATH']}:{package.parent.parent}",
        },
    )
    driver = Driver(client, tmp_path)
    try:
        with pytest.raises(AssertionError, match=f"is not from langchain-community .* {tmp_path}"):
            await driver.ask("call")
    finally:
        driver.close()
