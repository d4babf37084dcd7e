"""The page on clients is true: what can be run is run as it stands, against a gateway.

The blocks of one language are one session in one folder, from top to bottom, for later ones use
what earlier ones made. What wants a library that the project's own environment has not is run with
the clients' environments.
"""

import io
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.cli.processes import PATIENCE, environment, running
from tests.clients import page
from tests.clients.driving import NODE
from tests.clients.environments import NPM, Environment
from tests.clients.known import CLIENTS as DRIVEN
from tests.clients.page import Block
from tests.clients.raw.everyone import CLIENTS as REPLICAS
from tests.outputs import OUTPUTS
from tests.repo import pages

TOOLS = ("bash", "curl", "grep", "sed", "xargs", "base64")
RUN = {"bash", "python", "js"}
OTHERS = {"sh", "yaml", "toml", "properties", "console", "nginx", "caddyfile", "haproxy"}
PROGRAMS = {"go", "java", "ruby", "csharp", "php"}


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the page's head names, of a gateway that goes on serving."""
    folder = tmp_path_factory.mktemp("gateway")
    with running(folder, "demo", "--port", "0", "--speed", "1000") as demo:
        demo.until("Serving until Ctrl-C.")
        said = "".join(demo.out)
        key = re.search(r"Bearer ([^\"]+)\"", said)
        url = re.search(r"(http://[\d.:]+)/v1/images/generations", said)
        assert key
        assert url
        # The machine's proxies are none of ours.
        yield {"GATEWAY_URL": url[1], "GATEWAY_KEY": key[1], "NO_PROXY": "*"}


def carried_out(
    blocks: list[Block], command: list[str], folder: Path, variables: dict[str, str]
) -> None:
    """Run one after the other; each makes one picture that was not there."""
    assert blocks
    for block in blocks:
        before = set(folder.glob("*.png"))
        done = subprocess.run(
            [*command, block.text],
            cwd=folder,
            env={**environment(), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        OUTPUTS.keep("programs", done.stdout + done.stderr)
        assert done.returncode == 0, f"{block}:\n{done.stdout}{done.stderr}"
        (made,) = set(folder.glob("*.png")) - before
        with Image.open(io.BytesIO(made.read_bytes())) as image:
            image.load()
            assert image.format == "PNG", block


def of(language: str, *libraries: str) -> list[Block]:
    """The blocks that use one of these libraries, or none of any if none are named."""
    found = page.blocks(language)
    if not libraries:
        return [block for block in found if "langchain" not in block.text]
    return [block for block in found if any(name in block.text for name in libraries)]


def test_what_is_typed_into_a_shell_makes_pictures(
    variables: dict[str, str], tmp_path: Path
) -> None:
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    assert not lacking, f"to try the page's commands, install {', '.join(lacking)}"
    carried_out(page.blocks("bash"), ["bash", "-euo", "pipefail", "-c"], tmp_path, variables)


def test_programs_with_openais_library_make_pictures(
    variables: dict[str, str], tmp_path: Path
) -> None:
    carried_out(of("python"), [sys.executable, "-c"], tmp_path, variables)


@pytest.mark.clients
def test_langchains_program_makes_a_picture(variables: dict[str, str], tmp_path: Path) -> None:
    langchain = Environment("langchain")
    carried_out(of("python", "langchain"), [str(langchain.python), "-c"], tmp_path, variables)


@pytest.fixture(scope="module", autouse=True)
def _environments(request: pytest.FixtureRequest) -> None:
    """What is wanted is made before the gateway is started, which is given a minute."""
    wanted = [item for item in request.session.items if item.path == request.path]
    if any(item.get_closest_marker("clients") for item in wanted):
        for one in (Environment("langchain"), Environment(NPM)):
            one.make()


@pytest.mark.clients
def test_programs_for_node_make_pictures(variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(Environment(NPM).folder / "node_modules")
    command = [str(NODE), "--input-type=module", "--eval"]
    carried_out(page.blocks("js"), command, tmp_path, variables)


def test_every_block_is_run_or_looked_at() -> None:
    assert page.languages() == RUN | OTHERS | PROGRAMS
    assert len(of("python")) + len(of("python", "langchain")) == len(page.blocks("python"))


# What is not run


@pytest.mark.parametrize("block", page.blocks("yaml"), ids=str)
def test_yaml_is_yaml(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("block", page.blocks("toml"), ids=str)
def test_toml_is_toml(block: Block) -> None:
    assert tomllib.loads(block.text)


@pytest.mark.parametrize("block", page.blocks("sh", "properties"), ids=str)
def test_settings_are_names_and_values(block: Block) -> None:
    lines = [line for line in block.text.splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+=\S.*|spring\.[a-z.-]+=\S+", line), line


@pytest.mark.parametrize("block", page.blocks("console"), ids=str)
def test_commands_can_be_read_by_a_shell(block: Block) -> None:
    done = subprocess.run(["bash", "-n", "-c", block.text], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("block", page.blocks("nginx", "caddyfile", *PROGRAMS), ids=str)
def test_brackets_are_closed(block: Block) -> None:
    bare = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", "", block.text)
    for opened, closed in ("()", "[]", "{}"):
        assert bare.count(opened) == bare.count(closed), opened


@pytest.mark.parametrize("block", page.blocks("nginx"), ids=str)
def test_directives_of_nginx_end(block: Block) -> None:
    for line in block.text.splitlines():
        assert not line.strip() or line.rstrip()[-1] in ";{}", line


@pytest.mark.parametrize("block", page.blocks("haproxy"), ids=str)
def test_haproxys_sections_hold_settings(block: Block) -> None:
    first, *rest = block.text.splitlines()
    assert not first.startswith(" ")
    assert all(line.startswith("    ") for line in rest)


# Tools and their replicas


def test_each_tool_is_replayed() -> None:
    known = {client.id for client in REPLICAS} | DRIVEN.keys()
    assert {tool.replica for tool in page.tools()} - known == set()


def test_each_replica_has_its_row() -> None:
    told = {tool.replica for tool in page.tools()}
    assert {client.id for client in REPLICAS} - told == set()
    assert len(told) == len(page.tools())


def test_each_tool_has_its_section_and_a_whole_row() -> None:
    anchors = {pages.anchor(heading) for heading in pages.HEADING.findall(page.TEXT)}
    for tool in page.tools():
        assert tool.section in anchors
        assert len(tool.cells) == 7
        assert all(tool.cells), tool


def test_what_is_looked_at_is_told() -> None:
    assert "checked for their form only" in page.TEXT
