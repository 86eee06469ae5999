"""Random programs and their mutations."""

from azero_jax.mutate.drawing import no_op_programs, random_programs, randomize
from azero_jax.mutate.mutations import mutate
from azero_jax.mutate.policy import Mutation, MutationPolicy

__all__ = ["Mutation", "MutationPolicy", "mutate", "no_op_programs", "random_programs", "randomize"]
