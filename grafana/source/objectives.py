"""What is promised to callers and to whoever pays, as numbers: objectives, and how fast they burn.

Owns: the four objectives, and PromQL for how well each is met. Must not know: panels, or how rules
are written down. The windows are those of the SRE workbook.
"""

from dataclasses import dataclass
from string import Template
from textwrap import indent

from grafana.source.promql import PREFIX, of

WORK = 'route=~"generations|edits|variations"'
LEAST = 20  # image traffic is thin: one failure of three is no burn

# How many times faster than allowed; within a long window, and still within a short one.
FAST = ((14.4, "1h", "5m"), (6.0, "6h", "30m"))
SLOW = ((3.0, "1d", "2h"), (1.0, "3d", "6h"))
_STEP = "  "
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A share ``goal`` of what counts is to be good.

    ``bad`` and ``whole`` are PromQL with ``$of`` (rate or increase), ``$by`` and ``$window`` to be
    put in; ``cases`` is likewise what has to be many for a share to mean anything, ``whole`` where
    nothing else is said. ``name`` is part of the rules' names, and of the alerts' with a capital.
    ``said`` ends their summary.
    """

    name: str
    goal: float
    about: str
    said: str
    bad: str
    whole: str
    cases: str = ""

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return round(1 - self.goal, 6)

    @property
    def bad_rate(self) -> str:
        """The recorded series of what was bad, per second, by process."""
        return f"instance:{PREFIX}{self.name}_bad:rate5m"

    @property
    def whole_rate(self) -> str:
        """The recorded series of all that counts, per second, by process."""
        return f"instance:{PREFIX}{self.name}_whole:rate5m"

    def bad_share(self, window: str) -> str:
        """The recorded series of the share that was bad within a window."""
        return f"job:{PREFIX}{self.name}_bad:ratio_rate{window}"

    def recorded(self) -> dict[str, str]:
        """Every recorded series, and its PromQL."""
        alone = {"of": "rate", "by": "job, instance", "window": "5m"}
        rules = {
            self.bad_rate: Template(self.bad).substitute(alone),
            self.whole_rate: Template(self.whole).substitute(alone),
        }
        for window in WINDOWS:
            together = {"of": "rate", "by": "job", "window": window}
            bad, whole = (Template(one).substitute(together) for one in (self.bad, self.whole))
            rules[self.bad_share(window)] = (
                f"(\n{indent(bad, _STEP)}\n)\n/\n(\n{indent(whole, _STEP)}\n)"
            )
        return rules

    def burns(self, factor: float, long: str, short: str) -> str:
        """PromQL of an alert: so fast in both windows, and enough cases to tell."""
        cases = Template(self.cases or self.whole).substitute(of="increase", by="job", window=long)
        return (
            f"{self.bad_share(long)} > {factor:g} * {self.budget:g}\n"
            f"and {self.bad_share(short)} > {factor:g} * {self.budget:g}\n"
            f"and (\n{indent(cases, _STEP)}\n) > {LEAST}"
        )

    def met(self, over: str) -> str:
        """PromQL of a panel: the share that was good in that time."""
        bad, whole = (
            f"sum(sum_over_time({of(name, over=over)}))"
            for name in (self.bad_rate, self.whole_rate)
        )
        return f"1 - {bad} / ({whole} > 0)"

    def left(self, over: str) -> str:
        """PromQL of a panel: the share of that time's budget that is left."""
        return f"clamp_min(1 - (1 - ({self.met(over)})) / {self.budget:g}, 0)"

    def burn(self, window: str) -> str:
        """PromQL of a panel: how many times faster than allowed the budget goes, if at all."""
        return f"max({of(self.bad_share(window))} >= 0) / {self.budget:g}"


def _sum(series: str) -> str:
    return f"sum by ($by) ($of({PREFIX}{series}[$window]))"


def _requests(status: str) -> str:
    return _sum(f"http_requests_total{{{WORK}, {status}}}")


# What a key's own limits refuse is its caller's affair; what the account's do is ours.
_OUR_429 = _sum('rejections_total{reason=~"throttled|unfunded"}')

OBJECTIVES = (
    Objective(
        name="served",
        goal=0.995,
        about="Of the valid requests for pictures, those that were served: not answered with 5xx,"
        " nor with a 429 that no limit of the caller's key called for.",
        said="of the requests for pictures fail by our or the vendor's doing",
        bad=_requests('status=~"5.."') + "\n+ " + _OUR_429,
        whole=_requests('status!~"4.."') + "\n+ " + _OUR_429,
    ),
    Objective(
        name="overhead",
        goal=0.99,
        about="Of the requests for pictures that were served, those of which the gateway itself"
        " (neither caller, queue nor vendor) took at most 250 ms.",
        said="of the requests for pictures that are served spend more than 250 ms in the gateway",
        bad=_sum(f"overhead_seconds_count{{{WORK}}}")
        + "\n- "
        + _sum(f'overhead_seconds_bucket{{{WORK}, le="0.25"}}'),
        whole=_sum(f"overhead_seconds_count{{{WORK}}}"),
    ),
    Objective(
        name="money",
        goal=0.999,
        about="Of the money charged, what was charged for pictures that somebody was given.",
        said="of the money is charged for pictures that nobody is given",
        bad=_sum("cost_unserved_usd_total"),
        whole=_sum("cost_usd_total"),
        cases=_sum('upstream_creates_total{outcome=~"accepted|ambiguous"}'),
    ),
    Objective(
        name="lag",
        goal=0.95,
        about="Of the finished pictures, those noticed within 5 s of the vendor's having them.",
        said="of the finished pictures are noticed only after more than 5 s",
        bad=_sum("upstream_poll_lag_seconds_count")
        + "\n- "
        + _sum('upstream_poll_lag_seconds_bucket{le="5.0"}'),
        whole=_sum("upstream_poll_lag_seconds_count"),
    ),
)
