"""Names of steps, blocks, protocols, item sets: they become parts of addresses and of column names."""

from typing import Annotated

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,79}$")]
