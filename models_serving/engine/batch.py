"""The running answers as the device knows them, from one token to the next. Made anew when somebody comes or goes;
while they stay the same, nothing but random numbers is sent there for a token, and nothing but tokens comes back."""

from collections.abc import Sequence

import torch

from models_serving.engine.cuts import sent
from models_serving.engine.requests import Ticket
from models_serving.engine.sampling import Drawn, Rules


class Batch:
    """Answers in the order of their rows, each with at least one token drawn. `tokens` are their last ones and
    `lengths` the columns where those belong, `[answers]`; `longest` is the largest of these."""

    def __init__(self, tickets: Sequence[Ticket], device: torch.device) -> None:
        self.tickets = list(tickets)
        lengths = [ticket.length - 1 for ticket in tickets]
        self.tokens, self.lengths = sent([[ticket.drawer.drawn[-1] for ticket in tickets], lengths], torch.long, device)
        self.longest = max(lengths)
        self._rules: Rules | None = None

    def draw(self, logits: torch.Tensor) -> list[Drawn | None]:
        """The next token of each answer; the batch is one token further."""
        if self._rules is None:
            drawers = [ticket.drawer for ticket in self.tickets]
            self._rules = Rules(drawers, logits.shape[-1], logits.device)
        drawn, self.tokens = self._rules.draw(logits)
        self.lengths = self.lengths + 1
        self.longest += 1
        return drawn
