"""What settings are made of: the base of all sections, and the kinds of values in them.

Owns: strict scalars, quantities with units, names and addresses as types. Must not know: any
setting by name.
"""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

from gateway.config import addresses
from gateway.config.units import BYTES, SECONDS, USD

Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Seconds = Annotated[Number, Field(ge=0), BeforeValidator(SECONDS.read), SECONDS]
Bytes = Annotated[Whole, Field(ge=0), BeforeValidator(BYTES.read), BYTES]
Dollars = Annotated[Whole | None, Field(ge=0), BeforeValidator(USD.read), USD]
Limit = Annotated[Whole | None, Field(ge=1, le=1_000_000)]
Port = Annotated[Whole, Field(ge=0, le=65535)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Host = Annotated[str, AfterValidator(addresses.host)]
Network = Annotated[str, AfterValidator(addresses.network)]


class Section(BaseModel):
    """What all sections share: frozen, unknown names refused, numbers not made from words."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )
