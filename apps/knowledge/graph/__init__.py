"""The knowledge graph of a store: which things its documents name, and what they say these have to do with each other.

Other apps see contracts, services, selectors and, of workers, running.
"""
