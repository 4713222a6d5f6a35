"""Who may hold the lease on a model: a run, the watchdog, or Terraform."""

from dataclasses import dataclass
from enum import Enum
from typing import Self


class OwnerKind(Enum):
    """The three that may switch a model; the values begin the owner's text."""

    RUN = "run"
    WATCHDOG = "watchdog"
    TERRAFORM = "terraform"


@dataclass(frozen=True)
class Owner:
    """One of them. As text: a run's name, `watchdog/<its invocation>`, `terraform/retired`."""

    kind: OwnerKind
    id: str

    @classmethod
    def run(cls, run_id: str) -> Self:
        """Return the run with this execution name."""
        return cls(OwnerKind.RUN, run_id)

    @classmethod
    def watchdog(cls, invocation_id: str) -> Self:
        """Return one invocation of the watchdog."""
        return cls(OwnerKind.WATCHDOG, invocation_id)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the owner behind its text. No execution's name can hold a slash."""
        kind, slash, identifier = text.partition("/")
        return cls(OwnerKind(kind), identifier) if slash else cls.run(text)

    def __str__(self) -> str:
        return self.id if self.kind is OwnerKind.RUN else f"{self.kind.value}/{self.id}"


# Terraform from the moment it starts to remove or change the model's pipeline.
RETIRED = Owner(OwnerKind.TERRAFORM, "retired")
