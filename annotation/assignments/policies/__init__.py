"""Selection policies by the name that documents use."""

from annotation.assignments.policies.balanced_pairs import BalancedPairs
from annotation.assignments.policies.base import Policy
from annotation.assignments.policies.elimination import Elimination
from annotation.assignments.policies.least_judged import LeastJudged
from annotation.assignments.policies.ordered import Ordered
from annotation.assignments.policies.random import Random
from annotation.assignments.policies.stratified import Stratified
from annotation.assignments.policies.triads import Triads
from annotation.assignments.policies.uncertainty import Uncertainty

POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        *(Random(), LeastJudged(), Ordered(), Stratified(), BalancedPairs()),
        *(Uncertainty(), Elimination(), Triads()),
    )
}
