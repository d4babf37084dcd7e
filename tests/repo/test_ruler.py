import sys

from tests.repo import ruler
from tests.repo.source import ROOT, gateway_modules, sources


def test_no_file_is_longer_than_the_ruler() -> None:
    modules = gateway_modules()
    for wish in ruler.long_files(modules, ruler.FILE_WANTED):
        sys.stdout.write(f"longer than wanted: {wish}\n")
    assert list(ruler.long_files(modules)) == []


def test_no_function_is_longer_than_the_ruler() -> None:
    assert list(ruler.long_functions(gateway_modules())) == []


def test_no_function_takes_more_parameters_than_the_ruler() -> None:
    assert list(ruler.wide_functions(gateway_modules())) == []


def test_packages_are_one_level_deep() -> None:
    assert list(ruler.deep_packages(gateway_modules())) == []


def test_no_file_is_named_for_everything() -> None:
    everywhere = [path for part in ("gateway", "tests", "bench") for path in sources(ROOT / part)]
    assert list(ruler.catch_all_names(everywhere)) == []


def test_nothing_is_global() -> None:
    assert list(ruler.global_statements(gateway_modules())) == []


def test_everything_is_caught_only_where_a_reason_is_listed() -> None:
    assert list(ruler.unexplained(gateway_modules(), ruler.BROAD)) == []


def test_tests_are_nearly_as_long_as_what_they_test() -> None:
    source = sum(ruler.lines(module) for module in gateway_modules())
    tests = sum(len(path.read_text("utf-8").splitlines()) for path in sources(ROOT / "tests"))
    assert tests >= ruler.TESTS_PER_SOURCE * source
