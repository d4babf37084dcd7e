"""The simulated vendor's own section.

Owns: what the simulator may be set to. Must not know: any section of the gateway's.
"""

from pydantic import Field, SecretStr

from gateway.config.kinds import Host, Number, Port, Section, Whole


class Simulator(Section):
    """The simulated vendor (``image-gateway simulate`` and ``demo``)."""

    host: Host = Field(default="127.0.0.1", description="address to listen on")
    port: Port = Field(default=9800, description="port to listen on; 0 lets the system choose")
    api_key: SecretStr = Field(default=SecretStr("simulated"), description="the key it accepts")
    speed: Number = Field(default=1.0, gt=0, description="durations are divided by this")
    seed: Whole | None = Field(default=None, description="null: different at every start")
