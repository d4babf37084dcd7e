"""What promtool says of the rules, of the configurations, and of every panel's PromQL."""

import json
from pathlib import Path

import pytest
import yaml

from tests.grafana.boards import RULES, asked, marks, targets
from tests.grafana.prometheus import promtool

FILES = ("objectives.yml", "alerts.yml")


@pytest.mark.parametrize("name", FILES)
def test_promtool_finds_no_fault_with_the_rules(name: str) -> None:
    assert "SUCCESS" in promtool("check", "rules", "--lint-fatal", str(RULES / name))


def test_promtool_finds_no_fault_with_the_configuration() -> None:
    assert "SUCCESS" in promtool("check", "config", "--lint-fatal", str(RULES / "prometheus.yml"))


def test_the_containers_configuration_is_the_same_but_for_where_the_gateway_is(
    tmp_path: Path,
) -> None:
    plain, contained = (
        yaml.safe_load((RULES / name).read_text("utf-8"))
        for name in ("prometheus.yml", "compose.yml")
    )
    (scrape,) = contained["scrape_configs"]
    assert scrape.pop("authorization") == {"credentials_file": "/run/secrets/ops_token"}
    scrape["static_configs"] = plain["scrape_configs"][0]["static_configs"]
    assert contained == plain
    # promtool looks for the files that are named.
    (tmp_path / "token").touch()
    scrape["authorization"] = {"credentials_file": str(tmp_path / "token")}
    contained["rule_files"] = [str(RULES / name) for name in FILES]
    (tmp_path / "compose.yml").write_text(json.dumps(contained))
    assert "SUCCESS" in promtool("check", "config", str(tmp_path / "compose.yml"))


def test_every_panel_asks_in_promql(tmp_path: Path) -> None:
    """Told as rules, for that is how promtool reads PromQL without a server."""
    queries = [asked(target.query) for target in (*targets(), *marks())]
    made = [{"record": f"query:{place}", "expr": query} for place, query in enumerate(queries)]
    rules = tmp_path / "rules.yml"
    rules.write_text(json.dumps({"groups": [{"name": "panels", "rules": made}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", str(rules))


def test_a_fault_is_noticed(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    wrong = [{"record": "a:b", "expr": "sum by (job (up)"}]
    rules.write_text(json.dumps({"groups": [{"name": "panels", "rules": wrong}]}))
    with pytest.raises(AssertionError, match="could not parse"):
        promtool("check", "rules", str(rules))
