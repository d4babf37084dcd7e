"""Settings of how callers are answered while they wait, and told when they do not.

Owns: the sections of heartbeats and of webhooks. Must not know: who sends either.
"""

from pydantic import Field, SecretStr

from gateway.config.kinds import Host, Number, Seconds, Section, Whole


class Heartbeats(Section):
    """What keeps connections open while there is nothing to say yet."""

    interval: Seconds = Field(
        default=10, ge=1, le=15, description="between two comments of a stream, or two blanks"
    )
    whitespace_after: Seconds = Field(
        default=50, description="with keepalive: whitespace, the first blank is sent after so long"
    )


class Webhooks(Section):
    """Telling callers at their webhook_url what became of a job."""

    secret: SecretStr | None = Field(
        default=None,
        description="signs for keys without a secret of their own: whsec_ and base64; of several, "
        "with spaces between, each signs; null: such keys cannot ask for webhooks",
    )
    hosts: tuple[Host, ...] = Field(
        default=(), description="hosts that may be told even where they are private, or by http"
    )
    time: Seconds = Field(default=10, gt=0, description="until a receiver has answered")
    concurrency: Whole = Field(default=16, ge=1, le=1000, description="under way at once")
    scale: Number = Field(
        default=1.0, gt=0, le=10, description="multiplies the waits between attempts"
    )
