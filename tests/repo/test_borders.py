from tests.repo.borders import reads_environment, sees_everything
from tests.repo.source import gateway_modules


def test_only_those_who_build_see_the_whole_configuration() -> None:
    assert list(sees_everything(gateway_modules())) == []


def test_only_the_configuration_reads_the_environment() -> None:
    assert list(reads_environment(gateway_modules())) == []
