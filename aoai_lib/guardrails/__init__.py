"""What the content filters of deployments do. Pure: reads a snapshot through facts and knows nothing else.

`filters` is the vocabulary, `policies` reads one policy, `matrix` shows all deployments of an account.
"""

from aoai_lib.guardrails.matrix import Matrix, guardrail_matrix

__all__ = ["Matrix", "guardrail_matrix"]
