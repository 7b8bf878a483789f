"""A store gets vectors of another model: block by block, while the old ones answer; then all searches change over at
once, and the old ones are removed. Each step can be gone on with by another worker where one was killed."""

from apps.knowledge.reembedding.run import run_waiting_reembeddings

__all__ = ["run_waiting_reembeddings"]
